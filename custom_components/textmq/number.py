"""Numbers: variables that are set within a range."""

from functools import partial
from typing import Final, override

from homeassistant.components.number import NumberEntity, NumberMode
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition
from .entity import VariableEntity
from .hub.entity_queue import EntityFactories
from .hub.runtime_data import TextMqConfigEntry

PARALLEL_UPDATES = 0

# Where a description sets no bounds.
_MIN: Final = -1e9
_MAX: Final = 1e9


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    data = entry.runtime_data
    data.queue.register(
        Platform.NUMBER,
        EntityFactories(async_add_entities, variable=partial(VariableNumber, data)),
    )


class VariableNumber(VariableEntity[float], NumberEntity):
    """A variable that is set within a range."""

    PLATFORM = Platform.NUMBER

    @override
    def describe(self, definition: Definition) -> None:
        self._attr_native_unit_of_measurement = definition.unit
        least, most = definition.min, definition.max
        self._attr_native_min_value = min(_MIN, most or 0) if least is None else least
        self._attr_native_max_value = max(_MAX, least or 0) if most is None else most
        self._step = definition.step
        bounded = least is not None and most is not None
        self._attr_mode = NumberMode(definition.mode or ("auto" if bounded else "box"))

    @property
    @override
    def native_step(self) -> float | None:
        """Return the step, None where Home Assistant is to choose."""
        return self._step

    @override
    def show_value(self, value: float | None) -> None:
        self._attr_native_value = value

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Tell the device the number."""
        await self.async_command(value)
