"""Variables as entities: which, on what platform, on which device (protocol B6)."""

import asyncio
from itertools import batched
from typing import TYPE_CHECKING, Final, override

from homeassistant.const import Platform
from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er

from .broker import Observer, Publication, Variable
from .const import DOMAIN, LOGGER, PLATFORM_OF_TYPE
from .safe import logged

if TYPE_CHECKING:
    from .entity import VariableEntity
    from .hub import Hub

PREFIX: Final = "variable/"
"""Begins the unique IDs of the entities of variables."""
BATCH: Final = 100
"""Entities that are made at a time; each takes some 30 microseconds."""


def unique_id(name: str) -> str:
    """Return the unique ID of the entity of a variable."""
    return f"{PREFIX}{name}"


@callback
def tell_error(hub: Hub, device_id: str, name: str, err: Exception) -> None:
    """Tell of an error of our own, once for each device and kind of error: it ends here, nothing else breaks."""
    LOGGER.debug("Error of %s", logged(name), exc_info=err)
    hub.complain(device_id, f"can't be shown, for an error: {type(err).__name__}", name)


def platform_of(variable: Variable) -> Platform:
    """Return the platform that shows a variable."""
    if variable.definition is None:
        return Platform.SENSOR
    return PLATFORM_OF_TYPE.get(variable.definition.type, Platform.SENSOR)


class VariableEntities(Observer):
    """The entities that show variables, by the variables' names."""

    def __init__(self, hub: Hub) -> None:
        """Show the variables of a hub."""
        self._hub = hub
        self._registry = er.async_get(hub.hass)
        self._by_name: dict[str, VariableEntity] = {}
        self._expiring: dict[VariableEntity, float] = {}
        """Seconds for which the values of an entity are worth anything."""

    async def async_start(self) -> None:
        """Show all variables that there are, and none of the past; what happens meanwhile is followed already."""
        variables = self._hub.broker.variables
        for entry in er.async_entries_for_config_entry(
            self._registry, self._hub.entry.entry_id
        ):
            name = entry.unique_id.removeprefix(PREFIX)
            if name == entry.unique_id:
                continue
            variable = variables.get(name)
            if (
                variable is None
                or not self._hub.settings.shows(name)
                or platform_of(variable) != entry.domain
            ):
                self._registry.async_remove(entry.entity_id)
        for batch in batched(tuple(variables), BATCH, strict=False):
            await asyncio.sleep(0)
            for variable in batch:
                if variable.name not in self._by_name and self._is_there(variable):
                    self._show(variable)
        self._hub.sub_devices.remove_past()

    def _is_there(self, variable: Variable) -> bool:
        """Tell whether a variable can be shown still."""
        return (
            self._hub.platforms.running
            and self._hub.broker.variables.get(variable.name) is variable
        )

    @callback
    def filter(self) -> None:
        """Show and hide variables, after the filters have changed."""
        for variable in tuple(self._hub.broker.variables):
            shown = variable.name in self._by_name
            if shown and not self._hub.settings.shows(variable.name):
                self._hide(variable.name)
            elif not shown:
                self._show(variable)

    @callback
    def move(self, owner: str) -> None:
        """Show the variables of an owner where they belong now."""
        for variable in tuple(self._hub.broker.variables):
            if variable.owner == owner:
                self._hide(variable.name)
                self._show(variable)

    @callback
    def published(self, publication: Publication) -> None:
        """Take a publish: the way of every one."""
        if (entity := self._by_name.get(publication.name)) is not None:
            entity.published(publication)

    @callback
    def expire(self) -> None:
        """Let values expire whose time has passed; called once a second."""
        now = self._hub.broker.now()
        for entity, seconds in tuple(self._expiring.items()):
            entity.expire(now, seconds)

    @override
    def variable_added(self, variable: Variable) -> None:
        self._show(variable)
        self._follow_commands(variable)

    @override
    def variable_described(self, variable: Variable) -> None:
        entity = self._by_name.get(variable.name)
        if entity is not None and entity.PLATFORM is platform_of(variable):
            self._hub.sub_devices.assign(
                entity.device, variable.name, variable.definition
            )
            entity.describe()
            self._hub.sub_devices.tidy()
            self._note_expiry(entity)
        elif entity is not None:
            self._hide(variable.name)
            self._show(variable)
        self._follow_commands(variable)

    def _follow_commands(self, variable: Variable) -> None:
        """Show no stored command of a variable whose commands have become secret (protocol B6)."""
        definition = variable.definition
        entity = self._by_name.get(f"{variable.name}/set")
        if entity is not None and definition is not None and definition.secret:
            entity.follow()

    @override
    def variable_deleted(self, variable: Variable) -> None:
        self._hide(variable.name)

    def _show(self, variable: Variable) -> None:
        if not self._hub.settings.shows(variable.name):
            return
        device = self._hub.devices.home(variable.owner)
        self._hub.sub_devices.assign(device, variable.name, variable.definition)
        try:
            entity = self._hub.platforms.add_variable(
                platform_of(variable), self._hub, device, variable
            )
        except Exception as err:  # noqa: BLE001
            tell_error(self._hub, device.id, variable.name, err)
            self._hub.sub_devices.release(variable.name)
            self._hub.sub_devices.tidy()
            return
        self._by_name[variable.name] = entity
        self._note_expiry(entity)

    def _hide(self, name: str) -> None:
        if (entity := self._by_name.pop(name, None)) is None:
            return
        self._expiring.pop(entity, None)
        self._hub.platforms.discard(entity)
        entity_id = self._registry.async_get_entity_id(
            entity.PLATFORM, DOMAIN, unique_id(name)
        )
        if entity_id is not None:
            self._registry.async_remove(entity_id)
        self._hub.sub_devices.release(name)
        self._hub.sub_devices.tidy()

    def _note_expiry(self, entity: VariableEntity) -> None:
        definition = entity.variable.definition
        if definition is not None and definition.expire is not None:
            self._expiring[entity] = definition.expire
        else:
            self._expiring.pop(entity, None)
