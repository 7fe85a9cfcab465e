"""Each of examples/ with a real broker: it describes, publishes, follows, answers, comes back, and sleeps."""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import subprocess
import sys

import pytest

from tests.broker.client import Address, Client
from tests.broker.process import PATIENCE, ROOT, BrokerProcess, wait_for

EXAMPLES = ROOT / "examples"
HOST_BUILD = Path(__file__).parent / "arduino_host"
FILES = [
    path
    for path in sorted(EXAMPLES.rglob("*"))
    if path.is_file() and path.name != "README.md"
]
MOST_LINES = 60

type Run = Callable[[Address], subprocess.Popen[bytes]]


@pytest.fixture(scope="session")
def sketch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Arduino sketch, compiled for this machine with the few classes that it uses."""
    program = tmp_path_factory.mktemp("arduino") / "porch"
    sources = (EXAMPLES / "porch" / "porch.ino", HOST_BUILD / "main.cpp")
    subprocess.run(
        [
            *("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror"),
            *("-I", HOST_BUILD, "-include", "Arduino.h", "-x", "c++"),
            *sources,
            *("-o", program),
        ],
        check=True,
    )
    return program


@pytest.fixture(params=[path.name for path in FILES])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Start an example; it ends with the test at the latest."""
    path = next(path for path in FILES if path.name == request.param)
    processes: list[subprocess.Popen[bytes]] = []

    def run(address: Address) -> subprocess.Popen[bytes]:
        host, port = address[0], str(address[1])
        environment = {**os.environ, "TEXTMQ_HOST": host, "TEXTMQ_PORT": port}
        match path.name:
            case "porch.ino":
                command = [request.getfixturevalue("sketch")]
            case "porch_micropython.py":
                command = [os.environ["TEXTMQ_MICROPYTHON"], path, host, port]
            case "porch.py":
                command = [sys.executable, path, host, port]
            case "porch.js":
                command = ["node", path, host, port]
            case _:
                command = [path, host, port]
        processes.append(subprocess.Popen(command, env=environment))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait(PATIENCE)


class Scene:
    """A broker that knows the example, and a device that watches it."""

    def __init__(self, data: Path, port: int = 0) -> None:
        """Start the broker, and let the other device in."""
        known = ("--allow", "porch", "--allow", "watcher")
        # It asks after a second, and leaves a slow machine time to answer.
        keepalive = ("--keepalive", "1", "--keepalive-timeout", "60")
        self.broker = BrokerProcess(data, *known, *keepalive, "--trace", port=port)
        self.watcher = Client(self.broker.address, timeout=PATIENCE)
        self.watcher.ok("ID", ID="watcher", KEEPALIVE=3600)
        # On a slow machine it was asked before it could say so.
        self.watcher.deliveries.clear()

    def heard(self, text: str) -> None:
        """Wait until the example has said something."""
        wait_for(
            lambda: any("porch" in one and text in one for one in self.broker.log), text
        )

    def end(self) -> None:
        """Stop the broker, which must be well."""
        self.broker.check()
        assert self.broker.stop(self.watcher) == 0


def test_example(run: Run, tmp_path: Path) -> None:
    """All that an example is to show, in the order in which it happens."""
    scene = Scene(tmp_path / "data")
    watcher = scene.watcher
    watcher.ok("PUB", VARIABLE="house/dark", VALUE="OFF")
    watcher.ok("SUB", VARIABLE="porch/#", DEF="YES")
    example = run(scene.broker.address)

    watcher.expect(
        "DEF",
        VARIABLE="porch/temperature",
        TYPE="sensor",
        NAME="Temperature",
        UNIT=r"\u00b0C",
        CLASS="temperature",
    )
    watcher.expect("SUB", VARIABLE="porch/temperature", VALUE=21.5)
    watcher.expect("SUB", VARIABLE="porch/lamp", VALUE="OFF")
    watcher.ok("PUB", VARIABLE="house/dark", VALUE="ON")
    watcher.expect("SUB", VARIABLE="porch/lamp", VALUE="ON")

    watcher.ok("MSG", DEVICE="porch", VALUE="hello")
    watcher.ok("MSG", DEVICE="porch", VALUE="ping")
    watcher.expect("MSG", DEVICE="porch", VALUE="pong")
    watcher.ok("MSG", DEVICE="porch", VALUE="ping", RE="q1", TTL=60)
    watcher.expect("MSG", DEVICE="porch", VALUE="pong", RE="q1")
    scene.heard("COMMAND=GOT | RECEIPT=")
    scene.heard("COMMAND=HELLO!")

    scene.end()
    scene = Scene(tmp_path / "data", port=scene.broker.address[1])
    watcher = scene.watcher
    watcher.ok("SUB", VARIABLE="porch/temperature", REPLAY="NO")
    watcher.expect("SUB", VARIABLE="porch/temperature", VALUE=21.5)

    watcher.ok("MSG", DEVICE="porch", VALUE="sleep", TTL=60)
    assert example.wait(PATIENCE) == 0
    scene.heard("COMMAND=CLOSE | SLEEP=60")
    presence = watcher.get("$DEVICES/porch")
    assert presence is not None
    assert presence["VALUE"].startswith("ASLEEP UNTIL=")

    # It has acknowledged what sent it to sleep: when it wakes up it stays awake.
    run(scene.broker.address)
    watcher.expect("SUB", VARIABLE="porch/temperature", VALUE=21.5)
    watcher.ok("MSG", DEVICE="porch", VALUE="ping")
    watcher.expect("MSG", DEVICE="porch", VALUE="pong")
    scene.end()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_length(path: Path) -> None:
    """An example is read in one look."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
