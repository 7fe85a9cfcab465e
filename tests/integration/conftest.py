"""The broker inside a Home Assistant core, and clients of it."""

from base64 import b64decode
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
import json
import os
from pathlib import Path
import re
import socket
from typing import Any, Final

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq import config_flow, device_flow, repairs
from custom_components.textmq.broker import Broker
from custom_components.textmq.const import BROKER, DOMAIN
from custom_components.textmq.hub import hub
from custom_components.textmq.hub.local import LocalBroker
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.components.repairs import RepairsFlow
from homeassistant.config_entries import ConfigEntryState, ConfigSubentryData
from homeassistant.core import HomeAssistant, State
from homeassistant.data_entry_flow import FlowManager, section
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.entity import Entity
from homeassistant.util import dt as dt_util
from tests.broker.encryption import client_context

from .announced import Announced, announced_warnings
from .client import Client
from .house import House
from .slow_broker import SlowBroker

__all__ = ["announced_warnings"]


def pytest_configure(config: pytest.Config) -> None:
    """Pass over a warning of Home Assistant's own web server; know our marker."""
    config.addinivalue_line(
        "filterwarnings", "ignore::aiohttp.web_exceptions.NotAppKeyWarning"
    )
    config.addinivalue_line(
        "markers",
        "announced_warnings(*expressions, sometimes=()): the lines at warning or above that a test is to log",
    )


ENGLISH: Final[dict[str, Any]] = json.loads(
    (Path(config_flow.__file__).parent / "translations" / "en.json").read_text()
)

FLOWS: Final = {config_flow.__name__, device_flow.__name__, repairs.__name__}

type Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give every test a configuration folder of its own."""
    return hass_tmp_config_dir


@pytest.fixture(autouse=True)
def use_sockets_and_integration(
    announced_warnings: Announced, socket_enabled: None, request: pytest.FixtureRequest
) -> None:
    """Allow loopback sockets, and the integration to be found; what is logged till the very end is judged."""
    if "recorder_mock" in request.fixturenames:
        # It has to be there before Home Assistant is.
        request.getfixturevalue("recorder_mock")
    request.getfixturevalue("enable_custom_integrations")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let all tests run over a broker that answers late."""
    parser.addoption("--broker", choices=("local", "slow"), default="local")


@pytest.fixture
def broker_kind(request: pytest.FixtureRequest) -> str:
    """Return how the broker is reached; tests override it by parametrization."""
    kind: str = request.config.getoption("--broker")
    return kind


@pytest.fixture(autouse=True)
def reach_broker(broker_kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the slow broker in the place of the local one."""
    if broker_kind == "slow":
        make = hub.make_broker
        monkeypatch.setattr(hub, "make_broker", lambda *args: SlowBroker(make(*args)))


@pytest.fixture(autouse=True)
def check_flow_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test in which a flow shows something that has no text."""
    handle = FlowManager._async_handle_step  # noqa: SLF001

    async def checked(
        self: FlowManager[Any, Any, Any], flow: Any, *args: Any
    ) -> dict[str, Any]:
        result: dict[str, Any] = await handle(self, flow, *args)
        kind = {
            "OptionsFlowManager": ("options",),
            "ConfigSubentryFlowManager": ("config_subentries", "device"),
            "ConfigEntriesFlowManager": ("config",),
        }.get(type(self).__name__)
        if isinstance(flow, RepairsFlow):
            kind = ("issues", issue_key(flow.issue_id), "fix_flow")
        if kind is not None and flow.__module__ in FLOWS:
            texts = ENGLISH
            for key in kind:
                texts = texts[key]
            check_result(texts, result)
        return result

    monkeypatch.setattr(FlowManager, "_async_handle_step", checked)


def issue_key(issue_id: str) -> str:
    """Return the key of the texts of an issue."""
    (key,) = [one for one in ENGLISH["issues"] if issue_id.startswith(one)]
    return str(key)


def check_result(texts: dict[str, Any], result: dict[str, Any]) -> None:
    """Check that a form or an end of a flow has all its texts."""
    given = set(result.get("description_placeholders") or {})
    if result["type"] == "abort" and result.get("translation_domain") is None:
        assert set(re.findall(r"{(\w+)}", texts["abort"][result["reason"]])) <= given
    if result["type"] not in ("form", "menu"):
        return
    step = texts["step"][result["step_id"]]
    assert step["title"]
    assert set(re.findall(r"{(\w+)}", step.get("description", ""))) <= given
    if result["type"] == "menu":
        for texts_of in (step["menu_options"], step["menu_option_descriptions"]):
            assert set(result["menu_options"]) <= texts_of.keys()
        return
    for error in (result["errors"] or {}).values():
        assert texts["error"][error]
    check_fields(step, result["data_schema"])


def check_fields(texts: dict[str, Any], schema: Any) -> None:
    """Check that every field has a name and a description, and no text is left over."""
    fields = {str(key): value for key, value in schema.schema.items()}
    sections = {
        key: fields.pop(key)
        for key in tuple(fields)
        if isinstance(fields[key], section)
    }
    for key in ("data", "data_description"):
        assert fields.keys() == texts.get(key, {}).keys()
    for key, inner in sections.items():
        assert texts["sections"][key]["name"]
        check_fields(texts["sections"][key], inner.schema)


@pytest.fixture
def entity_registry_enabled_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable the entities, too, that are disabled until a person wants them."""
    monkeypatch.setattr(Entity, "entity_registry_enabled_default", True)


def _ports() -> Iterator[int]:
    """Return ports of this process alone, below those that the system gives to connections."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10_000 + worker * _PORTS
    # Another run on this machine begins elsewhere.
    offset = os.getpid() % _PORTS
    while True:
        yield first + offset
        offset = (offset + 1) % _PORTS


_PORTS: Final = 2000
"""Ports of each process that runs tests."""
_NEXT_PORT: Final = _ports()


@pytest.fixture
def port(socket_enabled: None) -> int:
    """Return a port that is free, and stays so until the test takes it."""
    for free in _NEXT_PORT:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", free))
            return free
    raise AssertionError


def device_subentry(
    device_id: str, name: str | None = None, **data: Any
) -> ConfigSubentryData:
    """Return the subentry of a device that is let in."""
    return ConfigSubentryData(
        data={"device_id": device_id, **data},
        subentry_type="device",
        title=name or device_id,
        unique_id=device_id,
    )


def age(text: str | None) -> timedelta:
    """Return how long ago a time was, as Home Assistant writes it."""
    time = dt_util.parse_datetime(text or "")
    assert time is not None, f"{text} is no time"
    return dt_util.utcnow() - time


def state_of(hass: HomeAssistant, entity_id: str) -> State:
    """Return the state of an entity that has one."""
    state = hass.states.get(entity_id)
    assert state is not None, f"{entity_id} has no state"
    return state


def device_of(hass: HomeAssistant, device_id: str) -> dr.DeviceEntry:
    """Return the registry's entry of a device, by its ID."""
    (found,) = [
        one
        for one in dr.async_get(hass).devices
        if one.identifiers == {(DOMAIN, device_id)}
    ]
    return found


def registered(hass: HomeAssistant, entity_id: str) -> er.RegistryEntry:
    """Return the registry's entry of an entity that has one."""
    entry = er.async_get(hass).async_get(entity_id)
    assert entry is not None, f"{entity_id} is not registered"
    return entry


def entity_id(hass: HomeAssistant, platform: str, variable: str) -> str:
    """Return the ID of the entity that shows a variable, empty where none does."""
    found = er.async_get(hass).async_get_entity_id(
        platform, DOMAIN, f"variable/{variable}"
    )
    return found or ""


def shown(hass: HomeAssistant, platform: str, variable: str) -> State:
    """Return the state of the entity that shows a variable."""
    found = entity_id(hass, platform, variable)
    assert found, f"no {platform} shows {variable}"
    return state_of(hass, found)


@pytest.fixture
def access() -> str:
    """Return the access mode; tests override it by parametrization."""
    return "approve"


@pytest.fixture
def options() -> dict[str, Any]:
    """Return the options; tests override them by parametrization."""
    return {}


@pytest.fixture
def known() -> list[str]:
    """Return the IDs of the devices that are let in; tests override them."""
    return ["garden"]


@pytest.fixture
def entry(
    hass: HomeAssistant,
    port: int,
    access: str,
    options: dict[str, Any],
    known: list[str],
) -> MockConfigEntry:
    """Return the broker's config entry, not set up yet."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        unique_id=BROKER,
        title="TextMQ",
        data={"host": "127.0.0.1", "port": port, "access": access},
        options=options,
        subentries_data=[device_subentry(one, one.title()) for one in known],
    )
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
async def rooms(hass: HomeAssistant, entry: MockConfigEntry) -> RuntimeData:
    """Return the rooms of the broker, which runs."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    running: RuntimeData = entry.runtime_data
    return running


@pytest.fixture
async def connect(
    hass: HomeAssistant, port: int, broker_kind: str
) -> AsyncGenerator[Connect]:
    """Return a function that connects a client, under an ID if one is given, by a key if there is one."""
    clients: list[Client] = []

    async def connect(
        device_id: str | None = None,
        *,
        identity: str | None = None,
        key: str | None = None,
        **params: object,
    ) -> Client:
        tls = key and client_context(identity or device_id or "", b64decode(key))
        client = await Client.connect(port, tls or None)
        clients.append(client)
        if device_id is not None:
            await client.ok("ID", ID=device_id, **params)
        return client

    yield connect
    if broker_kind == "slow":
        # It is told of what the test did last before Home Assistant stops.
        await hass.async_block_till_done()
    for client in clients:
        await client.close()


@pytest.fixture
async def house(hass: HomeAssistant, entry: MockConfigEntry, connect: Connect) -> House:
    """Return a house whose broker runs."""
    house = House(hass, entry, connect)
    await house.start()
    return house


def broker_of(entry: MockConfigEntry) -> Broker:
    """Return the broker itself, to look at what is behind the doors."""
    api = entry.runtime_data.broker
    if isinstance(api, SlowBroker):
        api = api.behind
    assert isinstance(api, LocalBroker)
    return api._broker  # noqa: SLF001


@pytest.fixture
def broker(rooms: RuntimeData, entry: MockConfigEntry) -> Broker:
    """Return the broker itself of a hub that runs."""
    return broker_of(entry)
