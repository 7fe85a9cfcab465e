"""Attacks the broker and measures what others notice. Started by `benchmarks/hostile`."""

import argparse
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
import os
from pathlib import Path
import resource
import sys
import tempfile
from typing import Final

from .measure import Times, depth_of, measure, measure_storm
from .report import Results, Table, report, summary
from .roles import Probe
from .rows import Row
from .standalone_rows import REFERENCE, ROWS, STORM_OPTIONS, STORMS, storm
from .target import OTHER_CORE, ROOT, TARGET_CORE, standalone
from .wire import Failed

_PAGE: Final = ROOT / "docs/performance-hostile.md"
_TIMES: Final = Times(burst=5, steady=10, minute=60)
_QUICK_TIMES: Final = Times(burst=2, steady=2, minute=10)
_BETWEEN_REFERENCES: Final = 12
_STORM_SECONDS: Final = 3.0
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 -- as a file system in memory, not for a name that others could guess


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/hostile",
        description="Attacks the broker with its default limits, and measures slices of its loop and what another client notices.",
        epilog=f"Rows: {', '.join([*(row.name for row in ROWS), *STORMS])}; with --inside those that begin with inside-.",
    )
    parser.add_argument("--rounds", type=int, default=1, help="rounds (1)")
    parser.add_argument(
        "--quick", action="store_true", help="short rows; writes no page"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="PATTERN",
        help="only rows of this name, * stands for anything, and the reference; writes no page",
    )
    parser.add_argument(
        "--broker",
        type=Path,
        default=ROOT,
        metavar="DIR",
        help="another checkout, whose broker is measured; writes no page",
    )
    parser.add_argument(
        "--inside",
        action="store_true",
        help="afterwards the rows inside a real Home Assistant with 500 entities",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=f"the page (docs/{_PAGE.name})"
    )
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not (arguments.broker / "custom_components/textmq/broker").is_dir():
        parser.error(f"there is no broker in {arguments.broker}")
    return arguments


def wanted(name: str, patterns: Sequence[str] | None) -> bool:
    """Say whether a row is to be measured."""
    return not patterns or any(fnmatch(name, pattern) for pattern in patterns)


def run_standalone(
    table: Table, rows: Sequence[Row], checkout: Path, times: Times, rounds: int
) -> None:
    """Measure rows, each with a broker of its own; the reference comes again and again, since machines change."""
    depth = 0
    for number in range(rounds):
        for row in interleaved(rows):
            with temporary() as name:
                try:
                    with standalone(checkout, Path(name), row.options) as target:
                        depth = depth or depth_of(target.port)
                        sample = measure(
                            target, row, depth, times, Probe("probe", "probe/value")
                        )
                except (Failed, OSError) as err:
                    table.failures[row] = str(err)
                    say(f"[{number + 1}] {row.name}: FAILED, {err}")
                    continue
            table.samples.setdefault(row, []).append(sample)
            say(
                f"[{number + 1}] {row.name}: {sample.line:.3f} ms a line, {sample.share:.1f} % of the loop, "
                f"p99 {sample.p99:.1f}, slice {sample.slice:.1f}, turn {sample.turn:.1f} ms"
            )


def interleaved(rows: Sequence[Row]) -> Iterator[Row]:
    """Give the rows, and the reference once more after every so many."""
    for place, row in enumerate(rows):
        if place and not place % _BETWEEN_REFERENCES:
            yield REFERENCE
        yield row


def run_storms(
    results: Results, names: Sequence[str], checkout: Path, rounds: int
) -> None:
    """Measure storms, each with a broker of its own."""
    for number in range(rounds):
        for name in names:
            results.storm_titles[name] = STORMS[name][0]
            with temporary() as folder:
                try:
                    with standalone(checkout, Path(folder), STORM_OPTIONS) as target:
                        sample = measure_storm(
                            target,
                            storm(name, _STORM_SECONDS),
                            _STORM_SECONDS,
                            Probe("probe", "probe/value"),
                        )
                except (Failed, OSError) as err:
                    results.storm_failures[name] = str(err)
                    say(f"[{number + 1}] {name}: FAILED, {err}")
                    continue
            results.storms.setdefault(name, []).append(sample)
            say(
                f"[{number + 1}] {name}: {sample.descriptors} descriptors, known device in {sample.known:.0f} ms, "
                f"turn {sample.turn:.1f} ms"
            )


def run_inside(
    patterns: Sequence[str] | None, checkout: Path, times: Times, rounds: int
) -> Table:
    """Measure rows inside a Home Assistant."""
    from .inside import measure_inside  # noqa: PLC0415 -- needs Home Assistant's environment

    table = Table(
        "Inside Home Assistant",
        "A real Home Assistant with recorder and history, 50 devices and 500 entities; the slices are those of its whole "
        "event loop. What one call of Home Assistant's own takes can't be divided.",
    )
    with temporary() as folder:
        measure_inside(
            table,
            lambda name: wanted(name, patterns),
            checkout,
            Path(folder),
            times,
            rounds,
            say,
        )
    return table


def temporary() -> tempfile.TemporaryDirectory[str]:
    """Return a folder in memory where there is one."""
    return tempfile.TemporaryDirectory(
        prefix="textmq-hostile-", dir=_MEMORY if _MEMORY.is_dir() else None
    )


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run the command; returns 1 where a broker died or answers were missing."""
    arguments = parse_arguments()
    if TARGET_CORE == OTHER_CORE:
        say("error: this takes two cores, one for the broker and one for all others")
        return 2
    os.sched_setaffinity(0, {OTHER_CORE})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    times = _QUICK_TIMES if arguments.quick else _TIMES
    rows = [row for row in ROWS if wanted(row.name, arguments.only)]
    storms = [name for name in STORMS if wanted(name, arguments.only)]
    if rows and REFERENCE not in rows:
        rows.insert(0, REFERENCE)
    results = Results()
    table = Table("The broker alone", "Each row has a broker of its own.")
    results.tables.append(table)
    run_standalone(table, rows, arguments.broker, times, arguments.rounds)
    run_storms(results, storms, arguments.broker, arguments.rounds)
    if arguments.inside:
        results.tables.append(
            run_inside(arguments.only, arguments.broker, times, arguments.rounds)
        )
    what = "this checkout" if arguments.broker == ROOT else "another checkout"
    page = report(results, arguments.rounds, times, what)
    print(page)
    complete = arguments.inside and not (
        arguments.only or arguments.quick or arguments.broker != ROOT
    )
    if arguments.output or complete:
        (arguments.output or _PAGE).write_text(page, encoding="utf-8")
    print(summary(results))
    for failure in results.failed:
        say(f"failed: {failure}")
    return int(bool(results.failed))


if __name__ == "__main__":
    sys.exit(main())
