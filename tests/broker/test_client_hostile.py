"""A broker that does what no broker should: the client ends, says why, and keeps little (protocol A1, B2, B5)."""

from collections.abc import Callable

import pytest

from custom_components.textmq.broker.client import client_session, outgoing
from custom_components.textmq.broker.client.client_session import ClientSession
from custom_components.textmq.broker.client.deliveries import (
    LOST,
    VIOLATION,
    Answer,
    Closed,
    Connected,
    MessageReceived,
    SessionEvent,
    Value,
)
from custom_components.textmq.broker.client.errors import (
    NotAllowedNow,
    Refused,
    TooManyUnanswered,
)
from custom_components.textmq.broker.client.receipt_ledger import ReceiptLedger
from custom_components.textmq.broker.client.session_states import (
    SESSION_TRANSITIONS,
    SessionState,
    SessionStep,
)
from custom_components.textmq.broker.client.wishes import Wishes

from .client import line

OK = line("OK")
LONG = client_session.MAX_RECEIVED_LINE


def closing(session: ClientSession, *pieces: bytes) -> Closed:
    """Return how a session ends with these bytes."""
    events = [event for piece in pieces for event in session.receive(piece)]
    assert session.over
    assert isinstance(events[-1], Closed)
    assert session.take_output() == b""
    assert session.receive(OK) == session.receive_end() == []
    return events[-1]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x16\x03\x01 garbage \xff\xfe\n",
        b"\x00" * 10 + b"\x80\n",
        b"START | COMMAND=OK\n",
        b"START | COMMAND=SUB | VARIABLE=a | END\n",
        b"START | COMMAND=SUB | VARIABLE=a | VALUE=1 | TIME=yesterday | END\n",
        b"START | COMMAND=SUB | VARIABLE=a | VALUE=1 | TIME=9999-12-31T23:59:59 | END\n",
        b"START | COMMAND=SUB | VARIABLE=a | VALUE=1 | AGE=-1 | END\n",
        b"START | COMMAND=SUB | VARIABLE=a | VALUE=1 | MISSED=%s | END\n"
        % (b"9" * 5000),
        b"START | COMMAND=MSG | VALUE=1 | END\n",
        b"START | COMMAND=MSG | DEVICE=a | VALUE=1 | RECEIPT=x | END\n",
        b"START | COMMAND=DEL | END\n",
        b"START | COMMAND=DEF | TYPE=sensor | END\n",
        OK,
        line("BAD", REASON="limit"),
        line("BAD", REASON="limit", SEQ="9"),
        line("HELLO!"),
    ],
)
def test_what_breaks_the_protocol_ends_the_session(data: bytes) -> None:
    """Garbage, and answers without a command, end the session with a reason, however they are cut."""
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        closed = closing(ClientSession(guest=True), *pieces)
        assert closed.reason == VIOLATION
        assert closed.detail


def test_an_answer_to_another_command_ends_the_session() -> None:
    """OK where HELLO! has to come, and the other way round."""
    for command, answer in (
        (outgoing.hello(), OK),
        (outgoing.publish("a", "1"), line("HELLO!")),
    ):
        session = ClientSession(guest=True)
        session.send(command)
        session.take_output()
        assert closing(session, answer).reason == VIOLATION
        assert session.unanswered == [command]


@pytest.mark.parametrize(
    "piece", [b"x", b"START | COMMAND=SUB | VARIABLE=", b" ", b"|"]
)
def test_a_line_without_an_end_is_bounded(piece: bytes) -> None:
    """What never ends is given up at the length of the longest line."""
    session = ClientSession(guest=True)
    block = piece * (4096 // len(piece))
    events: list[SessionEvent] = []
    for _ in range(LONG // len(block) + 2):
        events += session.receive(block)
    assert isinstance(events[-1], Closed)
    assert events[-1].reason == VIOLATION


def test_the_longest_line_is_taken() -> None:
    """A value of the longest line that a broker can be configured to arrives."""
    session = ClientSession(guest=True)
    text = "x" * 65_400
    assert session.receive(line("SUB", VARIABLE="a", VALUE=text)) == [Value("a", text)]


def test_what_is_not_known_is_passed_over() -> None:
    """A command and parameters of a later version do no harm."""
    session = ClientSession(guest=True)
    assert session.receive(line("NOTICE", WHAT="x")) == []
    assert session.receive(line("SUB", VARIABLE="a", VALUE=1, NEW=2)) == [
        Value("a", "1")
    ]


def test_unanswered_commands_are_bounded() -> None:
    """A broker that never answers gets so many commands and no more."""
    session = ClientSession(guest=True, max_unanswered=8)
    for _ in range(8):
        session.send(outgoing.publish("a", "1", ack=False))
    assert session.full
    with pytest.raises(TooManyUnanswered):
        session.send(outgoing.publish("a", "1"))
    session.send(outgoing.hello())
    assert len(session.unanswered) < 16
    assert session.receive_end() == [Closed(LOST)]


def test_commands_without_ok_are_settled_by_what_follows() -> None:
    """ACK=NO: a HELLO? of the session's own settles them; a BAD finds its command by SEQ."""
    session = ClientSession(guest=True, max_unanswered=8)
    commands = [outgoing.publish("a", str(number), ack=False) for number in range(4)]
    for command in commands:
        session.send(command)
    output = session.take_output().decode()
    assert output.count("ACK=NO") == 4
    assert output.count("HELLO?") == 2
    events = session.receive(line("BAD", SEQ="2", REASON="forbidden"))
    assert [
        (one.command, one.refusal is None) for one in events if isinstance(one, Answer)
    ] == [
        (commands[0], True),
        (commands[1], False),
    ]
    session.receive(line("HELLO!"))
    assert commands[2] in session.unanswered
    session.receive(line("HELLO!"))
    assert session.unanswered == []


def test_a_flood_of_questions_is_answered_once() -> None:
    """However many HELLO? come before anything can be sent, one HELLO! is kept."""
    session = ClientSession(guest=True)
    session.receive(line("HELLO?") * 10_000)
    assert session.take_output() == line("HELLO!")


def test_what_a_get_finds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GET that never ends finds no more than any broker keeps."""
    monkeypatch.setattr(client_session, "MAX_FOUND", 10_000)
    session = ClientSession(guest=True)
    session.send(outgoing.get("#"))
    session.take_output()
    found = b"".join(
        line(
            "SUB",
            VARIABLE=f"v{number}",
            VALUE="x" * 100,
            TIME="2026-01-01T00:00:00.000Z",
        )
        for number in range(200)
    )
    assert closing(session, found).reason == VIOLATION


def test_a_message_is_told_once_and_acknowledged() -> None:
    """GOT comes when the message was dealt with; a repeated one is acknowledged and not told."""
    receipts = ReceiptLedger()
    first = ClientSession(guest=True, receipts=receipts)
    told = line("MSG", DEVICE="a", VALUE="x", RECEIPT=7)
    message = MessageReceived("a", "x", receipt=7)
    assert first.receive(told) == [message]
    assert first.receive(told) == []
    assert first.take_output() == b""
    first.acknowledge(message)
    assert first.take_output() == line("GOT", RECEIPT=7)
    second = ClientSession(guest=True, receipts=receipts)
    assert second.receive(told) == []
    assert second.take_output() == line("GOT", RECEIPT=7)
    # A broker that has lost its files counts again: the number alone says nothing.
    assert second.receive(line("MSG", DEVICE="a", VALUE="y", RECEIPT=7)) == [
        MessageReceived("a", "y", receipt=7)
    ]


def test_a_message_that_failed_is_told_again() -> None:
    """What the application could not deal with comes again."""
    receipts = ReceiptLedger()
    session = ClientSession(guest=True, receipts=receipts)
    told = line("MSG", DEVICE="a", VALUE="x", RECEIPT=1)
    (message,) = session.receive(told)
    assert isinstance(message, MessageReceived)
    receipts.fail(message)
    assert session.receive(told) == [message]


def test_receipts_are_bounded() -> None:
    """A broker that repeats without end what was acknowledged is given up; memory stays small."""
    receipts = ReceiptLedger()
    session = ClientSession(guest=True, receipts=receipts)
    flood = [
        line("MSG", DEVICE="a", VALUE="x", RECEIPT=number) for number in range(1025)
    ]
    for told in flood:
        for event in session.receive(told):
            assert isinstance(event, MessageReceived)
            session.acknowledge(event)
        session.take_output()
    # The oldest is forgotten: at least once, not less.
    (again,) = session.receive(flood[0])
    assert isinstance(again, MessageReceived)
    assert session.receive(b"".join(flood[2:]) * 3) == []
    assert session.take_output().count(b"GOT") == len(flood) - 2


def test_the_ok_of_id_is_read() -> None:
    """All that OK may carry (protocol A4, B5)."""
    session = ClientSession()
    session.send(outgoing.identify("a", definitions_token="t", capabilities=["defs"]))
    sent = session.take_output().decode()
    assert "DEFS=t" in sent
    assert "CAN=defs" in sent
    answer = line(
        "OK",
        SEQ="1",
        KEEPALIVE=60,
        TIME="1970-01-01T00:01:00.000Z",
        PROTOCOL=1,
        LINE=600,
        TZ=r"CET-1CEST\u007c",
        CAN="defs,receipts",
        DEFS="KNOWN",
    )
    events = session.receive(answer)
    assert events[-1] == Connected(
        60.0, 60.0, "1", 600, "CET-1CEST|", frozenset({"defs", "receipts"}), True
    )
    assert session.max_line == 600


def test_the_full_form_is_read() -> None:
    """FULL=YES: time, age, sender, owner, will, event, missed (protocol B3)."""
    session = ClientSession(guest=True)
    told = session.receive(
        line(
            "SUB",
            VARIABLE="a",
            VALUE="x",
            TIME="1970-01-01T00:01:00.000Z",
            AGE=3,
            DEVICE="",
            OWNER="b",
            WILL="YES",
            RETAIN="NO",
            MISSED=2,
        )
    )
    assert told == [Value("a", "x", 60.0, 3, "", "b", True, False, 2)]


def test_a_live_value_in_the_full_form_is_not_lost_to_a_get() -> None:
    """Where live values carry TIME, too, one that comes during a GET is told as well."""
    session = ClientSession(guest=True)
    session.send(outgoing.subscribe("a", full=True))
    session.send(outgoing.get("#"))
    live = line(
        "SUB", VARIABLE="a", VALUE="1", TIME="1970-01-01T00:01:00.000Z", DEVICE="b"
    )
    other = line("SUB", VARIABLE="b", VALUE="2", TIME="1970-01-01T00:01:00.000Z")
    events = session.receive(OK + line("HELLO!") + live + other + OK)
    assert [one.variable for one in events if isinstance(one, Value)] == ["a"]
    assert isinstance(events[-1], Answer)
    assert [one.value for one in events[-1].values] == ["1", "2"]


def test_the_states_are_a_table() -> None:
    """What is not in it is refused, and nothing leaves the end."""
    assert {state for state, _ in SESSION_TRANSITIONS} == set(SessionState) - {
        SessionState.CLOSED
    }
    assert {step for _, step in SESSION_TRANSITIONS} == set(SessionStep)
    session = ClientSession()
    for command in (outgoing.publish("a", "1"), outgoing.get("a")):
        with pytest.raises(NotAllowedNow):
            session.send(command)
    session.send(outgoing.identify("a"))
    with pytest.raises(NotAllowedNow):
        session.send(outgoing.identify("a"))
    session.send(outgoing.close())
    for command in (outgoing.hello(), outgoing.close(), outgoing.identify("a")):
        with pytest.raises(NotAllowedNow):
            session.send(command)
    assert session.receive_end() == [Closed("client-close")]


@pytest.mark.parametrize(
    "make",
    [
        lambda: outgoing.send("a", "x", re=""),
        lambda: outgoing.send("a", "x", re="x" * 33),
        lambda: outgoing.send("a", "x", ttl=-1),
        lambda: outgoing.send("a/b", "x"),
        lambda: outgoing.will("a//b", "x"),
        lambda: outgoing.subscribe("a/#/b"),
    ],
)
def test_what_can_not_be_sent(make: Callable[[], outgoing.Command]) -> None:
    """It is refused before it goes over the wire."""
    with pytest.raises(Refused):
        make()


def test_all_options_of_commands() -> None:
    """Each is spelt as the protocol wants it."""
    assert outgoing.subscribe(
        "a", full=True, definitions=True, replay=False
    ).params == {
        "VARIABLE": "a",
        "FULL": "YES",
        "DEF": "YES",
        "REPLAY": "NO",
    }
    assert outgoing.will("a", "x", retain=False).params["RETAIN"] == "NO"
    assert outgoing.send("a", "x", ttl=5, re="q").params == {
        "DEVICE": "a",
        "VALUE": "x",
        "TTL": "5",
        "RE": "q",
    }
    described = outgoing.describe("a", {"type": "number", "MIN": 1, "HIDDEN": True})
    assert described.params["MIN"] == "1"
    assert described.params["HIDDEN"] == "YES"


def test_what_is_refused_is_wished_no_more() -> None:
    """A will and a subscription, and only where they are those of now."""
    wishes = Wishes()
    will, subscription = outgoing.will("a", "x"), outgoing.subscribe("a")
    wishes.set_will(will)
    wishes.add_subscription(subscription)
    for stranger in (outgoing.will("a", "x"), outgoing.subscribe("b")):
        wishes.drop(stranger)
    assert wishes.restoring(frozenset(), definitions_known=False) == [
        will,
        subscription,
    ]
    wishes.drop(will)
    wishes.drop(subscription)
    assert wishes.restoring(frozenset(), definitions_known=False) == []
