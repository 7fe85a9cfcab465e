"""Events: variables that tell what happens, and messages from devices."""

from functools import partial
from typing import Final, override

from homeassistant.components.event import EventEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition, Publication, Variable, wire
from .const import ATTR_TEXT, DOMAIN
from .entity import DeviceEntity, VariableEntity
from .hub.entity_queue import EntityFactories
from .hub.runtime_data import RuntimeData, TextMqConfigEntry
from .hub.shown_device import ShownDevice
from .values import InvalidValue

PARALLEL_UPDATES = 0

_RECEIVED: Final = "received"
MAX_EARLY: Final = 1000
"""Events of a variable that are kept until Home Assistant has its entity."""


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    data = entry.runtime_data
    data.queue.register(
        Platform.EVENT,
        EntityFactories(
            async_add_entities,
            device=(partial(MessageEvent, data),),
            variable=partial(VariableEvent, data),
        ),
    )


class MessageEvent(DeviceEntity, EventEntity):
    """A message from a device to Home Assistant."""

    _attr_event_types = [_RECEIVED]

    def __init__(self, data: RuntimeData, device: ShownDevice) -> None:
        """Make the event of a device."""
        super().__init__(data, device, "message")

    @override
    async def async_begin(self) -> None:
        await super().async_begin()
        self.device.receive = self._receive

    @override
    @callback
    def end(self) -> None:
        super().end()
        self.device.receive = None

    @callback
    def _receive(self, text: str) -> None:
        self._trigger_event(_RECEIVED, {ATTR_TEXT: text})
        self.write_state()


class VariableEvent(VariableEntity[str], EventEntity):
    """A variable that tells what happens; each publish is an event, none is stored."""

    PLATFORM = Platform.EVENT

    def __init__(
        self, data: RuntimeData, device: ShownDevice, variable: Variable
    ) -> None:
        """Make the event of a variable."""
        self._early: list[str] = []
        """Events that came before Home Assistant had the entity."""
        super().__init__(data, device, variable)

    @override
    async def async_begin(self) -> None:
        await super().async_begin()
        self.data.hass.loop.call_soon(self._tell_early)

    @override
    def describe(self, definition: Definition) -> None:
        self._attr_event_types = list(definition.options)

    @override
    @callback
    def handle_publication(self, publication: Publication) -> None:
        if publication is self._latest:
            return
        self._latest = publication
        text = wire.decode(publication.value)
        if not text:
            return
        try:
            kind = self.read(text)
        except InvalidValue as invalid:
            self.data.warn_once(self.device.id, str(invalid), self.variable.name)
            return
        if kind is None:
            return
        if self._early or not self.added:
            self._keep(kind)
        else:
            self._tell(kind)

    def _keep(self, kind: str) -> None:
        """Keep an event until Home Assistant has the entity; nothing for one that is disabled."""
        registry = er.async_get(self.data.hass)
        entity_id = registry.async_get_entity_id(self.PLATFORM, DOMAIN, self.unique_id)
        entry = registry.async_get(entity_id) if entity_id else None
        if entry is not None and entry.disabled:
            self._early.clear()
        elif len(self._early) < MAX_EARLY:
            self._early.append(kind)
        else:
            self.data.warn_once(
                self.device.id,
                "has more events at once than can be shown",
                self.variable.name,
            )

    @callback
    def _tell_early(self) -> None:
        early, self._early = self._early, []
        for kind in early:
            self._tell(kind)

    def _tell(self, kind: str) -> None:
        # Its description may have changed since.
        if kind in self._attr_event_types:
            self._trigger_event(kind)
            self.write_state()
