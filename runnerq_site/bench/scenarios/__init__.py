"""One measurement a file; here they are by name, in the order in which they run."""

from runnerq_site.bench.scenarios import enqueue_many, enqueue_one, peers, run

SCENARIOS = {each.SCENARIO.name: each.SCENARIO for each in (enqueue_many, enqueue_one, run, peers)}
QUICK = ("enqueue_many", "enqueue_one", "run")
