"""Kafka, Redis and PostgreSQL in one folder: started together, described in one file, stopped together."""

import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from runnerq_site.embedded import addresses
from runnerq_site.embedded.addresses import write_privately
from runnerq_site.embedded.artifacts import default_cache
from runnerq_site.embedded.folder import Guard, Lock
from runnerq_site.embedded.kafka import Kafka
from runnerq_site.embedded.postgres import Postgres
from runnerq_site.embedded.redis import Redis
from runnerq_site.embedded.server import Server
from runnerq_site.local import SERVICES_FILE


@dataclass(frozen=True, slots=True)
class Services:
    """Where the servers are."""

    brokers: str
    redis_url: str
    database_url: str

    def environment(self) -> dict[str, str]:
        """Return the variables that lead a process of ours to these servers."""
        return {"KAFKA_BROKERS": self.brokers, "REDIS_URL": self.redis_url, "DATABASE_URL": self.database_url}


class Stack:
    """One set of servers. Addresses are known before the start and stay the same over kills and restarts.

    ``disposable``, for tests: nothing survives ``stop`` or the death of this process, nothing is written durably,
    and Kafka is tuned for a quick start, so do not measure it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache: Path | None = None,
        report: Callable[[str], None] = lambda _: None,
        disposable: bool = False,
    ) -> None:
        self.folder = folder.resolve()
        self.disposable = disposable
        if not self.folder.exists():
            # Others may pass through as root's PostgreSQL does, and read nothing.
            self.folder.mkdir(mode=0o711, parents=True)
        self._settled = addresses.settle(self.folder)
        settled, cache = self._settled, cache or default_cache()
        self.kafka = Kafka(
            self.folder,
            report,
            port=settled.kafka,
            controller_port=settled.controller,
            cache=cache,
            short_lived=disposable,
        )
        self.redis = Redis(self.folder, report, port=settled.redis, password=settled.password, cache=cache)
        self.postgres = Postgres(self.folder, report, sockets=settled.sockets, durable=not disposable)
        self.servers: tuple[Server, ...] = (self.kafka, self.redis, self.postgres)
        self._lock = Lock(self.folder)
        self._guard: Guard | None = None
        self._writing = threading.Lock()

    @property
    def services(self) -> Services:
        """Where the servers are, or will be."""
        return Services(self.kafka.brokers, self.redis.url, self.postgres.url())

    @property
    def running(self) -> bool:
        """Whether this process started the servers and has not stopped them."""
        return self._guard is not None

    def start(self) -> Services:
        """Start all servers at once; return when each answers.

        Raises:
            AlreadyRunningError: somebody runs servers in this folder.
            EmbeddedError: a server does not start; the others are stopped again.
        """
        descriptor = self._lock.take()
        remove = [self.folder] if self.disposable else [self.folder / SERVICES_FILE]
        self._guard = Guard(descriptor, remove)
        try:
            # Only now: a second start, which the lock refuses, found the ports taken and settled on others.
            addresses.keep(self.folder, self._settled)
            with ThreadPoolExecutor(len(self.servers)) as pool:
                for server in self.servers:
                    server.guard = self._guard
                try:
                    for future in [pool.submit(server.start) for server in self.servers]:
                        future.result()
                except BaseException:
                    # Leaving the pool waits for its threads.
                    for server in self.servers:
                        server.given_up.set()
                    raise
            self.describe()
        except BaseException:
            self.stop()
            raise
        return self.services

    def stop(self) -> None:
        """Stop all servers, forget the description, free the folder."""
        with ThreadPoolExecutor(len(self.servers)) as pool:
            for server in self.servers:
                pool.submit(server.kill if self.disposable else server.stop)
        if self._guard:
            self._guard.dismiss()
            self._guard = None
        self._lock.release()

    def revive(self) -> list[str]:
        """Start again what ended by itself; return the names."""
        ended = [server for server in self.servers if server.died]
        for server in ended:
            server.start()
        if ended:
            self.describe()
        return [server.name for server in ended]

    def describe(self) -> None:
        """Write addresses, passwords and pids for commands in other terminals, readable by this user only."""
        description: dict[str, Any] = {
            "pid": os.getpid(),
            "environment": self.services.environment(),
            "servers": {each.name: {"pid": each.pid, "log": str(each.log_path)} for each in self.servers},
        }
        with self._writing:
            write_privately(self.folder / SERVICES_FILE, description)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def disposable_stack(cache: Path | None = None) -> Stack:
    """Return a stack, not started, in a folder of its own that vanishes with it."""
    return Stack(Path(tempfile.mkdtemp(prefix="runnerq-")), cache=cache, disposable=True)
