"""The brokers that are compared, and how each is started: on 127.0.0.1, alone on one core, with a folder of its own."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import getpass
import os
from pathlib import Path
import shlex
import socket
import subprocess
import time
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PYTHON: Final = os.environ["TEXTMQ_PYTHON"]
MOSQUITTO: Final = os.environ["MOSQUITTO"]
AMQTT: Final = os.environ["AMQTT"]

GENERATOR_CORE: Final = min(os.sched_getaffinity(0))
"""Where the load generator runs."""
BROKER_CORE: Final = max(os.sched_getaffinity(0))
"""Where the brokers run, one at a time."""

KEY: Final = bytes(range(32))
"""The pre-shared key of every device in the measurements with TLS."""
_DEVICES_WITH_KEY: Final = [
    "publisher-0",
    "checker-0",
    *(f"subscriber-{number}" for number in range(1000)),
]

_START_SECONDS: Final = 20
_STOP_SECONDS: Final = 30


class Failed(Exception):
    """A broker did not do what was asked; the text says what happened."""


@dataclass(frozen=True)
class Server:
    """A broker, as configured for the measurements."""

    name: str
    title: str
    protocol: str
    """The load generator's name of what it speaks."""
    command: Callable[[int, Path], list[str]]
    """Makes the command line for a port and a folder; writes what the broker reads there."""
    encrypted: bool = False


@dataclass(frozen=True)
class Running:
    """A broker that accepts connections."""

    server: Server
    port: int
    process: subprocess.Popen[bytes]
    start_seconds: float
    """From the start of the process until it listened."""
    start_cpu: float
    """CPU seconds that the process used until then."""

    @property
    def pid(self) -> int:
        """The broker's process."""
        return self.process.pid

    def cpu_seconds(self) -> float:
        """CPU time of the process so far, in the kernel's ticks of 10 ms (proc(5), utime and stime)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _textmq(*options: str) -> Callable[[int, Path], list[str]]:
    return lambda port, folder: [
        str(ROOT / "scripts/broker"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--data", str(folder / "data"), "--access", "open"),
        *options,
    ]


def _keys() -> Iterator[str]:
    for device in _DEVICES_WITH_KEY:
        yield from ("--key", f"{device}={base64.b64encode(KEY).decode()}")


def _mosquitto(*lines: str) -> Callable[[int, Path], list[str]]:
    def command(port: int, folder: Path) -> list[str]:
        file = folder / "mosquitto.conf"
        keys = folder / "keys"
        keys.write_text(
            "".join(f"{device}:{KEY.hex()}\n" for device in _DEVICES_WITH_KEY)
        )
        file.write_text(
            "\n".join(
                (
                    f"listener {port} 127.0.0.1",
                    "allow_anonymous true",
                    "log_dest none",
                    f"user {getpass.getuser()}",
                    *(line.format(folder=folder) for line in lines),
                )
            )
        )
        return [MOSQUITTO, "-c", str(file)]

    return command


def _amqtt(*plugins: str) -> Callable[[int, Path], list[str]]:
    def command(port: int, folder: Path) -> list[str]:
        file = folder / "amqtt.yaml"
        listeners = f"{{default: {{type: tcp, bind: '127.0.0.1:{port}'}}}}"
        file.write_text(
            "\n".join(
                (
                    f"listeners: {listeners}",
                    "plugins:",
                    "  amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}",
                    *(f"  amqtt.plugins.{plugin}" for plugin in plugins),
                )
            )
        )
        return [AMQTT, "-c", str(file)]

    return command


def _peer(name: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _: [
        PYTHON,
        str(ROOT / f"benchmarks/peers/{name}.py"),
        str(port),
    ]


_NO_DELAY: Final = "set_tcp_nodelay true"
_TLS: Final = ("psk_hint textmq", "psk_file {folder}/keys", "tls_version tlsv1.2")
_AMQTT_DEFAULTS: Final = (
    "logging_amqtt.EventLoggerPlugin:",
    "logging_amqtt.PacketLoggerPlugin:",
    "sys.broker.BrokerSysPlugin: {sys_interval: 20}",
)
"""Those of amqtt's default_broker.yaml, beside the one that lets everyone in."""
_PERSISTENT: Final = (
    "persistence true",
    "persistence_location {folder}/",
    "autosave_interval 1",
)

SERVERS: Final = {
    server.name: server
    for server in (
        Server("textmq", "TextMQ", "textmq", _textmq("--no-limits")),
        Server("textmq-bounded", "TextMQ, default bounds", "textmq", _textmq()),
        Server(
            "textmq-tls",
            "TextMQ, TLS",
            "textmq",
            _textmq("--no-limits", *_keys()),
            encrypted=True,
        ),
        Server(
            "textmq-saving",
            "TextMQ, saving each second",
            "textmq",
            _textmq("--no-limits", "--save-interval", "1"),
        ),
        Server("mosquitto", "mosquitto", "mqtt", _mosquitto(_NO_DELAY)),
        Server("mosquitto-nagle", "mosquitto, Nagle on", "mqtt", _mosquitto()),
        Server(
            "mosquitto-tls",
            "mosquitto, TLS",
            "mqtt",
            _mosquitto(_NO_DELAY, *_TLS),
            encrypted=True,
        ),
        Server(
            "mosquitto-saving",
            "mosquitto, saving each second",
            "mqtt",
            _mosquitto(_NO_DELAY, *_PERSISTENT),
        ),
        Server("amqtt", "amqtt", "mqtt", _amqtt(*_AMQTT_DEFAULTS)),
        Server("amqtt-bare", "amqtt, bare", "mqtt", _amqtt()),
        Server("streams", "StreamReader", "textmq", _peer("streams")),
        Server("echo", "asyncio echo", "echo", _peer("echo")),
    )
}


def add_peer(name: str, command: str) -> None:
    """Add a server that speaks TextMQ: {port} in its command is the port, without it the port comes last."""
    words = shlex.split(command)
    if "{port}" not in command:
        words.append("{port}")
    SERVERS[name] = Server(
        name,
        name,
        "textmq",
        lambda port, _: [word.replace("{port}", str(port)) for word in words],
    )


@contextmanager
def running(server: Server, folder: Path) -> Iterator[Running]:
    """Start the broker, and end it afterwards. Raises Failed where it does not listen in time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log"
    command = ["taskset", "-c", str(BROKER_CORE), *server.command(port, folder)]
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        while not _listens(port):
            if (
                process.poll() is not None
                or time.monotonic() > started + _START_SECONDS
            ):
                raise Failed(f"did not start: {log.read_text()[-500:]}")
            time.sleep(0.001)
        ready = time.monotonic() - started
        broker = Running(server, port, process, ready, 0.0)
        yield Running(server, port, process, ready, broker.cpu_seconds())
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
