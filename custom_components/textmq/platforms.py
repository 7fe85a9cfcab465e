"""How entities come into Home Assistant: the parts of each platform, and a queue of new ones."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Variable
from .devices import HubDevice

if TYPE_CHECKING:
    from .entity import VariableEntity
    from .hub import Hub, TextMqConfigEntry

BATCH: Final = 20
"""Entities that are added at a time; each takes half a millisecond."""


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
        self._adding: asyncio.Task[None] | None = None

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

    async def async_added(self) -> None:
        """Wait until all entities that are new now have been added."""
        if self._adding is not None:
            await asyncio.wait((self._adding,))

    @property
    def running(self) -> bool:
        """Whether there are platforms to add entities to."""
        return bool(self._parts)

    @callback
    def stop(self) -> None:
        """Add nothing more."""
        self._parts.clear()
        self._new.clear()

    def _add(self, platform: Platform, device: HubDevice, entity: Entity) -> None:
        """Add an entity soon, together with others."""
        self._new[entity] = (platform, device.subentry_id)
        if self._adding is None or self._adding.done():
            self._adding = self._entry.async_create_task(
                self._hass, self._add_all(), "textmq entities"
            )

    async def _add_all(self) -> None:
        """Add what is new, a few at a time, so that the event loop can do other work too."""
        while True:
            await asyncio.sleep(0)
            if not self._new:
                break
            batches: dict[tuple[Platform, str | None], list[Entity]] = {}
            for entity in tuple(islice(self._new, BATCH)):
                batches.setdefault(self._new.pop(entity), []).append(entity)
            for (platform, subentry_id), entities in batches.items():
                if subentry_id is None or subentry_id in self._entry.subentries:
                    self._parts[platform].add(entities, config_subentry_id=subentry_id)
