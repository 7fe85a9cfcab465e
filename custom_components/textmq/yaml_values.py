"""Values as people write them in YAML and in templates, as texts of the wire.

YAML makes a boolean of `on`, `yes` and `true` without quotation marks. A person who writes that
means what a switch of ours is told, ON; and waits for whatever reads as on.
"""

from typing import Any, Final

import probatio

from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.json import json_dumps

from .const import WIRE_OFF, WIRE_ON
from .values import InvalidValue, parse_on_off

WANTED: Final = probatio.Any(bool, cv.string)
"""Validates a value that is waited for."""


def wire_text(value: Any) -> str:
    """Return a value as text: a boolean as ON or OFF, lists and mappings as JSON. Raises Invalid."""
    if isinstance(value, bool):
        return WIRE_ON if value else WIRE_OFF
    return json_dumps(value) if isinstance(value, dict | list) else cv.string(value)


def is_wanted(text: str, wanted: bool | str | None) -> bool:
    """Tell whether a text is the value that is waited for; any is, where None is."""
    if not isinstance(wanted, bool):
        return wanted is None or text == wanted
    try:
        return parse_on_off(text) is wanted
    except InvalidValue:
        return False
