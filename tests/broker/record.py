"""Records what passes over the wire, with any version of the broker: `python -m tests.broker.record --help`."""

import argparse
from pathlib import Path
import sys
from tempfile import TemporaryDirectory

from .recording import Recording, record


def main() -> int:
    """Play the steps of recordings and write down what the broker answers."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.broker.record", description=__doc__
    )
    parser.add_argument(
        "--broker", help="scripts/broker of the checkout to record (this one)"
    )
    parser.add_argument("files", nargs="+", type=Path, help="they are written again")
    arguments = parser.parse_args()
    for path in arguments.files:
        recording = Recording.read(path)
        with TemporaryDirectory() as folder:
            record(
                recording,
                Path(folder),
                arguments.broker,
                lambda text: sys.stderr.write(f"{text}\n"),
            )
        recording.write(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
