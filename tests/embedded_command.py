"""``manage.py services`` as a process, as the tests of it run and look at it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
ADDRESSES = ("KAFKA_BROKERS", "REDIS_URL", "DATABASE_URL")


def manage(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Run a command of ours that looks for servers in ``folder`` only."""
    own = {name: value for name, value in os.environ.items() if name not in ADDRESSES}
    return subprocess.Popen(
        [sys.executable, ROOT / "manage.py", *arguments],
        env=own | {"RUNNERQ_FOLDER": str(folder), "DEBUG": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_services(folder: Path) -> tuple[subprocess.Popen[str], list[str]]:
    """Return the running command and the lines it printed up to the one that says it is ready."""
    process = manage(folder, "services")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("ready in "):
            return process, lines
    raise AssertionError("".join(lines))


def description(folder: Path) -> dict:
    """Return the content of services.json."""
    return json.loads((folder / "services.json").read_text())


def server_processes(folder: Path) -> list[psutil.Process]:
    """Return the running servers."""
    return [psutil.Process(server["pid"]) for server in description(folder)["servers"].values()]
