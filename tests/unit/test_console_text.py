"""How the console writes numbers, spans and JSON."""

import pytest

from queues.dashboard import figures, jsontext
from queues.dashboard.hub import Mailbox, merge
from queues.dashboard.jsontree import json_tree
from queues.dashboard.sparks import sparkline

T = figures.THIN


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "—"),
        (0, f"0{T}ms"),
        (0.4, f"<1{T}ms"),
        (999, f"999{T}ms"),
        (1_500, f"1.5{T}s"),
        (72_000, f"1{T}m 12{T}s"),
        (3_600_000, f"1{T}h"),
        (90_000_000, f"1{T}d 1{T}h"),
        (-5, f"0{T}ms"),
    ],
)
def test_a_span_is_written_in_at_most_two_units(ms: float | None, text: str):
    assert figures.duration(ms) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (9_999, f"9{T}999"), (12_345, "12.3k"), (123_456, "123k"), (5_000_000, "5M"), (None, "—")],
)
def test_a_badge_is_short(n: int | None, text: str):
    assert figures.compact(n) == text


@pytest.mark.parametrize("number", ["12345678901234567890123", "1e400", "0.10", "-0", "NaN"])
def test_numbers_in_json_keep_their_digits(number: str):
    assert f">{number}<" in json_tree('{"n": ' + number + "}")


@pytest.mark.parametrize(
    "text",
    ['"<script>alert(1)</script>"', '{"<img src=x onerror=1>": 1}', "<b>no json</b>", '["\\u003cb\\u003e"]'],
)
def test_json_is_inert(text: str):
    tree = json_tree(text)
    assert "<script" not in tree
    assert "<img" not in tree
    assert "<b>" not in tree


def test_json_that_is_too_deep_or_too_large_is_shown_as_text():
    assert json_tree("[" * 100_000).startswith("<pre>")
    assert "more characters" in json_tree("[" + "1," * 20_000 + "1]")


def test_members_of_json_are_taken_out_as_they_stand():
    assert jsontext.members('{"a": 1.10, "b": [1e400]}') == {"a": "1.10", "b": "[1e400]"}
    assert jsontext.members("[1]") == {}
    assert jsontext.members(None) == {}


def test_a_sparkline_of_nothing_is_a_flat_line():
    assert "0.35" in sparkline([], "nothing")
    assert 'aria-label="&lt;b&gt;"' in sparkline([1, 2, 3], "<b>")


def frame(**more: object) -> dict[str, object]:
    return {"pulse": None, "dirty": [], "ids": {}, "more": False} | more


def test_merged_frames_say_what_both_said():
    old = frame(pulse={"version": 1}, dirty=["a"], ids={"1": ["active", 1]})
    both = merge(old, frame(pulse={"version": 2}, dirty=["b"], ids={"1": ["completed", 2]}))
    assert both == frame(pulse={"version": 2}, dirty=["a", "b"], ids={"1": ["completed", 2]})


def test_too_many_ids_become_a_hint_that_there_are_more():
    ids = {str(n): ["active", n] for n in range(150)}
    others = {f"x{n}": ["active", n] for n in range(150)}
    both = merge(frame(ids=ids), frame(ids=others))
    assert both["more"]
    assert len(both["ids"]) == 200


async def test_a_slow_socket_finds_one_frame_however_many_were_put():
    box = Mailbox()
    for n in range(1_000):
        box.put(frame(pulse={"version": n}, dirty=[f"q{n % 3}"]))
    taken = await box.take()
    assert taken["pulse"] == {"version": 999}
    assert taken["dirty"] == ["q0", "q1", "q2"]
    assert box._frame is None
