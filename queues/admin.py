"""Django admin: the index to look at, with the console's own acts."""

from collections.abc import Callable
from concurrent.futures import TimeoutError as DoorTimeout
from typing import Any, Final

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property

from queues import door
from queues.dashboard.access import allowed
from queues.dashboard.actions import ACTS, Act
from queues.dashboard.figures import duration
from queues.dashboard.words import look_of
from queues.domain.errors import QueueError
from queues.models import Activity, Pruned, Quarantined, QueueConfig, Source, Worker
from queues.services.backbone import Backbone
from queues.services.queues import pause_queue, resume_queue

REASON: Final = "from Django admin"
ACT_S: Final = 30.0
MANY: Final = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts up to MANY: counting millions of rows takes longer than looking at them."""

    @cached_property
    def count(self) -> int:
        """Return how many there are, MANY at the most."""
        rows: Any = self.object_list
        return int(rows[:MANY].count())


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Shown to operators, changed by nobody: the log is the truth."""

    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Tell whether the section is shown."""
        return allowed(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Tell whether rows are shown."""
        return allowed(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Nobody deletes here."""
        return False


def _told(request: HttpRequest, done: int, past: str, refusals: list[str]) -> None:
    if done:
        messages.success(request, f"{done} {past}.")
    if refusals:
        messages.error(request, f"{len(refusals)} refused, the first because {refusals[0]}")


def _each(request: HttpRequest, calls: list[Callable[[], Any]], past: str) -> None:
    refusals: list[str] = []
    for call in calls:
        try:
            call()
        except (QueueError, DoorTimeout) as error:
            refusals.append(str(error) or "there was no answer in time")
    _told(request, len(calls) - len(refusals), past, refusals)


def _act_on(
    verb: str, description: str
) -> Callable[["ActivityAdmin", HttpRequest, "QuerySet[Activity]"], None]:
    act: Act = ACTS[verb]

    @admin.action(description=description, permissions=["view"])
    def action(modeladmin: "ActivityAdmin", request: HttpRequest, queryset: "QuerySet[Activity]") -> None:
        del modeladmin
        actor = request.user.get_username()

        def call(row: Activity) -> Callable[[], Any]:
            return lambda: door.call(
                act.do, row.queue.name, row.id, actor=actor, reason=REASON, timeout_s=ACT_S
            )

        _each(request, [call(row) for row in queryset.select_related("queue")], act.past)

    action.__name__ = f"{verb}_selected"
    return action


@admin.register(Activity)
class ActivityAdmin(ReadOnly):
    """Activities, newest id first."""

    list_display = ("id", "shown_state", "queue", "type", "attempt", "ran", "updated_at")
    list_select_related = ("queue", "type")
    list_filter = ("state",)
    ordering = ("-id",)
    actions = (
        _act_on("retry", "Retry (redrive) the selected failed, dead or cancelled activities"),
        _act_on("run", "Run the selected scheduled or retrying activities now"),
        _act_on("cancel", "Cancel the selected live activities"),
        _act_on("delete", "Delete (purge) the selected ended activities"),
    )

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: Activity) -> str:
        """Return the console's word."""
        return look_of(row.state).word

    @admin.display(description="ran")
    def ran(self, row: Activity) -> str:
        """Return the run time."""
        return duration(row.run_ms)


async def _set_paused(b: Backbone, queue: str, *, paused: bool, actor: str) -> None:
    await (pause_queue if paused else resume_queue)(b, queue, actor=actor, reason=REASON)


@admin.register(QueueConfig)
class QueueAdmin(ReadOnly):
    """Queues as people have configured them."""

    list_display = ("name", "paused", "paused_by", "paused_reason", "paused_at", "partitions")
    actions = ("pause_selected", "resume_selected", "purge_selected")

    def _pause(self, request: HttpRequest, queryset: "QuerySet[QueueConfig]", *, paused: bool) -> None:
        actor = request.user.get_username()

        def call(name: str) -> Callable[[], Any]:
            return lambda: door.call(_set_paused, name, paused=paused, actor=actor, timeout_s=ACT_S)

        _each(request, [call(row.name) for row in queryset], "paused" if paused else "resumed")

    @admin.action(description="Pause the selected queues", permissions=["view"])
    def pause_selected(self, request: HttpRequest, queryset: "QuerySet[QueueConfig]") -> None:
        """Pause."""
        self._pause(request, queryset, paused=True)

    @admin.action(description="Resume the selected queues", permissions=["view"])
    def resume_selected(self, request: HttpRequest, queryset: "QuerySet[QueueConfig]") -> None:
        """Resume."""
        self._pause(request, queryset, paused=False)

    @admin.action(
        description="Purge the dead letters of the selected queue (asks first)", permissions=["view"]
    )
    def purge_selected(
        self, request: HttpRequest, queryset: "QuerySet[QueueConfig]"
    ) -> HttpResponseRedirect | None:
        """Lead to the page where the queue's name must be typed."""
        names = [row.name for row in queryset]
        if len(names) == 1:
            return HttpResponseRedirect(reverse("purge", args=names))
        messages.error(request, "Purging asks for one queue's name: select one queue.")
        return None


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    """Workers as they announced themselves."""

    list_display = ("id", "host", "pid", "state", "slots", "busy", "version", "seen_at")
    ordering = ("-seen_at",)


@admin.register(Source)
class SourceAdmin(ReadOnly):
    """Partitions, and how far the index has read them."""

    list_display = ("topic", "partition", "next_offset", "end_offset", "record_at")
    ordering = ("topic", "partition")


@admin.register(Quarantined)
class QuarantinedAdmin(ReadOnly):
    """Records that are none of ours."""

    list_display = ("id", "source", "offset", "reason", "record_at")
    list_select_related = ("source",)
    ordering = ("-id",)


@admin.register(Pruned)
class PrunedAdmin(ReadOnly):
    """What retention removed."""

    list_display = ("queue", "state", "count", "before", "at")
    list_select_related = ("queue",)
    ordering = ("-at",)
