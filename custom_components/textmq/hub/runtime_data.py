"""The rooms behind the doors: what entities, actions, triggers and flows may use of the hub."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.signal_type import SignalType

from ..const import DOMAIN
from .actions import Actions
from .approved_devices import ApprovedDevices
from .broker_api import BrokerApi
from .device_issues import DeviceIssues
from .device_registry import ShownDevices
from .discovery_flows import DiscoveryFlows
from .entity_queue import EntityQueue
from .state_writer import StateWriter
from .sub_devices import SubDevices
from .variable_entities import VariableEntities
from .warn_once import WarnOnce


@dataclass(frozen=True, slots=True)
class RuntimeData:
    """The rooms of a broker that is set up."""

    hass: HomeAssistant
    broker: BrokerApi
    actions: Actions
    devices: ShownDevices
    parts: SubDevices
    approved: ApprovedDevices
    discovery: DiscoveryFlows
    issues: DeviceIssues
    variables: VariableEntities
    queue: EntityQueue
    writer: StateWriter
    warn_once: WarnOnce
    save: Callable[[], Awaitable[str | None]]
    """Saves everything now; returns the reason where not everything could be."""
    stop: Callable[[], Awaitable[None]]
    """Closes the port and every connection, and saves."""


type TextMqConfigEntry = ConfigEntry[RuntimeData]

SIGNAL_STARTED: Final[SignalType[RuntimeData]] = SignalType(f"{DOMAIN}_started")
"""Sent when a broker is about to serve: what listens to it misses nothing."""


@callback
def async_get_entry(hass: HomeAssistant) -> TextMqConfigEntry | None:
    """Return the config entry of the broker, None where it does not run."""
    entries: list[TextMqConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    return entries[0] if entries else None


@callback
def async_get_runtime_data(hass: HomeAssistant) -> RuntimeData | None:
    """Return the rooms of the broker, None where it does not run."""
    entry = async_get_entry(hass)
    return entry.runtime_data if entry else None
