"""A Home Assistant with TextMQ says nothing at warning or above that it does not say without: not of us, nor for us."""

from pathlib import Path

import pytest

from scripts.home_assistant import HomeAssistant, troubles
from tests.broker.client import Client
from tests.esphome.house import House

from .conftest import free_port, wait_for

VALUES = {
    "temperature": "21.5",
    "power": "140",
    "energy": "12.25",
    "mode": "eco",
    "seen": "2026-11-25T12:00:00+00:00",
    "word": "a word",
    "door": "ON",
    "pump": "OFF",
    "target": "19",
    "program": "fast",
    "note": "hello",
}
DESCRIBED = (
    r"DEF | VARIABLE=garden/temperature | TYPE=sensor | UNIT=\u00b0C | CLASS=temperature | EXPIRE=3600",
    "DEF | VARIABLE=garden/power | TYPE=sensor | UNIT=W | CLASS=power | PRECISION=0",
    "DEF | VARIABLE=garden/energy | TYPE=sensor | UNIT=kWh | CLASS=energy | STATE=total_increasing",
    "DEF | VARIABLE=garden/mode | TYPE=sensor | CLASS=enum | OPTIONS=eco,full",
    "DEF | VARIABLE=garden/seen | TYPE=sensor | CLASS=timestamp | CATEGORY=diagnostic",
    "DEF | VARIABLE=garden/door | TYPE=binary_sensor | CLASS=door | PART=gate | PART_NAME=Gate",
    "DEF | VARIABLE=garden/pump | TYPE=switch | ICON=mdi:pump",
    "DEF | VARIABLE=garden/target | TYPE=number | MIN=5 | MAX=30 | CATEGORY=config",
    "DEF | VARIABLE=garden/program | TYPE=select | OPTIONS=slow,fast",
    "DEF | VARIABLE=garden/note | TYPE=text | MAX=20",
    "DEF | VARIABLE=garden/restart | TYPE=button | CLASS=restart",
    "DEF | VARIABLE=garden/bell | TYPE=event | CLASS=doorbell | OPTIONS=ring",
)
SHOWN = len(VALUES) + 2
"""Variables: those with a value, the button and the event."""


def bare(folder: Path) -> set[str]:
    """Return what a Home Assistant without TextMQ says of itself and of this machine."""
    home_assistant = HomeAssistant(folder, free_port())
    try:
        home_assistant.start()
        home_assistant.wait_until_running()
    finally:
        assert home_assistant.stop() == 0
    return set(troubles(home_assistant.log.read_text()))


def introduce(house: House) -> None:
    """Let a device come for the first time, with one variable of every kind."""
    with Client(house.address, timeout=60) as client:
        client.send("ID", ID="garden")
        house.approve("garden")
        assert client.answer().command == "OK"
        for line in DESCRIBED:
            client.send_bytes(f"START | COMMAND={line} | END\n".encode())
            assert client.answer().command == "OK", line
        publish(house, client)


def publish(house: House, client: Client) -> None:
    """Publish all values and an event, and wait until each variable has its entity with a state."""
    for name, value in VALUES.items():
        client.ok("PUB", VARIABLE=f"garden/{name}", VALUE=value)
    client.ok("PUB", VARIABLE="garden/bell", VALUE="ring", RETAIN="NO")
    client.ok("MSG", DEVICE="homeassistant", VALUE="hello")
    wait_for(lambda: len(house.entities()) == SHOWN, "the entities")
    temperature = house.entities()["garden/temperature"]
    wait_for(lambda: house.state(temperature)["state"] == "21.5", "the values")


@pytest.fixture
def house_log(tmp_path: Path) -> list[str]:
    """What a Home Assistant says that has TextMQ: on the day it is added, and after a restart with all that is there then."""
    expected = bare(tmp_path)
    house = House(tmp_path)
    said: list[str] = []
    try:
        introduce(house)
        house.stop()
        said += troubles(house.home_assistant.log.read_text())
        house.start()
        with Client(house.address, timeout=60) as client:
            client.ok("ID", ID="garden")
            publish(house, client)
    finally:
        house.stop()
    said += troubles(house.home_assistant.log.read_text())
    return [one for one in said if one not in expected]


def test_nothing_is_said(house_log: list[str]) -> None:
    """A start, a device that comes, describes one of each kind and publishes, and a restart: no line more than without."""
    assert house_log == []
