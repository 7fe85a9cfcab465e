"""Section A5: names of variables and devices, and the text of values."""

from typing import Any

import pytest

from custom_components.textmq.broker.protocol import names
from custom_components.textmq.broker.protocol.reasons import BadReason, Refusal

from .client import Client, message
from .conftest import Connect
from .process import BrokerProcess
from .reference import VECTORS

DEVICE_NAMES = [
    "x",
    "a b",
    "x" * 64,
    "garden.1",
    "a=b",
    "~",
    "Home Assistant",
    "homeassistant2",
]
BAD_DEVICE_NAMES = [
    "",
    "x" * 65,
    "x" * 4000,
    "a/b",
    "../x",
    "a+b",
    "a#",
    "a\\b",
    "*",
    "homeassistant",
    "HomeAssistant",
    "HOMEASSISTANT",
]


@pytest.mark.parametrize(
    "case", VECTORS["variable_name_valid"], ids=lambda case: case["name"][:40]
)
def test_variable_names(client: Client, case: dict[str, Any]) -> None:
    """Names that the vectors call valid can be used; the others are refused, by every command."""
    variable = case["name"]
    if not case["valid"]:
        client.bad("bad-name", "PUB", VARIABLE=variable, VALUE="1")
        client.bad("bad-name", "DEL", VARIABLE=variable)
        client.bad("bad-name", "WILL", VARIABLE=variable, VALUE="1")
        client.bad("bad-name", "DEF", VARIABLE=variable, TYPE="sensor")
    elif variable.startswith("$"):
        client.bad("read-only", "PUB", VARIABLE=variable, VALUE="1")
        assert client.get(variable) is not None
    else:
        client.ok("SUB", VARIABLE=variable, REPLAY="NO")
        client.ok("PUB", VARIABLE=variable, VALUE="1")
        assert client.fence() == [message("SUB", VARIABLE=variable, VALUE="1")]
        client.ok("DEL", VARIABLE=variable)
        assert client.fence() == [message("DEL", VARIABLE=variable)]


@pytest.mark.parametrize("levels", [16, 17, 128])
def test_levels(client: Client, levels: int) -> None:
    """A name or filter has at most 16 levels; the answer says so."""
    variable = "/".join("l" * levels)
    if levels == names.MAX_LEVELS:
        client.ok("PUB", VARIABLE=variable, VALUE="1")
        client.ok("SUB", VARIABLE=f"{variable[:-2]}/+", REPLAY="NO")
        client.ok("SUB", VARIABLE=f"{variable[:-2]}/#", REPLAY="NO")
        client.ok("DEL", VARIABLE=variable)
        return
    for refused in (
        client.bad("bad-name", "PUB", VARIABLE=variable, VALUE="1"),
        client.bad("bad-name", "SUB", VARIABLE=variable),
        client.bad("bad-name", "SUB", VARIABLE=f"{variable[:-2]}/+"),
        client.bad("bad-name", "GET", VARIABLE=f"{variable[:-2]}/#"),
    ):
        assert refused["DETAIL"] == "a name or filter has at most 16 levels"


@pytest.mark.parametrize("levels", [1, 16, 17, 128])
def test_names_on_file_may_have_more_levels(levels: int) -> None:
    """What was stored before there was a bound is a name; what never was one is refused for that."""
    names.check_stored_name("/".join("l" * levels))
    assert names.is_filter("/".join("+" * levels), names.MAX_STORED_LEVELS)
    for other in ("", "/".join("l" * levels) + "/", "+/" * levels + "l", "é"):
        with pytest.raises(Refusal) as refused:
            names.check_stored_name(other)
        assert refused.value.reason is BadReason.BAD_NAME
        assert "16" not in refused.value.detail


@pytest.mark.parametrize(
    "letter", [chr(code) for code in range(0x20, 0x7F) if chr(code) != "|"]
)
def test_every_character_in_a_name(client: Client, name: str, letter: str) -> None:
    """Every printable character but `|`, `+`, `#` and a backslash may stand inside a name."""
    variable = f"{name}{letter}z"
    if letter in "+#\\":
        client.bad("bad-name", "PUB", VARIABLE=variable, VALUE="1")
    else:
        client.ok("PUB", VARIABLE=variable, VALUE="1")
        stored = client.get(variable)
        assert stored is not None
        assert stored["VARIABLE"] == variable


@pytest.mark.parametrize(
    "variable", ["$", "$x", "$SYS", "$SYS/clients", "$SYS/mine", "$sys/a/b"]
)
def test_names_of_the_broker_are_read_only(client: Client, variable: str) -> None:
    """No client can write, delete, leave a will on, or describe a name that begins with `$`."""
    client.bad("read-only", "PUB", VARIABLE=variable, VALUE="1")
    client.bad("read-only", "PUB", VARIABLE=variable, VALUE="1", RETAIN="NO")
    client.bad("read-only", "DEL", VARIABLE=variable)
    client.bad("read-only", "WILL", VARIABLE=variable, VALUE="1")
    client.bad("read-only", "DEF", VARIABLE=variable, TYPE="sensor")


def test_a_dollar_inside_a_name_is_a_letter(client: Client, name: str) -> None:
    """Only a leading `$` is the broker's."""
    client.ok("PUB", VARIABLE=f"{name}/$SYS", VALUE="1")


@pytest.mark.parametrize("device", DEVICE_NAMES)
def test_device_names(
    open_broker: BrokerProcess, connect: Connect, client: Client, device: str
) -> None:
    """Valid device IDs are taken and can be written to."""
    receiver = connect(open_broker, device)
    client.ok("MSG", DEVICE=device, VALUE="1")
    assert receiver.fence() == [message("MSG", DEVICE="", VALUE="1")]


@pytest.mark.parametrize("device", BAD_DEVICE_NAMES, ids=lambda device: device[:20])
def test_bad_device_names(client: Client, name: str, device: str) -> None:
    """IDs that are invalid or reserved are refused; the client may give a better one."""
    client.bad("bad-name", "ID", ID=device)
    client.ok("ID", ID=name)


@pytest.mark.parametrize(
    "device", ["", "a/b", "x" * 65, "a#"], ids=lambda device: device[:20]
)
def test_bad_device_names_of_messages(client: Client, device: str) -> None:
    """A MSG to what can't be a device ID is refused."""
    client.bad("bad-name", "MSG", DEVICE=device, VALUE="1")


@pytest.mark.parametrize(
    "case", VECTORS["decode_value"], ids=lambda case: case["raw"] or "empty"
)
def test_values_are_forwarded_as_they_came(
    client: Client, other: Client, name: str, case: dict[str, str]
) -> None:
    """The broker never decodes or re-encodes an escape: live, stored and in messages."""
    other.ok("SUB", VARIABLE=name)
    for _ in ("made", "written again"):
        client.ok("PUB", VARIABLE=name, VALUE=case["raw"])
        assert other.fence() == [message("SUB", VARIABLE=name, VALUE=case["raw"])]
    stored = client.get(name)
    assert stored is not None
    assert stored["VALUE"] == case["raw"]
    other.ok("ID", ID=name)
    client.ok("MSG", DEVICE=name, VALUE=case["raw"])
    assert other.fence() == [message("MSG", DEVICE="", VALUE=case["raw"])]


def test_escapes_make_no_second_message(
    client: Client, other: Client, name: str
) -> None:
    """An escaped line feed and an escaped bar stay text in another client's stream."""
    smuggled = f"1\\u007c END\\nSTART \\u007c COMMAND=PUB \\u007c VARIABLE={name}/x"
    other.ok("SUB", VARIABLE=f"{name}/#")
    client.ok("PUB", VARIABLE=f"{name}/v", VALUE=smuggled)
    assert other.fence() == [message("SUB", VARIABLE=f"{name}/v", VALUE=smuggled)]


@pytest.mark.parametrize(
    "value",
    [
        "nan",
        "inf",
        "1e999",
        "0x10",
        "-0",
        "<img src=x onerror=alert(1)>",
        "{{ states('sun.sun') }}",
        "%s%n",
        "x" * 300,
    ],
)
def test_values_are_text(client: Client, name: str, value: str) -> None:
    """The broker does not look into a value."""
    client.ok("PUB", VARIABLE=name, VALUE=value)
    stored = client.get(name)
    assert stored is not None
    assert stored["VALUE"] == value
