"""Turns the samples into the tables of docs/performance.md."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
import os
from pathlib import Path
import platform
import re
import statistics
import subprocess
from typing import Final

from measure import Sample
from scenarios import OURS, REFERENCE, SCENARIOS, Figure, Goal, Kind, Scenario
from servers import AMQTT, MOSQUITTO, PYTHON, SERVERS

_NONE: Final = "–"


@dataclass
class Results:
    """The samples of each scenario and server by round, and what went wrong."""

    rounds: dict[tuple[str, str], dict[int, Sample]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, scenario: str, server: str, number: int, sample: Sample) -> None:
        """Add the sample of a round."""
        self.rounds.setdefault((scenario, server), {})[number] = sample

    def values(self, scenario: str, server: str, attribute: str) -> list[float]:
        """Return one attribute of all samples that have it."""
        samples = self.rounds.get((scenario, server), {}).values()
        return [
            value
            for sample in samples
            if (value := getattr(sample, attribute)) is not None
        ]

    def ratios(self, scenario: str, other: str, server: str) -> list[float]:
        """Return the other server's CPU per operation divided by the server's, round by round."""
        ours, theirs = (
            self.rounds.get((scenario, name), {}) for name in (server, other)
        )
        return [
            reference / cost
            for number, sample in ours.items()
            if number in theirs
            and (cost := sample.cpu)
            and (reference := theirs[number].cpu)
        ]

    def reached(self, scenario: str, goal: Goal) -> list[float]:
        """Return the figures that are to reach the goal."""
        if goal.figure is Figure.CPU:
            return self.ratios(scenario, goal.other, goal.server)
        return self.values(scenario, goal.server, "memory")


def verdict(goal: Goal, figures: Sequence[float]) -> str:
    """Say whether the median of the figures reaches the goal."""
    if not figures:
        return "not measured"
    sign = -1 if goal.figure is Figure.MEMORY else 1
    median = statistics.median(figures)
    if sign * median >= sign * goal.target:
        return "reached"
    if goal.floor is not None and sign * median < sign * goal.floor:
        return "**below the floor**"
    return "**missed**" if goal.floor is None else "**missed**, floor held"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _spread(values: Sequence[float]) -> str:
    """Median and quartiles."""
    if not values:
        return _NONE
    if len(values) < 3:
        return _number(statistics.median(values))
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{_number(middle)} [{_number(low)}–{_number(high)}]"


def _median(values: Sequence[float]) -> str:
    return _number(statistics.median(values)) if values else _NONE


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _measured(results: Results, scenario: Scenario) -> bool:
    return any(
        name == scenario.name for name, _ in (*results.rounds, *results.failures)
    )


def goals_table(results: Results, scenarios: Sequence[Scenario] = SCENARIOS) -> str:
    """Return the goals and what was measured."""
    rows = []
    for scenario in scenarios:
        for goal in scenario.goals:
            figures = results.reached(scenario.name, goal)
            if not figures and goal.other != REFERENCE:
                continue
            ours = SERVERS[goal.server].title
            against = f"CPU, {SERVERS[goal.other].title} ÷ {ours}"
            rows.append(
                [
                    scenario.title,
                    against if goal.figure is Figure.CPU else f"memory, KiB, {ours}",
                    f"{'≥' if goal.figure is Figure.CPU else '≤'} {goal.target:g}",
                    _NONE if goal.floor is None else f"{goal.floor:g}",
                    _spread(figures),
                    verdict(goal, figures),
                ]
            )
    return _table(
        ("scenario", "figure", "target", "floor", "measured", "verdict"), rows
    )


def _cells(
    results: Results,
    scenarios: Sequence[Scenario],
    servers: Sequence[str],
    cell: Callable[[Scenario, str], str],
) -> str:
    rows = [
        [scenario.title]
        + [
            (
                _failure(reason)
                if (reason := results.failures.get((scenario.name, server)))
                else cell(scenario, server)
            )
            if server in scenario.servers or (scenario.name, server) in results.rounds
            else _NONE
            for server in servers
        ]
        for scenario in scenarios
    ]
    return _table(("scenario", *(SERVERS[server].title for server in servers)), rows)


def peers_table(
    results: Results, scenarios: Sequence[Scenario], peers: Sequence[str]
) -> str:
    """Return how TextMQ compares with each of the peers, scenario by scenario."""
    rows = [
        [
            scenario.title,
            SERVERS[peer].title,
            *(
                _median(results.values(scenario.name, name, "cpu"))
                for name in (OURS, peer)
            ),
            _spread(ratios),
            str(len(ratios)),
        ]
        for scenario in scenarios
        for peer in peers
        if (ratios := results.ratios(scenario.name, peer, OURS))
    ]
    head = ("scenario", "peer", "CPU of TextMQ, µs", "of the peer, µs")
    return _table((*head, "speed, TextMQ ÷ peer", "pairs"), rows)


def _failure(reason: str) -> str:
    return "stands still" if reason.startswith("stands still") else "failed"


def _columns(results: Results, scenarios: Sequence[Scenario]) -> list[str]:
    return [
        name
        for name in SERVERS
        if any(
            name in scenario.servers or (scenario.name, name) in results.rounds
            for scenario in scenarios
        )
    ]


def _attributes(results: Results, *names: str) -> Callable[[Scenario, str], str]:
    def cell(scenario: Scenario, server: str) -> str:
        columns = [results.values(scenario.name, server, name) for name in names]
        return (
            " / ".join(_median(values) for values in columns) if any(columns) else _NONE
        )

    return cell


def _section(title: str, text: str, table: str) -> str:
    return f"## {title}\n\n{text}\n\n{table}\n"


def _sections(results: Results, peers: Sequence[str]) -> list[str]:
    shown = [scenario for scenario in SCENARIOS if _measured(results, scenario)]
    of_kind: Mapping[Kind, list[Scenario]] = {
        kind: [scenario for scenario in shown if scenario.kind is kind] for kind in Kind
    }
    load, connections = of_kind[Kind.LOAD], of_kind[Kind.CONNECTIONS]
    sections = [
        _section(
            "Targets",
            "A ratio above 1 means that TextMQ needs less CPU than the other for the same operation. It is taken "
            "within each round; the figures are the median of all rounds and, in brackets, the quartiles.",
            goals_table(results, shown),
        )
    ]
    if peers:
        sections.append(
            _section(
                "Beside peers that speak TextMQ",
                "CPU for each operation, for each connection where connections are measured (connect, ID, SUB). The speed is "
                "the peer's CPU divided by TextMQ's, a pair in each round: below 1 the peer needs less.",
                peers_table(results, shown, peers),
            )
        )
    if load:
        columns = _columns(results, load)
        sections += [
            _section(
                "CPU of the broker per operation, µs",
                "An operation is one delivery to one subscriber or, where nobody subscribes, one publish.",
                _cells(results, load, columns, _attributes(results, "cpu")),
            ),
            _section(
                "Operations per second",
                "As fast as one core of this machine and the number in flight allow. These move much more than the ratios.",
                _cells(results, load, columns, _attributes(results, "rate")),
            ),
            _section(
                "Time to the last answer and delivery, p50 / p99, µs",
                "From sending a publish until the publisher has read its answer and every subscriber the value.",
                _cells(results, load, columns, _attributes(results, "p50", "p99")),
            ),
            _section(
                "Use of the cores: broker / load generator, percent",
                "Below 100 both wait for each other in turn; a load generator at 100 with one command in flight "
                "only looks for the answer without sleeping.",
                _cells(
                    results, load, columns, _attributes(results, "busy", "generator")
                ),
            ),
        ]
    if connections:
        sections.append(
            _section(
                "Idle connections: memory, KiB / CPU of connecting, µs",
                "Resident memory of the broker's process for each connection that has told its ID and subscribed to "
                "one variable, and the CPU that this took. Afterwards one publish is delivered to all of them.",
                _cells(
                    results,
                    connections,
                    _columns(results, connections),
                    _attributes(results, "memory", "cpu"),
                ),
            )
        )
    if restore := of_kind[Kind.RESTORE]:
        sections.append(
            _section(
                "Restore: time added to the start, ms / CPU per variable, µs",
                "Compared with a start without stored variables. Each restored value is then read and checked.",
                _cells(
                    results,
                    restore,
                    _columns(results, restore),
                    _attributes(results, "start", "cpu"),
                ),
            )
        )
    if save := of_kind[Kind.SAVE]:
        sections.append(
            _section(
                "Save: p50 / p99 / longest time to the answer, µs; written, KiB",
                "All 5,000 variables have just been published when one client begins to publish one after the other "
                "for 2.5 s. The column TextMQ is the control: nothing is saved meanwhile.",
                _cells(
                    results,
                    save,
                    _columns(results, save),
                    _attributes(results, "p50", "p99", "longest", "written"),
                ),
            )
        )
    return sections


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip()


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else "unknown"


def _machine() -> str:
    versions = {
        "processor": f"{_first(r'model name\s*: (.*)', Path('/proc/cpuinfo').read_text())}, {os.cpu_count()} cores",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
        "Python": _output(
            PYTHON, "-c", "import platform; print(platform.python_version())"
        ),
        "mosquitto": _first(r"version ([\d.]+)", _output(MOSQUITTO, "-h")),
        "amqtt": _output(AMQTT, "--version"),
        "load generator": _output("cc", "--version").splitlines()[0],
    }
    return "\n".join(f"- {name}: {version}" for name, version in versions.items())


def report(
    results: Results, rounds: int, seconds: float, peers: Sequence[str] = ()
) -> str:
    """Return the whole page, in Markdown."""
    failures = "".join(
        f"- {scenario}, {SERVERS[server].title}: {reason}\n"
        for (scenario, server), reason in results.failures.items()
    )
    return "\n".join(
        (
            "# Performance",
            "",
            f"Written by `benchmarks/run` on {datetime.now(UTC).date()}: {rounds} rounds, {seconds:g} s for each "
            "measurement. [What makes it fast](why-it-is-fast.md) explains the figures, "
            "[the benchmarks](../benchmarks/README.md) how they are taken.",
            "",
            _machine(),
            "",
            *_sections(results, peers),
            *(["## What failed", "", failures] if failures else []),
        )
    )


def summary(results: Results) -> str:
    """Return one line: how many goals were reached."""
    verdicts = [
        verdict(goal, figures)
        for scenario in SCENARIOS
        for goal in scenario.goals
        if (figures := results.reached(scenario.name, goal))
    ]
    missed = sum("reached" not in text for text in verdicts)
    return (
        f"{len(verdicts)} targets measured with {SERVERS[OURS].title}, {missed} missed"
    )
