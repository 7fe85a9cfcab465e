"""Texts of the wire as values of entities, and values of entities as commands."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Final

from homeassistant.util import dt as dt_util

from .const import MAX_STATE, WIRE_OFF, WIRE_ON

_MAX_DIGITS: Final = 30
"""Digits of a whole number: with more it is shown as a rounded one."""
_SWITCHED: Final[Mapping[str, bool]] = {
    **dict.fromkeys((WIRE_ON, "1", "TRUE", "YES", "OPEN"), True),
    **dict.fromkeys((WIRE_OFF, "0", "FALSE", "NO", "CLOSED"), False),
}
_MAX_SECONDS: Final = 11
"""Digits of seconds since 1970: with more it would be a year that no calendar has."""


class InvalidValue(Exception):
    """A value does not fit its entity; the text ends the sentence that begins with the variable."""


def is_number(text: str) -> bool:
    """Tell whether text reads as a number; nan and infinities do."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def parse_number(text: str) -> int | float:
    """Read a finite number. Raises InvalidValue."""
    if not is_number(text):
        raise InvalidValue("is text where a number is expected")
    value = float(text)
    if not isfinite(value):
        raise InvalidValue("is not a finite number")
    digits = text.strip()
    return (
        int(digits)
        if len(digits) <= _MAX_DIGITS and digits.lstrip("+-").isdecimal()
        else value
    )


def parse_state_text(text: str) -> str:
    """Return a text that fits a state. Raises InvalidValue."""
    if len(text) > MAX_STATE:
        raise InvalidValue(f"is longer than {MAX_STATE} characters")
    return text


def parse_on_off(text: str) -> bool:
    """Read ON or OFF, or another word for either. Raises InvalidValue."""
    try:
        return _SWITCHED[text.strip().upper()]
    except KeyError:
        raise InvalidValue(f"is neither {WIRE_ON} nor {WIRE_OFF}") from None


def parse_option(text: str, options: list[str]) -> str:
    """Read one of the options of a description. Raises InvalidValue."""
    if text not in options:
        raise InvalidValue("is none of its options")
    return parse_state_text(text)


def parse_length(text: str, least: int, most: int) -> str:
    """Return a text of least to most characters. Raises InvalidValue."""
    if not least <= len(parse_state_text(text)) <= most:
        raise InvalidValue(f"has not {least} to {most} characters")
    return text


def parse_timestamp(text: str) -> datetime:
    """Read a date with time and zone, or seconds since 1970. Raises InvalidValue."""
    text = text.strip()
    if text.isascii() and text.isdecimal() and len(text) <= _MAX_SECONDS:
        return datetime.fromtimestamp(int(text), UTC)
    value = dt_util.parse_datetime(text)
    if value is None or value.tzinfo is None:
        raise InvalidValue("is no time with a zone, like 2026-11-22T19:50:00Z")
    return value


def parse_date(text: str) -> date:
    """Read a date. Raises InvalidValue."""
    value = dt_util.parse_date(text.strip())
    if value is None:
        raise InvalidValue("is no date, like 2026-11-22")
    return value


def spell_on_off(value: bool) -> str:
    """Return ON or OFF."""
    return WIRE_ON if value else WIRE_OFF


def spell_number(value: float) -> str:
    """Return a number as plain decimal text, with the 15 digits that a float is sure of."""
    return format(Decimal(f"{value:.15g}"), "f")
