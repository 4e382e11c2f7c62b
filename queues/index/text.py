"""Texts that PostgreSQL takes: hostile input becomes harmless columns, never an error that stops a batch."""

import re
from typing import Final

import msgspec

from queues.index.body import Body

PREVIEW_BYTES: Final = 200
SEARCH_CHARS: Final = 1_000
MESSAGE_CHARS: Final = 300
_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates
    r"|(?P<bad>\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_encode: Final = msgspec.json.Encoder().encode


def clean(text: str) -> str:
    """Return ``text`` without what a text column refuses."""
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def clipped(text: str, most: int) -> str | None:
    """Return at most ``most`` characters; None when there are none."""
    if not text:
        return None
    return clean(text[: most - 1] + "…" if len(text) > most else text)


def raw_preview(raw: bytes) -> str | None:
    """Return the beginning of a JSON text, at most PREVIEW_BYTES."""
    if len(raw) <= PREVIEW_BYTES:
        return raw.decode("utf-8", "replace") or None
    return raw[: PREVIEW_BYTES - 3].decode("utf-8", "ignore") + "…"


def args_preview(body: Body) -> str | None:
    """Return the arguments as a row of a list shows them; None when there are none."""
    args, kwargs = bytes(body.args), bytes(body.kwargs)
    inner = [part[1:-1].strip() for part in (args, kwargs)]
    return raw_preview(b", ".join(part for part in inner if part))


def document(body: Body, most_bytes: int) -> str | None:
    """Return what paths are looked up in, as JSON text; arguments beyond ``most_bytes`` are left out."""
    parts: list[bytes] = []
    args, kwargs, meta = bytes(body.args), bytes(body.kwargs), bytes(body.meta)
    if len(args) + len(kwargs) <= most_bytes:
        if args != b"[]":
            parts.append(b'"args":' + args)
        if kwargs != b"{}":
            parts.append(b'"kwargs":' + kwargs)
    if body.tags:
        parts.append(b'"tags":' + _encode(body.tags))
    if meta != b"{}" and len(meta) <= most_bytes:
        parts.append(b'"meta":' + meta)
    if not parts:
        return None
    text = b"{" + b",".join(parts) + b"}"
    # jsonb refuses \u0000 and lone surrogates; few documents hold an escape at all.
    return _tamed(text) if b"\\u" in text else text.decode("utf-8", "replace")


def _tamed(text: bytes) -> str:
    return _ESCAPE.sub(lambda m: "\\ufffd" if m["bad"] else m[0], text.decode("utf-8", "replace"))


def search_text(preview: str | None, body: Body) -> str | None:
    """Return what text search looks through beside the names of type and error; None when there is nothing."""
    parts = [preview] if preview else []
    parts += body.tags
    if body.errors:
        parts.append(body.errors[-1].message)
    return clipped(" ".join(parts), SEARCH_CHARS)
