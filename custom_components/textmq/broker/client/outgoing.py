"""The commands of a client, as it sends them: names checked, texts encoded (protocol A2, B2 to B6)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from ..protocol import names, wire
from ..protocol.reasons import BadReason, Refusal
from .errors import Refused

type DescriptionValue = str | int | float | bool | Sequence[str]
"""A text, a number, YES or NO, or a list such as OPTIONS."""


class Expected(Enum):
    """What settles a command."""

    OK = auto()
    HELLO = auto()
    REFUSAL_ONLY = auto()
    """ACK=NO: nothing but a BAD, or a later answer (protocol B2)."""
    NOTHING = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A command; it is compared by identity, so that a session can have it once at a time."""

    name: str
    params: Mapping[str, str]
    expected: Expected = Expected.OK


def _checked(check: Callable[[str], None], text: str) -> str:
    try:
        check(text)
    except Refusal as refusal:
        raise Refused.of(refusal) from None
    return text


def _token(key: str, text: str) -> str:
    return wire.encode(_checked(partial(names.check_token, key), text))


def _seconds(key: str, seconds: int) -> str:
    if seconds < 0:
        raise Refused(BadReason.MALFORMED, f"{key} is a whole number of seconds")
    return f"{seconds:d}"


def _acknowledged(ack: bool) -> Expected:
    return Expected.OK if ack else Expected.REFUSAL_ONLY


def hello() -> Command:
    """Ask whether the broker is there."""
    return Command("HELLO?", {}, Expected.HELLO)


def identify(
    device_id: str,
    details: Mapping[str, str] | None = None,
    *,
    keepalive: int | None = None,
    receipts: bool = False,
    definitions_token: str | None = None,
    capabilities: Sequence[str] = (),
) -> Command:
    """Say who the client is; details are NAME, MODEL and the like as text (protocol B5).

    Raises Refused (bad-name, malformed).
    """
    params = {"ID": _checked(names.check_device_id, device_id)}
    for key, text in (details or {}).items():
        if text:
            params[key.upper()] = wire.encode(text)
    if keepalive is not None:
        params["KEEPALIVE"] = _seconds("KEEPALIVE", keepalive)
    if receipts:
        params["RECEIPTS"] = "YES"
    if definitions_token is not None:
        params["DEFS"] = _token("DEFS", definitions_token)
    if capabilities:
        params["CAN"] = ",".join(capabilities)
    return Command("ID", params)


def subscribe(
    pattern: str,
    *,
    full: bool = False,
    definitions: bool = False,
    replay: bool = True,
) -> Command:
    """Subscribe to a name or filter (protocol B3). Raises Refused (bad-name)."""
    params = {"VARIABLE": _checked(names.check_filter, pattern)}
    if full:
        params["FULL"] = "YES"
    if definitions:
        params["DEF"] = "YES"
    if not replay:
        params["REPLAY"] = "NO"
    return Command("SUB", params)


def unsubscribe(pattern: str) -> Command:
    """End the subscription that was made with this text. Raises Refused (bad-name)."""
    return Command("UNSUB", {"VARIABLE": _checked(names.check_filter, pattern)})


def get(pattern: str, *, full: bool = False) -> Command:
    """Ask for the values that match a name or filter (protocol B3). Raises Refused (bad-name)."""
    params = {"VARIABLE": _checked(names.check_filter, pattern)}
    if full:
        params["FULL"] = "YES"
    return Command("GET", params)


def publish(
    variable: str, value: str, *, retain: bool = True, ack: bool = True
) -> Command:
    """Publish a text (protocol B4). Raises Refused (bad-name)."""
    params = {
        "VARIABLE": _checked(names.check_stored_name, variable),
        "VALUE": wire.encode(value),
    }
    if not retain:
        params["RETAIN"] = "NO"
    return Command("PUB", params, _acknowledged(ack))


def delete(variable: str) -> Command:
    """Delete a variable and its description. Raises Refused (bad-name)."""
    return Command("DEL", {"VARIABLE": _checked(names.check_stored_name, variable)})


def will(variable: str, value: str | None, *, retain: bool = True) -> Command:
    """Say what the broker publishes if this client is lost; None takes it back (protocol B4).

    Raises Refused (bad-name).
    """
    params = {"VARIABLE": _checked(names.check_stored_name, variable)}
    if value is not None:
        params["VALUE"] = wire.encode(value)
    if not retain:
        params["RETAIN"] = "NO"
    return Command("WILL", params)


def send(
    device: str,
    value: str,
    *,
    ttl: int | None = None,
    re: str | None = None,
    ack: bool = True,
) -> Command:
    """Send a text to a device, `*` or homeassistant (protocol B5).

    ttl is in seconds, re is 1 to 32 printable characters. Raises Refused (bad-name, malformed).
    """
    if device.lower() not in names.RESERVED_DEVICES:
        _checked(names.check_device_id, device)
    params = {"DEVICE": device, "VALUE": wire.encode(value)}
    if ttl is not None:
        params["TTL"] = _seconds("TTL", ttl)
    if re is not None:
        params["RE"] = _token("RE", re)
    return Command("MSG", params, _acknowledged(ack))


def describe(variable: str, description: Mapping[str, DescriptionValue]) -> Command:
    """Describe a variable; without TYPE the description is removed (protocol B6). Raises Refused (bad-name)."""
    params = {"VARIABLE": _checked(names.check_stored_name, variable)}
    for key, value in description.items():
        params[key.upper()] = _description_value(value)
    return Command("DEF", params)


def _description_value(value: DescriptionValue) -> str:
    if isinstance(value, bool):
        return "YES" if value else "NO"
    if isinstance(value, str):
        return wire.encode(value)
    if isinstance(value, int | float):
        return f"{value:.15g}"
    return ",".join(wire.encode(item).replace(",", r"\u002c") for item in value)


def definitions_end(token: str, count: int) -> Command:
    """Say that the whole set of descriptions was sent (protocol B6)."""
    return Command("DEFS", {"TOKEN": _token("TOKEN", token), "COUNT": f"{count:d}"})


def close(sleep: int | None = None) -> Command:
    """Close the connection, and say for how many seconds the device sleeps (protocol B5)."""
    params = {} if sleep is None else {"SLEEP": _seconds("SLEEP", sleep)}
    return Command("CLOSE", params, Expected.NOTHING)
