"""Measures the cost of a load in a Home Assistant, and of a start with stored variables."""

from dataclasses import dataclass
from pathlib import Path
import statistics
import time
from typing import Final

from .house import Failed, House, Running, Way, cpu_seconds, loop_seconds
from .load import DEVICES, VALUES

_IDLE_SECONDS: Final = 20
_LOOK_SECONDS: Final = 4
"""Between two looks whether all is written."""
_QUIET_SECONDS: Final = 12
"""Without a written state until all is done: the recorder commits each 5 s, the broker saves each 10 s here."""
_SETTLE_SECONDS: Final = 120
"""For that, at most."""
_WARM_UP: Final = (1000, 8.0, DEVICES)


type Idle = list[float]
"""CPU seconds a second at rest: of Home Assistant, its event loop, mosquitto."""


@dataclass(frozen=True)
class Load:
    """Publishes at an even pace; each changes the value of its variable."""

    rate: int
    """Publishes a second, of all devices together."""
    devices: int = DEVICES

    @property
    def title(self) -> str:
        """What it is called in the report."""
        return f"{self.rate:,}/s, {self.devices * VALUES:,} variables"


LOADS: Final = (Load(100), Load(1000), Load(5000), Load(5000, devices=10))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one load cost; CPU in µs a publish, without what Home Assistant uses when nothing is published."""

    process: float
    """All threads of Home Assistant."""
    loop: float
    """The thread of the event loop."""
    mosquitto: float
    """mosquitto, which runs on the other core."""
    late: float
    """How late a timer of the event loop fired every 5 ms, median, ms."""
    late99: float
    """The same, 99th percentile."""
    latest: float
    """The same, longest."""
    collector: float
    """The longest run of Python's garbage collector, ms."""
    rate: float
    """Publishes a second that the load generator reached."""
    generator: float
    """Share of its core that it used, percent."""
    shown: float
    """From the last publish until the last state was written, s."""
    backlog: int
    """Changes that the recorder had not taken when the load ended."""


@dataclass(frozen=True)
class Start:
    """One start of Home Assistant."""

    seconds: float
    """Until it said that it had started."""
    cpu: float
    """CPU seconds until then."""
    entities: int
    """Sensors with a state by then."""
    longest: float
    """The longest slice of the event loop for TextMQ without the garbage collector, ms."""
    collector: float
    """The longest run of the garbage collector, ms."""


def settle(running: Running) -> Idle:
    """Publish every value, so that all caches are filled, and measure the CPU at rest."""
    running.house.probe()
    running.devices.run(*_WARM_UP)
    _wait_until_quiet(running.house)
    before = _read(running)
    time.sleep(_IDLE_SECONDS)
    after = _read(running)
    return [
        (later - sooner) / _IDLE_SECONDS
        for sooner, later in zip(before.cpu, after.cpu, strict=True)
    ]


def measure(running: Running, idle: Idle, load: Load, seconds: float) -> Sample:
    """Carry out a load. Raises Failed where a last value is lost."""
    house, devices = running.house, running.devices
    house.probe()
    begun = _read(running)
    done = devices.run(load.rate, seconds, load.devices)
    ended = time.time()
    seen = house.probe()
    written = _wait_until_quiet(house)
    after = _read(running)
    house.wait_for(devices.values)
    took = after.time - begun.time
    process, loop, mosquitto = (
        (later - sooner - rest * took) / done["sent"] * 1e6
        for rest, sooner, later in zip(idle, begun.cpu, after.cpu, strict=True)
    )
    late = sorted(seen["late"])
    return Sample(
        process=process,
        loop=loop,
        mosquitto=mosquitto,
        late=statistics.median(late) * 1e3,
        late99=statistics.quantiles(late, n=100)[98] * 1e3,
        latest=late[-1] * 1e3,
        collector=max(seen["collected"], default=0.0) * 1e3,
        rate=done["rate"],
        generator=done["busy"] * 100,
        shown=max(0.0, written - ended),
        backlog=seen["backlog"],
    )


def measure_start(folder: Path) -> Start:
    """Start a Home Assistant with TextMQ that has been started before in this folder, without devices."""
    house = House(folder, Way.TEXTMQ, slices=True)
    house.start()
    try:
        house.wait_until_running()
        seen = house.probe()
    finally:
        house.stop()
    ours = [
        seconds - collecting
        for seconds, collecting, name in seen["slices"]
        if Way.TEXTMQ.value in name
    ]
    return Start(
        seconds=seen["started"]["seconds"],
        cpu=seen["started"]["cpu"],
        entities=seen["started"]["sensors"],
        longest=max(ours, default=0.0) * 1e3,
        collector=max(seen["collected"], default=0.0) * 1e3,
    )


@dataclass(frozen=True)
class _Reading:
    """The clocks of Home Assistant, its event loop, mosquitto: in seconds."""

    time: float
    cpu: tuple[float, float, float]


def _read(running: Running) -> _Reading:
    house, mosquitto = running.house.pid, running.mosquitto
    return _Reading(
        time.monotonic(),
        (
            cpu_seconds(house),
            loop_seconds(house),
            cpu_seconds(mosquitto) if mosquitto else 0.0,
        ),
    )


def _wait_until_quiet(house: House) -> float:
    """Wait until all is written; return when the last state was, in seconds since 1970. Raises Failed."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        seen = house.probe()
        if not seen["backlog"] and time.time() - seen["written"] > _QUIET_SECONDS:
            return float(seen["written"])
    raise Failed(f"{house.way.value}: states are still written long after the load")
