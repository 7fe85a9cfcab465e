"""Turns the samples into docs/performance-hostile.md, and says what misses the marks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
import os
from pathlib import Path
import platform
import re
import statistics
from typing import Final

from .measure import Sample, StormSample, Times
from .rows import Bound, Row

_SLICE: Final = 5.0
"""ms of CPU that a slice, and a turn of the loop, may take."""
_LATER: Final = 5.0
"""ms that another client's p99 may be above the reference row's."""
_DESCRIPTORS: Final = 200


@dataclass
class Table:
    """The rows of one place, with their samples; what failed has a text in their stead."""

    title: str
    text: str
    samples: dict[Row, list[Sample]] = field(default_factory=dict)
    failures: dict[Row, str] = field(default_factory=dict)

    @property
    def reference(self) -> float | None:
        """p99 of the reference row."""
        for row, samples in self.samples.items():
            if row.harmless:
                return _median(samples, "p99")
        return None

    def misses(self, row: Row) -> Iterator[str]:
        """Say which marks a row misses."""
        samples = self.samples[row]
        if (worst := _worst(samples, "slice")) > _SLICE:
            yield f"slice {_number(worst)} ms"
        if (worst := _worst(samples, "turn")) > _SLICE:
            yield f"turn {_number(worst)} ms"
        p99 = _median(samples, "p99")
        if self.reference is not None and p99 > self.reference + _LATER:
            yield f"p99 {_number(p99)} ms"
        share = _median(samples, "share")
        if row.bound is not Bound.NONE and share > row.bound.value:
            yield f"{share:.0f} % of the loop"


@dataclass
class Results:
    """All that was measured."""

    tables: list[Table] = field(default_factory=list)
    storms: dict[str, list[StormSample]] = field(default_factory=dict)
    storm_titles: dict[str, str] = field(default_factory=dict)
    storm_failures: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> list[str]:
        """What went wrong, as lines of text."""
        return [
            f"{row.name}: {reason}"
            for table in self.tables
            for row, reason in table.failures.items()
        ] + [f"{name}: {reason}" for name, reason in self.storm_failures.items()]

    @property
    def missed(self) -> list[str]:
        """Which rows miss which marks, as lines of text."""
        lines = [
            f"{row.name}: {', '.join(misses)}"
            for table in self.tables
            for row in table.samples
            if (misses := list(table.misses(row)))
        ]
        return lines + [
            f"{name}: {', '.join(misses)}"
            for name, samples in self.storms.items()
            if (misses := list(_storm_misses(samples)))
        ]


def _median(samples: Sequence[object], attribute: str) -> float:
    median: float = statistics.median(getattr(sample, attribute) for sample in samples)
    return median


def _worst(samples: Sequence[object], attribute: str) -> float:
    worst: float = max(getattr(sample, attribute) for sample in samples)
    return worst


def _storm_misses(samples: Sequence[StormSample]) -> Iterator[str]:
    if (worst := _worst(samples, "descriptors")) > _DESCRIPTORS:
        yield f"{worst:.0f} descriptors"
    for what in ("slice", "turn"):
        if (worst := _worst(samples, what)) > _SLICE:
            yield f"{what} {_number(worst)} ms"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    if value >= 0.1 or not value:
        return f"{value:.2f}"
    return f"{value:.4f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(table: Table, row: Row) -> list[str]:
    samples = table.samples[row]
    last = samples[-1]
    cost = _number(_median(samples, "line")) + (" / 64 KiB" if last.unanswered else "")
    refused = ""
    if last.refused and not last.unanswered:
        refused = f" ({last.refused / last.lines:.0%} refused)"
    return [
        row.title.replace("|", "\\|") + refused,
        cost,
        f"{_median(samples, 'burst_share'):.1f}",
        f"{_median(samples, 'share'):.1f}",
        *(_number(_median(samples, name)) for name in ("p50", "p99")),
        *(_number(_worst(samples, name)) for name in ("longest", "slice", "turn")),
        _number(_worst(samples, "collection")),
        f"{_median(samples, 'delayed'):.1f}",
        f"`{max(samples, key=lambda sample: sample.slice).slice_name}`",
        ", ".join(table.misses(row)) or "–",
    ]


def _section(table: Table) -> str:
    head = (
        *("row", "CPU a line, ms", "loop in the burst, %", "loop after it, %"),
        *("probe p50, ms", "p99", "max", "worst slice, ms", "worst turn, ms"),
        *("longest collection, ms", "core taken, %", "worst slice in", "misses"),
    )
    rows = [_row(table, row) for row in table.samples]
    return f"## {table.title}\n\n{table.text}\n\n{_markdown(head, rows)}\n"


def _storms(results: Results) -> str:
    head = (
        *("storm", "connects", "descriptors above the base", "left 1 s later"),
        *("known device in after, ms", "its connections", "loop, %"),
        *("probe p99, ms", "max", "worst slice, ms", "worst turn, ms", "misses"),
    )
    rows = [
        [
            results.storm_titles[name],
            *(
                f"{_worst(samples, attribute):,.0f}"
                for attribute in ("connects", "descriptors", "left", "known", "tries")
            ),
            f"{_median(samples, 'share'):.1f}",
            _number(_median(samples, "p99")),
            *(_number(_worst(samples, what)) for what in ("longest", "slice", "turn")),
            ", ".join(_storm_misses(samples)) or "–",
        ]
        for name, samples in results.storms.items()
    ]
    return (
        "## Storms of connections\n\n"
        "Strangers that stay until they are closed, on a broker where a person decides who comes in. Halfway a known device "
        "connects from the same address.\n\n"
        f"{_markdown(head, rows)}\n"
    )


def _machine() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return (
        f"- processor: {found[1].strip() if found else 'unknown'}, {os.cpu_count()} cores\n"
        f"- system: {platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}\n"
        f"- Python: {platform.python_version()}"
    )


def report(results: Results, rounds: int, times: Times, what: str) -> str:
    """Return the whole page, in Markdown."""
    parts = [
        "# Performance under attack",
        "",
        f"Written by `benchmarks/hostile` on {datetime.now(UTC).date()}: {what}; {rounds} "
        f"round{'s'[: rounds > 1]}, {times.burst:g} s of burst and {times.steady:g} s afterwards for each row "
        f"({times.minute:g} s where it says *for a minute*). [The benchmarks](../benchmarks/README.md) explains "
        "what is measured. Slices and turns are CPU time of the loop's thread without Python's garbage collector; "
        "of several rounds the worst stands here, of shares, p50 and p99 the median. *Core taken* is the time in which the loop "
        "could have run and something else on this machine had its core: the probe waits for that, too.",
        "",
        f"Marks: a slice and a turn take at most {_SLICE:g} ms, p99 of another client is at most {_LATER:g} ms above that "
        f"of the reference row, one client has at most {Bound.CLIENT.value:g} % of the loop after its burst, 31 strangers "
        f"together less than {Bound.STRANGERS.value:g} %, connections that are not let in hold at most {_DESCRIPTORS} "
        "descriptors.",
        "",
        _machine(),
        "",
        *(_section(table) for table in results.tables if table.samples),
        *([_storms(results)] if results.storms else []),
    ]
    if failed := results.failed:
        parts += ["## What failed", "", *(f"- {one}" for one in failed), ""]
    return "\n".join(parts)


def summary(results: Results) -> str:
    """Return which marks are missed."""
    count = sum(len(table.samples) for table in results.tables) + len(results.storms)
    missed = results.missed
    return "\n".join(
        [
            f"{count} rows measured, {len(missed)} miss a mark",
            *(f"  {one}" for one in missed),
        ]
    )
