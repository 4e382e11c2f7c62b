"""``bench/RESULTS.md``: the rig, then a table for each scenario; a new measurement replaces its own table only."""

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from runnerq_site.bench.figures import Figure, shown
from runnerq_site.bench.scenario import Bench

HEAD = """\
# Results

What `manage.py bench` measured, how, and when. All servers (Kafka, Redis, PostgreSQL), the workers, the keeper and
the load share the cores of one machine, so compare figures of one table with each other, not with other machines.
Each figure: a warm-up, then several runs; the median decides. A run counts only when the log shows every activity
settled exactly once; runs that do not are void and said to be.
"""


def write(
    path: Path,
    rig: Mapping[str, str],
    scenario: str,
    figures: Sequence[Figure],
    bench: Bench,
    arguments: Sequence[str],
) -> None:
    """Put the figures into the file, in place of those of the same scenario."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = dict(re.findall(r"<!-- (\S+) -->\n(.*?)<!-- /\1 -->\n", before, re.DOTALL))
    sections["rig"] = _rig(rig)
    sections[scenario] = _section(scenario, figures, bench, arguments, rig["commit"])
    body = "\n".join(f"<!-- {name} -->\n{text}<!-- /{name} -->\n" for name, text in _ordered(sections))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}\n{body}", encoding="utf-8")


def _ordered(sections: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(sections.items(), key=lambda item: item[0] != "rig")


def _rig(rig: Mapping[str, str]) -> str:
    rows = "".join(f"| {name} | {value} |\n" for name, value in rig.items())
    return f"## Rig\n\n| | |\n|---|---|\n{rows}\n"


def _section(
    scenario: str, figures: Sequence[Figure], bench: Bench, arguments: Sequence[str], commit: str
) -> str:
    rows = "".join(_row(f) for f in figures)
    shown_arguments = [
        each for each, last in zip(arguments, ["", *arguments], strict=False) if "--write" not in {each, last}
    ]
    command = shlex.join(["manage.py", "bench", *shown_arguments])
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    void = dict.fromkeys(reason for figure in figures for reason in figure.void)
    said = "".join(f"{text}\n\n" for text in (bench.note, *(f"Void: {reason}." for reason in void)) if text)
    return (
        f"## {scenario}\n\n`{command}`, {day}, commit {commit}; before it {bench.before}\n\n{said}"
        "| figure | median | range | runs | target | verdict |\n|---|---:|---:|---:|---:|---|\n"
        f"{rows}\n"
    )


def _row(f: Figure) -> str:
    runs = str(len(f.values)) + (f", {len(f.void)} void" if f.void else "")
    return f"| {f.text} | {shown(f.median)} {f.unit} | {f.span} | {runs} | {f.wanted} | {f.verdict} |\n"
