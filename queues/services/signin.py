"""One-time sign-in links: signed, for one user, void after one use or ten minutes."""

from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core import signing

MAX_AGE_S: Final = 600
_SALT: Final = "queues.signin"


def make_token(user: Any) -> str:
    """Return the token of ``/signin/{token}`` for ``user``; it dies with the user's next sign-in."""
    return signing.dumps([user.pk, _mark(user)], salt=_SALT, compress=True)


def redeem_token(token: str, *, max_age_s: int = MAX_AGE_S) -> Any:
    """Return the user whom ``token`` signs in and void it, or None: forged, too old, used, or user inactive.

    Atomic: of two that redeem one token at once, one gets the user.
    """
    try:
        pk, mark = signing.loads(token, salt=_SALT, max_age=max_age_s)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    users = get_user_model()._default_manager  # noqa: SLF001 -- the manager's documented name
    user = users.filter(pk=pk, is_active=True).first()
    if user is None or _mark(user) != mark:
        return None
    # The sign-in moves last_login and so voids the token; the condition lets only one through.
    taken = users.filter(pk=pk, last_login=user.last_login).update(last_login=datetime.now(UTC))
    return user if taken else None


def _mark(user: Any) -> str:
    last = user.last_login.timestamp() if user.last_login else 0
    return signing.Signer(salt=_SALT).signature(f"{user.password}:{last}")[:16]
