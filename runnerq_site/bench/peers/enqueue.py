"""Queue no-ops of one peer, as a process of its own: ``python -m … celery 20000``."""

import json
import sys
import time
from importlib import import_module


def main(name: str, count: int) -> None:
    """Print how long it took, connections and imports not counted."""
    peer = import_module(f"runnerq_site.bench.peers.{name}")
    peer.enqueue(1)
    began = time.perf_counter()
    peer.enqueue(count - 1)
    seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps({"per_s": (count - 1) / seconds}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
