"""Measures TextMQ inside Home Assistant, beside its mqtt integration with mosquitto. Started by `benchmarks/home_assistant`."""

import argparse
from contextlib import ExitStack
import os
from pathlib import Path
import resource
import sys
import tempfile
from typing import Final

from .house import HOUSE_CORE, OTHER_CORE, Failed, Running, Way, running
from .measure import LOADS, Idle, measure, measure_start, settle
from .report import Results, report

_PAGE: Final = Path(__file__).parents[2] / "docs/performance-home-assistant.md"
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- as a file system in memory, not for a name that others could guess
"""Where files are in memory: the recorder's database is to cost CPU time, not to wait for a disk."""


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/home_assistant",
        description="Measures TextMQ in a real Home Assistant with 500 devices of 10 variables, beside mqtt and mosquitto.",
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    parser.add_argument(
        "--seconds", type=float, default=10, help="seconds of each load (10)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=f"the page (docs/{_PAGE.name})"
    )
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def measure_loads(results: Results, folder: Path, rounds: int, seconds: float) -> None:
    """Measure all loads, the ways in turn; both houses are there all the time."""
    with ExitStack() as stack:
        houses: dict[Way, tuple[Running, Idle]] = {}
        for way in Way:
            say(f"starting Home Assistant with {way.value}, 500 devices")
            house = stack.enter_context(running(way, folder / way.value))
            houses[way] = house, settle(house)
        for number in range(rounds):
            for load in LOADS:
                for way in list(Way)[:: -1 if number % 2 else 1]:
                    sample = measure(*houses[way], load, seconds)
                    results.add(way, load, sample)
                    say(
                        f"[{number + 1}] {load.title}, {way.value}: {sample.process:.0f} µs a publish, "
                        f"late {sample.late99:.1f} ms (p99)"
                    )


def measure_starts(results: Results, folder: Path, rounds: int) -> None:
    """Measure starts with the variables that the loads have left, and without any."""
    empty = folder / "empty"
    empty.mkdir()
    measure_start(empty)
    for number in range(rounds):
        for name, starts in (
            (Way.TEXTMQ.value, results.full),
            ("empty", results.empty),
        ):
            start = measure_start(folder / name)
            starts.append(start)
            say(
                f"[{number + 1}] start, {start.entities:,} sensors: {start.seconds:.1f} s, "
                f"longest slice {start.longest:.0f} ms"
            )


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run the command; returns 1 where a value was lost or something did not start."""
    arguments = parse_arguments()
    if HOUSE_CORE == OTHER_CORE:
        say("error: this takes two cores, one for Home Assistant and one for the load")
        return 2
    os.sched_setaffinity(0, {OTHER_CORE})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = Results()
    with tempfile.TemporaryDirectory(
        prefix="textmq-benchmark-", dir=_MEMORY if _MEMORY.is_dir() else None
    ) as name:
        folder = Path(name)
        for way in Way:
            (folder / way.value).mkdir()
        try:
            measure_loads(results, folder, arguments.rounds, arguments.seconds)
            measure_starts(results, folder, arguments.rounds)
        except Failed as err:
            say(f"error: {err}")
            return 1
    page = report(results, arguments.rounds, arguments.seconds)
    print(page)
    (arguments.output or _PAGE).write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
