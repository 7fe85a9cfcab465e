"""Switches: variables that are ON or OFF and can be told to be."""

from typing import Any, override

from homeassistant.components.switch import SwitchDeviceClass, SwitchEntity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .broker import Definition
from .const import WIRE_OFF, WIRE_ON
from .entity import VariableEntity
from .hub import TextMqConfigEntry
from .platforms import Parts
from .values import switched

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: TextMqConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the platform."""
    entry.runtime_data.platforms.enter(
        Platform.SWITCH, Parts(async_add_entities, variable=VariableSwitch)
    )


class VariableSwitch(VariableEntity, SwitchEntity):
    """A variable that is switched."""

    PLATFORM = Platform.SWITCH
    urgent = True

    @override
    def async_describe(self, definition: Definition | None) -> None:
        self._attr_device_class = (
            SwitchDeviceClass(definition.device_class)
            if definition is not None and definition.device_class
            else None
        )

    @override
    def async_take(self, text: str | None) -> None:
        self._attr_is_on = None if text is None else switched(text)

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Tell the device to switch on."""
        self.command(WIRE_ON)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Tell the device to switch off."""
        self.command(WIRE_OFF)
