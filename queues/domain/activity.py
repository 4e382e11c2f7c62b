"""The activity: one piece of background work, whole, as of one version."""

from enum import StrEnum
from typing import Final

import msgspec

from queues.domain.priority import Band, band_of
from queues.domain.retry import DEFAULT_RETRY, RetryPolicy
from queues.domain.states import TERMINAL, State

MAX_ERRORS: Final = 10
MAX_ERROR_BYTES: Final = 64 * 1024
EMPTY_ARGS: Final = msgspec.Raw(b"[]")
EMPTY_KWARGS: Final = msgspec.Raw(b"{}")


class OnExhaustion(StrEnum):
    """What becomes of an activity whose attempts are spent."""

    DEAD_LETTER = "dead_letter"
    DISCARD = "discard"


class Reason(StrEnum):
    """Why an activity is in its state, where the state alone does not say it."""

    ENQUEUED = "enqueued"
    FAILED = "failed"
    TIMEOUT = "timeout"
    LEASE_LOST = "lease_lost"
    RELEASED = "released"
    RETRY_AFTER = "retry_after"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REDRIVEN = "redriven"
    RESCHEDULED = "rescheduled"
    PRIORITISED = "prioritised"
    DUPLICATE = "duplicate"
    NON_RETRYABLE = "non_retryable"
    RESULT_TOO_LARGE = "result_too_large"
    CRASH_LOOP = "crash_loop"
    WAITING = "waiting"
    WOKEN = "woken"


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One failed attempt, as kept with the activity; the texts are cut to fit MAX_ERROR_BYTES together."""

    type: str
    message: str
    attempt: int
    at_ms: int
    stack: str = ""
    worker: str = ""


class Unique(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key that at most one live activity of the queue may hold.

    ``key`` is the finished fingerprint; ``on_conflict`` is ``reject`` or ``existing``.
    """

    key: str
    on_conflict: str = "reject"


class Limit(msgspec.Struct, frozen=True, array_like=True):
    """At most ``most`` activities that name ``key`` run at once in the queue."""

    key: str
    most: int


class Activity(msgspec.Struct, omit_defaults=True, gc=False, kw_only=True):
    """The body of a record. Instants and spans are in ms; ``*_ms`` 0 means never.

    ``version`` 0 is the first enqueue, later ones are ``epoch * 2**36 + n``. ``fence`` is the version of the
    claim whose attempt this record ends (0: none did). ``workflow`` is ``queue/id`` of the activity that waits for
    this one; ``members`` is how many this one waits for.
    """

    id: str
    queue: str
    type: str
    state: State = State.AVAILABLE
    version: int = 0
    args: msgspec.Raw = EMPTY_ARGS
    kwargs: msgspec.Raw = EMPTY_KWARGS
    priority: int = 0
    created_ms: int = 0
    due_ms: int = 0
    expires_ms: int = 0
    timeout_ms: int = 300_000
    attempt: int = 0
    max_attempts: int | None = 3
    retry: RetryPolicy = DEFAULT_RETRY
    on_exhaustion: OnExhaustion = OnExhaustion.DEAD_LETTER
    key: str = ""
    unique: Unique | None = None
    limits: tuple[Limit, ...] = ()
    tags: tuple[str, ...] = ()
    meta: dict[str, str] = {}
    once: bool = False
    generation: int = 0
    parent: str = ""
    root: str = ""
    workflow: str = ""
    members: int = 0
    fence: int = 0
    worker: str = ""
    claimed_ms: int = 0
    started_ms: int = 0
    ended_ms: int = 0
    reason: str = ""
    note: str = ""
    actor: str = ""
    dead: bool = False
    errors: tuple[Failure, ...] = ()
    # A union of Raw with None would refuse every result but null.
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def band(self) -> Band:
        """The band whose topic holds the first record."""
        return band_of(self.priority)

    @property
    def terminal(self) -> bool:
        """Whether nothing but an operator's redrive can move it any more."""
        return self.state in TERMINAL

    @property
    def attempts_left(self) -> bool:
        """Whether another attempt is allowed after the present one."""
        return self.max_attempts is None or self.attempt < self.max_attempts


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Activity)


def encode_activity(activity: Activity) -> bytes:
    """Return the JSON body of a record."""
    return _encoder.encode(activity)


def decode_activity(body: bytes | memoryview) -> Activity:
    """Return the activity that ``body`` holds.

    Raises:
        msgspec.DecodeError: it is not one (``record.decode_body`` turns this into MalformedRecord).
    """
    return _decoder.decode(body)


def keep_error(errors: tuple[Failure, ...], failure: Failure) -> tuple[Failure, ...]:
    """Return ``errors`` with ``failure`` last, the oldest dropped and texts cut to MAX_ERROR_BYTES in all."""
    cut = msgspec.structs.replace(
        failure,
        type=failure.type[:255],
        message=_clip(failure.message, MAX_ERROR_BYTES // 8),
        stack=_clip(failure.stack, MAX_ERROR_BYTES // 2),
    )
    kept = [*errors, cut][-MAX_ERRORS:]
    while len(kept) > 1 and sum(_size(f.message) + _size(f.stack) for f in kept) > MAX_ERROR_BYTES * 3 // 4:
        kept.pop(0)
    return tuple(kept)


def _clip(text: str, limit: int) -> str:
    # A lone surrogate cannot be encoded: one hostile message would make the settle fail for ever.
    text = text.encode("utf-8", "replace").decode()
    shown, half = text, limit // 2
    while _size(shown) > limit:
        # A character may take six bytes of JSON.
        half = half * 3 // 4
        shown = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return shown


def _size(text: str) -> int:
    return len(_encoder.encode(text))
