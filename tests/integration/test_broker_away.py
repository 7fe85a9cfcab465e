"""A broker that is somewhere else: it answers late, goes away, and comes back."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.const import DOMAIN
from homeassistant.config_entries import SOURCE_IGNORE
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er

from .client import until
from .conftest import Connect, broker_of, shown, state_of
from .house import House
from .slow_broker import SlowBroker


@pytest.fixture
def broker_kind() -> str:
    """Reach the broker by a wire that is slow, and fails."""
    return "slow"


@pytest.fixture
async def house(hass: HomeAssistant, entry: MockConfigEntry, connect: Connect) -> House:
    """Return a house with a garden that is connected, and has a switch and a sensor."""
    house = House(hass, entry, connect)
    await house.start()
    await house.come("garden")
    await house.describe("garden", "garden/pump", "switch")
    await house.publish("garden", "garden/pump", "OFF")
    await house.publish("garden", "garden/soil", "41")
    return house


def wire(house: House) -> SlowBroker:
    """Return the slow wire."""
    found: SlowBroker = house.entry.runtime_data.broker
    return found


async def test_nothing_is_shown_of_a_broker_that_is_gone(
    hass: HomeAssistant, house: House
) -> None:
    """Every entity is unavailable while it is gone; what has happened meanwhile shows when it is back."""
    entities = [
        one.entity_id
        for one in er.async_entries_for_config_entry(
            er.async_get(hass), house.entry.entry_id
        )
        if one.disabled_by is None
    ]
    assert shown(hass, "sensor", "garden/soil").state == "41"
    wire(house).go()
    await hass.async_block_till_done()
    states = {one: state_of(hass, one).state for one in entities}
    assert set(states.values()) == {"unavailable"}, states
    await house.clients["garden"].ok("PUB", VARIABLE="garden/soil", VALUE="42")
    await house.clients["garden"].ok("PUB", VARIABLE="garden/new", VALUE="1")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", "garden/soil").state == "unavailable"
    wire(house).come_back()
    await until(lambda: shown(hass, "sensor", "garden/soil").state == "42")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", "garden/new").state == "1"
    assert state_of(hass, "binary_sensor.garden_connection").state == "on"


@pytest.mark.parametrize(
    ("domain", "action", "data"),
    [
        (DOMAIN, "publish", {"variable": "x", "value": "1"}),
        (DOMAIN, "delete", {"variable": "garden/soil"}),
        (DOMAIN, "send_message", {"device": "garden", "message": "hello"}),
        (DOMAIN, "disconnect", {"device": "garden"}),
        (DOMAIN, "allow_new_devices", {}),
        (DOMAIN, "get", {"variable": "garden/soil"}),
        (DOMAIN, "list_variables", {}),
        ("switch", "turn_on", {"entity_id": "switch.garden_pump"}),
    ],
)
async def test_what_is_asked_while_it_goes_fails_with_a_reason(
    hass: HomeAssistant, house: House, domain: str, action: str, data: dict[str, Any]
) -> None:
    """Whatever is asked fails where the broker goes before it has answered, and says why."""

    async def ask() -> None:
        await hass.services.async_call(
            domain,
            action,
            data,
            blocking=True,
            return_response=action in ("get", "list_variables"),
        )

    hass.loop.call_later(0.05, wire(house).go)
    with pytest.raises(HomeAssistantError) as raised:
        await ask()
    assert raised.value.translation_key == "broker_gone"
    wire(house).come_back()
    await until(lambda: shown(hass, "sensor", "garden/soil").state == "41")
    await ask()


async def test_devices_that_are_approved_while_it_is_gone(
    hass: HomeAssistant, house: House, connect: Connect
) -> None:
    """What a person decides meanwhile is told when it is back, in the end as it is then."""
    broker = broker_of(house.entry)
    entries = hass.config_entries
    wire(house).go()
    for device_id in ("kitchen", "cellar"):
        await house.entry.runtime_data.approved.approve(device_id, device_id.title())
    (cellar,) = (
        one for one in house.entry.subentries.values() if one.unique_id == "cellar"
    )
    entries.async_remove_subentry(house.entry, cellar.subentry_id)
    (garden,) = (
        one for one in house.entry.subentries.values() if one.unique_id == "garden"
    )
    entries.async_remove_subentry(house.entry, garden.subentry_id)
    ignored = MockConfigEntry(domain=DOMAIN, source=SOURCE_IGNORE, unique_id="attic")
    await entries.async_add(ignored)
    await hass.async_block_till_done()
    assert broker.access.known == {"garden"}
    assert not broker.access.refused
    wire(house).come_back()
    await until(lambda: broker.access.known == {"kitchen"})
    await until(lambda: broker.access.refused == {"attic"})
    assert await house.clients["garden"].ended() == "revoked"
    await connect("kitchen", AREA="Kitchen")
    wire(house).go()
    await entries.async_remove(ignored.entry_id)
    wire(house).come_back()
    await until(lambda: not broker.access.refused)


async def test_settings_that_change_while_it_is_gone(
    hass: HomeAssistant, house: House
) -> None:
    """Limits and the interval of saving are told when it is back."""
    wire(house).go()
    hass.config_entries.async_update_entry(
        house.entry, options={"keepalive": 33, "save_interval": 7}
    )
    await hass.config.async_update(time_zone="Europe/Berlin")
    await hass.async_block_till_done()
    broker = broker_of(house.entry)
    assert broker.limits.keepalive != 33
    wire(house).come_back()
    await until(lambda: broker.limits.keepalive == 33)
    await until(lambda: broker.greeting.time_zone == "CET-1CEST,M3.5.0,M10.5.0/3")
