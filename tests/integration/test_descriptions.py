"""Descriptions as entities: whatever is accepted is one, with a state and no line in the log; parts, names, secrets."""

from collections.abc import Iterator
from itertools import batched, cycle, islice, product
import logging
from random import Random
from typing import Final

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.textmq import async_remove_config_entry_device
from custom_components.textmq.broker import Definition, wire
from custom_components.textmq.broker.protocol.definitions import MODES
from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub.device_classes import home_assistant_rules
from custom_components.textmq.hub.runtime_data import RuntimeData
from custom_components.textmq.kinds import KINDS
from homeassistant.const import EVENT_CALL_SERVICE, EVENT_STATE_CHANGED, MATCH_ALL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
)
from homeassistant.util.unit_system import (
    METRIC_SYSTEM,
    US_CUSTOMARY_SYSTEM,
    UnitSystem,
)

from .announced import Announced
from .client import Client, until
from .conftest import Connect, device_of, entity_id, registered, shown

NAME: Final = "garden/thing"
RULES: Final = home_assistant_rules()
STATES: Final = (None, "measurement", "measurement_angle", "total", "total_increasing")
CHUNK: Final = 400
"""Variables that are shown at a time."""


def fill(given: dict[str, str | None]) -> dict[str, str]:
    """Return what is given of parameters, in wire form."""
    return {
        key: wire.encode(value) for key, value in given.items() if value is not None
    }


def measured(kind: str) -> Iterator[dict[str, str | None]]:
    """Yield every class with every unit that it has and some that it has not, and with every state class."""
    for device_class, units in (*RULES.classes[kind].items(), (None, None)):
        fitting = sorted(unit for unit in units or () if unit is not None)
        states = STATES if kind == "sensor" else ()
        for unit, state in (
            *product((*fitting, None, "\u00b0", "bananas"), STATES[:1]),
            *product((*fitting[:1], None), states[1:]),
        ):
            yield {"TYPE": kind, "CLASS": device_class, "UNIT": unit, "STATE": state}


def others() -> Iterator[dict[str, str | None]]:
    """Yield every kind and class with categories, precisions, ranges, modes, icons, names."""
    more: tuple[dict[str, str | None], ...] = (
        {"PRECISION": "3", "FORCE": "YES", "EXPIRE": "60"},
        {"PRECISION": "11", "ICON": "thermometer", "NAME": ""},
        {"MODE": "text", "UNIT": "m"},
        {"NAME": "\u5bb6" * 90, "ICON": "mdi:home", "UNIT": "\u00b0C"},
        {"NAME": "Garden", "PART": "probe", "PART_NAME": "\u5bb6" * 90},
    )
    categories = ("config", "diagnostic", None)
    for kind in (*RULES.classes, "select", "text", "light", "lamp"):
        classes = RULES.classes.get(kind, ())
        for device_class, category, extra in (
            *product((None, *islice(classes, 4)), categories, more),
            *zip(classes, cycle(categories), cycle(more), strict=False),
        ):
            yield {
                "TYPE": kind,
                "CLASS": device_class,
                "CATEGORY": category,
                "OPTIONS": "ring,b" if kind in ("select", "event", "sensor") else None,
                **extra,
            }
    bounds = (None, "-1e300", "-1", "5e-324", "1.2345678901234567e+14", "1e308")
    for kind, least, most, step in product(
        ("number", "text"), bounds, bounds, (None, "1e-300", "1e300")
    ):
        for device_class, unit in (("temperature", "\u00b0F"), (None, None)):
            yield {
                "TYPE": kind,
                "MIN": least,
                "MAX": most,
                "STEP": step,
                "CLASS": device_class,
                "UNIT": unit,
            }


def sampled(count: int) -> Iterator[dict[str, str | None]]:
    """Yield descriptions with some of all keys, each with values that are right, odd or wrong; always the same."""
    chance = Random(0)
    values: dict[str, tuple[str | None, ...]] = {
        "NAME": (None, "", "Thing", "Garden thing", "\u200b", "\u5bb6" * 90, "x" * 256),
        "UNIT": (None, "%", "\u00b0", "\u00b0C", "kWh", "x" * 65, "a\u202eb"),
        "STATE": STATES,
        "ICON": (None, "mdi:water", "water", "mdi:" + "x" * 200),
        "CATEGORY": (None, "config", "diagnostic"),
        "PRECISION": (None, "0", "3", "10", "11", "-1", "1.5"),
        "OPTIONS": (None, "ring,b", "a", "a,a", "ring," + "b" * 255, "b" * 256),
        "MIN": (None, "-5", "0", "2", "1e300", "300"),
        "MAX": (None, "1", "9", "255", "1e15", "1e300"),
        "STEP": (None, "0.1", "1", "0", "1e-300"),
        "EXPIRE": (None, "60", "3600", "0", "1e9"),
        "FORCE": (None, "YES", "NO"),
        "HIDDEN": (None, None, None, "YES", "NO"),
        "SET": (None, "garden/elsewhere", "//"),
        "PART": (None, "probe", "rod", "a/b"),
        "PART_NAME": (None, "Probe", "\u200b", "x" * 256),
        "PART_AREA": (None, "Shed", "x" * 256),
        "CODE": (None, None, "NUMBER", "TEXT"),
        "COLOUR": (None, "green", "x" * 2000),
    }
    kinds = (*KINDS, "light", "lamp")
    for number in range(count):
        kind = kinds[number % len(kinds)]
        case: dict[str, str | None] = {"TYPE": kind}
        for key in chance.sample(tuple(values), chance.randint(1, 8)):
            case[key] = chance.choice(values[key])
        if kind in ("select", "event") and chance.random() < 0.8:
            case["OPTIONS"] = "ring,b"
        case["CLASS"] = chance.choice((None, *RULES.classes.get(kind, ())))
        case["MODE"] = chance.choice((None, *MODES.get(kind, ()), *MODES.get(kind, ())))
        yield case


def value_for(definition: Definition) -> str | None:
    """Return a value that fits a description, None where it shows none."""
    if definition.type in ("button", "event") or definition.hides_value:
        return None
    if definition.type in ("binary_sensor", "switch"):
        return "ON"
    if definition.type == "text":
        return "x" * max(int(definition.min or 0), 1)
    if definition.type == "select":
        return definition.options[-1]
    if definition.device_class == "enum" and definition.options:
        return definition.options[-1]
    if definition.device_class in ("timestamp", "uptime"):
        return "1764000000"
    return "2026-11-22" if definition.device_class == "date" else "5"


@pytest.mark.parametrize("known", [["garden"]])
@pytest.mark.parametrize(
    "options",
    [{"limits": {"rate": 100000, "burst": 100000, "variables": 20000}}],
    ids=["wide"],
)
@pytest.mark.parametrize(
    ("cases", "units"),
    [
        pytest.param(list(measured("sensor")), METRIC_SYSTEM, id="sensors"),
        pytest.param(list(measured("number")), US_CUSTOMARY_SYSTEM, id="numbers"),
        pytest.param(list(others()), US_CUSTOMARY_SYSTEM, id="others"),
        pytest.param(list(sampled(1000)), METRIC_SYSTEM, id="all keys"),
    ],
)
async def test_each_accepted_description_is_an_entity(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    cases: list[dict[str, str | None]],
    units: UnitSystem,
    announced_warnings: Announced,
) -> None:
    """It has a state, a value that fits shows, and there is nothing in the log but of those that are refused."""
    hass.config.units = units
    client = await connect("garden")
    accepted = 0
    for chunk in batched(enumerate(cases), CHUNK, strict=False):
        described: dict[str, Definition] = {}
        for number, case in chunk:
            name = f"garden/{number}"
            answer = await client.do("DEF", VARIABLE=name, **fill(case))
            if answer.command == "OK":
                variable = rooms.broker.variables.get(name)
                assert variable is not None and variable.definition is not None
                described[name] = variable.definition
                if (value := value_for(variable.definition)) is not None:
                    client.send("PUB", VARIABLE=name, VALUE=value, ACK="NO")
            else:
                assert answer["REASON"] == "bad-definition", case
                announced_warnings[:] = ["is described wrongly"]
        await client.do("HELLO?")
        await hass.async_block_till_done()
        await until(lambda: not rooms.writer.busy)
        for name, definition in described.items():
            platform = (
                KINDS[definition.type].platform
                if definition.type in KINDS
                else "sensor"
            )
            entry = registered(hass, entity_id(hass, platform, name))
            if definition.hidden:
                assert entry.disabled_by is er.RegistryEntryDisabler.INTEGRATION
                continue
            state = shown(hass, platform, name).state
            has_value = value_for(definition) is not None
            assert (state not in ("unknown", "unavailable")) is has_value, definition
        accepted += len(described)
    assert accepted > len(cases) / 3


async def define(hass: HomeAssistant, client: Client, **definition: str) -> None:
    """Describe the variable that these tests are about, as a sensor where nothing else is said."""
    await client.ok("DEF", **{"VARIABLE": NAME, "TYPE": "sensor", **definition})
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("name", "friendly_name"),
    [
        ("", "Garden"),
        ("Garden", "Garden"),
        ("Soil", "Garden Soil"),
        ("Garden soil", "Garden Soil"),
        ("GARDEN - soil", "Garden Soil"),
        ("Gardenia", "Garden Gardenia"),
        (r"Garden: \u00fcber", "Garden \u00dcber"),
    ],
)
async def test_a_name_does_not_repeat_the_device(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    name: str,
    friendly_name: str,
) -> None:
    """An empty NAME is the device's; the device's name at the beginning of one is not shown twice."""
    client = await connect("garden")
    await define(hass, client, NAME=name)
    await client.ok("PUB", VARIABLE=NAME, VALUE="1")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).attributes["friendly_name"] == friendly_name


async def test_equal_values_are_reported_where_it_is_wanted(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """With FORCE an equal value is a change of its own, without it nothing."""
    client = await connect("garden")
    changes = async_capture_events(hass, EVENT_STATE_CHANGED)
    for force, count in (("YES", 3), ("NO", 0)):
        await define(hass, client, FORCE=force)
        await client.ok("PUB", VARIABLE=NAME, VALUE="1")
        await hass.async_block_till_done()
        await until(lambda: not rooms.writer.busy)
        changes.clear()
        for number in range(3):
            await client.ok("PUB", VARIABLE=NAME, VALUE="1")
            await until(lambda: not rooms.writer.busy)
            await hass.async_block_till_done()
            assert len(changes) == min(number + 1, count)


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("0", "1970-01-01T00:00:00+00:00"),
        ("1764000000", "2025-11-24T16:00:00+00:00"),
        ("2026-11-22T19:50:00+01:00", "2026-11-22T18:50:00+00:00"),
        ("99999999999", "5138-11-16T09:46:39+00:00"),
        ("999999999999", "unknown"),
        ("1764000000.5", "unknown"),
        ("-1", "unknown"),
    ],
)
async def test_seconds_as_a_time(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    value: str,
    state: str,
    announced_warnings: Announced,
) -> None:
    """A time of digits only counts seconds since 1970."""
    if state == "unknown":
        announced_warnings.append("is no time with a zone")
    client = await connect("garden")
    await define(hass, client, CLASS="timestamp")
    await client.ok("PUB", VARIABLE=NAME, VALUE=value)
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == state


async def test_an_unknown_kind_is_a_sensor(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """It is accepted, says so, and becomes what it is when its kind is corrected."""
    client = await connect("garden")
    answer = await client.ok(
        "DEF", VARIABLE=NAME, TYPE="lamp", CATEGORY="config", NAME="Lamp"
    )
    assert answer["DETAIL"].startswith("TYPE=lamp is not known: perhaps light")
    await client.ok("PUB", VARIABLE=NAME, VALUE="ON")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "ON"
    await define(hass, client, TYPE="switch")
    assert not entity_id(hass, "sensor", NAME)
    assert shown(hass, "switch", NAME).state == "on"


@pytest.mark.parametrize("kind", ["sensor", "binary_sensor", "lamp", "light"])
@pytest.mark.parametrize("category", ["config", "diagnostic"])
async def test_what_is_only_read_is_no_setting(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    kind: str,
    category: str,
) -> None:
    """Home Assistant takes no such category: the entity lives without it, over restarts too."""
    platform = kind if kind == "binary_sensor" else "sensor"
    client = await connect("garden")
    await define(hass, client, TYPE=kind)
    await client.ok("PUB", VARIABLE=NAME, VALUE="ON")
    for _ in range(2):
        await define(hass, client, TYPE=kind, CATEGORY=category)
        found = registered(hass, entity_id(hass, platform, NAME))
        assert found.entity_category == (None if category == "config" else category)
        assert shown(hass, platform, NAME).state in ("on", "ON")
        assert await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        client = await connect("garden")
        assert shown(hass, platform, NAME).state in ("on", "ON")


# Parts


def part_of(hass: HomeAssistant, part: str = "probe") -> dr.DeviceEntry | None:
    """Return the registry's entry of a part of the device."""
    found = [
        one
        for one in dr.async_get(hass).devices
        if one.identifiers == {(DOMAIN, f"garden/{part}")}
    ]
    assert len(found) <= 1
    return found[0] if found else None


async def test_parts(hass: HomeAssistant, rooms: RuntimeData, connect: Connect) -> None:
    """A part is a device of its own, by its device, in the area that its description names."""
    area = ar.async_get(hass).async_create("Shed")
    client = await connect("garden")
    await define(
        hass, client, NAME="Soil", PART="probe", PART_NAME="Probe", PART_AREA="shed"
    )
    part = part_of(hass)
    assert part is not None
    assert (part.name, part.area_id) == ("Probe", area.id)
    assert part.via_device_id == device_of(hass, "garden").id
    found = registered(hass, entity_id(hass, "sensor", NAME))
    assert found.device_id == part.id
    assert shown(hass, "sensor", NAME).attributes["friendly_name"] == "Probe Soil"
    await define(hass, client, VARIABLE="garden/b", PART="probe", PART_NAME="Rod")
    renamed = part_of(hass)
    assert renamed is not None
    assert (renamed.id, renamed.name) == (part.id, "Rod")


async def test_an_entity_moves_with_its_part(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """It stays the same entity; a part that no variable belongs to goes."""
    client = await connect("garden")
    await define(hass, client)
    found = entity_id(hass, "sensor", NAME)
    await define(hass, client, PART="probe")
    first = part_of(hass)
    assert first is not None
    assert registered(hass, found).device_id == first.id
    await define(hass, client, PART="rod")
    second = part_of(hass, "rod")
    assert second is not None
    assert part_of(hass) is None
    assert registered(hass, found).device_id == second.id
    await define(hass, client)
    assert part_of(hass, "rod") is None
    assert registered(hass, found).device_id == device_of(hass, "garden").id
    await define(hass, client, PART="probe")
    assert part_of(hass) is not None
    await client.ok("DEL", VARIABLE=NAME)
    await hass.async_block_till_done()
    assert part_of(hass) is None


async def test_a_person_chooses_the_area_of_a_part(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """An area that a person has chosen, or taken away, stays so, over a restart too."""
    area = ar.async_get(hass).async_create("Shed")
    told = {"PART": "probe", "PART_AREA": "Shed"}
    client = await connect("garden")
    await define(hass, client, **told)
    part = part_of(hass)
    assert part is not None
    assert part.area_id == area.id
    dr.async_get(hass).async_update_device(part.id, area_id=None)
    await define(hass, client, **told, NAME="Other")
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    client = await connect("garden")
    await define(hass, client, **told, NAME="Third")
    part = part_of(hass)
    assert part is not None
    assert part.area_id is None


async def test_a_part_of_the_past_goes(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """At the next start a part is there if a variable is; another one is not, and no device is taken for one."""
    client = await connect("garden")
    await define(hass, client, PART="probe")
    await client.close()
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, "garden/old")}
    )
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert part_of(hass) is not None
    assert part_of(hass, "old") is None
    assert [one.id for one in entry.runtime_data.devices] == ["garden"]


async def test_parts_go_with_their_device(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Revoking a device leaves no part of it."""
    client = await connect("garden")
    await define(hass, client, PART="probe")
    (subentry_id,) = entry.subentries
    hass.config_entries.async_remove_subentry(entry, subentry_id)
    await hass.async_block_till_done()
    assert part_of(hass) is None


async def test_a_part_is_not_removed_by_a_person(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """It goes with its last variable; its device stays let in."""
    client = await connect("garden")
    await define(hass, client, PART="probe")
    await client.ok("PUB", VARIABLE=NAME, VALUE="1")
    part = part_of(hass)
    assert part is not None
    assert not await async_remove_config_entry_device(hass, entry, part)
    await hass.async_block_till_done()
    assert len(entry.subentries) == 1
    assert rooms.broker.state("garden") == "connected"
    assert shown(hass, "sensor", NAME).state == "1"
    await hass.config_entries.async_unload(entry.entry_id)
    assert not await async_remove_config_entry_device(hass, entry, part)
    assert len(entry.subentries) == 1


# Secrets


def traced(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the lines of the wire in the log."""
    return [one for one in caplog.records if one.name == "textmq.wire"]


async def test_a_password_is_not_shown(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the value nor a command of it is in a state, an event, an action's answer or the log."""
    caplog.set_level(logging.DEBUG)
    client = await connect("garden")
    while not traced(caplog):
        await client.do("HELLO?")
    await client.ok("SUB", VARIABLE=f"{NAME}/set")
    await define(hass, client, TYPE="text", MODE="password")
    happened = async_capture_events(hass, MATCH_ALL)
    await client.ok("PUB", VARIABLE=NAME, VALUE="swordfish")
    found = shown(hass, "text", NAME)
    await hass.services.async_call(
        "text",
        "set_value",
        {"entity_id": found.entity_id, "value": "starfish"},
        blocking=True,
    )
    assert (await client.receive())["VALUE"] == "starfish"
    await hass.async_block_till_done()
    answer = await hass.services.async_call(
        DOMAIN, "list_variables", {}, blocking=True, return_response=True
    )
    assert shown(hass, "text", NAME).state == "unknown"
    assert "swordfish" not in str((found.as_dict(), answer, happened))
    changes = [one for one in happened if one.event_type != EVENT_CALL_SERVICE]
    assert "starfish" not in str((answer, changes))
    assert any("VALUE=***" in one.getMessage() for one in traced(caplog))
    shown_lines = [
        one.getMessage()
        for one in caplog.records
        if one.name.startswith(("textmq", "custom_components.textmq"))
    ]
    assert "fish" not in str(shown_lines)


async def test_a_password_does_not_come_back(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """What the broker does not keep is not shown later either."""
    client = await connect("garden")
    await define(hass, client, TYPE="text")
    await client.ok("PUB", VARIABLE=NAME, VALUE="swordfish")
    await until(lambda: shown(hass, "text", NAME).state == "swordfish")
    await define(hass, client, TYPE="text", MODE="password")
    assert shown(hass, "text", NAME).state == "unknown"
    await define(hass, client, TYPE="text")
    state = shown(hass, "text", NAME)
    assert state.state == "unknown"
    assert "published" not in state.attributes


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_command_that_becomes_secret(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect, is_new: bool
) -> None:
    """One that was stored before is shown no more."""
    client = await connect("garden")
    if not is_new:
        await define(hass, client, TYPE="text")
    command = f"{NAME}/set"
    await define(hass, client, VARIABLE=command, TYPE="sensor")
    await client.ok("PUB", VARIABLE=command, VALUE="swordfish")
    await until(lambda: shown(hass, "sensor", command).state == "swordfish")
    await define(hass, client, TYPE="text", MODE="password")
    assert shown(hass, "sensor", command).state == "unknown"


async def test_triggers_see_what_was_published(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Another word for ON is on as a state, and itself as a text."""
    client = await connect("garden")
    await define(hass, client, TYPE="switch")
    texts: list[str] = []
    rooms.broker.watch(NAME, lambda publication: texts.append(publication.text))
    await client.ok("PUB", VARIABLE=NAME, VALUE="true")
    await hass.async_block_till_done()
    assert shown(hass, "switch", NAME).state == "on"
    assert texts == ["true"]
