"""Actions: publish, delete, get, send a message, list, let new devices in, disconnect."""

from datetime import UTC, datetime, timedelta
from typing import Final

import probatio

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import (
    async_get_config_entry,
    async_get_device_and_config_entry,
)
from homeassistant.util.json import JsonObjectType, JsonValueType

from .broker import Variable, names
from .const import (
    ATTR_DEVICE,
    ATTR_TIME,
    ATTR_VALUE,
    ATTR_VARIABLE,
    DOMAIN,
    EVERYTHING,
    PERMIT_DEFAULT,
    PERMIT_MAX,
    PERMIT_MIN,
)
from .hub.broker_api import BrokerApi
from .hub.device_registry import device_id_of
from .hub.permissions import Permissions
from .hub.runtime_data import RuntimeData, TextMqConfigEntry
from .hub.settings import DEFAULT_LIMITS
from .hub.shown_device import ShownDevice
from .yaml_values import wire_text

ATTR_BROADCAST: Final = "broadcast"
ATTR_DURATION: Final = "duration"
ATTR_MESSAGE: Final = "message"
ATTR_RETAIN: Final = "retain"
ATTR_TTL: Final = "ttl"

_LONGEST_WAIT: Final = timedelta(seconds=DEFAULT_LIMITS.message_ttl)

_TARGET: Final = {
    probatio.Optional(ATTR_DEVICE_ID): cv.string,
    probatio.Optional(ATTR_DEVICE): cv.string,
}

PUBLISH_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(ATTR_VARIABLE): cv.string,
        probatio.Required(ATTR_VALUE): wire_text,
        probatio.Optional(ATTR_RETAIN, default=True): cv.boolean,
    }
)
VARIABLE_SCHEMA: Final = probatio.Schema({probatio.Required(ATTR_VARIABLE): cv.string})
SEND_SCHEMA: Final = probatio.Schema(
    {
        **_TARGET,
        probatio.Optional(ATTR_BROADCAST): cv.boolean,
        probatio.Required(ATTR_MESSAGE): wire_text,
        probatio.Optional(ATTR_TTL): probatio.All(
            cv.positive_time_period, probatio.Range(max=_LONGEST_WAIT)
        ),
    }
)
LIST_SCHEMA: Final = probatio.Schema(
    {probatio.Optional(ATTR_VARIABLE, default=EVERYTHING): cv.string}
)
ALLOW_SCHEMA: Final = probatio.Schema(
    {
        probatio.Optional(ATTR_DURATION, default=PERMIT_DEFAULT): probatio.All(
            cv.positive_time_period, probatio.Range(min=PERMIT_MIN, max=PERMIT_MAX)
        )
    }
)
DISCONNECT_SCHEMA: Final = probatio.Schema(_TARGET)


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, handler, schema, response in (
        ("publish", _publish, PUBLISH_SCHEMA, SupportsResponse.NONE),
        ("delete", _delete, VARIABLE_SCHEMA, SupportsResponse.NONE),
        ("allow_new_devices", _allow_new_devices, ALLOW_SCHEMA, SupportsResponse.NONE),
        ("disconnect", _disconnect, DISCONNECT_SCHEMA, SupportsResponse.NONE),
        ("send_message", _send, SEND_SCHEMA, SupportsResponse.OPTIONAL),
        ("get", _get, VARIABLE_SCHEMA, SupportsResponse.ONLY),
        ("list_devices", _list_devices, probatio.Schema({}), SupportsResponse.ONLY),
        ("list_variables", _list_variables, LIST_SCHEMA, SupportsResponse.ONLY),
    ):
        hass.services.async_register(DOMAIN, name, handler, schema, response)


def _data(call: ServiceCall) -> RuntimeData:
    entry: TextMqConfigEntry = async_get_config_entry(call.hass, DOMAIN, None)
    return entry.runtime_data


async def _permissions(call: ServiceCall) -> Permissions:
    return await Permissions.async_of(call.hass, call.context)


def _target(call: ServiceCall) -> str:
    """Return the ID of the device that an action is for. Raises ServiceValidationError."""
    # A form leaves behind what was chosen and taken back: it is as if it were not there.
    given = {
        key: call.data[key]
        for key in (ATTR_DEVICE_ID, ATTR_DEVICE, ATTR_BROADCAST)
        if call.data.get(key)
    }
    if len(given) > 1:
        raise _mistake(translation_key="two_devices_given")
    if registry_id := given.get(ATTR_DEVICE_ID):
        device, _ = async_get_device_and_config_entry(call.hass, DOMAIN, registry_id)
        if device_id := device_id_of(device):
            return device_id
    elif device_id := given.get(ATTR_DEVICE):
        return str(device_id)
    elif ATTR_BROADCAST in given:
        return names.EVERYONE
    raise _mistake(translation_key="no_device_given")


def _mistake(translation_key: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=translation_key
    )


async def _publish(call: ServiceCall) -> None:
    data, rooms = call.data, _data(call)
    name = data[ATTR_VARIABLE]
    (await _permissions(call)).check_publish(rooms.broker.variables, name)
    await rooms.actions.publish(name, data[ATTR_VALUE], retain=data[ATTR_RETAIN])


async def _delete(call: ServiceCall) -> None:
    (await _permissions(call)).check_administrator()
    await _data(call).actions.delete(call.data[ATTR_VARIABLE])


async def _allow_new_devices(call: ServiceCall) -> None:
    (await _permissions(call)).check_administrator()
    await _data(call).approved.permit(call.data[ATTR_DURATION])


async def _disconnect(call: ServiceCall) -> None:
    actions, device_id = _data(call).actions, _target(call)
    (await _permissions(call)).check_device(device_id, "disconnect")
    await actions.disconnect(device_id)


async def _send(call: ServiceCall) -> ServiceResponse:
    actions, device_id = _data(call).actions, _target(call)
    (await _permissions(call)).check_device(device_id, "message")
    ttl: timedelta | None = call.data.get(ATTR_TTL)
    delivery = await actions.send(device_id, call.data[ATTR_MESSAGE], ttl)
    return {"delivery": delivery.value}


async def _get(call: ServiceCall) -> ServiceResponse:
    actions, name = _data(call).actions, call.data[ATTR_VARIABLE]
    (await _permissions(call)).check_get(name)
    return _reading(await actions.get(name))


async def _list_variables(call: ServiceCall) -> ServiceResponse:
    actions, permissions = _data(call).actions, await _permissions(call)
    found = await actions.read(call.data[ATTR_VARIABLE])
    return {
        "variables": [_reading(one) for one in found if permissions.may_get(one.name)]
    }


async def _list_devices(call: ServiceCall) -> ServiceResponse:
    data, permissions = _data(call), await _permissions(call)
    devices: list[JsonValueType] = [
        _described(data.broker, one)
        for one in data.devices
        if permissions.may_see(one.id)
    ]
    return {
        "devices": devices,
        "waiting": _waiting(data) if permissions.may_see_all() else [],
    }


def _waiting(data: RuntimeData) -> list[JsonValueType]:
    """Return the devices that ask to be approved."""
    addresses = {
        False: {key: one.address for key, one in data.broker.waiting.items()},
        True: {key: one.address for key, one in data.discovery.encrypted.items()},
    }
    return [
        {ATTR_DEVICE: device_id, "address": address, "encrypted": encrypted}
        for encrypted, those in addresses.items()
        for device_id, address in those.items()
    ]


def _reading(variable: Variable) -> JsonObjectType:
    """Return what is known of a variable."""
    definition = variable.definition
    return {
        ATTR_VARIABLE: variable.name,
        ATTR_VALUE: variable.text,
        ATTR_TIME: None if variable.value is None else _time(variable.time),
        ATTR_DEVICE: variable.device,
        "type": definition.type if definition else None,
    }


def _described(broker: BrokerApi, device: ShownDevice) -> JsonObjectType:
    """Return what is known of a device."""
    known = broker.devices.get(device.id)
    seen = known.last_seen if known else None
    return {
        ATTR_DEVICE: device.id,
        ATTR_DEVICE_ID: device.registry_id,
        "state": str(broker.state(device.id)),
        "address": known.address if known else "",
        "last_seen": seen and _time(seen),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
