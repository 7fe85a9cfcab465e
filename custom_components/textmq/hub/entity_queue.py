"""How entities come into Home Assistant: what each platform makes, and a queue of new ones."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Final, Protocol, cast

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from ..broker import Publication, Variable
from ..const import LOGGER
from .shown_device import ShownDevice

BATCH: Final = 20
"""Entities that are added at a time; each takes half a millisecond."""


class _OfDevice(Protocol):
    """An entity, as far as its device concerns it."""

    device: ShownDevice


class ShownVariable(Protocol):
    """The entity of a variable, as far as its variable's changes concern it."""

    PLATFORM: ClassVar[Platform]
    variable: Variable
    device: ShownDevice
    removed: bool
    """Home Assistant had it, and has it no more."""

    def handle_publication(self, publication: Publication) -> None:
        """Take a publish."""

    def show_at_once(self, publication: Publication) -> None:
        """Take a publish, and write the state without a rest."""

    def apply_description(self) -> None:
        """Take the changed description of the variable."""

    def move(self, device: ShownDevice) -> None:
        """Belong to another device, or to another part of it."""

    def rebind(self, variable: Variable) -> None:
        """Show another variable: the same one under another name."""

    def follow_value(self) -> None:
        """Show the value that the variable has now, without a publish."""

    def follow_devices(self) -> None:
        """Follow the device that published last, after another one did, or devices came or went."""

    def expire(self, now: float) -> None:
        """Be unavailable while the value is older than its description allows; now is in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class EntityFactories:
    """What a platform makes entities of: the broker, each device, each variable of its TYPE."""

    add: AddConfigEntryEntitiesCallback
    broker: tuple[Callable[[ShownDevice], Entity], ...] = ()
    device: tuple[Callable[[ShownDevice], Entity], ...] = ()
    variable: Callable[[ShownDevice, Variable], ShownVariable] | None = None


class EntityQueue:
    """The platforms that have been set up, and the entities that are to be added to them."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Add entities to a config entry."""
        self._hass = hass
        self._entry = entry
        self._factories: dict[Platform, EntityFactories] = {}
        self._new: dict[Entity, Platform] = {}
        self._adding: asyncio.Task[None] | None = None
        self._held: deque[Callable[[], None]] = deque()
        self._is_doing_held = False

    @callback
    def register(self, platform: Platform, factories: EntityFactories) -> None:
        """Take the factories of a platform that has been set up."""
        self._factories[platform] = factories

    @callback
    def add_broker(self, device: ShownDevice) -> None:
        """Add the entities of the broker itself."""
        for platform, factories in self._factories.items():
            for make in factories.broker:
                self._add(platform, make(device))

    @callback
    def add_device(self, device: ShownDevice) -> None:
        """Add the entities that every device has."""
        for platform, factories in self._factories.items():
            for make in factories.device:
                self._add(platform, make(device))

    @callback
    def add_variable(
        self, platform: Platform, device: ShownDevice, variable: Variable
    ) -> ShownVariable:
        """Add and return the entity of a variable."""
        make = self._factories[platform].variable
        assert make is not None
        shown = make(device, variable)
        self._add(platform, cast(Entity, shown))
        return shown

    @callback
    def discard(self, shown: ShownVariable) -> None:
        """Don't add the entity of a variable if it still waits to be added."""
        self._new.pop(cast(Entity, shown), None)

    async def async_added(self) -> None:
        """Wait until all entities that are new now have been added."""
        if self._adding is not None:
            await asyncio.wait((self._adding,))

    @callback
    def after_added(self, work: Callable[[], None]) -> None:
        """Do work in its order, at once or after the entities that are being added now.

        What triggers automations comes after the entities that show it.
        """
        if not self._held and not self._is_adding:
            work()
            return
        self._held.append(work)
        if not self._is_doing_held:
            self._is_doing_held = True
            self._entry.async_create_task(self._hass, self._do_held(), "textmq held")

    async def _do_held(self) -> None:
        """Do what is held, a little at a time; what it adds itself comes before the rest."""
        try:
            while self._held:
                await self.async_added()
                for work in self._next_held():
                    try:
                        work()
                    except Exception:  # noqa: BLE001
                        LOGGER.exception("What waited for entities failed")
        finally:
            self._is_doing_held = False

    def _next_held(self) -> Iterator[Callable[[], None]]:
        for _ in range(BATCH):
            if not self._held or self._is_adding:
                return
            yield self._held.popleft()

    @property
    def _is_adding(self) -> bool:
        return self._adding is not None and not self._adding.done()

    @property
    def running(self) -> bool:
        """Whether there are platforms to add entities to."""
        return bool(self._factories)

    @callback
    def stop(self) -> None:
        """Add nothing more."""
        self._factories.clear()
        self._new.clear()

    def _add(self, platform: Platform, entity: Entity) -> None:
        """Add an entity soon, together with others."""
        self._new[entity] = platform
        if not self._is_adding:
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
                platform = self._new.pop(entity)
                # It may have moved since it was made.
                subentry_id = cast(_OfDevice, entity).device.subentry_id
                batches.setdefault((platform, subentry_id), []).append(entity)
            for (platform, subentry_id), entities in batches.items():
                if subentry_id is None or subentry_id in self._entry.subentries:
                    self._factories[platform].add(
                        entities, config_subentry_id=subentry_id
                    )
