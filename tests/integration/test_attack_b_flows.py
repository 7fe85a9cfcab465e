"""Flows say what is so."""

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant

from .conftest import Connect
from .test_flows_over_time import FLOWS, Browser, browser, subentry_id
from .test_keys import KEY

__all__ = ["browser"]
SUBENTRIES = f"{FLOWS}/subentries/flow"


async def test_replace_by_the_same_id_without_a_key(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    connect: Connect,
) -> None:
    """Nothing would keep the old board out, so nothing says that it is out."""
    await connect("garden")
    handler = [entry.entry_id, "device"]
    menu = await browser.open(
        SUBENTRIES, handler=handler, subentry_id=subentry_id(entry)
    )
    form = await browser.submit(SUBENTRIES, menu, {"next_step_id": "replace"})
    same = {"device_id": "garden", "encrypted": False}
    form = await browser.submit(SUBENTRIES, form, same)
    assert form["errors"] == {"device_id": "nothing_to_replace"}
    assert rooms.broker.state("garden") == "connected"
    await rooms.approved.set_key("garden", KEY)
    done = await browser.submit(SUBENTRIES, form, same)
    assert done["reason"] == "device_replaced"
