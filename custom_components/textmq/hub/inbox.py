"""Messages from devices to Home Assistant: the entity first, then the event that triggers automations."""

from functools import partial

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import HomeAssistant, callback

from ..broker import wire
from ..const import ATTR_DEVICE, ATTR_TEXT, EVENT_MESSAGE
from .device_registry import ShownDevices
from .entity_queue import EntityQueue


class Inbox:
    """Takes messages in their order."""

    def __init__(
        self, hass: HomeAssistant, devices: ShownDevices, queue: EntityQueue
    ) -> None:
        """Take messages from the devices that are shown."""
        self._hass = hass
        self._devices = devices
        self._queue = queue

    @callback
    def receive(self, sender: str, value: str) -> None:
        """Take a message: the sender's ID ("" without one), the value in wire form."""
        self._queue.after_added(partial(self._deliver, sender, value))

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
