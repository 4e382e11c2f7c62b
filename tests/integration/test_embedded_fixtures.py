"""The servers that tests share."""

import psycopg
import pytest
import redis
from confluent_kafka.admin import AdminClient
from django.db import connection

from runnerq_site.embedded.stack import Services


def test_all_three_servers_answer(services: Services):
    assert AdminClient({"bootstrap.servers": services.brokers}).list_topics(timeout=5).brokers
    with redis.Redis.from_url(services.redis_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "no"}
    with psycopg.connect(services.database_url) as database:
        assert database.info.server_version >= 180_000


def test_redis_refuses_clients_without_the_password(services: Services):
    port = services.redis_url.rsplit(":", 1)[1]
    with (
        redis.Redis.from_url(f"redis://127.0.0.1:{port}") as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.ping()


@pytest.mark.django_db
def test_django_uses_the_embedded_database(services: Services):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('unix_socket_directories')")
        name, folder = cursor.fetchone()
    assert name == "runnerq"
    assert folder in services.database_url
