"""What changed, as pages are told."""

from typing import NamedTuple


class Mark(NamedTuple):
    """The state word and version that the index now holds of an activity."""

    state: str
    version: int


type Dirty = dict[str, dict[str, Mark]]
"""Queue → id → mark; a queue without ids was touched all the same."""
