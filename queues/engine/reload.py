"""Which Python files of the project have changed, for ``runworkers --reload``."""

import sys
from pathlib import Path

type Snapshot = dict[str, int]
"""File → time of its last change, in ns."""


def snapshot() -> Snapshot:
    """Return the ``.py`` files in the folders of all loaded modules that are not installed packages."""
    folders = {Path(file).parent for file in _module_files() if not _installed(file)}
    found: Snapshot = {}
    for folder in folders:
        for path in folder.glob("*.py"):
            try:
                found[str(path)] = path.stat().st_mtime_ns
            except OSError:
                continue
    return found


def changed_files(before: Snapshot) -> tuple[list[str], Snapshot]:
    """Return the files that are new, gone or changed since ``before``, and how they are now."""
    now = snapshot()
    changed = [file for file in before.keys() | now.keys() if before.get(file) != now.get(file)]
    return sorted(changed), now


def _module_files() -> list[str]:
    return [file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]


def _installed(file: str) -> bool:
    return "site-packages" in file or file.startswith((sys.base_prefix + "/lib", sys.prefix + "/lib", "<"))
