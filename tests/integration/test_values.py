"""What texts of the wire are as values, and values as commands."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
import yaml

from custom_components.textmq.broker import Definition
from custom_components.textmq.hub.runtime_data import RuntimeData
from custom_components.textmq.kinds import KINDS, Reader
from custom_components.textmq.values import (
    InvalidValue,
    is_number,
    parse_number,
    parse_on_off,
    spell_number,
)
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from .conftest import Connect, shown

UNFIT = object()


def value_of(read: Reader, text: str) -> Any:
    """Return what is read, UNFIT where the text does not fit."""
    try:
        return read(text)
    except InvalidValue:
        return UNFIT


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("+5", 5),
        ("-5", -5),
        (" 5 ", 5),
        ("005", 5),
        ("5.", 5.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("+1.50", 1.5),
        ("-0", 0),
        ("123456789012345678", 123456789012345678),
        ("1732305000123", 1732305000123),
        ("\uff15", 5),
        ("1,5", UNFIT),
        ("1.000,5", UNFIT),
        ("1 000", UNFIT),
        ("1_000", UNFIT),
        ("0x10", UNFIT),
        ("--5", UNFIT),
        ("+-5", UNFIT),
        ("5%", UNFIT),
        ("nan", UNFIT),
        ("Infinity", UNFIT),
        ("1e400", UNFIT),
        ("ON", UNFIT),
        (" ", UNFIT),
        ("None", UNFIT),
        ("unavailable", UNFIT),
    ],
)
def test_numbers(text: str, value: Any) -> None:
    """Digits as they are; whatever else reads as a number, as that number; nothing is guessed."""
    found = value_of(parse_number, text)
    assert found == value
    assert type(found) is type(value)
    if value is not UNFIT:
        assert is_number(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            (word, True)
            for word in ("ON", "on", "On", " ON ", "1", "true", "YES", "open")
        ),
        *((word, False) for word in ("OFF", "off", "0", "False", "no", "CLOSED")),
        *(
            (word, UNFIT)
            for word in ("2", "01", "1.0", "t", "ONN", "enabled", "\u0131")
        ),
    ],
)
def test_on_and_off(text: str, value: Any) -> None:
    """The usual words for either, in any case."""
    assert value_of(parse_on_off, text) is value


@pytest.mark.parametrize(
    ("device_class", "text", "value"),
    [
        ("timestamp", "1795569024", datetime(2026, 11, 25, 1, 10, 24, tzinfo=UTC)),
        ("uptime", "1795569024", datetime(2026, 11, 25, 1, 10, 24, tzinfo=UTC)),
        ("timestamp", " 0 ", datetime(1970, 1, 1, tzinfo=UTC)),
        (
            "timestamp",
            "2026-11-22T19:50:00Z",
            datetime(2026, 11, 22, 19, 50, tzinfo=UTC),
        ),
        (
            "timestamp",
            "2026-11-22 20:50:00+0100",
            datetime(2026, 11, 22, 19, 50, tzinfo=UTC),
        ),
        ("timestamp", "2026-11-22T19:50:00", UNFIT),
        ("timestamp", "2026-11-22", UNFIT),
        ("timestamp", "1764000000000", UNFIT),
        ("timestamp", "\uff11\uff12", UNFIT),
        ("date", "2026-11-22", date(2026, 11, 22)),
        ("date", "22.11.2026", UNFIT),
        ("date", "1764000000", UNFIT),
        ("enum", "wet", "wet"),
        ("enum", "Wet", UNFIT),
        ("temperature", "21", 21),
        ("temperature", "warm", UNFIT),
        (None, "warm", "warm"),
        (None, "x" * 256, UNFIT),
    ],
)
def test_sensors(device_class: str | None, text: str, value: Any) -> None:
    """The class tells what the values of a sensor are."""
    definition = Definition(
        type="sensor",
        device_class=device_class,
        options=("dry", "wet") if device_class == "enum" else (),
    )
    assert value_of(KINDS["sensor"].reader(definition), text) == value


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("switch", True, "ON"),
        ("switch", False, "OFF"),
        ("number", 5.0, "5"),
        ("number", 0.1 + 0.2, "0.3"),
        ("number", 52.123456789, "52.123456789"),
        ("number", 1732305000123.0, "1732305000123"),
        ("number", 123456789012345.0, "123456789012345"),
        ("number", -0.000001, "-0.000001"),
        ("number", 1e15, "1000000000000000"),
        ("select", "Eco, low", "Eco, low"),
        ("text", "hello", "hello"),
        ("button", None, "PRESS"),
    ],
)
def test_commands(kind: str, value: Any, text: str) -> None:
    """Numbers are plain and have the 15 digits that they are sure of."""
    assert KINDS[kind].spell(value) == text
    if kind == "number":
        assert parse_number(spell_number(value)) == pytest.approx(value, rel=1e-15)


async def test_a_bare_on_in_yaml(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """YAML makes a boolean of it: it is published as devices read it, and compared with what they publish."""
    automations = yaml.safe_load("""
        - alias: test
          triggers:
            - trigger: textmq.variable_published
              options: {variable: garden/pump, value: on}
          conditions:
            - condition: textmq.variable_is
              options: {variable: garden/pump, value: yes}
          actions:
            - action: textmq.publish
              data: {variable: garden/lamp, value: off}
    """)
    assert await async_setup_component(hass, "automation", {"automation": automations})
    client = await connect("garden")
    for name in ("garden/pump", "garden/lamp"):
        await client.ok("DEF", VARIABLE=name, TYPE="switch")
    await client.ok("PUB", VARIABLE="garden/pump", VALUE="ON")
    await hass.async_block_till_done()
    assert (await rooms.actions.get("garden/lamp")).value == "OFF"
    assert shown(hass, "switch", "garden/lamp").state == "off"
