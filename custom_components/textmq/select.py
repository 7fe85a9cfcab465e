"""Selects: variables that are one of several options."""

from typing import override

from homeassistant.components.select import SelectEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition
from .entity import VariableEntity
from .hub import TextMqConfigEntry
from .platforms import Parts
from .values import option

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    entry.runtime_data.platforms.enter(
        Platform.SELECT, Parts(async_add_entities, variable=VariableSelect)
    )


class VariableSelect(VariableEntity, SelectEntity):
    """A variable that is one of several options."""

    PLATFORM = Platform.SELECT

    @override
    def async_describe(self, definition: Definition | None) -> None:
        assert definition is not None
        self._attr_options = list(definition.options)

    @override
    def async_take(self, text: str | None) -> None:
        self._attr_current_option = None if text is None else option(text, self.options)

    @override
    async def async_select_option(self, option: str) -> None:
        """Tell the device the option."""
        self.command(option)
