"""What a device may do: set by a person, enforced on the wire at once, told where a device keeps trying."""

import time
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_device,
)

from custom_components.textmq.broker import ALL_RIGHTS, Broker
from custom_components.textmq.const import REFRESH
from custom_components.textmq.hub.device_issues import VIOLATIONS
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from .client import Client
from .conftest import Connect, device_of
from .test_config_flow import change_device, suggested
from .test_keys import logged, placeholders, stored, submit, told

NOTHING: dict[str, Any] = {"write": [], "read": [], "message": False}


@pytest.fixture
def known() -> list[str]:
    """Return the IDs of the devices that are let in."""
    return ["garden", "kitchen"]


async def allow(
    hass: HomeAssistant, entry: MockConfigEntry, device_id: str, **rights: Any
) -> None:
    """Set what a device may do, in its form."""
    form = await change_device(hass, entry, device_id, "settings")
    data = suggested(form) | rights
    result = await submit(hass, form, **data)
    assert result["type"] == "abort", result
    assert result["reason"] == "device_changed"


async def refusal(client: Client, command: str, **params: Any) -> str:
    """Send a command that has to fail and return why it did."""
    return (await client.do(command, **params))["REASON"]


async def test_rights_on_the_wire(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Rights hold from the moment in which they are set, on the connection that is there."""
    garden, kitchen = await connect("garden"), await connect("kitchen")
    await garden.ok("SUB", VARIABLE="#")
    await kitchen.ok("PUB", VARIABLE="kitchen/x", VALUE="1")
    assert (await garden.receive())["VARIABLE"] == "kitchen/x"
    await allow(
        hass,
        entry,
        "garden",
        write=[" garden/# ", "kitchen/+/set", ""],
        read=["garden/#"],
        message=False,
    )
    assert stored(entry, "garden") == {
        "device_id": "garden",
        "rights": {
            "write": ["garden/#", "kitchen/+/set"],
            "read": ["garden/#"],
            "message": False,
        },
    }
    await garden.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    await garden.ok("PUB", VARIABLE="kitchen/light/set", VALUE="ON", RETAIN="NO")
    assert await refusal(garden, "PUB", VARIABLE="kitchen/x", VALUE="2") == "forbidden"
    assert await refusal(garden, "DEL", VARIABLE="kitchen/x") == "forbidden"
    assert await refusal(garden, "GET", VARIABLE="kitchen/x") == "forbidden"
    assert await refusal(garden, "GET", VARIABLE="$SYS/version") == "forbidden"
    assert await refusal(garden, "MSG", DEVICE="kitchen", VALUE="x") == "forbidden"
    await garden.ok("MSG", DEVICE="homeassistant", VALUE="x")
    await kitchen.ok("PUB", VARIABLE="kitchen/x", VALUE="3")
    await kitchen.ok("GET", VARIABLE="kitchen/x")
    assert kitchen.deliveries.popleft()["VALUE"] == "3"
    await kitchen.ok("PUB", VARIABLE="garden/soil", VALUE="2")
    await garden.ok("GET", VARIABLE="garden/#")
    assert {one["VARIABLE"] for one in garden.deliveries} == {"garden/soil"}

    assert await hass.config_entries.async_reload(entry.entry_id)
    garden = await connect("garden")
    assert await refusal(garden, "PUB", VARIABLE="kitchen/x", VALUE="2") == "forbidden"
    form = await change_device(hass, entry, "garden", "settings")
    assert suggested(form) == {
        "name": "Garden",
        "write": ["garden/#", "kitchen/+/set"],
        "read": ["garden/#"],
        "message": False,
    }


async def test_everything_again(
    hass: HomeAssistant, broker: Broker, entry: MockConfigEntry, connect: Connect
) -> None:
    """Everything is everything, what the broker tells of itself too; it costs no check and is not stored."""
    garden = await connect("garden")
    await allow(hass, entry, "garden", **NOTHING)
    assert await refusal(garden, "PUB", VARIABLE="x", VALUE="1") == "forbidden"
    await allow(hass, entry, "garden", write=["#"], read=["#"], message=True)
    assert stored(entry, "garden") == {"device_id": "garden"}
    assert broker.access.rights["garden"] is ALL_RIGHTS
    await garden.ok("PUB", VARIABLE="x", VALUE="1")
    await garden.ok("GET", VARIABLE="$SYS/version")
    await allow(hass, entry, "garden", write=["garden/#"])
    await garden.ok("GET", VARIABLE="$SYS/version")
    await garden.ok("GET", VARIABLE="x")
    assert await refusal(garden, "PUB", VARIABLE="x", VALUE="1") == "forbidden"
    await allow(hass, entry, "garden", read=["$SYS/version"])
    await garden.ok("GET", VARIABLE="$SYS/version")
    assert await refusal(garden, "GET", VARIABLE="x") == "forbidden"


async def test_emptied_lists(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A list that is left out, as an emptied one may be, allows nothing: never everything."""
    garden = await connect("garden")
    form = await change_device(hass, entry, "garden", "settings")
    await submit(hass, form, name="Garden", message=True)
    assert stored(entry, "garden")["rights"] == {**NOTHING, "message": True}
    assert await refusal(garden, "PUB", VARIABLE="x", VALUE="1") == "forbidden"
    assert await refusal(garden, "GET", VARIABLE="x") == "forbidden"
    form = await change_device(hass, entry, "garden", "settings")
    assert suggested(form) == {**NOTHING, "message": True, "name": "Garden"}


@pytest.mark.parametrize("key", ["write", "read"])
async def test_bad_filter(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, key: str
) -> None:
    """What is no filter is said at its field, and can be put right."""
    form = await change_device(hass, entry, "garden", "settings")
    data = suggested(form)
    form = await submit(hass, form, **data | {key: ["garden/#", "a#"]})
    assert form["errors"] == {key: "bad_filter"}
    assert suggested(form)[key] == ["garden/#", "a#"]
    result = await submit(hass, form, **data | {key: ["garden/#"]})
    assert result["reason"] == "device_changed"


@pytest.mark.parametrize(
    "damage",
    [
        None,
        "#",
        [],
        {"write": ["#"], "read": ["#"]},
        {"write": ["#"], "read": "#", "message": True},
        {"write": ["#"], "read": ["a#"], "message": True},
        {"write": [1], "read": ["#"], "message": True},
        {"write": ["#"], "read": ["#"], "message": "yes"},
        {"write": ["#"], "read": ["#"], "message": True, "more": True},
    ],
)
@pytest.mark.announced_warnings("rights that can't be read")
async def test_damaged_rights(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    damage: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Stored rights that can't be read allow nothing, until they are set anew."""
    subentry = next(iter(entry.subentries.values()))
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "rights": damage}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    garden = await connect("garden")
    assert await refusal(garden, "PUB", VARIABLE="x", VALUE="1") == "forbidden"
    assert await refusal(garden, "GET", VARIABLE="x") == "forbidden"
    assert await refusal(garden, "MSG", DEVICE="kitchen", VALUE="1") == "forbidden"
    await entry.runtime_data.approved.follow()
    assert len([text for text in logged(caplog) if "can't be read" in text]) == 1
    form = await change_device(hass, entry, "garden", "settings")
    await submit(hass, form, name="Garden", write=["#"], read=["#"], message=True)
    await garden.ok("PUB", VARIABLE="x", VALUE="1")


async def violate(client: Client, times: int) -> None:
    """Try over and over what is not allowed."""
    for _ in range(times):
        assert await refusal(client, "PUB", VARIABLE="a_lock", VALUE="1") == "forbidden"


ISSUE = "device_forbidden_garden"


async def test_violations(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_client: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A device that keeps trying is told of, once; it is counted, and settled when its rights change."""
    assert await async_setup_component(hass, "diagnostics", {})
    await allow(hass, entry, "garden", write=["garden/#"])
    caplog.clear()
    garden = await connect("garden")
    await violate(garden, VIOLATIONS - 1)
    assert told(hass) == set()
    await violate(garden, 10 * VIOLATIONS)
    assert told(hass) == {ISSUE}
    assert placeholders(hass, ISSUE) == {
        "device": "garden",
        "detail": "this device may not write a\\_lock",
    }
    assert logged(caplog) == []
    found = await get_diagnostics_for_device(
        hass, hass_client, entry, device_of(hass, "garden")
    )
    assert found["device"]["violations"] == 11 * VIOLATIONS - 1
    await allow(hass, entry, "garden", write=["garden/#", "a_lock"])
    assert told(hass) == set()
    await garden.ok("PUB", VARIABLE="a_lock", VALUE="1")


async def test_violations_end(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device that has been quiet for a while, or is removed, is told of no more."""
    await allow(hass, entry, "garden", write=["garden/#"])
    garden = await connect("garden")
    await violate(garden, VIOLATIONS)
    assert told(hass) == {ISSUE}
    rooms.issues.refresh()
    assert told(hass) == {ISSUE}
    later = time.monotonic() + REFRESH.total_seconds() + 1
    monkeypatch.setattr(rooms.broker, "clock", lambda: later)
    await violate(garden, 1)
    rooms.issues.refresh()
    assert told(hass) == {ISSUE}
    monkeypatch.setattr(rooms.broker, "clock", lambda: 2 * later)
    rooms.issues.refresh()
    assert told(hass) == set()
    await violate(garden, VIOLATIONS - 1)
    assert told(hass) == set()
    await violate(garden, 1)
    assert told(hass) == {ISSUE}
    subentry_id = device_of(hass, "garden").config_subentry_id
    assert subentry_id is not None
    hass.config_entries.async_remove_subentry(entry, subentry_id)
    await hass.async_block_till_done()
    assert told(hass) == set()


@pytest.mark.parametrize("again", ["says more of itself", "reconnects"])
async def test_violations_in_pieces(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    again: str,
) -> None:
    """Nothing that a device does by itself makes it begin from the first violation."""
    await allow(hass, entry, "garden", write=["garden/#"])
    garden = await connect("garden")
    await violate(garden, VIOLATIONS - 1)
    assert told(hass) == set()
    if again == "reconnects":
        garden = await connect("garden")
    else:
        await garden.ok("ID", ID="garden", MODEL="C3")
    await violate(garden, 1)
    assert told(hass) == {ISSUE}
    await connect("garden")
    assert told(hass) == {ISSUE}


async def test_few_violations_are_forgotten(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """One now and then is no habit, however long it goes on."""
    await allow(hass, entry, "garden", write=["garden/#"])
    garden = await connect("garden")
    await violate(garden, VIOLATIONS - 1)
    rooms.issues.refresh()
    rooms.issues.refresh()
    await violate(garden, VIOLATIONS - 1)
    assert told(hass) == set()
    rooms.issues.refresh()
    await violate(garden, 1)
    assert told(hass) == {ISSUE}
