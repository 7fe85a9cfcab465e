"""Every action: what it does, what it returns, what it says when it can't."""

from datetime import timedelta
from typing import Any

import probatio
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.textmq.broker import __version__
from custom_components.textmq.const import BROKER, DOMAIN
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .client import until
from .conftest import Connect, age, device_of, state_of


async def act(
    hass: HomeAssistant, action: str, *, response: bool = False, **data: Any
) -> Any:
    """Call an action."""
    return await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=response
    )


def registry_id(hass: HomeAssistant, entry: MockConfigEntry, identifier: str) -> str:
    """Return the ID of a device in the registry."""
    device = device_of(hass, identifier)
    assert device is not None
    return device.id


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("21.5", "21.5"),
        (21.5, "21.5"),
        (True, "ON"),
        (False, "OFF"),
        ({"a": True}, '{"a":true}'),
        ("", ""),
        ({"a": [1, "b"]}, '{"a":[1,"b"]}'),
        ([1, 2], "[1,2]"),
        ("a|b\n°", r"a\u007cb\n\u00b0"),
    ],
)
async def test_publish(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect, value: Any, wire: str
) -> None:
    """A publish reaches the subscribers at once, and is stored."""
    client = await connect("garden")
    await client.ok("SUB", VARIABLE="hall/#")
    await act(hass, "publish", variable="hall/light", value=value)
    received = await client.receive()
    assert (received["VARIABLE"], received["VALUE"]) == ("hall/light", wire)
    variable = rooms.broker.variables.get("hall/light")
    assert (variable.value, variable.device) == (wire, "homeassistant")
    await hass.async_block_till_done()
    assert hass.states.get("sensor.textmq_hall_light") is not None


async def test_publish_without_retain(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A publish that is not retained reaches those of now only."""
    client = await connect("garden")
    await client.ok("SUB", VARIABLE="hall/light")
    await act(hass, "publish", variable="hall/light", value="ON", retain=False)
    assert (await client.receive())["VALUE"] == "ON"
    assert rooms.broker.variables.get("hall/light") is None


async def test_publish_from_template(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """Templates work, as in every action."""
    assert await async_setup_component(
        hass,
        "script",
        {
            "script": {
                "publish": {
                    "sequence": [
                        {
                            "action": "textmq.publish",
                            "data": {
                                "variable": "hall/{{ 1 + 1 }}",
                                "value": "{{ 20 + 1.5 }}",
                            },
                        }
                    ]
                }
            }
        },
    )
    await hass.services.async_call("script", "publish", blocking=True)
    assert (await rooms.actions.get("hall/2")).text == "21.5"


@pytest.mark.parametrize(
    ("action", "data", "key", "kind"),
    [
        (
            "publish",
            {"variable": "a|b", "value": ""},
            "bad_name",
            ServiceValidationError,
        ),
        (
            "publish",
            {"variable": "a/#", "value": ""},
            "bad_name",
            ServiceValidationError,
        ),
        (
            "publish",
            {"variable": "$SYS/x", "value": ""},
            "read_only",
            ServiceValidationError,
        ),
        (
            "publish",
            {"variable": "a", "value": "x" * 5000},
            "too_long",
            ServiceValidationError,
        ),
        ("delete", {"variable": "a"}, "no_such_variable", ServiceValidationError),
        ("delete", {"variable": "a//b"}, "bad_name", ServiceValidationError),
        (
            "send_message",
            {"device": "a", "message": ""},
            "no_such_device",
            ServiceValidationError,
        ),
        (
            "send_message",
            {"device": "a/b", "message": ""},
            "bad_name",
            ServiceValidationError,
        ),
        (
            "send_message",
            {"device": "garden", "message": "x" * 5000},
            "too_long",
            ServiceValidationError,
        ),
        (
            "send_message",
            {"message": ""},
            "no_device_given",
            ServiceValidationError,
        ),
        (
            "send_message",
            {"broadcast": False, "message": ""},
            "no_device_given",
            ServiceValidationError,
        ),
        (
            "send_message",
            {"device": "garden", "broadcast": True, "message": ""},
            "two_devices_given",
            ServiceValidationError,
        ),
        (
            "disconnect",
            {"device": "garden", "device_id": "x"},
            "two_devices_given",
            ServiceValidationError,
        ),
        ("disconnect", {"device": "a"}, "device_not_connected", HomeAssistantError),
        ("disconnect", {}, "no_device_given", ServiceValidationError),
    ],
)
async def test_refusals(
    hass: HomeAssistant,
    rooms: RuntimeData,
    action: str,
    data: dict[str, Any],
    key: str,
    kind: type[HomeAssistantError],
) -> None:
    """What the broker refuses is said in words, with what to do."""
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, action, **data)
    assert type(error.value) is kind
    assert (error.value.translation_domain, error.value.translation_key) == (
        DOMAIN,
        key,
    )
    text = str(error.value)
    assert text != key
    assert "{" not in text


@pytest.mark.parametrize(
    ("variable", "key"),
    [("hall/x", "no_such_variable"), ("hall/#", "bad_name"), ("|", "bad_name")],
)
async def test_get_refusals(
    hass: HomeAssistant, rooms: RuntimeData, variable: str, key: str
) -> None:
    """What can't be read is told."""
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "get", response=True, variable=variable)
    assert error.value.translation_key == key


async def test_limit(hass: HomeAssistant, rooms: RuntimeData) -> None:
    """A limit of the broker is told with its number."""
    rooms.broker.limits.variables = 1
    await act(hass, "publish", variable="a", value="1")
    with pytest.raises(HomeAssistantError, match="there are 1 variables already"):
        await act(hass, "publish", variable="b", value="1")


async def test_hostile_names_in_errors(hass: HomeAssistant, rooms: RuntimeData) -> None:
    """Names can't break the text that they appear in."""
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "delete", variable="a\n\u202e{name}" + "x" * 300)
    assert "\n" not in str(error.value)
    assert "\u202e" not in str(error.value)
    assert len(str(error.value)) < 400


async def test_delete(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A deleted variable is gone, and its subscribers know."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    await client.ok("SUB", VARIABLE="#", REPLAY="NO")
    await act(hass, "delete", variable="garden/soil")
    received = await client.receive()
    assert (received.command, received["VARIABLE"]) == ("DEL", "garden/soil")
    await hass.async_block_till_done()
    assert hass.states.get("sensor.garden_soil") is None


async def test_get(hass: HomeAssistant, rooms: RuntimeData, connect: Connect) -> None:
    """A variable comes with its time, its publisher and its type."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE="garden/soil", TYPE="sensor")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE=r"5 \u00b0C")
    found = await act(hass, "get", response=True, variable="garden/soil")
    assert age(found.pop("time")) < timedelta(seconds=60)
    assert found == {
        "variable": "garden/soil",
        "value": "5 °C",
        "device": "garden",
        "type": "sensor",
    }
    version = await act(hass, "get", response=True, variable="$SYS/version")
    assert version["value"] == __version__


async def test_list_variables(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """All variables, or those that a filter matches."""
    client = await connect("garden")
    await client.ok("PUB", VARIABLE="garden/soil", VALUE="1")
    await client.ok("DEF", VARIABLE="garden/pump", TYPE="button")
    await act(hass, "publish", variable="hall/light", value="ON")
    found = await act(hass, "list_variables", response=True)
    assert [one["variable"] for one in found["variables"]] == [
        "garden/soil",
        "garden/pump",
        "hall/light",
    ]
    assert found["variables"][1] | {"device": ""} == {
        "variable": "garden/pump",
        "value": None,
        "time": None,
        "device": "",
        "type": "button",
    }
    found = await act(hass, "list_variables", response=True, variable="hall/#")
    assert [one["value"] for one in found["variables"]] == ["ON"]
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "list_variables", response=True, variable="#/a")
    assert error.value.translation_key == "bad_filter"


@pytest.mark.parametrize("known", [["garden", "cellar"]])
async def test_list_devices(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Devices with their state, also those that never came, and those that wait."""
    await connect("garden")
    waiting = await connect()
    waiting.send("ID", ID="kitchen")
    await until(lambda: rooms.broker.waiting)
    found = await act(hass, "list_devices", response=True)
    garden, cellar = found["devices"]
    assert age(garden.pop("last_seen")) < timedelta(seconds=60)
    assert garden == {
        "device": "garden",
        "device_id": registry_id(hass, entry, "garden"),
        "state": "connected",
        "address": "127.0.0.1",
    }
    assert cellar == {
        "device": "cellar",
        "device_id": registry_id(hass, entry, "cellar"),
        "state": "disconnected",
        "address": "",
        "last_seen": None,
    }
    assert found["waiting"] == [
        {"device": "kitchen", "address": "127.0.0.1", "encrypted": False}
    ]


@pytest.mark.parametrize("by", ["device", "device_id"])
async def test_send_message(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    by: str,
) -> None:
    """A message is delivered, or waits for as long as it may."""
    target: dict[str, Any] = {
        by: "garden" if by == "device" else registry_id(hass, entry, "garden")
    }
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "send_message", message="x", **target)
    assert error.value.translation_key == "no_such_device"
    found = await act(
        hass,
        "send_message",
        response=True,
        message={"wake": "up"},
        ttl={"minutes": 5},
        **target,
    )
    assert found == {"delivery": "queued"}
    client = await connect("garden")
    assert (await client.receive())["VALUE"] == '{"wake":"up"}'
    found = await act(hass, "send_message", response=True, message="now", **target)
    assert found == {"delivery": "delivered"}
    received = await client.receive()
    assert (received["DEVICE"], received["VALUE"]) == ("homeassistant", "now")


async def test_too_many_messages(hass: HomeAssistant, rooms: RuntimeData) -> None:
    """A device for which too much waits is told from one that is not there."""
    for _ in range(32):
        await act(hass, "send_message", device="garden", message="x", ttl=60)
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "send_message", device="garden", message="x", ttl=60)
    assert error.value.translation_key == "device_busy"


@pytest.mark.parametrize("known", [["garden", "cellar"]])
async def test_broadcast(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """A broadcast reaches all that are connected."""
    clients = [await connect(one) for one in ("garden", "cellar")]
    found = await act(
        hass, "send_message", response=True, broadcast=True, message="fire"
    )
    assert found == {"delivery": "delivered"}
    for client in clients:
        assert (await client.receive())["VALUE"] == "fire"


@pytest.mark.parametrize("target", ["broker", "unknown"])
async def test_no_device_of_ours(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, target: str
) -> None:
    """What is chosen must be a device that connects."""
    chosen = registry_id(hass, entry, BROKER) if target == "broker" else "unknown"
    with pytest.raises(ServiceValidationError):
        await act(hass, "send_message", device_id=chosen, message="x")


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [({}, 60), ({"duration": "00:15:00"}, 900), ({"duration": {"minutes": 5}}, 300)],
)
async def test_allow_new_devices(
    hass: HomeAssistant,
    rooms: RuntimeData,
    connect: Connect,
    duration: dict[str, Any],
    seconds: float,
) -> None:
    """The window is open for as long as it was asked for."""
    await act(hass, "allow_new_devices", **duration)
    assert rooms.approved.window_end is not None
    left = (rooms.approved.window_end - dt_util.utcnow()).total_seconds()
    assert seconds - 10 < left <= seconds
    await connect("kitchen")
    await hass.async_block_till_done()


@pytest.mark.parametrize("duration", ["00:00:59", "00:15:01", "-1", "forever"])
async def test_windows_are_short(
    hass: HomeAssistant, rooms: RuntimeData, duration: str
) -> None:
    """No window is open for ever."""
    with pytest.raises(probatio.Invalid, match="'duration'"):
        await act(hass, "allow_new_devices", duration=duration)
    assert rooms.approved.window_end is None


@pytest.mark.parametrize("by", ["device", "device_id"])
async def test_disconnect(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    by: str,
) -> None:
    """A device is disconnected, and may come back."""
    client = await connect("garden")
    target: dict[str, Any] = {
        by: "garden" if by == "device" else registry_id(hass, entry, "garden")
    }
    await act(hass, "disconnect", **target)
    assert await client.ended() == "disconnected"
    await connect("garden")


async def test_without_broker(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry
) -> None:
    """Actions of a broker that does not run say so."""
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "publish", variable="a", value="1")
    assert error.value.translation_key == "service_config_entry_not_loaded"


async def test_target_that_was_taken_back(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """What a form leaves of a target that was chosen and taken back is none."""
    client = await connect("garden")
    await act(
        hass,
        "send_message",
        device="garden",
        device_id="",
        broadcast=False,
        message="hi",
    )
    assert (await client.receive())["VALUE"] == "hi"


@pytest.mark.parametrize("access", ["key"])
async def test_allow_new_devices_by_key_only(
    hass: HomeAssistant, rooms: RuntimeData
) -> None:
    """Where devices come by keys alone nothing says that they can come without."""
    with pytest.raises(ServiceValidationError, match="add the device with its key"):
        await act(hass, "allow_new_devices")
    assert rooms.approved.window_end is None
    assert state_of(hass, "button.textmq_allow_new_devices").state == "unavailable"
    sensor = "binary_sensor.textmq_new_devices_allowed"
    assert state_of(hass, sensor).state == "off"


@pytest.mark.parametrize("access", ["open"])
async def test_new_devices_in_open_mode(
    hass: HomeAssistant, rooms: RuntimeData
) -> None:
    """Where everybody is accepted the sensor says so, without an end."""
    state = state_of(hass, "binary_sensor.textmq_new_devices_allowed")
    assert (state.state, state.attributes["until"]) == ("on", None)
    assert state_of(hass, "button.textmq_allow_new_devices").state != "unavailable"


async def test_no_echo(
    hass: HomeAssistant, rooms: RuntimeData, connect: Connect
) -> None:
    """What Home Assistant sends to itself comes once."""
    events = async_capture_events(hass, "textmq_message_received")
    await act(hass, "send_message", device="homeassistant", message="me")
    assert [one.data["text"] for one in events] == ["me"]
    assert events[0].data["device"] == "homeassistant"
