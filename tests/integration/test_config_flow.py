"""Every path of every flow."""

from base64 import b64decode
from contextlib import ExitStack
import socket
from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.const import BROKER, DOMAIN
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.components import network
from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_INTEGRATION_DISCOVERY,
    SOURCE_USER,
    ConfigEntryState,
    ConfigFlowResult,
    SubentryFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import area_registry as ar, device_registry as dr
from tests.broker.encryption import client_context

from .client import Client, until
from .conftest import Connect, device_of, shown, state_of

HOST = "127.0.0.1"


async def start(hass: HomeAssistant) -> ConfigFlowResult:
    """Begin to add the broker."""
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )


def proposed(form: Any, **data: Any) -> Any:
    """Return what a form makes of what is filled in."""
    return form["data_schema"](data)


def suggested(form: Any) -> dict[str, Any]:
    """Return what a form suggests to fill in."""
    return {
        key.schema: key.description["suggested_value"]
        for key in form["data_schema"].schema
        if key.description
    }


async def test_add_broker(hass: HomeAssistant, port: int) -> None:
    """The form proposes the usual, and ends in a broker that listens."""
    form = await start(hass)
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "user"
    assert proposed(form) == {"port": 7883, "host": "all", "access": "approve"}
    data = {"port": port, "host": HOST, "access": "approve"}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], data)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "TextMQ"
    assert result["data"] == data
    assert result["result"].unique_id == BROKER
    await hass.async_block_till_done()
    async with await Client.connect(port) as client:
        client.send("ID", ID="garden")
        assert (await client.do("HELLO?")).command == "HELLO!"


async def test_add_device_next(hass: HomeAssistant, port: int) -> None:
    """After the broker was added the form of the first device is open, and says where the broker is."""
    form = await start(hass)
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"port": port, "host": HOST, "access": "approve"}
    )
    kind, flow_id = result["next_flow"]
    assert kind == "config_subentries_flow"
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.subentries.async_progress()
    assert flow["flow_id"] == flow_id
    added = await hass.config_entries.subentries.async_configure(flow_id)
    assert added["step_id"] == "user"
    assert added["description_placeholders"] == {
        "similar": "",
        "host": HOST,
        "port": str(port),
    }
    added = await hass.config_entries.subentries.async_configure(
        flow_id, {"device_id": "garden", "encrypted": True}
    )
    key = (added["description_placeholders"] or {})["key"]
    await hass.config_entries.subentries.async_configure(flow_id, {})
    await hass.async_block_till_done()
    tls = client_context("garden", b64decode(key))
    async with await Client.connect(port, tls) as client:
        await client.ok("ID", ID="garden")
        await client.ok("PUB", VARIABLE="garden/soil", VALUE="41")
        await hass.async_block_till_done()
        assert state_of(hass, "sensor.garden_soil").state == "41"


@pytest.mark.parametrize("host", ["all", HOST, "0.0.0.0", "::1"])
async def test_addresses(hass: HomeAssistant, port: int, host: str) -> None:
    """All addresses or any one of this machine can be chosen."""
    form = await start(hass)
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"port": port, "host": host, "access": "approve"}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert result["result"].state is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("host", "errors"),
    [
        (HOST, {"port": "port_in_use"}),
        ("203.0.113.7", {"host": "address_not_available"}),
        ("my house", {"host": "address_not_available"}),
        ("example.com", {"host": "address_not_available"}),
    ],
)
async def test_cannot_listen(
    hass: HomeAssistant, port: int, host: str, errors: dict[str, str]
) -> None:
    """What is wrong is said at its field, and can be put right."""
    form = await start(hass)
    data = {"port": port, "host": host, "access": "approve"}
    with socket.socket() as other:
        if host == HOST:
            other.bind((HOST, port))
            other.listen()
        form = await hass.config_entries.flow.async_configure(form["flow_id"], data)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == errors
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], data | {"host": HOST}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_forbidden_port(hass: HomeAssistant, port: int) -> None:
    """A port that only root may bind is told apart."""
    form = await start(hass)
    data = {"port": port, "host": HOST, "access": "approve"}
    with patch(
        "custom_components.textmq.config_flow.Listener.start",
        side_effect=PermissionError(13, "Permission denied"),
    ):
        form = await hass.config_entries.flow.async_configure(form["flow_id"], data)
    assert form["errors"] == {"port": "port_forbidden"}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], data)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("port_number", [0, 65536])
async def test_impossible_port(hass: HomeAssistant, port_number: int) -> None:
    """Ports that don't exist don't leave the form."""
    form = await start(hass)
    with pytest.raises(InvalidData):
        await hass.config_entries.flow.async_configure(
            form["flow_id"], {"port": port_number, "host": HOST, "access": "open"}
        )


async def test_one_broker(hass: HomeAssistant, rooms: RuntimeData) -> None:
    """There is one broker."""
    result = await start(hass)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_reconfigure(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    port: int,
) -> None:
    """Access and address can be changed while the broker has its own port."""
    client = await connect("garden")
    form = await entry.start_reconfigure_flow(hass)
    assert form["step_id"] == "reconfigure"
    assert suggested(form) == dict(entry.data)
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"port": port, "host": "0.0.0.0", "access": "open"}
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert await client.ended() == "shutdown"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert entry.data == {"port": port, "host": "0.0.0.0", "access": "open"}
    guest = await connect()
    await guest.ok("PUB", VARIABLE="x", VALUE="1")


@pytest.mark.parametrize(
    ("old", "new", "other", "errors"),
    [
        # Another program has the port on an address that the broker did not have.
        (HOST, "127.0.0.2", "127.0.0.2", {"port": "port_in_use"}),
        (HOST, "0.0.0.0", "127.0.0.2", {"port": "port_in_use"}),
        (HOST, "all", "127.0.0.2", {"port": "port_in_use"}),
        (HOST, "::1", "::1", {"port": "port_in_use"}),
        # Nobody has it, but the broker.
        (HOST, "127.0.0.2", None, {}),
        (HOST, "0.0.0.0", None, {}),
        (HOST, "all", None, {}),
        ("0.0.0.0", HOST, None, {}),
        ("0.0.0.0", "::1", None, {}),
        ("all", "::1", None, {}),
        (HOST, "203.0.113.7", None, {"host": "address_not_available"}),
        (HOST, "my house", None, {"host": "address_not_available"}),
    ],
)
async def test_reconfigure_address(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    other: str | None,
    errors: dict[str, str],
) -> None:
    """Another address with the same port is tried where it is new; what is said to work then works."""

    async def adapters(_hass: HomeAssistant) -> list[Any]:
        """Return what this machine has, with a second address."""
        ipv4 = [{"address": "127.0.0.2", "network_prefix": 8}]
        return [{"enabled": True, "ipv4": ipv4, "ipv6": []}]

    monkeypatch.setattr(network, "async_get_adapters", adapters)
    hass.config_entries.async_update_entry(entry, data={**entry.data, "host": old})
    assert await hass.config_entries.async_setup(entry.entry_id)
    with ExitStack() as stack:
        if other is not None:
            family = socket.AF_INET6 if ":" in other else socket.AF_INET
            program = stack.enter_context(socket.socket(family))
            program.bind((other, port))
            program.listen()
        form = await entry.start_reconfigure_flow(hass)
        result = await hass.config_entries.flow.async_configure(
            form["flow_id"], {"port": port, "host": new, "access": "approve"}
        )
        await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    if errors:
        assert result["errors"] == errors
        assert entry.data["host"] == old
    else:
        assert result["reason"] == "reconfigure_successful"
        assert entry.data["host"] == new


async def test_reconfigure_port(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, port: int
) -> None:
    """Another port is tried before it is taken."""
    form = await entry.start_reconfigure_flow(hass)
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        data = {"port": taken, "host": HOST, "access": "approve"}
        form = await hass.config_entries.flow.async_configure(form["flow_id"], data)
        assert form["errors"] == {"port": "port_in_use"}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], data)
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    async with await Client.connect(taken):
        pass
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(port)


async def test_reconfigure_without_running(
    hass: HomeAssistant, entry: MockConfigEntry, port: int
) -> None:
    """A broker that could not start has no port of its own."""
    with socket.socket() as other:
        other.bind((HOST, port))
        other.listen()
        await hass.config_entries.async_setup(entry.entry_id)
        form = await entry.start_reconfigure_flow(hass)
        form = await hass.config_entries.flow.async_configure(
            form["flow_id"], dict(entry.data)
        )
        assert form["errors"] == {"port": "port_in_use"}
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        free = probe.getsockname()[1]
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {**entry.data, "port": free}
    )
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


@pytest.mark.announced_warnings("'SUB b' was refused: 'limit")
async def test_options(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Options take effect while clients stay connected."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    await client.ok("PUB", VARIABLE="garden/secret", VALUE="1")
    await hass.async_block_till_done()
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    assert flow["step_id"] == "init"
    limits = {
        "line": 4096,
        "clients": 1000,
        "variables": 5000,
        "variables_per_client": 2000,
        "subscriptions": 1000,
        "messages": 32,
        "rate": 1000,
        "burst": 5000,
    }
    defaults = {
        "keepalive": 30,
        "keepalive_timeout": 10,
        "save_interval": 300,
        "include": ["#"],
        "exclude": [],
        "delete_variables": True,
        "limits": limits,
    }
    assert proposed(flow, limits={}) == defaults
    wrong = defaults | {"include": ["garden/#", "a#"], "exclude": ["#/b"]}
    flow = await hass.config_entries.options.async_configure(flow["flow_id"], wrong)
    assert flow["errors"] == {"include": "bad_filter", "exclude": "bad_filter"}
    right = defaults | {
        "include": ["garden/#"],
        "exclude": ["+/secret"],
        "keepalive": 60,
        "save_interval": 5,
        "limits": limits | {"subscriptions": 1},
    }
    result = await hass.config_entries.options.async_configure(flow["flow_id"], right)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options == right
    assert rooms is entry.runtime_data
    assert rooms.broker.limits.keepalive == 60
    assert state_of(hass, "sensor.garden_soil").state == "1"
    assert hass.states.get("sensor.garden_secret") is None
    await client.ok("SUB", VARIABLE="a")
    assert (await client.do("SUB", VARIABLE="b"))["REASON"] == "limit"
    await client.ok("PUB", VARIABLE="other/soil", VALUE="1")
    await hass.async_block_till_done()
    assert hass.states.get("sensor.garden_other_soil") is None
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(flow["flow_id"], defaults)
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.garden_secret").state == "1"
    assert state_of(hass, "sensor.garden_other_soil").state == "1"


async def add_device(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    *,
    encrypted: bool = False,
    **data: Any,
) -> SubentryFlowResult:
    """Fill in the form that adds a device by hand."""
    flow = await hass.config_entries.subentries.async_init(
        (entry.entry_id, "device"), context={"source": SOURCE_USER}
    )
    assert flow["type"] is FlowResultType.FORM
    assert flow["step_id"] == "user"
    assert proposed(flow, device_id="x") == {"device_id": "x", "encrypted": True}
    return await hass.config_entries.subentries.async_configure(
        flow["flow_id"], {**data, "encrypted": encrypted}
    )


async def test_add_device(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that waits is let in as soon as a person has entered its ID."""
    client = await connect()
    client.send("ID", ID="kitchen")
    await until(lambda: "kitchen" in rooms.broker.waiting)
    result = await add_device(hass, entry, device_id="kitchen", name="The kitchen")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "The kitchen"
    assert (await client.answer()).command == "OK"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert not hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert state_of(hass, "binary_sensor.the_kitchen_connection").state == "on"


@pytest.mark.parametrize(
    ("device_id", "error"),
    [
        ("garden", "device_known"),
        ("homeassistant", "bad_device_id"),
        ("a/b", "bad_device_id"),
        ("x" * 65, "bad_device_id"),
        ("süd", "bad_device_id"),
    ],
)
async def test_add_impossible_device(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    device_id: str,
    error: str,
) -> None:
    """What can't be a device's ID is refused, and can be put right."""
    form = await add_device(hass, entry, device_id=device_id)
    assert form["errors"] == {"device_id": error}
    result = await hass.config_entries.subentries.async_configure(
        form["flow_id"], {"device_id": "kitchen", "encrypted": False}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "kitchen"
    await hass.async_block_till_done()


@pytest.mark.parametrize("waits", [True, False])
async def test_add_device_that_differs_by_case(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    waits: bool,
) -> None:
    """An ID that is another one's but for upper and lower case is asked about once."""
    similar, device_id = ("kitchen", "Kitchen") if waits else ("garden", "GARDEN")
    if waits:
        client = await connect()
        client.send("ID", ID=similar)
        await until(lambda: similar in rooms.broker.waiting)
    form = await add_device(hass, entry, device_id=device_id)
    assert form["errors"] == {"device_id": "similar_id"}
    assert (form["description_placeholders"] or {})["similar"] == similar
    result = await hass.config_entries.subentries.async_configure(
        form["flow_id"], {"device_id": device_id, "encrypted": False}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_add_device_after_the_question(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry
) -> None:
    """It is asked of each ID, and nothing is asked of one that is put right."""
    form = await add_device(hass, entry, device_id="Garden")
    for device_id, errors in (
        ("GARDEN", {"device_id": "similar_id"}),
        ("a/b", {"device_id": "bad_device_id"}),
        ("Garden", {"device_id": "similar_id"}),
    ):
        form = await hass.config_entries.subentries.async_configure(
            form["flow_id"], {"device_id": device_id, "encrypted": False}
        )
        assert form["errors"] == errors
    result = await hass.config_entries.subentries.async_configure(
        form["flow_id"], {"device_id": "shed", "encrypted": False}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_card_of_an_id_that_differs_by_case(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A card says that there is a device of nearly this ID, and can be submitted."""
    client = await connect()
    client.send("ID", ID="Garden")
    await until(lambda: "Garden" in rooms.broker.waiting)
    form = await card(hass)
    assert form["errors"] == {"base": "similar_id"}
    assert (form["description_placeholders"] or {})["similar"] == "garden"
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"name": "Garden 2"}
    )
    assert result["reason"] == "device_approved"
    await hass.async_block_till_done()


async def test_add_ignored_device(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that is added by hand is ignored no more."""
    await ignore(hass, "kitchen")
    await add_device(hass, entry, device_id="kitchen")
    await hass.async_block_till_done()
    await connect("kitchen")
    assert hass.config_entries.async_entries(DOMAIN) == [entry]


async def change_device(
    hass: HomeAssistant, entry: MockConfigEntry, device_id: str, step: str
) -> SubentryFlowResult:
    """Choose something in the menu that changes a device."""
    (subentry,) = [
        one for one in entry.subentries.values() if one.unique_id == device_id
    ]
    menu = await entry.start_subentry_reconfigure_flow(hass, subentry.subentry_id)
    assert menu["type"] is FlowResultType.MENU
    assert menu["description_placeholders"] == {"device": device_id}
    return await hass.config_entries.subentries.async_configure(
        menu["flow_id"], {"next_step_id": step}
    )


async def test_rename_device(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A new name reaches the device, which stays connected."""
    client = await connect("garden")
    form = await change_device(hass, entry, "garden", "settings")
    assert form["step_id"] == "settings"
    assert suggested(form) == {
        "name": "Garden",
        "write": ["#"],
        "read": ["#"],
        "message": True,
    }
    result = await hass.config_entries.subentries.async_configure(
        form["flow_id"], suggested(form) | {"name": "Front garden"}
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "device_changed"
    await hass.async_block_till_done()
    device = device_of(hass, "garden")
    assert device.name == "Front garden"
    assert (await client.do("HELLO?")).command == "HELLO!"
    (subentry,) = entry.subentries.values()
    assert subentry.data == {"device_id": "garden"}


async def ignore(hass: HomeAssistant, device_id: str) -> None:
    """Ignore a device, as the frontend does."""
    result = await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": device_id, "title": device_id},
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def card(hass: HomeAssistant) -> ConfigFlowResult:
    """Open the one discovery card that there is."""
    await hass.async_block_till_done(wait_background_tasks=True)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    return await hass.config_entries.flow.async_configure(flow["flow_id"])


async def test_approve(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A card tells what the device is, and lets it in on the connection that waits."""
    area = ar.async_get(hass).async_create("Kitchen")
    client = await connect()
    client.send("ID", ID="k-1", NAME="Cooker", MODEL="ESP32-C3", AREA="kitchen")
    await until(lambda: "k-1" in rooms.broker.waiting)
    form = await card(hass)
    assert form["step_id"] == "approve"
    assert form["description_placeholders"] == {
        "device": "k\\-1",
        "address": "127\\.0\\.0\\.1",
        "model": "ESP32\\-C3",
        "similar": "",
    }
    assert suggested(form) == {"name": "Cooker", "area": area.id}
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["title_placeholders"] == {"name": "Cooker"}
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"name": "Our cooker", "area": area.id}
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "device_approved"
    assert result["description_placeholders"] == {"name": "Our cooker"}
    assert (await client.answer()).command == "OK"
    await client.ok("PUB", VARIABLE="k-1/heat", VALUE="3")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", "k-1/heat").state == "3"
    (device,) = [
        one
        for one in dr.async_get(hass).devices
        if one.identifiers == {(DOMAIN, "k-1")}
    ]
    assert (device.name, device.area_id) == ("Our cooker", area.id)
    assert device.config_subentry_id in entry.subentries
    assert device.model == "ESP32-C3"


async def test_approve_without_details(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A device that says nothing of itself has its ID to show."""
    client = await connect()
    client.send("ID", ID="k1")
    await until(lambda: "k1" in rooms.broker.waiting)
    form = await card(hass)
    assert form["description_placeholders"] == {
        "device": "k1",
        "address": "127\\.0\\.0\\.1",
        "model": "?",
        "similar": "",
    }
    await hass.config_entries.flow.async_configure(form["flow_id"], {"name": "k1"})
    assert (await client.answer()).command == "OK"
    await hass.async_block_till_done()


async def discover(hass: HomeAssistant, device_id: str) -> ConfigFlowResult:
    """Begin the flow of a discovery card."""
    return await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_INTEGRATION_DISCOVERY},
        data={"device": device_id},
    )


async def test_card_without_device(hass: HomeAssistant, rooms: RuntimeData) -> None:
    """A card that comes too late, as after a slow start, goes at once."""
    result = await discover(hass, "kitchen")
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "device_gone"


async def test_card_without_broker(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A card is no good without the broker."""
    await hass.config_entries.async_unload(entry.entry_id)
    result = await discover(hass, "kitchen")
    assert result["reason"] == "not_running"


async def test_device_goes_before_approval(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Where a device goes in the moment of approval, the person is told."""
    client = await connect()
    client.send("ID", ID="kitchen")
    await until(lambda: "kitchen" in rooms.broker.waiting)
    form = await card(hass)
    rooms.discovery.approved("kitchen")
    await client.close()
    await until(lambda: not rooms.broker.waiting)
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"name": "Kitchen"}
    )
    assert result["reason"] == "device_gone"


async def test_card_of_ignored_device(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """There is no card for what is ignored."""
    await ignore(hass, "kitchen")
    result = await discover(hass, "kitchen")
    assert result["reason"] == "already_configured"
