"""Writes docs/performance-home-assistant.md."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
import os
from pathlib import Path
import platform
import re
import statistics
import subprocess
from typing import Final

from .house import Way
from .load import DEVICES, VALUES
from .measure import LOADS, Load, Sample, Start

_RATIO: Final = 2
_LATE: Final = 20
_START: Final = 5
_SLICE: Final = 100
_FASTEST: Final = Load(5000)


@dataclass
class Results:
    """All that was measured."""

    samples: dict[tuple[Way, Load], list[Sample]] = field(default_factory=dict)
    full: list[Start] = field(default_factory=list)
    """Starts with stored variables."""
    empty: list[Start] = field(default_factory=list)
    """Starts without."""

    def add(self, way: Way, load: Load, sample: Sample) -> None:
        """Take the next round of a way."""
        self.samples.setdefault((way, load), []).append(sample)

    def ratios(self, load: Load, figure: Callable[[Sample], float]) -> list[float]:
        """Return the figure of mqtt divided by ours, in each round."""
        pairs = zip(
            self.samples[Way.MQTT, load], self.samples[Way.TEXTMQ, load], strict=True
        )
        return [figure(mqtt) / figure(ours) for mqtt, ours in pairs]

    def median(self, way: Way, load: Load, figure: Callable[[Sample], float]) -> float:
        """Return the median of all rounds."""
        return statistics.median(map(figure, self.samples[way, load]))

    def added(self, figure: Callable[[Start], float]) -> list[float]:
        """Return what the stored variables add to a figure of the start, in each round."""
        return [
            figure(full) - figure(empty)
            for full, empty in zip(self.full, self.empty, strict=True)
        ]


def report(results: Results, rounds: int, seconds: float) -> str:
    """Return the whole page, in Markdown."""
    return "\n".join(
        (
            "# Performance inside Home Assistant",
            "",
            f"Written by `benchmarks/home_assistant` on {datetime.now(UTC).date()}: {rounds} rounds, {seconds:g} s for "
            f"each load. A real Home Assistant with recorder and history on, its files in memory, alone on one core; "
            f"{DEVICES} devices with {VALUES} variables each, mosquitto and the load generator on the other. "
            "[The benchmarks](../benchmarks/README.md#inside-home-assistant) explains how the figures are taken, "
            "[the broker alone](performance.md) is measured apart.",
            "",
            _machine(),
            "",
            "## Targets",
            "",
            _targets(results),
            "",
            "What holds the cost of a publish where each is a state: "
            "[Inside Home Assistant](why-it-is-fast.md#inside-home-assistant).",
            "",
            "## CPU of Home Assistant per publish, µs",
            "",
            "From the socket to the state and the recorder's database, without what Home Assistant uses when nothing is "
            "published; in brackets the thread of the event loop alone. TextMQ's figures contain the broker, which for "
            "MQTT is mosquitto's process. A ratio above 1 means that TextMQ needs less; it is taken within each round, "
            "median and quartiles.",
            "",
            _cpu(results),
            "",
            "## How late the event loop is, ms",
            "",
            "A timer every 5 ms, how late it fires: p50 / p99 / longest. *Collector* is the longest run of Python's "
            "garbage collector, which looks through all objects of Home Assistant while everything else stands still; "
            "the longest delays are its.",
            "",
            _late(results),
            "",
            "## What was reached",
            "",
            "After each load every entity was compared with what was last published of its variable: none differed. "
            "*Last state* is how long after the last publish the last state was written; *backlog* are the changes that "
            "the recorder had not taken when the load ended.",
            "",
            _reached(results),
            "",
            f"## Start with {DEVICES * VALUES:,} stored variables",
            "",
            f"Beside a start with the same {DEVICES} devices and no variables. *Sensors* are those with a state when "
            "Home Assistant says that it has started. Slices are single callbacks of the event loop for TextMQ, without "
            "the garbage collector, whose longest run stands beside.",
            "",
            _starts(results),
            "",
        )
    )


def _targets(results: Results) -> str:
    rows = []
    for load in LOADS:
        ratios = results.ratios(load, lambda sample: sample.process)
        rows.append(
            (
                f"{load.title}: CPU, mqtt ÷ TextMQ",
                f"≥ {_RATIO}",
                _spread(ratios),
                _verdict(reached=statistics.median(ratios) >= _RATIO),
            )
        )
    late = results.median(Way.TEXTMQ, _FASTEST, lambda sample: sample.late99)
    rows.append(
        (
            f"{_FASTEST.title}: lateness of the event loop, p99",
            f"< {_LATE} ms",
            f"{late:.1f} ms",
            _verdict(reached=late < _LATE),
        )
    )
    added = statistics.median(results.added(lambda start: start.seconds))
    rows.append(
        (
            "time that stored variables add to the start",
            f"< {_START} s",
            f"{added:.2f} s",
            _verdict(reached=added < _START),
        )
    )
    longest = statistics.median(start.longest for start in results.full)
    rows.append(
        (
            "longest slice of the event loop at the start",
            f"< {_SLICE} ms",
            f"{longest:.0f} ms",
            _verdict(reached=longest < _SLICE),
        )
    )
    return _table(("figure", "target", "measured", "verdict"), rows)


def _verdict(*, reached: bool) -> str:
    return "reached" if reached else "**missed**"


def _cpu(results: Results) -> str:
    rows = []
    for load in LOADS:
        cells = [
            f"{results.median(way, load, lambda sample: sample.process):.0f} "
            f"({results.median(way, load, lambda sample: sample.loop):.0f})"
            for way in Way
        ]
        mosquitto = results.median(Way.MQTT, load, lambda sample: sample.mosquitto)
        process = results.ratios(load, lambda sample: sample.process)
        loop = results.ratios(load, lambda sample: sample.loop)
        rows.append(
            (
                load.title,
                *cells,
                f"{mosquitto:.0f}",
                _spread(process),
                _spread(loop),
            )
        )
    head = (
        *("load", "TextMQ", "mqtt", "mosquitto beside it"),
        *("ratio", "ratio, event loop alone"),
    )
    return _table(head, rows)


def _late(results: Results) -> str:
    rows = []
    for load in LOADS:
        row = [load.title]
        for way in Way:
            late = [
                results.median(way, load, figure)
                for figure in (
                    lambda sample: sample.late,
                    lambda sample: sample.late99,
                    lambda sample: sample.latest,
                )
            ]
            row.append(" / ".join(f"{one:.1f}" for one in late))
            row.append(
                f"{results.median(way, load, lambda sample: sample.collector):.0f}"
            )
        rows.append(row)
    return _table(("load", "TextMQ", "collector", "mqtt", "collector"), rows)


def _reached(results: Results) -> str:
    rows = [
        (
            load.title,
            way.value,
            f"{results.median(way, load, lambda sample: sample.rate):,.0f}/s",
            f"{results.median(way, load, lambda sample: sample.generator):.0f} %",
            f"{results.median(way, load, lambda sample: sample.shown):.1f} s",
            f"{results.median(way, load, lambda sample: sample.backlog):,.0f}",
        )
        for load in LOADS
        for way in Way
    ]
    return _table(
        (
            *("load", "way", "published", "load generator's core"),
            *("last state", "backlog"),
        ),
        rows,
    )


def _starts(results: Results) -> str:
    rows = [
        (
            title,
            *(
                f"{statistics.median(map(figure, starts)):,.{digits}f}"
                for figure, digits in (
                    (lambda start: start.seconds, 2),
                    (lambda start: start.cpu, 2),
                    (lambda start: start.entities, 0),
                    (lambda start: start.longest, 0),
                    (lambda start: start.collector, 0),
                )
            ),
        )
        for title, starts in (
            ("with stored variables", results.full),
            ("without", results.empty),
        )
    ]
    head = (
        *("start", "time, s", "CPU, s", "sensors"),
        *("longest slice, ms", "collector, ms"),
    )
    return _table(head, rows)


def _spread(values: Sequence[float]) -> str:
    """Median and quartiles."""
    middle = statistics.median(values)
    if len(values) < 3:
        return f"{middle:.2f}"
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} [{low:.2f}–{high:.2f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    told = subprocess.run(
        [os.environ["MOSQUITTO"], "-h"], capture_output=True, text=True, check=False
    )
    mosquitto = re.search(r"version ([\d.]+)", told.stdout + told.stderr)
    versions = {
        "processor": f"{found[1] if found else platform.machine()}, {os.cpu_count()} cores",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
        "Home Assistant": version("homeassistant"),
        "Python": platform.python_version(),
        "mosquitto": mosquitto[1] if mosquitto else "unknown",
        "paho-mqtt": version("paho-mqtt"),
    }
    return "\n".join(f"- {name}: {text}" for name, text in versions.items())
