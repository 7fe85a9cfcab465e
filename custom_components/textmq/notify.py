"""Notify: messages to devices."""

from functools import partial
from typing import override

from homeassistant.components.notify import NotifyEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import DeviceState
from .entity import DeviceEntity
from .hub.entity_queue import EntityFactories
from .hub.runtime_data import RuntimeData, TextMqConfigEntry
from .hub.shown_device import ShownDevice

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    data = entry.runtime_data
    data.queue.register(
        Platform.NOTIFY,
        EntityFactories(async_add_entities, device=(partial(DeviceNotify, data),)),
    )


class DeviceNotify(DeviceEntity, NotifyEntity):
    """Sends messages to a device."""

    def __init__(self, data: RuntimeData, device: ShownDevice) -> None:
        """Make the entity of a device."""
        super().__init__(data, device, "message")

    @property
    @override
    def available(self) -> bool:
        """Return whether a message reaches the device, now or when it wakes."""
        state = self.data.broker.state(self.device.id)
        return super().available and state is not DeviceState.DISCONNECTED

    @override
    async def async_send_message(self, message: str, title: str | None = None) -> None:
        """Send a message; the protocol has no titles."""
        await self.data.actions.send(self.device.id, message)
