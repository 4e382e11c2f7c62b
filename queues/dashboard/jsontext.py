"""Parts of a JSON text as they stand in it: taken out without rounding a number."""

from typing import Final

import msgspec

_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def members(text: str | None) -> dict[str, str]:
    """Return the members of a JSON object as JSON texts; empty for what is none."""
    try:
        return {key: bytes(raw).decode() for key, raw in _decoder.decode(text or "{}").items()}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def plain(text: str | None) -> str:
    """Return the string that a JSON text is, else the text itself."""
    try:
        return msgspec.json.decode(text or '""', type=str)
    except msgspec.DecodeError:
        return text or ""


def strings(text: str | None) -> list[str]:
    """Return the strings that a JSON text lists; empty for what is none."""
    try:
        return msgspec.json.decode(text or "[]", type=list[str])
    except msgspec.DecodeError:
        return []


def fraction(text: str | None) -> float | None:
    """Return the number that a JSON text is; None for what is none."""
    try:
        return float(text) if text else None
    except ValueError:
        return None
