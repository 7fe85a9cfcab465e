"""The rows inside a real Home Assistant: 50 devices with 10 entities each, and what one more device can do to it."""

from collections.abc import Callable
import itertools
from pathlib import Path
from subprocess import TimeoutExpired
import time
from typing import Final

from benchmarks.client_side import line
from benchmarks.inside.house import House, Way

from .measure import Times, acting, measure
from .report import Table
from .roles import Flood, Probe, Returning, Role, Script, again, numbered
from .rows import Attack, Bound, Row, Stage
from .target import METER, Target
from .wire import Failed, identify

_DEVICES: Final = 50
_VALUES: Final = 10
_KNOWN: Final = 500
"""Devices that Home Assistant knows."""
_SETTLE_SECONDS: Final = 600
"""For the end of what a row has left, at most: the recorder may have a hundred thousand events to write."""
_CALM: Final = 3.0
"""Percent of the loop below which Home Assistant has done what there was to do."""
_PROBE: Final = Probe(f"device-{_KNOWN - 1}", f"device-{_KNOWN - 1}/probe")


def _describe(device: str, value: int, **more: str) -> bytes:
    return line(
        "DEF",
        VARIABLE=f"{device}/value_{value}",
        TYPE="sensor",
        **({"NAME": f"Value {value}"} | more),
    )


def _publish(device: str, value: int, text: object) -> bytes:
    return line("PUB", VARIABLE=f"{device}/value_{value}", VALUE=text)


def _house(_stage: Stage) -> Role:
    """Return the 50 devices, which describe and publish what they have, and then stay."""
    scripts = []
    for number in range(_DEVICES):
        device = f"device-{number}"
        opening = [identify(device)]
        for value in range(_VALUES):
            opening += [_describe(device, value), _publish(device, value, 20)]
        scripts.append(Script(b"".join(opening), len(opening)))
    return Flood(*scripts)


def _device(number: int, make: Callable[[str, int], bytes], *opening: bytes) -> Attack:
    """Return an attack by a device that sends what a function makes of its ID and 0, 1, 2, ..."""
    device = f"device-{number}"
    return lambda _stage: Flood(
        Script(
            identify(device) + b"".join(opening),
            1 + len(opening),
            numbered(lambda n: make(device, n)),
        )
    )


def _simple(number: int, *lines: bytes) -> Attack:
    return lambda _stage: Flood(Script(identify(f"device-{number}"), 1, again(*lines)))


def _own_values(device: str, n: int) -> bytes:
    return _publish(device, n % _VALUES, n % 1000)


def _values_of_others(_device: str, n: int) -> bytes:
    return _publish(f"device-{n % _DEVICES}", n // _DEVICES % _VALUES, n % 997)


def _described(number: int) -> tuple[bytes, ...]:
    return tuple(_describe(f"device-{number}", value) for value in range(_VALUES))


def _strangers(_stage: Stage) -> Role:
    def script(number: int) -> Script:
        return Script(blocks=numbered(lambda n: identify(f"stranger-{number}-{n}")))

    return Flood(*(script(number) for number in range(31)))


def _stranger_garbage(_stage: Stage) -> Role:
    bad = again(b"START | COMMAND=PUB | END | x\n")
    return Flood(*(Script(line("HELLO?"), 0, bad) for _ in range(31)))


def _returning(number: int) -> bytes:
    return identify(f"device-{200 + number % 200}") + line("CLOSE")


REFERENCE: Final = Row(
    "inside-reference",
    "reference: one harmless device, PUB of a variable without an entity 100 times a second",
    lambda _: Flood(
        Script(
            identify("device-60"),
            1,
            lambda: itertools.repeat(_publish("device-60", 0, 1)),
            pause=0.01,
        )
    ),
    harmless=True,
)

ROWS: Final = (
    REFERENCE,
    Row("inside-get-all", "GET #", _simple(61, line("GET", VARIABLE="#"))),
    Row(
        "inside-sub-all",
        "SUB # again and again",
        _simple(62, line("SUB", VARIABLE="#")),
    ),
    Row(
        "inside-pub-known",
        "PUB of a variable without an entity, as fast as it may",
        _simple(63, _publish("device-63", 0, 1)),
    ),
    Row(
        "inside-pub-same",
        "PUB of the same value to a variable with an entity",
        _device(64, lambda device, _: _publish(device, 0, 1), *_described(64)),
    ),
    Row(
        "inside-pub-entities",
        "PUB of changing values to 10 entities of its own",
        _device(65, _own_values, *_described(65)),
    ),
    Row(
        "inside-pub-others",
        "PUB of changing values to the 500 entities of others",
        _device(66, _values_of_others),
    ),
    Row(
        "inside-pub-text",
        "PUB of changing text of 4 KB to an entity",
        _device(
            67,
            lambda device, n: _publish(device, 0, f"{n} " + "x" * 3900),
            _describe("device-67", 0),
        ),
    ),
    Row(
        "inside-event",
        "PUB RETAIN=NO to an event",
        _device(
            68,
            lambda device, n: line(
                "PUB",
                VARIABLE=f"{device}/event",
                VALUE=("one", "two")[n % 2],
                RETAIN="NO",
            ),
            line("DEF", VARIABLE="device-68/event", TYPE="event", OPTIONS="one,two"),
        ),
    ),
    Row(
        "inside-def",
        "DEF of an entity with ever new names",
        _device(
            69,
            lambda device, n: _describe(device, 0, NAME=f"Name {n}"),
            _describe("device-69", 0),
        ),
    ),
    Row(
        "inside-def-type",
        "DEF of a variable as one type and another in turn",
        _device(
            70,
            lambda device, n: line(
                "DEF", VARIABLE=f"{device}/value_0", TYPE=("sensor", "text")[n % 2]
            ),
        ),
    ),
    Row(
        "inside-def-del",
        "DEF and DEL of a variable in turn",
        _device(
            71,
            lambda device, _: (
                _describe(device, 0) + line("DEL", VARIABLE=f"{device}/value_0")
            ),
        ),
    ),
    Row(
        "inside-def-class",
        "DEF with a wrong CLASS",
        _device(72, lambda device, _: _describe(device, 0, CLASS="temperatures")),
    ),
    Row(
        "inside-msg",
        "MSG to Home Assistant",
        _simple(73, line("MSG", DEVICE="homeassistant", VALUE="hello")),
    ),
    Row(
        "inside-msg-all",
        "MSG DEVICE=* to 50 devices and Home Assistant",
        _simple(74, line("MSG", DEVICE="*", VALUE="hello")),
    ),
    Row(
        "inside-id",
        "ID again and again with ever new names",
        _device(75, lambda device, n: line("ID", ID=device, NAME=f"Name {n}")),
    ),
    Row(
        "inside-returning",
        "200 devices that connect and CLOSE, over and over",
        lambda _: Returning(_returning, 1),
        bound=Bound.NONE,
    ),
    Row(
        "inside-strangers-ids",
        "31 strangers, ever new IDs",
        _strangers,
        bound=Bound.STRANGERS,
    ),
    Row(
        "inside-strangers-garbage",
        "31 strangers, malformed lines",
        _stranger_garbage,
        bound=Bound.STRANGERS,
    ),
    Row(
        "inside-minute-pub-entities",
        "for a minute: PUB of changing values to 10 entities of its own",
        _device(76, _own_values, *_described(76)),
        paced=True,
    ),
    Row(
        "inside-minute-get-all",
        "for a minute: GET #",
        _simple(77, line("GET", VARIABLE="#")),
        paced=True,
    ),
    Row(
        "inside-minute-msg",
        "for a minute: MSG to Home Assistant",
        _simple(78, line("MSG", DEVICE="homeassistant", VALUE="hello")),
        paced=True,
    ),
    Row(
        "inside-def-new",
        "DEF of 300 new variables at once",
        lambda _: Flood(
            Script(
                identify("device-79"),
                1,
                numbered(
                    lambda n: line("DEF", VARIABLE=f"device-79/new_{n}", TYPE="sensor"),
                    count=300,
                ),
            )
        ),
    ),
)


def measure_inside(
    table: Table,
    wanted: Callable[[str], bool],
    checkout: Path,
    folder: Path,
    times: Times,
    rounds: int,
    say: Callable[[str], None],
) -> None:
    """Measure rows in one Home Assistant, one after the other; add samples and failures to the table."""
    rows = [row for row in ROWS if wanted(row.name)]
    if not rows:
        return
    if REFERENCE not in rows:
        rows.insert(0, REFERENCE)
    figures = folder / "figures.json"
    config = folder / "config"
    config.mkdir()
    meter = {"PROBE_METER": str(METER), "TEXTMQ_METER": str(figures)}
    house = House(config, Way.TEXTMQ, meter=meter, checkout=checkout)
    say("starting Home Assistant")
    target = None
    house.start()
    try:
        house.wait_until_running()
        target = Target(house.broker_port, house.pid, figures, config / "output.log")
        target.prefer()
        with acting(target.port) as start:
            start(_house(Stage(target.port, 0))).tell([])
            for number in range(rounds):
                for row in (*rows, REFERENCE):
                    _calm(house, target)
                    try:
                        sample = measure(target, row, 0, times, _PROBE)
                    except (Failed, OSError) as err:
                        table.failures[row] = str(err)
                        say(f"[{number + 1}] {row.name}: FAILED, {err}")
                        if not target.runs():
                            return
                        continue
                    table.samples.setdefault(row, []).append(sample)
                    say(
                        f"[{number + 1}] {row.name}: {sample.line:.3f} ms a line, {sample.share:.1f} % of the loop, "
                        f"p99 {sample.p99:.1f}, slice {sample.slice:.1f}, turn {sample.turn:.1f} ms"
                    )
    finally:
        if target is not None and target.runs():
            _calm(house, target)
        say("stopping Home Assistant")
        try:
            house.stop()
        except TimeoutExpired:
            table.failures[rows[-1]] = "Home Assistant does not stop afterwards"


def _calm(house: House, target: Target) -> None:
    """Wait until Home Assistant and its recorder have done what the row before has left."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        target.read_meter()
        time.sleep(1)
        figures = target.read_meter()
        quiet = figures["cpu"] / figures["wall"] * 100 < _CALM
        if quiet and not house.probe()["backlog"]:
            return
