"""Device classes, units and state classes that Home Assistant knows, for the broker's check of descriptions."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.button import ButtonDeviceClass
from homeassistant.components.event import EventDeviceClass
from homeassistant.components.number import NumberDeviceClass
from homeassistant.components.number.const import DEVICE_CLASS_UNITS as NUMBER_UNITS
from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.components.sensor.const import (
    AMBIGUOUS_UNITS,
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS as SENSOR_UNITS,
    NON_NUMERIC_DEVICE_CLASSES,
)
from homeassistant.components.switch import SwitchDeviceClass

from ..broker import Rules
from ..broker.protocol.units import Units

_NO_UNIT: Units = frozenset({None})


def _units(known: Iterable[Any] | None) -> Units:
    """Return the spellings of units, None for any unit."""
    if known is None:
        return None
    units = {None if unit is None else str(unit) for unit in known}
    other = {alias for alias, unit in AMBIGUOUS_UNITS.items() if unit in units}
    return frozenset(units | other)


def _any_unit(classes: Iterable[StrEnum]) -> Mapping[str, Units]:
    return dict.fromkeys((str(one) for one in classes), None)


def home_assistant_rules() -> Rules:
    """Return the rules of the running version of Home Assistant."""
    return Rules(
        {
            "sensor": {
                str(one): _NO_UNIT
                if one in NON_NUMERIC_DEVICE_CLASSES
                else _units(SENSOR_UNITS.get(one))
                for one in SensorDeviceClass
            },
            "number": {
                str(one): _units(NUMBER_UNITS.get(one)) for one in NumberDeviceClass
            },
            "binary_sensor": _any_unit(BinarySensorDeviceClass),
            "switch": _any_unit(SwitchDeviceClass),
            "button": _any_unit(ButtonDeviceClass),
            "event": _any_unit(EventDeviceClass),
        },
        {
            str(one): frozenset(map(str, DEVICE_CLASS_STATE_CLASSES.get(one, ())))
            for one in SensorDeviceClass
        },
    )
