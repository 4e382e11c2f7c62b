"""Where measurements happen: servers, a name that nothing else uses, and a database of that name."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.db import connections
from psycopg import sql

from queues.conf import Conf, build
from runnerq_site.embedded.stack import Stack

SETTINGS = "runnerq_site.bench.settings"
type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """What a scenario needs to know of its surroundings. ``own``: the servers run for this bench alone."""

    name: str
    folder: Path
    conf: Conf
    environment: dict[str, str]
    database: dict[str, Any]
    own: bool
    servers: Mapping[str, int]
    """Name → pid of servers that the bench runs itself."""

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection to the bench's database, each statement its own transaction."""
        return psycopg.connect(**self.database, autocommit=True)

    def empty_index(self) -> None:
        """Leave the index as a migration leaves it; no indexer may run."""
        with self.connect() as connection:
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'idx'")
            names = [sql.Identifier("idx", name) for (name,) in found]
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(names)))


@contextmanager
def opened(say: Say) -> Iterator[Place]:
    """Give a place: the servers that settings name, else embedded ones of its own; leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="runnerq-bench-"))
    # PostgreSQL runs as another user where this is root, and must pass through.
    folder.chmod(0o711)
    stack = None
    try:
        if settings.UNCONFIGURED:
            say("no servers are running here: starting Kafka, Redis and PostgreSQL in a temporary folder")
            stack = Stack(folder / "servers", cache=settings.RUNNERQ_CACHE)
            stack.start()
        place = _place(folder, stack)
        _create_database(place)
        try:
            yield place
        finally:
            if not stack:
                _clear(place)
    finally:
        if stack:
            stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _place(folder: Path, stack: Stack | None) -> Place:
    name = f"bench_{secrets.token_hex(4)}"
    given: dict[str, Any] = dict(settings.RUNNERQ) | {"TOPIC_PREFIX": name, "REDIS_PREFIX": name}
    database = connections["default"].get_connection_params()
    environment = {
        **os.environ,
        "BENCH_NAME": name,
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
    }
    servers = {each.name: each.pid for each in stack.servers} if stack else {}
    if stack:
        services = stack.services
        given["KAFKA"] = given["KAFKA"] | {"bootstrap.servers": services.brokers}
        given["REDIS_URL"] = services.redis_url
        database = psycopg.conninfo.conninfo_to_dict(services.database_url)
        environment |= services.environment()
    wanted = {key: value for key, value in database.items() if key in _CONNECTION} | {"dbname": name}
    return Place(name, folder, build(given), environment, wanted, own=stack is not None, servers=servers)


_CONNECTION = ("host", "port", "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey")


def _create_database(place: Place) -> None:
    with psycopg.connect(**place.database | {"dbname": "postgres"}, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(place.name)))


def _clear(place: Place) -> None:
    """Take what a bench made away from servers that go on."""
    admin = AdminClient(dict(place.conf.kafka))
    topics = [name for name in admin.list_topics(timeout=10).topics if name.startswith(f"{place.name}-")]
    if topics:
        for future in admin.delete_topics(topics).values():
            future.result()
    asyncio.run(_forget_keys(place))
    with psycopg.connect(**place.database | {"dbname": "postgres"}, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(place.name)))


async def _forget_keys(place: Place) -> None:
    from redis.asyncio import Redis  # noqa: PLC0415 -- only servers that go on need it

    async with Redis.from_url(place.conf.redis_url) as redis:
        async for key in redis.scan_iter(f"{place.name}:*", count=1_000):
            await redis.unlink(key)
