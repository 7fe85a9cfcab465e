"""A device that nobody had approved, and that is connected."""

import pytest

from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant

from .conftest import Connect, state_of


@pytest.mark.parametrize("access", ["open"])
async def test_a_connected_device_that_is_approved_is_available(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """It is connected before and after, though nobody knew it before."""
    client = await connect("kitchen", NAME="Kitchen")
    await client.ok("PUB", VARIABLE="kitchen/x", VALUE="1")
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.kitchen_x").state == "1"
    await rooms.approved.approve("kitchen", "Kitchen")
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.kitchen_x").state == "1"
    assert state_of(hass, "notify.kitchen_message").state == "unknown"
