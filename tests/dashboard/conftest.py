"""Fixtures of the console's tests: operators, rows of the index, a served site, a browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from queues.dashboard import charts, snapshot
from tests.dashboard.rows import Rows


@pytest.fixture(scope="session", autouse=True)
def closed_door() -> Iterator[None]:
    """Close this process's clients before the servers that they talk to."""
    from queues import door

    yield
    door.close()


@pytest.fixture
def forget() -> Iterator[None]:
    """Let no page show what another test left in this process's memory."""
    from django.core.cache import cache

    snapshot.reset()
    charts.forget()
    cache.clear()
    yield
    snapshot.reset()
    charts.forget()


@pytest.fixture
def rows(db: None, services: Any, forget: None) -> Rows:
    """The index, empty, to be filled by hand; rolled back afterwards."""
    return Rows()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hash passwords in no time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def operator(db: None) -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.create_superuser("anna", "", "anna-pass-1")


@pytest.fixture
def console(rows: Rows, operator: Any, client: Any) -> Any:
    """A signed-in client."""
    client.force_login(operator)
    return client
