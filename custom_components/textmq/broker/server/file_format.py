"""The text of a variable's file and its name: read leniently, written strictly (protocol A6)."""

from collections.abc import Iterable, Iterator, Mapping
import hashlib
import re
from typing import Final, NamedTuple, Self

from ..core.variables import SYSTEM, Variable
from ..protocol import names, wire
from ..protocol.definitions import Definition, Rules
from ..protocol.framing import Framer
from ..protocol.reasons import BadReason, Refusal

SUFFIX: Final = ".txt"
MAX_FILE_NAME: Final = 120
"""Characters of a file's name before its suffixes: encrypted file systems take 143 bytes in all."""
EARLIER_MAX_FILE_NAMES: Final = (200,)
"""What it was before: files with such names are read, and renamed when they are saved."""
MAX_FILE: Final = 1 << 18
"""Bytes: no file of ours is as large."""

_DIGEST: Final = 32
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_PADDING: Final = b"\0 \t"
_LINE_ENDS: Final = re.compile(rb"[\r\n]+")
_KEPT: Final = re.compile(r"[^a-z0-9_.-]")
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)")


class Snapshot(NamedTuple):
    """What a variable's file is to hold, taken in one moment; nothing where the variable is gone."""

    name: str
    value: str | None = None
    time: float = 0
    device: str = ""
    owner: str = ""
    definition: Definition | None = None

    @classmethod
    def take(cls, name: str, variable: Variable | None) -> Self:
        """Take the snapshot of a variable, None for one that is gone."""
        if variable is None:
            return cls(name)
        return cls(
            name,
            variable.value,
            variable.time,
            variable.device,
            variable.owner,
            variable.definition,
        )

    @property
    def is_empty(self) -> bool:
        """There is nothing to be kept in a file."""
        return self.value is None and self.definition is None


class OversizedError(ValueError):
    """A file is whole, but a client could not have sent what it holds."""


def file_name(name: str, longest: int = MAX_FILE_NAME) -> str:
    """Return the name of a variable's file: safe and distinct on every file system.

    Capital letters are encoded too, for file systems that do not tell them apart. A name of
    more than longest characters is shortened and made unique.
    """
    safe = _KEPT.sub(lambda found: f"%{ord(found.group()):02X}", name)
    if safe.startswith(".") or _RESERVED.match(safe):
        safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    if len(safe) > longest:
        digest = hashlib.sha256(name.encode("ascii")).hexdigest()[:_DIGEST]
        safe = f"{safe[: longest - _DIGEST - 8]}~{digest}"
    return safe + SUFFIX


def earlier_file_names(name: str) -> set[str]:
    """Return the names that a variable's file had by earlier rules, where they differ."""
    earlier = {file_name(name, longest) for longest in EARLIER_MAX_FILE_NAMES}
    return earlier - {file_name(name)}


def dump(snapshot: Snapshot) -> bytes:
    """Write the content of a variable's file: the last publish, then the description.

    Raises ValueError or OverflowError for a time that can't be written.
    """
    name, value, time, device, owner, definition = snapshot
    by = {"DEVICE": device} | ({} if owner == device else {"OWNER": owner})
    content = b""
    if value is not None:
        publish = {"VARIABLE": name, "VALUE": value, "TIME": wire.encode_time(time)}
        content += wire.encode_message("PUB", publish | by)
    if definition is not None:
        params = {"VARIABLE": name} | dict(definition.params)
        content += wire.encode_message("DEF", params if content else params | by)
    return content


def load(content: bytes, rules: Rules, max_line: int) -> tuple[Variable, bool]:
    """Read a variable from the content of its file, and whether all of it was understood.

    A description that is not right, or not any more, is left out. Raises OversizedError where
    max_line bytes are too few for a client to have sent it, ValueError for a torn or foreign
    file.
    """
    messages = _messages(content)
    try:
        first = next(messages, None)
        if first is None or first.command not in ("PUB", "DEF"):
            raise ValueError("no value and no description")
        params = first.params
        variable = _load_variable(params)
        if first.command == "DEF":
            variable.definition = _load_definition(params, rules, max_line)
            return variable, next(messages, None) is None
        variable.value = params["VALUE"]
        variable.time = _load_time(params["TIME"])
        _check_length("PUB", params, ("VARIABLE", "VALUE"), max_line)
    except (Refusal, KeyError, OverflowError, OSError) as err:
        raise ValueError(str(err)) from err
    try:
        if (second := next(messages, None)) is not None:
            if second.params.get("VARIABLE") != variable.name:
                return variable, False
            variable.definition = _load_definition(second.params, rules, max_line)
        return variable, next(messages, None) is None
    except Refusal:
        return variable, False


def _messages(content: bytes) -> Iterator[wire.Message]:
    """Read the messages of a file as those of a client are read (protocol A1). Raises Refusal."""
    lines = _LINE_ENDS.split(content.strip(_PADDING).removeprefix(_BYTE_ORDER_MARK))
    framer = Framer(MAX_FILE)
    framer.feed(b"".join(line.strip(_PADDING) + b"\n" for line in lines))
    while (message := framer.next()) is not None:
        yield message


def _load_variable(params: Mapping[str, str]) -> Variable:
    """Make a variable with its name and publisher. Raises Refusal or KeyError."""
    name = params["VARIABLE"]
    # Slashes apart: a variable may be on file with more levels than a new one may have.
    names.check_variable_name(name.replace("/", "-"))
    if "" in name.split("/") or name.startswith(SYSTEM):
        raise Refusal(BadReason.BAD_NAME, f"{name} can't be stored")
    device = _load_device_id(params.get("DEVICE", ""))
    variable = Variable(name, _load_device_id(params.get("OWNER", device)))
    variable.device = device
    return variable


def _load_device_id(text: str) -> str:
    """Return the ID of a publisher; empty where it can't be one, which is no reason to lose a value."""
    is_known = names.is_device_id(text) or text == names.HOME_ASSISTANT
    return text if is_known else ""


def _load_time(text: str) -> float:
    """Read a time. Raises ValueError, OverflowError or OSError where it could not be written again."""
    time = wire.decode_time(text)
    wire.decode_time(wire.encode_time(time))
    return time


def _load_definition(
    params: Mapping[str, str], rules: Rules, max_line: int
) -> Definition:
    definition = Definition.parse(params, rules)
    _check_length("DEF", params, ("VARIABLE", *definition.params), max_line)
    return definition


def _check_length(
    command: str, params: Mapping[str, str], keys: Iterable[str], max_line: int
) -> None:
    """Raise OversizedError where even the shortest line of a client would be too long."""
    middle = "|".join(f"{key}={params[key]}" for key in keys)
    if len(f"START|COMMAND={command}|{middle}|END") > max_line:
        raise OversizedError(f"a line has at most {max_line} bytes")
