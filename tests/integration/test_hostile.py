"""What devices say is not to be trusted: names, values, IDs."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub import Hub
from custom_components.textmq.safe import logged, markdown, plain
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .client import until
from .conftest import Connect, device_of, shown

NASTY = r"x\n\u202eevil\u0000\u2028{name} [a](http://b) <b>**c**</b>"
SAFE = "x evil {name} [a](http://b) <b>**c**</b>"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Kitchen", "Kitchen"),
        ("a\r\nb\t c", "a b c"),
        ("\u202eabc\u2066\u200b", "abc"),
        ("\ud800", ""),
        ("x" * 101, "x" * 99 + "…"),
        ("\u200b" * 500 + "a", ""),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("Küche °C 温度", "Küche °C 温度"),
    ],
)
def test_plain(text: str, safe: str) -> None:
    """Text is one line of what can be seen."""
    assert plain(text) == safe


def test_markdown() -> None:
    """Markdown is shown as it is written."""
    assert markdown("[a](http://b) <i>*c*</i>") == (
        r"\[a\]\(http\:\/\/b\) \<i\>\*c\*\<\/i\>"
    )


def test_logged() -> None:
    """A line of the log is one line of ASCII."""
    assert logged("a\nb'°\x1b[31m") == '"a b\'\\xb0 [31m"'


async def test_names(
    hass: HomeAssistant,
    hub: Hub,
    entry: MockConfigEntry,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing that a device says of itself or its variables gets through as it is."""
    client = await connect("garden", MODEL=NASTY, MANUFACTURER=NASTY, SW=NASTY)
    await client.ok("DEF", VARIABLE="garden/x", TYPE="switch", NAME=NASTY)
    await client.ok("PUB", VARIABLE="garden/x", VALUE=NASTY)
    await client.ok("PUB", VARIABLE="garden/{{ states() }}", VALUE=NASTY)
    await hass.async_block_till_done()
    device = device_of(hass, "garden")
    assert {device.model, device.manufacturer, device.sw_version} == {SAFE}
    state = shown(hass, "switch", "garden/x")
    assert state.state == "unknown"
    assert state.attributes["friendly_name"] == f"Garden {SAFE}"
    assert "\0" not in shown(hass, "sensor", "garden/{{ states() }}").state
    for record in caplog.records:
        if record.name.startswith("custom_components.textmq"):
            assert record.getMessage().isascii()
            assert "\n" not in record.getMessage()


async def test_name_of_permitted_device(
    hass: HomeAssistant, hub: Hub, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that comes in through the window has a name that can be shown."""
    await hass.services.async_call(DOMAIN, "allow_new_devices", blocking=True)
    await connect("kitchen", NAME=NASTY)
    assert {one.title for one in entry.subentries.values()} == {"Garden", SAFE}


async def test_card(hass: HomeAssistant, hub: Hub, connect: Connect) -> None:
    """A card shows no more than text."""
    client = await connect()
    client.send("ID", ID="a[b](c)", NAME=NASTY, MODEL=NASTY)
    await until(lambda: hub.broker.waiting)
    await hass.async_block_till_done(wait_background_tasks=True)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["title_placeholders"] == {"name": SAFE}
    form = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert form["description_placeholders"] == {
        "device": r"a\[b\]\(c\)",
        "address": markdown("127.0.0.1"),
        "model": markdown(SAFE),
    }


@pytest.mark.parametrize(
    "variable",
    [
        "a" * 255,
        "/".join("ab" * 40),
        "garden/'; DROP TABLE states; --",
        'garden/"quoted"',
        "garden/%2F..%2F",
        "garden/..",
        "CON",
        "!@%^&*()=~`<>,.?;:",
    ],
)
async def test_odd_variables(
    hass: HomeAssistant,
    hub: Hub,
    entry: MockConfigEntry,
    connect: Connect,
    variable: str,
) -> None:
    """Every name that the protocol allows becomes an entity, and is there after a restart."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=variable, VALUE="1")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", variable).state == "1"
    assert len(shown(hass, "sensor", variable).entity_id) <= 255
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert shown(hass, "sensor", variable).state == "1"


async def test_flood_of_variables(
    hass: HomeAssistant, hub: Hub, connect: Connect, entity_registry: er.EntityRegistry
) -> None:
    """Many new variables at once are added together, and deleted ones never come back."""
    client = await connect("garden")
    for number in range(200):
        client.send("PUB", VARIABLE=f"garden/v{number}", VALUE=number, ACK="NO")
        if number % 2:
            client.send("DEL", VARIABLE=f"garden/v{number}", ACK="NO")
    await client.do("HELLO?")
    await hass.async_block_till_done()
    found = {
        one.unique_id
        for one in er.async_entries_for_config_entry(
            entity_registry, hub.entry.entry_id
        )
        if one.unique_id.startswith("variable/")
    }
    assert found == {f"variable/garden/v{number}" for number in range(0, 200, 2)}


async def test_device_called_like_the_broker(
    hass: HomeAssistant, hub: Hub, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device whose ID is the domain's name is a device like any other."""
    client = await connect()
    client.send("ID", ID="textmq")
    await until(lambda: "textmq" in hub.broker.waiting)
    await hass.async_block_till_done(wait_background_tasks=True)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    result: Any = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"name": "TextMQ"}
    )
    assert result["reason"] == "device_approved"
    assert (await client.answer()).command == "OK"
    await hass.async_block_till_done()
    names = [
        one.identifiers
        for one in dr.async_get(hass).devices
        if one.config_entry_id == entry.entry_id
    ]
    assert len(names) == 3
