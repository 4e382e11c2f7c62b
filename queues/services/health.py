"""Health: what is wrong with the servers and the views, in the order of how bad it is, each with how to mend it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Any, Final, NamedTuple

from queues.domain.errors import HotUnavailable, QueueError
from queues.hot import reads as hot_reads
from queues.log.plan import Action, changes_for
from queues.services.backbone import Backbone
from queues.services.survey import PartitionRow, Survey, survey_topics

REDIS_LEAST: Final = (6, 2)
POSTGRES_LEAST: Final = 16
CLOCK_S: Final = 2.0
FULL: Final = 0.8
LATE: Final = 10_000
"""Records that a view may be behind without a word."""
_ANEW_HOT: Final = "delete the queue's keys in Redis: a keeper loads it anew from the log"
_ANEW_INDEX: Final = "empty the tables of PostgreSQL's schema idx: an indexer reads the log again"


class Level(StrEnum):
    """How bad a finding is; BAD loses records or stops work, or will."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(NamedTuple):
    """One thing looked at: what was found, and what to do about it (empty when nothing)."""

    level: Level
    subject: str
    text: str
    fix: str = ""


type Check = Callable[[Backbone], Awaitable[list[Finding]]]


async def examine(b: Backbone) -> list[Finding]:
    """Return the findings of all checks; a server that is away is a finding, never an exception."""
    checks: dict[str, tuple[Check, str]] = {
        "kafka": (look_at_log, "check KAFKA_BROKERS and that a broker answers there"),
        "redis": (look_at_hot, "check REDIS_URL and that Redis or Valkey answers there"),
        "postgresql": (look_at_index, "check DATABASE_URL and that PostgreSQL answers there"),
        "clock": (look_at_clock, "look at the servers first"),
    }
    found = await asyncio.gather(*(_guarded(b, name, *check) for name, check in checks.items()))
    return [finding for findings in found for finding in findings]


async def _guarded(b: Backbone, subject: str, check: Check, fix: str) -> list[Finding]:
    try:
        return await check(b)
    except QueueError as exc:
        return [Finding(Level.BAD, subject, str(exc), fix)]


async def look_at_log(b: Backbone) -> list[Finding]:
    """Look at brokers, topics and how far the views have read."""
    survey = await survey_topics(b)
    cluster = await b.admin.cluster()
    brokers = Finding(
        Level.OK if survey.brokers > 1 else Level.WARN,
        "kafka",
        f"{survey.brokers} broker{'s' * (survey.brokers != 1)} at {b.conf.brokers}",
        "" if survey.brokers > 1 else "one disk holds everything: production wants three brokers",
    )
    settings = {topic.name: topic.settings for topic in survey.topics}
    changes = changes_for(b.conf, cluster, settings, cluster.queues(b.conf))
    drifted = {topic.name for topic in survey.topics if any(drift.critical for drift in topic.drift)}
    wrong = [
        Finding(
            Level.BAD if change.topic in drifted and change.action is Action.ALTER else Level.WARN,
            "topics",
            change.text(),
            "manage.py topics --apply",
        )
        for change in changes
    ]
    good = Finding(Level.OK, "topics", f"{len(survey.topics)} topics are as they should be")
    return [brokers, *(wrong or [good]), *_replicas(survey), *_positions(survey)]


def _replicas(survey: Survey) -> list[Finding]:
    lacking = [topic for topic in survey.topics if topic.in_sync < topic.replication]
    if lacking:
        text = f"{len(lacking)} topics have replicas that are not in sync, such as {lacking[0].name}"
        return [Finding(Level.WARN, "replicas", text, "is a broker down?")]
    unsafe = [t for t in survey.topics if t.replication > 1 and t.settings.get("min.insync.replicas") == "1"]
    if unsafe:
        text = f"{len(unsafe)} topics acknowledge with one replica in sync, such as {unsafe[0].name}"
        return [
            Finding(Level.WARN, "replicas", text, "set MIN_INSYNC_REPLICAS=2, then manage.py topics --apply")
        ]
    return []


def _positions(survey: Survey) -> list[Finding]:
    findings = [
        Finding(Level.BAD, "positions", f"{topic.name}[{row.partition}]: {text}", fix)
        for topic in survey.topics
        for row in topic.partitions
        for text, fix in _misplaced(row)
    ]
    for view, lag in (
        ("hot view", sum(t.hot_lag or 0 for t in survey.topics if t.kind != "pending")),
        ("index", sum(t.index_lag or 0 for t in survey.topics)),
    ):
        late = lag > LATE
        findings.append(
            Finding(
                Level.WARN if late else Level.OK,
                "lag",
                f"the {view} is {lag} records behind",
                "does a keeper run, and keep up? manage.py runkeeper" if late else "",
            )
        )
    return findings


def _misplaced(row: PartitionRow) -> Iterable[tuple[str, str]]:
    begin, end = row.begin, row.end
    for view, position, fix in (("hot view", row.hot_at, _ANEW_HOT), ("index", row.index_at, _ANEW_INDEX)):
        if position is not None and position > end:
            yield (
                f"the {view} has read up to {position}, but the log ends at {end}: it was cut",
                fix,
            )
        elif position and position < begin:
            yield f"the {view} stands at {position}, but records before {begin} are gone", fix


async def look_at_hot(b: Backbone) -> list[Finding]:
    """Look at Redis' version and memory, and whether each queue is open; its persistence does not matter (ADR 7)."""
    info: dict[str, Any] = await b.hot.client.command("INFO")
    version = str(info.get("valkey_version") or info["redis_version"])
    modern = tuple(int(part) for part in version.split(".")[:2]) >= REDIS_LEAST
    findings = [
        Finding(Level.OK, "redis", f"version {version}")
        if modern
        else Finding(Level.BAD, "redis", f"version {version}", "use Redis or Valkey 6.2 or later")
    ]
    policy = str(info.get("maxmemory_policy", "unknown"))
    if policy != "noeviction":
        fix = "set maxmemory-policy noeviction: any other drops activities silently"
        findings.append(Finding(Level.BAD, "redis", f"maxmemory-policy is {policy}", fix))
    most, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if most and used > most * FULL:
        text = f"{used * 100 // most} % of maxmemory is used"
        findings.append(Finding(Level.WARN, "redis", text, "raise maxmemory, or lower HOT_WINDOW"))
    return findings + await _closed(b)


async def _closed(b: Backbone) -> list[Finding]:
    queues = await b.admin.list_queues()
    closed = [queue for queue in queues if await hot_reads.epoch(b.hot, queue) is None]
    if not closed:
        return [Finding(Level.OK, "queues", f"{len(queues)} queues are open")]
    return [
        Finding(
            Level.BAD,
            "queues",
            f"queue {queue} is not open on this Redis",
            "a keeper opens it: manage.py runkeeper",
        )
        for queue in closed
    ]


async def look_at_index(b: Backbone) -> list[Finding]:
    """Look at PostgreSQL's version, the migrations, and what the indexer could not read."""
    from queues.index.connection import borrowed  # noqa: PLC0415 -- as backbone.index

    async with borrowed(await b.index()) as connection:
        number = connection.info.server_version
    major = number // 10_000
    missing = await asyncio.to_thread(_unapplied)
    findings = [Finding(Level.OK, "postgresql", f"version {major}.{number % 10_000}")]
    if major < POSTGRES_LEAST:
        fix = f"use PostgreSQL {POSTGRES_LEAST} or later"
        findings = [Finding(Level.BAD, "postgresql", f"version {major}", fix)]
    if missing:
        text = f"{len(missing)} migrations are not applied, such as {missing[0]}"
        return [*findings, Finding(Level.BAD, "migrations", text, "manage.py migrate")]
    findings.append(Finding(Level.OK, "migrations", "all are applied"))
    async with borrowed(await b.index()) as connection:
        row = await (await connection.execute("SELECT count(*) FROM idx.quarantine")).fetchone()
    if row and row[0]:
        text = f"{row[0]} records in the log are none of ours and were passed over"
        findings.append(
            Finding(Level.WARN, "quarantine", text, "look at them in the admin: quarantined records")
        )
    return findings


def _unapplied() -> list[str]:
    from django.db import connection  # noqa: PLC0415 -- importable before Django is set up
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415 -- as above

    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    finally:
        connection.close()
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


async def look_at_clock(b: Backbone) -> list[Finding]:
    """Compare this machine's clock with Redis', by which due times and leases go."""
    before = time.time()
    try:
        seconds, micros = await b.hot.client.command("TIME")
    except HotUnavailable:
        return []
    ahead_s = (before + time.time()) / 2 - (int(seconds) + int(micros) / 1e6)
    if abs(ahead_s) <= CLOCK_S:
        return [Finding(Level.OK, "clock", f"{ahead_s * 1000:+.0f} ms beside that of Redis")]
    text = f"this machine is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} Redis"
    return [
        Finding(Level.WARN, "clock", text, "set the clocks by NTP: due times and pages are off by so much")
    ]
