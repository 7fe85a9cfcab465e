"""Sections A2, A3 and B1: every command, its answer, and what the others get."""

import pytest

from .client import Client, line, message
from .conftest import Connect
from .process import BrokerProcess


def test_the_broker_says_nothing_first(client: Client) -> None:
    """A connection begins with silence; the first message is an answer."""
    client.send("HELLO?")
    assert client.receive() == message("HELLO!")


def test_hello_has_no_answer(client: Client) -> None:
    """HELLO! is an answer itself, so none follows."""
    client.send("HELLO!")
    assert client.fence() == []


def test_subscribe_to_a_variable_without_value(client: Client, name: str) -> None:
    """SUB of a variable that does not exist yet is OK and brings nothing."""
    client.ok("SUB", VARIABLE=name)
    assert client.fence() == []


def test_subscribe_brings_the_current_value_after_ok(
    client: Client, other: Client, name: str
) -> None:
    """SUB gives OK first, then the value."""
    other.ok("PUB", VARIABLE=name, VALUE="21.5")
    client.send("SUB", VARIABLE=name)
    client.expect("OK")
    client.expect("SUB", VARIABLE=name, VALUE="21.5", TIME=...)


def test_publish_reaches_every_subscriber(
    client: Client, other: Client, name: str
) -> None:
    """The publisher gets its own publish too, if it is a subscriber."""
    client.ok("SUB", VARIABLE=name)
    other.ok("SUB", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="on")
    expected = [message("SUB", VARIABLE=name, VALUE="on")]
    assert client.fence() == expected
    assert other.fence() == expected


def test_publish_reaches_no_one_else(client: Client, other: Client, name: str) -> None:
    """Names are exact and case-sensitive."""
    other.ok("SUB", VARIABLE=name)
    for near in (name.upper(), f"{name}/a", f"{name}x", f"x/{name}"):
        client.ok("PUB", VARIABLE=near, VALUE="1")
    assert other.fence() == []


def test_publishes_of_one_variable_keep_their_order(
    client: Client, other: Client, name: str
) -> None:
    """A subscriber gets the values in the order in which they were published."""
    other.ok("SUB", VARIABLE=name)
    client.send_bytes(b"".join(line("PUB", VARIABLE=name, VALUE=i) for i in range(200)))
    client.answers(200)
    assert [delivered["VALUE"] for delivered in other.fence()] == [
        str(i) for i in range(200)
    ]


def test_unsubscribe(client: Client, name: str) -> None:
    """After UNSUB nothing comes any more; it is OK where there was no subscription."""
    client.ok("UNSUB", VARIABLE=name)
    client.ok("SUB", VARIABLE=name)
    client.ok("UNSUB", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="1")
    assert client.fence() == []
    client.ok("UNSUB", VARIABLE=name)


def test_unsubscribe_leaves_the_others(
    client: Client, other: Client, name: str
) -> None:
    """UNSUB ends one subscription of one client."""
    for subscriber in (client, other):
        subscriber.ok("SUB", VARIABLE=f"{name}/a")
        subscriber.ok("SUB", VARIABLE=f"{name}/b")
    client.ok("UNSUB", VARIABLE=f"{name}/a")
    other.ok("PUB", VARIABLE=f"{name}/a", VALUE="1")
    other.ok("PUB", VARIABLE=f"{name}/b", VALUE="2")
    assert [delivered["VALUE"] for delivered in client.fence()] == ["2"]
    assert [delivered["VALUE"] for delivered in other.fence()] == ["1", "2"]


def test_unsubscribe_all(client: Client, other: Client, name: str) -> None:
    """UNSUBALL drops every subscription of this client, filters too, and of no other."""
    client.ok("SUB", VARIABLE=f"{name}/a")
    client.ok("SUB", VARIABLE=f"{name}/#")
    other.ok("SUB", VARIABLE=f"{name}/a")
    client.ok("UNSUBALL")
    client.ok("PUB", VARIABLE=f"{name}/a", VALUE="1")
    assert client.fence() == []
    assert other.fence() == [message("SUB", VARIABLE=f"{name}/a", VALUE="1")]
    client.ok("UNSUBALL")


def test_delete(client: Client, name: str) -> None:
    """DEL takes the value away; a second one is BAD."""
    client.ok("PUB", VARIABLE=name, VALUE="1")
    client.ok("DEL", VARIABLE=name)
    client.bad("no-such-variable", "DEL", VARIABLE=name)
    client.ok("SUB", VARIABLE=name)
    assert client.fence() == []


def test_delete_what_never_was(client: Client, name: str) -> None:
    """DEL of an unknown variable is BAD, also where someone has subscribed to it."""
    client.ok("SUB", VARIABLE=name)
    client.bad("no-such-variable", "DEL", VARIABLE=name)


def test_message_to_a_device(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """MSG reaches exactly the device that it names, with the sender's ID."""
    sender, receiver, third = (connect(open_broker, f"{name}{role}") for role in "srt")
    sender.ok("MSG", DEVICE=f"{name}r", VALUE="turn it on")
    assert receiver.fence() == [message("MSG", DEVICE=f"{name}s", VALUE="turn it on")]
    assert third.fence() == []
    assert sender.fence() == []


def test_message_to_oneself(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """A device may send itself a message."""
    device = connect(open_broker, name)
    device.ok("MSG", DEVICE=name, VALUE="note")
    assert device.fence() == [message("MSG", DEVICE=name, VALUE="note")]


def test_message_of_a_client_without_id(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """A sender without an ID is shown as an empty one."""
    receiver = connect(open_broker, name)
    client.ok("MSG", DEVICE=name, VALUE="hi")
    assert receiver.fence() == [message("MSG", DEVICE="", VALUE="hi")]


def test_messages_keep_their_order(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """MSGs of one sender arrive in the order in which they were sent."""
    receiver = connect(open_broker, name)
    for i in range(30):
        client.send("MSG", DEVICE=name, VALUE=i)
    client.answers(30)
    assert [delivered["VALUE"] for delivered in receiver.fence()] == [
        str(i) for i in range(30)
    ]


def test_message_to_no_one(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """A device that is not connected, never was, or has left, gets nothing: BAD."""
    client.bad("no-such-device", "MSG", DEVICE=name, VALUE="hi")
    leaving = connect(open_broker, name)
    leaving.send("CLOSE")
    leaving.closed()
    client.bad("no-such-device", "MSG", DEVICE=name, VALUE="hi")
    assert connect(open_broker, name).fence() == []


def test_close_has_no_answer(client: Client) -> None:
    """CLOSE ends the connection without a word."""
    client.send("CLOSE")
    client.closed()


def test_nothing_after_close_is_carried_out(
    client: Client, other: Client, name: str
) -> None:
    """CLOSE is the last command, though more may stand in the same packet."""
    client.send_bytes(line("CLOSE") + line("PUB", VARIABLE=name, VALUE="1"))
    client.closed()
    assert other.get(name) is None


def test_answers_before_close_are_delivered(client: Client, name: str) -> None:
    """Answers that are on their way when a client closes still reach it."""
    commands = [line("PUB", VARIABLE=name, VALUE=i) for i in range(500)]
    client.send_bytes(b"".join(commands) + line("CLOSE"))
    assert client.until_closed() == [message("OK")] * 500


def test_one_answer_each_in_order(client: Client, name: str) -> None:
    """Commands of every kind in one packet are answered one by one in their order."""
    commands = [
        line("SUB", VARIABLE=name),
        line("DEL", VARIABLE=name),
        line("PUB", VARIABLE=name, VALUE="1"),
        line("BLINK"),
        line("HELLO!"),
        line("GET", VARIABLE=name),
        b"nonsense\n",
        line("HELLO?"),
        line("PUB", VARIABLE="a//b", VALUE="1"),
        line("MSG", DEVICE=name, VALUE="hi"),
        line("DEL", VARIABLE=name),
        line("UNSUB", VARIABLE=name),
        line("UNSUBALL"),
    ]
    client.send_bytes(b"".join(commands))
    expected = [
        None,
        "no-such-variable",
        None,
        "unknown-command",
        None,
        "malformed",
        "HELLO!",
        "bad-name",
        "no-such-device",
        None,
        None,
        None,
    ]
    answered = client.answers(len(expected))
    assert [
        answer.command if answer.command == "HELLO!" else answer.params.get("REASON")
        for answer in answered
    ] == expected


def test_plain_publishes_between_everything_else(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """In one packet, what is usual and what is not are carried out and answered in order."""
    device = connect(open_broker, name)
    device.ok("PUB", VARIABLE=name, VALUE="0")
    device.ok("SUB", VARIABLE=f"{name}/#", REPLAY="NO")
    commands = [
        line("PUB", VARIABLE=name, VALUE="1"),
        line("PUB", VARIABLE=name, VALUE="2"),
        line("BLINK"),
        line("PUB", VARIABLE=name, VALUE="3", SEQ="s"),
        line("PUB", VARIABLE=name, VALUE="4"),
        b"nonsense\n",
        line("MSG", DEVICE=name, VALUE="5"),
        line("PUB", VARIABLE=f"{name}/new", VALUE="6"),
        line("PUB", VARIABLE=name, VALUE="7", RETAIN="NO"),
        line("PUB", VARIABLE=name, VALUE="8")[:-1],
        line("PUB", VARIABLE=name, VALUE="9"),
        b"\n" + line("PUB", VARIABLE=name, VALUE="10"),
        line("PUB", VARIABLE=name, VALUE="11", ACK="NO"),
        line("DEL", VARIABLE=name),
        line("PUB", VARIABLE=name, VALUE="12")[:-1],
    ]
    device.send_bytes(b"".join(commands))
    answered = device.answers(len(commands) - 1)
    assert [(answer.command, answer.params.get("SEQ")) for answer in answered] == [
        ("BAD" if number in (2, 5) else "OK", "s" if number == 3 else None)
        for number in range(len(commands) - 1)
    ]
    delivered = [message for message in device.fence() if message.command == "SUB"]
    assert [one["VALUE"] for one in delivered if one["VARIABLE"] == name] == [
        "1",
        "2",
        "3",
        "4",
        "7",
        "8",
        "9",
        "10",
        "11",
        "12",
    ]


@pytest.mark.parametrize("command", ["BLINK", "OK", "BAD", "PUBLISH", "HELLO", "PUB!"])
def test_unknown_commands(client: Client, command: str) -> None:
    """What is no command of A2 gets BAD and changes nothing else."""
    client.bad("unknown-command", command, VARIABLE="x", VALUE="1")
    assert client.fence() == []


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("SUB", {}),
        ("UNSUB", {}),
        ("GET", {}),
        ("DEL", {}),
        ("PUB", {"VARIABLE": "x"}),
        ("PUB", {"VALUE": "x"}),
        ("PUB", {}),
        ("MSG", {"DEVICE": "x"}),
        ("MSG", {"VALUE": "x"}),
        ("ID", {}),
        ("ID", {"NAME": "x"}),
        ("WILL", {"VALUE": "x"}),
        ("DEF", {"TYPE": "sensor"}),
    ],
)
def test_missing_parameters(
    client: Client, command: str, params: dict[str, str]
) -> None:
    """A command without what it needs gets BAD; DETAIL names what is missing, if it is there."""
    client.bad("missing-parameter", command, **params)
    assert client.fence() == []


def test_details_are_printable_text(client: Client) -> None:
    """DETAIL, where a BAD carries it, is a sentence for a person."""
    answered = client.bad("missing-parameter", "PUB", VARIABLE="x")
    if "DETAIL" in answered.params:
        assert "VALUE" in answered["DETAIL"]
    assert set(answered.params) <= {"REASON", "DETAIL"}


def test_parameters_that_are_the_brokers_own_are_passed_over(
    client: Client, other: Client, name: str
) -> None:
    """A client can't set the time, the sender or the reason of what others get."""
    other.ok("SUB", VARIABLE=name)
    client.ok(
        "PUB", VARIABLE=name, VALUE="1", TIME="1999-01-01T00:00:00.000Z", REASON="x"
    )
    assert other.fence() == [message("SUB", VARIABLE=name, VALUE="1")]
    stored = other.get(name)
    assert stored is not None
    assert not stored["TIME"].startswith("1999")


def test_fan_out(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """One publish reaches two hundred clients, each once."""
    subscribers = [connect(open_broker) for _ in range(200)]
    for subscriber in subscribers:
        subscriber.ok("SUB", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="1")
    for subscriber in subscribers:
        assert subscriber.fence() == [message("SUB", VARIABLE=name, VALUE="1")]


def test_an_echo_of_two_clients_hurts_no_one(
    client: Client,
    other: Client,
    open_broker: BrokerProcess,
    connect: Connect,
    name: str,
) -> None:
    """Two clients that answer each other's publishes go on as long as they read, and no more."""
    ping, pong = f"{name}/ping", f"{name}/pong"
    client.ok("SUB", VARIABLE=pong)
    other.ok("SUB", VARIABLE=ping)
    client.ok("PUB", VARIABLE=ping, VALUE=0)
    for i in range(100):
        other.expect("SUB", VARIABLE=ping, VALUE=i)
        other.ok("PUB", VARIABLE=pong, VALUE=i)
        client.expect("SUB", VARIABLE=pong, VALUE=i)
        client.ok("PUB", VARIABLE=ping, VALUE=i + 1)
    assert connect(open_broker).fence() == []


# Section B2


def test_seq_comes_back_with_ok_and_bad(client: Client, name: str) -> None:
    """An answer carries the SEQ of its command, as it came."""
    longest = "~" * 32
    assert client.do("PUB", VARIABLE=name, VALUE="1", SEQ="7") == message("OK", SEQ="7")
    assert client.do("DEL", VARIABLE=name, SEQ=longest) == message("OK", SEQ=longest)
    assert (
        client.bad("no-such-variable", "DEL", VARIABLE=name, SEQ="aB=c")["SEQ"]
        == "aB=c"
    )
    assert client.bad("unknown-command", "BLINK", SEQ="u")["SEQ"] == "u"
    assert client.bad("missing-parameter", "PUB", SEQ="m")["SEQ"] == "m"
    assert client.bad("bad-name", "SUB", VARIABLE="a#", SEQ="n")["SEQ"] == "n"
    assert "SEQ" not in client.ok("UNSUBALL").params


@pytest.mark.parametrize(
    "command", ["SUB", "UNSUB", "GET", "UNSUBALL", "WILL", "DEF", "ID", "MSG"]
)
def test_seq_on_every_command(
    open_broker: BrokerProcess, connect: Connect, name: str, command: str
) -> None:
    """Each command takes SEQ."""
    device = connect(open_broker, name)
    device.ok("PUB", VARIABLE=name, VALUE="1")
    params = {
        "VARIABLE": name,
        "VALUE": "1",
        "DEVICE": name,
        "ID": name,
        "TYPE": "sensor",
    }
    answered = device.ok(command, **params, SEQ="42")
    assert answered["SEQ"] == "42"


def test_deliveries_carry_no_seq(client: Client, name: str) -> None:
    """SEQ belongs to the answer, not to what others or the client itself get delivered."""
    client.ok("SUB", VARIABLE=name, SEQ="1")
    client.ok("PUB", VARIABLE=name, VALUE="1", SEQ="2")
    assert client.fence() == [message("SUB", VARIABLE=name, VALUE="1")]


@pytest.mark.parametrize("seq", ["", "x" * 33])
def test_seq_out_of_bounds(client: Client, name: str, seq: str) -> None:
    """A SEQ that is empty or over 32 characters is refused, and the command with it."""
    client.bad("malformed", "PUB", VARIABLE=name, VALUE="1", SEQ=seq)
    assert client.get(name) is None


def test_ack_no_leaves_ok_out(client: Client, name: str) -> None:
    """With ACK=NO the command is carried out and no OK is sent."""
    client.send("PUB", VARIABLE=name, VALUE="1", ACK="NO")
    client.send("SUB", VARIABLE=name, ACK="NO", REPLAY="NO")
    client.send("PUB", VARIABLE=name, VALUE="2", ACK="NO", SEQ="9")
    assert client.fence() == [message("SUB", VARIABLE=name, VALUE="2")]


def test_ack_no_keeps_bad(client: Client, name: str) -> None:
    """With ACK=NO a BAD is sent all the same, with its SEQ."""
    answered = client.bad("no-such-variable", "DEL", VARIABLE=name, ACK="NO", SEQ="9")
    assert answered["SEQ"] == "9"


def test_ack_yes_is_the_default(client: Client, name: str) -> None:
    """ACK=YES asks for what is sent anyway."""
    client.ok("PUB", VARIABLE=name, VALUE="1", ACK="YES")
