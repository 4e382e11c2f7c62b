"""The wheel holds the library, and the library works in a project that is not ours."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from runnerq_site.embedded.stack import Services

ROOT = Path(__file__).parent.parent.parent
SETTINGS = """
SECRET_KEY = "bare"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "queues", "mail"]
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.postgresql", "NAME": "{database}", "USER": "postgres", "HOST": "{host}",
}}}}
RUNNERQ = {{
    "KAFKA": {{"bootstrap.servers": "{brokers}"}},
    "REDIS_URL": "{redis_url}",
    "REDIS_PREFIX": "{unique}",
    "TOPIC_PREFIX": "{unique}",
    "PARTITIONS": 1,
}}
"""
MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "bare.settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
ACTIVITIES = """
from queues import activity

@activity(queue="mail")
async def greet(name: str) -> str:
    return f"hello, {name}"
"""


def uv(*arguments: str | Path) -> None:
    program = os.environ.get("UV") or shutil.which("uv")
    assert program, "run the tests with `uv run pytest`"
    result = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--quiet", "--out-dir", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def project(wheel: Path, tmp_path: Path, services: Services, unique: str) -> Path:
    """A bare Django project, its own environment beside it, its own database."""
    uv("venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    uv("pip", "install", "--quiet", "--python", tmp_path / "venv", wheel)
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE bare{unique}")
    host = services.database_url.split("host=")[1]
    files = {
        "manage.py": MANAGE,
        "bare/__init__.py": "",
        "bare/settings.py": SETTINGS.format(
            database=f"bare{unique}",
            host=host,
            brokers=services.brokers,
            redis_url=services.redis_url,
            unique=unique,
        ),
        "mail/__init__.py": "",
        "mail/activities.py": ACTIVITIES,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def command(project: Path, *arguments: str) -> list[str]:
    return [str(project / "venv" / "bin" / "python"), "manage.py", *arguments]


def environment(project: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(project)}


def manage(project: Path, *arguments: str) -> str:
    result = subprocess.run(
        command(project, *arguments),
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@contextmanager
def running(project: Path, *arguments: str) -> Iterator[None]:
    """Run a command beside the test and end it as an operator would; a failure shows what it said."""
    path = project / f"{arguments[0]}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            command(project, *arguments), cwd=project, env=environment(project), stdout=log, stderr=log
        )
    try:
        yield
        process.terminate()
        assert process.wait(30) == 0
    except AssertionError as error:
        error.add_note(f"{arguments[0]} said: {path.read_text()[-2_000:]}")
        raise
    finally:
        process.kill()
        process.wait()


def test_the_wheel_holds_every_file_of_the_library_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "queues"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {name for name in tracked if (ROOT / name).exists()} <= held
    assert {name.split("/")[0] for name in held} == {"queues"}
    for suffix in (".lua", ".html", ".css", ".js", "py.typed"):
        assert any(name.endswith(suffix) for name in held), suffix


@pytest.mark.timeout(240)  # an environment is made and four processes are started, each beside another lane
def test_a_bare_project_migrates_and_runs_an_activity(project: Path):
    manage(project, "migrate", "--verbosity", "0")
    with running(project, "runkeeper"), running(project, "runworkers", "--processes", "1"):
        output = manage(project, "enqueue", "mail.greet", '["Ada"]', "--wait", "60")
    assert "hello, Ada" in output
