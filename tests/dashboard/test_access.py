"""Closed by default: no page, no region, no act and no socket without an operator."""

from collections.abc import Iterator
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.test import Client
from django.urls import URLPattern, reverse

from queues.dashboard.consumers import UNAUTHORISED
from queues.services.signin import make_token, redeem_token
from queues.urls import urlpatterns
from tests.dashboard.rows import Rows

OPEN = {"login", "logout", "theme", "signin"}
ARGS = {"activity_id": "some-id", "name": "mail", "verb": "retry", "token": "x"}


def addresses() -> Iterator[tuple[str, str]]:
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        name = str(pattern.name)
        wanted = {key: ARGS[key] for key in pattern.pattern.converters} if name != "pausing" else {}
        if name == "pausing":
            wanted = {"name": "mail", "verb": "pause"}
        yield name, reverse(name, kwargs=wanted)


CLOSED = [(name, address) for name, address in addresses() if name not in OPEN]


def test_every_route_but_those_of_signing_in_asks_for_an_operator():
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        guarded = getattr(pattern.callback, "needs_operator", False)
        assert guarded is (pattern.name not in OPEN), pattern.name


@pytest.mark.parametrize(("name", "address"), CLOSED)
@pytest.mark.parametrize("method", ["get", "post"])
def test_strangers_are_sent_to_sign_in(client: Client, method: str, name: str, address: str):
    answer = getattr(client, method)(address)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login?next=")


@pytest.mark.parametrize(("name", "address"), CLOSED)
def test_strangers_get_no_part_of_a_page(client: Client, name: str, address: str):
    answer = client.get(address, headers={"X-Region": "content"})
    assert answer.status_code == 401
    assert not answer.content


@pytest.mark.parametrize(("name", "address"), CLOSED)
def test_where_debug_is_off_only_superusers_are_operators(
    rows: Rows, client: Client, settings: Any, django_user_model: Any, name: str, address: str
):
    client.force_login(django_user_model.objects.create_user("bob", "", "bob-pass-1"))
    settings.DEBUG = False
    answer = client.get(address)
    assert answer.status_code == 403
    assert b"Not permitted" in answer.content


def test_acts_need_the_token_against_forged_requests(rows: Rows, operator: Any):
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post(reverse("act_on_many", args=["retry"]), {"id": "x"}).status_code == 403


def test_an_inactive_user_is_no_operator(rows: Rows, console: Client, operator: Any):
    operator.is_active = False
    operator.save()
    assert console.get("/").status_code == 302


def test_a_password_signs_in_and_leads_where_the_reader_wanted_to_go(
    rows: Rows, operator: Any, client: Client
):
    form = {"username": "anna", "password": "anna-pass-1", "next": "/queues"}
    assert client.post("/login", form)["Location"] == "/queues"
    assert client.get("/queues").status_code == 200
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/queues").status_code == 302


def test_signing_in_never_leads_to_another_site(rows: Rows, operator: Any, client: Client):
    form = {"username": "anna", "password": "anna-pass-1", "next": "https://example.org/"}
    assert client.post("/login", form)["Location"] == "/"


def test_wrong_passwords_are_refused_and_soon_not_even_tried(rows: Rows, operator: Any, client: Client):
    for _ in range(10):
        assert client.post("/login", {"username": "anna", "password": "wrong"}).status_code == 400
    answer = client.post("/login", {"username": "anna", "password": "anna-pass-1"})
    assert answer.status_code == 429
    assert b"Too many tries" in answer.content


def test_a_link_signs_in_once(rows: Rows, operator: Any, client: Client):
    address = reverse("signin", args=[make_token(operator)])
    assert client.get(address, headers={"Sec-Purpose": "prefetch"}).status_code == 503
    assert client.get(address)["Location"] == "/"
    assert client.get("/").status_code == 200
    again = Client().get(address)
    assert again.status_code == 410
    assert b"works once" in again.content


def test_a_link_dies_with_time_with_a_new_password_and_with_its_user(rows: Rows, operator: Any):
    token = make_token(operator)
    assert redeem_token(token, max_age_s=-1) is None
    assert redeem_token(token + "x") is None
    operator.set_password("another-pass-2")
    operator.save()
    assert redeem_token(token) is None
    token = make_token(operator)
    operator.is_active = False
    operator.save()
    assert redeem_token(token) is None


async def test_the_socket_closes_for_strangers(services: Any):
    from django.contrib.auth.models import AnonymousUser

    from queues.dashboard.consumers import LiveConsumer

    socket = WebsocketCommunicator(LiveConsumer.as_asgi(), "/live")
    socket.scope["user"] = AnonymousUser()
    connected, _ = await socket.connect()
    assert connected
    assert await socket.receive_output() == {"type": "websocket.close", "code": UNAUTHORISED}
    await socket.wait()
