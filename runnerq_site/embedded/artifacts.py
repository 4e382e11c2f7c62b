"""Files from Maven repositories: each downloaded once per user, each with the pinned size and SHA-256."""

import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runnerq_site.embedded.errors import NOT_INSTALLED, EmbeddedError

Report = Callable[[str], None]
_TABLE = Path(__file__).with_name("artifacts.txt")
_LANES = 6


@dataclass(frozen=True, slots=True)
class Artifact:
    """One row of the table."""

    group: str
    name: str
    version: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """The name it is kept under."""
        return f"{self.name}-{self.version}.jar"


def default_cache() -> Path:
    """Return the folder for downloads that all checkouts of a user share."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "runnerq"
    return Path.home() / ".cache" / "runnerq"


def table(owner: str) -> list[Artifact]:
    """Return the artifacts of ``kafka`` or ``redis``."""
    rows = [line.split() for line in _TABLE.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    found = []
    for whose, coordinate, size, sha256 in rows:
        if whose == owner:
            group, name, version = coordinate.split(":")
            found.append(Artifact(group, name, version, int(size), sha256))
    return found


def fetch(owner: str, cache: Path, report: Report) -> list[Path]:
    """Return the verified files of ``owner``, downloading the ones that ``cache`` lacks or holds damaged.

    Raises:
        EmbeddedError: a download failed or is not what was pinned; verified files stay cached.
    """
    wanted = table(owner)
    cache.mkdir(parents=True, exist_ok=True)
    lacking = [artifact for artifact in wanted if not _is_sound(cache / artifact.filename, artifact)]
    if lacking:
        _download(lacking, cache, report)
    return [cache / artifact.filename for artifact in wanted]


def _is_sound(path: Path, artifact: Artifact) -> bool:
    try:
        if path.stat().st_size != artifact.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
    except FileNotFoundError:
        return False


def _download(lacking: Iterable[Artifact], cache: Path, report: Report) -> None:
    todo = list(lacking)
    total = sum(artifact.size for artifact in todo) / 1e6
    report(f"downloading {len(todo)} files, {total:.0f} MB, once, to {cache}")
    done = 0.0
    with ThreadPoolExecutor(_LANES) as lanes:
        futures = {lanes.submit(_download_one, artifact, cache): artifact for artifact in todo}
        shown = 0.0
        for future in as_completed(futures):
            error = future.exception()
            if error:
                lanes.shutdown(cancel_futures=True)
                name = futures[future].filename
                raise EmbeddedError(f"{name} could not be downloaded: {error}") from error
            done += futures[future].size / 1e6
            if done - shown >= total / 5 or done == total:
                report(f"downloaded {done:.0f} of {total:.0f} MB")
                shown = done


def _download_one(artifact: Artifact, cache: Path) -> None:
    # The resolver writes in place: a folder of its own keeps half a file out of the cache.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as folder:
        context = _maven(Path(folder))
        component = context.project(artifact.group, artifact.name).at_version(artifact.version)
        path = Path(component.artifact().resolve())
        if not _is_sound(path, artifact):
            raise EmbeddedError("what the repository sent is not what is pinned in artifacts.txt")
        path.replace(cache / artifact.filename)


def _maven(folder: Path) -> Any:
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415 -- an optional dependency, and slow to import
    except ImportError:
        raise EmbeddedError(NOT_INSTALLED) from None
    return MavenContext(repo_cache=folder, timeout=60)
