"""Discovery cards from the first word of a device to the last, ignoring, the permit window."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.textmq import async_remove_config_entry_device
from custom_components.textmq.broker import Broker
from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub.discovery_flows import PER_MINUTE
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.config_entries import SOURCE_IGNORE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, device_registry as dr
from homeassistant.util import dt as dt_util

from .client import Client, until
from .conftest import Connect, device_of, state_of


def cards(hass: HomeAssistant) -> list[str | None]:
    """Return the IDs of the devices that have a card."""
    return [
        flow["context"]["unique_id"]
        for flow in hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    ]


async def ask(
    rooms: RuntimeData, connect: Connect, device_id: str, **params: Any
) -> Client:
    """Connect a device that has to wait."""
    client = await connect()
    client.send("ID", ID=device_id, **params)
    await until(lambda: device_id in rooms.broker.waiting)
    await rooms.hass.async_block_till_done(wait_background_tasks=True)
    return client


async def test_card_comes_and_goes(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A card is there as long as its device."""
    client = await ask(rooms, connect, "kitchen")
    assert cards(hass) == ["kitchen"]
    await client.close()
    await until(lambda: not cards(hass))
    await ask(rooms, connect, "kitchen")
    assert cards(hass) == ["kitchen"]


async def test_one_card_for_a_device(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A device that comes again while it waits has one card."""
    first = await ask(rooms, connect, "kitchen")
    second = await connect()
    second.send("ID", ID="kitchen", NAME="Other name")
    assert await first.ended() == "taken-over"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == ["kitchen"]


async def test_cards_are_limited(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Who comes under ever new IDs gets no more than some cards a minute; the last waits for its own."""
    for number in range(PER_MINUTE + 1):
        last = await ask(rooms, connect, f"device{number}")
        assert len(cards(hass)) == (number < PER_MINUTE)
        if number < PER_MINUTE:
            await last.close()
            await until(lambda: not rooms.broker.waiting)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=61))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == [f"device{PER_MINUTE}"]


async def test_cards_go_with_the_broker(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Without a broker nobody can be let in."""
    await ask(rooms, connect, "kitchen")
    await hass.config_entries.async_unload(entry.entry_id)
    assert not cards(hass)


async def ignore_card(hass: HomeAssistant, device_id: str) -> None:
    """Choose Ignore on a card."""
    await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": device_id, "title": device_id},
    )
    await hass.async_block_till_done()


async def test_ignore(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Ignore keeps a device out, over a restart too, until it is ignored no more."""
    client = await ask(rooms, connect, "kitchen")
    await ignore_card(hass, "kitchen")
    assert (await client.answer())["REASON"] == "denied"
    assert await client.ended() == "denied"
    assert not cards(hass)
    assert await hass.config_entries.async_reload(entry.entry_id)
    again = await connect()
    assert (await again.do("ID", ID="kitchen"))["REASON"] == "denied"
    assert rooms.issues.refusals.total() == 0
    assert entry.runtime_data.issues.refusals["denied"] == 1
    (ignored,) = [
        one
        for one in hass.config_entries.async_entries(DOMAIN)
        if one.source == SOURCE_IGNORE
    ]
    await hass.config_entries.async_remove(ignored.entry_id)
    await hass.async_block_till_done()
    await ask(entry.runtime_data, connect, "kitchen")
    assert cards(hass) == ["kitchen"]


@pytest.mark.announced_warnings("Setup failed for 'other'")
async def test_other_ignored_entries(hass: HomeAssistant, broker: Broker) -> None:
    """What is ignored elsewhere, or without an ID, concerns nobody here."""
    for entry in (
        MockConfigEntry(domain="other", source=SOURCE_IGNORE, unique_id="kitchen"),
        MockConfigEntry(domain=DOMAIN, source=SOURCE_IGNORE, unique_id=None),
    ):
        await hass.config_entries.async_add(entry)
    await hass.async_block_till_done()
    assert not broker.access.refused


async def test_permit_window(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """The button lets in who waits and who comes, for a minute; a sensor shows it."""
    area = ar.async_get(hass).async_create("Kitchen")
    waiting = await ask(rooms, connect, "kitchen", NAME="Cooker", AREA="Kitchen")
    await hass.services.async_call(
        "button",
        "press",
        {"entity_id": "button.textmq_allow_new_devices"},
        blocking=True,
    )
    state = hass.states.get("binary_sensor.textmq_new_devices_allowed")
    assert state.state == "on"
    left = state.attributes["until"] - dt_util.utcnow()
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    assert (await waiting.answer()).command == "OK"
    assert not cards(hass)
    comer = await connect("cellar", AREA="Nowhere")
    await comer.ok("PUB", VARIABLE="cellar/x", VALUE="1")
    await hass.async_block_till_done()
    assert {one.title for one in entry.subentries.values()} == {
        "Garden",
        "Cooker",
        "cellar",
    }
    registry = dr.async_get(hass)
    cooker, cellar = (
        registry.async_get_device_by_identifier((DOMAIN, one), entry.entry_id)
        for one in ("kitchen", "cellar")
    )
    assert cooker.area_id == area.id
    assert cellar.area_id is None
    assert len(ar.async_get(hass).areas) == 1

    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=61))
    await hass.async_block_till_done()
    state = hass.states.get("binary_sensor.textmq_new_devices_allowed")
    assert state.state == "off"
    assert state.attributes["until"] is None
    await ask(rooms, connect, "late")
    assert hass.config_entries.async_entries(DOMAIN) == [entry]


async def test_window_can_be_opened_again(
    hass: HomeAssistant, rooms: RuntimeData
) -> None:
    """A second press begins a new minute."""
    await rooms.approved.permit(timedelta(minutes=15))
    await rooms.approved.permit(timedelta(minutes=1))
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=61))
    await hass.async_block_till_done()
    assert rooms.approved.window_end is None


@pytest.mark.announced_warnings("As many new devices as may be")
async def test_window_is_full(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A window lets in a number of devices, then it is over, and the next one asks."""
    known = len(entry.subentries)
    await rooms.approved.permit(timedelta(minutes=15))
    for number in range(rooms.broker.limits.admissions):
        await connect(f"new{number}")
    await hass.async_block_till_done()
    assert len(entry.subentries) == known + rooms.broker.limits.admissions
    assert rooms.approved.window_end is None
    state = hass.states.get("binary_sensor.textmq_new_devices_allowed")
    assert state.state == "off"
    assert caplog.text.count("As many new devices as may be") == 1
    await ask(rooms, connect, "one_more")
    await hass.async_block_till_done()
    assert len(entry.subentries) == known + rooms.broker.limits.admissions
    assert len(cards(hass)) == 1


@pytest.mark.parametrize("delete", [True, False])
async def test_revoke(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    delete: bool,
) -> None:
    """Removing a device closes its connection; its variables go with it, or stay with the broker."""
    hass.config_entries.async_update_entry(entry, options={"delete_variables": delete})
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="42")
    await client.ok("SUB", VARIABLE="#")
    await hass.async_block_till_done()
    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await hass.async_block_till_done()
    assert await client.ended() == "revoked"
    assert hass.states.get("binary_sensor.garden_connection") is None
    variable = rooms.broker.variables.get("garden/soil")
    names = [one.name for one in dr.async_get(hass).devices]
    assert names == ["TextMQ"]
    if delete:
        assert variable is None
        assert hass.states.get("sensor.garden_soil") is None
    else:
        assert variable.text == "42"
        assert state_of(hass, "sensor.garden_soil").state == "42"
    await ask(rooms, connect, "garden")
    assert cards(hass) == ["garden"]


async def test_revoked_at_once(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry
) -> None:
    """A device that is removed in the moment it is let in leaves nothing."""
    await rooms.approved.approve("kitchen", "Kitchen")
    (subentry,) = [
        one for one in entry.subentries.values() if one.unique_id == "kitchen"
    ]
    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await hass.async_block_till_done()
    assert hass.states.get("binary_sensor.kitchen_connection") is None
    assert rooms.devices.get("kitchen") is None


@pytest.mark.parametrize("access", ["open"])
async def test_open_access(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    port: int,
) -> None:
    """Open to all, every ID is a device; one that is let in for good later keeps its settings."""
    client = await connect("kitchen", NAME="Kitchen", MODEL="nc")
    await client.ok("PUB", VARIABLE="kitchen/x", VALUE="1")
    guest = await connect()
    await guest.ok("PUB", VARIABLE="hall/y", VALUE="2")
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.kitchen_x").state == "1"
    assert state_of(hass, "sensor.textmq_hall_y").state == "2"
    registry = dr.async_get(hass)
    device = device_of(hass, "kitchen")
    assert (device.name, device.model, device.config_subentry_id) == (
        "Kitchen",
        "nc",
        None,
    )
    registry.async_update_device(device.id, name_by_user="Mine")
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.kitchen_x").state == "1"

    await connect("kitchen")
    rooms = entry.runtime_data
    await rooms.approved.approve("kitchen", "Kitchen")
    await hass.async_block_till_done()
    device = device_of(hass, "kitchen")
    assert device.config_subentry_id in entry.subentries
    assert device.name_by_user == "Mine"
    assert state_of(hass, "sensor.kitchen_x").state == "1"
    assert state_of(hass, "binary_sensor.kitchen_connection").state == "on"


@pytest.mark.parametrize("access", ["open"])
async def test_remove_guest_device(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that was never let in for good can be removed too."""
    client = await connect("kitchen")
    await client.ok("PUB", VARIABLE="kitchen/x", VALUE="1")
    await hass.async_block_till_done()
    device = device_of(hass, "kitchen")
    assert await async_remove_config_entry_device(hass, entry, device)
    assert await client.ended() == "revoked"
    await hass.async_block_till_done()
    assert rooms.broker.variables.get("kitchen/x") is None
    await hass.config_entries.async_unload(entry.entry_id)
    assert await async_remove_config_entry_device(hass, entry, device)


@pytest.mark.parametrize("access", ["open"])
@pytest.mark.parametrize("known", [[]])
@pytest.mark.announced_warnings("'b': it is not shown: there are too many devices")
async def test_registry_is_limited(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who comes under ever new IDs does not fill the registry."""
    rooms.broker.limits.devices = 1
    gone = await connect("a")
    gone.send("CLOSE")
    assert await gone.ended() == ""
    client = await connect("b")
    await client.ok("PUB", VARIABLE="b/x", VALUE="1")
    await hass.async_block_till_done()
    assert state_of(hass, "binary_sensor.a_connection").state == "off"
    assert hass.states.get("binary_sensor.b_connection") is None
    assert state_of(hass, "sensor.textmq_b_x").state == "1"
    assert "'b': it is not shown: there are too many devices" in caplog.text
    client.send("CLOSE", SLEEP=1)
    assert await client.ended() == ""
    await until(lambda: rooms.broker.state("b") == "disconnected")
