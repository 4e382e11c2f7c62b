"""The Lua scripts: read from their files, joined with what they include, called by hash."""

import hashlib
import re
from functools import cache
from importlib.resources import files

_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)


class Script:
    """One script: its text and the hash that Redis knows it by."""

    __slots__ = ("name", "sha", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@cache
def script(name: str) -> Script:
    """Return the script ``lua/{name}.lua`` with its includes ahead of it, without comments."""
    folder = files(__package__) / "lua"
    own = (folder / f"{name}.lua").read_text()
    includes = _INCLUDE.search(own)
    parts = (
        [(folder / "lib" / f"{one}.lua").read_text() for one in includes.group(1).split()] if includes else []
    )
    text = "\n".join((*parts, own))
    return Script(name, re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE))
