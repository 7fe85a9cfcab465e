"""Section B6: descriptions of variables."""

from typing import Any

import pytest

from custom_components.textmq.broker import Definition, Rules
from custom_components.textmq.broker.protocol.definition_reader import RESERVED
from custom_components.textmq.broker.protocol.reasons import Refusal

from .client import Client, line, message
from .conftest import Connect
from .process import BrokerProcess
from .reference import VECTORS

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
    {"TYPE": "sensor", "COLOUR": "unknown keys are passed on", "SIZE": ""},
    {"TYPE": "sensor", "NAME": ""},
    {"TYPE": "sensor", "FORCE": "YES"},
    {"TYPE": "sensor", "FORCE": "NO"},
    {
        "TYPE": "sensor",
        "CLASS": "wind_direction",
        "UNIT": "\\u00b0",
        "STATE": "measurement_angle",
    },
    {"TYPE": "sensor", "UNIT": "\\u00b0", "STATE": "measurement_angle"},
    {"TYPE": "sensor", "CLASS": "conductivity", "UNIT": "\\u00b5S/cm"},
    {"TYPE": "sensor", "PART": "probe", "PART_NAME": "Probe", "PART_AREA": "Shed"},
    {"TYPE": "select", "OPTIONS": "a\\u002cb,c"},
    {"TYPE": "lock", "CODE": "NUMBER"},
    {"TYPE": "text", "MODE": "password"},
    {"TYPE": "text", "MAX": "1000"},
    {"TYPE": "select", "OPTIONS": "a," + "\\u00e9" * 255},
    {"TYPE": "select", "OPTIONS": "\\ud83d\\udc68\\u200d\\ud83d\\udc69,b"},
    {"TYPE": "sensor", "NAME": "n" * 255, "UNIT": "u" * 64},
]

NOTED: list[tuple[dict[str, str], dict[str, str], list[str]]] = [
    # given, left of it, what the note names
    (
        {"TYPE": "lamp", "MODES": "RGB,WHITE", "MODE": "any"},
        {"TYPE": "lamp", "MODE": "any", "MODES": "RGB,WHITE"},
        ["TYPE=lamp is not known: perhaps light; shown as a sensor"],
    ),
    ({"TYPE": "Switch"}, {"TYPE": "Switch"}, ["perhaps switch"]),
    ({"TYPE": "toaster"}, {"TYPE": "toaster"}, ["shown as a sensor"]),
    ({"TYPE": "x" * 3900}, {"TYPE": "x" * 3900}, ["TYPE=xxx"]),
    (
        {"TYPE": "sensor", "CLASS": "temperature", "UNIT": "kg"},
        {"TYPE": "sensor"},
        ["UNIT=kg does not fit", "\\u00b0C", "CLASS=temperature needs its UNIT"],
    ),
    (
        {"TYPE": "sensor", "CLASS": "temperature", "UNIT": "C" * 3800},
        {"TYPE": "sensor"},
        ["UNIT=CCC", "CLASS"],
    ),
    ({"TYPE": "number", "CLASS": "energy"}, {"TYPE": "number"}, ["kWh"]),
    (
        {"TYPE": "sensor", "CLASS": "aqi", "UNIT": "ppm", "STATE": "measurement"},
        {"TYPE": "sensor", "CLASS": "aqi", "STATE": "measurement"},
        ["UNIT=ppm", "no UNIT would"],
    ),
    (
        {"TYPE": "sensor", "CLASS": "timestamp", "UNIT": "s", "STATE": "total"},
        {"TYPE": "sensor", "CLASS": "timestamp"},
        ["UNIT=s", "STATE=total does not fit CLASS=timestamp"],
    ),
    (
        {"TYPE": "sensor", "CLASS": "humidity", "UNIT": "%", "STATE": "total"},
        {"TYPE": "sensor", "CLASS": "humidity", "UNIT": "%"},
        ["STATE=total does not fit CLASS=humidity, measurement would"],
    ),
    (
        {"TYPE": "sensor", "UNIT": "deg", "STATE": "measurement_angle"},
        {"TYPE": "sensor", "UNIT": "deg"},
        ["STATE=measurement_angle needs UNIT=\\u00b0"],
    ),
    (
        {"TYPE": "sensor", "MODE": "text", "UNIT": "m", "CLASS": "distance"},
        {"TYPE": "sensor", "MODE": "text"},
        ["UNIT=m is not for MODE=text", "CLASS=distance is not for MODE=text"],
    ),
    (
        {"TYPE": "binary_sensor", "CATEGORY": "config"},
        {"TYPE": "binary_sensor"},
        ["CATEGORY=config is not for TYPE=binary_sensor"],
    ),
    (
        {"TYPE": "sensor", "PRECISION": "high"},
        {"TYPE": "sensor"},
        ["PRECISION=high is not a whole number from 0 to 10"],
    ),
    ({"TYPE": "sensor", "PRECISION": "-1"}, {"TYPE": "sensor"}, ["PRECISION=-1"]),
    ({"TYPE": "sensor", "PRECISION": "11"}, {"TYPE": "sensor"}, ["PRECISION=11"]),
    ({"TYPE": "sensor", "PRECISION": "1.5"}, {"TYPE": "sensor"}, ["PRECISION=1.5"]),
    ({"TYPE": "switch", "ICON": "lamp"}, {"TYPE": "switch"}, ["mdi:thermometer"]),
    ({"TYPE": "sensor", "UNIT": "a\\nb"}, {"TYPE": "sensor"}, ["printable"]),
    ({"TYPE": "text", "MIN": "-1"}, {"TYPE": "text"}, ["MIN=-1"]),
    ({"TYPE": "text", "MIN": "256", "MAX": "9"}, {"TYPE": "text", "MAX": "9"}, ["MIN"]),
    ({"TYPE": "text", "MAX": "0"}, {"TYPE": "text"}, ["MAX=0"]),
    ({"TYPE": "number", "MAX": "1e300"}, {"TYPE": "number"}, ["MAX=1e300"]),
    (
        {"TYPE": "sensor", "A": "x" * 1000, "B": "y" * 22, "C": "z" * 20},
        {"TYPE": "sensor", "A": "x" * 1000, "C": "z" * 19 + "z"},
        ["B left out: 24 keys"],
    ),
    ({"TYPE": "sensor", "KIND": "k" * 1020}, {"TYPE": "sensor"}, ["KIND left out"]),
    (
        {"TYPE": "sensor", "NAME": "n" * 256, "PART": "p", "PART_NAME": "n" * 256},
        {"TYPE": "sensor", "PART": "p"},
        ["NAME=nnn", "PART_NAME=nnn", "more than 255 characters"],
    ),
    ({"TYPE": "sensor", "UNIT": "\\u0020m"}, {"TYPE": "sensor"}, ["no space"]),
    ({"TYPE": "sensor", "UNIT": "\\u202em"}, {"TYPE": "sensor"}, ["printable"]),
    ({"TYPE": "number", "ICON": "mdi:" + "x" * 97}, {"TYPE": "number"}, ["ICON=mdi"]),
]

BAD = [
    ({"TYPE": ""}, "sensor"),
    ({"TYPE": "sensor", "CLASS": "bananas"}, "temperature"),
    ({"TYPE": "binary_sensor", "CLASS": "temperature"}, "motion"),
    ({"TYPE": "sensor", "STATE": "sometimes"}, "measurement"),
    ({"TYPE": "sensor", "CATEGORY": "secret"}, "diagnostic"),
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
    ({"TYPE": "select", "OPTIONS": "a,b,\\u0061"}, "twice"),
    ({"TYPE": "event", "OPTIONS": "press", "CLASS": "doorbell"}, "ring"),
    ({"TYPE": "event", "CLASS": "doorbell"}, "OPTIONS"),
    ({"TYPE": "select", "OPTIONS": "a," + "b" * 256}, "255 characters"),
    ({"TYPE": "event", "OPTIONS": "a," + "b" * 256}, "255 characters"),
    ({"TYPE": "select", "OPTIONS": "a,b\\u0000"}, "255 characters in one line"),
    ({"TYPE": "select", "OPTIONS": "a,b\\nc"}, "255 characters in one line"),
    ({"TYPE": "select", "OPTIONS": "a,b\\u2028c"}, "255 characters in one line"),
    (
        {"TYPE": "sensor", "CLASS": "enum", "OPTIONS": "\\u00e9" * 256},
        "255 characters",
    ),
    ({"TYPE": "switch", "SET": "a/#"}, "SET"),
    ({"TYPE": "switch", "SET": "$SYS/x"}, "SET"),
    ({"TYPE": "sensor", "STATE": "\\n\\u007c END\\nSTART"}, "measurement"),
    ({"TYPE": "sensor", "CLASS": "temperature_" * 300}, "temperature"),
    ({"TYPE": "number", "MIN": "9" * 3900}, "MIN"),
    ({"TYPE": "sensor", "FORCE": "MAYBE"}, "YES, NO"),
    ({"TYPE": "sensor", "PART": "a/b"}, "PART"),
    ({"TYPE": "sensor", "PART": "homeassistant"}, "PART"),
    ({"TYPE": "lock", "CODE": "1234"}, "NUMBER, TEXT"),
    ({"TYPE": "lock", "CODE": "TEXT", "SET": "lock/set"}, "SET=lock/set"),
    ({"TYPE": "text", "MODE": "password", "SET": "word"}, "SET=word"),
]


@pytest.mark.parametrize("definition", GOOD, ids=str)
def test_definitions(
    client: Client, other: Client, name: str, definition: dict[str, str]
) -> None:
    """A definition that can be right is OK and reaches who asked for it."""
    other.ok("SUB", VARIABLE=name, DEF="YES")
    answered = client.ok("DEF", VARIABLE=name, **definition)
    assert "DETAIL" not in answered.params
    assert other.fence() == [message("DEF", VARIABLE=name, **definition)]


@pytest.mark.parametrize(
    ("definition", "left", "hints"), NOTED, ids=lambda part: str(part)[:60]
)
def test_noted_definitions(
    client: Client,
    other: Client,
    name: str,
    definition: dict[str, str],
    left: dict[str, str],
    hints: list[str],
) -> None:
    """What Home Assistant can do without is left out, and named in the DETAIL of the OK."""
    other.ok("SUB", VARIABLE=name, DEF="YES")
    answered = client.ok("DEF", VARIABLE=name, **definition)
    for hint in hints:
        assert hint in answered["DETAIL"]
    assert len(answered["DETAIL"]) < 2048
    assert other.fence() == [message("DEF", VARIABLE=name, **left)]


def test_a_secret_takes_commands_under_its_own_name(client: Client, name: str) -> None:
    """SET of a secret may name what is meant without it."""
    client.ok("DEF", VARIABLE=name, TYPE="lock", CODE="NUMBER", SET=f"{name}/set")


@pytest.mark.parametrize("name_of", ["v" * 252, "/".join("v" * 16)])
def test_commands_that_have_no_name(client: Client, name_of: str) -> None:
    """Where `v/set` can't be, the device is told: an entity comes of it, but can't do anything."""
    told = client.ok("DEF", VARIABLE=name_of, TYPE="switch")
    assert "commands need a SET" in told["DETAIL"]
    assert client.ok("DEF", VARIABLE=name_of, TYPE="switch", SET="v").params == {}
    assert client.ok("DEF", VARIABLE=name_of, TYPE="sensor").params == {}
    client.ok("DEL", VARIABLE=name_of)


def test_reserved_keys_are_not_passed_on(
    client: Client, other: Client, name: str
) -> None:
    """Keys of the broker's own are not of the description."""
    other.ok("SUB", VARIABLE=name, DEF="YES")
    reserved = dict.fromkeys(RESERVED - {"COMMAND", "VARIABLE", "SEQ", "ACK"}, "x")
    client.ok("DEF", VARIABLE=name, TYPE="sensor", SEQ="1", ACK="YES", **reserved)
    assert other.fence() == [message("DEF", VARIABLE=name, TYPE="sensor")]


@pytest.mark.parametrize(
    "case", VECTORS["definition"], ids=lambda case: str(case["name"])
)
def test_vectors(case: dict[str, Any]) -> None:
    """Every case of the shared vectors: what is kept of a description, and what is said of it."""
    if "reason" in case:
        with pytest.raises(Refusal) as refused:
            Definition.parse(case["params"], Rules())
        assert refused.value.reason == case["reason"]
        return
    definition = Definition.parse(case["params"], Rules())
    assert list(definition.options) == case.get("options", [])
    assert definition.params == case.get("kept", definition.params)
    assert len(definition.notes) == case.get("notes", 0)


def test_notes_do_not_make_another_definition() -> None:
    """A description is the same whatever was left out of it."""
    plain = Definition.parse({"TYPE": "sensor"}, Rules())
    noted = Definition.parse({"TYPE": "sensor", "ICON": "lamp"}, Rules())
    assert plain == noted
    assert noted.notes and not plain.notes


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
    client.bad("bad-definition", "DEF", VARIABLE=name, TYPE="select")
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
