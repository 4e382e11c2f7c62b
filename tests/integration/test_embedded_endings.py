"""However ``manage.py services`` ends, its servers end with it, and the next start has their data."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.embedded_command import description, manage, server_processes, start_services
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)  # up to two starts a test, beside another lane


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data that outlives each start."""
    return tmp_path_factory.mktemp("endings")


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start the command; whatever was started is gone afterwards."""
    started = []

    def start_one() -> subprocess.Popen[str]:
        process, _ = start_services(folder)
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate(timeout=20)
    until(lambda: not (folder / "services.json").exists())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_in_order(how: signal.Signals, folder: Path, start):
    command = start()
    processes = server_processes(folder)
    command.send_signal(how)
    assert command.wait(timeout=30) == 0
    assert not any(process.is_running() for process in processes)
    assert not (folder / "services.json").exists()


def test_servers_end_with_a_killed_command_and_a_start_at_once_has_their_data(folder: Path, start):
    command = start()
    with psycopg.connect(description(folder)["environment"]["DATABASE_URL"]) as database:
        database.execute("CREATE TABLE written AS SELECT 'before the kill' AS what")
    before = server_processes(folder)
    command.kill()
    command.wait()
    start()
    assert not any(process.is_running() for process in before)
    with psycopg.connect(description(folder)["environment"]["DATABASE_URL"]) as database:
        assert database.execute("SELECT what FROM written").fetchone() == ("before the kill",)


def test_servers_orphaned_by_the_death_of_command_and_guard_are_replaced(folder: Path, start):
    command = start()
    orphans = server_processes(folder)
    (guard,) = [
        child for child in psutil.Process(command.pid).children() if "guard.py" in " ".join(child.cmdline())
    ]
    # Frozen first, so that it cannot act on the death of its parent.
    guard.suspend()
    command.kill()
    command.wait()
    guard.kill()
    assert all(orphan.is_running() for orphan in orphans)
    start()
    assert not any(orphan.is_running() for orphan in orphans)
    assert all(process.is_running() for process in server_processes(folder))


def test_ctrl_c_in_mid_start_is_heard_at_once_and_leaves_nothing(tmp_path: Path):
    command = manage(tmp_path, "services")
    pid = until(lambda: (tmp_path / "kafka" / "pid").exists() and (tmp_path / "kafka" / "pid").read_text())
    kafka = psutil.Process(int(pid.split()[0]))
    command.send_signal(signal.SIGINT)
    output, _ = command.communicate(timeout=30)
    assert command.returncode == 130
    assert "stopped before the servers were ready" in output
    assert not kafka.is_running()
    assert not (tmp_path / "services.json").exists()
