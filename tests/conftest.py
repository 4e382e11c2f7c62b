"""Fixtures for all tests: real servers, names of one's own, a browser."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerq_site.embedded.stack import Services, Stack, disposable_stack
from tests import servers


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The servers that the tests of this process share, running: do not stop them (``private_stack``)."""
    if not servers.stack.running:
        servers.stack.start()
    return servers.stack


@pytest.fixture(scope="session")
def services(stack: Stack) -> Services:
    """Where the shared servers are; settings and child processes know them too."""
    return stack.services


@pytest.fixture
def private_stack() -> Iterator[Stack]:
    """Servers of one's own, running, to stop and kill; pass ``stack.services.environment()`` to processes."""
    with disposable_stack(servers.cache) as own:
        yield own


@pytest.fixture(scope="session")
def django_db_modify_db_settings(services: Services) -> None:
    """Start PostgreSQL before Django connects, and test in the database that child processes use too."""
    from django.db import connections

    settings = connections["default"].settings_dict
    settings["TEST"]["NAME"] = settings["NAME"]


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Use the database as it is: it is new with its server, and goes with it."""
    return True


@pytest.fixture
def unique() -> str:
    """A part of a name that no other test uses."""
    return uuid.uuid4().hex[:12]


@pytest.fixture
def queue_name(services: Services, unique: str) -> str:
    """A queue of one's own."""
    return f"q{unique}"


@pytest.fixture
def redis_prefix(services: Services, unique: str) -> str:
    """The first part of Redis keys of one's own."""
    return f"rq{unique}"


@pytest.fixture
def topic_prefix(services: Services, unique: str) -> str:
    """The first part of topic names of one's own."""
    return f"t{unique}"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    how = "no Chromium: apt-get install chromium (or put one on PATH) to run the browser tests"
    if os.environ.get("RUNNERQ_REQUIRE_CHROMIUM") == "1":
        pytest.fail(how)
    pytest.skip(how)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder with the conformance suites of Open Job Spec."""
    named = os.environ.get("RUNNERQ_SHARED")
    folder = Path(named or Path(__file__).parent.parent.parent / "shared").resolve()
    if (folder / "ojs").is_dir():
        return folder
    how = f"no conformance suites in {folder}: set RUNNERQ_SHARED to the folder that holds ojs/"
    if named:
        pytest.fail(how)
    pytest.skip(how)
