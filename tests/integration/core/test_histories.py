"""Random histories: whatever is done, lost and killed, in whatever order, the promises hold."""

import pytest

from tests.integration.core.conftest import Start
from tests.integration.core.indexing import assert_index_agrees
from tests.protocol.history import History

pytestmark = pytest.mark.django_db


async def live_through(start: Start, seed: int, steps: int) -> None:
    settings = {"PARTITIONS": 1 + seed % 2, "APPEND_TIMEOUT_S": 5.0}
    if seed % 3 == 0:
        settings |= {"HOT_WINDOW": 4, "LOAD_BATCH": 5}
    async with start(**settings) as s:
        history = History(s, seed)
        await history._enqueue()
        try:
            for _ in range(steps):
                await history.step()
            logged = await history.drain()
            await assert_index_agrees(s, "q", logged)
        except AssertionError as exc:
            exc.add_note(f"seed {seed}:\n" + "\n".join(history.log))
            raise


@pytest.mark.parametrize("seed", range(4))
async def test_no_history_breaks_a_promise(start: Start, seed: int):
    await live_through(start, seed, 90)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 200))
async def test_no_long_history_breaks_a_promise(start: Start, seed: int):
    await live_through(start, seed, 250)
