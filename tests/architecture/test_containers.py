"""compose.yaml and Dockerfile: commands that exist, variables that settings read, checks of health."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from queues.conf import KEYS

ROOT = Path(__file__).parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "runnerq"}
TOOLS = Path(sys.executable).parent


def commands() -> list[list[str]]:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    default = yaml.safe_load(re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)[-1])
    checks = [service.get("healthcheck", {"test": []})["test"] for service in OURS.values()]
    of_health = [test[3:] for test in checks if test[:3] == ["CMD", "python", "manage.py"]]
    return [default, *(service["command"] for service in OURS.values()), *of_health]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_exists_and_takes_its_options(command: list[str]):
    name, *arguments = command
    assert name in get_commands(), f"manage.py {name} does not exist"
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    parser.parse_args(arguments)


@pytest.mark.parametrize("service", sorted(OURS))
def test_every_variable_is_one_that_settings_read(service: str):
    settings = (ROOT / "runnerq_site" / "settings.py").read_text(encoding="utf-8")
    security = re.compile(r"KAFKA_(SECURITY_PROTOCOL|(SASL|SSL)_[A-Z_]+)")
    known = {f"RUNNERQ_{key}" for key in KEYS}
    unknown = [
        name
        for name in OURS[service]["environment"]
        if f'"{name}"' not in settings and name not in known and not security.fullmatch(name)
    ]
    assert unknown == []


@pytest.mark.parametrize("service", sorted(COMPOSE["services"]))
def test_every_service_that_stays_says_when_it_is_well(service: str):
    described = COMPOSE["services"][service]
    if described.get("restart") != "no":
        assert described["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_services_wait_only_for_what_can_be_awaited():
    for service in COMPOSE["services"].values():
        for name, how in service.get("depends_on", {}).items():
            awaited = COMPOSE["services"][name]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in awaited
            else:
                assert how["condition"] == "service_completed_successfully"
                assert awaited["restart"] == "no"


def test_every_named_volume_is_declared_and_used():
    used = {mount.split(":")[0] for each in COMPOSE["services"].values() for mount in each.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])


def test_every_variable_without_a_default_is_in_the_example():
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    assert required
    assert [name for name in sorted(required) if not re.search(rf"^{name}=.+", example, re.MULTILINE)] == []


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "Dockerfile"],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", ".github/workflows/ci.yml"],
    ],
    ids=lambda command: command[-1],
)
def test_container_files_pass_their_linter(command: list[str]):
    program, *arguments = command
    result = subprocess.run(
        [TOOLS / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_image_does_not_run_as_root():
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert int(re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE)[-1]) > 0
