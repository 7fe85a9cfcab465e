"""The kinds of entities: a row for each TYPE of a description (protocol B6).

What Home Assistant knows of a kind, how its values are read and its commands spelled is here, and
nowhere else: the platforms show what comes of it, the broker is told what to take.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any, Final

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.button import ButtonDeviceClass
from homeassistant.components.event import EventDeviceClass
from homeassistant.components.number import NumberDeviceClass
from homeassistant.components.number.const import DEVICE_CLASS_UNITS as NUMBER_UNITS
from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.components.sensor.const import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS as SENSOR_UNITS,
    NON_NUMERIC_DEVICE_CLASSES,
)
from homeassistant.components.switch import SwitchDeviceClass
from homeassistant.const import EntityCategory, Platform

from .broker import Definition, Variable
from .const import MAX_STATE, WIRE_PRESS
from .values import (
    parse_date,
    parse_length,
    parse_number,
    parse_on_off,
    parse_option,
    parse_state_text,
    parse_timestamp,
    spell_number,
    spell_on_off,
)

type Reader = Callable[[str], Any]
"""Reads a value that is not empty, None for what is not to be shown. Raises InvalidValue."""
type UnitsOfClasses = Mapping[Any, Collection[Any] | None]

_USUAL: Final = (
    SensorStateClass.MEASUREMENT,
    SensorStateClass.MEASUREMENT_ANGLE,
    SensorStateClass.TOTAL_INCREASING,
    SensorStateClass.TOTAL,
)
"""State classes, the one first that is meant where none is described."""


def _nothing(_text: str) -> None:
    """Read what has no value, or a secret one."""


def _no_value(_definition: Definition) -> Reader:
    return _nothing


def _on_off(_definition: Definition) -> Reader:
    return parse_on_off


def _number(_definition: Definition) -> Reader:
    return parse_number


def _option(definition: Definition) -> Reader:
    return partial(parse_option, options=list(definition.options))


def _text(definition: Definition) -> Reader:
    if definition.hides_value:
        return _nothing
    least, most = text_lengths(definition)
    return partial(parse_length, least=least, most=most)


def _sensor(definition: Definition) -> Reader:
    if sensor_options(definition) is not None:
        return _option(definition)
    match definition.device_class:
        case SensorDeviceClass.DATE:
            return parse_date
        case SensorDeviceClass.TIMESTAMP | SensorDeviceClass.UPTIME:
            return parse_timestamp
    return parse_number if is_numeric(definition) else parse_state_text


@dataclass(frozen=True, slots=True)
class Kind:
    """What a TYPE is in Home Assistant."""

    platform: Platform
    reader: Callable[[Definition], Reader]
    """Makes what reads the values under a description."""
    spell: Callable[[Any], str] = str
    """Spells a command."""
    device_classes: type[StrEnum] | None = None
    units: UnitsOfClasses | None = None
    """Units of the device classes, None for any; None where the kind has no unit."""
    is_read_only: bool = False
    """Home Assistant takes none as a setting (CATEGORY=config)."""

    def device_class(self, definition: Definition) -> StrEnum | None:
        """Return the device class that a description names."""
        if self.device_classes is None or definition.device_class is None:
            return None
        return self.device_classes(definition.device_class)

    def category(self, definition: Definition) -> EntityCategory | None:
        """Return the category that a description names, as far as Home Assistant takes it."""
        if definition.category is None:
            return None
        category = EntityCategory(definition.category)
        if category is EntityCategory.CONFIG and self.is_read_only:
            return None
        return category


KINDS: Final[Mapping[str, Kind]] = {
    "sensor": Kind(
        Platform.SENSOR,
        _sensor,
        device_classes=SensorDeviceClass,
        units=SENSOR_UNITS
        | dict.fromkeys(NON_NUMERIC_DEVICE_CLASSES, frozenset({None})),
        is_read_only=True,
    ),
    "binary_sensor": Kind(
        Platform.BINARY_SENSOR,
        _on_off,
        device_classes=BinarySensorDeviceClass,
        is_read_only=True,
    ),
    "switch": Kind(
        Platform.SWITCH, _on_off, spell_on_off, device_classes=SwitchDeviceClass
    ),
    "number": Kind(
        Platform.NUMBER,
        _number,
        spell_number,
        device_classes=NumberDeviceClass,
        units=NUMBER_UNITS,
    ),
    "select": Kind(Platform.SELECT, _option),
    "text": Kind(Platform.TEXT, _text),
    "button": Kind(
        Platform.BUTTON,
        _no_value,
        lambda _: WIRE_PRESS,
        device_classes=ButtonDeviceClass,
    ),
    "event": Kind(Platform.EVENT, _option, device_classes=EventDeviceClass),
}
STATE_CLASSES: Final[Mapping[str, Collection[str]]] = {
    str(one): frozenset(map(str, DEVICE_CLASS_STATE_CLASSES.get(one, ())))
    for one in SensorDeviceClass
}
"""What each device class of sensors has of state classes."""
UNDESCRIBED: Final = Definition(type="sensor")
"""How a variable is shown that nobody has described."""


def description_of(variable: Variable) -> Definition:
    """Return the description by which a variable is shown.

    Of a TYPE that has no platform yet, or is not known, it is a sensor's, with what any entity has.
    """
    definition = variable.definition or UNDESCRIBED
    if definition.type in KINDS:
        return definition
    return replace(
        UNDESCRIBED,
        name=definition.name,
        icon=definition.icon,
        category=definition.category,
        expire=definition.expire,
        force=definition.force,
        hidden=definition.hidden,
    )


def kind_of(definition: Definition) -> Kind:
    """Return the kind of a description by which a variable is shown."""
    return KINDS[definition.type]


def platform_of(variable: Variable) -> Platform:
    """Return the platform that shows a variable."""
    return kind_of(description_of(variable)).platform


def text_lengths(definition: Definition) -> tuple[int, int]:
    """Return the least and the most characters of a text that Home Assistant can show."""
    least = min(max(definition.min or 0, 0), MAX_STATE)
    most = MAX_STATE if definition.max is None else min(definition.max, MAX_STATE)
    return int(least), int(most)


def sensor_options(definition: Definition) -> list[str] | None:
    """Return the options of a sensor, None where its values are not bound to any."""
    if definition.device_class == SensorDeviceClass.ENUM and definition.options:
        return list(definition.options)
    return None


def is_numeric(definition: Definition) -> bool | None:
    """Tell whether the values of a sensor are numbers by its description, None where that does not tell."""
    device_class = definition.device_class
    if device_class in NON_NUMERIC_DEVICE_CLASSES or definition.mode == Platform.TEXT:
        return False
    told = (device_class, definition.unit, definition.state_class, definition.precision)
    return True if any(one is not None for one in told) else None


def decide(definition: Definition, numeric: bool | None) -> Definition:
    """Return the description of a sensor, completed by whether its values are numbers where it does not tell."""
    if numeric is None or is_numeric(definition) is not None:
        return definition
    if numeric:
        return replace(definition, state_class=SensorStateClass.MEASUREMENT)
    return replace(definition, mode=Platform.TEXT)


def state_class(definition: Definition) -> SensorStateClass | None:
    """Return the state class of a sensor: the one described, else the first usual one that its class has."""
    if not is_numeric(definition):
        return None
    if definition.state_class is not None:
        return SensorStateClass(definition.state_class)
    known = STATE_CLASSES.get(definition.device_class or "", _USUAL)
    return next((one for one in _USUAL if one in known), None)
