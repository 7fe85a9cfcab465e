"""System health: whether the broker runs, and how much it has to do."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .hub import async_get_hub


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is shown."""
    register.async_register_info(_async_info)


async def _async_info(hass: HomeAssistant) -> dict[str, Any]:
    hub = async_get_hub(hass)
    if hub is None:
        return {"running": False}
    broker = hub.broker
    return {
        "running": True,
        "port": hub.port,
        "access": str(hub.settings.access),
        "connections": len(broker.sessions),
        "waiting": len(broker.waiting) + len(hub.cards.encrypted),
        "variables": len(broker.variables),
        "messages_received": broker.messages_received,
        "refused": hub.refusals.total(),
    }
