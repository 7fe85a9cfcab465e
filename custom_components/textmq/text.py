"""Texts: variables that a person writes."""

from functools import partial
from typing import override

from homeassistant.components.text import TextEntity, TextMode
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition
from .entity import VariableEntity
from .hub.entity_queue import EntityFactories
from .hub.runtime_data import TextMqConfigEntry
from .kinds import text_lengths

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    data = entry.runtime_data
    data.queue.register(
        Platform.TEXT,
        EntityFactories(async_add_entities, variable=partial(VariableText, data)),
    )


class VariableText(VariableEntity[str], TextEntity):
    """A variable that a person writes."""

    PLATFORM = Platform.TEXT

    @override
    def describe(self, definition: Definition) -> None:
        self._attr_native_min, self._attr_native_max = text_lengths(definition)
        self._attr_mode = TextMode(definition.mode or TextMode.TEXT)

    @override
    def show_value(self, value: str | None) -> None:
        self._attr_native_value = value

    @override
    async def async_set_value(self, value: str) -> None:
        """Tell the device the text."""
        await self.async_command(value)
