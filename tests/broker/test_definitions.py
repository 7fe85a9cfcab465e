"""Section B6: descriptions of variables."""

import pytest

from .client import Client, line, message
from .conftest import Connect
from .process import BrokerProcess

TEMPERATURE = {
    "TYPE": "sensor",
    "NAME": "Kitchen temperature",
    "UNIT": "\\u00b0C",
    "CLASS": "temperature",
    "STATE": "measurement",
    "PRECISION": "1",
    "ICON": "mdi:thermometer",
    "EXPIRE": "300",
}

GOOD = [
    TEMPERATURE,
    {"TYPE": "sensor"},
    {"TYPE": "sensor", "CATEGORY": "diagnostic", "HIDDEN": "YES"},
    {"TYPE": "sensor", "UNIT": "bananas"},
    {"TYPE": "sensor", "CLASS": "enum", "OPTIONS": "red,green,blue"},
    {"TYPE": "sensor", "CLASS": "energy", "UNIT": "kWh", "STATE": "total_increasing"},
    {"TYPE": "binary_sensor", "CLASS": "motion"},
    {"TYPE": "switch", "NAME": "Pump", "SET": "pump/command"},
    {"TYPE": "switch", "CLASS": "outlet"},
    {"TYPE": "number", "MIN": "0", "MAX": "10", "STEP": "0.5", "MODE": "slider"},
    {"TYPE": "number", "MIN": "-5.5", "MAX": "-5.5"},
    {"TYPE": "select", "OPTIONS": "eco,comfort,off"},
    {"TYPE": "text", "MIN": "0", "MAX": "20"},
    {"TYPE": "button", "CATEGORY": "config", "CLASS": "restart"},
    {"TYPE": "event", "OPTIONS": "single,double", "CLASS": "button"},
    {"TYPE": "event", "OPTIONS": "hold,ring", "CLASS": "doorbell"},
    {"TYPE": "light"},
    {"TYPE": "cover", "CLASS": "shutter"},
    {"TYPE": "fan"},
    {"TYPE": "lock"},
    {"TYPE": "valve", "CLASS": "water"},
    {"TYPE": "climate"},
    {"TYPE": "sensor", "COLOUR": "unknown keys are passed over"},
]

BAD = [
    ({"TYPE": "toaster"}, "sensor"),
    ({"TYPE": ""}, "sensor"),
    ({"TYPE": "sensor", "CLASS": "temperature", "UNIT": "kg"}, "\\u00b0C"),
    ({"TYPE": "sensor", "CLASS": "bananas"}, "temperature"),
    ({"TYPE": "binary_sensor", "CLASS": "temperature"}, "motion"),
    ({"TYPE": "sensor", "STATE": "sometimes"}, "measurement"),
    ({"TYPE": "sensor", "CATEGORY": "secret"}, "diagnostic"),
    ({"TYPE": "sensor", "PRECISION": "high"}, "PRECISION"),
    ({"TYPE": "sensor", "PRECISION": "-1"}, "PRECISION"),
    ({"TYPE": "sensor", "EXPIRE": "soon"}, "EXPIRE"),
    ({"TYPE": "sensor", "EXPIRE": "-1"}, "EXPIRE"),
    ({"TYPE": "number", "MIN": "10", "MAX": "0"}, "MIN"),
    ({"TYPE": "number", "MIN": "low"}, "MIN"),
    ({"TYPE": "number", "MAX": "nan"}, "MAX"),
    ({"TYPE": "number", "STEP": "0"}, "STEP"),
    ({"TYPE": "number", "STEP": "-1"}, "STEP"),
    ({"TYPE": "number", "MODE": "dial"}, "slider"),
    ({"TYPE": "sensor", "MODE": "slider"}, "text"),
    ({"TYPE": "select"}, "OPTIONS"),
    ({"TYPE": "event", "OPTIONS": "press", "CLASS": "doorbell"}, "ring"),
    ({"TYPE": "event", "CLASS": "doorbell"}, "OPTIONS"),
    ({"TYPE": "switch", "SET": "a/#"}, "SET"),
    ({"TYPE": "switch", "SET": "$SYS/x"}, "SET"),
    ({"TYPE": "sensor", "STATE": "\\n\\u007c END\\nSTART"}, "measurement"),
    ({"TYPE": "x" * 3900}, "sensor"),
    ({"TYPE": "sensor", "CLASS": "temperature_" * 300}, "temperature"),
    ({"TYPE": "sensor", "CLASS": "temperature", "UNIT": "C" * 3800}, "\\u00b0C"),
    ({"TYPE": "number", "MIN": "9" * 3900}, "MIN"),
]


@pytest.mark.parametrize("definition", GOOD, ids=str)
def test_definitions(
    client: Client, other: Client, name: str, definition: dict[str, str]
) -> None:
    """A definition that can be right is OK and reaches who asked for it."""
    other.ok("SUB", VARIABLE=name, DEF="YES")
    client.ok("DEF", VARIABLE=name, **definition)
    told = {key: value for key, value in definition.items() if key != "COLOUR"}
    assert other.fence() == [message("DEF", VARIABLE=name, **told)]


@pytest.mark.parametrize(("definition", "hint"), BAD, ids=lambda part: str(part)[:60])
def test_bad_definitions(
    client: Client, other: Client, name: str, definition: dict[str, str], hint: str
) -> None:
    """A definition that can't be right is BAD; DETAIL names what would be."""
    other.ok("SUB", VARIABLE=name, DEF="YES")
    answered = client.bad("bad-definition", "DEF", VARIABLE=name, **definition)
    assert hint in answered["DETAIL"]
    assert len(answered["DETAIL"]) < 2048
    assert other.fence() == []


def test_a_bad_definition_leaves_the_good_one(
    client: Client, other: Client, name: str
) -> None:
    """What is refused changes nothing."""
    client.ok("DEF", VARIABLE=name, TYPE="sensor", NAME="Good")
    client.bad("bad-definition", "DEF", VARIABLE=name, TYPE="toaster")
    other.ok("SUB", VARIABLE=name, DEF="YES")
    assert other.fence() == [message("DEF", VARIABLE=name, TYPE="sensor", NAME="Good")]


def test_only_who_asked_gets_definitions(
    client: Client, other: Client, name: str
) -> None:
    """Subscribers without DEF=YES, and readers, get values only."""
    other.ok("SUB", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="1")
    client.ok("DEF", VARIABLE=name, **TEMPERATURE)
    assert other.fence() == [message("SUB", VARIABLE=name, VALUE="1")]
    other.ok("GET", VARIABLE=name)
    assert [received.command for received in other.fence()] == ["SUB"]


def test_def_yes_brings_the_definition_of_now(
    client: Client, other: Client, name: str
) -> None:
    """SUB with DEF=YES brings the definition before the value, both after OK."""
    client.ok("PUB", VARIABLE=name, VALUE="21.5")
    client.ok("DEF", VARIABLE=name, **TEMPERATURE)
    other.send("SUB", VARIABLE=name, DEF="YES")
    other.expect("OK")
    other.expect("DEF", VARIABLE=name, **TEMPERATURE)
    other.expect("SUB", VARIABLE=name, VALUE="21.5", TIME=...)


def test_def_yes_with_a_filter(client: Client, other: Client, name: str) -> None:
    """Filters take DEF=YES too, for variables described now and later."""
    client.ok("DEF", VARIABLE=f"{name}/a", TYPE="switch")
    other.ok("SUB", VARIABLE=f"{name}/+", DEF="YES")
    client.ok("DEF", VARIABLE=f"{name}/b", TYPE="sensor")
    assert other.fence() == [
        message("DEF", VARIABLE=f"{name}/a", TYPE="switch"),
        message("DEF", VARIABLE=f"{name}/b", TYPE="sensor"),
    ]


def test_def_yes_of_one_subscription_is_enough(
    client: Client, other: Client, name: str
) -> None:
    """Where several subscriptions match, one that asked for definitions brings them, once."""
    other.ok("SUB", VARIABLE=f"{name}/a", DEF="YES")
    other.ok("SUB", VARIABLE=f"{name}/+")
    other.ok("SUB", VARIABLE=f"{name}/#", DEF="YES")
    client.ok("DEF", VARIABLE=f"{name}/a", TYPE="switch")
    assert other.fence() == [message("DEF", VARIABLE=f"{name}/a", TYPE="switch")]
    other.ok("SUB", VARIABLE=f"{name}/#")
    other.ok("SUB", VARIABLE=f"{name}/a", DEF="NO")
    client.ok("DEF", VARIABLE=f"{name}/a", TYPE="sensor")
    assert other.fence() == []


def test_def_without_type_removes(client: Client, other: Client, name: str) -> None:
    """DEF without TYPE takes the description away; the value stays."""
    client.ok("PUB", VARIABLE=name, VALUE="1")
    client.ok("DEF", VARIABLE=name, TYPE="sensor")
    client.ok("SUB", VARIABLE=name, DEF="YES", REPLAY="NO")
    client.fence()
    client.ok("DEF", VARIABLE=name)
    assert client.fence() == [message("DEF", VARIABLE=name)]
    assert client.get(name) is not None
    other.ok("SUB", VARIABLE=name, DEF="YES")
    assert [received.command for received in other.fence()] == ["SUB"]


def test_def_without_type_where_there_is_none(client: Client, name: str) -> None:
    """Removing what is not there is OK."""
    client.ok("DEF", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="1")
    client.ok("DEF", VARIABLE=name)


def test_delete_removes_the_definition(
    client: Client, other: Client, name: str
) -> None:
    """DEL takes the description with the value."""
    client.ok("PUB", VARIABLE=name, VALUE="1")
    client.ok("DEF", VARIABLE=name, TYPE="sensor")
    client.ok("DEL", VARIABLE=name)
    other.ok("SUB", VARIABLE=name, DEF="YES")
    assert other.fence() == []


def test_searching_for_what_was_meant_costs_little(client: Client, name: str) -> None:
    """A thousand long wrong definitions are answered as fast as any command."""
    wrong = line("DEF", VARIABLE=name, TYPE="sensor", CLASS="temperature_" * 300)
    client.send_bytes(wrong * 1000)
    for _ in range(1000):
        client.refused("bad-definition")


def test_definition_before_the_first_value(
    client: Client, other: Client, name: str
) -> None:
    """A device may describe a variable before it has a value."""
    client.ok("DEF", VARIABLE=name, TYPE="sensor", UNIT="m")
    client.bad("no-such-variable", "GET", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="1")
    other.ok("SUB", VARIABLE=name, DEF="YES")
    assert [received.command for received in other.fence()] == ["DEF", "SUB"]


def test_definitions_can_be_replaced(client: Client, name: str) -> None:
    """A DEF replaces the one before as a whole."""
    client.ok("SUB", VARIABLE=name, DEF="YES")
    client.ok("DEF", VARIABLE=name, **TEMPERATURE)
    client.ok("DEF", VARIABLE=name, TYPE="sensor", NAME="Short")
    assert client.fence()[-1] == message(
        "DEF", VARIABLE=name, TYPE="sensor", NAME="Short"
    )


def test_publishing_keeps_the_definition(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """Values come and go, whoever publishes; the description stays."""
    client.ok("DEF", VARIABLE=name, TYPE="sensor")
    for i in range(3):
        connect(open_broker, f"{name}{i}").ok("PUB", VARIABLE=name, VALUE=i)
    client.ok("SUB", VARIABLE=name, DEF="YES")
    assert [received.command for received in client.fence()] == ["DEF", "SUB"]
