"""Flows say what is so."""

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant

from .client import until
from .conftest import Connect
from .test_discovery import cards
from .test_flows_over_time import FLOWS, Browser, browser, subentry_id
from .test_keys import KEY, stored

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


async def test_the_approved_device_is_the_one_that_is_similar(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    connect: Connect,
) -> None:
    """Of several IDs that differ by case alone, the one that a person knows is named."""
    for waiting in ("Garden", "gARDEN", "gaRDEN"):
        (await connect()).send("ID", ID=waiting)
    await until(lambda: len(rooms.broker.waiting) == 3)
    form = await browser.open(SUBENTRIES, handler=[entry.entry_id, "device"])
    data = {"device_id": "GARDEN", "encrypted": True}
    form = await browser.submit(SUBENTRIES, form, data)
    assert form["errors"] == {"device_id": "similar_id"}
    assert form["description_placeholders"]["similar"] == "garden"


async def test_a_card_that_is_answered_without_a_name(
    hass: HomeAssistant, rooms: RuntimeData, browser: Browser, connect: Connect
) -> None:
    """The device is called by its ID, and so it is in the answer."""
    (await connect()).send("ID", ID="kitchen")
    await until(lambda: cards(hass))
    (card,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    done = await browser.submit(f"{FLOWS}/flow", card, {"name": "  "})
    assert done["reason"] == "device_approved"
    assert done["description_placeholders"] == {"name": "kitchen"}


async def test_what_another_window_has_changed_is_not_undone(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, browser: Browser
) -> None:
    """Rights that were taken away meanwhile stay so, unless a person who has seen it says otherwise."""
    forms = []
    for _ in range(2):
        menu = await browser.open(
            SUBENTRIES,
            handler=[entry.entry_id, "device"],
            subentry_id=subentry_id(entry),
        )
        form = await browser.submit(SUBENTRIES, menu, {"next_step_id": "settings"})
        forms.append(form)
    rights = {"write": ["garden/#"], "read": [], "message": False}
    done = await browser.submit(SUBENTRIES, forms[0], {"name": "Garden", **rights})
    assert done["reason"] == "device_changed"
    renamed = {"name": "Bed", "write": ["#"], "read": ["#"], "message": True}
    form = await browser.submit(SUBENTRIES, forms[1], renamed)
    assert form["errors"] == {"base": "changed"}
    assert {
        field["name"]: field["description"]["suggested_value"]
        for field in form["data_schema"]
    } == {"name": "Garden", **rights}
    assert stored(entry, "garden")["rights"] == rights
    done = await browser.submit(SUBENTRIES, form, renamed)
    assert done["reason"] == "device_changed"
    assert "rights" not in stored(entry, "garden")
