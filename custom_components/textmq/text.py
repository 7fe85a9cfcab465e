"""Texts: variables that a person writes."""

from functools import partial
from typing import override

from homeassistant.components.text import TextEntity, TextMode
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition
from .const import MAX_STATE
from .entity import VariableEntity
from .hub.entity_queue import EntityFactories
from .hub.runtime_data import TextMqConfigEntry
from .values import InvalidValue, parse_state_text

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


class VariableText(VariableEntity, TextEntity):
    """A variable that a person writes."""

    PLATFORM = Platform.TEXT

    @override
    def describe(self, definition: Definition) -> None:
        least, most = definition.min or 0, definition.max
        self._attr_native_min = int(min(max(least, 0), MAX_STATE))
        self._attr_native_max = MAX_STATE if most is None else int(min(most, MAX_STATE))
        self._attr_mode = TextMode(definition.mode or TextMode.TEXT)
        self._hides_value = definition.hides_value

    @override
    def show_text(self, text: str | None) -> None:
        if self._hides_value:
            text = None
        if text is not None and not self.min <= len(parse_state_text(text)) <= self.max:
            raise InvalidValue(f"has not {self.min} to {self.max} characters")
        self._attr_native_value = text

    @override
    async def async_set_value(self, value: str) -> None:
        """Tell the device the text."""
        await self.async_command(value)
