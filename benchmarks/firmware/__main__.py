"""Measures what TextMQ costs a node. Started by `benchmarks/node`."""

import argparse
import os
from pathlib import Path
import sys
import tempfile
from typing import Final

from .builds import WAYS, build, measure_sizes
from .report import report
from .runs import measure

_ROUNDS: Final = 1000
_PAGE: Final = Path(__file__).parents[2] / "docs" / "performance-node.md"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/node",
        description="Counts the instructions that a node needs for each thing that it tells and hears, with TextMQ and "
        "with ESPHome's mqtt, and the bytes that both take.",
    )
    parser.add_argument(
        "--rounds", type=int, default=_ROUNDS, help=f"how often each ({_ROUNDS})"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=_PAGE,
        metavar="FILE",
        help=f"the page (docs/{_PAGE.name})",
    )
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def main() -> None:
    """Run the command."""
    arguments = _parse_arguments()
    esphome = Path(os.environ["TEXTMQ_ESPHOME"])
    runs, sizes = {}, {}
    for way in WAYS:
        print(f"Measuring the node that is connected by: {way}", file=sys.stderr)
        program = build(esphome, way)
        sizes[way] = measure_sizes(way)
        with tempfile.TemporaryDirectory() as folder:
            runs[way] = measure(program, way, arguments.rounds, Path(folder))
    page = report(runs, sizes, esphome, arguments.rounds)
    print(page)
    arguments.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
