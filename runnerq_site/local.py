"""What a checkout keeps for itself in its folder: the running servers' addresses, the secret key."""

import json
import os
import secrets
from pathlib import Path

SERVICES_FILE = "services.json"


def services_environment(folder: Path) -> dict[str, str]:
    """Return the variables that lead to the servers running in ``folder``; empty when none run."""
    try:
        found = json.loads((folder / SERVICES_FILE).read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in found["environment"].items()}
    except (OSError, ValueError, KeyError, AttributeError):
        return {}


def secret_key(folder: Path) -> str:
    """Return the key kept in ``folder``, made on first use and readable by its owner only."""
    path = folder / "secret-key"
    if not path.exists():
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft = folder / f".secret-key-{secrets.token_hex(8)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50), encoding="utf-8")
        try:
            # Two processes of a fresh clone start at once: the first link wins and both read the same key.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()
