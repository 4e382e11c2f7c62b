"""The files that the demo reads: text under a folder, and now and then something that is none."""

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from runnerq_site.demo.text import UndecodableError, read_text

MOST_BYTES: Final = 1_000_000
FEW_BINARY: Final = 5
ONE_IN: Final = 500


class Document(NamedTuple):
    """A file to be analyzed, and whether that can succeed."""

    path: Path
    is_text: bool


def installed_packages() -> Path:
    """Return where this Python's packages are: thousands of text files that everyone has."""
    return Path(sysconfig.get_paths()["purelib"])


def find_files(folder: Path) -> list[Path]:
    """Return the regular files under ``folder`` of 1 byte to 1 MB, in order; hidden ones and caches are left out."""
    found = []
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        for name in sorted(names):
            file = Path(path, name)
            if not name.startswith(".") and file.is_file() and 0 < file.stat().st_size <= MOST_BYTES:
                found.append(file)
    return found


def documents(files: list[Path]) -> Iterator[Document]:
    """Yield the text files, and of those that hold none five, or one in 500 if that is more."""
    binary = 0
    for seen, path in enumerate(files, 1):
        try:
            read_text(path)
        except UndecodableError:
            if binary < max(FEW_BINARY, seen // ONE_IN):
                binary += 1
                yield Document(path, is_text=False)
        except OSError:
            continue
        else:
            yield Document(path, is_text=True)
