"""Measures TextMQ and its peers in interleaved rounds. Started by `benchmarks/run`."""

import argparse
from fnmatch import fnmatch
from pathlib import Path
import resource
import statistics
import sys
from typing import Final

from measure import measure
from report import Results, report, summary
from scenarios import OURS, REFERENCE, SCENARIOS, Scenario
from servers import BROKER_CORE, GENERATOR_CORE, ROOT, SERVERS, Failed

_ROUNDS: Final = 7
_QUICK_ROUNDS: Final = 2
_SECONDS: Final = 0.4
_QUICK_SECONDS: Final = 0.2
_PAGE: Final = ROOT / "docs/performance.md"


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    names = ", ".join(scenario.name for scenario in SCENARIOS)
    parser = argparse.ArgumentParser(
        prog="benchmarks/run",
        description="Measures TextMQ beside mosquitto, amqtt, a plain StreamReader broker and an asyncio echo server.",
        epilog=f"Scenarios: {names}. Servers: {', '.join(SERVERS)}.",
    )
    parser.add_argument(
        "--rounds", type=int, help=f"rounds ({_ROUNDS}; with --quick {_QUICK_ROUNDS})"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        help=f"seconds each ({_SECONDS}; with --quick {_QUICK_SECONDS})",
    )
    parser.add_argument(
        "--quick", action="store_true", help="few and short rounds; writes no page"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="SCENARIO",
        help="only scenarios of this name, * stands for anything; writes no page",
    )
    parser.add_argument(
        "--servers",
        action="append",
        metavar="SERVER",
        help="only these servers; writes no page",
    )
    parser.add_argument(
        "--no-amqtt",
        action="store_true",
        help="leave amqtt out: it takes most of the time",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=f"the page (docs/{_PAGE.name})"
    )
    arguments = parser.parse_args()
    if arguments.only and not select(arguments.only):
        parser.error(f"no such scenario; there are: {names}")
    if unknown := set(arguments.servers or ()) - set(SERVERS):
        parser.error(
            f"no such server: {', '.join(unknown)}; there are: {', '.join(SERVERS)}"
        )
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def select(patterns: list[str] | None) -> list[Scenario]:
    """Return the scenarios whose name fits one of the patterns; all, without any."""
    return [
        scenario
        for scenario in SCENARIOS
        if not patterns or any(fnmatch(scenario.name, pattern) for pattern in patterns)
    ]


def run_round(
    results: Results,
    number: int,
    scenarios: list[Scenario],
    servers: set[str],
    seconds: float,
) -> None:
    """Measure each scenario with each server once; who comes first changes from round to round."""
    for scenario in scenarios:
        names = [name for name in scenario.servers if name in servers]
        if number >= scenario.most_rounds or not names:
            continue
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            if (scenario.name, name) in results.failures:
                continue
            try:
                sample = measure(scenario, SERVERS[name], seconds)
            except Failed as err:
                results.failures[scenario.name, name] = str(err)
                print(f"  {scenario.name}, {name}: {err}", file=sys.stderr)
            else:
                results.add(scenario.name, name, number, sample)
        show_progress(results, number, scenario)


def show_progress(results: Results, number: int, scenario: Scenario) -> None:
    """Print what the round gave: CPU of each server, and the ratio to mosquitto so far."""
    cells = [
        f"{name} {sample.cpu:.2f}"
        for name in scenario.servers
        if (sample := results.rounds.get((scenario.name, name), {}).get(number))
        and sample.cpu
    ]
    ratios = results.ratios(scenario.name, REFERENCE, OURS)
    ratio = f"  (× {statistics.median(ratios):.2f})" if ratios else ""
    print(
        f"[{number + 1}] {scenario.name}: {', '.join(cells)} µs{ratio}", file=sys.stderr
    )


def main() -> int:
    """Run the command; returns 1 where TextMQ lost or mixed up anything."""
    arguments = parse_arguments()
    rounds = arguments.rounds or (_QUICK_ROUNDS if arguments.quick else _ROUNDS)
    seconds = arguments.seconds or (_QUICK_SECONDS if arguments.quick else _SECONDS)
    if GENERATOR_CORE == BROKER_CORE:
        print(
            "error: this takes two cores, one for the broker and one for the load",
            file=sys.stderr,
        )
        return 2
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    servers = set(arguments.servers or SERVERS) - (
        {"amqtt"} if arguments.no_amqtt else set()
    )
    results = Results()
    for number in range(rounds):
        run_round(results, number, select(arguments.only), servers, seconds)
    page = report(results, rounds, seconds)
    print(page)
    complete = not (
        arguments.only or arguments.servers or arguments.quick or arguments.no_amqtt
    )
    if arguments.output or complete:
        (arguments.output or _PAGE).write_text(page, encoding="utf-8")
    print(summary(results))
    return int(any(server.startswith(OURS) for _, server in results.failures))


if __name__ == "__main__":
    sys.exit(main())
