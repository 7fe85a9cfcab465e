"""Runs a node that measures itself: for the time it takes, and under callgrind for its instructions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import getpass
import os
from pathlib import Path
import re
import socket
import subprocess
import time
from typing import Final

from tests.broker.process import BrokerProcess

_PATIENCE: Final = 300.0
_NOTHING: Final = "nothing"
"""The case that does nothing: what measuring takes by itself."""


@dataclass(frozen=True)
class Case:
    """What one thing costs on average."""

    instructions: float
    microseconds: float
    """The median."""
    allocations: float


@dataclass(frozen=True)
class Run:
    """What the node found."""

    heap: int
    """Bytes of the heap in use when it was connected and had told all; the lesser of two runs, since what is just being
    received is no part of it.
    """
    cases: dict[str, Case]


def measure(program: Path, way: str, rounds: int, folder: Path) -> Run:
    """Run the node with the broker that its way of connecting needs."""
    with _broker(way, folder) as port:
        environment = os.environ | {
            "ESPHOME_PREFDIR": str(folder / "preferences"),
            "MEASURE_PORT": str(port),
            "MEASURE_ROUNDS": str(rounds),
        }
        said = _run([str(program)], environment)
        counts = folder / "callgrind"
        options = ("--tool=callgrind", "--quiet", "--collect-atstart=no")
        valgrind = ["valgrind", *options, f"--callgrind-out-file={counts}"]
        said_again = _run([*valgrind, str(program)], environment)
    instructions = dict(_instructions(counts))
    found = {
        name: (float(nanoseconds), float(allocations))
        for name, nanoseconds, allocations in re.findall(
            r"^CASE (\w+) ns=(\S+) mallocs=(\S+)$", said, re.MULTILINE
        )
    }
    heaps = re.findall(r"^HEAP (\d+)$", f"{said}\n{said_again}", re.MULTILINE)
    cases = {
        name: Case(
            (instructions[name] - instructions[_NOTHING]) / rounds,
            (nanoseconds - found[_NOTHING][0]) / 1000,
            allocations,
        )
        for name, (nanoseconds, allocations) in found.items()
        if name != _NOTHING
    }
    return Run(min(map(int, heaps)), cases)


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=_PATIENCE,
        check=False,
    )
    assert "\nEND\n" in done.stdout, done.stdout + done.stderr
    return done.stdout


def _instructions(counts: Path) -> Iterator[tuple[str, int]]:
    """Read callgrind's dumps, one for each case, whose name is the reason of the dump."""
    for file in counts.parent.glob(f"{counts.name}.*"):
        text = file.read_text(encoding="utf-8")
        name = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE)
        total = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
        assert name, file
        assert total, file
        yield name[1], int(total[1])


@contextmanager
def _broker(way: str, folder: Path) -> Iterator[int]:
    """Start the broker; its port is the value."""
    if way == "bare":
        yield 0
    elif way == "textmq":
        broker = BrokerProcess(folder / "data", "--access", "open", "--no-limits")
        try:
            yield broker.address[1]
        finally:
            broker.stop()
    else:
        with _mosquitto(folder) as port:
            yield port


@contextmanager
def _mosquitto(folder: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    lines = (
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "set_tcp_nodelay true",
        "log_dest none",
        f"user {getpass.getuser()}",
    )
    configuration = folder / "mosquitto.conf"
    configuration.write_text("\n".join(lines))
    process = subprocess.Popen(
        [os.environ["MOSQUITTO"], "-c", str(configuration)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _listens(port):
            assert process.poll() is None, "mosquitto did not start"
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
