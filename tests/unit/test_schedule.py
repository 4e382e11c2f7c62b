"""Code-defined schedules: spans, ticks and the ids that follow from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.domain.activity import Activity
from queues.domain.errors import InvalidOption
from queues.domain.schedule import Schedule, next_tick, parse_span, tick_activity, tick_at


@pytest.mark.parametrize(
    ("text", "span_ms"),
    [("30s", 30_000), ("5m", 300_000), ("1s", 1_000), ("2d", 172_800_000), ("1h 30m", 5_400_000)],
)
def test_a_span_is_whole_numbers_with_units(text: str, span_ms: int) -> None:
    assert parse_span(text) == span_ms


@pytest.mark.parametrize("text", ["", "5", "m", "1.5h", "-1m", "0s", "1w", "9999d", "1m!"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidOption, match="every="):
        parse_span(text)


@given(st.integers(0, 10**14), st.integers(1_000, 10**10))
def test_ticks_are_multiples_of_the_span_and_follow_each_other(now_ms: int, every_ms: int) -> None:
    tick = tick_at(now_ms, every_ms)
    assert tick % every_ms == 0
    assert tick <= now_ms < next_tick(now_ms, every_ms) == tick + every_ms


def test_two_schedulers_make_the_same_activity_of_one_tick_and_another_of_the_next() -> None:
    template = Activity(id="", queue="default", type="app.report", meta={"team": "ops"})
    schedule = Schedule("app.report", 60_000, template)
    one, other = tick_activity(schedule, 120_000, 121_000), tick_activity(schedule, 120_000, 129_000)
    assert one.id == other.id != tick_activity(schedule, 180_000, 181_000).id
    assert one.once
    assert one.meta == {"team": "ops", "schedule": "app.report", "tick_ms": "120000"}
    assert template.id == ""
