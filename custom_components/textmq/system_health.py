"""System health: whether the broker runs, and how much it has to do."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .hub.runtime_data import async_get_entry
from .hub.settings import Settings


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is shown."""
    register.async_register_info(_async_info)


async def _async_info(hass: HomeAssistant) -> dict[str, Any]:
    entry = async_get_entry(hass)
    if entry is None:
        return {"running": False}
    rooms = entry.runtime_data
    broker = rooms.broker
    return {
        "running": True,
        "port": broker.port,
        "access": str(Settings.read(entry).access),
        "connections": broker.connections,
        "waiting": len(broker.waiting) + len(rooms.discovery.encrypted),
        "variables": len(broker.variables),
        "messages_received": broker.messages_received,
        "refused": rooms.issues.refusals.total(),
    }
