"""Numbers, spans and sizes as people read them."""

from typing import Final

THIN: Final = "\u2009"
_SECOND_MS: Final = 1000
_MINUTE_MS: Final = 60 * _SECOND_MS
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_COMPACT: Final = ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k"))
_KIB: Final = 1024
_TEN: Final = 10
_HUNDRED: Final = 100


def number(value: float | None) -> str:
    """Return ``12345`` as ``12 345`` with thin spaces; nothing is a dash."""
    if value is None:
        return "—"
    return f"{value:,}".replace(",", THIN) if isinstance(value, int) else rate(value)


def compact(value: int | None) -> str:
    """Return ``12345`` as ``12.3k``, for badges."""
    if value is None:
        return "—"
    for unit, letter in _COMPACT:
        if value >= unit:
            scaled = value / (1000 if letter == "k" else unit)
            return (
                f"{scaled:.0f}{letter}" if scaled >= _HUNDRED else f"{scaled:.1f}{letter}".replace(".0", "")
            )
    return number(value)


def rate(value: float | None) -> str:
    """Return a rate with as many digits as mean something."""
    if value is None:
        return "—"
    if value >= _HUNDRED:
        return number(round(value))
    return f"{value:.1f}" if value >= _TEN else f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def duration(ms: float | None) -> str:
    """Return ``72000`` as ``1 m 12 s``: two units at the most, thin spaces inside."""
    if ms is None:
        return "—"
    ms = max(ms, 0)
    if ms < 1:
        return f"0{THIN}ms" if ms == 0 else f"<1{THIN}ms"
    if ms < _SECOND_MS:
        return f"{ms:.0f}{THIN}ms"
    if ms < _MINUTE_MS:
        seconds = ms / 1000
        return f"{seconds:.1f}{THIN}s".replace(".0", "") if seconds < _TEN else f"{int(seconds)}{THIN}s"
    for unit, name, lesser, lesser_name in (
        (_DAY_MS, "d", _HOUR_MS, "h"),
        (_HOUR_MS, "h", _MINUTE_MS, "m"),
        (_MINUTE_MS, "m", _SECOND_MS, "s"),
    ):
        if ms >= unit:
            whole, rest = divmod(int(ms), unit)
            tail = f" {rest // lesser}{THIN}{lesser_name}" if rest // lesser else ""
            return f"{whole}{THIN}{name}{tail}"
    raise AssertionError("unreachable")


def size(count: int) -> str:
    """Return a number of bytes in the unit that reads best."""
    if count < _KIB:
        return f"{count}{THIN}B"
    return f"{count / _KIB:.1f}{THIN}KiB" if count < _KIB * _KIB else f"{count / _KIB / _KIB:.1f}{THIN}MiB"
