"""Pages with data, without, with hostile strings, and while servers are away."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from queues.dashboard import charts, snapshot
from queues.dashboard.database import TooSlow
from queues.domain.codes import Moment, StateCode
from tests.dashboard.rows import HOSTILE, Rows

PAGES = ["/", "/activities", "/queues", "/dead", "/workers", "/enqueue"]


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


@pytest.mark.parametrize(
    "address", [*PAGES, "/activities?state=running", "/activities?q=zzz&queue=none&since=1h"]
)
def test_an_empty_index_has_pages_that_say_what_to_do(console: Client, address: str):
    answer = console.get(address)
    assert answer.status_code == 200
    assert "RunnerQ" in text_of(answer)


@pytest.mark.parametrize("address", PAGES)
def test_pages_forbid_inline_script_and_style(console: Client, address: str):
    policy = console.get(address)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_list_shows_each_state_by_icon_word_and_colour(rows: Rows, console: Client):
    for code in StateCode:
        rows.activity(code, age_s=int(code))
    body = console.get("/activities").content.decode()
    for look in (
        "Waiting",
        "Scheduled",
        "Blocked",
        "Running",
        "Completed",
        "Retrying",
        "Cancelled",
        "Failed",
        "Dead",
    ):
        assert re.search(
            rf'class="state is-[a-z]+"><svg class="i"[^>]*><use href="[^"]+#[a-z-]+"/></svg>{look}<', body
        )
    assert body.count("<tr data-id=") == len(StateCode)


def test_tabs_count_exactly(rows: Rows, console: Client):
    for _ in range(3):
        rows.activity(StateCode.COMPLETED)
    rows.activity(StateCode.DEAD, queue="other")
    everything = text_of(console.get("/activities"))
    assert "All 4" in everything
    assert "Completed 3" in everything
    of_one = text_of(console.get("/activities?queue=other"))
    assert "All 1" in of_one
    assert "Completed 0" in of_one


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("queue=mail", {"a", "b"}),
        ("type=report.build", {"c"}),
        ("state=dead", {"b"}),
        ("q=needle", {"a"}),
        ("q=ValueErr", {"b"}),
        ("q=report", {"c"}),
        ("since=15m", {"a", "b"}),
        ("state=completed&q=needle&queue=mail", {"a"}),
        ("state=completed&q=needle&queue=reports", set()),
        ("q=100%25", {"c"}),
        ("queue=nowhere", set()),
    ],
)
def test_filters_narrow_the_list(rows: Rows, console: Client, query: str, found: set[str]):
    rows.activity(StateCode.COMPLETED, id="a", search='"needle"')
    rows.activity(StateCode.DEAD, id="b", error="ValueError", search="hay 1000")
    rows.activity(
        StateCode.COMPLETED,
        id="c",
        queue="reports",
        type_name="report.build",
        age_s=4_000,
        search="100% sure",
    )
    body = console.get(f"/activities?{query}").content.decode()
    assert set(re.findall(r'<tr data-id="([^"]+)"', body)) == found


@pytest.mark.parametrize("tab", ["scheduled", "retrying"])
def test_what_waits_for_a_time_is_listed_soonest_first(rows: Rows, console: Client, tab: str):
    from datetime import timedelta

    code = StateCode.SCHEDULED if tab == "scheduled" else StateCode.RETRYABLE
    for minutes in (3, 1, 2):
        rows.activity(code, id=f"in-{minutes}", due_at=rows.now + timedelta(minutes=minutes))
    rows.activity(code, id="no-time")
    body = console.get(f"/activities?state={tab}").content.decode()
    assert re.findall(r'<tr data-id="([^"]+)"', body) == ["in-1", "in-2", "in-3", "no-time"]


def test_an_id_leads_to_its_activity(rows: Rows, console: Client):
    rows.activity(id="order-17")
    assert console.get("/activities?q=order-17")["Location"] == "/activities/order-17"


@pytest.mark.parametrize("tab", ["all", "completed"])
def test_walking_older_and_newer_meets_each_row_once(rows: Rows, console: Client, tab: str):
    ids = [rows.activity(StateCode.COMPLETED, id=f"{n:03}", age_s=n // 3).id for n in range(120)]
    expected = sorted(ids, key=lambda one: (int(one) // 3, -int(one)))
    seen: list[str] = []
    address = f"/activities?state={tab}"
    pages = []
    while address:
        body = console.get(address).content.decode()
        pages.append(re.findall(r'<tr data-id="([^"]+)"', body))
        seen += pages[-1]
        link = re.search(r'rel="next" href="([^"]+)"', body)
        address = "/activities" + link[1].replace("&amp;", "&") if link else ""
    assert seen == expected
    back = re.search(r'rel="prev" href="([^"]+)"', body)
    assert back
    newer = console.get("/activities" + back[1].replace("&amp;", "&")).content.decode()
    assert re.findall(r'<tr data-id="([^"]+)"', newer) == pages[-2]


def test_rows_on_screen_are_asked_for_by_id_and_new_ones_only_counted(rows: Rows, console: Client):
    rows.activity(StateCode.AVAILABLE, id="old", age_s=60)
    body = console.get("/activities").content.decode()
    source = re.search(r'data-src="([^"]+)"', body)
    assert source
    from queues.models import Activity

    Activity.objects.filter(id="old").update(state=int(StateCode.COMPLETED), updated_at=rows.now)
    rows.activity(StateCode.AVAILABLE, id="new")
    address = "/activities" + source[1].replace("&amp;", "&") + "&ids=old"
    answer = console.get(address, headers={"X-Region": "rows"})
    assert answer["X-New"] == "1"
    assert re.findall(r'<tr data-id="([^"]+)"', answer.content.decode()) == ["old"]
    assert b"Completed" in answer.content
    same = console.get(address, headers={"X-Region": "rows", "If-None-Match": answer["ETag"]})
    assert same.status_code == 304
    assert same["X-New"] == "1"


def test_an_activity_shows_everything_that_happened_with_its_place_in_the_log(rows: Rows, console: Client):
    a = rows.activity(
        StateCode.DEAD,
        document={"args": [1, "two"], "kwargs": {"big": 9007199254740993}},
        preview="1",
        attempt=2,
        error="ValueError",
        error_message="no",
    )
    failure = '{"error": {"type": "ValueError", "message": "no", "stack": "Traceback: line 1"}}'
    rows.entry(
        a,
        StateCode.RETRYABLE,
        fence=5,
        started_at=rows.now,
        claimed_at=rows.now,
        detail=failure,
        worker="w:1",
    )
    rows.entry(a, StateCode.DEAD, fence=6, started_at=rows.now, detail=failure, attempt=2)
    rows.entry(
        a, StateCode.ACTIVE, moment=int(Moment.LOG), fence=6, detail='{"lines": ["hello"], "level": "info"}'
    )
    answer = console.get(reverse("activity", args=[a.id]))
    shown = text_of(answer)
    assert "9007199254740993" in shown
    assert shown.count("Traceback: line 1") == 2
    assert "runnerq-mail-retry/0@0" in shown
    assert "runnerq-mail-pending/0@1" in shown
    assert "hello" in shown
    assert "Retry" in shown
    assert "Delete" in shown


def test_an_activity_that_is_unknown_is_told_from_one_that_is_not_indexed_yet(rows: Rows, console: Client):
    unknown = console.get("/activities/nope")
    assert unknown.status_code == 404
    assert "has no activity nope" in text_of(unknown)
    assert "has not read its record yet" in text_of(console.get("/activities/nope?queue=mail"))


def test_hostile_strings_are_inert_everywhere(rows: Rows, console: Client):
    a = rows.activity(
        StateCode.DEAD,
        id="h",
        queue="q" + HOSTILE,
        type_name=HOSTILE,
        error=HOSTILE,
        worker=HOSTILE,
        error_message=HOSTILE,
        preview=HOSTILE,
        reason=HOSTILE,
        note=HOSTILE,
        actor=HOSTILE,
        key=HOSTILE,
        tags=[HOSTILE],
        search=HOSTILE,
        document={"args": [HOSTILE], "kwargs": {HOSTILE: HOSTILE}, "meta": {HOSTILE: HOSTILE}},
    )
    detail = '{"error": {"type": %s, "message": %s, "stack": %s}, "result": %s}'
    import json

    detail %= tuple(json.dumps(HOSTILE) for _ in range(4))
    rows.entry(a, StateCode.DEAD, fence=1, started_at=rows.now, detail=detail, reason=HOSTILE, actor=HOSTILE)
    rows.worker(HOSTILE, queues=("q" + HOSTILE,), host=HOSTILE, version=HOSTILE, types=[HOSTILE])
    from queues.models import QueueConfig

    QueueConfig.objects.create(
        name="paused" + HOSTILE[:50], paused=True, paused_by=HOSTILE, paused_reason=HOSTILE
    )
    for address in [
        *PAGES,
        "/activities/h",
        "/act/retry/h",
        "/activities?q=%3Cscript%3E",
        "/enqueue?type=%22%3E%3Cscript%3E",
    ]:
        body = console.get(address).content.decode()
        assert "<script>" not in body, address
        assert "<img" not in body, address
        assert ">49<" not in body, address


def test_a_queue_says_what_is_wrong_with_it(rows: Rows, console: Client):
    rows.activity(StateCode.AVAILABLE, age_s=300)
    rows.minute(dead=2)
    assert "no worker serves this queue" in text_of(console.get("/"))
    shown = text_of(console.get("/queues"))
    assert "No worker" in shown
    rows.worker(queues=("mail",))
    snapshot.reset()
    shown = text_of(console.get("/"))
    assert "something has waited for more than a minute" in shown
    assert "2 dead letters in the last hour" in shown


def test_charts_add_up_the_roll_ups_and_keep_gaps(rows: Rows, console: Client):
    at = int(rows.minute(ago=3).minute.timestamp())
    rows.minute(ago=3, queue="other")
    found = console.get("/charts?window=15m").json()
    assert len(found["at"]) == 15
    place = found["at"].index(at)
    assert found["enqueued"][place - 1 : place + 2] == [0, 2.0, 0]
    assert found["wait"]["p50"][place] > 0
    assert found["wait"]["p50"][place + 1] is None
    assert console.get("/charts?window=15m&queue=other").json()["enqueued"][place] == 1.0


def test_the_minute_under_way_counts_by_the_seconds_it_has_had():
    from datetime import UTC, datetime

    row = {"at": datetime(2026, 1, 1, 12, 0, tzinfo=UTC), "enqueued": 100}
    assert charts._rate(row, "enqueued", datetime(2026, 1, 1, 12, 0, 10, tzinfo=UTC), 60) == 10
    assert charts._rate(row, "enqueued", datetime(2026, 1, 1, 12, 5, tzinfo=UTC), 60) == 1.6667


def test_a_question_that_is_too_large_is_answered_with_what_to_narrow(
    rows: Rows, console: Client, monkeypatch: Any
):
    from queues.dashboard import database

    rows.activity()
    monkeypatch.setattr(database, "GUARD_MS", 1)

    def slow(*_: Any) -> Any:
        raise TooSlow

    monkeypatch.setattr("queues.dashboard.pages.activities.page_of", slow)
    assert "took longer than two seconds" in text_of(console.get("/activities"))


@pytest.mark.django_db(transaction=True)
def test_the_guard_ends_a_statement(services: Any):
    from queues.dashboard.database import fetch
    from queues.index.queries import Query

    with pytest.raises(TooSlow):
        fetch(Query("SELECT pg_sleep(5)", {}), guard_ms=50)


@pytest.mark.django_db(transaction=True)
def test_getting_a_page_writes_nothing(services: Any):
    from django.db.utils import InternalError

    from queues.dashboard.database import fetch
    from queues.index.queries import Query

    with pytest.raises(InternalError, match="read-only"):
        fetch(Query("DELETE FROM idx.activity RETURNING id", {}))


@pytest.mark.django_db(transaction=True)
def test_while_postgresql_is_away_pages_say_so(services: Any, client: Client):
    from django.db import connection

    there = connection.settings_dict["HOST"]
    client.cookies["sessionid"] = "x" * 32
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        answer = client.get("/queues")
        part = client.get("/queues", headers={"X-Region": "list"})
    finally:
        connection.settings_dict["HOST"] = there
    assert answer.status_code == part.status_code == 503
    assert "PostgreSQL does not answer" in text_of(answer)
    assert not part.content


def test_forms_that_ask_stand_as_pages_of_their_own(rows: Rows, console: Client):
    rows.activity(StateCode.DEAD, id="d")
    rows.activity(StateCode.COMPLETED, id="c")
    assert "sent back" not in text_of(console.get("/act/retry/c"))
    assert "does not apply any more" in text_of(console.get("/act/retry/c"))
    assert "Retry mail.send?" in text_of(console.get("/act/retry/d"))
    assert console.get("/act/explode/d").status_code == 404
    part = console.get("/act/retry/d", headers={"X-Region": "form"}).content.decode()
    assert part.strip().startswith("<form")


def test_purging_needs_the_queues_name_and_a_reason(rows: Rows, console: Client):
    rows.activity(StateCode.DEAD, id="d")
    for form in ({"typed": "mai", "reason": "x"}, {"typed": "mail", "reason": " "}, {}):
        answer = console.post("/queues/mail/purge", form)
        assert answer.status_code == 400
        assert "Type the queue" in text_of(answer)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("queue", "has space", "queue name"),
        ("type", "", "use 1 to 255"),
        ("args", "{}", "not a JSON array"),
        ("args", "[1,", "no valid JSON"),
        ("kwargs", "[]", "not a JSON object"),
        ("priority", "101", "from -100 to 100"),
        ("attempts", "0", "from 1"),
        ("delay", "-1", "from 0"),
        ("id", "a b", "without spaces"),
        ("args", "[" * 5_000, "no valid JSON"),
    ],
)
def test_the_enqueue_form_says_what_is_wrong_beside_the_field(
    rows: Rows, console: Client, field: str, value: str, text: str
):
    form = {
        "queue": "mail",
        "type": "mail.send",
        "args": "[]",
        "kwargs": "{}",
        "priority": "0",
        "attempts": "3",
    }
    answer = console.post("/enqueue", form | {field: value})
    assert answer.status_code == 400
    assert text in text_of(answer)
    assert 'class="wrong"' in answer.content.decode()


def test_a_phone_and_a_desk_get_the_theme_of_the_cookie(console: Client):
    assert console.post("/theme", {"theme": "dark", "next": "/queues"})["Location"] == "/queues"
    assert b'data-theme="dark"' in console.get("/").content
    console.post("/theme", {"theme": "neon"})
    assert b'data-theme="dark"' in console.get("/").content


def test_the_admin_lists_the_index_read_only(rows: Rows, console: Client):
    rows.activity(StateCode.DEAD, id="d")
    rows.worker()
    for model in ("activity", "queueconfig", "worker", "source", "quarantined", "pruned"):
        assert console.get(f"/admin/queues/{model}/").status_code == 200, model
    assert console.get("/admin/queues/activity/d/change/").status_code == 200
    assert console.get("/admin/queues/activity/add/").status_code == 403
    assert console.post("/admin/queues/activity/d/delete/", {"post": "yes"}).status_code == 403
