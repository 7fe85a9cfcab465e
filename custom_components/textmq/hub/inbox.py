"""Messages from devices to Home Assistant: the entity first, then the event that triggers automations."""

from collections import deque

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import HomeAssistant, callback

from ..broker import wire
from ..const import ATTR_DEVICE, ATTR_TEXT, EVENT_MESSAGE
from .device_registry import ShownDevices
from .entity_queue import EntityQueue


class Inbox:
    """Takes messages in their order; they wait while entities are being added that are to show them."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        devices: ShownDevices,
        queue: EntityQueue,
    ) -> None:
        """Take messages for the devices of a config entry."""
        self._hass = hass
        self._entry = entry
        self._devices = devices
        self._queue = queue
        self._held: deque[tuple[str, str]] = deque()

    @callback
    def receive(self, sender: str, value: str) -> None:
        """Take a message: the sender's ID ("" without one), the value in wire form."""
        if not self._held and not self._queue.busy:
            self._deliver(sender, value)
            return
        self._held.append((sender, value))
        if len(self._held) == 1:
            self._entry.async_create_task(
                self._hass, self._deliver_held(), "textmq messages"
            )

    async def _deliver_held(self) -> None:
        await self._queue.async_added()
        while self._held:
            self._deliver(*self._held.popleft())

    @callback
    def _deliver(self, sender: str, value: str) -> None:
        text = wire.decode(value)
        device = self._devices.get(sender)
        if device is not None and device.receive is not None:
            device.receive(text)
        self._hass.bus.async_fire(
            EVENT_MESSAGE,
            {
                ATTR_DEVICE_ID: device.registry_id if device else None,
                ATTR_DEVICE: sender,
                ATTR_TEXT: text,
            },
        )
