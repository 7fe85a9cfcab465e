"""Selects: variables that are one of several options."""

from functools import partial
from typing import override

from homeassistant.components.select import SelectEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition
from .entity import VariableEntity
from .hub.entity_queue import EntityFactories
from .hub.runtime_data import TextMqConfigEntry

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    data = entry.runtime_data
    data.queue.register(
        Platform.SELECT,
        EntityFactories(async_add_entities, variable=partial(VariableSelect, data)),
    )


class VariableSelect(VariableEntity[str], SelectEntity):
    """A variable that is one of several options."""

    PLATFORM = Platform.SELECT

    @override
    def describe(self, definition: Definition) -> None:
        self._attr_options = list(definition.options)

    @override
    def show_value(self, value: str | None) -> None:
        self._attr_current_option = value

    @override
    async def async_select_option(self, option: str) -> None:
        """Tell the device the option."""
        await self.async_command(option)
