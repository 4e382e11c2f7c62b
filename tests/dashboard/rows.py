"""Rows of the index by hand: one line a row, sensible defaults, names made as needed."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from queues.domain.codes import Moment, NameKind, StateCode, TopicCode

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202e{{7*7}}{% if %}\ud800'.encode(
    "utf-8", "replace"
).decode()


class Rows:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def name(self, kind: NameKind, name: str) -> Any:
        from queues.models import Name

        return Name.objects.get_or_create(kind=int(kind), name=name)[0]

    def source(self, queue: str, code: TopicCode = TopicCode.PENDING, partition: int = 0) -> Any:
        from queues.models import Source

        word = code.name.lower().replace("_", "-")
        return Source.objects.get_or_create(
            topic=f"runnerq-{queue}-{word}",
            partition=partition,
            defaults={
                "queue": self.name(NameKind.QUEUE, queue),
                "code": int(code),
                "next_offset": 10,
                "end_offset": 10,
                "record_at": self.now,
            },
        )[0]

    def activity(
        self,
        state: StateCode = StateCode.AVAILABLE,
        *,
        queue: str = "mail",
        type_name: str = "mail.send",
        error: str = "",
        worker: str = "",
        age_s: float = 0,
        search: str = "",
        document: Any = None,
        **more: Any,
    ) -> Any:
        from queues.models import Activity, Counter, Payload

        source = self.source(queue)
        at = self.now - timedelta(seconds=age_s)
        fields = {
            "id": str(uuid.uuid4()),
            "version": 1,
            "created_at": at,
            "updated_at": at,
            "max_attempts": 3,
            "source": source,
            "offset": 1,
            "first_source": source,
            "first_offset": 1,
        } | more
        row = Activity.objects.create(
            state=int(state),
            queue=self.name(NameKind.QUEUE, queue),
            type=self.name(NameKind.TYPE, type_name),
            error_type=self.name(NameKind.ERROR, error) if error else None,
            worker=self.name(NameKind.WORKER, worker) if worker else None,
            **fields,
        )
        if search or document is not None:
            Payload.objects.create(activity=row, search=search or None, document=document)
        counter, _ = Counter.objects.get_or_create(queue=row.queue, type=row.type, state=int(state))
        Counter.objects.filter(pk=counter.pk).update(count=counter.count + 1)
        return row

    def entry(self, activity: Any, state: StateCode, *, worker: str = "", **more: Any) -> Any:
        from queues.models import Transition

        count = Transition.objects.filter(activity=activity).count()
        fields = {
            "offset": count,
            "moment": int(Moment.RECORD),
            "version": count + 2,
            "at": self.now,
            "attempt": 1,
        } | more
        return Transition.objects.create(
            activity=activity,
            source=self.source(activity.queue.name, TopicCode.RETRY),
            state=int(state),
            worker=self.name(NameKind.WORKER, worker) if worker else None,
            **fields,
        )

    def worker(self, worker_id: str = "host:1", *, queues: tuple[str, ...] = ("mail",), **more: Any) -> Any:
        from queues.models import Worker

        fields = {
            "host": "host", "pid": 1, "state": "running", "slots": 8, "busy": 2, "version": "0.1.0",
            "types": [], "started_at": self.now, "seen_at": datetime.now(UTC), "info": {"done": 5},
        } | more  # fmt: skip
        return Worker.objects.create(id=worker_id, queues=list(queues), **fields)

    def minute(
        self, *, queue: str = "mail", type_name: str = "mail.send", ago: int = 1, **counts: Any
    ) -> Any:
        from queues.models import Minute

        at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=ago)
        return Minute.objects.create(
            minute=at,
            queue=self.name(NameKind.QUEUE, queue),
            type=self.name(NameKind.TYPE, type_name),
            **{"enqueued": 60, "completed": 54, "failed": 6, "waits": [1, 2], "runs": [0, 4]} | counts,
        )
