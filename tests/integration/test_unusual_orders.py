"""What happens in other orders: replaced devices, moves, windows and bursts."""

import asyncio
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .client import until
from .conftest import Connect, broker_of, state_of
from .house import House, StateHistory


@pytest.fixture
def known() -> list[str]:
    """Return the IDs of the devices that are approved."""
    return ["garden", "kitchen"]


def replace(house: House, old: str, new: str) -> None:
    """Replace a device, as the flow does in its last step."""
    (subentry,) = [
        one for one in house.entry.subentries.values() if one.unique_id == old
    ]
    house.hass.config_entries.async_update_subentry(
        house.entry,
        subentry,
        data={**subentry.data, "device_id": new, "replaces": old},
        unique_id=new,
    )


# A device is replaced by one that is there already


@pytest.mark.parametrize("access", ["open"])
async def test_replaced_by_guest_with_other_variables(
    hass: HomeAssistant, house: House
) -> None:
    """What the new device has itself is shown on its page after it has taken over."""
    await house.come("garden")
    await house.publish("garden", "garden/soil", "41")
    await house.come("shed")
    await house.publish("shed", "shed/door", "7")
    replace(house, "garden", "shed")
    await hass.async_block_till_done()
    assert house.shown("shed/soil") == "41 on shed"
    assert house.shown("shed/door") == "7 on shed"


@pytest.mark.parametrize("access", ["open"])
async def test_replaced_by_guest_with_the_same_part(
    hass: HomeAssistant, house: House
) -> None:
    """A part that both have is one part afterwards."""
    await house.come("garden")
    await house.describe("garden", "garden/soil", "sensor PART=roof")
    await house.publish("garden", "garden/soil", "41")
    await house.come("shed")
    await house.describe("shed", "shed/door", "sensor PART=roof")
    await house.publish("shed", "shed/door", "7")
    replace(house, "garden", "shed")
    await hass.async_block_till_done()
    assert house.shown("shed/soil") == "41 on shed/roof"
    assert house.shown("shed/door") == "7 on shed/roof"
    assert broker_of(house.entry).access.knows("shed")
    assert not broker_of(house.entry).access.knows("garden")


@pytest.mark.parametrize("access", ["open"])
async def test_replaced_by_guest_with_another_type(
    hass: HomeAssistant, house: House
) -> None:
    """A variable that the new device has described as something else is that."""
    await house.come("garden")
    await house.describe("garden", "garden/pump", "sensor")
    await house.publish("garden", "garden/pump", "41")
    await house.come("shed")
    await house.describe("shed", "shed/pump", "switch")
    await house.publish("shed", "shed/pump", "ON")
    replace(house, "garden", "shed")
    await hass.async_block_till_done()
    found = house.entry_of("shed/pump")
    assert found is not None
    assert found.domain == "switch"
    assert house.shown("shed/pump") == "on on shed"


async def test_replaced_there_and_back(hass: HomeAssistant, house: House) -> None:
    """A device that takes over, and gives back, leaves everything as it was."""
    await house.come("garden")
    await house.describe("garden", "garden/soil", "sensor PART=roof")
    await house.publish("garden", "garden/soil", "41")
    entity = house.entry_of("garden/soil")
    assert entity is not None
    for old, new in (("garden", "shed"), ("shed", "barn"), ("barn", "garden")):
        replace(house, old, new)
        await hass.async_block_till_done()
        assert house.shown(f"{new}/soil") == f"unavailable on {new}/roof"
        found = house.entry_of(f"{new}/soil")
        assert found is not None
        assert found.entity_id == entity.entity_id
    await house.come("garden")
    assert house.shown("garden/soil") == "41 on garden/roof"


async def test_removed_while_it_is_replaced(hass: HomeAssistant, house: House) -> None:
    """A device that is removed before all is moved is out, and so is the one before it."""
    await house.come("garden")
    for number in range(300):
        house.clients["garden"].send("PUB", VARIABLE=f"garden/{number}", VALUE=number)
    await house.publish("garden", "garden/last", "1")
    replace(house, "garden", "shed")
    await asyncio.sleep(0)
    await house.remove("shed")
    await hass.async_block_till_done()
    access = broker_of(house.entry).access
    assert not access.knows("garden")
    assert not access.knows("shed")
    await until(
        lambda: (
            {one.name.partition("/")[0] for one in broker_of(house.entry).variables}
            & {"garden", "shed"}
            == set()
        )
    )
    assert device_ids(hass) == {"kitchen"}


def device_ids(hass: HomeAssistant) -> set[str]:
    """Return the identifiers of all devices but the broker."""
    return {
        identifier
        for one in dr.async_get(hass).devices
        for _, identifier in one.identifiers
    } - {"textmq/broker"}


# A variable moves


@pytest.mark.announced_warnings("'pump' is described by device 'kitchen' as well")
async def test_type_changes_with_the_owner(hass: HomeAssistant, house: House) -> None:
    """Nothing wrong is shown where another device describes a variable as something else."""
    history = StateHistory(hass)
    await house.come("garden")
    await house.describe("garden", "pump", "sensor MODE=text")
    await house.publish("garden", "pump", "ON")
    await house.lose("garden")
    await house.pass_time(11)
    await house.come("kitchen")
    await house.describe("kitchen", "pump", "switch")
    assert house.shown("pump") == "on on kitchen"
    states = ["unknown", "ON", "unavailable", "no state"]
    assert history.of("sensor.garden_pump") == states
    assert history.of("switch.kitchen_pump") == ["on"]


async def test_moves_while_it_waits_to_be_added(
    hass: HomeAssistant, house: House
) -> None:
    """A variable that moves in the moment in which it is made is on its owner's page."""
    garden, kitchen = await house.come("garden"), await house.come("kitchen")
    broker = broker_of(house.entry)
    broker.publish("pump", "1", device="garden")
    broker.publish("pump", "2", device="kitchen")
    await hass.async_block_till_done()
    assert garden is not kitchen
    assert house.shown("pump") == "2 on kitchen"


@pytest.mark.parametrize("options", [{"delete_variables": False}])
async def test_removed_while_a_variable_waits_to_be_added(
    hass: HomeAssistant, house: House
) -> None:
    """A variable that outlives its device is shown by the broker, also if it was new."""
    await house.come("garden")
    broker_of(house.entry).publish("garden/new", "1", device="garden")
    await house.remove("garden")
    assert house.shown("garden/new").endswith("on textmq")


# The window


async def test_window_that_is_full_at_once(
    hass: HomeAssistant, house: House, announced_warnings: list[str], connect: Connect
) -> None:
    """A window that as many devices as may be had waited for is closed, and shown so."""
    announced_warnings.append("As many new devices as may be")
    for number in range(21):
        client = await connect()
        client.send("ID", ID=f"new{number}")
    await until(lambda: len(house.entry.runtime_data.broker.waiting) == 21)
    await house.act("allow_new_devices")
    await hass.async_block_till_done()
    assert state_of(hass, "binary_sensor.textmq_new_devices_allowed").state == "off"


# FORCE


async def test_equal_values_of_two_that_publish(
    hass: HomeAssistant, house: House
) -> None:
    """With FORCE equal values are reported, whoever publishes them."""
    await house.come("garden")
    await house.come("kitchen")
    await house.describe("garden", "soil", "sensor FORCE=YES")
    reported: list[str] = []

    @callback
    def changed(event: Any) -> None:
        reported.append(event.data["new_state"].state)

    await house.publish("garden", "soil", "41")
    hass.bus.async_listen("state_changed", changed)
    for who in ("kitchen", "garden", "kitchen"):
        await house.publish(who, "soil", "41")
        await asyncio.sleep(0.15)
        await hass.async_block_till_done()
    assert reported == ["41", "41", "41"]


# What is on file


@pytest.mark.parametrize(
    "stored",
    [
        [],
        ["garden"],
        "garden",
        7,
        {"garden": None, "shed": 7},
        {"garden": {"last_seen": "nan"}},
        {"garden": {"last_seen": 1e300}},
        {"garden": {"last_seen": -1e300}},
        {"garden": {"asleep_until": "inf"}},
        {"garden": {"asleep_until": "nan"}},
        {"garden": {"asleep_until": 1e300}},
        {"": {"present": True}},
        {"../../x": {"present": True}},
        {"x" * 300: {"present": True}},
    ],
    ids=repr,
)
async def test_damaged_storage(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    hass_storage: dict[str, Any],
    stored: Any,
    announced_warnings: list[str],
) -> None:
    """Whatever is on file, the broker starts, and every device can come."""
    if stored not in ([], {}) and "present" not in repr(stored):
        announced_warnings.append("What was remembered of devices can't be read")
    hass_storage["textmq.devices"] = {
        "version": 1,
        "minor_version": 1,
        "key": "textmq.devices",
        "data": stored,
    }
    house = House(hass, entry, connect)
    await house.start()
    await house.come("garden")
    await house.publish("garden", "garden/soil", "41")
    assert house.shown("garden/soil") == "41 on garden"
    await house.stop()
    await house.start()
    await house.stop()
