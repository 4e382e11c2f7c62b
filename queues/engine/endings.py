"""What an attempt came to, from what its handler returned or raised."""

import asyncio
import traceback
from typing import Any, Final

from queues.domain.activity import Failure, Reason
from queues.domain.errors import Invalid, PayloadTooLarge
from queues.domain.outcomes import Outcome, completed, failed, snoozed
from queues.engine.arguments import InvalidArguments, encode_result
from queues.engine.control import NonRetryable, Retry, Snooze
from queues.engine.spans import now_ms

_FRAMES: Final = 40
_OURS: Final = "queues/engine/"
_NOTHING: Final = completed()


def returned(value: Any, attempt: int, limit: int) -> Outcome:
    """Return the outcome of a handler that returned ``value``; one that cannot be kept fails for good."""
    if value is None:
        return _NOTHING
    try:
        return completed(encode_result(value, limit))
    except PayloadTooLarge as exc:
        return failed(_failure(exc, attempt), retryable=False, reason=Reason.RESULT_TOO_LARGE)
    except Invalid as exc:
        return failed(_failure(exc, attempt), retryable=False, reason=Reason.NON_RETRYABLE)


def raised(exc: BaseException, attempt: int) -> Outcome:
    """Return the outcome of a handler that raised ``exc``."""
    match exc:
        case Snooze():
            return snoozed(exc.delay_ms)
        case Retry():
            return failed(_failure(exc, attempt), delay_ms=exc.delay_ms)
        case NonRetryable() | InvalidArguments():
            return failed(_failure(exc, attempt), retryable=False, reason=Reason.NON_RETRYABLE)
        case asyncio.CancelledError():
            note = Failure("CancelledError", "the handler cancelled itself", attempt, now_ms(), stack_of(exc))
            return failed(note)
    return failed(_failure(exc, attempt))


def timed_out(timeout_ms: int, attempt: int) -> Outcome:
    """Return the outcome of an attempt that ran longer than it may."""
    message = f"still running after {timeout_ms / 1000:g} s"
    return failed(Failure("Timeout", message, attempt, now_ms()), reason=Reason.TIMEOUT)


def died(how: str, attempt: int) -> Outcome:
    """Return the outcome of an attempt whose own process ended under it."""
    return failed(Failure("ProcessDied", f"the handler's process {how}", attempt, now_ms()))


def stack_of(exc: BaseException) -> str:
    """Return the traceback without the engine's own frames."""
    report = traceback.TracebackException.from_exception(exc, limit=-_FRAMES, compact=True)
    frames = [frame for frame in report.stack if _OURS not in frame.filename]
    report.stack = traceback.StackSummary.from_list(frames)
    return "".join(report.format())


def _failure(exc: BaseException, attempt: int) -> Failure:
    kind = type(exc)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Failure(name, _text(exc), attempt, now_ms(), stack_of(exc))


def _text(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception as broken:  # noqa: BLE001 -- a handler's exception may be anything
        return f"<its message cannot be had: {type(broken).__name__}>"
