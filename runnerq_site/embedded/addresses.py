"""Where a folder's servers listen: the same ports, password and socket folder each time, where they are still free."""

import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runnerq_site.embedded.ports import free_port

_FILE = "addresses.json"
# The system's limit is 104 to 108 bytes, and PostgreSQL adds the name of the socket.
_LONGEST = 85


@dataclass(frozen=True, slots=True)
class Addresses:
    """One set of servers' addresses."""

    kafka: int
    controller: int
    redis: int
    password: str
    sockets: Path


def settle(folder: Path) -> Addresses:
    """Return the addresses kept in ``folder``, with others in place of what is missing or taken."""
    try:
        kept: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    return Addresses(
        kafka=free_port(kept.get("kafka", 0)),
        controller=free_port(kept.get("controller", 0)),
        redis=free_port(kept.get("redis", 0)),
        password=kept.get("password") or secrets.token_urlsafe(24),
        sockets=_sockets(folder, kept.get("sockets", "")),
    )


def keep(folder: Path, addresses: Addresses) -> None:
    """Write the addresses down for the next start."""
    write_privately(folder / _FILE, asdict(addresses) | {"sockets": str(addresses.sockets)})


def _sockets(folder: Path, kept: str) -> Path:
    """Return PostgreSQL's folder, or a short one where the path of its socket would be too long."""
    if len(str(folder / "postgres")) <= _LONGEST:
        return folder / "postgres"
    if kept and Path(kept).is_dir():
        return Path(kept)
    return Path(tempfile.mkdtemp(prefix="runnerq-sockets-"))


def write_privately(path: Path, content: dict[str, Any]) -> None:
    """Replace the file as a whole; at no moment can another user read it."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    Path(draft).replace(path)
