"""How entities come into Home Assistant: the parts of each platform, and a queue that adds many at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Variable
from .devices import HubDevice

if TYPE_CHECKING:
    from .entity import VariableEntity
    from .hub import Hub, TextMqConfigEntry


@dataclass(frozen=True, slots=True)
class Parts:
    """What a platform makes entities of: the broker, each device, each variable of its TYPE."""

    add: AddConfigEntryEntitiesCallback
    broker: tuple[Callable[[Hub, HubDevice], Entity], ...] = ()
    device: tuple[Callable[[Hub, HubDevice], Entity], ...] = ()
    variable: Callable[[Hub, HubDevice, Variable], VariableEntity] | None = None


class Platforms:
    """The platforms that have been set up."""

    def __init__(self, hass: HomeAssistant, entry: TextMqConfigEntry) -> None:
        """Add entities to a config entry."""
        self._hass = hass
        self._entry = entry
        self._parts: dict[Platform, Parts] = {}
        self._new: dict[Entity, tuple[Platform, str | None]] = {}

    @callback
    def enter(self, platform: Platform, parts: Parts) -> None:
        """Take the parts of a platform that has been set up."""
        self._parts[platform] = parts

    @callback
    def add_broker(self, hub: Hub, device: HubDevice) -> None:
        """Add the entities of the broker itself."""
        for platform, parts in self._parts.items():
            for make in parts.broker:
                self._add(platform, device, make(hub, device))

    @callback
    def add_device(self, hub: Hub, device: HubDevice) -> None:
        """Add the entities that every device has."""
        for platform, parts in self._parts.items():
            for make in parts.device:
                self._add(platform, device, make(hub, device))

    @callback
    def add_variable(
        self, platform: Platform, hub: Hub, device: HubDevice, variable: Variable
    ) -> VariableEntity:
        """Add and return the entity of a variable."""
        make = self._parts[platform].variable
        assert make is not None
        entity = make(hub, device, variable)
        self._add(platform, device, entity)
        return entity

    @callback
    def discard(self, entity: Entity) -> None:
        """Don't add an entity that still waits to be added."""
        self._new.pop(entity, None)

    @callback
    def stop(self) -> None:
        """Add nothing more."""
        self._parts.clear()
        self._new.clear()

    def _add(self, platform: Platform, device: HubDevice, entity: Entity) -> None:
        """Add an entity in the next turn of the event loop, together with others."""
        if not self._new:
            self._hass.loop.call_soon(self._flush)
        self._new[entity] = (platform, device.subentry_id)

    def _flush(self) -> None:
        batches: dict[tuple[Platform, str | None], list[Entity]] = {}
        for entity, place in self._new.items():
            batches.setdefault(place, []).append(entity)
        self._new.clear()
        for (platform, subentry_id), entities in batches.items():
            if subentry_id is None or subentry_id in self._entry.subentries:
                self._parts[platform].add(entities, config_subentry_id=subentry_id)
