"""What the index needs of a record's body and of a note: typed, the rest is skipped unread.

Bounds are those of the columns: a value that no column takes makes the record malformed, not the batch fail.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec

from queues.domain.activity import EMPTY_ARGS, EMPTY_KWARGS

type Instant = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_000)]
type Small = Annotated[int, msgspec.Meta(ge=-32_768, le=32_767)]
type Whole = Annotated[int, msgspec.Meta(ge=0, le=2_147_483_647)]
type Version = Annotated[int, msgspec.Meta(ge=0, le=2**62)]

NO_META: Final = msgspec.Raw(b"{}")
NO_RESULT: Final = msgspec.Raw(b"null")


class UniqueKey(msgspec.Struct, gc=False):
    """The key that this activity holds while it lives."""

    key: str


class LastFailure(msgspec.Struct, gc=False):
    """One kept error."""

    type: str
    message: str
    attempt: int = 0
    at_ms: Instant = 0
    stack: str = ""
    worker: str = ""


class Body(msgspec.Struct, gc=False):
    """The part of an activity that the index shows; defaults are those of the activity."""

    args: msgspec.Raw = EMPTY_ARGS
    kwargs: msgspec.Raw = EMPTY_KWARGS
    priority: Small = 0
    created_ms: Instant = 0
    due_ms: Instant = 0
    expires_ms: Instant = 0
    attempt: Whole = 0
    max_attempts: Whole | None = 3
    key: str = ""
    unique: UniqueKey | None = None
    tags: tuple[str, ...] = ()
    meta: msgspec.Raw = NO_META
    generation: Whole = 0
    parent: str = ""
    root: str = ""
    workflow: str = ""
    members: Whole = 0
    fence: Version = 0
    worker: str = ""
    claimed_ms: Instant = 0
    started_ms: Instant = 0
    ended_ms: Instant = 0
    reason: str = ""
    note: str = ""
    actor: str = ""
    errors: tuple[LastFailure, ...] = ()
    result: msgspec.Raw = NO_RESULT


class Claimed(msgspec.Struct, gc=False):
    """One lease of a claim."""

    id: str
    attempt: Whole
    fence: Version


class Claim(msgspec.Struct, gc=False):
    """A record of a processing topic: what one call took."""

    leases: list[Claimed]
    worker: str = ""
    claimed_ms: Instant = 0


class NoteData(msgspec.Struct, gc=False):
    """The data of an event that belongs to a running attempt."""

    fence: Version = 0
    attempt: Whole = 0
    worker: str = ""
    progress: float | None = None
    message: str = ""
    level: str = ""
    lines: tuple[str, ...] = ()


class Note(msgspec.Struct, gc=False):
    """An event; only those that no record of a stage topic tells as well are kept."""

    type: str
    time: datetime
    data: NoteData


body_decoder: Final = msgspec.json.Decoder(Body)
claim_decoder: Final = msgspec.json.Decoder(Claim)
note_decoder: Final = msgspec.json.Decoder(Note)
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
