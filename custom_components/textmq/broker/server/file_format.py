"""The text of a variable's file: its last publish, its description, and the set that belongs to (protocol A6)."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, Self

from ..core.variables import Variable, may_own
from ..protocol import names, wire
from ..protocol.definitions import Definition, Rules
from ..protocol.reasons import Refusal
from .file_syntax import (
    Loaded,
    check_length,
    check_stored_name,
    first_message,
    next_message,
    read,
    read_device_id,
    read_messages,
    read_time,
    read_whole_number,
)

_NOT_DESCRIBING: Final = frozenset({"VARIABLE", "DEVICE", "OWNER"})
"""Parameters of a DEF that are no part of the description."""


class Snapshot(NamedTuple):
    """What a variable's file is to hold, taken in one moment."""

    name: str
    value: str | None
    time: float
    device: str
    account: str
    will: bool
    definition: Definition | None
    described_by: str
    set_token: str
    set_count: int
    set_rules: str

    @classmethod
    def take(cls, variable: Variable | None) -> Self | None:
        """Take the snapshot of a variable; None where there is nothing to be kept in a file."""
        if variable is None or variable.is_new:
            return None
        return cls(
            variable.name,
            variable.value,
            variable.time,
            variable.device,
            variable.account,
            variable.will,
            variable.definition,
            variable.described_by,
            variable.set_token,
            variable.set_count,
            variable.set_rules,
        )


def dump_variable(snapshot: Snapshot) -> bytes:
    """Write the content of a variable's file.

    Raises ValueError or OverflowError for a time that can't be written.
    """
    name, account, by = snapshot.name, snapshot.account, snapshot.described_by
    content = b""
    if snapshot.value is not None:
        publish = {"VARIABLE": name, "VALUE": snapshot.value}
        publish |= {"TIME": wire.encode_time(snapshot.time), "DEVICE": snapshot.device}
        publish |= {} if account == snapshot.device else {"OWNER": account}
        publish |= {"WILL": "YES"} if snapshot.will else {}
        content += wire.encode_message("PUB", publish)
    if snapshot.definition is not None:
        params = {"VARIABLE": name} | dict(snapshot.definition.params)
        if not content:
            params |= {"DEVICE": by} | ({} if account == by else {"OWNER": account})
        elif by != account:
            params["DEVICE"] = by
        content += wire.encode_message("DEF", params)
        if snapshot.set_token:
            belongs = {
                "TOKEN": snapshot.set_token,
                "COUNT": str(snapshot.set_count),
                "RULES": snapshot.set_rules,
            }
            content += wire.encode_message("DEFS", belongs)
    return content


def load_variable(content: bytes, rules: Rules, max_line: int) -> Loaded[Variable]:
    """Read a variable from the content of its file.

    A description that is not right, or not any more, is left out, and so is a set that can't be
    read. Raises OversizedError where max_line bytes are too few for a client to have sent it,
    ValueError for a torn or foreign file.
    """
    messages = read_messages(content)
    first = first_message(messages, "PUB", "DEF")
    params = first.params
    check_stored_name(read(params, "VARIABLE"))
    device = read_device_id(params.get("DEVICE", ""))
    account = read_device_id(params.get("OWNER", device))
    variable = Variable(params["VARIABLE"], account)
    if first.command == "DEF":
        try:
            _load_definition(params, variable, device, rules, max_line)
        except Refusal as refusal:
            raise ValueError(refusal.detail) from refusal
        is_complete = _load_set(messages, variable)
        return Loaded(variable, is_complete, (variable.time, False))
    variable.value = read(params, "VALUE")
    variable.time = read_time(read(params, "TIME"))
    variable.device = device
    variable.will = params.get("WILL", "").upper() == "YES"
    check_length("PUB", {key: params[key] for key in ("VARIABLE", "VALUE")}, max_line)
    is_complete = _load_rest(messages, variable, rules, max_line)
    if not may_own(variable.described_by) and may_own(device):
        # An earlier version wrote who made it.
        variable.account = device
    return Loaded(variable, is_complete, (variable.time, True))


def _load_rest(
    messages: Iterator[wire.Message], variable: Variable, rules: Rules, max_line: int
) -> bool:
    """Read what follows a value; returns whether all of it was understood. Raises OversizedError."""
    try:
        second = next(messages, None)
        if second is None:
            return True
        params = second.params
        if second.command != "DEF" or params.get("VARIABLE") != variable.name:
            return False
        by = read_device_id(params.get("DEVICE", variable.account))
        _load_definition(params, variable, by, rules, max_line)
    except Refusal:
        return False
    return _load_set(messages, variable)


def _load_definition(
    params: Mapping[str, str],
    variable: Variable,
    described_by: str,
    rules: Rules,
    max_line: int,
) -> None:
    """Read a description. Raises Refusal (bad-definition) or OversizedError."""
    given = {key: params[key] for key in params if key not in _NOT_DESCRIBING}
    definition = Definition.parse(given, rules, variable.name)
    told = {"VARIABLE": variable.name} | dict(definition.params)
    check_length("DEF", told, max_line)
    variable.definition, variable.described_by = definition, described_by


def _load_set(messages: Iterator[wire.Message], variable: Variable) -> bool:
    """Read the set that a description belongs to; returns whether all was understood."""
    try:
        third = next_message(messages)
        if third is None:
            return True
        if third.command != "DEFS":
            return False
        token, rules = read(third.params, "TOKEN"), read(third.params, "RULES")
        count = read_whole_number(read(third.params, "COUNT"))
        if not (names.is_token(token) and rules):
            return False
        is_complete = next_message(messages) is None
    except ValueError:
        return False
    if is_complete:
        variable.set_token, variable.set_count, variable.set_rules = token, count, rules
    return is_complete
