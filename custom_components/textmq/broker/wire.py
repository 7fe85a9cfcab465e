"""The wire: framing, parsing, encoding, escapes, names and filters (protocol part A, B1, B3).

Pure functions and one small framer; no I/O. Values stay as they came: only `decode` and
`encode` translate between the wire's text and Unicode.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
import re
from typing import Final, NamedTuple

RESERVED_DEVICES: Final = frozenset({"homeassistant", "*"})
HOME_ASSISTANT: Final = "homeassistant"
EVERYONE: Final = "*"

MAX_VARIABLE: Final = 255
MAX_DEVICE: Final = 64

PRINTABLE: Final = bytes(range(0x20, 0x7F))
LINE_BYTES: Final = PRINTABLE + b"\t"
CHUNK_BYTES: Final = LINE_BYTES + b"\n"

END: Final = " | END"
"""The end of a canonical line."""

_BLANK: Final = " \t"
_TAIL_END: Final = re.compile(rb"\|[ \t]*END[ \t\r]*\Z", re.IGNORECASE)
_END_START: Final = re.compile(rb"\|[ \t]*END[ \t]*(?=START[ \t]*\|)", re.IGNORECASE)
_HTTP: Final = re.compile(
    rb"(?:(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) |[^\n|]* HTTP/[0-9])",
    re.IGNORECASE,
)
_ESCAPE: Final = re.compile(r"\\(?:([\\nrt])|u([0-9a-fA-F]{4}))")
_UNSAFE: Final = re.compile(r"[^ -\[\]-{}~]|\A +| +\Z")
_SHORT: Final = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_SHORT_FOR: Final = {text: f"\\{letter}" for letter, text in _SHORT.items()}


class BadReason(StrEnum):
    """Why a command was not carried out: REASON of BAD (protocol B1)."""

    MALFORMED = "malformed"
    TOO_LONG = "too-long"
    UNKNOWN_COMMAND = "unknown-command"
    MISSING_PARAMETER = "missing-parameter"
    BAD_NAME = "bad-name"
    NOT_AUTHORIZED = "not-authorized"
    DENIED = "denied"
    KEY_REQUIRED = "key-required"
    NO_SUCH_VARIABLE = "no-such-variable"
    NO_SUCH_DEVICE = "no-such-device"
    DEVICE_BUSY = "device-busy"
    READ_ONLY = "read-only"
    FORBIDDEN = "forbidden"
    BAD_DEFINITION = "bad-definition"
    LIMIT = "limit"


class CloseReason(StrEnum):
    """Why a connection ended; those that the broker decides are REASON of CLOSE (protocol B1)."""

    CLIENT_CLOSE = "client-close"
    SLEEP = "sleep"
    LOST = "lost"
    TAKEN_OVER = "taken-over"
    KEEP_ALIVE = "keep-alive"
    IDENTIFY_TIMEOUT = "identify-timeout"
    DENIED = "denied"
    REVOKED = "revoked"
    DISCONNECTED = "disconnected"
    MALFORMED = "malformed"
    LIMIT = "limit"
    SLOW_READER = "slow-reader"
    HTTP = "http"
    TLS = "tls"
    INTERNAL_ERROR = "internal-error"
    SHUTDOWN = "shutdown"


class Refusal(Exception):
    """A command is not carried out; carries the REASON and DETAIL of its BAD."""

    def __init__(self, reason: BadReason, detail: str = "") -> None:
        """Keep reason and detail."""
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class Message(NamedTuple):
    """One message: the command in upper case, the parameters with keys in upper case."""

    command: str
    params: dict[str, str]


class Framer:
    """Cuts a byte stream into messages (protocol A1).

    Bytes go in by `feed`, messages come out one at a time by `next`, so that a session can
    stop in the middle of what was received and go on later.
    """

    __slots__ = ("_lines", "_max", "_skipping", "_tail")

    def __init__(self, max_line: int) -> None:
        """Bound a message to max_line bytes, its line feed not counted."""
        self._max = max_line
        self._lines: list[bytes] = []
        """Whole lines, the next one last."""
        self._tail = b""
        self._skipping = False

    @property
    def pending(self) -> bool:
        """Whole lines wait to be taken by `next`."""
        return bool(self._lines)

    @property
    def start(self) -> bytes:
        """The first line that waits, or what has come of it."""
        return self._lines[-1] if self._lines else self._tail

    def take_canonical(self, data: bytes) -> list[str]:
        """Take received bytes; return their messages at once where all are canonical lines.

        Each comes without its ` | END`. Otherwise returns nothing, and all waits for `next`.
        The caller must still look for a bar in what it takes for a value.
        """
        end = 0 if self._lines or self._skipping else data.rfind(b"\n") + 1
        if not end:
            self.feed(data)
            return []
        whole = self._tail + data[:end]
        items = split_canonical(whole)
        if not items or (
            len(whole) > self._max and len(max(items, key=len)) + len(END) > self._max
        ):
            self.feed(data)
            return []
        self._tail = b""
        if end < len(data):
            self.feed(data[end:])
        return items

    def feed(self, data: bytes) -> None:
        """Take received bytes."""
        *lines, tail = (self._tail + data).split(b"\n")
        if lines and self._skipping:
            del lines[0]
            self._skipping = False
        if self._skipping:
            tail = b""
        ends = [found.end() for found in _END_START.finditer(tail)]
        if _TAIL_END.search(tail):
            ends.append(len(tail))
        if ends:
            lines.append(tail[: ends[-1]])
            tail = tail[ends[-1] :]
            self._skipping = self._is_any_long(0, *ends)
        if not self._skipping and len(tail.removesuffix(b"\r")) > self._max:
            lines.append(tail)
            self._skipping = True
        self._tail = b"" if self._skipping else tail
        self._lines[:0] = reversed(lines)

    def _is_any_long(self, *ends: int) -> bool:
        return any(end - start > self._max for start, end in pairwise(ends))

    def give_back(self, items: list[str]) -> None:
        """Let messages of `take_canonical` wait for `next`, in front of all others."""
        self._lines.extend(f"{item}{END}".encode("ascii") for item in reversed(items))

    def next(self) -> Message | None:
        """Return the next message, None where there is no whole one.

        Raises Refusal (malformed, too-long) for a line that is none; call again to go on.
        """
        while self._lines:
            line, rest = self._lines.pop(), b""
            if found := _END_START.search(line):
                line, rest = line[: found.end()], line[found.end() :]
            line = line.removesuffix(b"\r")
            if len(line) > self._max:
                raise Refusal(
                    BadReason.TOO_LONG, f"a line has at most {self._max} bytes"
                )
            if rest:
                self._lines.append(rest)
            if line.strip():
                return parse(line)
        return None


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
            raise Refusal(BadReason.MALFORMED, f"{key} is given twice")
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


def is_http(first_line: bytes) -> bool:
    """Tell whether a connection's first line, or its beginning, is an HTTP request."""
    return _HTTP.match(first_line) is not None


def encode_message(command: str, params: Mapping[str, str] | None = None) -> bytes:
    """Write one message in the spaced form with its line feed; values must be in wire form."""
    middle = "".join(f" | {key}={value}" for key, value in (params or {}).items())
    return f"START | COMMAND={command}{middle} | END\n".encode("ascii")


def message_head(device_id: str) -> str:
    """Write the beginning of a MSG from a device, up to its value."""
    return f"START | COMMAND=MSG | DEVICE={device_id} | VALUE="


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


def is_variable_name(name: str) -> bool:
    """Tell whether name can be a variable's (protocol A5)."""
    return (
        0 < len(name) <= MAX_VARIABLE
        and _is_plain(name)
        and "+" not in name
        and "#" not in name
        and "" not in name.split("/")
    )


def is_device_id(device_id: str) -> bool:
    """Tell whether device_id can be a client's (protocol A5): reserved ones can't."""
    return (
        0 < len(device_id) <= MAX_DEVICE
        and _is_plain(device_id)
        and not set("+#/") & set(device_id)
        and device_id.lower() not in RESERVED_DEVICES
    )


def _is_plain(name: str) -> bool:
    return (
        name.isascii()
        and name.isprintable()
        and "|" not in name
        and "\\" not in name
        and name[0] != " " != name[-1]
    )


def is_filter(text: str) -> bool:
    """Tell whether text is a variable's name or a filter over names (protocol B3)."""
    if not 0 < len(text) <= MAX_VARIABLE or not _is_plain(text):
        return False
    *above, last = text.split("/")
    return all(_is_level(level) for level in above) and (last == "#" or _is_level(last))


def _is_level(level: str) -> bool:
    return level == "+" or (level != "" and "+" not in level and "#" not in level)


def check_variable_name(name: str) -> None:
    """Raise Refusal (bad-name) where name can't be a variable's."""
    if not is_variable_name(name):
        raise Refusal(
            BadReason.BAD_NAME,
            f"a variable's name has 1 to {MAX_VARIABLE} characters, none of | + # \\,"
            " no space at its ends and nothing empty between slashes",
        )


def check_filter(text: str) -> None:
    """Raise Refusal (bad-name) where text is neither a variable's name nor a filter."""
    if not is_filter(text):
        raise Refusal(
            BadReason.BAD_NAME,
            "in a filter + stands for one level and # at the end for all below,"
            " each alone between slashes",
        )


def check_device_id(device_id: str) -> None:
    """Raise Refusal (bad-name) where device_id can't be a client's."""
    if not is_device_id(device_id):
        raise Refusal(
            BadReason.BAD_NAME,
            f"an ID has 1 to {MAX_DEVICE} characters, none of / | + # \\, no space at"
            " its ends, and is neither homeassistant nor *",
        )


def no_such_variable(name: str) -> Refusal:
    """Return the refusal for a variable that does not exist."""
    return Refusal(BadReason.NO_SUCH_VARIABLE, f"{name} has no value")


def is_wildcard(text: str) -> bool:
    """Tell whether a valid filter can match more than the name that it spells."""
    return "+" in text or "#" in text


def filter_matches(text: str, name: str) -> bool:
    """Tell whether a filter matches a name (protocol B3): linear in their lengths."""
    if name.startswith("$") and text[0] in "+#":
        return False
    levels = name.split("/")
    wanted = text.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        if len(levels) < len(wanted):
            return False
        levels = levels[: len(wanted)]
    return len(levels) == len(wanted) and all(
        want in ("+", level) for want, level in zip(wanted, levels, strict=True)
    )


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
