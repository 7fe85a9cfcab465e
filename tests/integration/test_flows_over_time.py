"""Flows and repairs whose matter changes between opening and submitting: they say what is so then.

Every step goes over the web server, as from a browser: nothing may end in an error of the server.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
import socket
from typing import Any, Final

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub.broker_api import BrokerGone
from custom_components.textmq.hub.keys import make_key
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component

from .client import Client, until
from .conftest import Connect
from .slow_broker import SlowBroker
from .test_discovery import cards
from .test_keys import KEY, fail, stored, told

FLOWS: Final = "/api/config/config_entries"
RIGHTS: Final[dict[str, Any]] = {"write": ["garden/#"], "read": ["#"], "message": True}


class Browser:
    """A browser of an administrator."""

    def __init__(self, hass: HomeAssistant, client: Any) -> None:
        """Use a client of the web server."""
        self._hass = hass
        self._client = client

    async def open(self, url: str, **data: Any) -> Any:
        """Open a flow; returns its first step."""
        return await self._post(url, data, HTTPStatus.OK)

    async def submit(
        self,
        url: str,
        form: Any,
        data: dict[str, Any] | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Any:
        """Submit a step; returns the next."""
        return await self._post(f"{url}/{form['flow_id']}", data or {}, status)

    async def _post(self, url: str, data: dict[str, Any], status: HTTPStatus) -> Any:
        answer = await self._client.post(url, json=data)
        assert answer.status == status, await answer.text()
        found = await answer.json()
        await self._hass.async_block_till_done()
        return found


@pytest.fixture
async def browser(hass: HomeAssistant, hass_client: Any) -> Browser:
    """Return a browser, and all that it talks to."""
    for component in ("config", "repairs"):
        assert await async_setup_component(hass, component, {})
    return Browser(hass, await hass_client())


# What happens meanwhile


async def nothing(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Change nothing."""


async def device_removed(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Remove the device."""
    hass.config_entries.async_remove_subentry(entry, subentry_id(entry))


async def broker_removed(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Remove the broker."""
    await hass.config_entries.async_remove(entry.entry_id)


async def unloaded(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Stop the broker."""
    await hass.config_entries.async_unload(entry.entry_id)


async def reloaded(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Restart the broker."""
    await hass.config_entries.async_reload(entry.entry_id)


async def by_key_only(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Approve only devices with a key from now on."""
    hass.config_entries.async_update_entry(entry, data={**entry.data, "access": "key"})


async def other_key(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Give the device another key."""
    assert await entry.runtime_data.approved.set_key("garden", KEY)


async def kitchen_added(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Approve the device that is being added, or whose ID the new board has."""
    await entry.runtime_data.approved.approve("kitchen", "Kitchen")


async def being_replaced(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Begin to replace the device, in another window, with a broker that does not follow."""
    await unloaded(hass, entry)
    subentry = entry.subentries[subentry_id(entry)]
    data = {**subentry.data, "device_id": "shed", "replaces": "garden"}
    hass.config_entries.async_update_subentry(entry, subentry, data=data)


async def other_id(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Replace the device in another window."""
    subentry = entry.subentries[subentry_id(entry)]
    data = {**subentry.data, "device_id": "shed"}
    hass.config_entries.async_update_subentry(
        entry, subentry, data=data, unique_id="shed"
    )


type Change = Callable[[HomeAssistant, MockConfigEntry], Awaitable[None]]


def subentry_id(entry: MockConfigEntry) -> str:
    """Return the ID of the device's subentry."""
    return str(next(iter(entry.subentries)))


# Change device

GIVEN_KEY: Final = make_key()

STEPS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "settings": ({"name": "Garden", **RIGHTS},),
    "new_key": ({},),
    "enter_key": ({"key": GIVEN_KEY},),
    "remove_key": ({},),
    "replace": ({"device_id": "kitchen", "encrypted": False},),
    "replace, key": ({"device_id": "kitchen", "encrypted": True}, {}),
    "replace, same ID": ({"device_id": "garden", "encrypted": True}, {}),
}

DONE: Final = {
    step: "device_replaced" if step.startswith("replace") else "device_changed"
    for step in STEPS
}
CHANGES: Final[list[tuple[Change, dict[str, str]]]] = [
    (nothing, DONE),
    (reloaded, DONE),
    (unloaded, dict.fromkeys(STEPS, "device_stored")),
    (device_removed, dict.fromkeys(STEPS, "device_removed")),
    (broker_removed, dict.fromkeys(STEPS, "broker_removed")),
    (
        by_key_only,
        DONE | {"remove_key": "key_needed", "replace": "encrypted: key_needed"},
    ),
    (other_key, DONE),
    (
        kitchen_added,
        DONE | {"replace": "device_id: id_taken", "replace, key": "id_taken"},
    ),
    (
        being_replaced,
        dict.fromkeys(STEPS, "device_stored")
        | {
            "new_key": "new_key",
            "replace": "replacing",
            "replace, key": "replacing",
            "replace, same ID": "replacing",
        },
    ),
    (
        other_id,
        DONE
        | {
            "new_key": "new_key",
            "replace": "replace",
            "replace, key": "replace",
            "replace, same ID": "replace",
        },
    ),
]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("change", "expected"), [pytest.param(*one, id=one[0].__name__) for one in CHANGES]
)
async def test_change_device(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    change: Change,
    expected: dict[str, str],
    step: str,
) -> None:
    """Each choice in the menu of a device, against all that can happen to it meanwhile."""
    await other_key(hass, entry)
    device = subentry_id(entry)
    before = dict(entry.subentries[device].data)
    url = f"{FLOWS}/subentries/flow"
    menu = await browser.open(
        url, handler=[entry.entry_id, "device"], subentry_id=device
    )
    name = step.split(",", maxsplit=1)[0]
    form = await browser.submit(url, menu, {"next_step_id": name})
    *first, last = STEPS[step]
    for data in first:
        form = await browser.submit(url, form, data)
    assert form["type"] == "form", form
    await change(hass, entry)
    await hass.async_block_till_done()
    changed = change not in (broker_removed, device_removed)
    meanwhile = dict(entry.subentries[device].data) if changed else {}
    result = await browser.submit(url, form, last)
    wanted = expected[step]
    if result["type"] == "form":
        errors = [f"{key}: {text}" for key, text in (result["errors"] or {}).items()]
        assert (errors or [result["step_id"]]) == [wanted]
        if wanted in ("new_key", "replace"):
            assert result["description_placeholders"]["device"] == "shed"
    else:
        assert result["reason"] == wanted
    if not changed:
        return
    after = dict(entry.subentries[device].data)
    if wanted not in ("device_changed", "device_replaced", "device_stored"):
        assert after == meanwhile
        return
    # What was changed by another window is kept, but for what is changed here.
    assert after != before
    expected_now = meanwhile | changes(step, form, after)
    assert after == {key: one for key, one in expected_now.items() if one is not None}
    if wanted != "device_stored":
        assert entry.runtime_data.broker.knows(after["device_id"])


def changes(step: str, form: Any, after: dict[str, Any]) -> dict[str, Any]:
    """Return what a step changes in the data of a device; a key that is removed is none."""
    device_id = STEPS[step][0].get("device_id")
    replaced = {"device_id": device_id} if device_id else {}
    if "replaces" in after:
        replaced["replaces"] = "garden"
    if step in ("remove_key", "replace"):
        return replaced | {"key": None}
    if step == "settings":
        return {"rights": RIGHTS}
    if step == "enter_key":
        return {"key": GIVEN_KEY}
    if form["step_id"] in ("new_key", "replace_key"):
        return replaced | {"key": form["description_placeholders"]["key"]}
    return replaced


# Add device


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize(
    ("change", "by_key", "plain"),
    [
        (nothing, "create_entry", "create_entry"),
        (reloaded, "create_entry", "create_entry"),
        (unloaded, "create_entry", "create_entry"),
        (broker_removed, "broker_removed", "broker_removed"),
        (by_key_only, "create_entry", "encrypted: key_needed"),
        (kitchen_added, "already_configured", "device_id: device_known"),
    ],
)
async def test_add_device(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    connect: Connect,
    change: Change,
    by_key: str,
    plain: str,
    encrypted: bool,
) -> None:
    """So it is with Add device, of which the last step shows the key."""
    url = f"{FLOWS}/subentries/flow"
    form = await browser.open(url, handler=[entry.entry_id, "device"])
    data = {"device_id": "kitchen", "encrypted": encrypted}
    key = None
    if encrypted:
        form, data = await browser.submit(url, form, data), {}
        key = form["description_placeholders"]["key"]
    await change(hass, entry)
    await hass.async_block_till_done()
    result = await browser.submit(url, form, data)
    wanted = by_key if encrypted else plain
    if result["type"] == "form":
        assert [f"{key}: {text}" for key, text in result["errors"].items()] == [wanted]
    elif result["type"] == "abort":
        assert result["reason"] == wanted
    else:
        assert result["type"] == wanted
        if entry.state is not ConfigEntryState.LOADED:
            assert await hass.config_entries.async_setup(entry.entry_id)
        await connect("kitchen", key=key)


# Cards


async def waiting(rooms: RuntimeData, connect: Connect) -> Client:
    """Let a device ask."""
    client = await connect()
    client.send("ID", ID="kitchen")
    await until(lambda: "kitchen" in rooms.broker.waiting)
    await rooms.hass.async_block_till_done(wait_background_tasks=True)
    assert cards(rooms.hass) == ["kitchen"]
    return client


@pytest.mark.parametrize("change", [None, reloaded, unloaded])
async def test_card_that_was_withdrawn(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    connect: Connect,
    change: Change | None,
) -> None:
    """A card goes with its device, and with the broker: nothing is left to submit."""
    client = await waiting(rooms, connect)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    if change is None:
        await client.close()
        await until(lambda: not rooms.broker.waiting)
    else:
        await change(hass, entry)
    await browser.submit(
        f"{FLOWS}/flow", flow, {"name": "Kitchen"}, HTTPStatus.NOT_FOUND
    )
    assert "kitchen" not in {one.unique_id for one in entry.subentries.values()}


@pytest.mark.parametrize("encrypted", [True, False])
async def test_card_that_is_answered_in_the_same_moment(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    connect: Connect,
    encrypted: bool,
) -> None:
    """A flow that is still there when its device was approved by another way says that it was."""
    data = {"name": "Mine"}
    if encrypted:
        await fail(connect, "kitchen", KEY)
        await hass.async_block_till_done(wait_background_tasks=True)
        data["key"] = KEY
    else:
        await waiting(rooms, connect)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    rooms.discovery.approved("kitchen")
    await kitchen_added(hass, entry)
    result = await browser.submit(f"{FLOWS}/flow", flow, data)
    assert result["reason"] == "approved_already"
    (device,) = [one for one in entry.subentries.values() if one.unique_id == "kitchen"]
    assert device.title == "Kitchen"


@pytest.mark.parametrize("broker_kind", ["slow"])
async def test_card_and_a_broker_that_is_gone(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    connect: Connect,
) -> None:
    """What is approved while the broker can't be reached is not said to be connected."""
    client = await waiting(rooms, connect)
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert isinstance(rooms.broker, SlowBroker)
    rooms.broker.go()
    result = await browser.submit(f"{FLOWS}/flow", flow, {"name": "Kitchen"})
    assert result["reason"] == "device_stored"
    assert stored(entry, "kitchen") == {"device_id": "kitchen"}
    rooms.broker.come_back()
    assert (await client.answer()).command == "OK"
    await hass.async_block_till_done()


# The broker


async def taken(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Stop the broker, and let another program have its port."""
    await unloaded(hass, entry)
    other = socket.socket()
    other.bind(("127.0.0.1", entry.data["port"]))
    other.listen()
    entry.async_on_unload(other.close)
    hass.data["other"] = other


async def disabled(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Disable the broker."""
    await hass.config_entries.async_set_disabled_by(
        entry.entry_id, ConfigEntryDisabler.USER
    )


@pytest.mark.parametrize(
    ("change", "wanted", "state"),
    [
        (nothing, "reconfigure_successful", ConfigEntryState.LOADED),
        (reloaded, "reconfigure_successful", ConfigEntryState.LOADED),
        (unloaded, "reconfigure_successful", ConfigEntryState.LOADED),
        (disabled, "reconfigured_disabled", ConfigEntryState.NOT_LOADED),
        (broker_removed, "broker_removed", None),
        (taken, "port: port_in_use", ConfigEntryState.NOT_LOADED),
    ],
)
async def test_reconfigure(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    change: Change,
    wanted: str,
    state: ConfigEntryState | None,
) -> None:
    """So it is with the broker's own settings: what is said to be so is so."""
    url = f"{FLOWS}/flow"
    form = await browser.open(url, handler=DOMAIN, entry_id=entry.entry_id)
    assert form["step_id"] == "reconfigure"
    await change(hass, entry)
    result = await browser.submit(url, form, {**entry.data, "access": "key"})
    if "other" in hass.data:
        hass.data["other"].close()
    if result["type"] == "form":
        assert [f"{key}: {text}" for key, text in result["errors"].items()] == [wanted]
        assert entry.data["access"] == "approve"
    else:
        assert result["reason"] == wanted
    if state is not None:
        assert entry.state is state
    if wanted.startswith("reconfigure"):
        assert entry.data["access"] == "key"
        assert state is ConfigEntryState.NOT_LOADED or (
            entry.runtime_data.approved.access == "key"
        )


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (nothing, "create_entry"),
        (reloaded, "create_entry"),
        (unloaded, "create_entry"),
        (broker_removed, "broker_removed"),
    ],
)
async def test_options(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    change: Change,
    wanted: str,
) -> None:
    """So it is with the options."""
    url = f"{FLOWS}/options/flow"
    form = await browser.open(url, handler=entry.entry_id)
    await change(hass, entry)
    data = {"keepalive": 77, "keepalive_timeout": 10, "save_interval": 300}
    result = await browser.submit(
        url, form, {**data, "delete_variables": True, "limits": {}}
    )
    assert result.get("reason", result["type"]) == wanted
    if wanted == "create_entry":
        assert entry.options["keepalive"] == 77
        if entry.state is not ConfigEntryState.LOADED:
            assert await hass.config_entries.async_setup(entry.entry_id)
        assert entry.runtime_data.broker.limits.keepalive == 77


# Repairs

REPAIRS: Final = "/api/repairs/issues/fix"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (nothing, "create_entry"),
        (reloaded, "settled"),
        (unloaded, "not_running"),
        (device_removed, "settled"),
        (broker_removed, "not_running"),
        (other_key, "settled"),
    ],
)
async def test_repair_of_a_key(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    connect: Connect,
    change: Change,
    wanted: str,
) -> None:
    """A key is taken where it is missed still, and nowhere else."""
    key = make_key()
    await fail(connect, "garden", key)
    issue_id = "device_without_key_garden"
    assert told(hass) == {issue_id}
    form = await browser.open(REPAIRS, handler=DOMAIN, issue_id=issue_id)
    await change(hass, entry)
    await hass.async_block_till_done()
    result = await browser.submit(REPAIRS, form, {"key": key})
    assert result.get("reason", result["type"]) == wanted
    keys = [one.data.get("key") for one in entry.subentries.values()]
    assert (key in keys) is (wanted == "create_entry")
    assert told(hass) == set()
    if change in (nothing, reloaded):
        # What is not settled is told again.
        if change is reloaded:
            await fail(connect, "garden", key)
            assert told(hass) == {issue_id}
        else:
            await connect("garden", key=key)


async def test_repair_of_a_device_that_goes_meanwhile(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the issue is there still and the device is not, nothing is said to be repaired."""
    await fail(connect, "garden", KEY)
    issue_id = "device_without_key_garden"
    form = await browser.open(REPAIRS, handler=DOMAIN, issue_id=issue_id)
    monkeypatch.setattr(rooms.issues, "forget", lambda device_id: None)
    await device_removed(hass, entry)
    await hass.async_block_till_done()
    assert told(hass) == {issue_id}
    result = await browser.submit(REPAIRS, form, {"key": KEY})
    assert result["reason"] == "settled"


async def closed(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Approve new devices by a person from now on."""
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, "access": "approve"}
    )


@pytest.mark.parametrize("access", ["open"])
@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (nothing, "create_entry"),
        (reloaded, "create_entry"),
        (unloaded, "create_entry"),
        (closed, "settled"),
        (by_key_only, "settled"),
        (broker_removed, "settled"),
    ],
)
async def test_repair_of_open_access(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    browser: Browser,
    change: Change,
    wanted: str,
) -> None:
    """An open broker is closed also while it does not run; one that is not open is left as it is."""
    hass.config_entries.async_update_entry(entry, data={**entry.data, "host": "all"})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert told(hass) == {"open_access"}
    form = await browser.open(REPAIRS, handler=DOMAIN, issue_id="open_access")
    assert form["description_placeholders"] == {"port": str(entry.data["port"])}
    await change(hass, entry)
    await hass.async_block_till_done()
    access = entry.data["access"]
    result = await browser.submit(REPAIRS, form)
    assert result.get("reason", result["type"]) == wanted
    assert entry.data["access"] == ("approve" if wanted == "create_entry" else access)
    if wanted == "create_entry" and entry.state is ConfigEntryState.LOADED:
        assert entry.runtime_data.approved.access == "approve"
    assert told(hass) == set()


async def describe(connect: Connect, token: str, *names: str) -> Client:
    """Describe a whole set of variables."""
    client = await connect("garden")
    for name in names:
        await client.ok("DEF", VARIABLE=name, TYPE="sensor")
        await client.ok("PUB", VARIABLE=name, VALUE="1")
    await client.ok("DEFS", TOKEN=token, COUNT=len(names))
    return client


@pytest.mark.parametrize(
    ("change", "wanted", "left"),
    [
        (nothing, "create_entry", ["kept"]),
        (reloaded, "settled", ["kept", "old", "older"]),
        (unloaded, "not_running", None),
        (broker_removed, "not_running", None),
        (device_removed, "settled", []),
    ],
)
async def test_repair_of_stale_variables(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    browser: Browser,
    connect: Connect,
    change: Change,
    wanted: str,
    left: list[str] | None,
) -> None:
    """Variables are deleted where they are stale still."""
    await describe(connect, "v1", "kept", "old", "older")
    await describe(connect, "v2", "kept")
    form = await browser.open(REPAIRS, handler=DOMAIN, issue_id="device_stale_garden")
    assert form["description_placeholders"] == {"names": "old, older"}
    await change(hass, entry)
    await hass.async_block_till_done()
    result = await browser.submit(REPAIRS, form)
    assert result.get("reason", result["type"]) == wanted
    if left is not None:
        names = [one.name for one in entry.runtime_data.broker.variables]
        assert sorted(names) == left


async def test_repair_of_other_stale_variables(
    hass: HomeAssistant, rooms: RuntimeData, browser: Browser, connect: Connect
) -> None:
    """What a person has not seen is shown first; what is gone is left out."""
    await describe(connect, "v1", "a", "b", "c", "kept")
    client = await describe(connect, "v2", "c", "kept")
    form = await browser.open(REPAIRS, handler=DOMAIN, issue_id="device_stale_garden")
    assert form["description_placeholders"] == {"names": "a, b"}
    await client.ok("DEL", VARIABLE="a")
    await describe(connect, "v3", "kept")
    form = await browser.submit(REPAIRS, form)
    assert form["type"] == "form"
    assert form["description_placeholders"] == {"names": "b, c"}
    result = await browser.submit(REPAIRS, form)
    assert result["type"] == "create_entry"
    assert [one.name for one in rooms.broker.variables] == ["kept"]


async def test_repair_while_the_broker_goes(
    hass: HomeAssistant,
    rooms: RuntimeData,
    browser: Browser,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the broker goes in the middle, nothing is said to be done."""
    await describe(connect, "v1", "kept", "old")
    await describe(connect, "v2", "kept")
    form = await browser.open(REPAIRS, handler=DOMAIN, issue_id="device_stale_garden")

    async def gone(name: str) -> None:
        raise BrokerGone

    monkeypatch.setattr(rooms.broker, "delete", gone)
    result = await browser.submit(REPAIRS, form)
    assert result["reason"] == "not_running"
    assert rooms.broker.variables.get("old") is not None


async def test_many_stale_variables(
    hass: HomeAssistant, rooms: RuntimeData, browser: Browser, connect: Connect
) -> None:
    """Of very many the first are named."""
    many = [f"v{number:03}" for number in range(60)]
    await describe(connect, "v1", "kept", *many)
    await describe(connect, "v2", "kept")
    form = await browser.open(REPAIRS, handler=DOMAIN, issue_id="device_stale_garden")
    shown = form["description_placeholders"]["names"]
    assert shown == f"{', '.join(many[:50])}, …"
    result = await browser.submit(REPAIRS, form)
    assert result["type"] == "create_entry"
    assert [one.name for one in rooms.broker.variables] == ["kept"]


async def test_port_in_use_goes_with_the_wish_for_it(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """The issue of a taken port goes where nobody wants the port any more."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", entry.data["port"]))
        other.listen()
        for change in (disabled, broker_removed):
            assert not await hass.config_entries.async_setup(entry.entry_id)
            assert ir.async_get(hass).async_get_issue(DOMAIN, "port_in_use")
            await change(hass, entry)
            assert told(hass) == set()
            if change is disabled:
                await hass.config_entries.async_set_disabled_by(entry.entry_id, None)
                assert entry.state is ConfigEntryState.SETUP_RETRY
                await hass.config_entries.async_unload(entry.entry_id)
