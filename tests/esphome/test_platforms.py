"""The platforms that follow a variable, and those that write one."""

import pytest

from tests.broker.client import Client, Message
from tests.broker.process import BrokerProcess

from .conftest import StartNode
from .node import Node


@pytest.fixture
def node(
    broker: BrokerProcess, start_node: StartNode, client: Client, name: str
) -> Node:
    """A connected node; what it follows has no value."""
    for kind in (
        "sensor",
        "binary_sensor",
        "text_sensor",
        "switch",
        "number",
        "select",
        "text",
    ):
        client.do("DEL", VARIABLE=f"follow/{kind}")
    client.do("DEL", VARIABLE="fresh/sensor")
    node = start_node(broker, name)
    node.wait_connected()
    node.wait_flushed()
    return node


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (
            "sensor",
            [("21.5", "21.5"), ("-3", "-3"), ("", "nan"), ("7", "7"), ("warm", "nan")],
        ),
        (
            "binary_sensor",
            [
                ("ON", "ON"),
                ("off", "OFF"),
                ("ON", "ON"),
                ("", None),
                ("ON", "ON"),
                ("maybe", None),
            ],
        ),
        (
            "text_sensor",
            [("hello", "hello"), (r"a\u007cb\n \ud83d\ude00", "a|b\n 😀"), ("", "")],
        ),
        ("switch", [("ON", "ON"), ("OFF", "OFF"), ("on", "ON")]),
        ("number", [("12.5", "12.5"), ("", "nan"), ("3", "3"), ("many", "nan")]),
        ("select", [("two", "two"), ("one", "one")]),
        ("text", [("hello", "hello"), (r"50 \u00b0", "50 °")]),
    ],
)
def test_following(
    node: Node, client: Client, kind: str, values: list[tuple[str, str | None]]
) -> None:
    """The entity has the state that the variable gets, and says where it can't."""
    for value, state in values:
        client.ok("PUB", VARIABLE=f"follow/{kind}", VALUE=value)
        node.wait_state(f"{kind}.followed_{kind}", state)


def test_value_of_before(
    broker: BrokerProcess, start_node: StartNode, client: Client, name: str
) -> None:
    """At the start a node gets the values of now, and no events of before."""
    client.ok("PUB", VARIABLE="follow/sensor", VALUE="5")
    client.ok("PUB", VARIABLE="follow/event", VALUE="press")
    client.ok("PUB", VARIABLE="watched/before", VALUE="1")
    client.ok("PUB", VARIABLE="live/only", VALUE="old")
    node = start_node(broker, name)
    node.wait_state("sensor.followed_sensor", "5")
    node.wait_for_log("ON_VARIABLE watched/before 1")
    client.ok("PUB", VARIABLE="live/only", VALUE="new")
    client.ok("PUB", VARIABLE="follow/event", VALUE="hold")
    node.wait_for_log("ON_LIVE live/only new")
    node.wait_for_log("ON_EVENT hold")
    assert not node.logged("ON_LIVE live/only old")
    assert not node.logged("ON_EVENT press")


def test_texts_of_delayed_actions(node: Node, client: Client) -> None:
    """An action that runs later has the text of its own call."""
    for number in range(5):
        client.ok("PUB", VARIABLE="live/only", VALUE=f"value number {number}")
    for number in range(5):
        node.wait_for_log(f"ON_LIVE live/only value%20number%20{number}$")


def test_timeouts(node: Node, client: Client) -> None:
    """What was not heard of for its time is unavailable, and is back with the next value."""
    for value in ("1", "2"):
        client.ok("PUB", VARIABLE="fresh/sensor", VALUE=value)
        client.ok("PUB", VARIABLE="follow/binary_sensor", VALUE="ON")
        client.ok("PUB", VARIABLE="follow/text_sensor", VALUE="text")
        client.ok("PUB", VARIABLE="follow/sensor", VALUE=value)
        node.wait_state("sensor.fresh_sensor", value)
        node.wait_state("binary_sensor.followed_binary_sensor", "ON")
        node.wait_state("text_sensor.followed_text_sensor", "text")
        node.wait_state("sensor.fresh_sensor", "nan")
        node.wait_state("binary_sensor.followed_binary_sensor", None)
        node.wait_state("text_sensor.followed_text_sensor", None)
        # Without a timeout a value holds.
        assert node.states()["sensor.followed_sensor"] == value


def test_value_that_is_too_old_already(
    node: Node, broker: BrokerProcess, start_node: StartNode, client: Client, name: str
) -> None:
    """The age of a stored value counts: the time that it has is what is left of its timeout."""
    client.ok("PUB", VARIABLE="fresh/sensor", VALUE="9")
    node.wait_state("sensor.fresh_sensor", "9")
    node.wait_state("sensor.fresh_sensor", "nan")
    late = start_node(broker, f"{name}-late")
    late.wait_connected()
    late.wait_flushed()
    assert late.states()["sensor.fresh_sensor"] == "nan"
    client.ok("PUB", VARIABLE="fresh/sensor", VALUE="10")
    late.wait_state("sensor.fresh_sensor", "10")


def test_deleted_variable(node: Node, client: Client) -> None:
    """An entity of a variable that is deleted is unavailable."""
    for kind, value in (("sensor", "1"), ("binary_sensor", "ON"), ("text_sensor", "x")):
        client.ok("PUB", VARIABLE=f"follow/{kind}", VALUE=value)
        node.wait_state(f"{kind}.followed_{kind}", value)
        client.ok("DEL", VARIABLE=f"follow/{kind}")
        node.wait_state(f"{kind}.followed_{kind}", "nan" if kind == "sensor" else None)


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        ("switch", "ON", "ON"),
        ("number", "12.34", "12.3"),
        ("select", "two", "two"),
        ("text", "a|b °", r"a\u007cb \u00b0"),
    ],
)
def test_writing(node: Node, client: Client, kind: str, value: str, sent: str) -> None:
    """An entity that is set on the node writes its variable, where others can set it again."""
    node.do(kind, f"followed_{kind}", value)
    node.wait_flushed()
    got = client.get(f"follow/{kind}")
    assert got is not None
    assert got["VALUE"] == sent


def test_commands_to_another_device(node: Node, client: Client) -> None:
    """With a command variable the command is an event, and the state is what the other device makes of it."""
    client.ok("SUB", VARIABLE="other/#", REPLAY="NO")
    node.do("switch", "remote_switch", "ON")
    node.do("button", "remote_button")
    node.wait_flushed()
    assert client.fence() == [
        Message("SUB", {"VARIABLE": "other/pump/set", "VALUE": "ON"}),
        Message("SUB", {"VARIABLE": "other/restart/set", "VALUE": "PRESS"}),
    ]
    assert client.get("other/pump/set") is None
    assert node.states()["switch.remote_switch"] is None
    client.ok("PUB", VARIABLE="other/pump", VALUE="ON")
    node.wait_state("switch.remote_switch", "ON")


def test_two_nodes_control_each_other(
    broker: BrokerProcess, start_node: StartNode, name: str
) -> None:
    """A node that is called `other` is switched by the remote switch of another node, with no automation in between."""
    worker = start_node(broker, "other")
    boss = start_node(broker, name)
    for node in (worker, boss):
        node.wait_connected()
        node.wait_flushed()
    for state in ("ON", "OFF"):
        boss.do("switch", "remote_switch", state)
        worker.wait_state("switch.pump", state)
        boss.wait_state("switch.remote_switch", state)
    boss.do("button", "remote_button")
    worker.wait_for_log("PRESSED")
