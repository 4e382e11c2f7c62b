"""The environment's values: typed, named when missing, never guessed."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from queues.conf import Conf
from runnerq_site.environment import Environment, database


def test_a_flag_is_a_truth_value_or_an_error():
    assert Environment({"A": "on"}).flag("A", default=False) is True
    assert Environment({"A": "0"}).flag("A", default=True) is False
    assert Environment({"A": ""}).flag("A", default=True) is True
    with pytest.raises(ImproperlyConfigured, match="A is 'maybe'"):
        Environment({"A": "maybe"}).flag("A", default=True)


def test_every_missing_variable_is_named_at_once():
    env = Environment({"PRESENT": "x"})
    for name in ("ONE", "PRESENT", "TWO"):
        env.required(name)
    with pytest.raises(ImproperlyConfigured, match=r"ONE, TWO$"):
        env.refuse_missing()


def test_kafka_security_becomes_librdkafka_settings_and_other_kafka_variables_do_not():
    env = Environment(
        {
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_USERNAME": "me",
            "KAFKA_SSL_CA_LOCATION": "/ca.pem",
            "KAFKA_SSL_KEY_PASSWORD": "",
            "KAFKA_PORT": "tcp://10.0.0.1:9092",
            "KAFKA_BROKERS": "k:9092",
        }
    )
    assert env.kafka() == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "me",
        "ssl.ca.location": "/ca.pem",
    }


def test_settings_take_the_type_of_their_field():
    env = Environment(
        {
            "RUNNERQ_PARTITIONS": "12",
            "RUNNERQ_LEASE_S": "30",
            "RUNNERQ_CREATE_TOPICS": "off",
            "RUNNERQ_TOPIC_PREFIX": "acme",
            "RUNNERQ_KAFKA": '{"client.id": "x"}',
            "RUNNERQ_WEB_PORT": "tcp://10.0.0.1:80",
        }
    )
    assert env.typed(Conf, "RUNNERQ_") == {
        "PARTITIONS": 12,
        "LEASE_S": 30.0,
        "CREATE_TOPICS": False,
        "TOPIC_PREFIX": "acme",
        "KAFKA": {"client.id": "x"},
    }


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [("PARTITIONS", "many", "expected a number"), ("KAFKA", "[]", "must be a JSON object")],
)
def test_a_setting_of_the_wrong_kind_is_named(name: str, value: str, what: str):
    with pytest.raises(ImproperlyConfigured, match=f"RUNNERQ_{name} .*{what}"):
        Environment({f"RUNNERQ_{name}": value}).typed(Conf, "RUNNERQ_")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://me:s%40crt@db.example:5433/app?sslmode=require",
            ("db.example", "5433", "me", "s@crt", "app", {"sslmode": "require"}),
        ),
        ("postgresql://postgres:@/postgres?host=/a/b", ("/a/b", "", "postgres", "", "postgres", {})),
        ("postgres://u@%2Ftmp%2Fs/app", ("/tmp/s", "", "u", "", "app", {})),
        ("postgresql://u@[::1]:5432/app", ("::1", "5432", "u", "", "app", {})),
    ],
)
def test_a_database_url_may_name_a_host_or_a_socket(url: str, expected: tuple):
    found = database(url)
    keys = ("HOST", "PORT", "USER", "PASSWORD", "NAME", "OPTIONS")
    assert tuple(found[key] for key in keys) == expected


@pytest.mark.parametrize("url", ["sqlite:///x", "postgresql://h:port/x", "nonsense"])
def test_another_database_is_refused(url: str):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        database(url)
