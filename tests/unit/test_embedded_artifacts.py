"""Downloads: only what is pinned gets into the cache."""

import hashlib
from pathlib import Path

import pytest

from runnerq_site.embedded import artifacts, redis
from runnerq_site.embedded.errors import EmbeddedError

CONTENT = b"what the table pins"


class Repository:
    """Stands in for a Maven repository that sends ``content`` for everything."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[str] = []

    def __call__(self, folder: Path):
        self.folder = folder
        return self

    def project(self, group: str, name: str):
        self.asked.append(f"{group}:{name}")
        return self

    def at_version(self, version: str):
        return self

    def artifact(self):
        return self

    def resolve(self) -> Path:
        path = self.folder / "sent.jar"
        path.write_bytes(self.content)
        return path


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Repository:
    table = tmp_path / "artifacts.txt"
    digest = hashlib.sha256(CONTENT).hexdigest()
    table.write_text(f"# header\nkafka org.example:thing:1.0 {len(CONTENT)} {digest}\n")
    monkeypatch.setattr(artifacts, "_TABLE", table)
    repository = Repository(CONTENT)
    monkeypatch.setattr(artifacts, "_maven", repository)
    return repository


def test_a_file_is_downloaded_once(repository: Repository, tmp_path: Path):
    lines: list[str] = []
    for _ in range(2):
        (path,) = artifacts.fetch("kafka", tmp_path / "cache", lines.append)
        assert path.read_bytes() == CONTENT
    assert repository.asked == ["org.example:thing"]
    assert len(lines) == 2


def test_a_damaged_cached_file_is_downloaded_again(repository: Repository, tmp_path: Path):
    (path,) = artifacts.fetch("kafka", tmp_path / "cache", print)
    path.write_bytes(CONTENT[:-1] + b"?")
    artifacts.fetch("kafka", tmp_path / "cache", print)
    assert path.read_bytes() == CONTENT


def test_what_is_not_pinned_is_refused_and_not_cached(repository: Repository, tmp_path: Path):
    repository.content = b"something else"
    with pytest.raises(EmbeddedError, match=r"thing-1\.0\.jar .* not what is pinned"):
        artifacts.fetch("kafka", tmp_path / "cache", print)
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_table_pins_every_file_of_kafka_4_4_0():
    jars = {artifact.filename for artifact in artifacts.table("kafka")}
    assert {"kafka_2.13-4.4.0.jar", "kafka-clients-4.4.0.jar", "slf4j-simple-1.7.36.jar"} <= jars
    assert all(len(artifact.sha256) == 64 for artifact in artifacts.table("kafka"))


def test_a_platform_without_redis_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(EmbeddedError, match="install redis-server or valkey-server"):
        redis.executable(tmp_path, print)
