"""Lines of the logbook."""

from collections.abc import Callable

from homeassistant.components.logbook import LOGBOOK_ENTRY_MESSAGE, LOGBOOK_ENTRY_NAME
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import (
    ATTR_DEVICE,
    ATTR_REASON,
    ATTR_TEXT,
    DOMAIN,
    EVENT_CONNECTED,
    EVENT_DISCONNECTED,
    EVENT_MESSAGE,
    NAME,
)
from .hub.sanitize import single_line


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event], dict[str, str]]], None],
) -> None:
    """Describe the events."""
    registry = dr.async_get(hass)

    def line(event: Event, message: str) -> dict[str, str]:
        registry_id = event.data[ATTR_DEVICE_ID]
        entry = registry.async_get(registry_id) if registry_id else None
        name = (entry and (entry.name_by_user or entry.name)) or event.data[ATTR_DEVICE]
        return {
            LOGBOOK_ENTRY_NAME: single_line(name) or NAME,
            LOGBOOK_ENTRY_MESSAGE: message,
        }

    @callback
    def connected(event: Event) -> dict[str, str]:
        return line(event, "has connected")

    @callback
    def disconnected(event: Event) -> dict[str, str]:
        return line(event, f"has disconnected ({event.data[ATTR_REASON]})")

    @callback
    def message(event: Event) -> dict[str, str]:
        return line(event, f"has sent “{single_line(event.data[ATTR_TEXT])}”")

    async_describe_event(DOMAIN, EVENT_CONNECTED, connected)
    async_describe_event(DOMAIN, EVENT_DISCONNECTED, disconnected)
    async_describe_event(DOMAIN, EVENT_MESSAGE, message)
