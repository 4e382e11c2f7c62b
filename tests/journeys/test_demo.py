"""``manage.py demo`` as a newcomer meets it: real servers, real processes, real files."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from runnerq_site.embedded.ports import free_port
from tests.embedded_command import manage
from tests.waiting import until

# Each starts three servers and four processes of ours, beside another lane that does the same.
pytestmark = pytest.mark.timeout(300)
TEXTS, BINARY = 41, 3
WORKER = "queues.engine.process"


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that others may pass through, as PostgreSQL's user must; pytest's own are closed by each new run."""
    folder = Path(tempfile.mkdtemp(prefix="runnerq-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    with own_folder() as own:
        yield own


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text in several encodings, a few files that hold none, and some that are not to be read."""
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(TEXTS - 2):
        inside = folder / f"part{number % 3}"
        inside.mkdir(exist_ok=True)
        (inside / f"{number}.py").write_text(f"# file {number}\nprint({number})\n" * 40)
    (folder / "umlaut.txt").write_bytes("Grüße\n".encode("latin-1"))
    (folder / "wide.txt").write_bytes("with its mark\n".encode("utf-16"))
    for number in range(BINARY):
        (folder / f"{number}.bin").write_bytes(bytes(range(256)) * 8)
    (folder / ".hidden").write_text("not read")
    (folder / "empty.txt").touch()
    return folder


def rows(output: str) -> dict[str, list[str]]:
    """Return the summary: type → enqueued, completed, retried, dead."""
    found = re.findall(r"^([a-z_.]+)\s+([\d,]+)\s+([\d,]+)\s+([\d,]+)\s+([\d,]+)\s+\S", output, re.MULTILINE)
    return {name: [int(count.replace(",", "")) for count in counts] for name, *counts in found}


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def processes_of(pid: int, word: str) -> list[psutil.Process]:
    """Return the descendants whose command line holds ``word``."""
    found = []
    for each in descendants(pid):
        with suppress(psutil.Error):
            if any(word in part for part in each.cmdline()):
                found.append(each)
    return found


def test_one_round_ends_well_and_its_summary_is_exact(corpus: Path, folder: Path):
    process = manage(folder, "demo", "--once", "--limit", "200", "--files", str(corpus))
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    signatures = -(-TEXTS // 20)
    assert rows(output) == {
        "document.analyze": [TEXTS + BINARY, TEXTS, BINARY, BINARY],
        "document.signature": [signatures, signatures, 0, 0],
        "document.crash_once": [1, 1, 1, 0],
        "corpus.concordance": [1, 1, 0, 0],
        "corpus.report": [1, 1, 0, 0],
        "all": [TEXTS + BINARY + signatures + 3, TEXTS + signatures + 3, BINARY + 1, BINARY],
    }
    assert "every activity ended once, as expected" in output
    assert not processes_of(os.getpid(), str(folder)), "it leaves no process behind"


def test_a_round_survives_a_worker_that_is_killed(folder: Path, tmp_path: Path):
    for number in range(500):
        (tmp_path / f"{number}.md").write_text(f"the file of the number {number} and no other\n" * 200)
    process = manage(folder, "demo", "--once", "--files", str(tmp_path))
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("keeper, workers: ready"):
            break
    processes_of(process.pid, WORKER)[0].kill()
    output, _ = process.communicate(timeout=270)
    assert process.returncode == 0, "".join(said) + output
    assert rows(output)["document.analyze"][:2] == [500, 500]
    assert "every activity ended once, as expected" in output


@dataclass
class Running:
    process: subprocess.Popen[str]
    folder: Path
    link: str
    output: str


@contextmanager
def started(folder: Path, corpus: Path) -> Iterator[Running]:
    """Run the demo until the block ends; it is told to go then, if it has not gone."""
    process = manage(folder, "demo", "--files", str(corpus), "--rate", "5", "--port", str(free_port()))
    output = ""
    try:
        for line in process.stdout:
            output += line
            if "password" in line:
                break
        found = re.search(r"Open\s+(\S+)", output)
        assert found, output
        yield Running(process, folder, found[1], output)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def running(corpus: Path) -> Iterator[Running]:
    """One demo for several tests; after them, that Ctrl-C ends it well and leaves nothing is shown too."""
    with own_folder() as folder, started(folder, corpus) as demo:
        yield demo
        tree = descendants(demo.process.pid)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(timeout=30) == 0
        assert psutil.wait_procs(tree, timeout=5)[1] == []


def get(link: str, cookie: str = "") -> http.client.HTTPResponse:
    """Ask without following what the answer points to."""
    parts = urlsplit(link)
    with closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)) as connection:
        connection.request("GET", parts.path or "/", headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        answer.read()
        return answer


def test_its_link_signs_in_once(running: Running):
    first = get(running.link)
    assert (first.status, first.headers["Location"]) == (302, "/")
    [session] = re.findall("sessionid=[^;]+", " ".join(first.headers.get_all("Set-Cookie")))
    overview = running.link.partition("/signin/")[0]
    assert get(overview, session).status == 200
    assert get(running.link).status == 410


def test_a_second_demo_in_the_folder_is_refused_and_harms_nothing(running: Running, corpus: Path):
    second = manage(running.folder, "demo", "--files", str(corpus))
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "a demo runs here already" in output
    assert f"process {running.process.pid}" in output
    assert "RUNNERQ_FOLDER" in output
    assert running.process.poll() is None


def test_a_command_in_another_terminal_reaches_its_workers(running: Running, corpus: Path):
    file = next(corpus.rglob("*.py"))
    command = manage(running.folder, "enqueue", "document.analyze", f'["{file}"]', "--wait", "60")
    output, _ = command.communicate(timeout=120)
    assert command.returncode == 0, output
    assert f'"file":"{file.name}"' in output


def test_a_process_that_ends_is_started_again(running: Running):
    [keeper] = processes_of(running.process.pid, "runkeeper")
    keeper.kill()

    def another() -> bool:
        return any(each.pid != keeper.pid for each in processes_of(running.process.pid, "runkeeper"))

    until(another, 30, "another keeper runs")


def test_nothing_outlives_it_even_when_it_is_killed(corpus: Path, folder: Path):
    with started(folder, corpus) as demo:
        tree = descendants(demo.process.pid)
        assert len(tree) > 8
        demo.process.kill()
        assert psutil.wait_procs(tree, timeout=30)[1] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--files", "/no/such/folder"], "no such folder"),
        (["--rate", "0"], "'0' must be a whole number, at least 1"),
        (["--limit", "many"], "'many' must be a whole number, at least 1"),
    ],
)
def test_wrong_use_is_said_before_anything_starts(arguments: list[str], said: str, tmp_path: Path):
    process = manage(tmp_path, "demo", *arguments)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said in output
    assert not (tmp_path / "kafka").exists()
