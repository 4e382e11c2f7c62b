"""Who may see the console: whoever is signed in; where DEBUG is off, superusers alone."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from queues.dashboard.database import TooSlow
from queues.dashboard.respond import respond_alone
from queues.domain.errors import IndexUnavailable

logger = logging.getLogger(__name__)

type View = Callable[..., HttpResponseBase]


def allowed(user: Any) -> bool:
    """Tell whether ``user`` has the rights of an operator."""
    if not (user is not None and user.is_authenticated and user.is_active):
        return False
    return bool(settings.DEBUG or user.is_superuser)


def page(view: View) -> View:
    """Let only operators reach ``view``; others are sent to sign in, or told that they may not."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return answered(request, *args, **kwargs)
        except (IndexUnavailable, OperationalError, InterfaceError, TooSlow) as error:
            logger.warning("%s is not shown: %s", request.path, error or type(error).__name__)
            return _away(request, slow=isinstance(error, TooSlow))

    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if allowed(request.user):
            return view(request, *args, **kwargs)
        if "X-Region" in request.headers or "HX-Request" in request.headers:
            return _refused_part(request)
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), reverse("login"))
        return _refused(request)

    guarded.needs_operator = True  # type: ignore[attr-defined]
    return guarded


def _refused_part(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(status=403 if request.user.is_authenticated else 401)
    response["HX-Redirect"] = reverse("login")
    return response


def _away(request: HttpRequest, *, slow: bool) -> HttpResponse:
    text = "Activities are still accepted and run; only this view of them is away. Try again in a moment."
    if slow:
        text = "The index did not answer within two seconds. Try again, or ask for less at once."
    context = {
        "title": "Too much at once" if slow else "PostgreSQL does not answer",
        "text": text,
        "href": request.get_full_path(),
        "link": "Try again",
        "alone": True,
    }
    if "X-Region" in request.headers:
        return HttpResponse(status=503)
    return respond_alone(request, "refusal", context, status=503)


def _refused(request: HttpRequest) -> HttpResponse:
    context = {
        "title": "Not permitted",
        "text": "Your account is no superuser, and this console is open to superusers alone.",
        "href": reverse("login"),
        "link": "Sign in as someone else",
    }
    return respond_alone(request, "refusal", context, status=403)
