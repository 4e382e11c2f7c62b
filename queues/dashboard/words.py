"""The word, icon and colour of each state as pages show them."""

from typing import Final, NamedTuple

from queues.domain.codes import StateCode
from queues.domain.states import State


class Look(NamedTuple):
    """How a state appears: never by colour alone."""

    word: str
    icon: str
    css: str


LOOKS: Final[dict[StateCode, Look]] = {
    StateCode.SCHEDULED: Look("Scheduled", "clock", "is-scheduled"),
    StateCode.AVAILABLE: Look("Waiting", "circle", "is-available"),
    StateCode.PENDING: Look("Blocked", "hourglass", "is-pending"),
    StateCode.ACTIVE: Look("Running", "play", "is-active"),
    StateCode.COMPLETED: Look("Completed", "check", "is-completed"),
    StateCode.RETRYABLE: Look("Retrying", "rotate-cw", "is-retryable"),
    StateCode.CANCELLED: Look("Cancelled", "ban", "is-cancelled"),
    StateCode.DISCARDED: Look("Failed", "x", "is-discarded"),
    StateCode.DEAD: Look("Dead", "skull", "is-dead"),
}

TABS: Final[tuple[tuple[str, StateCode | None], ...]] = (
    ("all", None),
    ("waiting", StateCode.AVAILABLE),
    ("scheduled", StateCode.SCHEDULED),
    ("running", StateCode.ACTIVE),
    ("retrying", StateCode.RETRYABLE),
    ("blocked", StateCode.PENDING),
    ("completed", StateCode.COMPLETED),
    ("failed", StateCode.DISCARDED),
    ("dead", StateCode.DEAD),
    ("cancelled", StateCode.CANCELLED),
)
"""Tabs of the activities list: the word in the address, the state it stands for."""

CODE_OF: Final[dict[str, StateCode]] = {word: code for word, code in TABS if code is not None}
TAB_OF: Final[dict[StateCode, str]] = {code: word for word, code in CODE_OF.items()}


def look_of(state: StateCode | State | int | str) -> Look:
    """Return how ``state`` appears, be it a number of the index or a word of the domain."""
    if isinstance(state, str):
        return LOOKS[StateCode[state.upper()]]
    return LOOKS[StateCode(state)]


REASONS: Final[dict[str, str]] = {
    "failed": "the attempt failed",
    "timeout": "the attempt ran out of time",
    "lease_lost": "its worker stopped renewing the lease",
    "released": "its worker gave it back",
    "retry_after": "its handler asked to run again later",
    "expired": "it was not started in time",
    "cancelled": "cancelled",
    "redriven": "sent back to work",
    "rescheduled": "moved to another time",
    "prioritised": "its priority was changed",
    "duplicate": "its key was already taken",
    "non_retryable": "its error is not one to retry",
    "result_too_large": "its result was too large",
    "crash_loop": "its worker died with it more than once",
    "waiting": "it waits for others",
    "woken": "what it waited for has come",
}


def reason_text(reason: str | None) -> str:
    """Return why an activity is in its state, in plain words."""
    return REASONS.get(reason or "", reason or "")
