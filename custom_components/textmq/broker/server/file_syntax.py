"""What the contents of all files have in common: messages, read leniently and written strictly (protocol A6)."""

from collections.abc import Iterator, Mapping
import re
from typing import Final, NamedTuple

from ..protocol import names, wire
from ..protocol.framing import Framer
from ..protocol.reasons import Refusal

MAX_FILE: Final = 1 << 18
"""Bytes: no file of ours is as large."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_PADDING: Final = b"\0 \t"
_LINE_ENDS: Final = re.compile(rb"[\r\n]+")
_MAX_DIGITS: Final = 15
MAX_NUMBER: Final = 10**_MAX_DIGITS - 10**12
"""The largest number that is read: a larger one is none that this broker has counted to."""
_SHORTEST: Final = "START|COMMAND=|END"


class OversizedError(ValueError):
    """A file is whole, but a client could not have sent what it holds."""


class Loaded[T](NamedTuple):
    """What was read from a file."""

    content: T
    is_complete: bool
    """All of the file was understood."""
    rank: tuple[float, bool]
    """Of two files of one name, the one with the greater rank stays."""


def read_messages(content: bytes) -> Iterator[wire.Message]:
    """Read the messages of a file as those of a client are read (protocol A1). Raises Refusal."""
    lines = _LINE_ENDS.split(content.strip(_PADDING).removeprefix(_BYTE_ORDER_MARK))
    framer = Framer(MAX_FILE)
    framer.feed(b"".join(line.strip(_PADDING) + b"\n" for line in lines))
    while (message := framer.next()) is not None:
        yield message


def next_message(messages: Iterator[wire.Message]) -> wire.Message | None:
    """Take the next message. Raises ValueError for what is none."""
    try:
        return next(messages, None)
    except Refusal as refusal:
        raise ValueError(refusal.detail) from refusal


def first_message(messages: Iterator[wire.Message], *commands: str) -> wire.Message:
    """Take the first message, one of these commands. Raises ValueError."""
    message = next_message(messages)
    if message is None or message.command not in commands:
        raise ValueError(f"no {' and no '.join(commands)}")
    return message


def read(params: Mapping[str, str], key: str) -> str:
    """Return a parameter that must be there. Raises ValueError."""
    if key not in params:
        raise ValueError(f"no {key}")
    return params[key]


def read_time(text: str) -> float:
    """Read a time in seconds since 1970. Raises ValueError where it could not be written again."""
    try:
        time = wire.decode_time(text)
        wire.decode_time(wire.encode_time(time))
    except (OverflowError, OSError) as err:
        raise ValueError(str(err)) from err
    return time


def read_whole_number(text: str) -> int:
    """Read a number from 1 to MAX_NUMBER. Raises ValueError."""
    is_short = text.isdecimal() and len(text) <= _MAX_DIGITS
    if not (is_short and 0 < int(text) <= MAX_NUMBER):
        raise ValueError(f"not a whole number from 1 to {MAX_NUMBER}")
    return int(text)


def read_device_id(text: str) -> str:
    """Return an ID; empty where it can't be one, which is no reason to lose what came from it."""
    is_known = names.is_device_id(text) or text == names.HOME_ASSISTANT
    return text if is_known else ""


def check_stored_name(name: str) -> None:
    """Raise ValueError where name can't be that of a variable on file, or is the broker's own."""
    try:
        names.check_stored_name(name)
    except Refusal as refusal:
        raise ValueError(refusal.detail) from refusal
    if name.startswith("$"):
        raise ValueError(f"{name} can't be stored")


def check_length(command: str, params: Mapping[str, str], max_line: int) -> None:
    """Raise OversizedError where even the shortest line of a client would be too long."""
    length = len(_SHORTEST) + len(command)
    length += sum(len(key) + len(value) + 2 for key, value in params.items())
    if length > max_line:
        raise OversizedError(f"a line has at most {max_line} bytes")
