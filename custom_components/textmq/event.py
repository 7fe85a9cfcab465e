"""Events: variables that tell what happens, and messages from devices."""

from typing import Final, override

from homeassistant.components.event import EventDeviceClass, EventEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition, Publication, wire
from .const import ATTR_TEXT
from .devices import HubDevice
from .entity import TextMqEntity, VariableEntity
from .hub import Hub, TextMqConfigEntry
from .platforms import Parts
from .values import Unfit, option

PARALLEL_UPDATES = 0

_RECEIVED: Final = "received"


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    entry.runtime_data.platforms.enter(
        Platform.EVENT,
        Parts(async_add_entities, device=(MessageEvent,), variable=VariableEvent),
    )


class MessageEvent(TextMqEntity, EventEntity):
    """A message from a device to Home Assistant."""

    _attr_event_types = [_RECEIVED]

    def __init__(self, hub: Hub, device: HubDevice) -> None:
        """Make the event of a device."""
        super().__init__(hub, device, "message")

    @override
    async def async_added_to_hass(self) -> None:
        self.device.receive = self._receive

    @override
    async def async_will_remove_from_hass(self) -> None:
        self.device.receive = None

    @callback
    def _receive(self, text: str) -> None:
        self._trigger_event(_RECEIVED, {ATTR_TEXT: text})
        self.show()


class VariableEvent(VariableEntity, EventEntity):
    """A variable that tells what happens; each publish is an event, none is stored."""

    PLATFORM = Platform.EVENT

    @override
    def async_describe(self, definition: Definition | None) -> None:
        assert definition is not None
        self._attr_event_types = list(definition.options)
        self._attr_device_class = (
            EventDeviceClass(definition.device_class)
            if definition.device_class
            else None
        )

    @override
    @callback
    def published(self, publication: Publication) -> None:
        text = wire.decode(publication.value)
        if not self.live or not text:
            return
        try:
            self._trigger_event(option(text, self.event_types))
        except Unfit as unfit:
            self.hub.complain(self.device.id, str(unfit), self.variable.name)
        else:
            self.show()

    @override
    @callback
    def async_take(self, text: str | None) -> None:
        """Take no stored value: it is no event."""
