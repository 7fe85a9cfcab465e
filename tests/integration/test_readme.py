"""The first steps that the README shows, in a Home Assistant core."""

from pathlib import Path
import re

from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from .client import until
from .conftest import Connect, device_of, entity_id, shown

README = Path(__file__).parents[2] / "README.md"


async def test_first_steps(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A device asks, has a card, is approved by a press, publishes, and describes what it publishes."""
    section = README.read_text(encoding="utf-8").partition("## First steps")[2]
    identify, publish, describe = re.findall(
        r"`(START \| .* \| END)`", section.partition("\n## ")[0]
    )
    client = await connect()
    client.send_bytes(f"{identify}\n".encode())
    await until(lambda: "kitchen" in rooms.broker.waiting)
    await hass.async_block_till_done(wait_background_tasks=True)
    (card,) = hass.config_entries.flow.async_progress_by_handler("textmq")
    form = await hass.config_entries.flow.async_configure(card["flow_id"])
    await hass.config_entries.flow.async_configure(form["flow_id"], {"name": "Kitchen"})
    assert (await client.answer()).command == "OK"
    assert device_of(hass, "kitchen").name == "Kitchen"

    client.send_bytes(f"{publish}\n".encode())
    assert (await client.answer()).command == "OK"
    await until(lambda: entity_id(hass, "sensor", "kitchen/temperature"))
    await hass.async_block_till_done()
    sensor = shown(hass, "sensor", "kitchen/temperature")
    assert sensor.state == "21.5"
    entry = er.async_get(hass).async_get(sensor.entity_id)
    assert entry is not None
    assert entry.device_id == device_of(hass, "kitchen").id

    client.send_bytes(f"{describe}\n".encode())
    assert (await client.answer()).command == "OK"
    await hass.async_block_till_done()
    attributes = shown(hass, "sensor", "kitchen/temperature").attributes
    assert attributes["friendly_name"] == "Kitchen Temperature"
    assert attributes["unit_of_measurement"] == "°C"
