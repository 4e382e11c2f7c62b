"""Pages in a real browser: sound under the policy, accessible, usable by keys, without script, on a phone."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queues.domain.codes import StateCode
from tests.dashboard.rows import HOSTILE, Rows
from tests.dashboard.site import FLAGS, Site, Tab, empty_index, site

# The mark makes pytest-django set the database up; what the site shows is committed by the fixtures.
pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db]
PAGES = {
    "overview": "/",
    "activities": "/activities",
    "retrying": "/activities?state=retrying",
    "empty": "/activities?q=nothing-at-all",
    "activity": "/activities/dead-1",
    "missing": "/activities/nope",
    "queues": "/queues",
    "queue": "/queues/documents",
    "dead": "/dead",
    "workers": "/workers",
    "enqueue": "/enqueue",
    "ask": "/act/retry/dead-1",
    "purge": "/queues/documents/purge",
}
NO_SOCKET = """
window.WebSocket = class extends EventTarget { readyState = 3; close() {} };
window.WebSocket.OPEN = 1;
"""
SHOTS = {
    "light-desk": ("overview", "activities", "activity", "queues", "dead", "workers", "enqueue"),
    "dark-desk": ("overview", "activity"),
    "light-phone": ("overview", "activities"),
}
SIZES = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}


@pytest.fixture(scope="module")
def served(django_db_setup: None, services: Any) -> Iterator[Site]:
    with site({"RUNNERQ_TOPIC_PREFIX": "tbrowser", "RUNNERQ_REDIS_PREFIX": "rqbrowser"}) as own:
        yield own


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield own
        own.close()


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """An index with something of everything, and an operator; committed, for another process to read."""
    from django.contrib.auth import get_user_model
    from django.test.utils import override_settings

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with django_db_blocker.unblock():
        empty_index()
        with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"]):
            get_user_model().objects.filter(username="anna").delete()
            get_user_model().objects.create_superuser("anna", "", "anna-pass-1")
        fill(Rows())
        yield
        empty_index()
        get_user_model().objects.filter(username="anna").delete()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def fill(rows: Rows) -> None:
    for code in StateCode:
        for n in range(8):
            more: dict[str, Any] = {}
            if code in {StateCode.DEAD, StateCode.DISCARDED, StateCode.RETRYABLE}:
                more = {
                    "error": "UnicodeDecodeError",
                    "error_message": "'utf-8' codec can't decode byte 0xff",
                }
            if code is StateCode.COMPLETED:
                more = {"run_ms": 120 * n, "finished_at": rows.now}
            rows.activity(
                code,
                id=f"{code.name.lower()}-{n}",
                queue="documents" if n % 2 else "mail",
                type_name=["document.analyze", "mail.send"][n % 2],
                age_s=int(code) * 60 + n,
                due_at=rows.now if code in {StateCode.SCHEDULED, StateCode.RETRYABLE} else None,
                preview=f'"/srv/files/{n}.txt"',
                document={
                    "args": [f"/srv/files/{n}.txt"],
                    "kwargs": {"deep": {"er": [1, 2, {"n": 9007199254740993}]}},
                },
                attempt=n % 3,
                **more,
            )
    rows.activity(
        StateCode.DEAD, id="hostile", queue="hostile", type_name=HOSTILE, error=HOSTILE, preview=HOSTILE
    )
    from queues.models import Activity

    one = Activity.objects.select_related("queue").get(id="dead-1")
    failure = (
        '{"error": {"type": "UnicodeDecodeError", "message": "no text", "stack": "Traceback\\n  File x"}}'
    )
    rows.entry(
        one,
        StateCode.RETRYABLE,
        fence=5,
        started_at=rows.now,
        claimed_at=rows.now,
        detail=failure,
        worker="host:1",
    )
    rows.entry(one, StateCode.DEAD, fence=6, started_at=rows.now, detail=failure, attempt=2, worker="host:1")
    rows.worker(queues=("documents",))
    for ago in range(1, 60):
        rows.minute(
            queue="documents", type_name="document.analyze", ago=ago, enqueued=50 + ago % 7, completed=48
        )


@pytest.fixture
def tab(request: pytest.FixtureRequest, served: Site, filled: None, browser: Any) -> Iterator[Tab]:
    """A signed-in tab; ``indirect`` parameters choose theme and size."""
    wanted = getattr(request, "param", {})
    size = wanted.get("size", "desk")
    context = browser.new_context(
        viewport=SIZES[size],
        color_scheme=wanted.get("theme", "light"),
        has_touch=size == "phone",
        java_script_enabled=wanted.get("script", True),
        reduced_motion="reduce",
    )
    own = Tab(context.new_page(), served)
    own.sign_in()
    yield own
    context.close()


LOOKS = [
    pytest.param({"theme": theme, "size": size}, id=f"{theme}-{size}")
    for theme, size in (("light", "desk"), ("dark", "desk"), ("light", "phone"), ("dark", "phone"))
]


@pytest.mark.parametrize("tab", LOOKS, indirect=True)
def test_every_page_is_sound_accessible_and_as_wide_as_the_window(tab: Tab):
    from axe_playwright_python.sync_playwright import Axe

    axe, found = Axe(), []
    for name, address in PAGES.items():
        page = tab.open(address)
        if page.locator("[data-kind] .plot").count():
            page.wait_for_selector("[data-kind] canvas")
        found += [
            (name, violation["id"], [node["html"][:160] for node in violation["nodes"][:3]])
            for violation in axe.run(page).response["violations"]
        ]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
        assert page.evaluate("violations") == [], name
    assert not found, "\n".join(map(str, found))
    assert [t for t in tab.troubles if "404" not in t] == []


def test_keys_move_open_select_and_lead_to_pages(tab: Tab):
    page = tab.open("/activities")
    first, second = (page.locator("tr[data-id]").nth(n).get_attribute("data-id") for n in (0, 1))
    page.keyboard.press("j")
    assert page.locator("tr[data-at]").get_attribute("data-id") == first
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert page.locator("tr[aria-selected=true]").get_attribute("data-id") == second
    assert page.locator("[data-bar]").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("[data-bar]").is_visible()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/activities/{first}")
    for keys, where in (
        ("gq", "/queues"),
        ("gd", "/dead"),
        ("gw", "/workers"),
        ("ga", "/activities"),
        ("go", "/"),
    ):
        page.wait_for_selector("html[data-ready]")
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_url(tab.site.url + where)
    page.wait_for_selector("html[data-ready]")
    page.keyboard.press("?")
    assert page.locator("dialog[data-help]").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("gqt?")
    assert page.locator("#find").input_value() == "gqt?"
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert "rq-theme=light" in page.evaluate("document.cookie")
    tab.sound()


def test_r_asks_in_a_dialog_about_the_row_under_the_keys(tab: Tab):
    page = tab.open("/dead")
    page.keyboard.press("j")
    page.keyboard.press("r")
    dialog = page.locator("dialog[data-ask]")
    dialog.wait_for(state="visible")
    assert "Retry" in dialog.inner_text()
    assert page.evaluate("document.activeElement.name") == "reason"
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.url.endswith("/dead")
    tab.sound()


def test_filters_and_pages_change_the_address_and_the_way_back_works(tab: Tab):
    page = tab.open("/activities")
    page.select_option("select[name=queue]", "mail")
    page.wait_for_url("**queue=mail**")
    page.wait_for_function(
        "[...document.querySelectorAll('tr[data-id]')].every(r => r.textContent.includes('mail'))"
    )
    page.click("text=Completed")
    page.wait_for_url("**state=completed**")
    assert "queue=mail" in page.url
    page.go_back()
    page.wait_for_selector("html[data-ready]")
    assert "state=completed" not in page.url
    tab.sound()


def test_each_chart_has_its_table(tab: Tab):
    page = tab.open("/?window=1h")
    page.wait_for_selector("[data-kind=throughput] canvas")
    page.click("[data-kind=throughput] [data-table]")
    assert page.locator("[data-kind=throughput] tbody tr").count() == 60
    page.wait_for_function("document.querySelector('[data-kind=throughput] tbody').innerText.includes('0.8')")
    tab.sound()


def test_purging_stays_closed_until_the_name_is_typed(tab: Tab):
    page = tab.open("/queues/documents")
    page.click("text=Purge dead letters")
    button = page.locator("dialog button[data-needs]")
    button.wait_for(state="visible")
    page.fill("dialog #typed", "document")
    assert button.is_disabled()
    page.fill("dialog #typed", "documents")
    assert button.is_enabled()
    tab.sound()


@pytest.mark.parametrize("tab", [pytest.param({"script": False}, id="no-script")], indirect=True)
def test_without_script_one_can_read_filter_page_and_be_asked(tab: Tab):
    page = tab.page
    for address in PAGES.values():
        page.goto(tab.site.url + address)
        assert page.locator("h1, h2").first.is_visible(), address
    page.goto(tab.site.url + "/activities")
    page.select_option("select[name=queue]", "mail")
    page.click("text=Filter")
    assert "queue=mail" in page.url
    page.goto(tab.site.url + "/activities/dead-1")
    page.click(".page-head >> text=Retry")
    assert "/act/retry/dead-1" in page.url
    assert page.locator("form button.primary >> text=Retry").is_visible()


def test_when_the_socket_is_down_the_page_says_that_it_polls(tab: Tab):
    page = tab.page
    page.add_init_script(NO_SOCKET)
    tab.open("/")
    tab.until(lambda: page.locator("[data-live]").get_attribute("data-is") == "polling", "it says polling")
    with page.expect_response("**/pulse", timeout=10_000) as answer:
        pass
    assert answer.value.ok


def fresh() -> None:
    """Let the index look as if an indexer and a worker had just been heard of."""
    import psycopg
    from django.conf import settings

    given = settings.DATABASES["default"]
    # Past the test's own transaction, which nobody else sees.
    with psycopg.connect(
        dbname=given["NAME"], user=given["USER"], host=given["HOST"], port=given["PORT"] or None
    ) as own:
        own.execute("UPDATE idx.source SET updated_at = now(); UPDATE idx.worker SET seen_at = now()")


@pytest.mark.skipif("SCREENSHOTS" not in os.environ, reason="set SCREENSHOTS to a folder to fill it")
@pytest.mark.parametrize("tab", LOOKS, indirect=True)
def test_screenshots(tab: Tab, request: pytest.FixtureRequest):
    folder = Path(os.environ["SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    look = request.node.callspec.id
    for name in SHOTS.get(look, ()):
        fresh()
        page = tab.open(PAGES[name] + ("?queue=documents" if name in {"activities", "dead"} else ""))
        page.wait_for_timeout(1_500)
        page.screenshot(path=folder / f"{name}-{look}.png")
