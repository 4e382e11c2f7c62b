"""``manage.py services`` while it runs."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.embedded_command import ADDRESSES, description, manage, server_processes, start_services


@dataclass
class Running:
    folder: Path
    pid: int
    output: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("services")
    process, lines = start_services(folder)
    yield Running(folder, process.pid, "".join(lines))
    process.terminate()
    process.communicate(timeout=30)


def test_it_describes_its_servers_for_this_user_only(running: Running):
    assert stat.S_IMODE((running.folder / "services.json").stat().st_mode) == 0o600
    assert set(description(running.folder)["environment"]) == set(ADDRESSES)
    assert description(running.folder)["pid"] == running.pid


def test_its_output_has_the_addresses_and_no_password(running: Running):
    addresses = description(running.folder)["environment"]
    password = addresses["REDIS_URL"].split(":")[2].split("@")[0]
    assert addresses["KAFKA_BROKERS"] in running.output
    assert password not in running.output


def test_other_commands_find_the_servers(running: Running):
    show = "from django.conf import settings; print(settings.RUNNERQ['KAFKA'], settings.UNCONFIGURED)"
    output, _ = manage(running.folder, "shell", "--no-imports", "-c", show).communicate(timeout=60)
    assert description(running.folder)["environment"]["KAFKA_BROKERS"] in output
    assert output.endswith("[]\n")


def test_a_second_start_in_the_folder_is_refused_and_harms_nothing(running: Running):
    second = manage(running.folder, "services")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"embedded servers already run in {running.folder} (process {running.pid})" in output
    assert all(process.is_running() for process in server_processes(running.folder))


def test_with_no_servers_running_a_command_says_how_to_start_them(tmp_path: Path):
    output, _ = manage(tmp_path, "check").communicate(timeout=60)
    assert "runnerq_site.W001" in output
    assert "manage.py services" in output
