"""Replace device, from the menu of the device to the new board that is shown in the place of the old one."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import yaml

from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub.broker_api import BrokerGone
from custom_components.textmq.hub.local import LocalBroker
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.history import get_significant_states
from homeassistant.config_entries import SOURCE_IGNORE, SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
)
from homeassistant.util import dt as dt_util

from .client import Client, until
from .conftest import Connect, device_of, entity_id, registered, shown, state_of
from .test_config_flow import change_device, ignore
from .test_discovery import cards
from .test_keys import KEY, fail, stored, submit


async def replace(
    hass: HomeAssistant, entry: MockConfigEntry, old: str, new: str
) -> str:
    """Replace a device as a person does; returns the key that is shown."""
    form = await change_device(hass, entry, old, "replace")
    assert form["step_id"] == "replace"
    form = await submit(hass, form, device_id=new, encrypted=True)
    assert form["step_id"] == "replace_key"
    shown_there = form["description_placeholders"]
    assert shown_there is not None
    node = yaml.safe_load(shown_there["yaml"])["textmq"]
    assert (node["device_id"], node["encryption"]["key"]) == (new, shown_there["key"])
    result = await submit(hass, form)
    assert result["reason"] == "device_replaced"
    return str(shown_there["key"])


async def describe(client: Client) -> None:
    """Describe and publish all kinds of variables."""
    for name, params in (
        ("garden/soil", {"TYPE": "sensor", "UNIT": "%"}),
        ("garden/pump", {"TYPE": "switch"}),
        ("garden", {"TYPE": "sensor", "PART": "box", "PART_NAME": "Box"}),
        ("weather/rain", {"TYPE": "sensor"}),
    ):
        await client.ok("DEF", VARIABLE=name, **params)
    for name, value in (
        ("garden/soil", "41"),
        ("garden/pump", "ON"),
        ("garden", "3"),
        ("weather/rain", "0"),
    ):
        await client.ok("PUB", VARIABLE=name, VALUE=value)


VARIABLES = {
    ("sensor", "garden/soil"): ("sensor", "shed/soil"),
    ("switch", "garden/pump"): ("switch", "shed/pump"),
    ("sensor", "garden"): ("sensor", "shed"),
    ("sensor", "weather/rain"): ("sensor", "weather/rain"),
}


@pytest.mark.parametrize("connected", [True, False])
async def test_other_id(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    connected: bool,
) -> None:
    """Entities, devices, names, areas and rights stay; values are there under the new names at once."""
    area = ar.async_get(hass).async_create("Shed")
    old = await connect("garden")
    await describe(old)
    await hass.async_block_till_done()
    registry = er.async_get(hass)
    device = device_of(hass, "garden")
    part = dr.async_get(hass).async_get(
        registered(hass, entity_id(hass, "sensor", "garden")).device_id or ""
    )
    assert part is not None
    assert part.id != device.id
    dr.async_get(hass).async_update_device(
        device.id, area_id=area.id, name_by_user="Mine"
    )
    entity_ids = {new: entity_id(hass, *old_one) for old_one, new in VARIABLES.items()}
    registry.async_update_entity(entity_ids["sensor", "shed/soil"], name="Wetness")
    doors = {
        one.unique_id.removeprefix("device/garden/"): one.entity_id
        for one in registry.entities.values()
        if one.unique_id.startswith("device/garden/")
    }
    if not connected:
        await old.close()
        await until(lambda: rooms.broker.state("garden") == "disconnected")
    waiting = await connect()
    waiting.send("ID", ID="shed")
    await until(lambda: "shed" in rooms.broker.waiting)

    key = await replace(hass, entry, "garden", "shed")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == []
    assert (await waiting.answer())["REASON"] == "key-required"
    if connected:
        assert await old.ended() == "revoked"
    assert stored(entry, "shed") == {"device_id": "shed", "key": key}
    (subentry,) = entry.subentries.values()
    assert (subentry.unique_id, subentry.title) == ("shed", "Garden")
    assert not rooms.broker.knows("garden")

    new = await connect("shed", key=key)
    await hass.async_block_till_done()
    assert {one: entity_id(hass, *one) for one in VARIABLES.values()} == entity_ids
    assert [shown(hass, *one).state for one in VARIABLES.values()] == [
        "41",
        "on",
        "3",
        "0",
    ]
    moved = device_of(hass, "shed")
    assert (moved.id, moved.name_by_user, moved.area_id) == (device.id, "Mine", area.id)
    assert registered(hass, entity_ids["sensor", "shed"]).device_id == part.id
    wetness = registered(hass, entity_ids["sensor", "shed/soil"])
    assert (wetness.name, wetness.device_id) == ("Wetness", device.id)
    for name, door in doors.items():
        assert registered(hass, door).unique_id == f"device/shed/{name}"
    assert state_of(hass, doors["connection"]).state == "on"
    await new.ok("PUB", VARIABLE="shed/soil", VALUE="42")
    await until(lambda: shown(hass, "sensor", "shed/soil").state == "42")
    await new.ok("SUB", VARIABLE="shed/pump/set")
    await hass.services.async_call(
        "switch",
        "turn_off",
        {"entity_id": entity_ids["switch", "shed/pump"]},
        blocking=True,
    )
    assert (await new.receive())["VALUE"] == "OFF"

    again = await connect()
    again.send("ID", ID="garden")
    await until(lambda: "garden" in rooms.broker.waiting)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == ["garden"]
    ids = [(one.domain, one.unique_id) for one in registry.entities.values()]
    assert len(ids) == len(set(ids))


async def test_restart_in_the_middle(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the broker was gone before it followed, it follows after the next start."""
    client = await connect("garden")
    await describe(client)
    await hass.async_block_till_done()
    soil = entity_id(hass, "sensor", "garden/soil")
    device_id = device_of(hass, "garden").id
    follow = LocalBroker.replace_device

    async def gone(broker: LocalBroker, old: str, new: str) -> None:
        raise BrokerGone

    monkeypatch.setattr(LocalBroker, "replace_device", gone)
    key = await replace(hass, entry, "garden", "shed")
    assert stored(entry, "shed")["replaces"] == "garden"
    form = await change_device(hass, entry, "shed", "replace")
    assert form["reason"] == "replacing"
    assert await hass.config_entries.async_unload(entry.entry_id)
    monkeypatch.setattr(LocalBroker, "replace_device", follow)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert stored(entry, "shed") == {"device_id": "shed", "key": key}
    await connect("shed", key=key)
    await hass.async_block_till_done()
    assert device_of(hass, "shed").id == device_id
    assert entity_id(hass, "sensor", "shed/soil") == soil
    assert state_of(hass, soil).state == "41"
    names = {one.name for one in entry.runtime_data.broker.variables}
    assert names == {"shed/soil", "shed/pump", "shed", "weather/rain"}


async def test_after_restart(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """What was replaced stays so over a restart, with the values and without the old names."""
    client = await connect("garden")
    await describe(client)
    await hass.async_block_till_done()
    soil = entity_id(hass, "sensor", "garden/soil")
    key = await replace(hass, entry, "garden", "shed")
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await connect("shed", key=key)
    await hass.async_block_till_done()
    assert entity_id(hass, "sensor", "shed/soil") == soil
    assert state_of(hass, soil).state == "41"
    names = {one.name for one in entry.runtime_data.broker.variables}
    assert names == {"shed/soil", "shed/pump", "shed", "weather/rain"}
    assert [one for one in dr.async_get(hass).devices if one.name == "Garden"] == [
        device_of(hass, "shed")
    ]


async def test_replace_while_stopped(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that is replaced while the broker does not run is replaced at its start."""
    client = await connect("garden")
    await describe(client)
    await hass.async_block_till_done()
    soil = entity_id(hass, "sensor", "garden/soil")
    device_id = device_of(hass, "garden").id
    await hass.config_entries.async_unload(entry.entry_id)
    form = await change_device(hass, entry, "garden", "replace")
    result = await submit(hass, form, device_id="shed", encrypted=False)
    assert result["reason"] == "device_stored"
    assert stored(entry, "shed") == {"device_id": "shed", "replaces": "garden"}
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert stored(entry, "shed") == {"device_id": "shed"}
    await connect("shed")
    await hass.async_block_till_done()
    assert entity_id(hass, "sensor", "shed/soil") == soil
    assert state_of(hass, soil).state == "41"
    assert device_of(hass, "shed").id == device_id


async def test_power_cut_after_it(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Where the power fails before the registries are on file, they follow at the next start."""
    client = await connect("garden")
    await describe(client)
    await hass.async_block_till_done()
    pages = {device_of(hass, one).id: one for one in ("garden", "garden/box")}
    entities, devices = er.async_get(hass), dr.async_get(hass)
    before = {
        one.entity_id: one.unique_id
        for one in er.async_entries_for_config_entry(entities, entry.entry_id)
        if "garden" in one.unique_id
    }
    key = await replace(hass, entry, "garden", "shed")
    assert await hass.config_entries.async_unload(entry.entry_id)
    for entity, unique_id in before.items():
        entities.async_update_entity(entity, new_unique_id=unique_id)
    for page, identifier in pages.items():
        devices.async_update_device(page, new_identifiers={(DOMAIN, identifier)})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await connect("shed", key=key)
    await hass.async_block_till_done()
    assert {
        one.entity_id: one.unique_id.replace("shed", "garden")
        for one in er.async_entries_for_config_entry(entities, entry.entry_id)
        if "shed" in one.unique_id
    } == before
    assert {device_of(hass, one).id for one in ("shed", "shed/box")} == set(pages)
    assert state_of(hass, entity_id(hass, "sensor", "shed/soil")).state == "41"


async def test_replace_while_stopped_what_was_a_guest(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Entities and parts that a guest of the new ID has left in the registries give way to those of the device."""
    client = await connect("garden")
    await describe(client)
    await hass.async_block_till_done()
    soil = entity_id(hass, "sensor", "garden/soil")
    box = device_of(hass, "garden/box").id
    await hass.config_entries.async_unload(entry.entry_id)
    entities, devices = er.async_get(hass), dr.async_get(hass)
    left = entities.async_get_or_create(
        "sensor", DOMAIN, "variable/shed/soil", config_entry=entry
    )
    part = devices.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, "shed/box")}
    )
    form = await change_device(hass, entry, "garden", "replace")
    await submit(hass, form, device_id="shed", encrypted=False)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await connect("shed")
    await hass.async_block_till_done()
    assert entity_id(hass, "sensor", "shed/soil") == soil
    assert state_of(hass, soil).state == "41"
    assert entities.async_get(left.entity_id) is None
    assert device_of(hass, "shed/box").id == box
    assert devices.async_get(part.id) is None


async def test_same_id(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A new board with the same ID gets a key of its own, and the old one is out."""
    old = await connect("garden")
    await describe(old)
    await hass.async_block_till_done()
    soil = entity_id(hass, "sensor", "garden/soil")
    key = await replace(hass, entry, "garden", "garden")
    assert await old.ended() == "disconnected"
    assert stored(entry, "garden") == {"device_id": "garden", "key": key}
    plain = await connect()
    assert (await plain.do("ID", ID="garden"))["REASON"] == "key-required"
    await connect("garden", key=key)
    await hass.async_block_till_done()
    assert entity_id(hass, "sensor", "garden/soil") == soil
    assert state_of(hass, soil).state == "41"


async def test_history(
    recorder_mock: Any,
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
) -> None:
    """The history goes on without a gap in its entity."""
    start = dt_util.utcnow()
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="41")
    await hass.async_block_till_done()
    soil = entity_id(hass, "sensor", "garden/soil")
    key = await replace(hass, entry, "garden", "shed")
    new = await connect("shed", key=key)
    await new.ok("PUB", VARIABLE="shed/soil", VALUE="42")
    await hass.async_block_till_done()
    await get_instance(hass).async_block_till_done()
    states = await get_instance(hass).async_add_executor_job(
        lambda: get_significant_states(hass, start, entity_ids=[soil])
    )
    values = [one.state for one in states[soil]]
    assert values[0] == "41"
    assert values[-1] == "42"


async def test_title_and_rights(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry
) -> None:
    """A title that is the ID follows it, and so do the rights to its own variables; others stay."""
    subentry = next(iter(entry.subentries.values()))
    rights = {
        "write": ["garden", "garden/#", "gardens/#", "+/set"],
        "read": ["#", "garden/+/x", "$DEVICES/garden"],
        "message": False,
    }
    hass.config_entries.async_update_subentry(
        entry, subentry, title="garden", data={**subentry.data, "rights": rights}
    )
    await hass.async_block_till_done()
    await replace(hass, entry, "garden", "shed")
    assert subentry.title == "shed"
    assert stored(entry, "shed")["rights"] == {
        "write": ["shed", "shed/#", "gardens/#", "+/set"],
        "read": ["#", "shed/+/x", "$DEVICES/garden"],
        "message": False,
    }
    assert device_of(hass, "shed").name == "shed"


@pytest.mark.announced_warnings("it has rights that can't be read")
async def test_damaged_rights(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry
) -> None:
    """Rights that can't be read are not made into others."""
    subentry = next(iter(entry.subentries.values()))
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "rights": "damaged"}
    )
    await replace(hass, entry, "garden", "shed")
    assert stored(entry, "shed")["rights"] == "damaged"


@pytest.mark.parametrize("known", [["garden", "kitchen"]])
@pytest.mark.parametrize(
    ("device_id", "error"),
    [
        ("a/b", "bad_device_id"),
        ("homeassistant", "bad_device_id"),
        ("", "bad_device_id"),
        ("kitchen", "id_taken"),
    ],
)
async def test_impossible_id(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    device_id: str,
    error: str,
) -> None:
    """What can't be, or is another device's, is said and can be put right."""
    form: SubentryFlowResult = await change_device(hass, entry, "garden", "replace")
    form = await submit(hass, form, device_id=device_id, encrypted=True)
    assert form["errors"] == {"device_id": error}
    form = await submit(hass, form, device_id="shed", encrypted=True)
    assert form["step_id"] == "replace_key"


async def test_ignored_id(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A board that takes over is ignored no more."""
    await ignore(hass, "shed")
    key = await replace(hass, entry, "garden", "shed")
    await hass.async_block_till_done()
    await connect("shed", key=key)
    assert [
        one
        for one in hass.config_entries.async_entries(DOMAIN)
        if one.source == SOURCE_IGNORE
    ] == []


async def test_encrypted_card(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """The card of the new board goes when it takes over."""
    await fail(connect, "shed", KEY)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == ["shed"]
    key = await replace(hass, entry, "garden", "shed")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == []
    await connect("shed", key=key)


@pytest.mark.parametrize("access", ["open"])
async def test_id_of_a_guest(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A board that came by itself and is shown already is one with what it takes over."""
    old = await connect("garden")
    await old.ok("PUB", VARIABLE="garden/soil", VALUE="41")
    guest = await connect("shed")
    await guest.ok("PUB", VARIABLE="shed/soil", VALUE="40")
    await hass.async_block_till_done()
    soil = entity_id(hass, "sensor", "garden/soil")
    device_id = device_of(hass, "garden").id
    form = await change_device(hass, entry, "garden", "replace")
    result = await submit(hass, form, device_id="shed", encrypted=False)
    assert result["reason"] == "device_replaced"
    await hass.async_block_till_done()
    assert device_of(hass, "shed").id == device_id
    assert entity_id(hass, "sensor", "shed/soil") == soil
    # What the new board has said already holds.
    assert state_of(hass, soil).state == "40"
    assert await hass.config_entries.async_reload(entry.entry_id)
    await connect("shed")
    await hass.async_block_till_done()
    assert state_of(hass, soil).state == "40"
