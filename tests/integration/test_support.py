"""Diagnostics, system health, the logbook, repairs, the announcement by mDNS."""

from base64 import b64decode
from datetime import timedelta
from http import HTTPStatus
import json
import time
from typing import Any
from unittest.mock import MagicMock

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    get_system_health_info,
)
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)
from zeroconf import NonUniqueNameException

from custom_components.textmq.const import BROKER, DOMAIN, REFRESH
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .client import until
from .conftest import Connect, device_of

KEY = "dGhpcnR5LXR3byBieXRlcywgYW55IHdpbGwgZG8gISE="


async def test_diagnostics(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_client: Any,
) -> None:
    """Diagnostics show how the broker is used, but no keys, addresses and values."""
    assert await async_setup_component(hass, "diagnostics", {})
    subentry = next(iter(entry.subentries.values()))
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "key": KEY}
    )
    await hass.async_block_till_done()
    client = await connect("garden", key=KEY, MAC="aa:bb:cc:dd:ee:ff", MODEL="ESP32")
    await client.ok("DEF", VARIABLE="garden/soil", TYPE="sensor", NAME="Soil")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="private")
    await rooms.actions.publish("hall/light", "private")
    stranger = await connect()
    stranger.send("ID", ID="homeassistant")
    await until(lambda: rooms.broker.messages_received or True)
    found = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    text = json.dumps(found)
    for secret in (KEY, b64decode(KEY).decode(), "127.0.0.1", "aa:bb", "private"):
        assert secret not in text
    assert found["entry"]["data"] == {
        "host": "**REDACTED**",
        "port": entry.data["port"],
        "access": "approve",
    }
    assert found["entry"]["devices"] == [{"device_id": "garden", "key": "**REDACTED**"}]
    assert found["limits"]["max_line"] == 4096
    (device,) = found["devices"]
    assert (device["device_id"], device["state"]) == ("garden", "connected")
    assert device["info"]["model"] == "ESP32"
    assert (device["encrypted"], device["violations"]) == (True, 0)
    soil, light = found["variables"]
    assert soil["definition"] == {"TYPE": "sensor", "NAME": "Soil"}
    assert (soil["name"], soil["length"]) == ("garden/soil", 7)
    assert (light["publisher"], light["definition"]) == ("homeassistant", None)

    for identifier in ("garden", BROKER):
        device = device_of(hass, identifier)
        found = await get_diagnostics_for_device(hass, hass_client, entry, device)
        if identifier == "garden":
            assert found["device"]["address"] == "**REDACTED**"
            assert [one["name"] for one in found["variables"]] == ["garden/soil"]
        else:
            assert len(found["variables"]) == 2


async def test_diagnostics_of_absent_device(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, hass_client: Any
) -> None:
    """A device that has never come has little to show."""
    assert await async_setup_component(hass, "diagnostics", {})
    device = device_of(hass, "garden")
    found = await get_diagnostics_for_device(hass, hass_client, entry, device)
    assert found == {
        "device": {"device_id": "garden", "state": "disconnected"},
        "variables": [],
    }


async def test_diagnostics_without_broker(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, hass_client: Any
) -> None:
    """A broker that does not run has its settings to show."""
    assert await async_setup_component(hass, "diagnostics", {})
    device = device_of(hass, "garden")
    await hass.config_entries.async_unload(entry.entry_id)
    for found in (
        await get_diagnostics_for_config_entry(hass, hass_client, entry),
        await get_diagnostics_for_device(hass, hass_client, entry, device),
    ):
        assert found["running"] is False
        assert found["entry"]["devices"] == [{"device_id": "garden"}]
        assert found["entry"]["data"]["host"] == "**REDACTED**"


async def test_system_health(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    port: int,
) -> None:
    """System health tells whether the broker runs, and how much it has to do."""
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    assert await get_system_health_info(hass, DOMAIN) == {
        "running": True,
        "port": port,
        "access": "approve",
        "connections": 1,
        "waiting": 0,
        "variables": 1,
        "messages_received": 2,
        "refused": 0,
    }
    await hass.config_entries.async_unload(entry.entry_id)
    assert await get_system_health_info(hass, DOMAIN) == {"running": False}


@pytest.mark.parametrize("access", ["open"])
async def test_logbook(
    recorder_mock: Any,
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_ws_client: Any,
) -> None:
    """What devices do is told in the logbook, in their names."""
    # Not needed here, and not everywhere installed.
    hass.config.components.add("frontend")
    assert await async_setup_component(hass, "logbook", {})
    await hass.async_block_till_done()
    start = dt_util.utcnow() - timedelta(seconds=1)
    registry = dr.async_get(hass)
    device = device_of(hass, "garden")
    client = await connect("garden")
    await client.ok("MSG", DEVICE="homeassistant", VALUE=r"two\nlines")
    registry.async_update_device(device.id, name_by_user="My garden")
    client.send("CLOSE")
    await until(lambda: rooms.broker.state("garden") == "disconnected")
    guest = await connect()
    await guest.ok("MSG", DEVICE="homeassistant", VALUE="hi")
    await async_wait_recording_done(hass)
    websocket = await hass_ws_client(hass)
    await websocket.send_json_auto_id(
        {"type": "logbook/get_events", "start_time": start.isoformat()}
    )
    answer = await websocket.receive_json()
    lines = [
        (one["name"], one["message"])
        for one in answer["result"]
        if one.get("domain") == DOMAIN
    ]
    assert lines == [
        ("My garden", "has connected"),
        ("My garden", "has sent “two lines”"),
        ("My garden", "has disconnected (client-close)"),
        ("TextMQ", "has sent “hi”"),
    ]


@pytest.mark.parametrize("access", ["open"])
async def test_open_access_on_this_machine(
    hass: HomeAssistant, rooms: RuntimeData, issue_registry: ir.IssueRegistry
) -> None:
    """What nobody else reaches may be open."""
    assert issue_registry.async_get_issue(DOMAIN, "open_access") is None


@pytest.mark.parametrize("access", ["open"])
async def test_open_access(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    issue_registry: ir.IssueRegistry,
    hass_client: Any,
) -> None:
    """A broker that is open to the network is told, and closed by a click."""
    assert await async_setup_component(hass, "repairs", {})
    hass.config_entries.async_update_entry(entry, data={**entry.data, "host": "all"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    issue = issue_registry.async_get_issue(DOMAIN, "open_access")
    assert issue.is_fixable
    client = await hass_client()
    answer = await client.post(
        "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": "open_access"}
    )
    assert answer.status == HTTPStatus.OK
    flow = await answer.json()
    assert flow["step_id"] == "confirm"
    assert flow["description_placeholders"] == {"port": str(entry.data["port"])}
    answer = await client.post(f"/api/repairs/issues/fix/{flow['flow_id']}", json={})
    assert (await answer.json())["type"] == "create_entry"
    await hass.async_block_till_done()
    assert entry.data["access"] == "approve"
    assert issue_registry.async_get_issue(DOMAIN, "open_access") is None


@pytest.mark.parametrize("access", ["open"])
async def test_issues_go_with_the_broker(
    hass: HomeAssistant, entry: MockConfigEntry, issue_registry: ir.IssueRegistry
) -> None:
    """Nothing is told of a broker that is removed."""
    hass.config_entries.async_update_entry(entry, data={**entry.data, "host": "all"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert issue_registry.async_get_issue(DOMAIN, "open_access")
    ir.async_create_issue(
        hass,
        "other",
        "stays",
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key="stays",
    )
    await hass.config_entries.async_remove(entry.entry_id)
    assert [domain for domain, _ in issue_registry.issues] == ["other"]


async def test_flapping_device(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    issue_registry: ir.IssueRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An ID that connects over and over is told, until it stays."""
    rooms.broker.limits.max_connects_per_minute = 3
    for _ in range(3):
        await connect("garden")
    client = await connect()
    answer = await client.do("ID", ID="garden")
    assert answer["REASON"] == "limit"
    issue = issue_registry.async_get_issue(DOMAIN, "device_flapping_garden")
    assert issue.translation_placeholders == {
        "device": "garden",
        "name": "Garden",
        "address": "127\\.0\\.0\\.1",
    }
    async_fire_time_changed(hass, dt_util.utcnow() + REFRESH)
    await hass.async_block_till_done()
    assert len(issue_registry.issues) == 1
    monkeypatch.setattr(
        rooms.broker, "clock", lambda: time.monotonic() + REFRESH.total_seconds()
    )
    async_fire_time_changed(hass, dt_util.utcnow() + 2 * REFRESH)
    await hass.async_block_till_done()
    assert not issue_registry.issues
    for number in range(20):
        rooms.issues.device_flapping(f"device{number}", "127.0.0.1")
    assert len(issue_registry.issues) == 8
    rooms.issues.device_flapping("garden", "127.0.0.1")
    await hass.config_entries.async_remove(entry.entry_id)
    assert not issue_registry.issues


async def test_announcement(
    hass: HomeAssistant, entry: MockConfigEntry, mock_async_zeroconf: MagicMock
) -> None:
    """The network is told where the broker is, for as long as it runs."""
    assert await async_setup_component(hass, "zeroconf", {})
    hass.config.location_name = "Our. home" + "x" * 100
    hass.config_entries.async_update_entry(entry, data={**entry.data, "host": "all"})
    before = mock_async_zeroconf.async_register_service.call_count
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: mock_async_zeroconf.async_register_service.call_count > before)
    (info,) = mock_async_zeroconf.async_register_service.call_args.args
    assert info.type == "_textmq._tcp.local."
    assert info.name == "Our  home" + "x" * 54 + "._textmq._tcp.local."
    assert info.port == entry.data["port"]
    assert info.properties == {b"version": b"1"}
    assert info.parsed_addresses()
    assert await hass.config_entries.async_unload(entry.entry_id)
    mock_async_zeroconf.async_unregister_service.assert_called_once_with(info)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_announced_address(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    mock_async_zeroconf: MagicMock,
    host: str,
) -> None:
    """Only what others reach is announced."""
    assert await async_setup_component(hass, "zeroconf", {})
    hass.config_entries.async_update_entry(entry, data={**entry.data, "host": host})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    if host == "127.0.0.1":
        mock_async_zeroconf.async_register_service.assert_not_called()
    else:
        await until(lambda: mock_async_zeroconf.async_register_service.called)
        (info,) = mock_async_zeroconf.async_register_service.call_args.args
        assert info.parsed_addresses() == [host]


@pytest.mark.announced_warnings("can't be announced by mDNS")
async def test_failed_announcement(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    mock_async_zeroconf: MagicMock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where mDNS does not work, the broker does."""
    assert await async_setup_component(hass, "zeroconf", {})
    mock_async_zeroconf.async_register_service.side_effect = NonUniqueNameException
    hass.config_entries.async_update_entry(entry, data={**entry.data, "host": "all"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: "can't be announced" in caplog.text)
    assert entry.runtime_data.broker.port == entry.data["port"]
