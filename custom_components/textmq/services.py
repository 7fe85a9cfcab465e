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
    async_register_admin_service,
)
from homeassistant.util.json import JsonObjectType

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
from .hub.runtime_data import RuntimeData, TextMqConfigEntry
from .hub.shown_device import ShownDevice
from .values import spell

ATTR_BROADCAST: Final = "broadcast"
ATTR_DURATION: Final = "duration"
ATTR_MESSAGE: Final = "message"
ATTR_RETAIN: Final = "retain"
ATTR_TTL: Final = "ttl"


_TARGET: Final = {
    probatio.Exclusive(ATTR_DEVICE_ID, "target"): cv.string,
    probatio.Exclusive(ATTR_DEVICE, "target"): cv.string,
}

PUBLISH_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(ATTR_VARIABLE): cv.string,
        probatio.Required(ATTR_VALUE): spell,
        probatio.Optional(ATTR_RETAIN, default=True): cv.boolean,
    }
)
VARIABLE_SCHEMA: Final = probatio.Schema({probatio.Required(ATTR_VARIABLE): cv.string})
SEND_SCHEMA: Final = probatio.Schema(
    {
        **_TARGET,
        probatio.Exclusive(ATTR_BROADCAST, "target"): cv.boolean,
        probatio.Required(ATTR_MESSAGE): spell,
        probatio.Optional(ATTR_TTL): cv.positive_time_period,
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
    for name, handler, schema in (
        ("publish", _publish, PUBLISH_SCHEMA),
        ("delete", _delete, VARIABLE_SCHEMA),
        ("allow_new_devices", _allow_new_devices, ALLOW_SCHEMA),
        ("disconnect", _disconnect, DISCONNECT_SCHEMA),
    ):
        async_register_admin_service(hass, DOMAIN, name, handler, schema)
    async_register_admin_service(
        hass, DOMAIN, "send_message", _send, SEND_SCHEMA, SupportsResponse.OPTIONAL
    )
    for name, reader, schema in (
        ("get", _get, VARIABLE_SCHEMA),
        ("list_devices", _list_devices, probatio.Schema({})),
        ("list_variables", _list_variables, LIST_SCHEMA),
    ):
        hass.services.async_register(
            DOMAIN, name, reader, schema, SupportsResponse.ONLY
        )


def _data(call: ServiceCall) -> RuntimeData:
    entry: TextMqConfigEntry = async_get_config_entry(call.hass, DOMAIN, None)
    return entry.runtime_data


def _target(call: ServiceCall) -> str:
    """Return the ID of the device that an action is for. Raises ServiceValidationError."""
    if registry_id := call.data.get(ATTR_DEVICE_ID):
        device, _ = async_get_device_and_config_entry(call.hass, DOMAIN, registry_id)
        if device_id := device_id_of(device):
            return device_id
    elif device_id := call.data.get(ATTR_DEVICE):
        return str(device_id)
    elif call.data.get(ATTR_BROADCAST):
        return names.EVERYONE
    raise ServiceValidationError(
        translation_domain=DOMAIN, translation_key="no_device_given"
    )


async def _publish(call: ServiceCall) -> None:
    data = call.data
    await _data(call).actions.publish(
        data[ATTR_VARIABLE], data[ATTR_VALUE], retain=data[ATTR_RETAIN]
    )


async def _delete(call: ServiceCall) -> None:
    await _data(call).actions.delete(call.data[ATTR_VARIABLE])


async def _allow_new_devices(call: ServiceCall) -> None:
    await _data(call).approved.permit(call.data[ATTR_DURATION])


async def _disconnect(call: ServiceCall) -> None:
    await _data(call).actions.disconnect(_target(call))


async def _send(call: ServiceCall) -> ServiceResponse:
    ttl: timedelta | None = call.data.get(ATTR_TTL)
    delivery = await _data(call).actions.send(
        _target(call), call.data[ATTR_MESSAGE], ttl
    )
    return {"delivery": delivery.value}


async def _get(call: ServiceCall) -> ServiceResponse:
    return _reading(await _data(call).actions.get(call.data[ATTR_VARIABLE]))


async def _list_variables(call: ServiceCall) -> ServiceResponse:
    found = await _data(call).actions.read(call.data[ATTR_VARIABLE])
    return {"variables": [_reading(one) for one in found]}


@callback
def _list_devices(call: ServiceCall) -> ServiceResponse:
    data = _data(call)
    addresses = {
        False: {key: one.address for key, one in data.broker.waiting.items()},
        True: {key: one.address for key, one in data.discovery.encrypted.items()},
    }
    return {
        "devices": [_described(data.broker, one) for one in data.devices],
        "waiting": [
            {ATTR_DEVICE: device_id, "address": address, "encrypted": encrypted}
            for encrypted, those in addresses.items()
            for device_id, address in those.items()
        ],
    }


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
