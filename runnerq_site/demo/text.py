"""Text in a file: decoded if it can be, counted, and its language guessed."""

import re
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_BY_SUFFIX: Final = {
    ".py": "Python", ".pyi": "Python", ".pyx": "Cython", ".c": "C", ".h": "C", ".cpp": "C++", ".hpp": "C++",
    ".js": "JavaScript", ".ts": "TypeScript", ".css": "CSS", ".html": "HTML", ".svg": "SVG", ".xml": "XML",
    ".json": "JSON", ".toml": "TOML", ".yaml": "YAML", ".yml": "YAML", ".cfg": "INI", ".ini": "INI",
    ".sql": "SQL", ".lua": "Lua", ".sh": "Shell", ".rs": "Rust", ".java": "Java", ".csv": "CSV", ".po": "PO",
}  # fmt: skip
_COMMON_WORDS: Final = {
    "English": {"the", "and", "of", "to", "in", "is", "that", "for", "it", "with", "not", "this", "be"},
    "German": {"der", "die", "und", "das", "ist", "nicht", "ein", "eine", "mit", "von", "für", "auf", "zu"},
    "French": {"le", "la", "les", "et", "des", "est", "une", "que", "dans", "pour", "pas", "du", "sur"},
    "Spanish": {"el", "los", "las", "y", "que", "una", "por", "con", "para", "es", "se", "como", "del"},
}


class UndecodableError(Exception):
    """The file holds no text in any encoding that is tried."""


class Text(NamedTuple):
    """A decoded file, with its bytes for whoever hashes them."""

    raw: bytes
    encoding: str
    content: str


def read_text(path: Path) -> Text:
    """Return the file's text.

    Raises:
        UndecodableError: it is neither UTF-8, UTF-16 with its mark, nor plausible Latin-1.
        OSError: it cannot be read.
    """
    raw = path.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "utf-8"]
    # Latin-1 decodes anything at all: control characters give binary data away.
    if not _CONTROL.search(raw):
        encodings.append("latin-1")
    for encoding in encodings:
        try:
            content = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in content:
            return Text(raw, encoding, content)
    raise UndecodableError(f"{path.name}: {len(raw):,} bytes that are no text in {' or '.join(encodings)}")


def words_of(content: str) -> list[str]:
    """Return the words in lower case, in order."""
    return [word.lower() for word in _WORD.findall(content)]


def guess_language(path: Path, words: list[str]) -> str:
    """Return a programming language by the file's name, else a natural one by its commonest words."""
    if known := _BY_SUFFIX.get(path.suffix.lower()):
        return known
    counts = Counter(words)
    score = {name: sum(counts[word] for word in common) for name, common in _COMMON_WORDS.items()}
    best = max(score, key=lambda name: score[name])
    return best if score[best] >= max(3, len(words) // 50) else "unknown"
