"""What open pages show by themselves, and what an operator's act does: real servers, a keeper, a browser."""

import asyncio
import os
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from queues.conf import Conf
from queues.domain.activity import Failure
from queues.domain.options import Options, new_activity
from queues.domain.outcomes import Outcome, completed, failed
from queues.domain.states import State
from queues.services.backbone import Backbone, now_ms
from queues.services.claim import Lease, claim
from queues.services.enqueue import enqueue_activities
from queues.services.progress import report_progress, report_started
from queues.services.results import find_activity
from queues.services.settle import settle
from tests.dashboard.site import FLAGS, Site, Tab, empty_index, process, site
from tests.sample.running import conf_of

# A keeper, a web server and a browser start first, beside another lane that does the same.
pytestmark = [pytest.mark.timeout(240), pytest.mark.django_db]
ENV = {"RUNNERQ_TOPIC_PREFIX": "tlive", "RUNNERQ_REDIS_PREFIX": "rqlive"}


class Hands:
    """Enqueues and works on a loop of its own: the browser's driver has the test's."""

    def __init__(self, conf: Conf) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.b = self.do(lambda: Backbone.open(conf))

    def do[T](self, run: Callable[[], Awaitable[T]]) -> T:
        async def awaited() -> T:
            return await run()

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(60)

    def close(self) -> None:
        self.do(self.b.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def enqueue(self, queue: str, **options: Any) -> str:
        args = msgspec.Raw(b'["https://example.org/"]')
        one = new_activity("page.fetch", Options(queue=queue, **options), now_ms=now_ms(), args=args)
        return self.do(lambda: enqueue_activities(self.b, [one]))[0].id

    def claim(self, queue: str) -> Lease:
        async def soon() -> Lease:
            while True:
                if leases := await claim(self.b, queue, most=1, worker="host:1", lease_s=60):
                    report_started(self.b, leases, now_ms())
                    return leases[0]
                await asyncio.sleep(0.05)

        return self.do(lambda: asyncio.wait_for(soon(), 30))

    def settle(self, lease: Lease, outcome: Outcome) -> None:
        self.do(lambda: settle(self.b, lease, outcome, started_ms=now_ms()))

    def fail(self, lease: Lease) -> None:
        failure = Failure(
            type="HTTPError", message="503", attempt=lease.attempt, at_ms=now_ms(), stack="Traceback"
        )
        self.settle(lease, failed(failure, retryable=False))

    def progress(self, lease: Lease, done: float) -> None:
        async def report() -> None:
            report_progress(self.b, lease, done)

        self.do(report)

    def state(self, queue: str, activity_id: str) -> State:
        found = self.do(lambda: find_activity(self.b, queue, activity_id))
        assert found
        return found.state


@pytest.fixture(scope="module")
def served(django_db_setup: None, django_db_blocker: Any, services: Any) -> Iterator[Site]:
    from django.contrib.auth import get_user_model

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with django_db_blocker.unblock():
        empty_index()
        get_user_model().objects.filter(username="anna").delete()
        get_user_model().objects.create_superuser("anna", "", "anna-pass-1")
        with process("ready", "runkeeper", env=ENV), site(ENV) as own:
            yield own
        empty_index()
        get_user_model().objects.filter(username="anna").delete()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def hands(services: Any) -> Iterator[Hands]:
    own = Hands(conf_of(ENV["RUNNERQ_TOPIC_PREFIX"], ENV["RUNNERQ_REDIS_PREFIX"]))
    yield own
    own.close()


@pytest.fixture
def tab(served: Site, chromium: str) -> Iterator[Tab]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        own = Tab(browser.new_page(viewport={"width": 1280, "height": 800}), served)
        own.sign_in()
        yield own
        browser.close()


def row(tab: Tab, activity_id: str) -> str:
    found = tab.page.locator(f'tr[data-id="{activity_id}"]')
    return found.inner_text() if found.count() else ""


def test_an_activity_is_seen_to_wait_run_and_complete_without_a_reload(
    tab: Tab, hands: Hands, queue_name: str
):
    first = hands.enqueue(queue_name)
    tab.until(lambda: row(tab, first) or not tab.open(f"/activities?queue={queue_name}"), "it is listed")
    tab.page.evaluate("window.same = true")
    assert "Waiting" in row(tab, first)
    lease = hands.claim(queue_name)
    tab.until(lambda: "Running" in row(tab, first), "it runs")
    hands.settle(lease, completed(b'{"bytes": 12}'))
    tab.until(lambda: "Completed" in row(tab, first), "it is completed")
    assert tab.page.evaluate("window.same")
    assert tab.page.evaluate("shifts") < 0.02
    tab.sound()


def test_new_rows_wait_behind_a_bar_until_asked_for(tab: Tab, hands: Hands, queue_name: str):
    shown = hands.enqueue(queue_name)
    tab.until(lambda: row(tab, shown) or not tab.open(f"/activities?queue={queue_name}"), "it is listed")
    others = [hands.enqueue(queue_name) for _ in range(3)]
    bar = tab.page.locator("[data-new]")
    tab.until(lambda: bar.is_visible() and "3 new" in bar.inner_text(), "three are announced")
    assert tab.page.locator("tr[data-id]").count() == 1
    tab.page.keyboard.press("n")
    tab.until(lambda: tab.page.locator("tr[data-id]").count() == 4, "they are shown")
    assert row(tab, others[0])
    assert not bar.is_visible()
    tab.sound()


def test_an_empty_list_fills_by_itself(tab: Tab, hands: Hands, queue_name: str):
    tab.open(f"/activities?queue={queue_name}")
    assert "Nothing matches" in tab.page.inner_text("main")
    one = hands.enqueue(queue_name)
    tab.until(lambda: row(tab, one), "it is listed")
    tab.sound()


def test_while_rows_are_selected_nothing_moves(tab: Tab, hands: Hands, queue_name: str):
    shown = hands.enqueue(queue_name)
    tab.until(lambda: row(tab, shown) or not tab.open(f"/activities?queue={queue_name}"), "it is listed")
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("x")
    pill = tab.page.locator("[data-live]")
    tab.until(lambda: pill.get_attribute("data-is") == "paused", "it pauses")
    hands.settle(hands.claim(queue_name), completed())
    tab.until(lambda: hands.state(queue_name, shown) is State.COMPLETED, "it completes")
    tab.hear(3)
    assert "Waiting" in row(tab, shown)
    tab.page.keyboard.press("Escape")
    tab.until(lambda: "Completed" in row(tab, shown), "it shows what happened meanwhile")


def test_a_detail_page_follows_its_activity(tab: Tab, hands: Hands, queue_name: str):
    one = hands.enqueue(queue_name, max_attempts=1)
    tab.open(f"/activities/{one}?queue={queue_name}")
    tab.troubles.clear()  # a page for what is not indexed yet answers 404
    text = lambda: tab.page.locator("main").inner_text()  # noqa: E731 -- asked again and again
    tab.until(lambda: "page.fetch" in text(), "the index has read it")
    lease = hands.claim(queue_name)
    tab.until(lambda: "Running" in text(), "it runs")
    hands.progress(lease, 0.5)
    tab.until(lambda: re.search(r"50\s%", text()), "its progress shows")
    hands.fail(lease)
    tab.until(lambda: "HTTPError" in text() and "Dead" in text(), "its error shows")
    assert re.search(r"tlive-\S+-dlq/\d+@\d+", text())
    assert re.search(r"tlive-\S+-pending/\d+@\d+", text())
    tab.sound()


def test_a_dead_letter_is_redriven_from_its_page_and_says_so(tab: Tab, hands: Hands, queue_name: str):
    one = hands.enqueue(queue_name, max_attempts=1)
    hands.fail(hands.claim(queue_name))
    page = tab.page
    tab.until(lambda: row(tab, one) or not tab.open(f"/dead?queue={queue_name}"), "it is a dead letter")
    page.click(f'tr[data-id="{one}"] a.main')
    page.wait_for_selector("html[data-ready]", state="attached")
    page.keyboard.press("r")
    page.fill("dialog #reason", "the server is back")
    page.click("dialog button.primary")
    page.wait_for_selector(".note:has-text('sent back to work')")
    tab.until(lambda: "Waiting" in page.locator(".page-head").inner_text(), "it waits again")
    assert "by anna: the server is back" in page.locator(".timeline").inner_text()
    assert hands.state(queue_name, one) is State.AVAILABLE


def test_selected_dead_letters_are_redriven_and_the_rest_purged(tab: Tab, hands: Hands, queue_name: str):
    ids = [hands.enqueue(queue_name, max_attempts=1) for _ in range(4)]
    for _ in ids:
        hands.fail(hands.claim(queue_name))
    page = tab.page
    tab.until(
        lambda: page.locator("tr[data-id]").count() == 4 or not tab.open(f"/dead?queue={queue_name}"),
        "four are dead",
    )
    for one in ids[:2]:
        page.check(f'tr[data-id="{one}"] input')
    page.click("[data-bar] >> text=Redrive")
    page.wait_for_selector(".note:has-text('2 activities were sent back to work')")
    assert {hands.state(queue_name, one) for one in ids[:2]} == {State.AVAILABLE}
    page.click(f"text=Purge {queue_name}")
    page.fill("dialog #typed", queue_name)
    page.fill("dialog #reason", "never mind")
    page.click("dialog button[data-needs]")
    page.wait_for_selector(".note:has-text('2 dead letters')")
    tab.until(
        lambda: "No dead letter" in tab.open(f"/dead?queue={queue_name}").inner_text("main"), "they are gone"
    )


def test_a_queue_is_paused_and_resumed(tab: Tab, hands: Hands, queue_name: str):
    hands.enqueue(queue_name)
    page = tab.page
    line = f'tr:has(a[href="/queues/{queue_name}"])'
    tab.until(lambda: tab.open("/queues").locator(line).count(), "the queue is listed")
    page.click(f"{line} >> text=Pause")
    page.fill("dialog #reason", "the mail relay moves")
    page.click("dialog button.primary")
    page.wait_for_selector(".note:has-text('is paused')")
    tab.until(lambda: "Paused" in page.locator(line).inner_text(), "the row says so")
    assert hands.do(lambda: claim(hands.b, queue_name, most=1, worker="host:1")) == []
    tab.open(f"/queues/{queue_name}")
    assert "the mail relay moves" in page.inner_text("main")
    page.click(".page-head >> text=Resume")
    page.click("dialog button.primary")
    page.wait_for_selector(".note:has-text('running again')")
    assert hands.claim(queue_name)


def test_the_form_enqueues_and_leads_to_the_activity(tab: Tab, hands: Hands, queue_name: str):
    page = tab.open("/enqueue")
    page.fill("#type", "page.fetch")
    page.fill("#queue", queue_name)
    page.fill("#args", '["x", 12345678901234567890]')
    page.click("form.form button.primary")
    page.wait_for_url("**/activities/*")
    tab.until(lambda: "12345678901234567890" in page.inner_text("main"), "its arguments show, digit by digit")
    assert bytes(hands.claim(queue_name).activity().args) == b'["x", 12345678901234567890]'


def test_a_live_one_is_cancelled_from_its_page(tab: Tab, hands: Hands, queue_name: str):
    one = hands.enqueue(queue_name, delay_ms=3_600_000)
    tab.open(f"/activities/{one}?queue={queue_name}")
    page = tab.page
    tab.until(lambda: "Scheduled" in page.inner_text("main"), "it is scheduled")
    page.wait_for_selector("html[data-ready]", state="attached")
    page.click(".page-head >> text=Cancel")
    page.click("dialog button.primary")
    page.wait_for_selector(".note:has-text('was cancelled')")
    assert hands.state(queue_name, one) is State.CANCELLED


def test_arguments_too_large_for_the_index_are_read_from_the_log(tab: Tab, hands: Hands, queue_name: str):
    large = msgspec.Raw(b'["' + b"x" * 20_000 + b'", "the end"]')
    one = new_activity("page.fetch", Options(queue=queue_name), now_ms=now_ms(), args=large)
    hands.do(lambda: enqueue_activities(hands.b, [one]))
    page = tab.open(f"/activities/{one.id}?queue={queue_name}")
    tab.until(lambda: "Too large for the index" in page.inner_text("main"), "it is indexed without them")
    page.click("text=Read it from the log")
    page.wait_for_selector(".json:has-text('the end')")
