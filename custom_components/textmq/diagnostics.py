"""Diagnostics: the state of the broker, without keys, addresses and values."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_DEVICE_ID, CONF_HOST
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from .broker import Variable
from .const import CONF_KEY
from .hub.broker_api import BrokerApi
from .hub.device_registry import device_id_of
from .hub.runtime_data import TextMqConfigEntry

TO_REDACT: Final = {"address", CONF_KEY, "mac", CONF_HOST}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: TextMqConfigEntry
) -> dict[str, Any]:
    """Return what helps to find out why the broker does what it does."""
    stored = {
        "entry": {
            "data": dict(entry.data),
            "options": dict(entry.options),
            "devices": [dict(one.data) for one in entry.subentries.values()],
        },
    }
    if entry.state is not ConfigEntryState.LOADED:
        return async_redact_data({**stored, "running": False}, TO_REDACT)
    rooms = entry.runtime_data
    broker = rooms.broker
    return async_redact_data(
        {
            **stored,
            "running": True,
            "limits": asdict(broker.limits),
            "uptime": round(broker.uptime),
            "connections": broker.connections,
            "waiting": list(broker.waiting),
            "waiting_encrypted": list(rooms.discovery.encrypted),
            "messages": {
                "received": broker.messages_received,
                "sent": broker.messages_sent,
            },
            "closed": _named(broker.closes),
            "refused": _named(rooms.issues.refusals),
            "key_failures": rooms.issues.key_failures,
            "devices": [_device(broker, device.id) for device in broker.devices],
            "variables": [_variable(one) for one in broker.variables],
        },
        TO_REDACT,
    )


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: TextMqConfigEntry, device: dr.AnyDeviceEntry
) -> dict[str, Any]:
    """Return the same of one device; the broker itself, and one that does not run, is the whole entry."""
    device_id = device_id_of(device)
    if device_id is None or entry.state is not ConfigEntryState.LOADED:
        return await async_get_config_entry_diagnostics(hass, entry)
    broker = entry.runtime_data.broker
    return async_redact_data(
        {
            "device": _device(broker, device_id),
            "variables": [
                _variable(one)
                for one in broker.variables
                if device_id in (one.owner, one.device)
            ],
        },
        TO_REDACT,
    )


def _named(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(reason): count for reason, count in counts.items()}


def _device(broker: BrokerApi, device_id: str) -> dict[str, Any]:
    """Return what the broker knows of a device."""
    described: dict[str, Any] = {
        CONF_DEVICE_ID: device_id,
        "state": str(broker.state(device_id)),
    }
    if (device := broker.devices.get(device_id)) is not None:
        described |= {
            "address": device.address,
            "info": asdict(device.details),
            "connected_at": device.connected_at,
            "last_seen": device.last_seen,
            "encrypted": device.session is not None
            and device.session.identity is not None,
            "messages_waiting": broker.messages_waiting(device_id),
            "violations": device.violations,
        }
    return described


def _variable(variable: Variable) -> dict[str, Any]:
    """Return a variable without its value."""
    definition = variable.definition
    return {
        "name": variable.name,
        "owner": variable.owner,
        "publisher": variable.device,
        "time": variable.time,
        "length": None if variable.value is None else len(variable.value),
        "definition": dict(definition.params) if definition else None,
    }
