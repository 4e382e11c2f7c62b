"""``manage.py serve`` as a process: comes up, serves everything on its port, goes away cleanly."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from runnerq_site.embedded.ports import free_port
from runnerq_site.embedded.stack import Services
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def command(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "serve", *arguments],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@contextmanager
def serving(port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = command("--port", str(port), *arguments)
    try:
        assert process.stdout.readline() == f"serve: ready, http://127.0.0.1:{port}/\n"
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def get(port: int, path: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        if answer.status != 101:
            answer.read()
        return answer


@pytest.fixture(scope="module")
def port(services: Services) -> Iterator[int]:
    number = free_port()
    with serving(number, "--workers", "2"):
        yield number


def test_static_files_need_no_collecting_with_debug(port: int):
    answer = get(port, "/static/queues/css/base.css")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/css")


def test_health_pages_and_websockets_share_the_port(port: int):
    assert get(port, "/healthz").status == 200
    assert get(port, "/login").status == 200
    # Nobody is signed in, so the socket is refused by the consumer, not by the server.
    assert get(port, "/live", UPGRADE | {"Origin": f"http://127.0.0.1:{port}"}).status in {101, 403}


def test_a_port_is_never_shared(port: int):
    second = command("--port", str(port))
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in output
    assert get(port, "/healthz").status == 200


def test_ctrl_c_ends_it_at_once_though_a_browser_holds_a_connection(services: Services):
    number = free_port()
    with serving(number) as process, socket.create_connection(("127.0.0.1", number)):
        # A terminal sends it to the whole group.
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=15)
        assert (process.returncode, output) == (0, "serve: stopped\n")


def test_its_processes_end_with_it(services: Services):
    number = free_port()
    with serving(number, "--workers", "2") as process:
        children = psutil.Process(process.pid).children()
        assert len(children) == 2
        process.kill()
        assert psutil.wait_procs(children, timeout=15)[1] == []


def test_a_process_of_it_that_dies_is_replaced(services: Services):
    number = free_port()
    with serving(number) as process:
        [child] = psutil.Process(process.pid).children()
        child.kill()

        def serves_again() -> bool:
            try:
                return get(number, "/healthz").status == 200
            except OSError:
                return False

        until(serves_again, 20)


def test_without_debug_static_files_must_have_been_collected(services: Services, tmp_path: Path):
    variables = {
        "DEBUG": "0",
        "SECRET_KEY": "x" * 60,
        "ALLOWED_HOSTS": "a.example",
        "STATIC_ROOT": str(tmp_path),
    }
    process = command("--port", str(free_port()), **variables)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "manage.py collectstatic" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "eighty"], "'eighty' must be a whole number from 1 to 65535"),
        (["--host", "no.such.host.example"], "cannot listen on no.such.host.example:8000"),
        (["--workers", "0"], "must be a whole number, at least 1"),
    ],
)
def test_wrong_use_is_said(arguments: list[str], said: str, services: Services):
    process = command(*arguments)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said in output
