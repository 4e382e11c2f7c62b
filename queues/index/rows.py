"""The columns that a batch writes, in order, with the types in which COPY sends them.

Instants travel as PostgreSQL keeps them, in µs since 2000: as plain integers both ways, no datetime is made.
"""

from typing import Final, NamedTuple

EPOCH_US: Final = 946_684_800_000_000

ACTIVITY: Final = (
    ("version", "int8"), ("fence", "int8"), ("created_at", "int8"), ("updated_at", "int8"), ("due_at", "int8"),
    ("expires_at", "int8"), ("started_at", "int8"), ("finished_at", "int8"), ("wait_ms", "int8"), ("run_ms", "int8"),
    ('"offset"', "int8"), ("first_offset", "int8"), ("progress", "float8"), ("source_id", "int4"),
    ("first_source_id", "int4"), ("queue_id", "int4"), ("type_id", "int4"), ("worker_id", "int4"),
    ("error_type_id", "int4"), ("attempt", "int4"), ("max_attempts", "int4"), ("generation", "int4"),
    ("members", "int4"), ("state", "int2"), ("priority", "int2"), ("id", "text"), ("error_message", "text"),
    ("reason", "text"), ("note", "text"), ("actor", "text"), ("key", "text"), ("unique_key", "text"),
    ("tags", "text[]"), ("parent", "text"), ("root", "text"), ("workflow", "text"), ("preview", "text"),
    ("result_preview", "text"),
)  # fmt: skip

TRANSITION: Final = (
    ('"offset"', "int8"), ("version", "int8"), ("fence", "int8"), ("at", "int8"), ("claimed_at", "int8"),
    ("started_at", "int8"), ("due_at", "int8"), ("claimed_offset", "int8"), ("started_offset", "int8"),
    ("source_id", "int4"), ("claimed_source_id", "int4"), ("started_source_id", "int4"), ("worker_id", "int4"),
    ("attempt", "int4"), ("generation", "int4"), ("moment", "int2"), ("state", "int2"), ("activity_id", "text"),
    ("reason", "text"), ("note", "text"), ("actor", "text"), ("detail", "text"),
)  # fmt: skip

type Row = tuple[object, ...]


def instant(ms: int) -> int | None:
    """Return a column's instant; None for 0, which means never."""
    return ms * 1000 - EPOCH_US if ms else None


def always(ms: int) -> int:
    """Return a column's instant where 0 is one too."""
    return ms * 1000 - EPOCH_US


def epoch_ms(column: int) -> int:
    """Return the epoch ms of a column's instant."""
    return (column + EPOCH_US) // 1000


class Known(NamedTuple):
    """What the index held of an activity before the batch; instants as columns have them."""

    id: str
    ctid: str
    version: int
    fence: int
    state: int
    queue_id: int
    type_id: int
    attempt: int
    created_at: int
    updated_at: int
    due_at: int | None
    started_at: int | None
    worker_id: int | None
    progress: float | None
    first_source_id: int | None
    first_offset: int | None

    @property
    def hinted(self) -> bool:
        """Whether a start newer than its record is known."""
        return self.fence > self.version


class Absence(NamedTuple):
    """What is remembered of an activity without a row; ``purged_version`` -1: it was not purged."""

    id: str
    purged_version: int = -1
    first_source_id: int | None = None
    first_offset: int | None = None
    fence: int = 0
    attempt: int = 0
    started_at: int | None = None
    worker_id: int | None = None
    at: int = 0


class Hint(NamedTuple):
    """A change of a row that no record made: it was started, or progressed."""

    id: str
    fence: int
    state: int
    attempt: int
    started_at: int | None
    worker_id: int | None
    progress: float | None
    updated_at: int
