"""What is attacked: a process whose event loop has the meter, on a core of its own."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time
from typing import Any, Final

from .wire import Failed

ROOT: Final = Path(__file__).parents[2]
METER: Final = Path(__file__).with_name("meter.py")
TARGET_CORE: Final = max(os.sched_getaffinity(0))
"""Where the broker or Home Assistant runs."""
OTHER_CORE: Final = min(os.sched_getaffinity(0))
"""Where all else runs: attackers, the crowd, the probe, this program."""
_START_SECONDS: Final = 30
_STOP_SECONDS: Final = 60
_ANSWER_SECONDS: Final = 60
"""Until the meter has written: as long as a slice may be."""
_NICE: Final = -15
_READY: Final = re.compile(r"listening on \S*:(\d+)")


@dataclass(frozen=True)
class Target:
    """A broker that accepts connections."""

    port: int
    pid: int
    figures: Path
    """Where its meter writes."""
    log: Path

    def read_meter(self) -> dict[str, Any]:
        """Return the figures since the last time. Raises Failed where none come: the process has ended or stands still."""
        before = self._number()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)
        deadline = time.monotonic() + _ANSWER_SECONDS
        while self._number() == before:
            if time.monotonic() > deadline or not self.runs():
                raise Failed(f"the meter does not answer; log: {self.told()[-600:]}")
            time.sleep(0.001)
        figures: dict[str, Any] = json.loads(self.figures.read_text())
        return figures

    def _number(self) -> int:
        with suppress(FileNotFoundError):
            number: int = json.loads(self.figures.read_text())["number"]
            return number
        return 0

    def runs(self) -> bool:
        """Say whether the process is there and no zombie."""
        with suppress(FileNotFoundError, ProcessLookupError):
            return (
                Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
                != "Z"
            )
        return False

    def descriptors(self) -> int:
        """Return how many files and sockets the process has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208

    def delayed(self) -> float:
        """Return how long the loop's thread has waited for its core so far, in seconds (the kernel's schedstat)."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/schedstat")
        return int(path.read_text().split()[1]) / 1e9

    def told(self, since: int = 0) -> str:
        """Return its log, without its first bytes."""
        return self.log.read_bytes()[since:].decode(errors="replace")

    def prefer(self) -> None:
        """Let its loop go before whatever else this machine does, where that may be."""
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, self.pid, _NICE)


@contextmanager
def standalone(
    checkout: Path, folder: Path, options: tuple[str, ...]
) -> Iterator[Target]:
    """Start the broker of a checkout under the meter, and end it afterwards.

    Raises Failed where it does not start, or ends in another way than by being told to.
    """
    figures, log = folder / "figures.json", folder / "log"
    command = [
        *("taskset", "-c", str(TARGET_CORE)),
        *(sys.executable, "-I", str(METER)),
        str(checkout / "custom_components/textmq"),
        *("--host", "127.0.0.1", "--port", "0", "--data", str(folder / "data")),
        *options,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | {"TEXTMQ_METER": str(figures)},
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not (ready := _READY.search(log.read_text(errors="replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the broker does not start: {log.read_text()[-600:]}")
            time.sleep(0.005)
        target = Target(int(ready[1]), process.pid, figures, log)
        target.prefer()
        yield target
    finally:
        process.terminate()
        try:
            code = process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    if code:
        raise Failed(f"the broker ended with {code}: {log.read_text()[-600:]}")
