"""Notify: messages to devices."""

from typing import override

from homeassistant.components.notify import NotifyEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .devices import HubDevice
from .entity import TextMqEntity
from .hub import Hub, TextMqConfigEntry
from .platforms import Parts

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    entry.runtime_data.platforms.enter(
        Platform.NOTIFY, Parts(async_add_entities, device=(DeviceNotify,))
    )


class DeviceNotify(TextMqEntity, NotifyEntity):
    """Sends messages to a device."""

    def __init__(self, hub: Hub, device: HubDevice) -> None:
        """Make the entity of a device."""
        super().__init__(hub, device, "message")

    @override
    async def async_send_message(self, message: str, title: str | None = None) -> None:
        """Send a message; the protocol has no titles."""
        self.hub.send(self.device.id, message)
