"""The synchronous door: one background loop a process, closed without a word."""

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from queues import door
from queues.conf import get_conf
from queues.domain.states import State
from queues.services.backbone import Backbone
from runnerq_site.embedded.stack import Services
from tests.sample import activities as sample

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def closed_door(services: Services) -> Iterator[None]:
    yield
    door.close()


async def prefix(b: Backbone) -> str:
    return b.conf.topic_prefix


async def fail(_b: Backbone) -> None:
    raise ValueError("no")


async def never(_b: Backbone) -> None:
    await asyncio.Event().wait()


async def thread_of(_b: Backbone) -> str:
    import threading

    return threading.current_thread().name


def test_a_call_returns_what_the_service_returned_and_raises_what_it_raised():
    assert door.call(prefix) == get_conf().topic_prefix
    assert door.call(thread_of) == "queues-door"
    with pytest.raises(ValueError, match="no"):
        door.call(fail)
    with pytest.raises(TimeoutError):
        door.call(never, timeout_s=0.05)
    assert door.call(prefix) == get_conf().topic_prefix


def test_after_closing_the_next_call_opens_it_anew():
    assert door.call(prefix)
    door.close()
    assert door.call(prefix)


async def test_on_a_running_loop_it_refuses_instead_of_blocking_it():
    with pytest.raises(RuntimeError, match="use the awaitable form"):
        sample.add.enqueue_sync(1, 2)


async def test_a_loop_has_one_backbone_however_many_ask_at_once():
    found = await asyncio.gather(*(door.backbone() for _ in range(5)))
    assert len({id(b) for b in found}) == 1


def test_plain_code_enqueues_one_and_many(queue_name: str):
    one = sample.add.using(queue=queue_name).enqueue_sync(1, 2)
    many = sample.add.using(queue=queue_name).enqueue_many_sync([(n, n) for n in range(10)])
    assert len({one.id, *(handle.id for handle in many)}) == 11
    assert one.state_sync() is State.AVAILABLE
    with pytest.raises(TimeoutError):
        one.result_sync(timeout=0.1)


SCRIPTS = {
    "sync": """
        handle = add.using(queue=QUEUE).enqueue_sync(1, 2)
        print(handle.state_sync())
    """,
    "async": """
        async def main():
            handle = await add.using(queue=QUEUE).enqueue(1, 2)
            print(await handle.state())
        asyncio.run(main())
    """,
    "both": """
        async def main():
            await add.using(queue=QUEUE).enqueue(1, 2)
        asyncio.run(main())
        print(add.using(queue=QUEUE).enqueue_sync(1, 2).state_sync())
        asyncio.run(main())
    """,
    "fork": """
        add.using(queue=QUEUE).enqueue_sync(1, 2)
        child = os.fork()
        if not child:
            state = add.using(queue=QUEUE).enqueue_sync(3, 4).state_sync()
            door.close()
            os._exit(0 if state == "available" else 1)
        print("available" if os.waitpid(child, 0)[1] == 0 else "the child failed")
    """,
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_process_that_used_it_ends_without_a_warning(services: Services, queue_name: str, kind: str):
    """Python's own complaint that a process with threads forks is the one thing that is allowed."""
    setup = f"""
        import asyncio, os, django
        django.setup()
        from queues import door
        from tests.sample.activities import add
        QUEUE = {queue_name!r}
    """
    script = textwrap.dedent(setup) + textwrap.dedent(SCRIPTS[kind])
    flags = ["-X", "dev", "-W", "error", "-W", "ignore:This process"]
    done = subprocess.run(
        [sys.executable, *flags, "-c", script],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.sample.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "available"), done.stderr
    assert "Warning" not in done.stderr
    assert "Error" not in done.stderr
    assert "never" not in done.stderr
