"""Triggers and conditions in automations; bus events and their lines in the logbook."""

from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.textmq import trigger
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CoreState, Event, HomeAssistant
from homeassistant.setup import async_setup_component

from .client import Client, until
from .conftest import Connect, broker_of, device_of, state_of

FOUND = "found"
VARIABLE_DATA = {
    key: f"{{{{ trigger.{key} }}}}"
    for key in ("variable", "value", "previous", "device", "time", "description")
}


async def automate(
    hass: HomeAssistant,
    trigger: dict[str, Any] | None = None,
    data: dict[str, str] | None = None,
    condition: dict[str, Any] | None = None,
) -> list[Event]:
    """Set up an automation; return the events that it fires, as they come."""
    automation = {
        "alias": "test",
        "mode": "parallel",
        "max": 100,
        "triggers": [trigger or {"trigger": "event", "event_type": "go"}],
        "conditions": [condition] if condition else [],
        "actions": [{"event": FOUND, "event_data": data or {}}],
    }
    assert await async_setup_component(hass, "automation", {"automation": automation})
    await hass.async_block_till_done()
    events: list[Event] = async_capture_events(hass, FOUND)
    return events


def registry_id(hass: HomeAssistant, entry: MockConfigEntry, device_id: str) -> str:
    """Return the ID of a device in the registry."""
    device = device_of(hass, device_id)
    assert device is not None
    return device.id


@pytest.mark.parametrize(
    ("options", "published", "found"),
    [
        ({"variable": "garden/soil"}, ["1", "1", "2"], ["1", "1", "2"]),
        ({"variable": "garden/+"}, ["1"], ["1"]),
        ({"variable": "#", "value": "2"}, ["1", "2", "2"], ["2", "2"]),
        ({"variable": "hall/#"}, ["1"], []),
    ],
)
async def test_variable_published(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    options: dict[str, str],
    published: list[str],
    found: list[str],
) -> None:
    """Every publish counts, also of the same value."""
    events = await automate(
        hass,
        {"trigger": "textmq.variable_published", "options": options},
        VARIABLE_DATA,
    )
    client = await connect("garden")
    for value in published:
        await client.ok("PUB", VARIABLE="garden/soil", VALUE=value)
    await hass.async_block_till_done()
    assert [str(one.data["value"]) for one in events] == found


async def test_trigger_data(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A trigger knows what was published, what was before, by whom and when."""
    events = await automate(
        hass,
        {
            "trigger": "textmq.variable_changed",
            "options": {"variable": "garden/#"},
        },
        VARIABLE_DATA,
    )
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/a", VALUE=r"5 \u00b0C")
    await client.ok("PUB", VARIABLE="garden/a", VALUE=r"6 \u00b0C")
    await hass.async_block_till_done()
    (second,) = (one.data for one in events)
    assert second["previous"] == "5 °C"
    assert (second["variable"], second["value"], second["device"]) == (
        "garden/a",
        "6 °C",
        "garden",
    )
    assert second["description"] == "variable garden/a"
    assert str(second["time"]).startswith("20")


@pytest.mark.parametrize(
    ("options", "published", "found"),
    [
        pytest.param({}, "1 1 2 2", "1>2", id="another value"),
        pytest.param({}, "OFF - ON", "OFF>ON", id="unknown in between"),
        pytest.param({}, "ON - - ON", "", id="a node restarts"),
        pytest.param({}, "- ON", "", id="unknown at first"),
        pytest.param({}, "ON OFF - OFF ON", "ON>OFF OFF>ON", id="both"),
        pytest.param({"value": "ON"}, "OFF ON - ON OFF", "OFF>ON", id="to"),
        pytest.param({"previous": "1"}, "1 2 3 1 3", "1>2 1>3", id="from"),
        pytest.param({"previous": "2", "value": "3"}, "1 3 2 3", "2>3", id="from, to"),
        pytest.param(
            {"unknown": True}, "1 1 - 1", "None>1 1> >1", id="unknown is asked for"
        ),
        pytest.param(
            {"unknown": True, "previous": "", "value": "1"},
            "1 2 - 1",
            "None>1 >1",
            id="from unknown",
        ),
    ],
)
async def test_variable_changed(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    options: dict[str, Any],
    published: str,
    found: str,
) -> None:
    """Only another value counts, and unknown is none, unless it is asked for."""
    events = await automate(
        hass,
        {
            "trigger": "textmq.variable_changed",
            "options": {"variable": "garden/soil", **options},
        },
        {"change": "{{ trigger.previous }}>{{ trigger.value }}"},
    )
    client = await connect("garden")
    for value in published.split():
        await client.ok("PUB", VARIABLE="garden/soil", VALUE=value.strip("-"))
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="30", RETAIN="NO")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="", RETAIN="NO")
    await hass.async_block_till_done()
    assert " ".join(one.data["change"] for one in events) == found


async def test_many_unknown_variables(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last values of some variables are remembered, those that were lost last."""
    monkeypatch.setattr(trigger, "_MAX_UNKNOWN", 2)
    events = await automate(
        hass,
        {"trigger": "textmq.variable_changed", "options": {"variable": "garden/#"}},
        VARIABLE_DATA,
    )
    client = await connect("garden")
    for value in ("1", "", "2"):
        for name in "abc":
            await client.ok("PUB", VARIABLE=f"garden/{name}", VALUE=value)
    await hass.async_block_till_done()
    assert [one.data["variable"] for one in events] == ["garden/b", "garden/c"]


@pytest.mark.parametrize(
    ("wanted", "published", "found"),
    [
        (True, "ON on 1 true OFF 0 x -", "ON on 1 true"),
        (False, "ON OFF off 0 x", "OFF off 0"),
        ("ON", "ON on 1 true", "ON"),
        (1, "1 ON true", "1"),
    ],
)
@pytest.mark.parametrize("key", ["published", "message"])
async def test_on_without_quotation_marks(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    key: str,
    wanted: object,
    published: str,
    found: str,
) -> None:
    """What YAML makes a boolean is any spelling of on or off; with quotation marks it is a text."""
    options = {"variable": "garden/x", "value": wanted}
    if key == "message":
        options = {"text": wanted}
    name = "message_received" if key == "message" else "variable_published"
    events = await automate(
        hass,
        {"trigger": f"textmq.{name}", "options": options},
        {"found": "{{ trigger.text or trigger.value }}~"},
    )
    client = await connect("garden")
    for value in published.split():
        text = value.strip("-")
        if key == "message":
            await client.ok("MSG", DEVICE="homeassistant", VALUE=text)
        else:
            await client.ok("PUB", VARIABLE="garden/x", VALUE=text)
    await hass.async_block_till_done()
    assert " ".join(one.data["found"].strip("~") for one in events) == found


@pytest.mark.parametrize(
    ("wanted", "value", "met"),
    [
        (True, "ON", True),
        (True, "open", True),
        (True, "OFF", False),
        (False, "OFF", True),
        ("ON", "ON", True),
        ("ON", "on", False),
    ],
)
async def test_condition_on_without_quotation_marks(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    wanted: object,
    value: str,
    met: bool,
) -> None:
    """So it is with the condition."""
    events = await automate(
        hass,
        condition={
            "condition": "textmq.variable_is",
            "options": {"variable": "garden/x", "value": wanted},
        },
    )
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/x", VALUE=value)
    hass.bus.async_fire("go")
    await hass.async_block_till_done()
    assert len(events) == met


async def test_many_publishes(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Triggers see every publish, however fast."""
    events = await automate(
        hass,
        {"trigger": "textmq.variable_published", "options": {"variable": "#"}},
        VARIABLE_DATA,
    )
    client = await connect("garden")
    for number in range(50):
        client.send("PUB", VARIABLE="garden/soil", VALUE=number, ACK="NO")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="50")
    await hass.async_block_till_done()
    assert [int(one.data["value"]) for one in events] == list(range(51))


async def test_trigger_outlives_reload(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """An automation goes on after a reload; one that is turned off does not."""
    events = await automate(
        hass,
        {"trigger": "textmq.variable_published", "options": {"variable": "#"}},
        VARIABLE_DATA,
    )
    assert await hass.config_entries.async_reload(entry.entry_id)
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    await hass.async_block_till_done()
    assert len(events) == 1
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "automation.test"}, blocking=True
    )
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="2")
    await hass.async_block_till_done()
    assert len(events) == 1


async def test_trigger_before_broker(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
) -> None:
    """An automation may be set up before the broker runs."""
    entry.mock_state(hass, ConfigEntryState.SETUP_RETRY)
    events = await automate(
        hass,
        {"trigger": "textmq.variable_published", "options": {"variable": "#"}},
        VARIABLE_DATA,
    )
    assert await hass.config_entries.async_reload(entry.entry_id)
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    await hass.async_block_till_done()
    assert len(events) == 1


async def test_trigger_without_broker(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry
) -> None:
    """Without a broker an automation waits, and can be turned off."""
    await hass.config_entries.async_unload(entry.entry_id)
    await automate(
        hass,
        {"trigger": "textmq.variable_published", "options": {"variable": "#"}},
    )
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "automation.test"}, blocking=True
    )
    assert state_of(hass, "automation.test").state == "off"


@pytest.mark.parametrize(
    "trigger",
    [
        {"trigger": "textmq.variable_published", "options": {"variable": "a/#/b"}},
        {"trigger": "textmq.variable_published", "options": {}},
        {"trigger": "textmq.variable_changed"},
        {"trigger": "textmq.message_received", "options": {"color": "red"}},
    ],
)
@pytest.mark.announced_warnings("failed to setup triggers")
async def test_impossible_triggers(
    hass: HomeAssistant,
    rooms: RuntimeData,
    trigger: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What can't be is told when the automation is set up."""
    await automate(hass, trigger)
    assert "Automation with alias 'test' failed to setup triggers" in caplog.text


@pytest.mark.parametrize("known", [["garden", "cellar"]])
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, [("garden", "help"), ("garden", "bye"), ("cellar", "help")]),
        ({"text": "help"}, [("garden", "help"), ("cellar", "help")]),
        ({"device_id": ["garden"]}, [("garden", "help"), ("garden", "bye")]),
        ({"device_id": "cellar", "text": "bye"}, []),
    ],
)
async def test_message_received(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    options: dict[str, Any],
    found: list[tuple[str, str]],
) -> None:
    """Messages to Home Assistant trigger, by device and by text."""
    if devices := options.get("device_id"):
        chosen = [devices] if isinstance(devices, str) else devices
        options = options | {
            "device_id": [registry_id(hass, entry, one) for one in chosen]
        }
    events = await automate(
        hass,
        {"trigger": "textmq.message_received", "options": options},
        {"device": "{{ trigger.device }}", "text": "{{ trigger.text }}"},
    )
    garden = await connect("garden")
    cellar = await connect("cellar")
    await garden.ok("MSG", DEVICE="homeassistant", VALUE="help")
    await garden.ok("MSG", DEVICE="HomeAssistant", VALUE="bye")
    await cellar.ok("MSG", DEVICE="homeassistant", VALUE="help")
    await hass.async_block_till_done()
    assert [(one.data["device"], one.data["text"]) for one in events] == found


async def test_messages_wait_for_the_start(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
) -> None:
    """What waited for Home Assistant comes when automations listen and entities show it, at each start."""
    hass.set_state(CoreState.not_running)
    events = await automate(
        hass, {"trigger": "textmq.message_received"}, {"text": "{{ trigger.text }}"}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    garden = await connect("garden")
    await garden.ok("MSG", DEVICE="homeassistant", VALUE="first", TTL=60)
    await garden.ok("MSG", DEVICE="homeassistant", VALUE="second", TTL=60)
    answer = await garden.do("MSG", DEVICE="homeassistant", VALUE="now")
    assert (answer.command, answer["REASON"]) == ("BAD", "no-such-device")
    await hass.async_start()
    await hass.async_block_till_done()
    assert [one.data["text"] for one in events] == ["first", "second"]
    assert state_of(hass, "event.garden_message").attributes["text"] == "second"
    await garden.ok("MSG", DEVICE="homeassistant", VALUE="now")
    await hass.async_block_till_done()
    assert [one.data["text"] for one in events] == ["first", "second", "now"]


async def test_messages_wait_for_a_reload(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A message that comes while the broker starts again is shown by the device's entity."""
    forward = hass.config_entries.async_forward_entry_setups

    clients: list[Client] = []

    async def slow(*args: Any) -> None:
        client = await connect()
        client.send("ID", ID="garden")
        client.send("MSG", DEVICE="homeassistant", VALUE="early")
        clients.append(client)
        await forward(*args)

    with patch.object(hass.config_entries, "async_forward_entry_setups", slow):
        assert await hass.config_entries.async_reload(entry.entry_id)
    for _ in range(2):
        assert (await clients[0].answer()).command == "OK"
    await hass.async_block_till_done()
    assert state_of(hass, "event.garden_message").attributes["text"] == "early"


async def test_a_stop_before_the_start(
    hass: HomeAssistant, entry: MockConfigEntry, connect: Connect
) -> None:
    """A broker that was unloaded while Home Assistant started takes no messages."""
    hass.set_state(CoreState.not_running)
    assert await hass.config_entries.async_setup(entry.entry_id)
    broker = broker_of(entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_start()
    await hass.async_block_till_done()
    assert broker.home_assistant is None


@pytest.mark.parametrize("access", ["open"])
async def test_message_from_guest(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A message from nobody triggers too."""
    events = await automate(
        hass,
        {"trigger": "textmq.message_received"},
        {"device": "{{ trigger.device }}", "text": "{{ trigger.text }}"},
    )
    guest = await connect()
    await guest.ok("MSG", DEVICE="homeassistant", VALUE="hello")
    await hass.async_block_till_done()
    assert [one.data["text"] for one in events] == ["hello"]


async def test_connections(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device that comes and goes triggers, and fires events."""
    device_id = registry_id(hass, entry, "garden")
    came = async_capture_events(hass, "textmq_device_connected")
    went = async_capture_events(hass, "textmq_device_disconnected")
    events = await automate(
        hass,
        {
            "trigger": "textmq.device_disconnected",
            "options": {"device_id": device_id},
        },
        {"device": "{{ trigger.device }}", "reason": "{{ trigger.reason }}"},
    )
    client = await connect("garden")
    await client.ok("ID", ID="garden", SW="2")
    client.send("CLOSE")
    await until(lambda: events)
    assert events[0].data == {"device": "garden", "reason": "client-close"}
    assert [one.data for one in came] == [{"device_id": device_id, "device": "garden"}]
    assert [one.data for one in went] == [
        {"device_id": device_id, "device": "garden", "reason": "client-close"}
    ]


async def test_device_connected(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Any device triggers where none is chosen."""
    events = await automate(
        hass,
        {"trigger": "textmq.device_connected"},
        {"device": "{{ trigger.device }}"},
    )
    await connect("garden")
    await hass.async_block_till_done()
    assert [one.data["device"] for one in events] == ["garden"]


# Conditions


async def passes(hass: HomeAssistant, events: list[Event]) -> bool:
    """Trigger the automation; return whether its condition let it pass."""
    before = len(events)
    hass.bus.async_fire("go")
    await hass.async_block_till_done()
    return len(events) > before


@pytest.mark.parametrize("known", [["garden", "cellar"]])
@pytest.mark.parametrize("behavior", ["any", "all"])
async def test_device_is_connected(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    behavior: str,
) -> None:
    """Any or all of the devices."""
    events = await automate(
        hass,
        condition={
            "condition": "textmq.device_is_connected",
            "options": {
                "device_id": [
                    registry_id(hass, entry, one) for one in ("garden", "cellar")
                ],
                "behavior": behavior,
            },
        },
    )
    assert not await passes(hass, events)
    await connect("garden")
    assert await passes(hass, events) is (behavior == "any")
    await connect("cellar")
    assert await passes(hass, events)
    await hass.config_entries.async_unload(entry.entry_id)
    assert not await passes(hass, events)


@pytest.mark.announced_warnings("is text where a number is expected")
async def test_variable_is(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """The value must be equal, as a person reads it."""
    events = await automate(
        hass,
        condition={
            "condition": "textmq.variable_is",
            "options": {"variable": "garden/soil", "value": "5 °C"},
        },
    )
    assert not await passes(hass, events)
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="4")
    assert not await passes(hass, events)
    await client.ok("PUB", VARIABLE="garden/soil", VALUE=r"5 \u00b0C")
    assert await passes(hass, events)
    await hass.config_entries.async_unload(entry.entry_id)
    assert not await passes(hass, events)
