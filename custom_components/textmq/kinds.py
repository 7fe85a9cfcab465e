"""The kinds of entities: a row for each TYPE of a description (protocol B6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.button import ButtonDeviceClass
from homeassistant.components.event import EventDeviceClass
from homeassistant.components.number import NumberDeviceClass
from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.components.switch import SwitchDeviceClass
from homeassistant.const import Platform

from .broker import Definition, Variable


@dataclass(frozen=True, slots=True)
class Kind:
    """What a TYPE becomes in Home Assistant."""

    platform: Platform
    device_classes: type[StrEnum] | None = None

    def device_class(self, definition: Definition) -> StrEnum | None:
        """Return the device class that a description names."""
        if self.device_classes is None or definition.device_class is None:
            return None
        return self.device_classes(definition.device_class)


KINDS: Final[Mapping[str, Kind]] = {
    "sensor": Kind(Platform.SENSOR, SensorDeviceClass),
    "binary_sensor": Kind(Platform.BINARY_SENSOR, BinarySensorDeviceClass),
    "switch": Kind(Platform.SWITCH, SwitchDeviceClass),
    "number": Kind(Platform.NUMBER, NumberDeviceClass),
    "select": Kind(Platform.SELECT),
    "text": Kind(Platform.TEXT),
    "button": Kind(Platform.BUTTON, ButtonDeviceClass),
    "event": Kind(Platform.EVENT, EventDeviceClass),
}
OTHER: Final = Kind(Platform.SENSOR)
"""A TYPE that has no platform yet, or is not known: its text is shown."""
UNDESCRIBED: Final = Definition(type="sensor")
"""How a variable is shown that nobody has described."""


def kind_of(definition: Definition) -> Kind:
    """Return the kind of a description."""
    return KINDS.get(definition.type, OTHER)


def description_of(variable: Variable) -> Definition:
    """Return the description of a variable, that of a bare sensor where there is none."""
    return variable.definition or UNDESCRIBED


def platform_of(variable: Variable) -> Platform:
    """Return the platform that shows a variable."""
    return kind_of(description_of(variable)).platform
