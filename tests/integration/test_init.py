"""Setting up, unloading, reloading, stopping, removing."""

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.const import BROKER, DOMAIN
from custom_components.textmq.hub.runtime_data import RuntimeData
from custom_components.textmq.hub.variable_entities import VariableEntities
from homeassistant import block_async_io
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.setup import async_setup_component

from .client import Client, until
from .conftest import Connect, device_of, state_of


def state_of_entry(entry: MockConfigEntry) -> str:
    """Return the state of an entry, which changes by itself."""
    return str(entry.state.value)


async def test_reload_with_connected_client(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A reload closes every client with a reason, and the same port is served again."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="42")
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert await client.ended() == "shutdown"
    assert entry.state is ConfigEntryState.LOADED
    again = await connect("garden")
    await again.ok("PUB", VARIABLE="garden/soil", VALUE="43")
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.garden_soil").state == "43"


async def test_unload_with_connected_client(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    port: int,
) -> None:
    """After unloading, nobody listens and nothing is left."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="42")
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await client.ended() == "shutdown"
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert state_of(hass, "sensor.garden_soil").state == "unavailable"
    await rooms.stop()
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(port)


async def test_stop_of_home_assistant(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """When Home Assistant stops, clients are told, values are saved, and entities keep them."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="42")
    await hass.async_block_till_done()
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert await client.ended() == "shutdown"
    stored = Path(hass.config.path(DOMAIN), "garden%2Fsoil.txt").read_text()
    assert "| VARIABLE=garden/soil | VALUE=42 |" in stored
    assert state_of(hass, "sensor.garden_soil").state == "42"
    assert state_of(hass, "binary_sensor.garden_connection").state == "on"


async def test_port_in_use(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    port: int,
    issue_registry: ir.IssueRegistry,
) -> None:
    """A port that is taken is told, and taken as soon as it is free."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert state_of_entry(entry) == "setup_retry"
    assert entry.error_reason_translation_key == "port_in_use"
    assert f"port {port}" in entry.reason
    issue = issue_registry.async_get_issue(DOMAIN, "port_in_use")
    assert issue.translation_placeholders == {"port": str(port)}
    server.close()
    await server.wait_closed()
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert state_of_entry(entry) == "loaded"
    assert issue_registry.async_get_issue(DOMAIN, "port_in_use") is None


async def test_unusable_folder(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Where the folder of the variables can't be used, the reason says so."""
    Path(hass.config.path(DOMAIN)).write_text("in the way")
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "cannot_start"
    assert "File exists" in entry.reason


@pytest.mark.announced_warnings("Error setting up entry TextMQ")
async def test_failing_platform(
    hass: HomeAssistant, entry: MockConfigEntry, port: int
) -> None:
    """A set-up that fails later leaves no open port behind."""
    with patch(
        "homeassistant.config_entries.ConfigEntries.async_forward_entry_setups",
        side_effect=RuntimeError,
    ):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(port)


@pytest.mark.announced_warnings("Error setting up entry TextMQ")
async def test_failing_start(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
) -> None:
    """A start that fails when its platforms are set up already can be tried again."""
    with patch.object(VariableEntities, "async_start", side_effect=RuntimeError):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert await hass.config_entries.async_reload(entry.entry_id)
    await connect("garden")
    await hass.async_block_till_done()
    assert state_of(hass, "binary_sensor.garden_connection").state == "on"


async def test_client_comes_during_setup(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
) -> None:
    """What clients do before all platforms are set up is there afterwards."""
    forward = hass.config_entries.async_forward_entry_setups
    clients: list[Client] = []

    async def slow(*args: Any) -> None:
        known = await connect()
        known.send("ID", ID="garden")
        known.send("PUB", VARIABLE="garden/soil", VALUE="42")
        unknown = await connect()
        unknown.send("ID", ID="stranger")
        clients.extend((known, unknown))
        await forward(*args)

    with patch.object(hass.config_entries, "async_forward_entry_setups", slow):
        assert await hass.config_entries.async_setup(entry.entry_id)
    assert (await clients[0].answer()).command == "OK"
    assert (await clients[0].answer()).command == "OK"
    await until(lambda: entry.runtime_data.broker.waiting)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert state_of(hass, "sensor.garden_soil").state == "42"
    assert state_of(hass, "binary_sensor.garden_connection").state == "on"
    assert len(hass.config_entries.flow.async_progress_by_handler(DOMAIN)) == 1


async def test_remove_entry(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_storage: dict[str, Any],
) -> None:
    """Removing the broker leaves nothing but the folder of variables."""
    await connect("garden")
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert "textmq.devices" not in hass_storage
    registry = dr.async_get(hass)
    assert not dr.async_entries_for_config_entry(registry, entry.entry_id)
    assert not hass.states.async_all()


@pytest.mark.announced_warnings("rejected by integration")
async def test_remove_device(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_ws_client: Any,
) -> None:
    """A device that a person removes is revoked; the broker can't be removed."""
    assert await async_setup_component(hass, "config", {})
    websocket = await hass_ws_client(hass)
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="42")
    await hass.async_block_till_done()

    async def remove(identifier: str) -> bool:
        device = device_of(hass, identifier)
        await websocket.send_json_auto_id(
            {"type": "config/device_registry/remove", "device_id": device.id}
        )
        answer = await websocket.receive_json()
        await hass.async_block_till_done()
        return bool(answer["success"])

    assert not await remove(BROKER)
    assert await remove("garden")
    assert await client.ended() == "revoked"
    assert not entry.subentries
    assert hass.states.get("sensor.garden_soil") is None
    assert hass.states.get("binary_sensor.garden_connection") is None
    assert rooms.broker.variables.get("garden/soil") is None
    again = await connect()
    again.send("ID", ID="garden")
    await until(lambda: "garden" in rooms.broker.waiting)
    await rooms.approved.approve("garden", "\u200b")
    await hass.async_block_till_done()
    assert device_of(hass, "garden").name == "garden"
    await hass.config_entries.async_unload(entry.entry_id)
    assert await remove("garden")
    assert not entry.subentries


async def test_two_lives_of_a_port(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """The port can be bound again at once, many times, with clients that never read."""
    for _ in range(3):
        silent = await connect("garden")
        silent.send("SUB", VARIABLE="#")
        assert await hass.config_entries.async_reload(entry.entry_id)
        assert entry.state is ConfigEntryState.LOADED


async def test_nothing_blocks_the_loop(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    disable_block_async_io: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Set-up, traffic, saving and unloading touch no file in the event loop."""
    monkeypatch.setattr(block_async_io, "_IN_TESTS", False)
    block_async_io.enable()
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="42")
    await client.ok("DEL", VARIABLE="garden/soil")
    await client.ok("PUB", VARIABLE="garden/air", VALUE="42")
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert "blocking call" not in caplog.text.lower()


async def test_garbage_is_no_news(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nonsense from one client disturbs nobody, and the log stays clean."""
    client = await connect("garden")
    bad = await connect()
    bad.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
    assert await bad.ended() == ""
    worse = await connect()
    worse.send_bytes(b"\x00\xff\n" * 20)
    assert await worse.ended() == "malformed"
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    ours = [one for one in caplog.records if "textmq" in one.name]
    assert not [one for one in ours if one.levelname in ("WARNING", "ERROR")]
