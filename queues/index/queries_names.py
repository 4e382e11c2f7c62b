"""Words of the index's dictionary: what filters offer, and what a text may mean."""

from typing import Final

from queues.domain.codes import NameKind
from queues.index.queries import Query, escaped

OFFERED: Final = 500
_MEANT: Final = 20


def names_query(kind: NameKind, most: int = OFFERED) -> Query:
    """Return id and name of a kind, by name."""
    return Query(
        "SELECT id, name FROM idx.name WHERE kind = %(kind)s ORDER BY name LIMIT %(most)s",
        {"kind": int(kind), "most": most},
    )


def name_query(kind: NameKind, name: str) -> Query:
    """Return the id of one name."""
    return Query(
        "SELECT id FROM idx.name WHERE kind = %(kind)s AND name = %(name)s", {"kind": int(kind), "name": name}
    )


def meant_query(text: str) -> Query:
    """Return kind and id of types and errors whose names hold ``text``."""
    sql = """SELECT id, kind FROM idx.name
        WHERE kind = ANY(%(kinds)s) AND name ILIKE %(text)s ORDER BY length(name), name LIMIT %(most)s"""
    kinds = [int(NameKind.TYPE), int(NameKind.ERROR)]
    return Query(sql, {"kinds": kinds, "text": escaped(text), "most": _MEANT})
