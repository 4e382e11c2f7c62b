"""The parts of README and docs that follow from the code; ``python -m runnerq_site.reference`` renews them.

A part stands between ``<!-- generated: NAME -->`` and ``<!-- end generated -->``; a test finds stale ones.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
_PART: Final = re.compile(r"(<!-- generated: ([a-z]+) -->\n).*?(<!-- end generated -->)", re.DOTALL)


class Variable(NamedTuple):
    """An environment variable that the site's settings read."""

    name: str
    default: str
    text: str


VARIABLES: Final = (
    Variable("KAFKA_BROKERS", "embedded*", "bootstrap servers, `host:port,…`"),
    Variable(
        "REDIS_URL", "embedded*", "Redis or Valkey, `redis://:password@host:6379/0`, `rediss://` for TLS"
    ),
    Variable("DATABASE_URL", "embedded*", "`postgresql://user:password@host/name`; parameters are libpq's"),
    Variable("KAFKA_SECURITY_PROTOCOL", "", "such as `SASL_SSL`"),
    Variable(
        "KAFKA_SASL_…, KAFKA_SSL_…", "", "librdkafka settings: `KAFKA_SASL_USERNAME` is `sasl.username`"
    ),
    Variable("DEBUG", "1", "0 in production: nothing is guessed then, and what is missing is named"),
    Variable("SECRET_KEY", "kept in .runnerq*", "Django's; 50 random characters"),
    Variable(
        "ALLOWED_HOSTS",
        "this machine*",
        "names under which the console may be asked for, `a.example,b.example`",
    ),
    Variable("CSRF_TRUSTED_ORIGINS", "", "`https://console.example`, where a proxy changes the host"),
    Variable("HTTPS", "0 with DEBUG, else 1", "redirect to HTTPS, secure cookies, HSTS"),
    Variable("TRUST_PROXY", "0", "1 behind a proxy that sets `X-Forwarded-Proto`"),
    Variable("SECURE_HSTS_SECONDS", "31536000", "with HTTPS"),
    Variable("SECURE_HSTS_WHOLE_DOMAIN", "0", "1: subdomains and preload too"),
    Variable("DATABASE_CONN_MAX_AGE", "60", "seconds for which Django keeps a connection"),
    Variable("STATIC_ROOT", "staticfiles/", "where `collectstatic` puts files and `serve` finds them"),
    Variable("LOG_LEVEL", "INFO", "of RunnerQ's own loggers"),
    Variable("LOG_FORMAT", "text", "`text` or `json`; one line an event, on standard error"),
    Variable("RUNNERQ_FOLDER", ".runnerq/", "data, logs and addresses of embedded servers"),
    Variable("RUNNERQ_CACHE", "the user's cache folder", "downloads of embedded servers"),
)

CAUSES: Final = {
    "enqueue": "the first record is in the log",
    "enqueue scheduled": "the first record is in the log, with a delay or a time",
    "enqueue pending": "the first record of a group's follow-up is in the log",
    "due": "its time has come",
    "wake": "all members of the group have ended, or what it waits for has come",
    "claim": "a worker took it: the attempt is counted, a lease begins",
    "checkpoint": "the running attempt wrote down how far it is; the lease goes on",
    "complete": "the handler returned",
    "retry": "the attempt failed and another is left: when its delay has passed",
    "retry available": "the attempt failed and another is left: at once, the delay is 0",
    "exhaust": "the attempt failed and none is left, or may not be retried: a dead letter, unless told otherwise",
    "release": "the worker gave it back, uncounted (it is being stopped)",
    "reap": "the lease ran out and another attempt is left",
    "reap discarded": "the lease ran out and the attempts are spent",
    "sleep": "the handler asked to be run later, uncounted",
    "wait": "the handler waits for a signal or a child",
    "expire": "its `expires` has passed before it ran",
    "duplicate": "a live activity holds its unique key",
    "cancel": "an operator's verb",
    "redrive": "an operator's verb; `generation` grows by one and attempts begin anew",
    "reschedule": "an operator's verb: at another time",
    "reschedule available": "an operator's verb: now",
    "prioritise": "an operator's verb; the state stays",
}


def settings_table() -> str:
    """Return every key of ``RUNNERQ``."""
    from queues.conf import Conf  # noqa: PLC0415 -- importable without Django

    rows = []
    for f in dataclasses.fields(Conf):
        default = "{}" if f.default is dataclasses.MISSING else f.default
        rows.append(
            (f"`{f.name.upper()}`", f"`{default!r}`" if default != "{}" else "`{}`", f.metadata["help"])
        )
    return _table(("key", "default", "what it is"), rows)


def variables_table() -> str:
    """Return every variable of the environment that is not a key of ``RUNNERQ``."""
    return _table(
        ("variable", "default", "what it is"),
        ((f"`{v.name}`".replace(", ", "`, `"), v.default, v.text) for v in VARIABLES),
    )


def defaults_table() -> str:
    """Return what holds for an activity that says nothing."""
    from queues.conf import Conf  # noqa: PLC0415
    from queues.domain.options import Options  # noqa: PLC0415

    conf, options = Conf(), Options()
    retry = options.retry
    jitter = "with jitter: half to all of it" if retry.jitter else "without jitter"
    delay = (
        f"{retry.backoff}: {retry.initial_ms / 1000:g} s × {retry.coefficient:g} for each failed attempt, "
        f"at most {retry.max_ms / 3_600_000:g} h, {jitter}"
    )
    return _table(
        ("option", "default"),
        (
            ("queue", f"`{options.queue}`"),
            ("priority", f"{options.priority}, of -100 to 100; higher runs first"),
            ("timeout of one attempt", f"{conf.timeout_s:g} s"),
            ("attempts", f"{conf.max_attempts}"),
            ("delay before a retry", delay),
            ("when attempts are spent", str(options.on_exhaustion).replace("_", " ")),
            ("lease", f"{conf.lease_s:g} s, renewed every {conf.heartbeat_s:g} s"),
            ("arguments, and result", f"{conf.max_payload_bytes // 1024:,} KiB of JSON each"),
        ),
    )


def edges_table() -> str:
    """Return the state machine, an edge a line."""
    from queues.domain.states import EDGES, State  # noqa: PLC0415

    order = {None: -1} | {state: at for at, state in enumerate(State)}
    edges = sorted(EDGES, key=lambda e: (order[e.source], list(CAUSES).index(e.cause), order[e.target]))
    return _table(
        ("from", "cause", "to", "when"),
        (
            (
                str(e.source or "–"),
                f"**{e.cause}**",
                str(e.target),
                CAUSES.get(f"{e.cause} {e.target}", CAUSES[e.cause]),
            )
            for e in edges
        ),
    )


def topics_table() -> str:
    """Return the settings that a topic of each role gets."""
    from queues.conf import Conf  # noqa: PLC0415
    from queues.domain.record import Kind  # noqa: PLC0415
    from queues.log.topics import topic_settings  # noqa: PLC0415

    def row(kind: Kind) -> tuple[str, ...]:
        s = topic_settings(Conf(), kind)
        kept = f"{int(s['retention.ms']) // 86_400_000} d" if "retention.ms" in s else "for ever"
        return f"`{kind}`", s["cleanup.policy"], kept, s.get("segment.ms", "broker's"), s["max.message.bytes"]

    return _table(("role", "cleanup.policy", "kept", "segment.ms", "max.message.bytes"), map(row, Kind))


def commands_table() -> str:
    """Return our commands with the first sentence of their help."""
    from django.core.management import get_commands, load_command_class  # noqa: PLC0415

    rows = []
    for name, app in sorted(get_commands().items()):
        if app in ("queues", "runnerq_site"):
            text = " ".join(load_command_class(app, name).help.split())
            rows.append((f"`{name}`", re.split(r"(?<=\.) (?=[A-Z])", text, maxsplit=1)[0]))
    return _table(("command", "does"), rows)


PARTS: Final[dict[str, Callable[[], str]]] = {
    "settings": settings_table,
    "variables": variables_table,
    "defaults": defaults_table,
    "edges": edges_table,
    "topics": topics_table,
    "commands": commands_table,
}


def renewed(text: str) -> str:
    """Return ``text`` with its generated parts as they should be now."""
    return _PART.sub(lambda match: f"{match[1]}{PARTS[match[2]]()}{match[3]}", text)


def pages() -> list[Path]:
    """Return README and every page of the docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def main() -> None:
    """Renew all pages."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "runnerq_site.settings")
    import django  # noqa: PLC0415 -- settings are named first

    django.setup()
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (new := renewed(text)) != text:
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
