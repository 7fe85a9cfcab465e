"""Variables as entities: which, on what platform, on which device (protocol B6)."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import batched
from typing import Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from ..broker import Observer, Publication, Variable, names
from ..broker.core.variables import may_own
from ..const import DOMAIN
from ..kinds import platform_of
from .broker_api import BrokerApi, Unlisten
from .device_registry import ShownDevices
from .entity_queue import EntityQueue, ShownVariable
from .sanitize import for_log
from .sub_devices import SubDevices
from .warn_once import WarnOnce

PREFIX: Final = "variable/"
"""Begins the unique IDs of the entities of variables."""
BATCH: Final = 100
"""Entities that are made at a time; each takes some 30 microseconds."""

type Shows = Callable[[str], bool]
"""Tells whether a variable becomes an entity, by its name."""


class VariableEntities(Observer):
    """The entities that show variables, by the variables' names."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        broker: BrokerApi,
        devices: ShownDevices,
        parts: SubDevices,
        queue: EntityQueue,
        warn_once: WarnOnce,
        shows: Shows,
    ) -> None:
        """Show the variables of a broker in a config entry."""
        self._registry = er.async_get(hass)
        self._entry_id = entry.entry_id
        self._broker = broker
        self._devices = devices
        self._parts = parts
        self._queue = queue
        self._warn_once = warn_once
        self._shows = shows
        self._by_name: dict[str, ShownVariable] = {}
        self._expiring: dict[ShownVariable, None] = {}
        """Entities whose values are worth anything for a time only."""

    async def async_start(self) -> None:
        """Show all variables that there are, and none of the past; what happens meanwhile is followed already."""
        variables = self._broker.variables
        for entry in er.async_entries_for_config_entry(self._registry, self._entry_id):
            name = entry.unique_id.removeprefix(PREFIX)
            if name == entry.unique_id:
                continue
            variable = variables.get(name)
            if (
                variable is None
                or not self._shows(name)
                or platform_of(variable) != entry.domain
            ):
                self._registry.async_remove(entry.entity_id)
        for batch in batched(tuple(variables), BATCH, strict=False):
            await asyncio.sleep(0)
            for variable in batch:
                if variable.name not in self._by_name and self._is_there(variable):
                    self._show(variable)
        self._parts.remove_past()

    def _is_there(self, variable: Variable) -> bool:
        """Tell whether a variable can be shown still."""
        return (
            self._queue.running
            and self._broker.variables.get(variable.name) is variable
        )

    @callback
    def filter(self, shows: Shows) -> None:
        """Show and hide variables, after the filters have changed."""
        self._shows = shows
        for variable in tuple(self._broker.variables):
            shown = variable.name in self._by_name
            if shown and not shows(variable.name):
                self._hide(variable.name)
            elif not shown:
                self._show(variable)

    @callback
    def expire(self) -> None:
        """Let values expire whose time has passed; called once a second."""
        now = self._broker.now()
        for entity in tuple(self._expiring):
            entity.expire(now)

    # Publishes

    @callback
    def published(self, publication: Publication) -> None:
        """Take a publish. Called for every one."""
        if (entity := self._by_name.get(publication.name)) is not None:
            entity.handle_publication(publication)

    @callback
    def watch(self, pattern: str, watcher: Callable[[Publication], None]) -> Unlisten:
        """Call watcher with each publication of a name or filter, after the entity shows it.

        An automation that is triggered by a publish reads the state that belongs to it. Returns a
        function that ends it.
        """

        @callback
        def told(publication: Publication) -> None:
            if (entity := self._by_name.get(publication.name)) is not None:
                entity.show_at_once(publication)
            self._queue.after_added(partial(watcher, publication))

        return self._broker.watch(pattern, told)

    # Whose they are

    @callback
    def device_changed(self, device_id: str) -> None:
        """Show the variables of a device, and those that it published, where they belong now."""
        for variable in tuple(self._broker.variables):
            if variable.owner == device_id:
                self._rehome(variable)
            elif variable.device == device_id:
                if (entity := self._by_name.get(variable.name)) is not None:
                    entity.follow_devices()

    def _rehome(self, variable: Variable) -> None:
        """Show a variable on its owner's page."""
        entity = self._by_name.get(variable.name)
        if entity is None:
            return
        if not self._can_show(entity, variable):
            self._hide(variable.name)
            self._show(variable)
            return
        device = self._devices.showing(variable.owner)
        self._parts.assign(device, variable.name, variable.definition)
        entity.move(device)
        self._parts.tidy()

    def _can_show(self, entity: ShownVariable, variable: Variable) -> bool:
        """Tell whether an entity is of the platform of its variable, and is there still.

        Home Assistant removes it with the page of a device.
        """
        return entity.PLATFORM is platform_of(variable) and not (
            entity.removed and self._entity_id(entity, variable.name) is None
        )

    def _entity_id(self, entity: ShownVariable, name: str) -> str | None:
        """Return the entity ID under which the registry knows the entity of a name."""
        return self._registry.async_get_entity_id(
            entity.PLATFORM, DOMAIN, f"{PREFIX}{name}"
        )

    @callback
    def rename_device(self, old: str, new: str) -> None:
        """Show the variables of a device under their new names as soon as they have them."""
        new_names = {}
        for name in tuple(self._by_name):
            new_name = names.renamed(name, old, new)
            if new_name == name:
                continue
            variable = self._broker.variables.get(new_name)
            if variable is None or self._can_show(self._by_name[name], variable):
                new_names[name] = new_name
                self._hide(new_name)
            else:
                # The new device has described it as something else.
                self._hide(name)
        self._parts.rename_device(old, new)
        for name, new_name in new_names.items():
            entity = self._by_name[new_name] = self._by_name.pop(name)
            if (variable := self._broker.variables.get(new_name)) is not None:
                entity.rebind(variable)

    # What the broker tells

    @override
    def variable_added(self, variable: Variable) -> None:
        if (entity := self._by_name.get(variable.name)) is not None:
            if self._can_show(entity, variable):
                entity.rebind(variable)
            self.variable_described(variable)
            return
        self._show(variable)
        self._follow_commands(variable)

    @override
    def variable_described(self, variable: Variable) -> None:
        entity = self._by_name.get(variable.name)
        if entity is not None and self._can_show(entity, variable):
            self._parts.assign(entity.device, variable.name, variable.definition)
            entity.apply_description()
            self._parts.tidy()
            self._note_expiry(entity)
        elif entity is not None:
            self._hide(variable.name)
            self._show(variable)
        self._follow_commands(variable)
        self._warn_of_two(variable, variable.owner)

    @override
    def variable_moved(self, variable: Variable, former: str) -> None:
        if variable.name in self._by_name:
            self._rehome(variable)
        else:
            # Its entity was to be that of a device that took over, and was removed.
            self._show(variable)
        self._warn_of_two(variable, former)

    @override
    def variable_deleted(self, variable: Variable) -> None:
        entity = self._by_name.get(variable.name)
        if entity is not None and entity.variable is variable:
            self._hide(variable.name)

    def _warn_of_two(self, variable: Variable, other: str) -> None:
        """Warn of a variable that two devices describe: one of them may be an old board."""
        by = variable.described_by
        if may_own(by) and by != other and self._devices.get(other) is not None:
            self._warn_once(
                other, f"is described by device {for_log(by)} as well", variable.name
            )

    def _follow_commands(self, variable: Variable) -> None:
        """Show no stored command of a variable whose commands have become secret (protocol B6)."""
        definition = variable.definition
        entity = self._by_name.get(f"{variable.name}/set")
        if entity is not None and definition is not None and definition.secret:
            entity.follow_value()

    # Entities

    def _show(self, variable: Variable) -> None:
        if not self._shows(variable.name):
            return
        device = self._devices.showing(variable.owner)
        self._parts.assign(device, variable.name, variable.definition)
        try:
            entity = self._queue.add_variable(platform_of(variable), device, variable)
        except Exception as err:  # noqa: BLE001
            self._warn_once.of_error(device.id, variable.name, err)
            self._parts.release(variable.name)
            self._parts.tidy()
            return
        self._by_name[variable.name] = entity
        self._note_expiry(entity)

    def _hide(self, name: str) -> None:
        if (entity := self._by_name.pop(name, None)) is None:
            return
        self._expiring.pop(entity, None)
        self._queue.discard(entity)
        if (entity_id := self._entity_id(entity, name)) is not None:
            self._registry.async_remove(entity_id)
        self._parts.release(name)
        self._parts.tidy()

    def _note_expiry(self, entity: ShownVariable) -> None:
        definition = entity.variable.definition
        if definition is not None and definition.expire is not None:
            self._expiring[entity] = None
        else:
            self._expiring.pop(entity, None)
