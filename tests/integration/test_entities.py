"""Entities made by descriptions: values, commands, changes of kind; and those that every device has."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    async_fire_time_changed,
    mock_restore_cache_with_extra_data,
)

from custom_components.textmq.const import BROKER
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from .announced import Announced
from .client import Client, until
from .conftest import Connect, age, device_of, entity_id, shown, state_of

NAME = "garden/thing"


async def define(hass: HomeAssistant, client: Client, **definition: str) -> None:
    """Describe the variable that this module is about."""
    await client.ok("DEF", VARIABLE=NAME, **definition)
    await hass.async_block_till_done()


@pytest.mark.parametrize("kind", ["binary_sensor", "switch"])
@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("ON", "on"),
        ("OFF", "off"),
        ("on", "on"),
        ("1", "on"),
        ("0", "off"),
        ("true", "on"),
        ("FALSE", "off"),
        ("Yes", "on"),
        ("no", "off"),
        ("open", "on"),
        ("CLOSED", "off"),
        ("2", "unknown"),
        ("", "unknown"),
    ],
)
async def test_on_and_off(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    kind: str,
    value: str,
    state: str,
    announced_warnings: Announced,
) -> None:
    """ON and OFF are the two values, and there are other words for them."""
    if value == "2":
        announced_warnings.append("is neither ON nor OFF")
    client = await connect("garden")
    await define(hass, client, TYPE=kind)
    assert shown(hass, kind, NAME).state == "unknown"
    await client.ok("PUB", VARIABLE=NAME, VALUE=value)
    await hass.async_block_till_done()
    await until(lambda: shown(hass, kind, NAME).state == state)
    assert shown(hass, kind, NAME).attributes.get("text") == (
        "2" if value == "2" else None
    )


@pytest.mark.parametrize(
    ("kind", "device_class"),
    [
        ("binary_sensor", "moisture"),
        ("switch", "outlet"),
        ("number", "humidity"),
        ("button", "restart"),
        ("event", "doorbell"),
    ],
)
@pytest.mark.announced_warnings("is described wrongly")
async def test_device_class(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    kind: str,
    device_class: str,
) -> None:
    """Every kind with classes takes its class; one of another kind is refused."""
    client = await connect("garden")
    extra = {
        "number": {"UNIT": "%"},
        "event": {"OPTIONS": "ring"},
    }.get(kind, {})
    await define(hass, client, TYPE=kind, CLASS=device_class, **extra)
    assert shown(hass, kind, NAME).attributes["device_class"] == device_class
    answer = await client.do(
        "DEF", VARIABLE=NAME, TYPE=kind, CLASS="curtain", OPTIONS="a"
    )
    assert answer["REASON"] == "bad-definition"


@pytest.mark.parametrize(
    ("definition", "value", "state", "action", "data", "command"),
    [
        ({"TYPE": "switch"}, "OFF", "off", "turn_on", {}, "ON"),
        ({"TYPE": "switch"}, "ON", "on", "turn_off", {}, "OFF"),
        (
            {"TYPE": "number", "MIN": "0", "MAX": "100"},
            "20.5",
            "20.5",
            "set_value",
            {"value": 21},
            "21",
        ),
        (
            {"TYPE": "number", "STEP": "0.1"},
            "20",
            "20",
            "set_value",
            {"value": 0.1 + 0.2},
            "0.3",
        ),
        (
            {"TYPE": "number", "MAX": "1e15"},
            "20",
            "20",
            "set_value",
            {"value": 123456789012},
            "123456789012",
        ),
        (
            {"TYPE": "select", "OPTIONS": "Off,Half full,Full"},
            "Off",
            "Off",
            "select_option",
            {"option": "Half full"},
            "Half full",
        ),
        (
            {"TYPE": "text"},
            "hello",
            "hello",
            "set_value",
            {"value": "a|b\n°"},
            r"a\u007cb\n\u00b0",
        ),
        ({"TYPE": "button"}, None, "unknown", "press", {}, "PRESS"),
    ],
)
async def test_command(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    definition: dict[str, str],
    value: str | None,
    state: str,
    action: str,
    data: dict[str, Any],
    command: str,
) -> None:
    """A command goes to the device unstored; the state follows what the device publishes."""
    kind = definition["TYPE"]
    client = await connect("garden")
    await client.ok("SUB", VARIABLE=f"{NAME}/set")
    await define(hass, client, **definition)
    if value is not None:
        await client.ok("PUB", VARIABLE=NAME, VALUE=value)
    await hass.async_block_till_done()
    found = shown(hass, kind, NAME)
    assert found.state == state
    await hass.services.async_call(
        kind, action, {"entity_id": found.entity_id, **data}, blocking=True
    )
    received = await client.receive()
    assert (received.command, received["VARIABLE"], received["VALUE"]) == (
        "SUB",
        f"{NAME}/set",
        command,
    )
    assert rooms.broker.variables.get(f"{NAME}/set") is None
    if kind != "button":
        assert state_of(hass, found.entity_id).state == state
        await client.ok("PUB", VARIABLE=NAME, VALUE=command)
        await until(lambda: state_of(hass, found.entity_id).state != state)


async def test_command_to_another_variable(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """SET names where commands go."""
    client = await connect("garden")
    await client.ok("SUB", VARIABLE="orders")
    await define(hass, client, TYPE="button", SET="orders")
    await press(hass)
    assert (await client.receive())["VARIABLE"] == "orders"


async def press(hass: HomeAssistant) -> None:
    """Press the button of this module's variable."""
    await hass.services.async_call(
        "button", "press", {"entity_id": entity_id(hass, "button", NAME)}, blocking=True
    )


async def test_command_to_absent_device(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Whoever commands a device that is not there is told so."""
    client = await connect("garden")
    await define(hass, client, TYPE="button")
    await client.close()
    await until(lambda: rooms.broker.state("garden") == "disconnected")
    with pytest.raises(HomeAssistantError) as error:
        await press(hass)
    assert error.value.translation_key == "device_not_connected"
    assert str(error.value).startswith("The device garden is not connected")
    client = await connect("garden")
    client.send("CLOSE", SLEEP=600)
    await until(lambda: rooms.broker.state("garden") == "asleep")
    with pytest.raises(HomeAssistantError) as error:
        await press(hass)
    assert error.value.translation_key == "device_asleep"
    assert str(error.value).startswith("The device garden is asleep")


@pytest.mark.parametrize("access", ["open"])
async def test_command_without_device(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A variable that belongs to no device takes commands from whoever listens."""
    guest = await connect()
    await define(hass, guest, TYPE="button", NAME="Press me")
    await guest.ok("SUB", VARIABLE=f"{NAME}/set")
    assert shown(hass, "button", NAME).attributes["friendly_name"] == "TextMQ Press me"
    await press(hass)
    assert (await guest.receive())["VALUE"] == "PRESS"


async def test_too_long_command(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A command whose variable can't be named is refused with a reason."""
    client = await connect("garden")
    name = f"garden/{'x' * 248}"
    await client.ok("DEF", VARIABLE=name, TYPE="button", NAME="Long")
    await hass.async_block_till_done()
    found = entity_id(hass, "button", name)
    with pytest.raises(ServiceValidationError) as error:
        await hass.services.async_call(
            "button", "press", {"entity_id": found}, blocking=True
        )
    assert error.value.translation_key == "bad_name"


@pytest.mark.parametrize(
    ("definition", "attributes"),
    [
        ({}, {"min": -1e9, "max": 1e9, "step": 1, "mode": "box"}),
        (
            {"MIN": "0", "MAX": "1"},
            {"min": 0, "max": 1, "step": 0.1, "mode": "auto"},
        ),
        ({"MIN": "2e9"}, {"min": 2e9, "max": 2e9}),
        ({"MAX": "-2e9"}, {"min": -2e9, "max": -2e9}),
        (
            {"STEP": "0.5", "MODE": "slider", "UNIT": "%"},
            {"step": 0.5, "mode": "slider", "unit_of_measurement": "%"},
        ),
    ],
)
@pytest.mark.announced_warnings("is text where a number is expected")
async def test_number(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    definition: dict[str, str],
    attributes: dict[str, Any],
) -> None:
    """A number has the bounds of its description."""
    client = await connect("garden")
    await define(hass, client, TYPE="number", **definition)
    found = shown(hass, "number", NAME)
    assert {key: found.attributes[key] for key in attributes} == attributes
    await client.ok("PUB", VARIABLE=NAME, VALUE="many")
    await until(lambda: shown(hass, "number", NAME).attributes.get("text") == "many")
    assert shown(hass, "number", NAME).state == "unknown"


@pytest.mark.parametrize(
    ("definition", "value", "state"),
    [
        ({}, "x" * 255, "x" * 255),
        ({}, "x" * 256, "unknown"),
        ({"MIN": "2", "MAX": "3"}, "ab", "ab"),
        ({"MIN": "2", "MAX": "3"}, "a", "unknown"),
        ({"MIN": "2", "MAX": "3"}, "abcd", "unknown"),
        ({"MAX": "1000"}, "x" * 300, "unknown"),
    ],
)
async def test_text(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    definition: dict[str, str],
    value: str,
    state: str,
    announced_warnings: Announced,
) -> None:
    """A text has the lengths of its description; what does not fit is in an attribute."""
    if state == "unknown":
        announced_warnings.append(r"has not \d to \d characters|is longer than 255")
    client = await connect("garden")
    await define(hass, client, TYPE="text", **definition)
    await client.ok("PUB", VARIABLE=NAME, VALUE=value)
    await until(lambda: "published" in shown(hass, "text", NAME).attributes)
    found = shown(hass, "text", NAME)
    assert found.state == state
    assert found.attributes["mode"] == definition.get("MODE", "text")
    assert found.attributes.get("text") == (value if state == "unknown" else None)


@pytest.mark.announced_warnings("is none of its options")
async def test_select(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A select has the options of its description, also when they change."""
    client = await connect("garden")
    await define(hass, client, TYPE="select", OPTIONS="a,b")
    await client.ok("PUB", VARIABLE=NAME, VALUE="c")
    await until(lambda: shown(hass, "select", NAME).attributes.get("text") == "c")
    assert shown(hass, "select", NAME).state == "unknown"
    await define(hass, client, TYPE="select", OPTIONS="a,b,c")
    found = shown(hass, "select", NAME)
    assert (found.state, found.attributes["options"]) == ("c", ["a", "b", "c"])


@pytest.mark.announced_warnings("is none of its options")
async def test_event(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each publish is an event, however fast; a stored value is none."""
    client = await connect("garden")
    await define(hass, client, TYPE="event", OPTIONS="single,double")
    found = shown(hass, "event", NAME)
    assert found.state == "unknown"
    assert found.attributes["event_types"] == ["single", "double"]
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    for value in ("single", "single", "double", "triple", ""):
        await client.ok("PUB", VARIABLE=NAME, VALUE=value, RETAIN="NO")
    types = [one.data["new_state"].attributes["event_type"] for one in events]
    assert types == ["single", "single", "double"]
    assert "'garden/thing' is none of its options" in caplog.text
    await client.ok("PUB", VARIABLE=NAME, VALUE="single")
    last = shown(hass, "event", NAME).state
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert shown(hass, "event", NAME).state in (last, "unknown")


async def test_switch_never_waits(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Every change of a switch is written at once."""
    client = await connect("garden")
    await define(hass, client, TYPE="switch")
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    for value in ("ON", "OFF", "ON", "ON", "OFF"):
        await client.ok("PUB", VARIABLE=NAME, VALUE=value)
    states = [one.data["new_state"].state for one in events]
    assert states == ["on", "off", "on", "off"]


async def test_other_kind(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    entity_registry: er.EntityRegistry,
) -> None:
    """Another TYPE is another entity; without description it is a sensor again."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="ON")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "ON"
    await define(hass, client, TYPE="switch")
    assert not entity_id(hass, "sensor", NAME)
    assert shown(hass, "switch", NAME).state == "on"
    await define(hass, client, TYPE="binary_sensor")
    assert not entity_id(hass, "switch", NAME)
    assert shown(hass, "binary_sensor", NAME).state == "on"
    await define(hass, client)
    assert not entity_id(hass, "binary_sensor", NAME)
    assert shown(hass, "sensor", NAME).state == "ON"


async def test_empty_description_of_button(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A button is nothing but its description."""
    client = await connect("garden")
    await define(hass, client, TYPE="button")
    await client.ok("PUB", VARIABLE=NAME, VALUE="x", RETAIN="NO")
    await define(hass, client)
    assert not entity_id(hass, "button", NAME)
    assert rooms.broker.variables.get(NAME) is None


async def test_description_of_excluded_variable(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A variable that is filtered out stays so, whatever describes it."""
    hass.config_entries.async_update_entry(entry, options={"exclude": ["garden/#"]})
    await hass.async_block_till_done()
    client = await connect("garden")
    await define(hass, client, TYPE="switch")
    await define(hass, client, TYPE="button")
    await client.ok("DEL", VARIABLE=NAME)
    assert not entity_id(hass, "switch", NAME)
    assert not entity_id(hass, "button", NAME)


@pytest.mark.announced_warnings("is refused by Home Assistant")
async def test_broken_write(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever Home Assistant does not take, the client and the other entities never notice."""
    client = await connect("garden")
    await define(hass, client, TYPE="sensor", CLASS="timestamp")
    await client.ok("PUB", VARIABLE=NAME, VALUE="9999-12-31T23:59:59-23:00")
    await client.ok("PUB", VARIABLE="garden/other", VALUE="1")
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "unknown"
    assert shown(hass, "sensor", NAME).attributes["text"].startswith("9999")
    assert "'garden/thing' is refused by Home Assistant" in caplog.text
    assert shown(hass, "sensor", "garden/other").state == "1"
    await client.ok("PUB", VARIABLE=NAME, VALUE="2026-11-22T19:50:00Z")
    await until(lambda: shown(hass, "sensor", NAME).state.startswith("2026"))
    assert "Traceback" not in caplog.text


# What every device has


@pytest.mark.usefixtures("entity_registry_enabled_by_default")
async def test_device(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """A device shows its connection, its address, when it was last seen."""
    assert state_of(hass, "binary_sensor.garden_connection").state == "off"
    assert state_of(hass, "sensor.garden_last_seen").state == "unknown"
    assert state_of(hass, "sensor.garden_address").state == "unknown"
    assert state_of(hass, "button.garden_disconnect").state == "unavailable"
    client = await connect(
        "garden", MODEL="ESP32", MANUFACTURER="We", SW="1.2", MAC="AA-BB-CC-DD-EE-FF"
    )
    assert state_of(hass, "binary_sensor.garden_connection").state == "on"
    assert state_of(hass, "sensor.garden_address").state == "127.0.0.1"
    assert age(state_of(hass, "sensor.garden_last_seen").state) < timedelta(seconds=60)
    device = device_of(hass, "garden")
    assert (device.name, device.model, device.manufacturer, device.sw_version) == (
        "Garden",
        "ESP32",
        "We",
        "1.2",
    )
    assert device.connections == {("mac", "aa:bb:cc:dd:ee:ff")}
    assert device.via_device_id == device_of(hass, BROKER).id
    await client.ok("ID", ID="garden", SW="1.3")
    device = device_of(hass, "garden")
    assert (device.model, device.sw_version) == ("ESP32", "1.3")
    assert device.connections == {("mac", "aa:bb:cc:dd:ee:ff")}
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=11))
    await hass.async_block_till_done()
    assert state_of(hass, "binary_sensor.garden_connection").state == "on"


@pytest.mark.parametrize("known", [["garden", "kitchen"]])
@pytest.mark.parametrize("mac", ["aa:bb:cc:dd:ee:ff", "nonsense", "zz:bb:cc:dd:ee:ff"])
async def test_mac_of_another(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    mac: str,
) -> None:
    """A device can't take another one's place by its MAC address."""
    await connect("garden", MAC="aa:bb:cc:dd:ee:ff")
    await connect("kitchen", MAC=mac)
    kitchen = device_of(hass, "kitchen")
    assert kitchen.name == "Kitchen"
    assert kitchen.connections == set()


async def test_availability(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A short loss is no news; a longer one makes the values unavailable, until the device is back."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="1")
    await hass.async_block_till_done()
    await client.close()
    await until(
        lambda: state_of(hass, "binary_sensor.garden_connection").state == "off"
    )
    assert shown(hass, "sensor", NAME).state == "1"
    client = await connect("garden")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=11))
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "1"
    await client.close()
    await until(lambda: rooms.broker.state("garden") == "disconnected")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=11))
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "unavailable"
    assert state_of(hass, "binary_sensor.garden_connection").state == "off"
    await connect("garden")
    assert shown(hass, "sensor", NAME).state == "1"
    assert caplog.text.count("Device 'garden' is not connected: lost") == 2
    assert caplog.text.count("Device 'garden' is connected") == 3


async def test_availability_after_start(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """After a restart a device has more time to come back."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="1")
    assert await hass.config_entries.async_reload(entry.entry_id)
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=80))
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "1"
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=100))
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "unavailable"


@pytest.mark.usefixtures("entity_registry_enabled_by_default")
async def test_sleep(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Who sleeps keeps its values until its time has passed, over a restart too."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE=NAME, VALUE="1")
    client.send("CLOSE", SLEEP=3600)
    await until(lambda: rooms.broker.state("garden") == "asleep")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=11))
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "1"
    assert state_of(hass, "binary_sensor.garden_connection").state == "off"
    seen = state_of(hass, "sensor.garden_last_seen").state
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    rooms = entry.runtime_data
    assert rooms.broker.state("garden") == "asleep"
    assert state_of(hass, "sensor.garden_last_seen").state == seen
    assert state_of(hass, "sensor.garden_address").state == "127.0.0.1"
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=100))
    await hass.async_block_till_done()
    assert shown(hass, "sensor", NAME).state == "1"
    rooms.broker.devices.get("garden").asleep_until = rooms.broker.clock()
    await until(lambda: shown(hass, "sensor", NAME).state == "unavailable")


async def test_messages(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Messages come as events, and go by the notify entity."""
    client = await connect("garden")
    await client.ok("MSG", DEVICE="homeassistant", VALUE=r"It rains \u2614")
    state = hass.states.get("event.garden_message")
    assert state.attributes["event_type"] == "received"
    assert state.attributes["text"] == "It rains ☔"
    await hass.services.async_call(
        "notify",
        "send_message",
        {"entity_id": "notify.garden_message", "message": "Come in", "title": "You"},
        blocking=True,
    )
    received = await client.receive()
    assert (received["DEVICE"], received["VALUE"]) == ("homeassistant", "Come in")
    await client.close()
    await until(lambda: rooms.broker.state("garden") == "disconnected")
    await hass.async_block_till_done()
    assert state_of(hass, "notify.garden_message").state == "unavailable"


async def test_message_to_a_sleeper(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A device that sleeps can be told something, which it gets when it wakes."""
    client = await connect("garden")
    client.send("CLOSE", SLEEP=3600)
    await until(lambda: rooms.broker.state("garden") == "asleep")
    await hass.async_block_till_done()
    assert state_of(hass, "notify.garden_message").state != "unavailable"
    await hass.services.async_call(
        "notify",
        "send_message",
        {"entity_id": "notify.garden_message", "message": "Good morning"},
        blocking=True,
    )
    client = await connect("garden")
    assert (await client.receive())["VALUE"] == "Good morning"


async def test_restored_message(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The last message is still there after a restart of Home Assistant."""
    mock_restore_cache_with_extra_data(
        hass,
        (
            (
                State("event.garden_message", "2026-11-22T19:50:00.000+00:00"),
                {
                    "last_event_type": "received",
                    "last_event_attributes": {"text": "It rains"},
                },
            ),
        ),
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert state_of(hass, "event.garden_message").attributes["text"] == "It rains"


@pytest.mark.usefixtures("entity_registry_enabled_by_default")
async def test_disconnect_button(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """The button closes the connection, and works again when the device is back."""
    client = await connect("garden")
    target = {"entity_id": "button.garden_disconnect"}
    await hass.services.async_call("button", "press", target, blocking=True)
    assert await client.ended() == "disconnected"
    assert state_of(hass, "button.garden_disconnect").state == "unavailable"
    await connect("garden")
    assert state_of(hass, "button.garden_disconnect").state != "unavailable"


async def test_statistics(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    entity_registry: er.EntityRegistry,
) -> None:
    """Numbers of the broker are there for those who enable them."""
    names = ("connections", "variables", "messages_received", "messages_sent")
    for name in names:
        found = f"sensor.textmq_{name}"
        assert hass.states.get(found) is None
        entity_registry.async_update_entity(found, disabled_by=None)
    # Home Assistant reloads the entry of what was enabled.
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=31))
    await hass.async_block_till_done()
    rooms = entry.runtime_data
    client = await connect("garden")
    await client.ok("SUB", VARIABLE=NAME)
    await client.ok("PUB", VARIABLE=NAME, VALUE="1")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=31))
    await hass.async_block_till_done()
    states = {name: hass.states.get(f"sensor.textmq_{name}") for name in names}
    assert {name: state.state for name, state in states.items()} == {
        "connections": "1",
        "variables": "1",
        "messages_received": "3",
        "messages_sent": str(rooms.broker.messages_sent),
    }
    assert states["messages_sent"].attributes["unit_of_measurement"] == "messages"


async def test_what_few_people_look_at_is_disabled(
    hass: HomeAssistant, rooms: RuntimeData, entity_registry: er.EntityRegistry
) -> None:
    """A device begins with what it is for."""
    device = device_of(hass, "garden")
    found = {
        one.entity_id: one.disabled_by
        for one in er.async_entries_for_device(
            entity_registry, device.id, include_disabled_entities=True
        )
    }
    disabled = er.RegistryEntryDisabler.INTEGRATION
    assert {key for key, by in found.items() if by is disabled} == {
        "button.garden_disconnect",
        "sensor.garden_address",
        "sensor.garden_last_seen",
    }
    assert found["binary_sensor.garden_connection"] is None
