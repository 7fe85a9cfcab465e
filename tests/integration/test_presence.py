"""What the broker knows over time, as Home Assistant tells it: presence, time zone, clock, what is stale."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.textmq.broker import Broker
from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .client import until
from .conftest import Connect, broker_of, device_subentry


async def test_devices_read_the_presence_of_others(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Of those that a person has let in."""
    client = await connect("garden")
    await client.ok("SUB", VARIABLE="$DEVICES/#")
    told = await client.receive()
    assert told["VARIABLE"] == "$DEVICES/garden"
    assert told["VALUE"].startswith("CONNECTED SINCE=2")
    await rooms.approved.approve("shed", "Shed")
    told = await client.receive()
    assert (told["VARIABLE"], told["VALUE"]) == ("$DEVICES/shed", "")


async def test_presence_is_no_entity(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """It is the broker's own."""
    await connect("garden")
    await hass.async_block_till_done()
    registry = er.async_get(hass)
    assert not [one for one in registry.entities.values() if "$" in one.unique_id]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["kitchen/#"], ["kitchen/#", "$DEVICES/#"]),
        (["#"], ["#"]),
        ([], []),
        (["a", "$DEVICES/#"], ["a", "$DEVICES/#"]),
    ],
)
@pytest.mark.announced_warnings("'broken': it has rights that can't be read")
async def test_rights_of_an_earlier_version(
    hass: HomeAssistant, port: int, before: list[str], after: list[str]
) -> None:
    """Where a person had said what a device may read, it may read presence too, as others may by default."""
    rights = {"write": ["#"], "read": before, "message": True}
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="TextMQ",
        data={"host": "127.0.0.1", "port": port, "access": "approve"},
        subentries_data=[
            device_subentry("limited", rights=rights),
            device_subentry("free"),
            device_subentry("broken", rights={"write": 1}),
        ],
        minor_version=1,
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    limited, free, broken = (dict(one.data) for one in entry.subentries.values())
    assert limited["rights"] == {**rights, "read": after}
    assert "rights" not in free
    assert broken["rights"] == {"write": 1}
    assert entry.minor_version == 2
    may_read = broker_of(entry).access.rights_of("limited").may_read
    assert may_read("$DEVICES/free") is bool(before)


@pytest.mark.announced_warnings("higher than the current version")
async def test_a_later_version(hass: HomeAssistant, port: int) -> None:
    """What a later major version has stored is left alone."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        data={"host": "127.0.0.1", "port": port, "access": "approve"},
        version=2,
    )
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)


async def test_time_zone(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Devices that ask are told the time zone of the house, and the new one after a change."""
    client = await connect("garden")
    answer = await client.ok("ID", ID="garden", CAN="")
    assert answer["TZ"] == "PST8PDT,M3.2.0,M11.1.0"
    await hass.config.async_update(time_zone="Europe/Berlin")
    await hass.async_block_till_done()
    answer = await client.ok("ID", ID="garden", CAN="")
    assert answer["TZ"] == "CET-1CEST,M3.5.0,M10.5.0/3"


async def test_a_clock_that_is_behind(
    hass: HomeAssistant,
    rooms: RuntimeData,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is told while it is so, and not where it is only a little."""
    now = rooms.broker.now()
    for behind, told in ((59, False), (7200, True), (0, False)):
        monkeypatch.setattr(broker.archive, "_saved_at", now + behind)
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=2))
        await hass.async_block_till_done()
        found = ir.async_get(hass).async_get_issue(DOMAIN, "clock_behind")
        assert (found is not None) is told


async def test_variables_that_a_device_does_not_describe_any_more(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_client: Any,
) -> None:
    """A repair names them, stays over a new connection, and deletes them with their entities."""
    client = await connect("garden", DEFS="v1")
    for name in ("old", "kept", "older"):
        await client.ok("DEF", VARIABLE=name, TYPE="sensor")
        await client.ok("PUB", VARIABLE=name, VALUE="1")
    await client.ok("DEFS", TOKEN="v1", COUNT=3)
    registry = ir.async_get(hass)
    issue_id = "device_stale_garden"
    assert registry.async_get_issue(DOMAIN, issue_id) is None
    client = await connect("garden", DEFS="v2")
    await client.ok("DEF", VARIABLE="kept", TYPE="sensor")
    await client.ok("DEFS", TOKEN="v2", COUNT=1)
    issue = registry.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["names"] == "old, older"
    client = await connect("garden", DEFS="v2")
    assert registry.async_get_issue(DOMAIN, issue_id) is issue
    assert await async_setup_component(hass, "repairs", {})
    web = await hass_client()
    answer = await web.post(
        "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": issue_id}
    )
    form = await answer.json()
    assert form["step_id"] == "confirm"
    await web.post(f"/api/repairs/issues/fix/{form['flow_id']}", json={})
    await hass.async_block_till_done()
    assert registry.async_get_issue(DOMAIN, issue_id) is None
    assert [one.name for one in rooms.broker.variables] == ["kept"]
    names = {one.unique_id for one in er.async_get(hass).entities.values()}
    assert not [one for one in names if one.endswith(("old", "older"))]


@pytest.mark.parametrize("known", [["garden", "shed"]])
@pytest.mark.announced_warnings("is described by device 'shed' as well")
async def test_what_is_stale_no_more_is_not_deleted(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect, hass_client: Any
) -> None:
    """The repair names and deletes only what still has the description of an earlier set."""
    client = await connect("garden")
    stale = ("changed", "deleted", "gone", "same", "taken")
    for name in stale:
        await client.ok("DEF", VARIABLE=name, TYPE="sensor")
    await client.ok("DEFS", TOKEN="v1", COUNT=5)
    await client.ok("DEF", VARIABLE="kept", TYPE="sensor")
    client = await connect("garden")
    await client.ok("DEF", VARIABLE="kept", TYPE="sensor")
    await client.ok("DEFS", TOKEN="v2", COUNT=1)
    registry = ir.async_get(hass)
    issue_id = "device_stale_garden"

    def names() -> str:
        issue = registry.async_get_issue(DOMAIN, issue_id)
        assert issue is not None
        return (issue.translation_placeholders or {})["names"]

    assert names() == ", ".join(stale)
    registry.async_ignore(DOMAIN, issue_id, True)
    await client.ok("DEF", VARIABLE="changed", TYPE="sensor", NAME="Changed")
    assert names() == "deleted, gone, same, taken"
    await client.ok("DEL", VARIABLE="deleted")
    assert names() == "gone, same, taken"
    other = await connect("shed")
    await other.ok("DEF", VARIABLE="same", TYPE="sensor")
    await other.ok("DEF", VARIABLE="taken", TYPE="sensor", NAME="Taken")
    await other.ok("DEFS", TOKEN="v1", COUNT=2)
    issue = registry.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.dismissed_version is not None
    assert await async_setup_component(hass, "repairs", {})
    web = await hass_client()
    answer = await web.post(
        "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": issue_id}
    )
    form = await answer.json()
    await web.post(f"/api/repairs/issues/fix/{form['flow_id']}", json={})
    await hass.async_block_till_done()
    assert registry.async_get_issue(DOMAIN, issue_id) is None
    left = {one.name for one in rooms.broker.variables}
    assert left == {"changed", "kept", "same", "taken"}


async def test_the_last_stale_variable_goes(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """The repair settles by itself, and comes again with other variables."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE="old", TYPE="sensor")
    await client.ok("DEFS", TOKEN="v1", COUNT=1)
    registry = ir.async_get(hass)
    for token, name in (("v2", "newer"), ("v3", "newest")):
        client = await connect("garden")
        await client.ok("DEF", VARIABLE=name, TYPE="sensor")
        await client.ok("DEFS", TOKEN=token, COUNT=1)
        assert registry.async_get_issue(DOMAIN, "device_stale_garden") is not None
        for one in tuple(rooms.broker.variables):
            if one.name != name:
                await client.ok("DEL", VARIABLE=one.name)
        assert registry.async_get_issue(DOMAIN, "device_stale_garden") is None


@pytest.mark.parametrize("known", [["garden", "shed"]])
async def test_a_sleeper_of_an_earlier_version(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    hass_storage: dict[str, Any],
) -> None:
    """One that is only in Home Assistant's storage sleeps, wakes, and is lost."""
    now = dt_util.utcnow().timestamp()
    hass_storage["textmq.devices"] = {
        "version": 1,
        "data": {
            "garden": {
                "address": "192.0.2.1",
                "last_seen": now - 60,
                "asleep_until": now + 3600,
            }
        },
    }
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    rooms: RuntimeData = entry.runtime_data
    assert rooms.broker.state("garden") == "asleep"
    reader = await connect("shed")
    await reader.ok("SUB", VARIABLE="$DEVICES/garden")
    assert (await reader.receive())["VARIABLE"] == "$DEVICES/garden"
    garden = await connect("garden")
    assert rooms.broker.state("garden") == "connected"
    assert (await reader.receive())["VALUE"].startswith("CONNECTED ")
    garden.send("CLOSE", SLEEP=3600)
    assert await garden.ended() == ""
    await until(lambda: rooms.broker.state("garden") == "asleep")
    device = rooms.broker.devices.get("garden")
    assert device is not None
    device.asleep_until = rooms.broker.clock()
    await until(lambda: rooms.broker.state("garden") == "disconnected")


async def test_stale_variables_that_are_described_again(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """The repair settles by itself."""
    client = await connect("garden", DEFS="v1")
    await client.ok("DEF", VARIABLE="a", TYPE="sensor")
    await client.ok("DEF", VARIABLE="b", TYPE="sensor")
    await client.ok("DEFS", TOKEN="v1", COUNT=2)
    for described, told in ((("a",), True), (("b",), True), (("a", "b"), False)):
        client = await connect("garden")
        for name in described:
            await client.ok("DEF", VARIABLE=name, TYPE="sensor")
        await client.ok("DEFS", TOKEN=f"v-{'-'.join(described)}", COUNT=len(described))
        issue = ir.async_get(hass).async_get_issue(DOMAIN, "device_stale_garden")
        assert (issue is not None) is told
