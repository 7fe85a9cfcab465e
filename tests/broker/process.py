"""The standalone broker as a process of its own."""

from collections.abc import Callable, Sequence
import os
from pathlib import Path
from queue import SimpleQueue
import re
import signal
import subprocess
import sys
import threading
import time

from .client import Address, Client, message

ROOT = Path(__file__).parents[2]
INTEGRATION = ROOT / "custom_components" / "textmq"
SCRIPT = ROOT / "scripts" / "broker"
ENVIRONMENT = {"TEXTMQ_PYTHON": sys.executable, **os.environ}
#: How long anything may take before a test gives up, in seconds; far above what is needed.
PATIENCE = 30.0
_READY = re.compile(r"listening on \S+:(?P<port>\d+)\s*$")


def wait_for[T](condition: Callable[[], T], what: str) -> T:
    """Return the first true value of a condition; fail where it does not become true."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.01)
    return result


class BrokerProcess:
    """A running broker with its address, its files and what it logs."""

    def __init__(
        self,
        data: Path,
        *options: str,
        host: str = "127.0.0.1",
        port: int = 0,
        command: Sequence[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        """Start a broker on a free port (or this one) and wait until it listens."""
        self.data = data
        self.log: list[str] = []
        self._port: SimpleQueue[int | None] = SimpleQueue()
        self._process = subprocess.Popen(
            [
                *(command or (str(SCRIPT),)),
                *("--host", host, "--port", str(port), "--data", str(data)),
                *options,
            ],
            env=environment or ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        found = self._port.get(timeout=PATIENCE)
        if found is None:
            self._wait()
            raise RuntimeError(f"the broker did not start: {self.text}")
        self.address: Address = (host, found)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for text in stream:
                self.log.append(text.rstrip("\n"))
                if found := _READY.search(text):
                    self._port.put(int(found["port"]))
        self._port.put(None)

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    @property
    def text(self) -> str:
        """All that was logged."""
        return "\n".join(self.log)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def memory(self) -> int:
        """Return the resident memory in bytes (/proc, Linux)."""
        pages = int(
            Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        )
        return pages * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Return how many files and sockets the process holds open (/proc, Linux)."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def files(self) -> dict[str, str]:
        """Return name and content of the files of variables."""
        return {
            path.name: path.read_text(encoding="ascii")
            for path in sorted(self.data.glob("*.txt"))
        }

    def stop(self, *clients: Client) -> int:
        """Ask the broker to stop (SIGTERM); return its exit code.

        These clients leave when they are told to, as devices do.
        """
        self._process.send_signal(signal.SIGTERM)
        for client in clients:
            assert client.until_closed()[-1] == message("CLOSE", REASON="shutdown")
            client.drop()
        return self._wait()

    def kill(self) -> int:
        """End the process where it stands (SIGKILL)."""
        self._process.kill()
        return self._wait()

    def _wait(self) -> int:
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        self._reader.join(PATIENCE)
        return code

    def check(self) -> None:
        """Assert that the broker is well: alive, and no exception got away from it."""
        assert self.running, self.text[-3000:]
        assert "Traceback" not in self.text, self.text[-3000:]
