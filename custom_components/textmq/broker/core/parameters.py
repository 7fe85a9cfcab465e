"""Reading the parameters of a command (protocol B1, B2)."""

from collections.abc import Mapping
from typing import Final

from ..protocol.names import check_token
from ..protocol.reasons import BadReason, Refusal

type Params = Mapping[str, str]

_DIGITS: Final = 9
_YES_NO: Final = {"YES": True, "NO": False}


def required(params: Params, key: str) -> str:
    """Return a parameter. Raises Refusal (missing-parameter)."""
    if key not in params:
        raise Refusal(BadReason.MISSING_PARAMETER, key)
    return params[key]


def flag(params: Params, key: str, *, default: bool) -> bool:
    """Return a parameter that is YES or NO. Raises Refusal (malformed)."""
    value = params.get(key)
    if value is None:
        return default
    if value not in _YES_NO:
        raise Refusal(BadReason.MALFORMED, f"{key} is YES or NO")
    return _YES_NO[value]


def whole_number(params: Params, key: str, *, of: str = "") -> int | None:
    """Return a parameter that is a whole number, of something; None where it is not there.

    Raises Refusal (malformed).
    """
    value = params.get(key)
    if value is None:
        return None
    if not value.isdecimal() or len(value) > _DIGITS:
        raise Refusal(BadReason.MALFORMED, f"{key} is a whole number{of}")
    return int(value)


def seconds(params: Params, key: str) -> float | None:
    """Return a parameter that is a whole number of seconds, None where it is not there.

    Raises Refusal (malformed).
    """
    return whole_number(params, key, of=" of seconds")


def token(params: Params, key: str) -> str:
    """Return a parameter that a client means something by, "" where it is not there.

    Raises Refusal (malformed).
    """
    value = params.get(key)
    if value is None:
        return ""
    check_token(key, value)
    return value
