"""publish_entities: every kind of entity as a variable, both ways."""

from dataclasses import dataclass
import sys

import pytest

from tests.broker.client import Client, Message
from tests.broker.process import BrokerProcess, wait_for

from .conftest import MANY, Connect, StartBroker, StartNode
from .node import Node

type Row = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Way:
    """One kind of entity there and back."""

    kind: str
    object_id: str
    set_on_node: str
    value: str
    command: str
    state: str
    value_after: str


WAYS = [
    Way("sensor", "temperature", "21.54", "21.5", "", "", ""),
    Way("binary_sensor", "motion", "ON", "ON", "", "", ""),
    Way("text_sensor", "note", "a|b °", r"a\u007cb \u00b0", "", "", ""),
    Way("switch", "pump", "ON", "ON", "TOGGLE", "OFF", "OFF"),
    Way("number", "target", "25", "25.0", "-3.5", "-3.5", "-3.5"),
    Way(
        "select",
        "mode",
        "fast, loud",
        "fast, loud",
        r"a\u007cb \u00b0",
        "a|b °",
        r"a\u007cb \u00b0",
    ),
    Way(
        "text",
        "message",
        "höher",
        r"h\u00f6her",
        r"two\nlines \ud83d\ude00",
        "two\nlines 😀",
        r"two\nlines \ud83d\ude00",
    ),
]


@pytest.fixture
def node(broker: BrokerProcess, start_node: StartNode, name: str) -> Node:
    """A connected node with nothing left to tell."""
    node = start_node(broker, name)
    node.wait_connected()
    node.wait_flushed()
    return node


def wait_value(client: Client, variable: str, value: str) -> None:
    """Wait until the broker has a value."""

    def has() -> bool:
        got = client.get(variable)
        return got is not None and got["VALUE"] == value

    wait_for(has, f"{variable} to be {value}")


def test_every_kind_both_ways(
    node: Node, client: Client, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """State on the node, value at the broker, command, state on the node, value again."""
    rows: list[Row] = [
        ("entity", "set on the node", "value", "command", "state, value")
    ]
    for way in WAYS:
        variable = f"{name}/{way.object_id}"
        node.do(way.kind, way.object_id, way.set_on_node)
        wait_value(client, variable, way.value)
        if way.command:
            client.ok("PUB", VARIABLE=f"{variable}/set", RETAIN="NO", VALUE=way.command)
            node.wait_state(f"{way.kind}.{way.object_id}", way.state)
            wait_value(client, variable, way.value_after)
        rows.append(
            (
                f"{way.kind} {way.object_id}",
                way.set_on_node,
                way.value,
                way.command or "-",
                way.value_after or "-",
            )
        )

    client.ok("PUB", VARIABLE=f"{name}/restart/set", RETAIN="NO", VALUE="PRESS")
    node.wait_for_log("PRESSED")
    assert client.get(f"{name}/restart") is None
    rows.append(("button restart", "-", "-", "PRESS", "pressed"))

    client.ok("SUB", VARIABLE=f"{name}/bell")
    assert node.done("event", "bell", "hold, long")
    node.wait_flushed()
    assert client.fence() == [
        Message("SUB", {"VARIABLE": f"{name}/bell", "VALUE": "hold, long"})
    ]
    assert client.get(f"{name}/bell") is None
    rows.append(("event bell", "hold, long", "hold, long", "-", "-"))

    with capsys.disabled():
        sys.stdout.write("\n")
        for row in rows:
            cells = (cell.encode("unicode_escape").decode() for cell in row)
            sys.stdout.write("  {:22} {:16} {:18} {:24} {}\n".format(*cells))
    # Nothing that the node was told comes back to it as a command.
    node.wait_flushed()
    assert not node.logged("is no command to")


def definitions(client: Client, name: str) -> dict[str, dict[str, str]]:
    """Return the descriptions of a node's variables, without its many sensors."""
    client.ok("SUB", VARIABLE=f"{name}/#", DEF="YES")
    found = {}
    for message in client.fence():
        variable = message.params.get("VARIABLE", "").removeprefix(f"{name}/")
        if message.command == "DEF" and not variable.startswith("many_"):
            found[variable] = {
                key: value for key, value in message.params.items() if key != "VARIABLE"
            }
    return found


def test_descriptions(node: Node, client: Client, name: str) -> None:
    """Each entity is described as its YAML says; internal, excluded and following ones are none of it."""
    assert definitions(client, name) == {
        "temperature": {
            "TYPE": "sensor",
            "NAME": "Temperature",
            "UNIT": r"\u00b0C",
            "CLASS": "temperature",
            "ICON": "mdi:thermometer",
            "STATE": "measurement",
            "PRECISION": "1",
        },
        "raw": {
            "TYPE": "sensor",
            "NAME": "Raw",
            "CATEGORY": "diagnostic",
            "HIDDEN": "YES",
            "PRECISION": "3",
        },
        "motion": {"TYPE": "binary_sensor", "NAME": "Motion", "CLASS": "motion"},
        "note": {"TYPE": "sensor", "NAME": "Note", "MODE": "text"},
        "pump": {"TYPE": "switch", "NAME": "Pump"},
        "target": {
            "TYPE": "number",
            "NAME": "Target",
            "UNIT": r"\u00b0C",
            "MIN": "-10",
            "MAX": "40",
            "STEP": "0.5",
            "MODE": "slider",
        },
        "mode": {
            "TYPE": "select",
            "NAME": "Mode",
            "CATEGORY": "config",
            "OPTIONS": r"eco,fast\u002c loud,a\u007cb \u00b0",
        },
        "message": {
            "TYPE": "text",
            "NAME": "Message",
            "MIN": "1",
            "MAX": "100",
            "MODE": "text",
        },
        "code": {
            "TYPE": "text",
            "NAME": "Code",
            "MIN": "0",
            "MAX": "255",
            "MODE": "password",
        },
        "restart": {"TYPE": "button", "NAME": "Restart", "CLASS": "restart"},
        "bell": {
            "TYPE": "event",
            "NAME": "Bell",
            "CLASS": "doorbell",
            "OPTIONS": r"ring,hold\u002c long",
        },
    }
    renamed = connect_and_describe(client, "pool/level")
    assert renamed == {"TYPE": "sensor", "NAME": "Level", "PRECISION": "1"}


def connect_and_describe(client: Client, variable: str) -> dict[str, str]:
    """Return the description of one variable."""
    client.ok("SUB", VARIABLE=variable, DEF="YES")
    (found,) = [message for message in client.fence() if message.command == "DEF"]
    return {key: value for key, value in found.params.items() if key != "VARIABLE"}


def test_only_what_is_to_be_published(node: Node, client: Client, name: str) -> None:
    """Internal and excluded entities, and those that follow variables, stay on the node."""
    for entity in ("excluded", "internal", "followed_sensor"):
        node.do("sensor", entity, "1")
    assert node.done("sensor", "level", "2.25")
    node.wait_flushed()
    for variable in ("excluded", "internal", "followed_sensor", "level", "door"):
        assert client.get(f"{name}/{variable}") is None
    wait_value(client, "pool/level", "2.2")


def test_unknown_states(node: Node, client: Client, name: str) -> None:
    """What has no state is an empty value: not known yet, not known any more, not a number."""
    for variable in ("temperature", "motion", "note"):
        wait_value(client, f"{name}/{variable}", "")
    node.do("sensor", "temperature", "3")
    node.do("binary_sensor", "motion", "OFF")
    wait_value(client, f"{name}/temperature", "3.0")
    wait_value(client, f"{name}/motion", "OFF")
    node.do("sensor", "temperature", "")
    node.do("binary_sensor", "motion", "")
    wait_value(client, f"{name}/temperature", "")
    wait_value(client, f"{name}/motion", "")


def test_senseless_commands(node: Node, client: Client, name: str) -> None:
    """A command that is none changes nothing, is said in the log, and the state is told again."""
    client.ok("SUB", VARIABLE=f"{name}/+", REPLAY="NO")
    for variable, value, kind in (
        ("pump", "MAYBE", "switch"),
        ("target", "warm", "number"),
        ("target", "nan", "number"),
        ("mode", "turbo", "select"),
        ("restart", "press twice", "button"),
    ):
        client.ok("PUB", VARIABLE=f"{name}/{variable}/set", RETAIN="NO", VALUE=value)
        node.wait_for_log(f"'{value}' is no command to {kind}")
    # Out of range: ESPHome itself says so.
    client.ok("PUB", VARIABLE=f"{name}/target/set", RETAIN="NO", VALUE="1000")
    client.ok("PUB", VARIABLE=f"{name}/message/set", RETAIN="NO", VALUE="")
    node.wait_for_log("too short")
    node.wait_flushed()
    assert not node.logged("PRESSED")
    told = {
        (m["VARIABLE"].removeprefix(f"{name}/"), m["VALUE"]) for m in client.fence()
    }
    assert told == {
        ("pump", "OFF"),
        ("target", "20.5"),
        ("mode", "eco"),
        ("message", "hello"),
    }


def test_old_commands_are_not_carried_out(
    broker: BrokerProcess, start_node: StartNode, client: Client, name: str
) -> None:
    """A command that was stored by mistake does not come back at each start."""
    client.ok("PUB", VARIABLE=f"{name}/pump/set", VALUE="ON")
    node = start_node(broker, name)
    node.wait_connected()
    node.wait_flushed()
    assert node.states()["switch.pump"] == "OFF"


def test_fifty_entities(
    start_broker: StartBroker, start_node: StartNode, connect: Connect, name: str
) -> None:
    """A node with fifty entities tells all of them, at each connection, each once."""
    broker = start_broker("--access", "open")
    client = connect(broker)
    client.ok("SUB", VARIABLE="#", DEF="YES")
    node = start_node(broker, name)
    for number in range(MANY):
        node.do("sensor", f"many_{number}", str(number))
    node.wait_connected()
    node.wait_flushed()
    for connection in range(2):
        told = client.fence()
        defined = [m["VARIABLE"] for m in told if m.command == "DEF"]
        assert len(defined) == len(set(defined)) >= 50 or connection == 1
        values = {m["VARIABLE"]: m["VALUE"] for m in told if m.command == "SUB"}
        for number in range(MANY):
            assert values[f"{name}/many_{number}"] == str(number)
        if connection == 0:
            client.ok("ID", ID=name)  # throws the node out
            node.wait_for_log("ON_DISCONNECT")
            client.ok("ID", ID=f"{name}-watcher")
            node.wait_connected(count=2)
            node.wait_flushed()


def test_states_are_told_again(
    start_broker: StartBroker, start_node: StartNode, connect: Connect, name: str
) -> None:
    """A broker that has forgotten everything knows all states again, those that changed meanwhile, too."""
    broker = start_broker("--access", "open")
    node = start_node(broker, name)
    node.wait_connected()
    node.wait_flushed()
    assert broker.stop() == 0
    for path in broker.data.glob("*.txt"):
        path.unlink()
    node.wait_for_log("ON_DISCONNECT")
    node.do("switch", "pump", "ON")
    broker = start_broker("--access", "open", port=broker.address[1])
    node.wait_connected(count=2)
    node.wait_flushed()
    client = connect(broker)
    for variable, value in (("pump", "ON"), ("mode", "eco"), ("temperature", "")):
        wait_value(client, f"{name}/{variable}", value)
    assert len(definitions(client, name)) == 11
