"""Sign in by password or by a one-time link, sign out, choose a theme."""

import hashlib
from typing import Final

from django.contrib import auth
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from queues.dashboard.access import allowed
from queues.dashboard.respond import THEMES, respond_alone
from queues.services.signin import redeem_token

TRIES: Final = 10
TRIES_S: Final = 300
_YEAR_S: Final = 31_536_000


def next_url(request: HttpRequest) -> str:
    """Return where the reader wanted to go, if that is ours; else the overview."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else reverse("overview")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """Show the form, or sign in."""
    if request.method != "POST":
        return HttpResponseRedirect(next_url(request)) if allowed(request.user) else _form(request)
    key = _tries_key(request)
    tries = cache.get(key, 0)
    if tries >= TRIES:
        return _form(request, f"Too many tries. Wait {TRIES_S // 60} minutes and try again.", 429)
    user = auth.authenticate(
        request, username=request.POST.get("username"), password=request.POST.get("password")
    )
    if user is None:
        cache.set(key, tries + 1, TRIES_S)
        return _form(request, "User name or password is wrong.", 400)
    if not allowed(user):
        return _form(
            request, "This account is no superuser, and this console is open to superusers alone.", 403
        )
    cache.delete(key)
    auth.login(request, user)
    return HttpResponseRedirect(next_url(request))


def _tries_key(request: HttpRequest) -> str:
    who = f"{request.META.get('REMOTE_ADDR')} {request.POST.get('username', '').lower()}"
    return "rq-signin:" + hashlib.blake2b(who.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _form(request: HttpRequest, problem: str = "", status: int = 200) -> HttpResponse:
    context = {
        "problem": problem,
        "username": request.POST.get("username", ""),
        "next": request.POST.get("next") or request.GET.get("next") or "",
    }
    return respond_alone(request, "signin", context, status=status)


@never_cache
@require_GET
def link(request: HttpRequest, token: str) -> HttpResponse:
    """Sign in by a one-time link; a browser that only prefetches it does not use it up."""
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    if "prefetch" in purpose:
        return HttpResponse(status=503)
    user = redeem_token(token)
    if user is None:
        if allowed(request.user):
            return HttpResponseRedirect(reverse("overview"))
        context = {
            "title": "This link has been used, or is too old",
            "text": "A sign-in link works once and for ten minutes. Start the demo again for a new one, "
            "or sign in with your password.",
            "href": reverse("login"),
            "link": "Sign in",
        }
        return respond_alone(request, "refusal", context, status=410)
    auth.login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponseRedirect(reverse("overview"))


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """End the session."""
    auth.logout(request)
    return HttpResponseRedirect(reverse("login"))


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme that was chosen, for browsers without script."""
    response = HttpResponseRedirect(next_url(request))
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie("rq-theme", chosen, max_age=_YEAR_S, samesite="Lax", secure=request.is_secure())
    return response
