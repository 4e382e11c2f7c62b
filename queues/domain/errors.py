"""Every refusal that a caller can meet, by code; wire dialects translate the code, never the text."""

from typing import ClassVar


class QueueError(Exception):
    """Refuse, and say what to do; ``code`` is stable, the text is for people."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False


class Invalid(QueueError):
    """The request is wrong as it stands; nothing was written."""

    code = "invalid"


class InvalidName(Invalid):
    """A queue or type name breaks the naming rule."""

    code = "invalid_name"


class InvalidOption(Invalid):
    """An option is out of its range."""

    code = "invalid_option"


class PayloadTooLarge(Invalid):
    """Arguments or result exceed their limit; nothing was written."""

    code = "payload_too_large"


class UnknownType(Invalid):
    """No handler of this type is registered here."""

    code = "unknown_type"


class NotFound(QueueError):
    """No such activity or queue in the hot view, the index or the log."""

    code = "not_found"


class Conflict(QueueError):
    """The activity is not in a state that allows this; nothing has changed."""

    code = "conflict"


class IllegalTransition(Conflict):
    """The state machine has no such edge."""

    code = "illegal_transition"

    def __init__(self, source: object, cause: object, target: object) -> None:
        super().__init__(f"an activity that is {source} cannot become {target} by {cause}")


class LeaseLost(Conflict):
    """The lease is another's by now: the outcome does not count and must be dropped."""

    code = "lease_lost"


class Duplicate(Conflict):
    """The id or the unique key is already taken by ``existing_id``."""

    code = "duplicate"

    def __init__(self, message: str, existing_id: str) -> None:
        super().__init__(message)
        self.existing_id = existing_id


class TopicCollision(Conflict):
    """Kafka could not tell this queue's topics from those of ``other``."""

    code = "topic_collision"


class Unavailable(QueueError):
    """A server is away; the request was not carried out and may be repeated."""

    code = "unavailable"
    retryable = True


class LogUnavailable(Unavailable):
    """Kafka did not acknowledge and has certainly not stored the record."""

    code = "log_unavailable"


class HotUnavailable(Unavailable):
    """Redis did not answer, or is not open for this queue yet."""

    code = "hot_unavailable"


class IndexUnavailable(Unavailable):
    """PostgreSQL did not answer."""

    code = "index_unavailable"


class Overloaded(Unavailable):
    """Too many calls wait for the log already; try again shortly."""

    code = "overloaded"


class OutcomeUnknown(QueueError):
    """The record may or may not be in the log; only the very same one may be repeated."""

    code = "outcome_unknown"
    retryable = True

    def __init__(self, activity_id: str, message: str = "") -> None:
        super().__init__(
            message or f"activity {activity_id}: no answer in time; repeat with this id, or look it up by id"
        )
        self.activity_id = activity_id


class EnqueueUnknown(OutcomeUnknown):
    """An enqueue was not answered: ``ids`` may or may not be accepted."""

    code = "enqueue_unknown"

    def __init__(self, ids: tuple[str, ...], why: str = "") -> None:
        ids_text = ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"
        super().__init__(
            ids[0], f"activity {ids_text}: may or may not be enqueued ({why or 'no answer in time'})"
        )
        self.ids = ids


class MalformedRecord(QueueError):
    """A record in the log is not one of ours."""

    code = "malformed_record"


class UnknownSchemaVersion(QueueError):
    """A record was written by a newer release: upgrade this process; its view stops until then."""

    code = "unknown_schema_version"


class PositionLost(QueueError):
    """The log has no record at the offset that a view has reached (cut, or expired): the view stops there."""

    code = "position_lost"


class Misconfigured(QueueError):
    """A setting, topic or server is not as the product needs it; the text says how to mend it."""

    code = "misconfigured"
