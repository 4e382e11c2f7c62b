"""What an operator may do to one activity: the words, and which service does it."""

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from queues.dashboard.database import fetch_one
from queues.domain.states import TERMINAL, Cause, State, may
from queues.index.queries_activity import id_query, reached_query
from queues.services.backbone import Backbone, now_ms
from queues.services.cancel import cancel
from queues.services.decide import Decision
from queues.services.delete import delete
from queues.services.redrive import redrive
from queues.services.reschedule import reschedule

WAIT_S: Final = 1.0
_LOOK_S: Final = 0.05


class Act(NamedTuple):
    """A verb as pages offer it; ``past`` completes "activity … was"."""

    verb: str
    label: str
    icon: str
    past: str
    effect: str
    fits: Callable[[State], bool]
    do: Callable[..., Any]
    key: str = ""
    danger: bool = False


async def _run_now(b: Backbone, queue: str, activity_id: str, *, actor: str, reason: str) -> Decision:
    return await reschedule(b, queue, activity_id, now_ms(), actor=actor, reason=reason)


def _waits_for_time(state: State) -> bool:
    return state in {State.SCHEDULED, State.RETRYABLE} and may(state, Cause.RESCHEDULE)


ACTS: Final = {
    act.verb: act
    for act in (
        Act(
            "retry", "Retry", "rotate-cw", "sent back to work",
            "It runs again with its arguments and all its attempts. Its id and history stay.",
            lambda state: may(state, Cause.REDRIVE), redrive, key="r",
        ),
        Act(
            "run", "Run now", "play", "made ready to run",
            "It stops waiting for its time and may be claimed at once.",
            _waits_for_time, _run_now, key="r",
        ),
        Act(
            "cancel", "Cancel", "ban", "cancelled",
            "It will not run. If it runs now, its handler is told and its outcome is dropped.",
            lambda state: may(state, Cause.CANCEL), cancel, key="c", danger=True,
        ),
        Act(
            "delete", "Delete", "trash-2", "deleted",
            "Its record is removed from the log and from the index. This cannot be undone.",
            lambda state: state in TERMINAL, delete, danger=True,
        ),
    )
}  # fmt: skip


def offered(state: State) -> list[Act]:
    """Return the acts that fit ``state``."""
    return [act for act in ACTS.values() if act.fits(state)]


def wait_indexed(activity_id: str, decision: Decision | None) -> bool:
    """Wait at most a second until the index shows what was decided (None: that the activity is gone)."""
    if decision is None:
        return _wait(lambda: fetch_one(id_query(activity_id)) is None)
    return _wait(lambda: fetch_one(reached_query(activity_id, decision.version)) is not None)


def wait_known(activity_id: str) -> bool:
    """Wait at most a second until the index knows the activity."""
    return _wait(lambda: fetch_one(id_query(activity_id)) is not None)


def _wait(passed: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WAIT_S
    while not passed():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
    return True
