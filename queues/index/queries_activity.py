"""One activity whole: its row, what it was given, its timeline."""

from typing import Final

from queues.index.queries import Query

TIMELINE: Final = 400
MEMBERS: Final = 50

ACTIVITY: Final = """
SELECT a.*, q.name AS queue, t.name AS type, w.name AS worker, e.name AS error_type, s.topic, s.partition,
    f.topic AS first_topic, f.partition AS first_partition, p.document AS document
FROM idx.activity a
LEFT JOIN idx.name q ON q.id = a.queue_id LEFT JOIN idx.name t ON t.id = a.type_id
LEFT JOIN idx.name w ON w.id = a.worker_id LEFT JOIN idx.name e ON e.id = a.error_type_id
LEFT JOIN idx.source s ON s.id = a.source_id LEFT JOIN idx.source f ON f.id = a.first_source_id
LEFT JOIN (SELECT activity_id, document::text FROM idx.payload) p ON p.activity_id = a.id
WHERE a.id = %(id)s
"""


def activity_query(activity_id: str) -> Query:
    """Return everything the index holds of one activity but its timeline."""
    return Query(ACTIVITY, {"id": activity_id})


def timeline_query(activity_id: str, most: int = TIMELINE) -> Query:
    """Return the newest entries of the timeline, newest first."""
    sql = """SELECT r.*, s.topic, s.partition, b.topic AS started_topic, b.partition AS started_partition,
            c.topic AS claimed_topic, c.partition AS claimed_partition,
            w.name AS worker
        FROM (SELECT * FROM idx.transition WHERE activity_id = %(id)s
            ORDER BY at DESC, source_id DESC, "offset" DESC LIMIT %(most)s) r
        LEFT JOIN idx.source s ON s.id = r.source_id LEFT JOIN idx.source b ON b.id = r.started_source_id
        LEFT JOIN idx.source c ON c.id = r.claimed_source_id
        LEFT JOIN idx.name w ON w.id = r.worker_id
        ORDER BY r.at DESC, r.source_id DESC, r."offset" DESC"""
    return Query(sql, {"id": activity_id, "most": most})


def members_query(activity_id: str) -> Query:
    """Return the activities that ``activity_id`` waits for, or waited for."""
    sql = """SELECT a.id, a.state, t.name AS type FROM idx.activity a LEFT JOIN idx.name t ON t.id = a.type_id
        WHERE a.workflow = %(id)s LIMIT %(most)s"""
    return Query(sql, {"id": activity_id, "most": MEMBERS})


def pruned_query() -> Query:
    """Return what retention has removed, by queue and state."""
    sql = """SELECT q.name AS queue, p.state, p.before, p.count FROM idx.pruned p
        LEFT JOIN idx.name q ON q.id = p.queue_id ORDER BY q.name, p.state"""
    return Query(sql, {})


def passed_query(topic: str, partition: int, offset: int) -> Query:
    """Return one row when the index holds the record at ``offset``."""
    sql = """SELECT true AS passed FROM idx.source
        WHERE topic = %(topic)s AND partition = %(partition)s AND next_offset > %(offset)s"""
    return Query(sql, {"topic": topic, "partition": partition, "offset": offset})


def id_query(activity_id: str) -> Query:
    """Return one row when the index knows the id."""
    return Query("SELECT true AS known FROM idx.activity WHERE id = %(id)s", {"id": activity_id})


def reached_query(activity_id: str, version: int) -> Query:
    """Return one row when the index holds this version of the activity, or a later one."""
    sql = "SELECT true AS reached FROM idx.activity WHERE id = %(id)s AND version >= %(version)s"
    return Query(sql, {"id": activity_id, "version": version})
