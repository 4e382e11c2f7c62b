"""Small line drawings as SVG, drawn on the server with presentation attributes alone."""

from collections.abc import Sequence
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

WIDTH: Final = 96
HEIGHT: Final = 20
_ENOUGH: Final = 2


def sparkline(values: Sequence[float], label: str) -> SafeString:
    """Return a line over ``values``, oldest first, from zero up; ``label`` is what it says in words."""
    top = max(values, default=0)
    if len(values) < _ENOUGH or top <= 0:
        points = f"0,{HEIGHT - 1} {WIDTH},{HEIGHT - 1}"
        return _svg(points, "", label, faint=True)
    step = WIDTH / (len(values) - 1)
    points = " ".join(
        f"{i * step:.1f},{HEIGHT - 1 - value / top * (HEIGHT - 3):.1f}" for i, value in enumerate(values)
    )
    return _svg(points, f"0,{HEIGHT} {points} {WIDTH},{HEIGHT}", label, faint=False)


def _svg(points: str, area: str, label: str, *, faint: bool) -> SafeString:
    return format_html(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polygon points="{}" fill="currentColor" fill-opacity="0.12"/>'
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-width="1.25" stroke-linejoin="round"'
        ' stroke-opacity="{}" vector-effect="non-scaling-stroke"/></svg>',
        WIDTH,
        HEIGHT,
        label,
        area,
        points,
        "0.35" if faint else "1",
    )
