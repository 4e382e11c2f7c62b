"""Rights in Kafka that each process needs, where the brokers check them."""

from typing import NamedTuple

from queues.conf import Conf


class Grant(NamedTuple):
    """Operations that a process's principal must be allowed on every resource whose name begins so."""

    process: str
    resource: str
    prefix: str
    operations: tuple[str, ...]

    def text(self) -> str:
        """Say it in a line."""
        return f"{self.process}: {', '.join(self.operations)} on {self.resource}s that begin with {self.prefix!r}"


def grants(conf: Conf) -> list[Grant]:
    """Return the rights, by process; without `Create` where only `topics --apply` may make topics."""
    prefix = f"{conf.topic_prefix}-"
    create = ("Create", "DescribeConfigs") if conf.create_topics else ()
    return [
        Grant("web, and whatever enqueues", "topic", prefix, ("Describe", "Read", "Write", *create)),
        Grant("workers", "topic", prefix, ("Describe", "Read", "Write", *create)),
        Grant("keeper", "topic", prefix, ("Describe", "Read", "Write", *create)),
        Grant("keeper", "group", prefix, ("Describe", "Read")),
        Grant(
            "topics --apply and doctor",
            "topic",
            prefix,
            ("Alter", "AlterConfigs", "Create", "Describe", "DescribeConfigs"),
        ),
    ]
