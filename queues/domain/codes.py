"""The small numbers that stand for words in the index; a number once given is never given another meaning."""

from enum import IntEnum
from typing import Final

from queues.domain.priority import Band
from queues.domain.record import Kind
from queues.domain.states import LIVE, State


class StateCode(IntEnum):
    """A state as the index keeps it; a dead letter is ``discarded`` in the log and a tab of its own here."""

    SCHEDULED = 1
    AVAILABLE = 2
    PENDING = 3
    ACTIVE = 4
    COMPLETED = 5
    RETRYABLE = 6
    CANCELLED = 7
    DISCARDED = 8
    DEAD = 9

    @property
    def state(self) -> State:
        """The domain's word for it."""
        return State.DISCARDED if self is StateCode.DEAD else State(self.name.lower())


class TopicCode(IntEnum):
    """Which topic of a queue: its role, and for pending its band."""

    PENDING = 1
    PENDING_CRITICAL = 2
    PENDING_HIGH = 3
    PENDING_LOW = 4
    RETRY = 5
    COMPLETED = 6
    DLQ = 7
    PROCESSING = 8
    STATE = 9
    EVENTS = 10


class Moment(IntEnum):
    """What an entry of the timeline tells of: a record of a stage topic, or a note from the feed."""

    RECORD = 1
    CLAIMED = 2
    STARTED = 3
    PROGRESS = 4
    LOG = 5


class NameKind(IntEnum):
    """What a name in the dictionary is the name of."""

    QUEUE = 1
    TYPE = 2
    WORKER = 3
    ERROR = 4


STATE_CODES: Final = {state: StateCode[state.name] for state in State}
LIVE_CODES: Final = frozenset(STATE_CODES[state] for state in LIVE)
_BANDS: Final = {
    Band.NORMAL: TopicCode.PENDING,
    Band.CRITICAL: TopicCode.PENDING_CRITICAL,
    Band.HIGH: TopicCode.PENDING_HIGH,
    Band.LOW: TopicCode.PENDING_LOW,
}


def state_code(state: State, *, dead: bool = False) -> StateCode:
    """Return the number of a state."""
    return StateCode.DEAD if dead and state is State.DISCARDED else STATE_CODES[state]


def topic_code(kind: Kind, band: Band = Band.NORMAL) -> TopicCode:
    """Return the number of a topic of a queue."""
    return _BANDS[band] if kind is Kind.PENDING else TopicCode[kind.name]
