"""Device classes, units and state classes that Home Assistant knows, for the broker's check of descriptions."""

from collections.abc import Iterable, Mapping
from typing import Any

from homeassistant.components.sensor.const import AMBIGUOUS_UNITS

from ..broker import Rules
from ..broker.protocol.units import Units
from ..kinds import KINDS, STATE_CLASSES, Kind


def home_assistant_rules() -> Rules:
    """Return the rules of the running version of Home Assistant."""
    return Rules(
        {
            name: _classes(kind)
            for name, kind in KINDS.items()
            if kind.device_classes is not None
        },
        STATE_CLASSES,
    )


def _classes(kind: Kind) -> Mapping[str, Units]:
    """Return the device classes of a kind, with their units."""
    known = kind.units or {}
    return {str(one): _units(known.get(one)) for one in kind.device_classes or ()}


def _units(known: Iterable[Any] | None) -> Units:
    """Return the spellings of units, None for any unit."""
    if known is None:
        return None
    units = {None if unit is None else str(unit) for unit in known}
    other = {alias for alias, unit in AMBIGUOUS_UNITS.items() if unit in units}
    return frozenset(units | other)
