"""A worker: what becomes of an activity when its handler returns, raises, hangs or dies."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from queues.conf import Conf
from queues.domain.errors import Conflict
from queues.domain.events import Event, decode_event
from queues.domain.record import Kind
from queues.domain.states import State
from queues.engine.control import ActivityCancelled, ActivityFailed
from queues.engine.groups import enqueue_group
from queues.engine.notes import install_capture
from queues.log.consumer import BEGINNING, Reader
from queues.log.topics import topic_name
from queues.services.backbone import Backbone
from queues.services.cancel import cancel
from queues.services.results import find_activity
from runnerq_site.embedded.stack import Services
from tests.sample import activities as sample
from tests.sample import running
from tests.waiting import reached

TIMEOUT_S = 30


@pytest.fixture
def conf(services: Services, topic_prefix: str, redis_prefix: str) -> Conf:
    return running.conf_of(topic_prefix, redis_prefix)


@pytest.fixture
async def b(conf: Conf) -> AsyncIterator[Backbone]:
    async with running.backbone(conf) as b, running.keeper(b):
        yield b


async def begun(path: Path) -> None:
    await reached(lambda: asyncio.to_thread(path.exists), what=f"{path.name} exists")


async def test_handlers_on_the_loop_in_threads_and_in_processes_complete_with_their_result(b: Backbone):
    async with running.worker(b, "q"):
        one = await sample.add.using(queue="q").enqueue(2, b=3)
        two = await sample.double.using(queue="q").enqueue(4)
        three = await sample.process_id.using(queue="q").enqueue()
        assert await one.result(TIMEOUT_S) == 5
        assert await two.result(TIMEOUT_S) == 8
        first_process = await three.result(TIMEOUT_S)
        again = await sample.process_id.using(queue="q").enqueue()
        assert await again.result(TIMEOUT_S) == first_process
        assert await one.state() is State.COMPLETED


async def test_many_at_once_all_complete(b: Backbone):
    async with running.worker(b, "q") as worker:
        handles = await sample.add.using(queue="q").enqueue_many([(n, n) for n in range(1_500)])
        assert [await handle.result(TIMEOUT_S) for handle in handles] == [2 * n for n in range(1_500)]
        assert worker.settler.lost == 0


async def test_a_failure_is_retried_and_then_becomes_a_dead_letter_with_its_errors(b: Backbone):
    async with running.worker(b, "q"):
        handle = await sample.fail.using(queue="q").enqueue("boom")
        with pytest.raises(ActivityFailed, match="ValueError: boom") as caught:
            await handle.result(TIMEOUT_S)
    failures = caught.value.failures
    assert [(f.type, f.message, f.attempt) for f in failures] == [
        ("ValueError", "boom", 1),
        ("ValueError", "boom", 2),
    ]
    assert "activities.py" in failures[0].stack
    assert "queues/engine" not in failures[0].stack
    assert await handle.state() is State.DISCARDED


async def test_non_retryable_ends_at_once_however_many_attempts_are_left(b: Backbone):
    async with running.worker(b, "q"):
        handle = await sample.give_up.using(queue="q").enqueue()
        with pytest.raises(ActivityFailed, match="no use") as caught:
            await handle.result(TIMEOUT_S)
    assert [f.attempt for f in caught.value.failures] == [1]


async def test_arguments_that_do_not_fit_the_handler_fail_for_good(b: Backbone):
    activity = sample.add.using(queue="q").activity(1, 2)
    activity.args = type(activity.args)(b'["one",2]')
    from queues.services.enqueue import enqueue_activities

    async with running.worker(b, "q"):
        await enqueue_activities(b, [activity])
        found = await reached(lambda: settled(b, activity.id), what="settled")
    assert found.state is State.DISCARDED
    assert found.errors[0].type.endswith("InvalidArguments")
    assert found.attempt == 1


async def settled(b: Backbone, activity_id: str):
    found = await find_activity(b, "q", activity_id)
    return found if found is not None and found.settled else None


async def test_retry_after_zero_runs_again_and_counts(b: Backbone):
    async with running.worker(b, "q"):
        handle = await sample.retry_at_once.using(queue="q").enqueue()
        assert await handle.result(TIMEOUT_S) == 2


async def test_a_snooze_runs_again_later_and_does_not_count(b: Backbone, tmp_path: Path):
    async with running.worker(b, "q"):
        handle = await sample.snooze_once.using(queue="q").enqueue(str(tmp_path / "snoozed"))
        assert await handle.result(TIMEOUT_S) == 1
    assert (tmp_path / "snoozed").exists()


@pytest.mark.parametrize(
    "handler",
    [sample.sleep_async, sample.sleep_async_stubborn, sample.sleep_in_thread, sample.spin],
    ids=["async", "stubborn", "thread", "process"],
)
async def test_a_timeout_fails_the_attempt_wherever_it_runs(b: Backbone, handler):
    async with running.worker(b, "q"):
        handle = await handler.using(queue="q").enqueue()
        with pytest.raises(ActivityFailed, match=r"still running after 0\.3 s") as caught:
            await handle.result(TIMEOUT_S)
        assert caught.value.reason == "timeout"
        # The worker lives on.
        assert await (await sample.add.using(queue="q").enqueue(1, 1)).result(TIMEOUT_S) == 2


async def test_a_process_that_kills_itself_fails_its_attempt_and_the_worker_lives_on(b: Backbone):
    async with running.worker(b, "q"):
        handle = await sample.kill_yourself_once.using(queue="q").enqueue()
        assert await handle.result(TIMEOUT_S) == 2


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (sample.exit_process, "exited with code 7"),
        (sample.exit_quietly, "SystemExit: 3"),
        (sample.exit_in_thread, "SystemExit: 3"),
    ],
    ids=["process", "loop", "thread"],
)
async def test_a_handler_that_exits_ends_its_attempt_alone(b: Backbone, handler, message: str):
    async with running.worker(b, "q"):
        handle = await handler.using(queue="q").enqueue()
        with pytest.raises(ActivityFailed, match=message):
            await handle.result(TIMEOUT_S)
        assert await (await sample.add.using(queue="q").enqueue(1, 1)).result(TIMEOUT_S) == 2


@pytest.mark.parametrize(
    "handler", [sample.watch_cancel, sample.watch_cancel_in_thread], ids=["async", "thread"]
)
async def test_a_cancellation_reaches_the_running_handler(b: Backbone, tmp_path: Path, handler):
    start, end = tmp_path / "begun", tmp_path / "ended"
    async with running.worker(b, "q"):
        handle = await handler.using(queue="q").enqueue(str(start), str(end))
        await begun(start)
        await cancel(b, "q", handle.id, actor="test", reason="enough")
        await begun(end)
        with pytest.raises(ActivityCancelled):
            await handle.result(TIMEOUT_S)
    assert end.read_text() == "True"


async def test_a_drain_gives_back_what_cannot_finish_without_counting_the_attempt(
    b: Backbone, tmp_path: Path
):
    go, marks = tmp_path / "go", tmp_path / "marks"
    async with running.worker(b, "q", slots=1, grace_s=0.1):
        handle = await sample.wait_for.using(queue="q").enqueue(str(go), str(marks))
        await begun(marks)
    assert await handle.state() is State.AVAILABLE
    go.touch()
    async with running.worker(b, "q", worker="other"):
        assert await handle.result(TIMEOUT_S) == "attempt 1"
    first, second = (line.split(":") for line in marks.read_text().splitlines())
    assert first[0] == second[0] == "1"
    assert int(first[1]) < int(second[1])


async def test_a_drain_lets_what_runs_finish_within_its_grace(b: Backbone, tmp_path: Path):
    go, marks = tmp_path / "go", tmp_path / "marks"
    async with running.worker(b, "q", grace_s=20) as worker:
        handle = await sample.wait_for.using(queue="q").enqueue(str(go), str(marks))
        await begun(marks)
        worker.drain()
        go.touch()
    assert await handle.result(TIMEOUT_S) == "attempt 1"


async def test_a_lease_outlives_its_length_while_the_handler_runs(b: Backbone, tmp_path: Path):
    """The handler runs for twice the lease: renewed, it is not given to anyone else."""
    async with running.worker(b, "q") as worker:
        handle = await sample.block_in_thread.using(queue="q").enqueue(2 * b.conf.lease_s)
        assert await handle.result(TIMEOUT_S) == 1
        assert worker.settler.lost == 0


async def test_types_that_a_worker_does_not_serve_are_left_alone(b: Backbone):
    async with running.worker(b, "q", types=("sample.double",)):
        other = await sample.add.using(queue="q").enqueue(1, 1)
        assert await (await sample.double.using(queue="q").enqueue(1)).result(TIMEOUT_S) == 2
        assert await other.state() is State.AVAILABLE


async def test_a_handler_enqueues_through_its_workers_own_clients(b: Backbone, tmp_path: Path):
    """The default queue is the children's; only their having been accepted is awaited here."""
    async with running.worker(b, "q"):
        for handler in (sample.parent, sample.parent_in_thread):
            handle = await handler.using(queue="q").enqueue(str(tmp_path / "mark"))
            child = await handle.result(TIMEOUT_S)
            found = await find_activity(b, "default", child)
            assert found is not None
            assert found.state is State.AVAILABLE


async def test_a_handler_knows_its_attempt(b: Backbone, tmp_path: Path):
    async with running.worker(b, "q"):
        handle = await sample.tell.using(queue="q", meta={"team": "ops"}).enqueue(mark=str(tmp_path / "m"))
        assert await handle.result(TIMEOUT_S) == [handle.id, 1, 3, "q", "sample.tell", {"team": "ops"}]


async def test_a_settled_activity_cannot_be_cancelled(b: Backbone):
    async with running.worker(b, "q"):
        handle = await sample.add.using(queue="q").enqueue(1, 1)
        await handle.result(TIMEOUT_S)
        with pytest.raises(Conflict):
            await cancel(b, "q", handle.id, actor="test", reason="too late")


async def test_when_half_of_the_slots_are_lost_the_worker_says_so(b: Backbone):
    async with running.worker(b, "q", slots=2) as worker:
        handle = await sample.sleep_deaf.using(queue="q").enqueue(3.0)
        with pytest.raises(ActivityFailed, match="still running"):
            await handle.result(TIMEOUT_S)
        await worker.worn.wait()


async def test_a_groups_follow_up_runs_when_all_members_have_ended_however_they_did(b: Backbone):
    on_q = {"queue": "q"}
    members = [sample.add.using(**on_q).activity(n, n) for n in range(5)]
    members.append(sample.give_up.using(**on_q).activity())
    async with running.worker(b, "q"):
        last = await enqueue_group(members, then=sample.double.using(**on_q).activity(21))
        assert await last.result(TIMEOUT_S) == 42
        states = [(await find_activity(b, "q", member.id)).state for member in members]
    assert states == [State.COMPLETED] * 5 + [State.DISCARDED]


async def test_log_lines_and_progress_of_an_attempt_are_published(b: Backbone):
    capture_off = install_capture()
    try:
        async with running.worker(b, "q"):
            for handler in (sample.talk, sample.talk_in_process):
                await (await handler.using(queue="q").enqueue()).result(TIMEOUT_S)
    finally:
        capture_off()
    events = await published(b, "q")
    progress = [(e.data.type, e.data.progress) for e in events if e.type.endswith(".progress")]
    assert progress == [("sample.talk", 0.25), ("sample.talk_in_process", 0.75)]
    lines = [line for e in events if e.type.endswith(".log") for line in e.data.lines]
    assert lines == ["kept by current.log", "kept by logging", "kept by logging in a process"]


async def published(b: Backbone, queue: str) -> list[Event]:
    topic = topic_name(b.conf, queue, Kind.EVENTS)
    partitions = await b.admin.partitions(topic)
    reader = Reader(b.conf, {(topic, partition): BEGINNING for partition in range(partitions)})
    found = []
    while len(reader.at_end) < partitions:
        found += await reader.read(1000, 5)
    await reader.close()
    return [decode_event(message.value) for message in found]
