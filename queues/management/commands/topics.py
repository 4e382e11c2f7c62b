"""``manage.py topics``: what lies in Kafka, what should, and the changes between the two."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from queues.conf import get_conf
from queues.domain.errors import QueueError
from queues.domain.names import valid_queue
from queues.domain.priority import BANDS, Band
from queues.engine.registry import registry
from queues.log.grants import grants
from queues.log.plan import Change, changes_for
from queues.management.agents import AgentCommand
from queues.services.backbone import Backbone
from queues.services.survey import Survey, TopicRow, survey_topics


class Command(AgentCommand):
    """List the topics, plan their changes, or make them."""

    help = "List the topics with offsets, positions, lag and drift; plan or make what they lack."
    roles = ()
    epilog = """\
examples:
  manage.py topics                     every topic: partitions, replicas, cleanup, offsets, lag of both views, drift
  manage.py topics mail --json         the same of one queue, with each partition, as JSON
  manage.py topics --plan              what --apply would do, and the rights that each process needs
  manage.py topics --apply mail report make the topics of two queues, and mend what differs
  manage.py topics --apply mail --partitions 12

--plan and --apply look after the queues named, else after those in Kafka and those of the activities found here.
Partitions are only ever added. Exit codes: 0 done, 2 servers missing, rights missing or a name that collides.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("queues", nargs="*", metavar="QUEUE", help="only these queues")
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--plan", action="store_true", help="print what would be made or altered; change nothing"
        )
        what.add_argument("--apply", action="store_true", help="make and alter it")
        parser.add_argument(
            "--partitions", type=int, default=0, metavar="N", help="grow the named queues to N"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document")

    async def run(self, options: dict[str, Any]) -> None:
        """Look, and change what was asked for."""
        try:
            queues = [valid_queue(queue) for queue in options["queues"]]
        except QueueError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        if options["partitions"] and not (queues and (options["plan"] or options["apply"])):
            raise CommandError("--partitions needs the names of queues, and --plan or --apply", returncode=2)
        b = await Backbone.open(get_conf())
        try:
            if options["plan"] or options["apply"]:
                await self._change(b, queues, options)
            else:
                self._list(await survey_topics(b, queues), as_json=options["json"])
        finally:
            await b.close()

    async def _change(self, b: Backbone, named: Sequence[str], options: dict[str, Any]) -> None:
        changes = await _changes(b, named, options["partitions"])
        if options["apply"]:
            await b.admin.apply(changes)
        if options["json"]:
            self.say(json.dumps(_changes_json(b, changes, applied=options["apply"]), indent=2))
            return
        for change in changes:
            self.say(f"{'done: ' if options['apply'] else ''}{change.text()}")
        if not changes:
            self.say("topics: nothing to change")
        if options["plan"]:
            self.say("\nrights that each process needs, where Kafka checks them:")
            for grant in grants(b.conf):
                self.say(f"  {grant.text()}")

    def _list(self, survey: Survey, *, as_json: bool) -> None:
        if as_json:
            self.say(json.dumps(_survey_json(survey), indent=2))
            return
        rows: list[tuple[str, ...]] = [
            ("TOPIC", "PARTITIONS", "REPLICAS", "CLEANUP", "RECORDS", "HOT LAG", "INDEX LAG", "DRIFT")
        ]
        rows += [_row(topic) for topic in survey.topics]
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        for row in rows:
            self.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        for error in filter(None, (survey.hot_error, survey.index_error)):
            self.stderr.write(f"positions are missing: {error}")


async def _changes(b: Backbone, named: Sequence[str], partitions: int) -> list[Change]:
    cluster = await b.admin.cluster(0)
    queues = list(named) or sorted({*cluster.queues(b.conf), *(handler.queue for handler in registry)})
    # Where processes may not make topics, a band that is missing would refuse its first activity.
    bands: Collection[Band] = (Band.NORMAL,) if b.conf.create_topics else BANDS
    settings = await b.admin.settings_of(cluster.owned(b.conf))
    return changes_for(b.conf, cluster, settings, queues, bands, partitions)


def _row(topic: TopicRow) -> tuple[str, ...]:
    return (
        topic.name,
        str(len(topic.partitions)),
        f"{topic.in_sync}/{topic.replication}",
        topic.cleanup,
        str(sum(row.end - row.begin for row in topic.partitions)),
        "-" if topic.hot_lag is None else str(topic.hot_lag),
        "-" if topic.index_lag is None else str(topic.index_lag),
        " ".join(f"{drift.key}={drift.found}(!={drift.wanted})" for drift in topic.drift) or "-",
    )


def _survey_json(survey: Survey) -> dict[str, Any]:
    return {
        "brokers": survey.brokers,
        "hot_error": survey.hot_error,
        "index_error": survey.index_error,
        "topics": [
            {
                "name": topic.name,
                "queue": topic.queue,
                "kind": topic.kind,
                "replication": topic.replication,
                "in_sync": topic.in_sync,
                "cleanup": topic.cleanup,
                "drift": [drift._asdict() for drift in topic.drift],
                "hot_lag": topic.hot_lag,
                "index_lag": topic.index_lag,
                "partitions": [row._asdict() for row in topic.partitions],
            }
            for topic in survey.topics
        ],
    }


def _changes_json(b: Backbone, changes: Sequence[Change], *, applied: bool) -> dict[str, Any]:
    return {
        "applied": applied,
        "changes": [change._asdict() for change in changes],
        "grants": [grant._asdict() for grant in grants(b.conf)],
    }
