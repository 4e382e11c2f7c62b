"""Settings as a process sees them, with the environment of production and of a fresh clone."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "a-key-that-is-long-enough-and-has-many-different-characters-0123456789",
    "ALLOWED_HOSTS": "console.example",
    "KAFKA_BROKERS": "kafka:9092",
    "REDIS_URL": "redis://redis:6379/0",
    "DATABASE_URL": "postgresql://runnerq@postgres/runnerq",
}


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, ROOT / "manage.py", *arguments]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=False)


def test_production_without_settings_names_each_missing_one():
    result = manage({"DEBUG": "0", "REDIS_URL": "redis://r/0"}, "check")
    assert result.returncode == 1
    assert "KAFKA_BROKERS, DATABASE_URL, SECRET_KEY, ALLOWED_HOSTS" in result.stderr


def test_production_passes_djangos_deployment_checks():
    result = manage(PRODUCTION, "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


def test_production_never_reads_the_description_of_local_servers(tmp_path: Path):
    (tmp_path / "services.json").write_text('{"environment": {"REDIS_URL": "redis://127.0.0.1:1/0"}}')
    incomplete = {name: value for name, value in PRODUCTION.items() if name != "REDIS_URL"}
    result = manage(incomplete | {"RUNNERQ_FOLDER": str(tmp_path)}, "check")
    assert result.returncode == 1
    assert "not set: REDIS_URL" in result.stderr


def test_the_environment_wins_over_the_description_of_local_servers(tmp_path: Path):
    (tmp_path / "services.json").write_text(
        '{"environment": {"REDIS_URL": "redis://127.0.0.1:1/0", "KAFKA_BROKERS": "127.0.0.1:2"}}'
    )
    show = "from django.conf import settings as s; print(s.RUNNERQ['REDIS_URL'], s.RUNNERQ['KAFKA'])"
    own = {"RUNNERQ_FOLDER": str(tmp_path), "REDIS_URL": "redis://mine/0", "KAFKA_SASL_USERNAME": "me"}
    result = manage(own, "shell", "--no-imports", "-c", show)
    expected = "redis://mine/0 {'bootstrap.servers': '127.0.0.1:2', 'sasl.username': 'me'}"
    assert result.stdout.strip().endswith(expected), result.stderr


def test_the_local_secret_key_is_made_once_and_private(tmp_path: Path):
    show = "from django.conf import settings; print(settings.SECRET_KEY)"
    folder = {"RUNNERQ_FOLDER": str(tmp_path / "new")}
    first, second = (manage(folder, "shell", "--no-imports", "-c", show).stdout for _ in range(2))
    assert len(first.strip()) > 50
    assert first == second
    assert (tmp_path / "new" / "secret-key").stat().st_mode & 0o777 == 0o600


def test_logs_can_be_one_json_object_a_line(tmp_path: Path):
    log = "import logging; logging.getLogger('queues').warning('two\\nlines', extra={'queue': 'mail'})"
    own = {"RUNNERQ_FOLDER": str(tmp_path), "LOG_FORMAT": "json"}
    line = manage(own, "shell", "--no-imports", "-c", log).stderr.strip().splitlines()[-1]
    assert '"message": "two\\nlines", "queue": "mail"}' in line
