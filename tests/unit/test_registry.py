"""Declaring activities: names, defaults, refusals, schedules, and what an enqueue would append."""

from datetime import UTC, datetime, timedelta

import pytest

from queues.domain.activity import OnExhaustion
from queues.domain.errors import Conflict, InvalidName, InvalidOption, PayloadTooLarge, UnknownType
from queues.domain.retry import RetryPolicy
from queues.domain.states import State
from queues.engine.arguments import InvalidArguments
from queues.engine.context import Context, running
from queues.engine.handler import Call, Handler, Runs
from queues.engine.registry import Registry, default_type


@pytest.fixture
def registry():
    return Registry()


def _named(module: str, name: str):
    def function(): ...

    function.__module__, function.__name__ = module, name
    return function


@pytest.mark.parametrize(
    ("module", "type_name"),
    [
        ("shop.activities", "shop.send"),
        ("company.shop.activities", "shop.send"),
        ("company.shop.activities.mail", "shop.send"),
        ("activities", "activities.send"),
        ("shop.mail", "mail.send"),
        ("__main__", "main.send"),
    ],
)
def test_the_type_follows_from_the_dotted_path_alone(module: str, type_name: str) -> None:
    assert default_type(_named(module, "send")) == type_name


def test_the_decorator_works_bare_and_with_options(registry: Registry) -> None:
    @registry.activity
    async def one(x: int) -> int:
        return x + 1

    @registry.activity(queue="mail", name="mail.two", cpu=True)
    def two() -> str:
        return "two"

    assert one.type.endswith(".one")
    assert (one.queue, one.runs) == ("default", Runs.LOOP)
    assert (two.type, two.queue, two.runs) == ("mail.two", "mail", Runs.PROCESS)
    assert two() == "two"
    assert registry.get("mail.two") is two
    assert len(registry) == 2


def test_a_plain_function_runs_in_a_thread(registry: Registry) -> None:
    assert registry.activity(_named("a.activities", "b")).runs is Runs.THREAD


def test_two_functions_cannot_share_a_type(registry: Registry) -> None:
    registry.activity(name="a.b")(_named("one.activities", "b"))
    with pytest.raises(Conflict, match="give one a name="):
        registry.activity(name="a.b")(_named("two.activities", "b"))


def test_a_reloaded_function_takes_its_own_place(registry: Registry) -> None:
    first, second = _named("one.activities", "b"), _named("one.activities", "b")
    registry.activity(first)
    assert registry.activity(second) is registry.get("one.b")


def test_an_unknown_type_names_the_nearest(registry: Registry) -> None:
    registry.activity(name="mail.send")(_named("m.activities", "send"))
    with pytest.raises(UnknownType, match=r"did you mean 'mail\.send'"):
        registry.get("mail.sent")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queu": "mail"}, "did you mean 'queue'"),
        ({"zzz": 1}, "no option 'zzz': use "),
        ({"priority": 101}, "from -100 to 100"),
        ({"priority": "high"}, "expected int"),
        ({"priority": True}, "expected int"),
        ({"timeout": "5"}, "seconds or a timedelta"),
        ({"timeout": -1}, "not negative"),
        ({"timeout": 0}, "timeout_ms 0"),
        ({"max_attempts": 0}, "at least 1, or None"),
        ({"retry": 3}, "expected RetryPolicy"),
        ({"tags": "urgent"}, "give a list of strings"),
        ({"meta": {"a": 1}}, "dictionary of strings"),
        ({"on_exhaustion": "explode"}, "'dead_letter' or 'discard'"),
        ({"at": datetime(2030, 1, 1)}, "give it a time zone"),  # noqa: DTZ001 -- that is the mistake
        ({"at": datetime(2030, 1, 1, tzinfo=UTC), "delay": 5}, "not both"),
        ({"unique": 5}, "use True"),
        ({"key": 5}, "a string or a function"),
        ({"every": "1 fortnight"}, "every="),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_written(
    registry: Registry, options: dict, message: str
) -> None:
    with pytest.raises(InvalidOption, match=message):
        registry.activity(**options)(_named("m.activities", "f"))
    assert len(registry) == 0


def test_a_queue_name_with_a_space_is_refused(registry: Registry) -> None:
    with pytest.raises(InvalidName):
        registry.activity(queue="two words")(_named("m.activities", "f"))


def test_options_by_position_are_refused_with_the_right_form(registry: Registry) -> None:
    with pytest.raises(InvalidOption, match="queue='mail'"):
        registry.activity("mail")


@pytest.fixture
def send(registry: Registry) -> Handler:
    @registry.activity(
        name="mail.send", queue="mail", max_attempts=5, timeout=timedelta(minutes=1), tags=["mail"]
    )
    async def send(to: str, subject: str = "hello") -> None: ...

    return send


def test_an_activity_bears_the_handlers_options(send: Handler) -> None:
    activity = send.activity("a@example.org", subject="hi")
    assert (activity.type, activity.queue, activity.max_attempts) == ("mail.send", "mail", 5)
    assert activity.timeout_ms == 60_000
    assert activity.tags == ("mail",)
    assert bytes(activity.args) == b'["a@example.org"]'
    assert bytes(activity.kwargs) == b'{"subject":"hi"}'
    assert activity.state is State.AVAILABLE
    assert not activity.once


def test_using_changes_one_enqueue_and_not_the_handler(send: Handler) -> None:
    policy = RetryPolicy(initial_ms=5)
    bound = send.using(
        priority=80, delay=60, queue="bulk", id="order-1", retry=policy, on_exhaustion="discard"
    )
    activity = bound.activity("a")
    assert (activity.priority, activity.queue, activity.id, activity.retry) == (80, "bulk", "order-1", policy)
    assert activity.on_exhaustion is OnExhaustion.DISCARD
    assert activity.state is State.SCHEDULED
    assert activity.due_ms == activity.created_ms + 60_000
    assert activity.once
    assert send.activity("a").queue == "mail"


def test_a_later_delay_replaces_an_instant(send: Handler) -> None:
    at = datetime(2100, 1, 1, tzinfo=UTC)
    activity = send.using(at=at).using(delay=1).activity("a")
    assert activity.due_ms == activity.created_ms + 1_000


def test_expires_may_be_a_span_from_the_enqueue(send: Handler) -> None:
    activity = send.using(expires=timedelta(seconds=9)).activity("a")
    assert activity.expires_ms == activity.created_ms + 9_000


def test_unique_true_is_one_key_for_the_same_arguments(send: Handler) -> None:
    unique = send.using(unique=True)
    keys = [unique.activity(to).unique.key for to in ("a", "a", "b")]
    assert keys[0] == keys[1] != keys[2]
    assert send.using(unique="k").activity("a").unique.key == "k"
    assert send.using(unique=lambda to, **_: f"to-{to}").activity("a").unique.key == "to-a"


def test_an_ordering_key_may_follow_from_the_arguments(send: Handler) -> None:
    assert send.using(key=lambda to, **_: to).activity("a").key == "a"
    assert send.using(key="lane").activity("a").key == "lane"


def test_arguments_that_do_not_fit_are_refused_before_anything_is_sent(send: Handler) -> None:
    with pytest.raises(InvalidArguments, match="missing a required argument: 'to'"):
        send.activity()
    with pytest.raises(InvalidArguments, match="unexpected keyword argument 'cc'"):
        send.activity("a", cc="b")


def test_an_argument_without_json_form_is_named(send: Handler) -> None:
    with pytest.raises(InvalidArguments, match="argument 'subject' cannot be sent as JSON"):
        send.activity("a", subject=object())
    with pytest.raises(InvalidArguments, match="argument 'to' cannot be sent as JSON"):
        send.activity(object())


def test_a_payload_over_the_limit_is_refused_with_both_sizes(send: Handler) -> None:
    with pytest.raises(PayloadTooLarge, match=r"at most 1,048,576"):
        send.activity("x" * 2_000_000)


def test_many_take_tuples_dictionaries_and_calls(send: Handler) -> None:
    many = send.plain._many([("a",), {"to": "b"}, Call("c", subject="s")])
    assert [bytes(a.args) for a in many] == [b'["a"]', b"[]", b'["c"]']
    with pytest.raises(InvalidArguments, match=r"write \(x,\)"):
        send.plain._many(["a"])
    with pytest.raises(InvalidOption, match="cannot share one"):
        send.using(id="x")._many([("a",)])


def test_what_a_handler_enqueues_names_its_parent_and_root(send: Handler) -> None:
    context = Context(
        id="parent", queue="q", type="t", attempt=1, max_attempts=3, fence=7, meta={}, tags=(),
        parent="", root="grandparent", deadline_ms=0, listener=None,
    )  # fmt: skip
    token = running.set(context)
    try:
        activity = send.activity("a")
    finally:
        running.reset(token)
    assert (activity.parent, activity.root) == ("parent", "grandparent")
    assert send.activity("a").parent == ""


def test_every_makes_a_schedule_named_after_the_type(registry: Registry) -> None:
    @registry.activity(every="1m", name="app.report", queue="reports")
    async def report() -> None: ...

    (schedule,) = registry.schedules()
    assert (schedule.entry, schedule.every_ms) == ("app.report", 60_000)
    assert (schedule.template.type, schedule.template.queue) == ("app.report", "reports")


def test_a_schedule_needs_a_function_without_required_arguments(registry: Registry) -> None:
    with pytest.raises(InvalidArguments, match="missing a required argument"):

        @registry.activity(every="1m")
        async def report(day: str) -> None: ...
