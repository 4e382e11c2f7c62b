"""Each embedded server ends and comes back alone, on its address, with what it had acknowledged."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator

import psutil
import psycopg
import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from runnerq_site.embedded.addresses import settle
from runnerq_site.embedded.errors import AlreadyRunningError, EmbeddedError
from runnerq_site.embedded.postgres import Postgres
from runnerq_site.embedded.stack import Stack, disposable_stack
from tests import servers
from tests.waiting import until


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """Servers that the tests of this file kill one after the other."""
    with disposable_stack(servers.cache) as stack:
        yield stack


def produce(stack: Stack, topic: str, value: bytes) -> None:
    admin = AdminClient({"bootstrap.servers": stack.kafka.brokers})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(10)
    producer = Producer({"bootstrap.servers": stack.kafka.brokers, "acks": "all"})
    reports = []
    producer.produce(topic, value, on_delivery=lambda error, _: reports.append(error))
    producer.flush(10)
    assert reports == [None]


def consume(stack: Stack, topic: str) -> bytes:
    consumer = Consumer({"bootstrap.servers": stack.kafka.brokers, "group.id": "reader", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return until(lambda: consumer.poll(0.5), 20, "the record is read").value()
    finally:
        consumer.close()


def test_a_killed_kafka_comes_back_with_its_records(own: Stack, unique: str):
    address = own.kafka.brokers
    produce(own, unique, b"kept")
    own.kafka.kill()
    assert not own.kafka.alive
    own.kafka.start()
    assert own.kafka.brokers == address
    assert consume(own, unique) == b"kept"


def test_a_stopped_kafka_refuses_connections_and_starts_again(own: Stack, unique: str):
    produce(own, unique, b"kept")
    own.kafka.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", own.kafka.port), timeout=1)
    own.kafka.start()
    assert consume(own, unique) == b"kept"


def test_kafka_takes_records_of_8_mib_and_creates_no_topic_unasked(own: Stack, unique: str):
    admin = AdminClient({"bootstrap.servers": own.kafka.brokers})
    admin.list_topics(f"{unique}-unasked", timeout=5)
    assert f"{unique}-unasked" not in admin.list_topics(timeout=5).topics
    admin.create_topics([NewTopic(unique, 1)])[unique].result(10)
    producer = Producer({"bootstrap.servers": own.kafka.brokers, "message.max.bytes": 8_388_608})
    reports = []
    producer.produce(unique, bytes(8_000_000), on_delivery=lambda error, _: reports.append(error))
    producer.flush(20)
    assert reports == [None]


def test_a_killed_redis_comes_back_empty_at_the_same_address(own: Stack, unique: str):
    with redis.Redis.from_url(own.redis.url) as client:
        client.set(unique, "forgotten")
    own.redis.kill()
    own.redis.start()
    with redis.Redis.from_url(own.redis.url) as client:
        assert client.get(unique) is None


def test_a_killed_postgres_comes_back_with_committed_rows(own: Stack, unique: str):
    with psycopg.connect(own.postgres.url()) as database:
        database.execute(f"CREATE TABLE t{unique} AS SELECT 'kept' AS what")
    own.postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(own.postgres.url())
    own.postgres.start()
    with psycopg.connect(own.postgres.url()) as database:
        assert database.execute(f"SELECT what FROM t{unique}").fetchone() == ("kept",)


def test_a_paused_server_accepts_connections_and_answers_only_when_resumed(own: Stack):
    own.redis.pause()
    try:
        with socket.create_connection(("127.0.0.1", own.redis.port), timeout=1):
            assert own.redis.alive
            assert not own.redis.answers()
    finally:
        own.redis.resume()
    until(own.redis.answers, 5)


def test_a_server_that_ends_by_itself_is_revived_and_one_that_was_stopped_is_not(own: Stack):
    own.postgres.stop()
    os.kill(own.redis.pid, signal.SIGKILL)
    until(lambda: own.redis.died, 5, "the end is noticed")
    assert own.revive() == ["redis"]
    assert own.redis.answers()
    assert not own.postgres.alive
    own.postgres.start()


def test_a_folder_takes_one_set_of_servers_and_keeps_its_addresses(own: Stack):
    kept = (own.folder / "addresses.json").read_text()
    with pytest.raises(AlreadyRunningError, match=f"already run in .* \\(process {os.getpid()}\\)"):
        Stack(own.folder).start()
    assert own.redis.answers()
    assert (own.folder / "addresses.json").read_text() == kept


def test_a_server_that_cannot_start_says_why(own: Stack, unique: str):
    own.redis.stop()
    with socket.create_server(("127.0.0.1", own.redis.port)), pytest.raises(EmbeddedError) as caught:
        own.redis.start()
    own.redis.start()
    assert "redis ended with 1" in str(caught.value)
    assert "Address already in use" in str(caught.value)


def test_a_disposable_stack_leaves_neither_processes_nor_files():
    stack = disposable_stack(servers.cache)
    with stack:
        processes = [psutil.Process(server.pid) for server in stack.servers]
        assert all(process.is_running() for process in processes)
    assert not any(process.is_running() for process in processes)
    assert not stack.folder.exists()


def test_postgres_runs_in_a_folder_whose_path_is_too_long_for_a_socket(tmp_path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    postgres = Postgres(folder, print, sockets=settle(folder).sockets, durable=False)
    postgres.start()
    try:
        with psycopg.connect(postgres.url()) as database:
            assert database.execute("SELECT 1").fetchone() == (1,)
    finally:
        postgres.kill()
        shutil.rmtree(postgres.sockets)
