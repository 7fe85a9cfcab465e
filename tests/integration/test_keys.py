"""Keys of devices: made, shown, entered, changed and taken away by a person, proved by real TLS."""

from base64 import b64encode
from datetime import timedelta
from http import HTTPStatus
import ssl
import time
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)
import yaml

from custom_components.textmq.broker import Broker
from custom_components.textmq.const import DOMAIN, REFRESH
from custom_components.textmq.device_flow import node_yaml
from custom_components.textmq.hub.discovery_flows import (
    MOST_ENCRYPTED,
    PER_MINUTE,
    RETRY,
)
from custom_components.textmq.hub.keys import make_key, read_key
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.config_entries import ConfigFlowResult, SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import area_registry as ar, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .client import Client, until
from .conftest import ENGLISH, Connect, device_of, state_of
from .test_config_flow import (
    add_device,
    card,
    change_device,
    discover,
    ignore,
    suggested,
)
from .test_discovery import cards

KEY = b64encode(b"thirty-two bytes, any will do !!").decode()
OTHER_KEY = b64encode(b"other thirty-two bytes, any  !!!").decode()
ADDRESS = "127\\.0\\.0\\.1"
BAD_KEYS = ["", "garden", KEY[:-4], f"{KEY}AAAA", "schlüssel", KEY.replace("=", "")]


@pytest.fixture
def keys() -> dict[str, Any]:
    """Return the keys of the devices that are let in; tests override them."""
    return {"garden": KEY}


@pytest.fixture
def entry(
    hass: HomeAssistant, entry: MockConfigEntry, keys: dict[str, Any]
) -> MockConfigEntry:
    """Return the broker's config entry, in which devices have keys."""
    for subentry in entry.subentries.values():
        if subentry.unique_id in keys:
            data = {**subentry.data, "key": keys[subentry.unique_id]}
            hass.config_entries.async_update_subentry(entry, subentry, data=data)
    return entry


def told(hass: HomeAssistant) -> set[str]:
    """Return the IDs of the issues that are told of."""
    return {issue for domain, issue in ir.async_get(hass).issues if domain == DOMAIN}


def placeholders(hass: HomeAssistant, issue_id: str) -> Any:
    """Return what fills the text of an issue; its title names the device."""
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    texts = dict(issue.translation_placeholders or {})
    (entry,) = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    titles = {one.unique_id: one.title for one in entry.subentries.values()}
    assert issue_id.endswith(f"_{texts['device']}")
    assert texts.pop("name") == titles[texts["device"]]
    return texts


def stored(entry: MockConfigEntry, device_id: str) -> dict[str, Any]:
    """Return what is stored of a device."""
    (subentry,) = [
        one for one in entry.subentries.values() if one.unique_id == device_id
    ]
    return dict(subentry.data)


async def submit(
    hass: HomeAssistant, form: SubentryFlowResult, **data: Any
) -> SubentryFlowResult:
    """Submit a form of a device's flow, and wait until it has its effect."""
    result = await hass.config_entries.subentries.async_configure(form["flow_id"], data)
    await hass.async_block_till_done()
    return result


async def fail(connect: Connect, identity: str, key: str) -> None:
    """Try to connect by a key that is refused."""
    with pytest.raises(ssl.SSLError):
        await connect(identity=identity, key=key)


# A key's text


def test_new_keys() -> None:
    """Each new key is another one, of 32 bytes."""
    made = {make_key() for _ in range(100)}
    assert len(made) == 100
    assert {len(read_key(key)) for key in made} == {32}


@pytest.mark.parametrize("text", BAD_KEYS)
def test_what_is_no_key(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"."):
        read_key(text)


# A device that is added by hand


async def test_add_device_with_key(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    port: int,
) -> None:
    """The key is made and shown with the YAML to paste; with it, and not without, the device gets in."""
    form = await add_device(
        hass, entry, device_id="kitchen", name="The kitchen", encrypted=True
    )
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "add_key"
    assert len(entry.subentries) == 1
    shown = form["description_placeholders"]
    assert shown is not None
    key = shown["key"]
    assert yaml.safe_load(shown["yaml"]) == {
        "textmq": {
            "host": "127.0.0.1",
            "port": port,
            "device_id": "kitchen",
            "encryption": {"key": key},
        }
    }
    assert form["data_schema"] is not None
    assert form["data_schema"]({"qr_code": None}) == {"qr_code": shown["yaml"]}
    result = await submit(hass, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "The kitchen"
    assert stored(entry, "kitchen") == {"device_id": "kitchen", "key": key}

    plain = await connect()
    assert (await plain.do("ID", ID="kitchen"))["REASON"] == "key-required"
    assert await plain.ended() == "denied"
    assert told(hass) == {"device_plain_text_kitchen"}
    assert placeholders(hass, "device_plain_text_kitchen") == {
        "device": "kitchen",
        "address": ADDRESS,
    }
    client = await connect("kitchen", key=key)
    await client.ok("PUB", VARIABLE="kitchen/x", VALUE="1")
    await hass.async_block_till_done()
    assert told(hass) == set()
    assert state_of(hass, "sensor.the_kitchen_x").state == "1"
    assert await hass.config_entries.async_reload(entry.entry_id)
    await connect("kitchen", key=key)


def test_yaml() -> None:
    """The YAML is the one of the documentation, and stays YAML whatever the ID is."""
    assert node_yaml("192.0.2.7", 7883, "garden", "abc=") == (
        "textmq:\n  host: 192.0.2.7\n  device_id: garden\n  encryption:\n    key: abc="
    )
    for device_id in ("123", "true", 'a: "b" # c', "```", "- x"):
        text = node_yaml("homeassistant.local", 7884, device_id, "k")
        assert yaml.safe_load(text)["textmq"] == {
            "host": "homeassistant.local",
            "port": 7884,
            "device_id": device_id,
            "encryption": {"key": "k"},
        }


async def test_add_device_that_waits_in_plain_text(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Who waits under an ID without its key does not come in when the key is made."""
    waiting = await connect()
    waiting.send("ID", ID="kitchen")
    await until(lambda: "kitchen" in rooms.broker.waiting)
    form = await add_device(hass, entry, device_id="kitchen", encrypted=True)
    await submit(hass, form)
    assert (await waiting.answer())["REASON"] == "key-required"
    assert await waiting.ended() == "denied"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == []


async def test_add_device_twice_at_once(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry
) -> None:
    """A device that came in by another way while its key was shown keeps what it has."""
    form = await add_device(hass, entry, device_id="kitchen", encrypted=True)
    await rooms.approved.approve("kitchen", "Kitchen")
    result = await submit(hass, form)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert "already_configured" in ENGLISH["config_subentries"]["device"]["abort"]
    assert stored(entry, "kitchen") == {"device_id": "kitchen"}


# A device whose identity is unknown


async def encrypted_card(
    hass: HomeAssistant, connect: Connect, device_id: str
) -> ConfigFlowResult:
    """Open the card of a device that has tried with its key."""
    await fail(connect, device_id, KEY)
    return await card(hass)


async def test_approve_encrypted(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """An unknown identity is a card, which asks for the key; the device gets in at its next try."""
    area = ar.async_get(hass).async_create("Kitchen")
    form = await encrypted_card(hass, connect, "k-1")
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["title_placeholders"] == {"name": "🔒 k-1"}
    assert form["step_id"] == "approve_encrypted"
    assert form["description_placeholders"] == {
        "device": "k\\-1",
        "address": ADDRESS,
        "similar": "",
    }
    assert suggested(form)["name"] == "k-1"
    for bad in BAD_KEYS:
        form = await hass.config_entries.flow.async_configure(
            form["flow_id"], {"key": bad, "name": "Cooker"}
        )
        assert form["errors"] == {"key": "bad_key"}
    await fail(connect, "k-1", KEY)
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"key": f" {KEY}\n", "name": "Cooker", "area": area.id}
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "device_expected"
    assert result["description_placeholders"] == {"name": "Cooker"}
    assert stored(entry, "k-1") == {"device_id": "k-1", "key": KEY}
    await connect("k-1", key=KEY)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (cards(hass), told(hass)) == ([], set())
    assert rooms.broker.state("k-1") == "connected"
    assert device_of(hass, "k-1").area_id == area.id


async def test_one_card_for_a_device_that_tries(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device has one card however often it tries, which goes when it has given up."""
    for _ in range(5):
        await fail(connect, "kitchen", KEY)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == ["kitchen"]
    waited = RETRY.total_seconds() - 60
    monkeypatch.setattr(rooms.broker, "clock", lambda: time.monotonic() + waited)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=61))
    await hass.async_block_till_done()
    assert cards(hass) == ["kitchen"]
    await fail(connect, "kitchen", KEY)
    monkeypatch.setattr(rooms.broker, "clock", lambda: time.monotonic() + 2 * waited)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=122))
    await hass.async_block_till_done()
    assert cards(hass) == ["kitchen"]
    monkeypatch.setattr(rooms.broker, "clock", lambda: time.monotonic() + 3 * waited)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=183))
    await hass.async_block_till_done()
    assert cards(hass) == []


async def test_card_without_tries(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Where a device gives up in the moment of approval, the person is told."""
    form = await encrypted_card(hass, connect, "kitchen")
    rooms.discovery.approved("kitchen")
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"key": KEY, "name": "Kitchen"}
    )
    assert result["reason"] == "device_gone"


async def test_card_goes_when_the_device_is_added_by_hand(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Nobody is asked for a key that has just been made."""
    await encrypted_card(hass, connect, "kitchen")
    form = await add_device(hass, entry, device_id="kitchen", encrypted=True)
    await submit(hass, form)
    assert cards(hass) == []


async def test_ignored_device(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A device that is ignored has no card, however it comes."""
    await encrypted_card(hass, connect, "kitchen")
    await ignore(hass, "kitchen")
    assert cards(hass) == []
    await fail(connect, "kitchen", KEY)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == []
    assert (await discover(hass, "kitchen"))["reason"] == "already_configured"


async def test_plain_and_encrypted_under_one_id(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """There is one card for an ID; who comes first by a key is asked for it."""
    form = await encrypted_card(hass, connect, "kitchen")
    waiting = await connect()
    waiting.send("ID", ID="kitchen")
    await until(lambda: "kitchen" in rooms.broker.waiting)
    await waiting.close()
    await until(lambda: not rooms.broker.waiting)
    waiting = await connect()
    waiting.send("ID", ID="kitchen")
    await until(lambda: "kitchen" in rooms.broker.waiting)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == ["kitchen"]
    await hass.config_entries.flow.async_configure(
        form["flow_id"], {"key": KEY, "name": "Kitchen"}
    )
    assert (await waiting.answer())["REASON"] == "key-required"
    await connect("kitchen", key=KEY)
    await hass.async_block_till_done()


async def test_tries_end_while_the_id_waits_in_plain_text(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """The card of a device that waits stays when another has given up under its ID."""
    waiting = await connect()
    waiting.send("ID", ID="kitchen")
    await until(lambda: "kitchen" in rooms.broker.waiting)
    await fail(connect, "kitchen", KEY)
    rooms.discovery.forget_attempts("kitchen")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == ["kitchen"]


@pytest.mark.parametrize(
    "identity", ["../garden", "a/b", "a|b", "homeassistant", "*", " x", "x" * 65, "é"]
)
async def test_hostile_identity(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    identity: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What can't be a device's ID makes nothing."""
    caplog.clear()
    await fail(connect, identity, KEY)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (cards(hass), told(hass), rooms.discovery.encrypted) == ([], set(), {})
    assert logged(caplog) == []


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the integration has logged for a person to see."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components.textmq")
        and record.levelname not in ("DEBUG", "INFO")
    ]


async def test_flood_of_identities(
    hass: HomeAssistant,
    rooms: RuntimeData,
    broker: Broker,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who makes up identities gets some cards and no log; a device from elsewhere keeps its own."""
    caplog.clear()
    broker.key_failed("kitchen", "192.0.2.7")
    for number in range(2 * PER_MINUTE):
        await fail(connect, f"device{number}", KEY)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(rooms.discovery.encrypted) == MOST_ENCRYPTED
    assert "kitchen" in cards(hass)
    assert len(cards(hass)) <= MOST_ENCRYPTED
    for number in range(10_000):
        broker.key_failed(f"x{number}", "192.0.2.8")
    assert len(rooms.discovery.encrypted) == MOST_ENCRYPTED
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=61))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(cards(hass)) == MOST_ENCRYPTED
    assert "kitchen" in cards(hass)
    assert (told(hass), logged(caplog)) == (set(), [])
    assert rooms.issues.key_failures == 1 + 2 * PER_MINUTE + 10_000


async def test_list_and_health(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that wants to join by a key is listed with those that wait."""
    await fail(connect, "kitchen", KEY)
    found = await hass.services.async_call(
        DOMAIN, "list_devices", blocking=True, return_response=True
    )
    assert found is not None
    assert found["waiting"] == [
        {"device": "kitchen", "address": "127.0.0.1", "encrypted": True}
    ]


# What goes wrong with keys, and how it is put right


async def fix(hass: HomeAssistant, hass_client: Any, issue_id: str, key: str) -> Any:
    """Enter a key in the repair of an issue, after one that is none."""
    assert await async_setup_component(hass, "repairs", {})
    client = await hass_client()
    answer = await client.post(
        "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": issue_id}
    )
    assert answer.status == HTTPStatus.OK
    form = await answer.json()
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    texts = ENGLISH["issues"][issue.translation_key]["fix_flow"]
    assert form["step_id"] == "key"
    assert form["description_placeholders"] == issue.translation_placeholders
    assert [one["name"] for one in form["data_schema"]] == [
        *texts["step"]["key"]["data"]
    ]
    url = f"/api/repairs/issues/fix/{form['flow_id']}"
    answer = await client.post(url, json={"key": "none"})
    assert (await answer.json())["errors"] == {"key": "bad_key"}
    assert texts["error"]["bad_key"]
    answer = await client.post(url, json={"key": f" {key} "})
    await hass.async_block_till_done()
    return await answer.json()


async def test_wrong_key(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_client: Any,
) -> None:
    """A known device with another key is told of once; its key can be entered in the repair."""
    for _ in range(3):
        await fail(connect, "garden", OTHER_KEY)
    assert told(hass) == {"device_wrong_key_garden"}
    assert placeholders(hass, "device_wrong_key_garden") == {
        "device": "garden",
        "address": ADDRESS,
    }
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == []
    result = await fix(hass, hass_client, "device_wrong_key_garden", OTHER_KEY)
    assert result["type"] == "create_entry"
    assert told(hass) == set()
    assert stored(entry, "garden")["key"] == OTHER_KEY
    await connect("garden", key=OTHER_KEY)
    await fail(connect, "garden", KEY)
    assert told(hass) == {"device_wrong_key_garden"}
    await connect("garden", key=OTHER_KEY)
    assert told(hass) == set()


async def test_wrong_key_entered(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_client: Any,
) -> None:
    """The key that is there already would change nothing, and the form says so; another wrong one is told of."""
    await fail(connect, "garden", OTHER_KEY)
    result = await fix(hass, hass_client, "device_wrong_key_garden", KEY)
    assert result["errors"] == {"key": "same_key"}
    assert told(hass) == {"device_wrong_key_garden"}
    await fix(hass, hass_client, "device_wrong_key_garden", make_key())
    assert told(hass) == set()
    await fail(connect, "garden", OTHER_KEY)
    assert told(hass) == {"device_wrong_key_garden"}


async def test_settled_while_the_repair_is_open(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_client: Any,
) -> None:
    """A repair that is not needed any more changes nothing."""
    assert await async_setup_component(hass, "repairs", {})
    await fail(connect, "garden", OTHER_KEY)
    client = await hass_client()
    answer = await client.post(
        "/api/repairs/issues/fix",
        json={"handler": DOMAIN, "issue_id": "device_wrong_key_garden"},
    )
    form = await answer.json()
    await connect("garden", key=KEY)
    answer = await client.post(
        f"/api/repairs/issues/fix/{form['flow_id']}", json={"key": OTHER_KEY}
    )
    assert (await answer.json())["reason"] == "settled"
    assert stored(entry, "garden")["key"] == KEY


@pytest.mark.parametrize("keys", [{}])
async def test_known_device_without_key(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    hass_client: Any,
) -> None:
    """A device that was let in without a key and now has one is told of; its key can be entered."""
    await connect("garden")
    await fail(connect, "garden", KEY)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cards(hass) == []
    assert told(hass) == {"device_without_key_garden"}
    await fix(hass, hass_client, "device_without_key_garden", KEY)
    await connect("garden", key=KEY)
    assert told(hass) == set()


@pytest.mark.parametrize("damage", ["", "x", KEY[:-4], None, 5, ["a"]])
@pytest.mark.parametrize("known", [["cellar", "garden"]])
@pytest.mark.announced_warnings("'cellar': it has a key that can't be read")
async def test_damaged_key(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    connect: Connect,
    damage: Any,
    hass_client: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A stored key that can't be read keeps its device out, in any way, and nobody else."""
    (subentry,) = [one for one in entry.subentries.values() if one.title == "Cellar"]
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "key": damage}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await connect("garden", key=KEY)
    for key in (KEY, b64encode(b"\0").decode(), b64encode(bytes(32)).decode()):
        await fail(connect, "cellar", key)
    plain = await connect()
    assert (await plain.do("ID", ID="cellar"))["REASON"] == "key-required"
    await entry.runtime_data.approved.follow()
    assert len([text for text in logged(caplog) if "can't be read" in text]) == 1
    assert told(hass) == {"device_damaged_key_cellar", "device_plain_text_cellar"}
    await fix(hass, hass_client, "device_damaged_key_cellar", KEY)
    assert told(hass) == set()
    await connect("cellar", key=KEY)


async def test_id_other_than_identity(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A key opens its own ID and no other; who tries is told of."""
    await rooms.approved.approve("cellar", "Cellar")
    for other in ("cellar", "nobody"):
        client = await connect(identity="garden", key=KEY)
        assert (await client.do("ID", ID=other))["REASON"] == "denied"
        assert await client.ended() == "denied"
    assert told(hass) == {"device_other_id_garden"}
    assert placeholders(hass, "device_other_id_garden") == {
        "device": "garden",
        "other": "cellar",
        "address": ADDRESS,
    }
    await connect("garden", key=KEY)
    assert told(hass) == set()
    await hass.async_block_till_done()


async def test_id_of_a_device_that_is_gone(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that is removed between TLS and ID is refused, and is nobody to tell of."""
    client = await connect(identity="garden", key=KEY)
    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await hass.async_block_till_done()
    assert (await client.do("ID", ID="cellar"))["REASON"] == "denied"
    client = await connect()
    assert told(hass) == set()


async def test_others_try_while_the_device_is_in(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What somebody tried under a device's ID is told no more when it has been quiet for a while."""
    await connect("garden", key=KEY)
    await fail(connect, "garden", OTHER_KEY)
    rooms.issues.refresh()
    assert told(hass) == {"device_wrong_key_garden"}
    later = time.monotonic() + REFRESH.total_seconds()
    monkeypatch.setattr(rooms.broker, "clock", lambda: later)
    rooms.issues.refresh()
    assert told(hass) == set()


async def test_device_that_stays_away(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What keeps a device out is told as long as it is out, or until it is removed or nothing runs."""
    await fail(connect, "garden", OTHER_KEY)
    later = time.monotonic() + REFRESH.total_seconds()
    monkeypatch.setattr(rooms.broker, "clock", lambda: later)
    rooms.issues.refresh()
    assert told(hass) == {"device_wrong_key_garden"}
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert told(hass) == set()
    await fail(connect, "garden", OTHER_KEY)
    assert told(hass) == {"device_wrong_key_garden"}
    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await hass.async_block_till_done()
    assert told(hass) == set()


@pytest.mark.parametrize("known", [[f"d{number}" for number in range(20)]])
@pytest.mark.parametrize("keys", [{f"d{number}": KEY for number in range(20)}])
async def test_told_devices_are_limited(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who tries all IDs with a wrong key does not fill the repairs, nor the log."""
    caplog.clear()
    for number in range(20):
        await fail(connect, f"d{number}", OTHER_KEY)
    assert len(told(hass)) == 8
    assert logged(caplog) == []


# Changing and removing a key, and the device


async def in_with(connect: Connect, key: str | None) -> Client:
    """Connect the garden, which follows everything."""
    client = await connect("garden", key=key)
    await client.ok("SUB", VARIABLE="#")
    return client


async def test_new_key(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A new key is shown first; when it is taken the connection ends, and the old key is no good."""
    client = await in_with(connect, KEY)
    form = await change_device(hass, entry, "garden", "new_key")
    assert form["step_id"] == "new_key"
    shown = form["description_placeholders"]
    assert shown is not None
    new = shown["key"]
    node = yaml.safe_load(shown["yaml"])["textmq"]
    assert (node["device_id"], node["encryption"]["key"]) == ("garden", new)
    assert (await client.do("HELLO?")).command == "HELLO!"
    result = await submit(hass, form)
    assert result["reason"] == "device_changed"
    assert await client.ended() == "disconnected"
    assert stored(entry, "garden") == {"device_id": "garden", "key": new}
    await fail(connect, "garden", KEY)
    await connect("garden", key=new)
    assert rooms is entry.runtime_data


async def test_enter_key(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """The key that a device has can be entered; what is none is said to be."""
    client = await in_with(connect, KEY)
    form = await change_device(hass, entry, "garden", "enter_key")
    for bad in BAD_KEYS:
        form = await submit(hass, form, key=bad)
        assert form["errors"] == {"key": "bad_key"}
    assert (await client.do("HELLO?")).command == "HELLO!"
    await submit(hass, form, key=f"{OTHER_KEY} ")
    assert await client.ended() == "disconnected"
    await connect("garden", key=OTHER_KEY)
    await fail(connect, "garden", KEY)


async def test_same_key(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """The key that it has already disturbs nobody."""
    client = await in_with(connect, KEY)
    form = await change_device(hass, entry, "garden", "enter_key")
    await submit(hass, form, key=KEY)
    assert (await client.do("HELLO?")).command == "HELLO!"


async def test_remove_key(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Without its key a device is let in by its ID, once a person agrees; a key can come back."""
    client = await in_with(connect, KEY)
    form = await change_device(hass, entry, "garden", "remove_key")
    assert (await client.do("HELLO?")).command == "HELLO!"
    await submit(hass, form)
    assert await client.ended() == "disconnected"
    assert stored(entry, "garden") == {"device_id": "garden"}
    plain = await in_with(connect, None)
    form = await change_device(hass, entry, "garden", "new_key")
    await submit(hass, form)
    assert await plain.ended() == "disconnected"
    plain = await connect()
    assert (await plain.do("ID", ID="garden"))["REASON"] == "key-required"


@pytest.mark.parametrize("keys", [{}])
async def test_menu_without_key(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry
) -> None:
    """Only what is there can be removed."""
    menu = await entry.start_subentry_reconfigure_flow(
        hass, next(iter(entry.subentries))
    )
    assert menu["menu_options"] == ["settings", "new_key", "enter_key", "replace"]


@pytest.mark.parametrize("known", [["cellar", "garden"]])
async def test_remove_device(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that is removed is out at once, with all that it had; its key is no good, and it has to ask."""
    cellar = await connect("cellar")
    client = await in_with(connect, KEY)
    await cellar.ok("PUB", VARIABLE="x", VALUE="1")
    assert (await client.receive()).command == "SUB"
    garden = device_of(hass, "garden").config_subentry_id
    assert garden is not None
    hass.config_entries.async_remove_subentry(entry, garden)
    await hass.async_block_till_done()
    assert await client.ended() == "revoked"
    assert (await cellar.do("MSG", DEVICE="garden", VALUE="hi", TTL=60))["REASON"] == (
        "no-such-device"
    )
    await fail(connect, "garden", KEY)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (cards(hass), told(hass)) == (["garden"], set())


@pytest.mark.parametrize("known", [["cellar", "garden"]])
async def test_remove_device_that_is_away(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """What waited for a device that is removed is gone; under its ID another one begins anew."""
    cellar = await connect("cellar")
    client = await in_with(connect, KEY)
    client.send("CLOSE", SLEEP=600)
    assert await client.ended() == ""
    await cellar.ok("MSG", DEVICE="garden", VALUE="secret", TTL=600)
    garden = device_of(hass, "garden").config_subentry_id
    assert garden is not None
    hass.config_entries.async_remove_subentry(entry, garden)
    await hass.async_block_till_done()
    await rooms.approved.approve("garden", "Garden", key=OTHER_KEY)
    another = await connect("garden", key=OTHER_KEY)
    await cellar.ok("PUB", VARIABLE="x", VALUE="1")
    assert (await another.do("HELLO?")).command == "HELLO!"
    assert not another.deliveries
    await hass.async_block_till_done()


# Only with a key


@pytest.mark.parametrize("access", ["key"])
@pytest.mark.parametrize("known", [["cellar", "garden"]])
async def test_key_mode(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Nobody comes in without a key: no card, no window; a device that was let in before is told of."""
    with pytest.raises(ServiceValidationError):
        await hass.services.async_call(DOMAIN, "allow_new_devices", blocking=True)
    for device_id in ("nobody", "cellar"):
        plain = await connect()
        assert (await plain.do("ID", ID=device_id))["REASON"] == "key-required"
        assert await plain.ended() == "denied"
    guest = await connect()
    assert (await guest.do("PUB", VARIABLE="x", VALUE="1"))["REASON"] == (
        "not-authorized"
    )
    await connect("garden", key=KEY)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (cards(hass), told(hass)) == ([], {"device_plain_text_cellar"})
    form = await encrypted_card(hass, connect, "kitchen")
    await hass.config_entries.flow.async_configure(
        form["flow_id"], {"key": OTHER_KEY, "name": "Kitchen"}
    )
    await connect("kitchen", key=OTHER_KEY)
    added = await add_device(hass, entry, device_id="hall", encrypted=False)
    assert added["errors"] == {"encrypted": "key_needed"}
    added = await submit(hass, added, device_id="hall", encrypted=True)
    assert added["step_id"] == "add_key"
    menu = await entry.start_subentry_reconfigure_flow(
        hass,
        next(id_ for id_, one in entry.subentries.items() if one.title == "Garden"),
    )
    assert "remove_key" not in menu["menu_options"]


async def test_reconfigure_to_key_mode(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """The access mode can be changed to keys only."""
    form = await entry.start_reconfigure_flow(hass)
    await hass.config_entries.flow.async_configure(
        form["flow_id"], {**entry.data, "access": "key"}
    )
    await hass.async_block_till_done()
    plain = await connect()
    assert (await plain.do("ID", ID="kitchen"))["REASON"] == "key-required"
    await connect("garden", key=KEY)
