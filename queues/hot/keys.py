"""Names of Redis keys; all keys of a queue share its hash tag, so they lie in one cluster slot."""

from queues.domain.priority import Band
from queues.domain.record import Kind

CODES = {Kind.RETRY: "r", Kind.COMPLETED: "d", Kind.DLQ: "x"}
"""The letter of a later topic in addresses and positions; a pending topic has its band's letter."""


def code_of(kind: Kind, band: Band = Band.NORMAL) -> str:
    """Return the one-letter name of a stage topic."""
    return CODES.get(kind) or band.value


def stage_of_code(code: str) -> tuple[Kind, Band]:
    """Return the topic that a letter names."""
    for kind, letter in CODES.items():
        if letter == code:
            return kind, Band.NORMAL
    return Kind.PENDING, Band(code)


class Keys:
    """The keys of one queue."""

    def __init__(self, prefix: str, queue: str) -> None:
        self.base = f"{prefix}:{{{queue}}}:"
        self.meta = f"{self.base}meta"
        self.wake = f"{self.base}wake"
        self.done = f"{self.base}done"
        self.cancelled = f"{self.base}cancelled"
        self.leases = f"{self.base}leases"
        self.due = f"{self.base}due"
        self.pend = f"{self.base}pend"
        self.stubs = f"{self.base}stubs"
        self.types = f"{self.base}types"
        self.pos = f"{self.base}pos"
        self.ipos = f"{self.base}ipos"

    def activity(self, activity_id: str) -> str:
        """The hot record of an activity."""
        return f"{self.base}a:{activity_id}"

    def ready(self, band_and_type: str) -> str:
        """The claimable ones of ``band:type``, by order."""
        return f"{self.base}ready:{band_and_type}"

    def members(self, workflow: str) -> str:
        """The set of members of a workflow that have ended."""
        return f"{self.base}wf:{workflow}"
