"""One measurement a file; here they are by name, in the order in which they run."""

from runnerq_site.bench.scenarios import (
    enqueue_many,
    enqueue_one,
    index,
    listing,
    memory,
    peers,
    run,
    run_indexed,
)

_FILES = (enqueue_many, enqueue_one, run, run_indexed, index, listing, memory, peers)
SCENARIOS = {each.SCENARIO.name: each.SCENARIO for each in _FILES}
QUICK = ("enqueue_many", "enqueue_one", "run")
