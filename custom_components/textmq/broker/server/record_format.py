"""The texts of the files of devices, of messages that wait, and of the time of the last save (protocol A6)."""

from collections.abc import Iterator
import math
from typing import Final

from ..core.stored import (
    CLOCK,
    DEVICE_PREFIX,
    StoredClock,
    StoredDevice,
    StoredMessage,
    StoredWill,
)
from ..protocol import names, wire
from .file_names import SUFFIX
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

_RUNNING: Final = "RUNNING"
_STOPPED: Final = "STOPPED"


# Devices


def dump_device(device: StoredDevice) -> bytes:
    """Write the content of a device's file: its presence, and its will if it has one.

    Raises ValueError or OverflowError for a time that can't be written.
    """
    presence = {"VARIABLE": device.name, "VALUE": device.presence}
    presence |= {"TIME": wire.encode_time(device.time)}
    presence |= {"RECEIPTS": str(device.receipts)} if device.receipts else {}
    content = wire.encode_message("PUB", presence)
    if (will := device.will) is not None:
        params = {"VARIABLE": will.variable, "VALUE": will.value}
        params |= {} if will.retain else {"RETAIN": "NO"}
        content += wire.encode_message("WILL", params)
    return content


def load_device(content: bytes, max_line: int) -> Loaded[StoredDevice]:
    """Read a device from the content of its file; a will that is not right is left out.

    Raises ValueError for a torn or foreign file.
    """
    messages = read_messages(content)
    params = first_message(messages, "PUB").params
    name = read(params, "VARIABLE")
    device_id = name.removeprefix(DEVICE_PREFIX)
    if name == device_id or not names.is_device_id(device_id):
        raise ValueError("not a device")
    device = StoredDevice(
        device_id,
        read(params, "VALUE"),
        read_time(read(params, "TIME")),
        # Where it can't be read, numbers would be used a second time.
        read_whole_number(params["RECEIPTS"]) if "RECEIPTS" in params else 0,
    )
    try:
        device = device._replace(will=_load_will(messages, max_line))
        is_complete = next_message(messages) is None
    except ValueError:
        is_complete = False
    return Loaded(device, is_complete, (device.time, True))


def _load_will(messages: Iterator[wire.Message], max_line: int) -> StoredWill | None:
    """Read a device's will. Raises ValueError."""
    message = next_message(messages)
    if message is None:
        return None
    params = message.params
    if message.command != "WILL":
        raise ValueError("not a will")
    variable, value = read(params, "VARIABLE"), read(params, "VALUE")
    check_stored_name(variable)
    check_length("WILL", {"VARIABLE": variable, "VALUE": value}, max_line)
    return StoredWill(variable, value, params.get("RETAIN", "").upper() != "NO")


# Messages


def dump_message(message: StoredMessage) -> bytes:
    """Write the content of a message's file.

    Raises ValueError or OverflowError for a time that can't be written.
    """
    params = {
        "DEVICE": message.device,
        "SENDER": message.sender,
        "VALUE": message.value,
        "UNTIL": wire.encode_time(message.until),
        "TTL": f"{message.ttl:.15g}",
    }
    params |= {"RECEIPT": str(message.receipt)} if message.receipt else {}
    params |= {"RE": message.re} if message.re else {}
    return wire.encode_message("MSG", params)


def load_message(content: bytes, file: str, max_line: int) -> Loaded[StoredMessage]:
    """Read a message from the content of its file, whose name is its number.

    Raises OversizedError where max_line bytes are too few for a client to have sent it,
    ValueError for a torn or foreign file.
    """
    messages = read_messages(content)
    params = first_message(messages, "MSG").params
    device = read_device_id(read(params, "DEVICE"))
    if not device:
        raise ValueError("no device")
    ttl = float(read(params, "TTL"))
    if not 0 < ttl < math.inf:
        raise ValueError("no time")
    re = params.get("RE", "")
    message = StoredMessage(
        read_whole_number(file.removesuffix(SUFFIX)),
        device,
        read_device_id(read(params, "SENDER")),
        read(params, "VALUE"),
        read_time(read(params, "UNTIL")),
        ttl,
        # Where it can't be read, the device would take the message for another one.
        read_whole_number(params["RECEIPT"]) if "RECEIPT" in params else 0,
        re if names.is_token(re) else "",
    )
    check_length("MSG", {"DEVICE": device, "VALUE": message.value}, max_line)
    try:
        is_complete = next_message(messages) is None and re == message.re
    except ValueError:
        is_complete = False
    # Of two messages of one number none is newer: the one whose file was not put aside stays.
    return Loaded(message, is_complete, (0, True))


# The time of the last save


def dump_clock(clock: StoredClock) -> bytes:
    """Write when the broker saves. Raises ValueError or OverflowError for a time that can't be written."""
    params = {"VARIABLE": CLOCK, "VALUE": _STOPPED if clock.stopped else _RUNNING}
    return wire.encode_message("PUB", params | {"TIME": wire.encode_time(clock.time)})


def load_clock(content: bytes) -> StoredClock:
    """Read when the broker saved last. Raises ValueError for a torn or foreign file."""
    params = first_message(read_messages(content), "PUB").params
    word = read(params, "VALUE").upper()
    if read(params, "VARIABLE") != CLOCK or word not in (_RUNNING, _STOPPED):
        raise ValueError("not the time of the last save")
    return StoredClock(read_time(read(params, "TIME")), word == _STOPPED)
