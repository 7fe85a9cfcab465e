"""Switches: variables that are ON or OFF and can be told to be."""

from functools import partial
from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

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
        Platform.SWITCH,
        EntityFactories(async_add_entities, variable=partial(VariableSwitch, data)),
    )


class VariableSwitch(VariableEntity[bool], SwitchEntity):
    """A variable that is switched."""

    PLATFORM = Platform.SWITCH
    urgent = True

    @override
    def show_value(self, value: bool | None) -> None:
        self._attr_is_on = value

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Tell the device to switch on."""
        await self.async_command(True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Tell the device to switch off."""
        await self.async_command(False)
