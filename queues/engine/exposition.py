"""``/metrics`` and ``/healthz`` of a ``runworkers``: one small HTTP server for all of its processes."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from queues.engine.crew import Phase

if TYPE_CHECKING:
    from queues.engine.supervisor import Supervisor

READ_TIMEOUT_S: Final = 5.0
STALE_S: Final = 15.0
_REASONS: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Exposition:
    """Answers GET; everything else is refused."""

    def __init__(self, supervisor: "Supervisor", address: tuple[str, int]) -> None:
        self._supervisor = supervisor
        self._address = address
        self._server: asyncio.Server | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._answer, *self._address)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def collect(self) -> Iterator[Metric]:
        """Return every metric, read from the supervisor now."""
        s = self._supervisor
        ended = CounterMetricFamily(
            "runnerq_worker_attempts", "Attempts ended.", labels=["queue", "type", "ending"]
        )
        seconds = CounterMetricFamily(
            "runnerq_worker_run_seconds", "Seconds that attempts ran.", labels=["queue", "type"]
        )
        ran: dict[tuple[str, str], float] = {}
        for queue, type_name, ending, count, spent in s.totals().rows():
            ended.add_metric([queue, type_name, ending], count)
            ran[queue, type_name] = ran.get((queue, type_name), 0.0) + spent
        for (queue, type_name), spent in ran.items():
            seconds.add_metric([queue, type_name], spent)
        yield ended
        yield seconds
        members = s.members
        yield _gauge(
            "processes", "Worker processes that run.", sum(m.phase is Phase.RUNNING for m in members)
        )
        yield _gauge("slots", "Slots of all processes.", sum(m.setup.slots for m in members))
        yield _gauge("busy", "Slots in use.", sum(m.busy for m in members))
        yield _gauge("waiting", "Leases that wait for a slot.", sum(m.waiting for m in members))
        yield _gauge("leases", "Leases that are renewed.", sum(len(m.owner.entries) for m in members))
        yield _gauge("heartbeat_failures", "Renewals in a row without an answer.", s.heartbeat_failures)

    def health(self) -> tuple[int, dict[str, object]]:
        """Return 200 when every process runs and leases are renewed, else 503, with why."""
        s = self._supervisor
        running = sum(m.phase is Phase.RUNNING for m in s.members)
        beating = s.heartbeat_failures == 0 and time.monotonic() - s.step_at < STALE_S
        well = running >= s.crew.processes and beating
        return (200 if well else 503), {
            "status": "ok" if well else "degraded",
            "processes": running,
            "wanted": s.crew.processes,
            "heartbeat": "ok" if beating else "failing",
        }

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            status, kind, body = self._page(head)
            writer.write(
                f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {kind}\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _page(self, head: bytes) -> tuple[int, str, bytes]:
        method, _, rest = head.decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method != "GET":
            return 405, "text/plain", b"only GET\n"
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        if path == "/healthz":
            status, answer = self.health()
            return status, "application/json", json.dumps(answer).encode()
        return 404, "text/plain", b"there is /metrics and /healthz\n"


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"runnerq_worker_{name}", text, value=value)
