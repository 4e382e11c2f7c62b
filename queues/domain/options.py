"""How one enqueue differs from the defaults: one struct for every face."""

from copy import copy
from typing import Any, Final

import msgspec

from queues.domain.activity import Activity, Limit, OnExhaustion, Unique
from queues.domain.errors import InvalidOption
from queues.domain.ids import new_id
from queues.domain.names import valid_queue, valid_type
from queues.domain.priority import valid_priority
from queues.domain.retry import DEFAULT_RETRY, RetryPolicy
from queues.domain.states import State

MAX_SPAN_MS = 10 * 365 * 24 * 3_600_000
MAX_TAGS = 32
MAX_TAG_CHARS = 128
MAX_LIMITS = 16
MAX_KEY_CHARS = 512
MAX_META_BYTES = 64 * 1024


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may choose. ``delay_ms`` and ``at_ms`` (epoch ms) exclude each other; 0 is unset.

    ``expires_ms`` is an instant. ``id`` empty: one is made; chosen: a repeat is a conflict, never a second run.
    ``key`` is the ordering key. ``members`` > 0 makes an activity that waits for so many others.
    """

    queue: str = "default"
    priority: int = 0
    delay_ms: int = 0
    at_ms: int = 0
    expires_ms: int = 0
    timeout_ms: int = 300_000
    retry: RetryPolicy = DEFAULT_RETRY
    max_attempts: int | None = 3
    on_exhaustion: OnExhaustion = OnExhaustion.DEAD_LETTER
    unique: Unique | None = None
    key: str = ""
    id: str = ""
    once: bool = False
    tags: tuple[str, ...] = ()
    meta: dict[str, str] = {}
    limits: tuple[Limit, ...] = ()
    parent: str = ""
    root: str = ""
    workflow: str = ""
    members: int = 0


def require_options(o: Options) -> Options:
    """Return ``o`` unchanged.

    Raises:
        Invalid: the first option found out of range, by name, with the range.
    """
    valid_queue(o.queue)
    valid_priority(o.priority)
    for name in ("delay_ms", "at_ms", "expires_ms", "members"):
        if getattr(o, name) < 0:
            raise InvalidOption(f"{name} {getattr(o, name)}: must not be negative")
    if o.delay_ms and o.at_ms:
        raise InvalidOption("give delay or at, not both")
    if o.delay_ms > MAX_SPAN_MS:
        raise InvalidOption(f"delay_ms {o.delay_ms}: at most ten years ({MAX_SPAN_MS})")
    if not 1 <= o.timeout_ms <= MAX_SPAN_MS:
        raise InvalidOption(f"timeout_ms {o.timeout_ms}: must lie between 1 and {MAX_SPAN_MS}")
    if o.max_attempts is not None and o.max_attempts < 1:
        raise InvalidOption(f"max_attempts {o.max_attempts}: at least 1, or None for unlimited")
    if o.unique is not None and o.unique.on_conflict not in {"reject", "existing"}:
        raise InvalidOption(f"unique.on_conflict {o.unique.on_conflict!r}: use 'reject' or 'existing'")
    if len(o.tags) > MAX_TAGS or any(not t or len(t) > MAX_TAG_CHARS for t in o.tags):
        raise InvalidOption(f"tags: at most {MAX_TAGS} of 1 to {MAX_TAG_CHARS} characters")
    if len(o.id) > 128 or any(c.isspace() or c == ":" or not c.isprintable() for c in o.id):
        raise InvalidOption("id: at most 128 printable characters without spaces and ':'")
    _require_small(o)
    return o


def _require_small(o: Options) -> None:
    # What these add to a record has no limit of its own: an activity that outgrew its record could never be settled.
    if len(o.limits) > MAX_LIMITS or any(limit.most < 1 for limit in o.limits):
        raise InvalidOption(f"limits: at most {MAX_LIMITS}, and each must allow at least 1")
    keys = (o.key, o.unique.key if o.unique else "", *(limit.key for limit in o.limits))
    if any(len(key) > MAX_KEY_CHARS for key in keys):
        raise InvalidOption(f"key, unique and limits: keys of at most {MAX_KEY_CHARS} characters")
    if len(msgspec.json.encode(o.meta)) > MAX_META_BYTES:
        raise InvalidOption(f"meta: at most {MAX_META_BYTES:,} bytes of JSON")


class _Latest:
    """Of what the latest activity was made: the next one is mostly alike, and a copy costs a tenth."""

    made: tuple[Options, str, Activity] | None = None


_latest: Final = _Latest()


def new_activity(
    type_name: str, o: Options, *, now_ms: int, args: Any = None, kwargs: Any = None
) -> Activity:
    """Return the first version of an activity; ``o`` has passed ``require_options``.

    Args:
        type_name: the handler's type.
        o: options.
        now_ms: the enqueuer's clock.
        args: ``msgspec.Raw`` JSON array, or None for ``[]``.
        kwargs: ``msgspec.Raw`` JSON object, or None for ``{}``.
    """
    made = _latest.made
    if made is not None and made[0] is o and made[1] == type_name:
        activity: Activity = copy(made[2])
        activity.id, activity.created_ms = new_id(), now_ms
    else:
        activity = _from_options(type_name, o, now_ms)
        if not (o.id or o.delay_ms or o.at_ms or o.expires_ms):
            _latest.made = (o, type_name, copy(activity))
    if args is not None:
        activity.args = args
    if kwargs is not None:
        activity.kwargs = kwargs
    return activity


def _from_options(type_name: str, o: Options, now_ms: int) -> Activity:
    valid_type(type_name)
    due_ms = o.at_ms or (now_ms + o.delay_ms if o.delay_ms else 0)
    if o.expires_ms and o.expires_ms <= max(due_ms, now_ms):
        raise InvalidOption("expires: must lie in the future, and after the due time")
    later = due_ms > now_ms
    return Activity(
        id=o.id or new_id(),
        queue=o.queue,
        type=type_name,
        state=State.PENDING if o.members else State.SCHEDULED if later else State.AVAILABLE,
        priority=o.priority,
        created_ms=now_ms,
        due_ms=due_ms if later else 0,
        expires_ms=o.expires_ms,
        timeout_ms=o.timeout_ms,
        max_attempts=o.max_attempts,
        retry=o.retry,
        on_exhaustion=o.on_exhaustion,
        key=o.key,
        unique=o.unique,
        limits=o.limits,
        tags=o.tags,
        meta=o.meta,
        once=o.once or bool(o.id),
        parent=o.parent,
        root=o.root,
        workflow=o.workflow,
        members=o.members,
    )
