"""What a handler may raise to steer its own attempt, and what a caller who waits for a result may meet."""

from datetime import timedelta

from queues.domain.activity import Failure
from queues.domain.errors import QueueError
from queues.engine.spans import span_ms


class Steer(Exception):
    """What ends an attempt otherwise than by a result or an error."""


class Retry(Steer):
    """Count this attempt as failed and try again ``after`` (seconds or a timedelta), whatever the policy."""

    def __init__(
        self, message: str = "the handler asked for a retry", *, after: float | timedelta = 0
    ) -> None:
        super().__init__(message)
        self.delay_ms = span_ms(after)


class NonRetryable(Steer):
    """Fail for good: no attempt is made any more, however many are left."""


class Snooze(Steer):
    """Run again after ``span`` (seconds or a timedelta) without counting this attempt."""

    def __init__(self, span: float | timedelta) -> None:
        super().__init__(f"snoozed for {span}")
        self.delay_ms = span_ms(span)


class Cancelled(Steer):
    """This attempt no longer counts (cancelled, timed out, lease lost): clean up and leave."""


class ActivityFailed(QueueError):
    """The awaited activity was discarded; ``failures`` are its kept errors, the last one last."""

    code = "activity_failed"

    def __init__(self, activity_id: str, reason: str, failures: tuple[Failure, ...]) -> None:
        last = f": {failures[-1].type}: {failures[-1].message}" if failures else ""
        super().__init__(f"activity {activity_id} failed ({reason}){last}")
        self.activity_id = activity_id
        self.reason = reason
        self.failures = failures


class ActivityCancelled(QueueError):
    """The awaited activity was cancelled."""

    code = "activity_cancelled"

    def __init__(self, activity_id: str, note: str = "") -> None:
        super().__init__(f"activity {activity_id} was cancelled" + (f": {note}" if note else ""))
        self.activity_id = activity_id
