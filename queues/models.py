"""Tables of the two schemas: ``config`` is written by people, ``idx`` by the indexer alone.

Names carry their schema, so that nothing depends on the search path. No foreign key is enforced: the index is
written in batches and thrown away at will.
"""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from queues.domain.codes import LIVE_CODES, Moment, NameKind, StateCode, TopicCode

type _Choices = list[tuple[int, str]]

STATES: _Choices = [(code.value, code.name.lower()) for code in StateCode]
TOPICS: _Choices = [(code.value, code.name.lower().replace("_", "-")) for code in TopicCode]
MOMENTS: _Choices = [(code.value, code.name.lower()) for code in Moment]
NAME_KINDS: _Choices = [(code.value, code.name.lower()) for code in NameKind]


class TextList(models.Field):  # type: ignore[type-arg]
    """A ``text[]`` column (Django's own array field would need another installed app)."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002, D102 -- Django's signature
        return "text[]"


class NumberList(models.Field):  # type: ignore[type-arg]
    """A ``bigint[]`` column."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002, D102
        return "bigint[]"


def _link(to: str, **options: Any) -> "models.ForeignKey[Any, Any]":
    """Return a reference that joins but is neither enforced nor indexed by itself."""
    settings = {
        "on_delete": models.DO_NOTHING,
        "db_constraint": False,
        "db_index": False,
        "related_name": "+",
    }
    return models.ForeignKey(to, **(settings | options))  # type: ignore[arg-type]


class QueueConfig(models.Model):
    """What people decided about a queue."""

    name = models.CharField(max_length=128, unique=True)
    partitions = models.PositiveIntegerField(
        default=0, db_default=0, help_text="with which the queue was created"
    )
    paused = models.BooleanField(default=False, db_default=False)
    paused_by = models.CharField(max_length=255, blank=True, default="", db_default="")
    paused_reason = models.TextField(blank=True, default="", db_default="")
    paused_at = models.DateTimeField(null=True, blank=True)
    retention_days = models.FloatField(null=True, blank=True, help_text="empty: RETENTION_DAYS")
    retention_completed_days = models.FloatField(
        null=True, blank=True, help_text="empty: RETENTION_COMPLETED_DAYS"
    )
    settings = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = '"config"."queue"'
        verbose_name = "queue"
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Name(models.Model):
    """A word that rows refer to by number: a queue, a type, a worker, an error type."""

    id = models.AutoField(primary_key=True)
    kind = models.SmallIntegerField(choices=NAME_KINDS)
    name = models.TextField()

    class Meta:
        db_table = '"idx"."name"'
        constraints: ClassVar = [models.UniqueConstraint(fields=["kind", "name"], name="name_kind_name")]

    def __str__(self) -> str:
        return self.name


class Source(models.Model):
    """A partition of a topic, and how far the index has read it.

    ``next_offset`` is the offset of the first record that the index does not hold yet; -1: nothing was read.
    It moves in the transaction that writes what was read.
    """

    id = models.AutoField(primary_key=True)
    topic = models.TextField()
    partition = models.IntegerField()
    queue = _link("queues.Name")
    code = models.SmallIntegerField(choices=TOPICS)
    next_offset = models.BigIntegerField(default=-1)
    end_offset = models.BigIntegerField(
        default=-1, help_text="the log's own end, looked up about once a second"
    )
    record_at = models.DateTimeField(null=True, help_text="when the log took the last record that was read")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = '"idx"."source"'
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["topic", "partition"], name="source_topic_partition")
        ]

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Activity(models.Model):
    """The newest version of an activity: narrow, for lists. Arguments: Payload; history: Transition.

    ``updated_at`` is when the log took the record in effect (or the start shown). ``fence`` is that of the
    latest known attempt; above ``version``, it is running. ``source`` and ``offset`` address the record in
    effect, ``first_…`` the first one. Texts that most rows lack are NULL, not empty.
    """

    # Wide columns of fixed length stand first: no padding between them.
    version = models.BigIntegerField()
    fence = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    wait_ms = models.BigIntegerField(null=True)
    run_ms = models.BigIntegerField(null=True)
    offset = models.BigIntegerField()
    first_offset = models.BigIntegerField(null=True)
    progress = models.FloatField(null=True)
    source = _link("queues.Source")
    first_source = _link("queues.Source", null=True)
    queue = _link("queues.Name")
    type = _link("queues.Name")
    worker = _link("queues.Name", null=True)
    error_type = _link("queues.Name", null=True)
    attempt = models.IntegerField(default=0)
    max_attempts = models.IntegerField(null=True)
    generation = models.IntegerField(default=0)
    members = models.IntegerField(default=0, help_text="how many activities this one waits for")
    state = models.SmallIntegerField(choices=STATES)
    priority = models.SmallIntegerField(default=0)
    id = models.TextField(primary_key=True, db_collation="C")
    error_message = models.TextField(null=True)  # noqa: DJ001
    reason = models.TextField(null=True)  # noqa: DJ001
    note = models.TextField(null=True)  # noqa: DJ001
    actor = models.TextField(null=True)  # noqa: DJ001
    key = models.TextField(null=True)  # noqa: DJ001
    unique_key = models.TextField(null=True)  # noqa: DJ001
    tags = TextList(null=True)
    parent = models.TextField(null=True)  # noqa: DJ001
    root = models.TextField(null=True)  # noqa: DJ001
    workflow = models.TextField(null=True)  # noqa: DJ001
    preview = models.TextField(null=True)  # noqa: DJ001
    result_preview = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        db_table = '"idx"."activity"'
        verbose_name_plural = "activities"
        # Each index is paid for on every insert and every change of state; each names the page that needs it.
        # "All" is a merge over states. The id is not in them: equal instants are sorted by it when read.
        indexes: ClassVar = [
            # Tabs by state, newest first.
            models.Index(fields=["state", "updated_at"], name="activity_state"),
            # A queue's page, with or without a state; counts by queue.
            models.Index(fields=["queue", "state", "updated_at"], name="activity_queue"),
            # The type filter, with or without a state.
            models.Index(fields=["type", "state", "updated_at"], name="activity_type"),
            # "Runs at" order of what waits for a time.
            models.Index(
                fields=["state", "due_at"],
                name="activity_due",
                condition=Q(state__in=[StateCode.SCHEDULED.value, StateCode.RETRYABLE.value]),
            ),
            # The error filter and the error half of text search.
            models.Index(
                fields=["error_type", "updated_at"],
                name="activity_error",
                condition=Q(error_type__isnull=False),
            ),
            # Who holds a unique key.
            models.Index(
                fields=["unique_key", "queue"],
                name="activity_unique",
                condition=Q(unique_key__isnull=False, state__in=sorted(code.value for code in LIVE_CODES)),
            ),
            # Members of a group, children of an activity.
            models.Index(fields=["workflow"], name="activity_workflow", condition=Q(workflow__isnull=False)),
            models.Index(fields=["parent"], name="activity_parent", condition=Q(parent__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.id


class Payload(models.Model):
    """What text and path search look through; absent for an activity that has nothing to search.

    ``document`` holds ``args``, ``kwargs``, ``tags`` and ``meta`` as far as there are any and they fit
    PAYLOAD_INDEX_BYTES. ``search`` is the preview, the tags and the last error's text.
    Apart from the activity, so that a change of state does not touch the two GIN indexes: ``document`` by
    ``jsonb_path_ops`` (``@>``), ``search`` by ``gin_trgm_ops`` (``ILIKE '%…%'``).
    """

    activity: "models.OneToOneField[Any, Any]" = models.OneToOneField(
        "queues.Activity", models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="payload"
    )
    document = models.JSONField(null=True)
    search = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        db_table = '"idx"."payload"'
        # Its GIN indexes need pg_trgm's schema by name: migration 0003 makes them.

    def __str__(self) -> str:
        return str(self.activity_id)


class Transition(models.Model):
    """An entry of an activity's timeline, with its address in the log; appended, never changed.

    The first enqueue has none (the activity row tells of it). A record that ends an attempt (``fence`` > 0)
    stands for its claim and start too: ``claimed_at``, ``started_at``, and the addresses of their records
    where these came with it. ``detail`` is JSON text: error, result, lines, message, progress.
    """

    pk = models.CompositePrimaryKey("activity", "source", "offset")
    offset = models.BigIntegerField()
    version = models.BigIntegerField()
    fence = models.BigIntegerField(default=0)
    at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    claimed_offset = models.BigIntegerField(null=True)
    started_offset = models.BigIntegerField(null=True)
    source = _link("queues.Source")
    claimed_source = _link("queues.Source", null=True)
    started_source = _link("queues.Source", null=True)
    worker = _link("queues.Name", null=True)
    attempt = models.IntegerField(default=0)
    generation = models.IntegerField(default=0)
    moment = models.SmallIntegerField(choices=MOMENTS)
    state = models.SmallIntegerField(choices=STATES)
    activity = _link("queues.Activity")
    reason = models.TextField(null=True)  # noqa: DJ001
    note = models.TextField(null=True)  # noqa: DJ001
    actor = models.TextField(null=True)  # noqa: DJ001
    detail = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        db_table = '"idx"."transition"'

    def __str__(self) -> str:
        return f"{self.activity_id} {self.version}"


class Absent(models.Model):
    """What to remember of an activity without a row: that it was purged, or a start that came early."""

    activity = models.TextField(primary_key=True, db_column="activity_id", db_collation="C")
    purged_version = models.BigIntegerField(null=True)
    first_source = _link("queues.Source", null=True)
    first_offset = models.BigIntegerField(null=True)
    fence = models.BigIntegerField(default=0)
    attempt = models.IntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    worker = _link("queues.Name", null=True)
    at = models.DateTimeField()

    class Meta:
        db_table = '"idx"."absent"'
        indexes: ClassVar = [models.Index(fields=["at"], name="absent_at")]

    def __str__(self) -> str:
        return str(self.activity)


class Counter(models.Model):
    """How many activities of a queue and type are in a state, exactly, as of the sources' positions."""

    pk = models.CompositePrimaryKey("queue", "type", "state")
    queue = _link("queues.Name")
    type = _link("queues.Name")
    state = models.SmallIntegerField(choices=STATES)
    count = models.BigIntegerField(default=0)

    class Meta:
        db_table = '"idx"."counter"'

    def __str__(self) -> str:
        return f"{self.queue_id}/{self.type_id}/{self.state}: {self.count}"


class Minute(models.Model):
    """What happened to a queue's activities of a type in one minute of the log's clock.

    ``waits`` and ``runs`` are the histograms of ``queues.index.histogram``: they add up over any rows.
    ``failed`` counts attempts that failed, whatever came of it: retried, discarded or dead.
    """

    pk = models.CompositePrimaryKey("minute", "queue", "type")
    minute = models.DateTimeField()
    queue = _link("queues.Name")
    type = _link("queues.Name")
    enqueued = models.IntegerField(default=0)
    started = models.IntegerField(default=0)
    completed = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    retried = models.IntegerField(default=0)
    discarded = models.IntegerField(default=0)
    dead = models.IntegerField(default=0)
    cancelled = models.IntegerField(default=0)
    run_ms = models.BigIntegerField(default=0)
    waits = NumberList(default=list)
    runs = NumberList(default=list)

    class Meta:
        db_table = '"idx"."minute"'

    def __str__(self) -> str:
        return f"{self.minute:%Y-%m-%d %H:%M} {self.queue_id}/{self.type_id}"


class Worker(models.Model):
    """A worker process as it announced itself last; copied from Redis."""

    id = models.TextField(primary_key=True)
    host = models.TextField(default="")
    pid = models.IntegerField(default=0)
    version = models.TextField(default="")
    queues = TextList(default=list)
    types = TextList(default=list)
    state = models.TextField(default="")
    slots = models.IntegerField(default=0)
    busy = models.IntegerField(default=0)
    info = models.JSONField(default=dict)
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField()

    class Meta:
        db_table = '"idx"."worker"'

    def __str__(self) -> str:
        return self.id


class Quarantined(models.Model):
    """A record that is none of ours, passed over; kept until the index is rebuilt or somebody removes it."""

    source = _link("queues.Source")
    offset = models.BigIntegerField()
    reason = models.TextField()
    key = models.BinaryField(null=True)
    head = models.BinaryField(null=True, help_text="the first bytes of the value")
    record_at = models.DateTimeField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = '"idx"."quarantine"'
        verbose_name_plural = "quarantined records"

    def __str__(self) -> str:
        return f"{self.source_id}:{self.offset}"


class Pruned(models.Model):
    """What retention removed: so many of a queue's activities in a state, none newer than ``before``."""

    queue = _link("queues.Name")
    state = models.SmallIntegerField(choices=STATES)
    before = models.DateTimeField()
    count = models.BigIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        db_table = '"idx"."pruned"'
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["queue", "state"], name="pruned_queue_state")
        ]
        verbose_name_plural = "pruned"

    def __str__(self) -> str:
        return f"{self.queue_id}/{self.state}: {self.count} before {self.before}"
