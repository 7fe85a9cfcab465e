"""A device, or the broker itself, as Home Assistant shows it."""

from collections.abc import Callable
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.event import async_call_later

DEVICE_PREFIX: Final = "device/"
"""Begins the unique IDs of the entities that every device has."""


class ShownDevice:
    """A device, or the broker itself, with what follows its connection."""

    def __init__(
        self, hass: HomeAssistant, entry: dr.DeviceEntry, device_id: str
    ) -> None:
        """Keep the registry's entry and the device ID, empty for the broker itself."""
        self.id = device_id
        self.registry_id = entry.id
        self.subentry_id = entry.config_subentry_id
        self.device_info = DeviceInfo(identifiers=entry.identifiers)
        self.available = True
        """Its variables are shown: it is connected or asleep, or was until a moment ago."""
        self.connected_at: float | None = None
        self.receive: Callable[[str], None] | None = None
        """Takes the text of each message from it to Home Assistant."""
        self._hass = hass
        self._listeners: dict[Callable[[], None], None] = {}
        self._grace: CALLBACK_TYPE | None = None

    @callback
    def listen(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call listener when the device comes, goes or changes; returns a function that ends it."""
        self._listeners[listener] = None

        @callback
        def unlisten() -> None:
            self._listeners.pop(listener, None)

        return unlisten

    @callback
    def update(self, *, available: bool, grace: float = 0) -> None:
        """Take a change; what becomes unavailable does so after the grace in seconds."""
        self.stop()
        if grace and self.available and not available:
            self._grace = async_call_later(self._hass, grace, self._lose)
        else:
            self.available = available
        self.notify()

    @callback
    def notify(self) -> None:
        """Tell those who listen."""
        for listener in tuple(self._listeners):
            listener()

    @callback
    def stop(self) -> None:
        """End the grace that runs."""
        if self._grace is not None:
            self._grace()
            self._grace = None

    @callback
    def _lose(self, _now: object) -> None:
        self._grace = None
        self.available = False
        self.notify()
