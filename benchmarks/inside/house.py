"""A Home Assistant on a core of its own, with recorder and history on, and 500 devices that come to it one way or the other."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
import json
import os
from pathlib import Path
import socket
import subprocess
import sys
import time
from typing import Any, Final, override

from scripts.home_assistant import ROOT, STUBS, HomeAssistant

from .load import DEVICES, device_id

HOUSE_CORE: Final = max(os.sched_getaffinity(0))
"""Where Home Assistant runs."""
OTHER_CORE: Final = min(os.sched_getaffinity(0))
"""Where all else runs: the devices, mosquitto, this program."""
_HERE: Final = Path(__file__).parent
SAVE_SECONDS: Final = 10
"""Between two saves of TextMQ's variables, less than usual: so that what a load costs belongs to that load."""
_PATIENCE: Final = 120
"""Seconds until what has to come is there."""
_CONFIGURATION: Final = """\
config:
history:
probe:
recorder:
logger:
  default: warning
"""


class Way(Enum):
    """How devices come to Home Assistant: the domain of the integration."""

    TEXTMQ = "textmq"
    MQTT = "mqtt"


class Failed(Exception):
    """Something did not come or came out wrong; the text says what."""


class House(HomeAssistant):
    """A Home Assistant with one of the integrations, prepared as if a person had set it up."""

    def __init__(
        self,
        config: Path,
        way: Way,
        *,
        slices: bool = False,
        meter: Mapping[str, str] | None = None,
        checkout: Path = ROOT,
    ) -> None:
        """Take an empty folder, or that of an earlier house, and the checkout whose integration it has.

        slices: time what the event loop runs, not how late it is; meter: let benchmarks/attack/meter.py do so, with
        these environment variables.
        """
        self.way = way
        self.broker_port = free_port()
        self._checkout = checkout
        variables = {"PYTHONPATH": f"{STUBS}{os.pathsep}{_HERE}", **(meter or {})}
        if slices:
            variables["PROBE_SLICES"] = "1"
        super().__init__(config, free_port(), environment=variables)

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    @override
    def start(self) -> None:
        self._environment["PROBE_EPOCH"] = str(time.monotonic())
        os.sched_setaffinity(0, {HOUSE_CORE})
        try:
            super().start()
        finally:
            os.sched_setaffinity(0, {OTHER_CORE})

    @override
    def _prepare(self) -> None:
        super()._prepare()
        integrations = self.config / "custom_components"
        integrations.unlink()
        integrations.symlink_to(self._checkout / "custom_components")
        (self.config / "configuration.yaml").write_text(_CONFIGURATION)
        make = _textmq_entry if self.way is Way.TEXTMQ else _mqtt_entry
        self._store("core.config_entries", 1, 5, {"entries": [make(self.broker_port)]})

    def probe(self) -> dict[str, Any]:
        """Return what the probe has seen since the last time."""
        seen: dict[str, Any] = self.get("/api/probe")
        return seen

    def wrong(self, values: Mapping[str, str]) -> list[str]:
        """Return the entities whose state is not the value that was last published."""
        states = {one["entity_id"]: one["state"] for one in self.get("/api/states")}
        return [name for name in values if not _equal(states.get(name), values[name])]

    def wait_for(self, values: Mapping[str, str]) -> None:
        """Wait until every value is the state of its entity. Raises Failed where it does not become so."""
        deadline = time.monotonic() + _PATIENCE
        while wrong := self.wrong(values):
            if time.monotonic() > deadline:
                raise Failed(
                    f"{self.way.value}: {len(wrong)} last values are lost: {wrong[:5]}"
                )
            time.sleep(0.5)


class Devices:
    """The process of the devices."""

    def __init__(self, way: Way, port: int) -> None:
        """Connect them. Raises Failed where they can't."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.inside.load", way.value, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.values: dict[str, str] = self._answer()

    def run(self, rate: float, seconds: float, devices: int) -> dict[str, Any]:
        """Publish, and return how that went. Raises Failed where an answer was missing or wrong."""
        assert self._process.stdin is not None
        print(
            json.dumps([rate, seconds, devices]), file=self._process.stdin, flush=True
        )
        result = self._answer()
        self.values = result.pop("values")
        return result

    def close(self) -> None:
        """Disconnect them."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(_PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed("the load generator has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True)
class Running:
    """A house with its devices, whose values it shows."""

    house: House
    devices: Devices
    mosquitto: int | None
    """The process of mosquitto."""


@contextmanager
def running(way: Way, folder: Path) -> Iterator[Running]:
    """Start all that belongs to a way, and end it afterwards."""
    house = House(folder, way)
    broker = None
    if way is Way.MQTT:
        broker = _start_mosquitto(folder, house.broker_port)
    try:
        with lived_in(house) as devices:
            yield Running(house, devices, broker.pid if broker else None)
    finally:
        if broker is not None:
            broker.terminate()
            broker.wait(_PATIENCE)


@contextmanager
def lived_in(house: House) -> Iterator[Devices]:
    """Start a house and connect its devices, and end both afterwards."""
    house.start()
    try:
        house.wait_until_running()
        devices = Devices(house.way, house.broker_port)
        try:
            house.wait_for(devices.values)
            yield devices
        finally:
            devices.close()
    finally:
        house.stop()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process in all its threads, by its CPU clock (clock_getcpuclockid(3)), finer than proc(5)."""
    return time.clock_gettime((~pid << 3) | 2)


def loop_seconds(pid: int) -> float:
    """Return the CPU time of the first thread of a process, where its event loop runs (the kernel's schedstat, in ns)."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start_mosquitto(folder: Path, port: int) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    file = folder / "mosquitto.conf"
    file.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\nset_tcp_nodelay true\nuser root\n"
        # What it does not send at once it drops, in the burst of 5,000 descriptions too.
        "max_queued_messages 100000\n"
    )
    process = subprocess.Popen(
        [os.environ["MOSQUITTO"], "-c", str(file)], stdin=subprocess.DEVNULL
    )
    deadline = time.monotonic() + _PATIENCE
    while True:
        with (
            suppress(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", port)),
        ):
            return process
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failed("mosquitto does not start")
        time.sleep(0.01)


def _textmq_entry(port: int) -> dict[str, Any]:
    subentries = [
        {
            "data": {"device_id": device_id(number)},
            "subentry_id": f"{number:026}",
            "subentry_type": "device",
            "title": f"Device {number}",
            "unique_id": device_id(number),
        }
        for number in range(DEVICES)
    ]
    data = {"host": "127.0.0.1", "port": port, "access": "approve"}
    return _entry(
        "textmq",
        1,
        data,
        unique_id="textmq/broker",
        options={"save_interval": SAVE_SECONDS},
        subentries=subentries,
    )


def _mqtt_entry(port: int) -> dict[str, Any]:
    return _entry("mqtt", 2, {"broker": "127.0.0.1", "port": port, "protocol": "5"})


def _entry(
    domain: str,
    version: int,
    data: Mapping[str, Any],
    *,
    unique_id: str | None = None,
    options: Mapping[str, Any] | None = None,
    subentries: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "created_at": now,
        "data": dict(data),
        "discovery_keys": {},
        "disabled_by": None,
        "domain": domain,
        "entry_id": f"{domain:0>26}",
        "minor_version": 1,
        "modified_at": now,
        "options": dict(options or {}),
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "subentries": subentries or [],
        "title": domain,
        "unique_id": unique_id,
        "version": version,
    }


def _equal(state: str | None, value: str) -> bool:
    try:
        return float(state or "") == float(value)
    except ValueError:
        return False
