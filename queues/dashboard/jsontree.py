"""JSON as a tree that folds: every string inert, every number exactly as it was written."""

import json
from collections.abc import Sequence
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

MAX_NODES: Final = 2_000
MAX_TEXT: Final = 20_000
_OPEN_DEPTH: Final = 2
_OPEN_ITEMS: Final = 40


class _Exact(str):
    """A number's own digits: parsing them would round."""

    __slots__ = ()


def json_tree(text: str | bytes | None) -> SafeString:
    """Return markup for ``text``; what is no JSON, too deep or too much is shown as cut plain text."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not text:
        return format_html('<span class="muted">{}</span>', "nothing")
    try:
        value = json.loads(text, parse_int=_Exact, parse_float=_Exact, parse_constant=_Exact)
        return _Tree().node(value, 0)
    except (ValueError, RecursionError, _TooMuch):
        cut = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + f"… {len(text) - MAX_TEXT} more characters"
        return format_html("<pre>{}</pre>", cut)


class _TooMuch(Exception):
    """The tree has more nodes than a page should."""


class _Tree:
    def __init__(self) -> None:
        self._left = MAX_NODES

    def node(self, value: Any, depth: int) -> SafeString:
        self._left -= 1
        if self._left < 0:
            raise _TooMuch
        match value:
            case _Exact():
                return format_html('<span class="n">{}</span>', value)
            case str():
                return format_html('<span class="s">{}</span>', json.dumps(value, ensure_ascii=False))
            case None | bool():
                return format_html('<span class="b">{}</span>', json.dumps(value))
            case dict() if value:
                rows = [
                    (
                        format_html('<span class="k">{}</span>: ', json.dumps(k, ensure_ascii=False)),
                        self.node(v, depth + 1),
                    )
                    for k, v in value.items()
                ]
                return self._fold(rows, "{", "}", depth)
            case list() if value:
                return self._fold([("", self.node(item, depth + 1)) for item in value], "[", "]", depth)
        return format_html("{}", "{}" if isinstance(value, dict) else "[]")

    def _fold(self, rows: Sequence[tuple[str, SafeString]], start: str, end: str, depth: int) -> SafeString:
        items = format_html_join("", "<li>{}{}</li>", rows)
        is_open = " open" if depth < _OPEN_DEPTH and len(rows) <= _OPEN_ITEMS else ""
        return format_html(
            '<details{}><summary>{}<span class="fold-n"> {} {}</span></summary><ul>{}</ul>{}</details>',
            is_open,
            start,
            len(rows),
            f"… {end}",
            items,
            end,
        )
