"""What comes from a broker, as typed events; texts are decoded (protocol A3, B2 to B6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ..protocol import wire
from ..protocol.reasons import BadReason, Refusal
from .errors import Refused
from .outgoing import Command

LOST: Final = "lost"
"""Reason of a Closed where the connection ended without a CLOSE."""
VIOLATION: Final = "protocol-violation"
"""Reason of a Closed where the broker sent what the protocol does not allow."""
CLIENT_CLOSE: Final = "client-close"
"""Reason of a Closed that the client asked for."""


@dataclass(frozen=True, slots=True)
class Value:
    """A variable has this value (SUB)."""

    variable: str
    value: str
    time: float | None = None
    """Seconds since 1970 of its publish; None with a live delivery that is not in the full form."""
    age: int | None = None
    """Seconds since its publish, in the full form and where the broker's clock can tell."""
    device: str | None = None
    """ID of the device that published it, empty where it had none; None outside the full form."""
    owner: str | None = None
    """ID of the device that it belongs to, empty where it belongs to none; None outside the full form."""
    will: bool = False
    """It was published by the broker for a device that was lost."""
    retain: bool | None = None
    """Whether it is stored; None for a live delivery that is not in the full form."""
    missed: int = 0
    """Events of this variable before it that were not delivered."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A variable was deleted (DEL)."""

    variable: str


@dataclass(frozen=True, slots=True)
class Description:
    """A variable is described so (DEF), or no longer."""

    variable: str
    params: Mapping[str, str] = field(default_factory=dict)
    """Keys of the description and their values in wire form; empty where it was removed."""
    device: str | None = None
    """ID of the device that has described it; None outside the full form."""
    owner: str | None = None
    """ID of the device that it belongs to, empty where it belongs to none; None outside the full form."""

    def text(self, key: str) -> str | None:
        """Return a value decoded, None where the key is not there."""
        value = self.params.get(key)
        return None if value is None else wire.decode(value)

    def items(self, key: str) -> tuple[str, ...]:
        """Return a list decoded, such as OPTIONS: it is split at commas before escapes are read (B6)."""
        parts = (part.strip() for part in self.params.get(key, "").split(","))
        return tuple(wire.decode(part) for part in parts if part)


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A device has sent a message (MSG)."""

    device: str
    """The sender's ID, empty where it has none."""
    value: str
    re: str | None = None
    """The token that the sender gave, to be sent back with the answer."""
    receipt: int | None = None
    """What is to be acknowledged once the message is dealt with."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A command is settled: each one that was sent gets exactly one, unless the session ends before."""

    command: Command
    params: Mapping[str, str] = field(default_factory=dict)
    """What OK carried, in wire form."""
    refusal: Refused | None = None
    """Why it was not carried out, None where it was."""
    values: tuple[Value, ...] = ()
    """What a GET has found."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A person must decide whether this client is let in (protocol A4)."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The client is let in: what the OK of ID carries (protocol B5)."""

    keepalive: float | None = None
    """Seconds of silence after which the broker asks."""
    time: float | None = None
    """The broker's clock, in seconds since 1970."""
    protocol: str | None = None
    max_line: int | None = None
    """Bytes of a line that may be sent, line end not counted."""
    time_zone: str | None = None
    """POSIX time zone of the broker."""
    capabilities: frozenset[str] = frozenset()
    """What this broker can beyond the first version."""
    definitions_known: bool = False
    """The broker has all descriptions that belong to the token."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over; nothing follows."""

    reason: str
    """REASON of CLOSE (protocol B1), or one of LOST, VIOLATION and CLIENT_CLOSE."""
    detail: str = ""


_NOT_DESCRIBING: Final = frozenset({"VARIABLE", "DEVICE", "OWNER"})

type Delivery = Value | Deletion | Description | MessageReceived
type SessionEvent = Delivery | Answer | Waiting | Connected | Closed


def _malformed(detail: str) -> Refusal:
    return Refusal(BadReason.MALFORMED, detail)


def _required(params: Mapping[str, str], key: str) -> str:
    if key not in params:
        raise _malformed(f"{key} is missing")
    return params[key]


def _whole(params: Mapping[str, str], key: str, default: int | None) -> int | None:
    text = params.get(key)
    if text is None:
        return default
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise _malformed(f"{key} is not a whole number")
    return int(text)


def _time(params: Mapping[str, str]) -> float | None:
    text = params.get("TIME")
    try:
        return None if text is None else wire.decode_time(text)
    except (ValueError, OverflowError):
        raise _malformed("TIME is not a time") from None


def _optional_text(params: Mapping[str, str], key: str) -> str | None:
    return wire.decode(params[key]) if key in params else None


def read_value(params: Mapping[str, str]) -> Value:
    """Read a SUB. Raises Refusal (malformed)."""
    full = "DEVICE" in params
    time = _time(params)
    retain = None if time is None and not full else True
    return Value(
        _required(params, "VARIABLE"),
        wire.decode(_required(params, "VALUE")),
        time=time,
        age=_whole(params, "AGE", None),
        device=params.get("DEVICE"),
        owner=params.get("OWNER", "") if full else None,
        will=params.get("WILL") == "YES",
        retain=False if params.get("RETAIN") == "NO" else retain,
        missed=_whole(params, "MISSED", 0) or 0,
    )


def read_deletion(params: Mapping[str, str]) -> Deletion:
    """Read a DEL. Raises Refusal (malformed)."""
    return Deletion(_required(params, "VARIABLE"))


def read_description(params: Mapping[str, str]) -> Description:
    """Read a DEF; one without TYPE removes the description. Raises Refusal (malformed)."""
    variable = _required(params, "VARIABLE")
    given = {key: value for key, value in params.items() if key not in _NOT_DESCRIBING}
    return Description(
        variable,
        given if "TYPE" in given else {},
        params.get("DEVICE"),
        params.get("OWNER", "") if "DEVICE" in params else None,
    )


def read_message(params: Mapping[str, str]) -> MessageReceived:
    """Read a MSG. Raises Refusal (malformed)."""
    return MessageReceived(
        _required(params, "DEVICE"),
        wire.decode(_required(params, "VALUE")),
        _optional_text(params, "RE"),
        _whole(params, "RECEIPT", None),
    )


def read_connected(params: Mapping[str, str]) -> Connected:
    """Read the OK of ID. Raises Refusal (malformed)."""
    keepalive = _whole(params, "KEEPALIVE", None)
    return Connected(
        keepalive=None if keepalive is None else float(keepalive),
        time=_time(params),
        protocol=params.get("PROTOCOL"),
        max_line=_whole(params, "LINE", None),
        time_zone=_optional_text(params, "TZ"),
        capabilities=frozenset(
            word.strip().lower() for word in params.get("CAN", "").split(",") if word
        ),
        definitions_known=params.get("DEFS") == "KNOWN",
    )


def read_refusal(params: Mapping[str, str]) -> Refused:
    """Read a BAD."""
    return Refused(params.get("REASON", ""), wire.decode(params.get("DETAIL", "")))


def read_closed(params: Mapping[str, str]) -> Closed:
    """Read a CLOSE."""
    return Closed(params.get("REASON", ""), wire.decode(params.get("DETAIL", "")))
