"""Measures TextMQ and its peers in interleaved rounds. Started by `benchmarks/run`."""

import argparse
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
import resource
import statistics
import sys
from typing import Final

from measure import measure
from report import Results, report, summary
from scenarios import OURS, REFERENCE, SCENARIOS, Scenario
from servers import BROKER_CORE, GENERATOR_CORE, ROOT, SERVERS, Failed, add_peer

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
        "--peer",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another server that speaks TextMQ, beside those of --servers, with {port} for its port; writes no page",
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
    peers = dict(peer.partition("=")[::2] for peer in arguments.peer)
    for name, command in peers.items():
        if not command or name in SERVERS:
            parser.error(f"--peer takes NAME=COMMAND, with a new name: {name}")
    arguments.peer = peers
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


def compared(
    scenario: Scenario, number: int, servers: set[str], peers: Sequence[str]
) -> list[str]:
    """Return the servers that carry out a scenario in a round; peers come right after TextMQ, in every round."""
    names = list(scenario.servers) if number < scenario.most_rounds else []
    if peers and scenario.takes_peers:
        names = [OURS, *peers, *(name for name in names if name != OURS)]
    return [name for name in names if name in servers or name in peers]


def run_round(
    results: Results,
    number: int,
    scenarios: list[Scenario],
    servers: set[str],
    peers: Sequence[str],
    seconds: float,
) -> None:
    """Measure each scenario with each server once; who comes first changes from round to round."""
    for scenario in scenarios:
        names = compared(scenario, number, servers, peers)
        if not names:
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
        show_progress(results, number, scenario, names)


def show_progress(
    results: Results, number: int, scenario: Scenario, names: Sequence[str]
) -> None:
    """Print what the round gave: CPU of each server, and the ratio to mosquitto so far."""
    cells = [
        f"{name} {sample.cpu:.2f}"
        for name in names
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
    for name, command in arguments.peer.items():
        add_peer(name, command)
    peers = list(arguments.peer)
    results = Results()
    for number in range(rounds):
        run_round(results, number, select(arguments.only), servers, peers, seconds)
    page = report(results, rounds, seconds, peers)
    print(page)
    complete = not (
        arguments.only
        or arguments.servers
        or arguments.quick
        or arguments.no_amqtt
        or peers
    )
    if arguments.output or complete:
        (arguments.output or _PAGE).write_text(page, encoding="utf-8")
    print(summary(results))
    return int(any(server.startswith(OURS) for _, server in results.failures))


if __name__ == "__main__":
    sys.exit(main())
