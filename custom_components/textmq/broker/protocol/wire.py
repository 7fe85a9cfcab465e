"""The wire: parsing and encoding of messages, values and times (protocol A1, A5, B3).

Pure functions, and the only place that spells a message. Values stay as they came: only
`decode` and `encode` translate between the wire's text and Unicode.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
import re
from typing import Final, NamedTuple

from .reasons import BadReason, Refusal

PRINTABLE: Final = bytes(range(0x20, 0x7F))
LINE_BYTES: Final = PRINTABLE + b"\t"
CHUNK_BYTES: Final = LINE_BYTES + b"\n"

START: Final = "START | COMMAND="
"""The beginning of a canonical line."""
END: Final = " | END"
"""The end of a canonical line."""

GIVEN_TWICE: Final = "is given twice"
"""How the detail of a refusal ends that begins with a word of the line itself."""

_BLANK: Final = " \t"
_ESCAPE: Final = re.compile(r"\\(?:([\\nrt])|u([0-9a-fA-F]{4}))")
_UNSAFE: Final = re.compile(r"[^ -\[\]-{}~]|\A +| +\Z")
_SHORT: Final = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_SHORT_FOR: Final = {text: f"\\{letter}" for letter, text in _SHORT.items()}


class Message(NamedTuple):
    """One message: the command in upper case, the parameters with keys in upper case."""

    command: str
    params: dict[str, str]


def parse(line: bytes) -> Message:
    """Parse one message without its line end. Raises Refusal (malformed)."""
    if line.translate(None, LINE_BYTES):
        raise Refusal(BadReason.MALFORMED, "only printable ASCII may stand in a line")
    first, *parts = line.decode("ascii").split("|")
    if first.strip().upper() != "START":
        raise Refusal(BadReason.MALFORMED, "a message begins with START |")
    if not parts or parts.pop().strip().upper() != "END":
        raise Refusal(BadReason.MALFORMED, "a message ends with | END")
    params: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        key = key.strip(_BLANK).upper()
        if not equals or not key or " " in key or "\t" in key or key.startswith("END"):
            raise Refusal(BadReason.MALFORMED, "a parameter is written KEY=VALUE")
        if key in params:
            raise Refusal(BadReason.MALFORMED, f"{key} {GIVEN_TWICE}")
        params[key] = value.strip(_BLANK)
    if next(iter(params), None) != "COMMAND":
        raise Refusal(BadReason.MALFORMED, "the first parameter is COMMAND")
    command = params.pop("COMMAND").upper()
    if not command:
        raise Refusal(BadReason.MALFORMED, "COMMAND is empty")
    return Message(command, params)


def split_canonical(chunk: bytes) -> list[str] | None:
    """Split whole canonical lines, each without its ` | END`; None where a line is not canonical."""
    if chunk.translate(None, CHUNK_BYTES):
        return None
    items = chunk.decode("ascii").split(f"{END}\n")
    if items.pop() or chunk.count(b"\n") != len(items):
        return None
    return items


def encode_message(command: str, params: Mapping[str, str] | None = None) -> bytes:
    """Write one message in the spaced form with its line feed; values must be in wire form."""
    middle = "".join(f" | {key}={value}" for key, value in (params or {}).items())
    return f"{START}{command}{middle}{END}\n".encode("ascii")


def add_parameter(line: bytes, key: str, value: str) -> bytes:
    """Add a last parameter to a message in the spaced form with its line feed."""
    return line[: -len(END) - 1] + f" | {key}={value}{END}\n".encode("ascii")


def publish_prefix(name: str) -> str:
    """Write a canonical PUB to a variable, up to the bar before its VALUE."""
    return f"{START}PUB | VARIABLE={name}"


def message_prefix(device_id: str) -> str:
    """Write a canonical MSG to a device, up to the bar before its VALUE."""
    return f"{START}MSG | DEVICE={device_id}"


def delivery_prefix(name: str) -> str:
    """Write the beginning of a SUB that delivers a variable, up to its value."""
    return f"{START}SUB | VARIABLE={name} | VALUE="


def message_head(device_id: str) -> str:
    """Write the beginning of a MSG from a device, up to its value."""
    return f"{message_prefix(device_id)} | VALUE="


def encode(text: str) -> str:
    """Write text as a value (protocol A5): the wire form of any Unicode string."""
    return _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    text = found.group()
    if short := _SHORT_FOR.get(text):
        return short
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{units[index]:02x}{units[index + 1]:02x}"
        for index in range(0, len(units), 2)
    )


def decode(value: str) -> str:
    """Read a value's text (protocol A5); half a surrogate pair becomes U+FFFD."""
    if "\\" not in value:
        return value
    text = _ESCAPE.sub(_unescape, value)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _unescape(found: re.Match[str]) -> str:
    letter, unit = found.groups()
    return _SHORT[letter] if letter else chr(int(unit, 16))


def encode_time(seconds: float) -> str:
    """Write a time (seconds since 1970) as TIME: UTC, ISO 8601, milliseconds."""
    stamp = datetime.fromtimestamp(seconds, UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{stamp.microsecond // 1000:03d}Z"


def decode_time(text: str) -> float:
    """Read TIME as seconds since 1970. Raises ValueError."""
    stamp = datetime.fromisoformat(text)
    if stamp.tzinfo is None:
        raise ValueError("a time carries its zone")
    return stamp.timestamp()
