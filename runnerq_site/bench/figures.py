"""Figures: what was measured in several runs, as median and range beside its target."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


class BenchError(Exception):
    """A measurement cannot be made; the message says why and what to do."""


class Void(BenchError):
    """A run whose activities were not each settled exactly once, or that did not end: it counts for nothing."""


@dataclass(slots=True)
class Figure:
    """One number over several runs. ``key`` names it in JSON; ``at_least`` False: the target is a maximum."""

    key: str
    text: str
    unit: str
    target: float | None = None
    at_least: bool = True
    values: list[float] = field(default_factory=list)
    void: list[str] = field(default_factory=list)

    @property
    def median(self) -> float | None:
        """The middle of the runs that count; None when none does."""
        return statistics.median(self.values) if self.values else None

    @property
    def span(self) -> str:
        """Smallest and largest of the runs that count."""
        return f"{shown(min(self.values))} – {shown(max(self.values))}" if self.values else "–"

    @property
    def verdict(self) -> str:
        """Whether the target is met, by the median."""
        if self.median is None:
            return "void"
        if self.target is None:
            return ""
        met = self.median >= self.target if self.at_least else self.median <= self.target
        return "met" if met else "missed"

    @property
    def wanted(self) -> str:
        """The target in words."""
        return "" if self.target is None else f"{'≥' if self.at_least else '≤'} {shown(self.target)}"

    @property
    def line(self) -> str:
        """The figure as one line for a terminal."""
        parts = [f"{self.text}: {shown(self.median)} {self.unit}"]
        if len(self.values) > 1:
            parts.append(f"({self.span})")
        if self.target is not None:
            parts.append(f"target {self.wanted}: {self.verdict}")
        if self.void:
            parts.append(f"{len(self.void)} void")
        return "  ".join(parts)


def shown(value: float | None) -> str:
    """Return a number as people read it: three digits that count."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` (0 to 1) of the values do not exceed."""
    ranked = sorted(values)
    return ranked[min(int(share * len(ranked)), len(ranked) - 1)]
