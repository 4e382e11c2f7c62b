"""Group commit: a lone caller waits for nobody, concurrent ones share, each gets its own answer."""

import asyncio

import pytest

from queues.domain.errors import Overloaded
from queues.services.commit import Budget, GroupCommit, Groups


class Flush:
    """Answers each item by itself; held back while ``gate`` is closed."""

    def __init__(self) -> None:
        self.batches: list[list[object]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: list[object]) -> list[object]:
        self.batches.append(items)
        await self.gate.wait()
        return list(items)


async def settle_down() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_lone_caller_waits_for_nobody():
    flush = Flush()
    assert await GroupCommit(flush).submit("one") == "one"
    assert flush.batches == [["one"]]


async def test_what_is_submitted_during_a_flush_goes_together_into_the_next_in_order():
    flush = Flush()
    group = GroupCommit(flush)
    flush.gate.clear()
    tasks = [asyncio.create_task(group.submit(0))]
    await settle_down()
    tasks += [asyncio.create_task(group.submit(n)) for n in range(1, 6)]
    await settle_down()
    assert flush.batches == [[0]]
    flush.gate.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4, 5]
    assert flush.batches == [[0], [1, 2, 3, 4, 5]]


async def test_no_batch_is_larger_than_allowed_unless_one_item_is():
    flush = Flush()
    group = GroupCommit(flush, most=4)
    flush.gate.clear()
    first = asyncio.create_task(group.submit("first"))
    await settle_down()
    tasks = [asyncio.create_task(group.submit(n, n)) for n in (1, 2, 9, 3, 1, 1)]
    await settle_down()
    flush.gate.set()
    await asyncio.gather(first, *tasks)
    assert flush.batches == [["first"], [1, 2], [9], [3, 1], [1]]


async def test_so_many_flushes_are_under_way_at_once_and_no_more():
    flush = Flush()
    group = GroupCommit(flush, under_way=2)
    flush.gate.clear()
    tasks = []
    for n in range(4):
        tasks.append(asyncio.create_task(group.submit(n)))
        await settle_down()
    assert flush.batches == [[0], [1]]
    flush.gate.set()
    await asyncio.gather(*tasks)
    assert flush.batches == [[0], [1], [2, 3]]


async def test_each_gets_its_own_answer_and_its_own_error():
    async def flush(items: list[int]) -> list[int | ValueError]:
        return [ValueError(str(n)) if n % 2 else n for n in items]

    group = GroupCommit(flush)
    answers = await asyncio.gather(*(group.submit(n) for n in range(4)), return_exceptions=True)
    assert [a if isinstance(a, int) else f"error {a}" for a in answers] == [0, "error 1", 2, "error 3"]


async def test_a_flush_that_fails_answers_all_of_its_batch_and_the_next_goes_on():
    failures = [RuntimeError("broken")]

    async def flush(items: list[int]) -> list[int]:
        if failures:
            raise failures.pop()
        return items

    group = GroupCommit(flush)
    answers = await asyncio.gather(group.submit(1), group.submit(2), return_exceptions=True)
    assert [str(a) for a in answers] == ["broken", "broken"]
    assert await group.submit(3) == 3


async def test_a_caller_that_goes_away_takes_nobody_with_it():
    flush = Flush()
    group = GroupCommit(flush)
    flush.gate.clear()
    leaving, staying = asyncio.create_task(group.submit(1)), asyncio.create_task(group.submit(2))
    await settle_down()
    leaving.cancel()
    await settle_down()
    flush.gate.set()
    assert await staying == 2
    assert leaving.cancelled()


async def test_groups_do_not_wait_for_each_other():
    gates = {"slow": asyncio.Event(), "fast": asyncio.Event()}
    gates["fast"].set()

    async def flush(key: str, items: list[int]) -> list[int]:
        await gates[key].wait()
        return items

    groups: Groups[str, int, int] = Groups(flush)
    slow = asyncio.create_task(groups.submit("slow", 1))
    assert await groups.submit("fast", 2) == 2
    gates["slow"].set()
    assert await slow == 1


def test_a_budget_refuses_what_exceeds_it_and_lets_a_giant_through_alone():
    budget = Budget(10, 100)
    budget.take(6, 60)
    with pytest.raises(Overloaded):
        budget.take(5, 1)
    with pytest.raises(Overloaded):
        budget.take(1, 50)
    budget.take(4, 40)
    budget.give(10, 100)
    budget.take(1_000, 10_000)
    with pytest.raises(Overloaded):
        budget.take(1, 1)
    budget.give(1_000, 10_000)
    budget.take(1, 1)
