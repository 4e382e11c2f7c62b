"""The demo's user, and a link that signs in once."""

import os
import secrets
from pathlib import Path
from typing import Final, NamedTuple

from django.contrib.auth import get_user_model
from django.urls import reverse

from queues.services.signin import make_token

NAME: Final = "demo"
PASSWORD_FILE: Final = "demo-password"  # noqa: S105 -- where it is, not what it is


class Account(NamedTuple):
    """Who may sign in."""

    name: str
    password: str
    link: str
    """The path that signs in, once and within ten minutes."""


def open_account(folder: Path) -> Account:
    """Return the user ``demo``, a superuser, made on first use; the password is kept in ``folder``."""
    password = _password(folder / PASSWORD_FILE)
    users = get_user_model()._default_manager  # noqa: SLF001 -- the manager's documented name
    user, _ = users.get_or_create(username=NAME, defaults={"is_superuser": True, "is_staff": True})
    if not user.check_password(password):
        user.set_password(password)
        user.save()
    return Account(NAME, password, reverse("signin", args=[make_token(user)]))


def _password(path: Path) -> str:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(9))
    return path.read_text(encoding="utf-8").strip()
