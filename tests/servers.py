"""A pytest plugin: plan a set of servers before Django reads its settings; the first test to ask starts it.

Each xdist worker is a process of its own and so has its own set. Unit tests start none.
"""

import os
import shutil
from pathlib import Path

import pytest

from runnerq_site.embedded.stack import disposable_stack

_OURS = ("KAFKA_", "RUNNERQ_", "SECURE_", "LOG_")
_KEPT = {"RUNNERQ_REQUIRE_CHROMIUM", "RUNNERQ_SHARED", "RUNNERQ_CACHE"}

cache = Path(os.environ["RUNNERQ_CACHE"]) if os.environ.get("RUNNERQ_CACHE") else None
stack = disposable_stack(cache)

for _name in [name for name in os.environ if name.startswith(_OURS) and name not in _KEPT]:
    del os.environ[_name]
for _name in ("SECRET_KEY", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "HTTPS", "TRUST_PROXY"):
    os.environ.pop(_name, None)
os.environ |= stack.services.environment() | {
    "DEBUG": "1",
    "RUNNERQ_FOLDER": str(stack.folder),
    # Kafka needs seconds after a kill where it has thousands of partitions.
    "RUNNERQ_PARTITIONS": "1",
}


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    stack.stop()
    shutil.rmtree(stack.folder, ignore_errors=True)
