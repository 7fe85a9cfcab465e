"""Variables as sensors: numbers, texts, what does not fit, how often states are written."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from .announced import Announced
from .client import until
from .conftest import Connect, entity_id, registered, shown, state_of

NAME = "garden/soil"


async def settled(rooms: RuntimeData) -> None:
    """Wait until no entity has anything more to write."""
    await until(lambda: not rooms.writer.busy)


async def test_number(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A variable whose value is a number becomes a sensor with graphs, at once."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="21.5")
    await hass.async_block_till_done()
    state = shown(hass, "sensor", NAME)
    assert state.entity_id == "sensor.garden_soil"
    assert state.state == "21.5"
    assert state.attributes["state_class"] == "measurement"
    assert state.attributes["friendly_name"] == "Garden Soil"
    assert state.attributes["variable"] == NAME
    assert state.attributes["published"].timestamp() == pytest.approx(
        (await rooms.actions.get(NAME)).time
    )


@pytest.mark.parametrize(
    ("name", "friendly_name"),
    [
        ("garden/soil_moisture", "Garden Soil moisture"),
        ("garden/bed/2/soil", "Garden Bed 2 soil"),
        ("soil", "Garden Soil"),
        ("garden/_", "Garden _"),
        ("garden/{{ 1 }}<b>", "Garden {{ 1 }}<b>"),
    ],
)
async def test_name(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    name: str,
    friendly_name: str,
) -> None:
    """Without a description the name is made of the variable's."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=name, VALUE="1")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", name).attributes["friendly_name"] == friendly_name


@pytest.mark.parametrize(
    ("values", "state", "numeric"),
    [
        (["hello"], "hello", False),
        (["-3"], "-3", True),
        (["1e3"], "1000.0", True),
        (["123456789012345678"], "123456789012345678", True),
        (["1" * 31], "1.11111111111111e+30", True),
        (["1_000"], "1_000", False),
        (["hello", "3"], "3", False),
        (["3", "hello"], "unknown", True),
        (["nan"], "unknown", True),
        (["3", "inf"], "unknown", True),
        (["", "3"], "3", True),
        (["3", ""], "unknown", True),
        (["x" * 255], "x" * 255, False),
        (["x" * 256], "unknown", False),
        ([r"21 \u00b0C"], "21 °C", False),
        ([r"a\u0000b"], "a\ufffdb", False),
        ([r"two\nlines"], "two\nlines", False),
    ],
)
async def test_values(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    values: list[str],
    state: str,
    numeric: bool,
    announced_warnings: Announced,
) -> None:
    """The first value decides whether it is a number; what does not fit is unknown."""
    if state == "unknown" and values[-1]:
        announced_warnings.append(
            "is text where a number is|is not a finite number|is longer than 255"
        )
    client = await connect("garden")
    for value in values:
        await client.ok("PUB", VARIABLE=NAME, VALUE=value)
        await hass.async_block_till_done()
        await settled(rooms)
    found = shown(hass, "sensor", NAME)
    assert found.state == state
    assert ("state_class" in found.attributes) is numeric


def shows_text(hass: HomeAssistant, text: str) -> bool:
    """Tell whether a text that does not fit has arrived."""
    attributes = shown(hass, "sensor", "garden/b").attributes
    return attributes.get("text") == text


@pytest.mark.announced_warnings(
    "is text where a number is expected", "is not a finite number"
)
async def test_unfit(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What does not fit is in an attribute, and one line for each cause is in the log."""
    client = await connect("garden")
    for name in ("garden/a", "garden/b"):
        await client.ok("DEF", VARIABLE=name, TYPE="sensor", UNIT="%")
    for text in ("full", "empty", "nan", "nan"):
        for name in ("garden/a", "garden/b"):
            await client.ok("PUB", VARIABLE=name, VALUE=text)
        await until(partial(shows_text, hass, text))
    assert [one for one in caplog.messages if one.startswith("Device 'garden': ")] == [
        "Device 'garden': 'garden/a' is text where a number is expected",
        "Device 'garden': 'garden/a' is not a finite number",
    ]
    await client.ok("PUB", VARIABLE="garden/a", VALUE="7")
    await until(lambda: shown(hass, "sensor", "garden/a").state == "7")
    assert "text" not in shown(hass, "sensor", "garden/a").attributes


@pytest.mark.announced_warnings("it is odd")
async def test_complaints_are_limited(
    rooms: RuntimeData, caplog: pytest.LogCaptureFixture
) -> None:
    """Ever new causes don't fill the log."""
    for number in range(1100):
        rooms.warn_once(f"device\n{number}", "is odd")
    lines = [one for one in caplog.messages if "is odd" in one]
    assert len(lines) == 1000
    assert lines[0] == "Device 'device 0': it is odd"


async def test_description(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    entity_registry: er.EntityRegistry,
) -> None:
    """A sensor takes everything from its description, live; what a person has set stays."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="21.46")
    await hass.async_block_till_done()
    found = shown(hass, "sensor", NAME).entity_id
    entity_registry.async_update_entity(found, name="My soil", icon="mdi:flower")
    await client.ok(
        "DEF",
        VARIABLE=NAME,
        TYPE="sensor",
        NAME=r"Soil \u00b0",
        UNIT=r"\u00b0C",
        CLASS="temperature",
        CATEGORY="diagnostic",
        ICON="mdi:thermometer",
        PRECISION="1",
    )
    await hass.async_block_till_done()
    state = hass.states.get(found)
    assert state.state == "21.46"
    assert state.attributes["unit_of_measurement"] == "°C"
    assert state.attributes["device_class"] == "temperature"
    assert state.attributes["state_class"] == "measurement"
    # From 2026.11 on the device's name stands before it.
    assert state.attributes["friendly_name"] in ("My soil", "Garden My soil")
    assert state.attributes["icon"] == "mdi:flower"
    entry = entity_registry.async_get(found)
    assert entry.original_name == "Soil °"
    assert entry.original_icon == "mdi:thermometer"
    assert entry.original_device_class == "temperature"
    assert entry.entity_category == "diagnostic"
    assert entry.unit_of_measurement == "°C"
    assert entry.options["sensor"]["suggested_display_precision"] == 1
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", NAME="Soil")
    await hass.async_block_till_done()
    entry = entity_registry.async_get(found)
    assert entry.original_icon is None
    assert entry.entity_category is None
    assert "unit_of_measurement" not in state_of(hass, found).attributes
    await client.ok("DEF", VARIABLE=NAME)
    await hass.async_block_till_done()
    assert entity_registry.async_get(found).original_name == "Soil"
    assert state_of(hass, found).state == "21.46"


@pytest.mark.parametrize(
    ("definition", "value", "state", "attributes"),
    [
        ({"STATE": "total_increasing"}, "5", "5", {"state_class": "total_increasing"}),
        (
            {"CLASS": "energy", "UNIT": "kWh"},
            "5.5",
            "5.5",
            {"state_class": "total_increasing", "unit_of_measurement": "kWh"},
        ),
        (
            {"CLASS": "energy", "UNIT": "kWh", "STATE": "measurement"},
            "5.5",
            "5.5",
            {"state_class": "total_increasing"},
        ),
        (
            {"CLASS": "energy", "UNIT": "kWh", "STATE": "total"},
            "5.5",
            "5.5",
            {"state_class": "total"},
        ),
        ({"MODE": "text"}, "007", "007", {"state_class": None}),
        ({}, "007", "7", {"state_class": "measurement"}),
        ({}, "seven", "seven", {"state_class": None}),
        ({"PRECISION": "0"}, "seven", "unknown", {"text": "seven"}),
        (
            {"CLASS": "timestamp"},
            "2026-11-22T19:50:00Z",
            "2026-11-22T19:50:00+00:00",
            {"device_class": "timestamp", "state_class": None},
        ),
        ({"CLASS": "timestamp"}, "2026-11-22T19:50:00", "unknown", {}),
        ({"CLASS": "timestamp"}, "today", "unknown", {"text": "today"}),
        ({"CLASS": "date"}, "2026-11-22", "2026-11-22", {}),
        ({"CLASS": "date"}, "today", "unknown", {"text": "today"}),
        (
            {"CLASS": "enum", "OPTIONS": "dry,wet"},
            "wet",
            "wet",
            {"options": ["dry", "wet"]},
        ),
        ({"CLASS": "enum", "OPTIONS": "dry,wet"}, "flooded", "unknown", {}),
        ({"CLASS": "enum"}, "flooded", "flooded", {}),
        ({"OPTIONS": "dry,wet"}, "flooded", "flooded", {"options": None}),
        ({"CLASS": "monetary", "UNIT": "EUR"}, "3", "3", {"state_class": "total"}),
        ({"CLASS": "temperature", "UNIT": r"\u00b0F"}, "50", "10.0", {}),
    ],
)
async def test_kinds_of_values(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    definition: dict[str, str],
    value: str,
    state: str,
    attributes: dict[str, Any],
    announced_warnings: Announced,
) -> None:
    """Class, unit and state class decide how a value is read."""
    if state == "unknown":
        announced_warnings.append(
            "is text where a number is|is no time|is no date|is none of its options"
        )
    client = await connect("garden")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", **definition)
    await client.ok("PUB", VARIABLE=NAME, VALUE=value)
    await hass.async_block_till_done()
    found = shown(hass, "sensor", NAME)
    assert found.state == state
    assert {key: found.attributes.get(key) for key in attributes} == attributes


@pytest.mark.announced_warnings("is described wrongly")
async def test_impossible_description(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A description that no entity could come of is refused, with what would be right."""
    client = await connect("garden")
    answer = await client.do("DEF", VARIABLE=NAME, TYPE="sensor", CLASS="temprature")
    assert answer["REASON"] == "bad-definition"
    assert "perhaps temperature" in answer["DETAIL"]


async def test_other_spelling_of_unit(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Both micro signs are the same to Home Assistant, so they are to us."""
    client = await connect("garden")
    await client.ok(
        "DEF", VARIABLE=NAME, TYPE="sensor", CLASS="pm25", UNIT=r"\u00b5g/m\u00b3"
    )
    await client.ok("PUB", VARIABLE=NAME, VALUE="3")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).attributes["unit_of_measurement"] == "μg/m³"


@pytest.mark.parametrize("kind", ["light", "cover", "fan", "lock", "valve", "climate"])
async def test_kinds_that_follow(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect, kind: str
) -> None:
    """Kinds without a platform of their own show as sensors, and their description is kept."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE=NAME, TYPE=kind, NAME="Thing", CLASS="curtain")
    await client.ok("PUB", VARIABLE=NAME, VALUE="OPEN")
    await hass.async_block_till_done()
    found = shown(hass, "sensor", NAME)
    assert (found.state, found.attributes["friendly_name"]) == ("OPEN", "Garden Thing")
    assert (await rooms.actions.get(NAME)).definition.type == kind


async def test_hidden(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    entity_registry: er.EntityRegistry,
) -> None:
    """A hidden variable is an entity that is disabled; publishing to it does no harm."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", HIDDEN="YES")
    await hass.async_block_till_done()
    found = entity_id(hass, "sensor", NAME)
    assert (
        entity_registry.async_get(found).disabled_by
        is er.RegistryEntryDisabler.INTEGRATION
    )
    await client.ok("PUB", VARIABLE=NAME, VALUE="3")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", HIDDEN="YES", UNIT="%")
    await hass.async_block_till_done()
    assert hass.states.get(found) is None
    await client.ok("DEL", VARIABLE=NAME)
    await hass.async_block_till_done()
    assert entity_registry.async_get(found) is None


async def test_delete(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    entity_registry: er.EntityRegistry,
) -> None:
    """A deleted variable is gone from the registry; what a person has set comes back with it."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="3")
    await hass.async_block_till_done()
    found = entity_id(hass, "sensor", NAME)
    entity_registry.async_update_entity(found, name="My soil")
    await client.ok("DEL", VARIABLE=NAME)
    await hass.async_block_till_done()
    assert hass.states.get(found) is None
    assert entity_registry.async_get(found) is None
    await client.ok("PUB", VARIABLE=NAME, VALUE="4")
    await hass.async_block_till_done()
    assert state_of(hass, found).state == "4"
    assert entity_registry.async_get(found).name == "My soil"
    client.send("PUB", VARIABLE="garden/brief", VALUE="1")
    await client.ok("DEL", VARIABLE=NAME)
    client.send("PUB", VARIABLE="garden/briefer", VALUE="1")
    client.send("DEL", VARIABLE="garden/briefer")
    await client.answer()
    await client.answer()
    await hass.async_block_till_done()
    assert not entity_id(hass, "sensor", "garden/briefer")


async def test_publish_without_retain(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A publish that is not stored changes an entity that is there, and makes none."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="3", RETAIN="NO")
    await hass.async_block_till_done()
    assert not entity_id(hass, "sensor", NAME)
    await client.ok("PUB", VARIABLE=NAME, VALUE="3")
    await hass.async_block_till_done()
    await client.ok("PUB", VARIABLE=NAME, VALUE="4", RETAIN="NO")
    await until(lambda: shown(hass, "sensor", NAME).state == "4")


async def test_writes_are_joined(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """The first change is written at once, those that follow at most every 100 ms; the last is never lost."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="0")
    await client.ok("PUB", VARIABLE="garden/other", VALUE="0")
    await hass.async_block_till_done()
    writes = async_capture_events(hass, EVENT_STATE_CHANGED)
    for number in range(1, 200):
        client.send("PUB", VARIABLE=NAME, VALUE=number, ACK="NO")
    await client.ok("PUB", VARIABLE="garden/other", VALUE="1")
    assert [event.data["new_state"].state for event in writes] == ["1", "1"]
    await until(lambda: shown(hass, "sensor", NAME).state == "199")
    assert len(writes) == 3
    assert writes[1].data["entity_id"] != writes[0].data["entity_id"]


async def test_unchanged_values_are_not_written(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """The same value again is no change, nor is a change that is taken back in time."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="1")
    await hass.async_block_till_done()
    writes = async_capture_events(hass, EVENT_STATE_CHANGED)
    for value in ("1", "1", "2", "1", "2"):
        client.send("PUB", VARIABLE=NAME, VALUE=value, ACK="NO")
    await client.do("HELLO?")
    await settled(rooms)
    assert [event.data["new_state"].state for event in writes] == ["2"]


async def test_expiry(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A value that is older than its description allows is worth nothing, until the next."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", EXPIRE="1")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "unknown"
    await client.ok("PUB", VARIABLE=NAME, VALUE="5")
    await until(lambda: shown(hass, "sensor", NAME).state == "5")
    await until(lambda: shown(hass, "sensor", NAME).state == "unavailable")
    await client.ok("PUB", VARIABLE=NAME, VALUE="5")
    await until(lambda: shown(hass, "sensor", NAME).state == "5")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor")
    await asyncio.sleep(2.2)
    assert shown(hass, "sensor", NAME).state == "5"


def shows_state(hass: HomeAssistant, state: str) -> bool:
    """Tell whether the variable has a state."""
    return shown(hass, "sensor", NAME).state == state


async def test_a_value_of_the_future(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the clock was wrong once it is out of date, as long as its time is later than now."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", EXPIRE="60")
    await client.ok("PUB", VARIABLE=NAME, VALUE="5")
    await until(lambda: shown(hass, "sensor", NAME).state == "5")
    now = rooms.broker.now
    for wrong, state in ((-3600, "unavailable"), (30, "5"), (90, "unavailable")):
        shifted = now() + wrong
        monkeypatch.setattr(rooms.broker, "now", partial(float, shifted))
        await until(partial(shows_state, hass, state))


async def test_expiry_that_is_described_no_more(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A value that was out of date counts again."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", EXPIRE="1")
    await client.ok("PUB", VARIABLE=NAME, VALUE="5")
    await until(lambda: shown(hass, "sensor", NAME).state == "unavailable")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor")
    assert shown(hass, "sensor", NAME).state == "5"


@pytest.mark.announced_warnings("is text where a number is expected")
async def test_restart(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """After a restart values are there with their times before their device is; numbers stay numbers."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="3")
    await hass.async_block_till_done()
    await client.ok("PUB", VARIABLE=NAME, VALUE="dry")
    await client.ok("DEF", VARIABLE="garden/plan", TYPE="sensor", NAME="Plan")
    await rooms.actions.publish("garden/plan", "soon")
    time = (await rooms.actions.get(NAME)).time
    await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    state = shown(hass, "sensor", NAME)
    assert state.state == "unknown"
    assert state.attributes["state_class"] == "measurement"
    assert state.attributes["text"] == "dry"
    assert state.attributes["published"].timestamp() == pytest.approx(time, abs=0.001)
    plan = shown(hass, "sensor", "garden/plan")
    assert (plan.state, plan.attributes["friendly_name"]) == ("soon", "Garden Plan")
    assert state_of(hass, "binary_sensor.garden_connection").state == "off"


async def test_stale_entities(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    entity_registry: er.EntityRegistry,
    connect: Connect,
) -> None:
    """Entities of variables that are no more, or are something else by now, go at the start."""
    ids = [
        entity_registry.async_get_or_create(
            platform, "textmq", f"variable/{name}", config_entry=entry
        ).entity_id
        for platform, name in (("sensor", "gone"), ("switch", NAME), ("sensor", NAME))
    ]
    folder = hass.config.path("textmq")
    await hass.async_add_executor_job(_store, folder)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert [entity_registry.async_get(one) is not None for one in ids] == [
        False,
        False,
        True,
    ]


def _store(folder: str) -> None:
    Path(folder).mkdir()
    Path(folder, "garden%2Fsoil.txt").write_text(
        f"START | COMMAND=PUB | VARIABLE={NAME} | VALUE=1"
        " | TIME=2026-11-22T19:50:00.123Z | DEVICE=garden | END\n"
    )


async def restart(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Restart the broker, as its clients see it."""
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()


def numeric_option(hass: HomeAssistant) -> object:
    """Return what is kept of whether the variable is a number, None for nothing."""
    options = registered(hass, entity_id(hass, "sensor", NAME)).options
    return dict(options.get("textmq") or {}).get("numeric")


@pytest.mark.parametrize(
    ("first", "later", "numeric"),
    [("A1B2", "1234", False), ("1234", "A1B2", True)],
    ids=["text", "number"],
)
async def test_an_installation_that_did_not_keep_the_decision(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    entity_registry: er.EntityRegistry,
    announced_warnings: Announced,
    first: str,
    later: str,
    numeric: bool,
) -> None:
    """A sensor of before is what it was: a number has a state class in the registry, a text has none."""
    if numeric:
        announced_warnings.append("is text where a number is expected")
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE=first)
    await hass.async_block_till_done()
    await client.ok("PUB", VARIABLE=NAME, VALUE=later)
    await hass.config_entries.async_unload(entry.entry_id)
    found = entity_id(hass, "sensor", NAME)
    entity_registry.async_update_entity_options(found, "textmq", None)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    state = state_of(hass, found)
    assert state.state == ("unknown" if numeric else later)
    assert ("state_class" in state.attributes) is numeric
    assert numeric_option(hass) is numeric


async def test_a_description_that_is_taken_away(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """What the first value decided before counts again, over restarts too."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="A1B2")
    await hass.async_block_till_done()
    await client.ok("PUB", VARIABLE=NAME, VALUE="1234")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", UNIT="%")
    await until(lambda: shown(hass, "sensor", NAME).state == "1234")
    assert shown(hass, "sensor", NAME).attributes["state_class"] == "measurement"
    await restart(hass, entry)
    client = await connect("garden")
    await client.ok("DEF", VARIABLE=NAME)
    for _ in range(2):
        state = shown(hass, "sensor", NAME)
        assert (state.state, "state_class" in state.attributes) == ("1234", False)
        assert numeric_option(hass) is False
        await restart(hass, entry)


async def test_a_description_of_the_beginning_that_is_taken_away(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Then the value of that moment is the first that decides."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE=NAME, TYPE="sensor", MODE="text")
    await client.ok("PUB", VARIABLE=NAME, VALUE="007")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "007"
    assert numeric_option(hass) is None
    await client.ok("DEF", VARIABLE=NAME)
    await hass.async_block_till_done()
    assert numeric_option(hass) is True
    await restart(hass, entry)
    state = shown(hass, "sensor", NAME)
    assert (state.state, state.attributes["state_class"]) == ("7", "measurement")


async def test_a_deleted_variable_is_decided_again(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """What comes under its name later is another one."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="5")
    await hass.async_block_till_done()
    await client.ok("DEL", VARIABLE=NAME)
    await hass.async_block_till_done()
    await client.ok("PUB", VARIABLE=NAME, VALUE="A1B2")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "A1B2"
    await client.ok("PUB", VARIABLE=NAME, VALUE="1234")
    await restart(hass, entry)
    state = shown(hass, "sensor", NAME)
    assert (state.state, "state_class" in state.attributes) == ("1234", False)
