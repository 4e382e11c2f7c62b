"""``manage.py runworkers``: what its processes survive, and how it comes and goes."""

import asyncio
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from queues.conf import Conf
from queues.domain.states import State
from queues.services.backbone import Backbone
from queues.services.workers import WorkerInfo, list_workers
from runnerq_site.embedded.stack import Services
from tests.sample import activities as sample
from tests.sample import running
from tests.sample.command import RunWorkers, run_workers
from tests.waiting import reached, until

TIMEOUT_S = 40


@pytest.fixture
def conf(services: Services, topic_prefix: str, redis_prefix: str) -> Conf:
    return running.conf_of(topic_prefix, redis_prefix)


@pytest.fixture
async def b(conf: Conf) -> AsyncIterator[Backbone]:
    async with running.backbone(conf) as b, running.keeper(b):
        yield b


def begun(path: Path) -> None:
    until(path.exists, what=f"{path.name} exists")


def attempts(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def in_thread[**P, R](function, *args):
    return await asyncio.to_thread(function, *args)


async def test_it_says_when_it_is_ready_runs_and_drains_on_sigterm(b: Backbone, conf: Conf, tmp_path: Path):
    go, marks = tmp_path / "go", tmp_path / "marks"
    with run_workers(
        conf, "--processes", "2", "--concurrency", "3", "--queues", "q", "--grace", "0.2"
    ) as command:
        line = await in_thread(command.line, "runworkers: ready")
        assert line.startswith("runworkers: ready, 2 processes × 3 slots, queues q, ")
        done = await sample.add.using(queue="q").enqueue(1, 2)
        assert await done.result(TIMEOUT_S) == 3
        held = await sample.wait_for.using(queue="q").enqueue(str(go), str(marks))
        await in_thread(begun, marks)

        async def both() -> list[WorkerInfo]:
            # One process is announced before the other runs.
            found = await list_workers(b)
            return found if len(found) > 1 else []

        assert len(await reached(both, what="both workers are announced")) == 2
        assert await in_thread(command.end) == 0
        text = await in_thread(command.text)
        assert "runworkers: draining" in text
        assert "Traceback" not in text
    assert await held.state() is State.AVAILABLE
    assert {w.state for w in await list_workers(b)} == {"stopped"}


async def test_a_lease_outlives_a_handler_that_holds_the_interpreter(b: Backbone, conf: Conf, tmp_path: Path):
    """Nothing in the worker process runs for three leases; its parent renews, so nobody else gets the activity."""
    with run_workers(conf, "--queues", "q") as command:
        await in_thread(command.line, "runworkers: ready")
        handle = await sample.hold_the_interpreter.using(queue="q").enqueue(
            3 * conf.lease_s, str(tmp_path / "m")
        )
        assert await handle.result(TIMEOUT_S) == 1
        assert await in_thread(command.end) == 0


async def test_what_a_killed_worker_process_held_runs_again_and_the_process_is_replaced(
    b: Backbone, conf: Conf, tmp_path: Path
):
    go, marks = tmp_path / "go", tmp_path / "marks"
    with run_workers(conf, "--queues", "q") as command:
        await in_thread(command.line, "runworkers: ready")
        handle = await sample.wait_for.using(queue="q").enqueue(str(go), str(marks))
        await in_thread(begun, marks)
        command.workers()[0].kill()
        await in_thread(until, lambda: len(attempts(marks)) == 2, 40.0, "it began again")
        go.touch()
        assert await handle.result(TIMEOUT_S) == "attempt 2"
        assert await in_thread(command.end) == 0


async def test_a_stopped_process_loses_its_leases_and_its_late_outcome_changes_nothing(
    b: Backbone, conf: Conf, tmp_path: Path
):
    go, marks = tmp_path / "go", tmp_path / "marks"
    with run_workers(conf, "--queues", "q", "--processes", "2") as command:
        await in_thread(command.line, "runworkers: ready")
        handle = await sample.wait_for.using(queue="q").enqueue(str(go), str(marks))
        await in_thread(begun, marks)
        worker = next(w for w in await busy_workers(b) if w.busy)
        zombie = psutil.Process(worker.pid)
        zombie.suspend()
        await in_thread(until, lambda: len(attempts(marks)) == 2, 40.0, "another process runs it")
        go.touch()
        assert await handle.result(TIMEOUT_S) == "attempt 2"
        zombie.resume()
        again = await sample.add.using(queue="q").enqueue_many([(n, n) for n in range(50)])
        assert [await h.result(TIMEOUT_S) for h in again] == [2 * n for n in range(50)]
        assert await handle.result(TIMEOUT_S) == "attempt 2"
        assert len(attempts(marks)) == 2
        assert await in_thread(command.end) == 0


async def busy_workers(b: Backbone):
    async def some_are_busy():
        workers = await list_workers(b)
        return workers if any(w.busy for w in workers) else None

    return await reached(some_are_busy, what="a worker says that it is busy")


async def test_a_second_signal_ends_it_at_once(b: Backbone, conf: Conf, tmp_path: Path):
    go, marks = tmp_path / "go", tmp_path / "marks"
    with run_workers(conf, "--queues", "q", "--grace", "600") as command:
        await in_thread(command.line, "runworkers: ready")
        await sample.wait_for.using(queue="q").enqueue(str(go), str(marks))
        await in_thread(begun, marks)
        command.process.send_signal(signal.SIGINT)
        await in_thread(command.line, "runworkers: draining")
        workers = command.workers()
        command.process.send_signal(signal.SIGINT)
        assert await in_thread(command.process.wait, 20) == 1
        await in_thread(until, lambda: not any(w.is_running() for w in workers), 20.0, "no worker is left")


async def test_workers_end_when_their_parent_is_killed(b: Backbone, conf: Conf):
    with run_workers(conf, "--queues", "q") as command:
        await in_thread(command.line, "runworkers: ready")
        workers = command.workers()
        assert workers
        command.process.kill()
        await in_thread(psutil.wait_procs, workers, 20)
        assert not any(w.is_running() for w in workers)


async def test_it_serves_metrics_and_health(b: Backbone, conf: Conf, free_port: int):
    with run_workers(conf, "--queues", "q", "--http", f"127.0.0.1:{free_port}") as command:
        await in_thread(command.line, "runworkers: ready")
        handle = await sample.add.using(queue="q").enqueue(1, 2)
        await handle.result(TIMEOUT_S)
        assert '"status": "ok"' in await in_thread(get, free_port, "/healthz")
        line = 'runnerq_worker_attempts_total{ending="completed",queue="q",type="sample.add"} 1.0'
        await in_thread(until, lambda: line in get(free_port, "/metrics"), 20.0, "the attempt is counted")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            await in_thread(get, free_port, "/")
        assert await in_thread(command.end) == 0


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read().decode()


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--types", "sample.ad"], "did you mean 'sample.add'"),
        (["--queues", "two words"], "queue name 'two words'"),
        (["--processes", "0"], "must be at least 1"),
        (["--http", "nowhere"], "give a port"),
    ],
)
def test_wrong_use_is_one_clear_line_and_exit_code_2(services: Services, arguments: list[str], message: str):
    command = RunWorkers(*arguments)
    text = command.text()
    assert command.process.returncode == 2
    assert message in text
    assert "Traceback" not in text


def test_without_handlers_it_says_where_they_go(services: Services):
    command = RunWorkers(settings="tests.sample.bare_settings")
    assert "no activities found: put functions marked @activity in the activities.py" in command.text()
    assert command.process.returncode == 2


def test_without_servers_it_says_which_is_missing(free_port: int):
    command = RunWorkers(env={"KAFKA_BROKERS": f"127.0.0.1:{free_port}"})
    text = command.text()
    assert command.process.returncode == 2
    assert f"Kafka at 127.0.0.1:{free_port}" in text
    assert "manage.py services" in text
    assert "Traceback" not in text
