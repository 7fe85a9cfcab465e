"""Both ends of the wire against each other in memory, however the bytes are cut (protocol A, B)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
import random

import pytest

from custom_components.textmq.broker.client import outgoing
from custom_components.textmq.broker.client.client_session import ClientSession
from custom_components.textmq.broker.client.deliveries import (
    Answer,
    Closed,
    Connected,
    Deletion,
    Description,
    MessageReceived,
    SessionEvent,
    Value,
    Waiting,
)
from custom_components.textmq.broker.client.errors import Refused
from custom_components.textmq.broker.client.outgoing import Command
from custom_components.textmq.broker.client.session_states import SessionState
from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.protocol.reasons import CloseReason

from .inprocess import Peer, make_broker

type Cut = Callable[[bytes], Iterator[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    """Leave bytes as they are."""
    yield data


def single(data: bytes) -> Iterator[bytes]:
    """Cut bytes into single ones."""
    return (data[at : at + 1] for at in range(len(data)))


def at(place: int) -> Cut:
    """Cut each line in two at a place."""

    def cut(data: bytes) -> Iterator[bytes]:
        for line in data.splitlines(keepends=True):
            yield line[:place]
            yield line[place:]

    return cut


def anywhere(seed: int) -> Cut:
    """Cut bytes into pieces by chance."""
    chance = random.Random(seed)

    def cut(data: bytes) -> Iterator[bytes]:
        rest = data
        while rest:
            length = chance.randint(1, 40)
            yield rest[:length]
            rest = rest[length:]

    return cut


@dataclass
class Pair:
    """A client's session and a broker's, and the wire between them."""

    broker: Broker
    cut: Cut = whole
    back: Cut | None = None
    """How the broker's bytes are cut, where it is in another way."""
    broker_first: bool = False
    """Move the bytes of the broker before those of the client."""
    guest: bool = False
    events: list[SessionEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Connect."""
        self.client = ClientSession(guest=self.guest)
        self.peer = Peer(self.broker)
        self.ended = False

    def send(self, *commands: Command) -> None:
        """Send commands without waiting."""
        for command in commands:
            self.client.send(command)

    def exchange(self) -> list[SessionEvent]:
        """Move bytes both ways until there are none; return what came since the last time."""
        moves = [self._to_broker, self._to_client]
        if self.broker_first:
            moves.reverse()
        while sum(move() for move in moves):
            pass
        if self.peer.sink.closed and not self.ended:
            self.ended = True
            self.events += self.client.receive_end()
        taken, self.events = self.events, []
        return taken

    def _to_broker(self) -> bool:
        output = self.client.take_output()
        for piece in self.cut(output):
            if piece:
                self.peer.send_bytes(piece)
        return bool(output)

    def _to_client(self) -> bool:
        output = b"".join(self.peer.sink.written)
        self.peer.sink.written.clear()
        for piece in (self.back or self.cut)(output):
            self.events += self.client.receive(piece)
        return bool(output)

    def do(self, *commands: Command) -> list[SessionEvent]:
        """Send commands and return what comes of it."""
        self.send(*commands)
        return self.exchange()


def shown(events: list[SessionEvent]) -> list[object]:
    """Return events as they can be compared: commands by name, without times."""
    out: list[object] = []
    for event in events:
        match event:
            case Answer(command, _, refusal, values) if command.name != "HELLO?":
                out.append(
                    (
                        command.name,
                        None if refusal is None else (refusal.reason, refusal.detail),
                        [(value.variable, value.value) for value in values],
                    )
                )
            case Value(variable, value):
                out.append((variable, value, event.time is not None))
            case Connected():
                out.append((Connected, event.keepalive))
            case Deletion() | Description() | MessageReceived() | Closed() | Waiting():
                out.append(event)
    return out


def conversation(pair: Pair, *, pipelined: bool) -> list[object]:
    """Say everything that a client can say, all at once or one after the other."""
    other = Peer(pair.broker, "other")
    events: list[SessionEvent] = []
    pair.send(outgoing.identify("node", {"NAME": "Küche | Süd"}, keepalive=60))
    events += pair.exchange()
    commands = [
        outgoing.will("node/alive", "lost"),
        outgoing.publish("node/text", " Grüße |\\ \n\U0001f600 "),
        outgoing.publish("node/x", "1", ack=False),
        outgoing.publish("$SYS/x", "1", ack=False),
        outgoing.describe(
            "node/mode", {"TYPE": "select", "OPTIONS": ["a", "b"], "NAME": "°C"}
        ),
        outgoing.describe("node/bad", {"TYPE": "number", "MIN": 2, "MAX": 1}),
        outgoing.subscribe("node/#", definitions=True),
        outgoing.get("node/#"),
        outgoing.get("node/text"),
        outgoing.get("node/none"),
        outgoing.get("nothing/#"),
        outgoing.publish("node/event", "pressed", retain=False),
        outgoing.send("node", "to myself | \\"),
        outgoing.send("nobody", "x"),
        outgoing.send("nobody", "x", ack=False),
        outgoing.hello(),
        outgoing.delete("node/x"),
        outgoing.delete("node/x"),
        outgoing.unsubscribe("node/#"),
        outgoing.publish("node/text", "unheard"),
        outgoing.get("node/text"),
    ]
    if pipelined:
        events += pair.do(*commands)
    else:
        for command in commands:
            events += pair.do(command)
    other.send("COMMAND=MSG | DEVICE=node | VALUE=hi")
    events += pair.exchange()
    events += pair.do(outgoing.close(60))
    assert pair.client.state is SessionState.CLOSED
    assert not pair.client.unanswered
    return shown(events)


def open_pair(**options: object) -> Pair:
    """Connect a client to a broker that lets everyone in."""
    return Pair(make_broker(AccessMode.OPEN), **options)  # type: ignore[arg-type]


def test_a_conversation_means_the_same_at_both_ends() -> None:
    """Every command gets its own answer, every text arrives as it was sent."""
    told = conversation(open_pair(), pipelined=False)
    text = " Grüße |\\ \n\U0001f600 "
    refused = {
        one[0]: one[1][0]
        for one in told
        if isinstance(one, tuple) and len(one) == 3 and isinstance(one[1], tuple)
    }
    assert refused == {
        "PUB": "read-only",
        "DEF": "bad-definition",
        "GET": "no-such-variable",
        "MSG": "no-such-device",
        "DEL": "no-such-variable",
    }
    names = [one[0] for one in told if isinstance(one, tuple) and len(one) == 3]
    assert names.count("PUB") == 5
    assert ("GET", None, [("node/text", text), ("node/x", "1")]) in told
    assert ("GET", None, [("node/text", text)]) in told
    assert ("GET", None, []) in told
    assert told.count(("node/text", text, True)) == 1
    assert ("node/event", "pressed", False) in told
    assert Deletion("node/x") in told
    description = next(one for one in told if isinstance(one, Description))
    assert description.text("NAME") == "°C"
    assert description.items("OPTIONS") == ("a", "b")
    assert MessageReceived("node", "to myself | \\") in told
    assert MessageReceived("other", "hi") in told
    assert ("GET", None, [("node/text", "unheard")]) in told
    assert told[-1] == Closed("client-close")


def longest_line() -> int:
    """Return the bytes of the longest line of the conversation."""
    lengths: list[int] = []

    def measure(data: bytes) -> Iterator[bytes]:
        lengths.extend(map(len, data.splitlines(keepends=True)))
        yield data

    conversation(open_pair(cut=measure), pipelined=False)
    return max(lengths)


@pytest.mark.parametrize("broker_first", [False, True])
@pytest.mark.parametrize("pipelined", [False, True])
def test_any_cut_means_the_same(*, broker_first: bool, pipelined: bool) -> None:
    """Every split of every line, both ways, gives the same events."""
    wanted = conversation(open_pair(), pipelined=False)
    if pipelined:
        assert sorted(map(repr, conversation(open_pair(), pipelined=True))) == sorted(
            map(repr, wanted)
        )
        wanted = conversation(open_pair(), pipelined=True)
    cuts: list[Cut] = [
        single,
        *map(at, range(longest_line())),
        *map(anywhere, range(20)),
    ]
    for cut in cuts:
        for ways in ((cut, cut), (cut, whole), (whole, cut)):
            pair = open_pair(cut=ways[0], back=ways[1], broker_first=broker_first)
            assert conversation(pair, pipelined=pipelined) == wanted


@pytest.mark.parametrize("cut", [whole, single, anywhere(1)])
def test_a_person_decides(cut: Cut) -> None:
    """A client that must wait knows it, and is let in, or kept out with the reason."""
    broker = make_broker(AccessMode.APPROVE)
    pair = Pair(broker, cut)
    assert shown(pair.do(outgoing.identify("new"))) == [Waiting()]
    broker.approve("new")
    assert (Connected, 30.0) in shown(pair.exchange())
    assert pair.client.state is SessionState.CONNECTED

    denied = Pair(broker, cut)
    denied.do(outgoing.identify("bad"))
    broker.refuse("bad")
    events = denied.exchange()
    assert isinstance(events[0], Answer)
    assert events[0].refusal is not None
    assert events[0].refusal.reason == "denied"
    assert events[-1] == Closed(CloseReason.DENIED)


def test_a_known_device_is_never_told_to_wait() -> None:
    """OK before HELLO! is no waiting, though the question was asked."""
    pair = Pair(make_broker(AccessMode.APPROVE, "node"), single)
    assert shown(pair.do(outgoing.identify("node"))) == [
        ("ID", None, []),
        (Connected, 30.0),
    ]


def test_a_take_over_is_told_with_its_reason() -> None:
    """The older connection ends with the reason, and its commands have their answers."""
    broker = make_broker(AccessMode.OPEN)
    first = Pair(broker)
    first.do(outgoing.identify("node"))
    second = Pair(broker)
    second.do(outgoing.identify("node"))
    assert first.exchange() == [Closed("taken-over")]
    assert first.client.over
    assert not second.client.over


def test_a_replay_is_not_found_by_the_get_behind_it() -> None:
    """SUB and GET at once: what replays the one is delivered, what the other finds is found."""
    broker = make_broker(AccessMode.OPEN)
    writer = Pair(broker, guest=True)
    for number in range(50):
        writer.do(outgoing.publish(f"v/{number}", str(number)))
    pair = Pair(broker, single, guest=True)
    events = pair.do(outgoing.subscribe("v/#"), outgoing.get("v/#"))
    replayed = [one for one in events if isinstance(one, Value)]
    found = next(
        one.values
        for one in events
        if isinstance(one, Answer) and one.command.name == "GET"
    )
    assert len(replayed) == len(found) == 50
    assert set(replayed) == set(found)


def test_the_broker_is_answered_that_asks() -> None:
    """HELLO? is answered without the application."""
    pair = open_pair(guest=True)
    pair.peer.session.answer(b"START | COMMAND=HELLO? | END\n")
    pair.peer.session.outbox.flush()
    before = pair.peer.session.received
    assert pair.exchange() == []
    assert pair.peer.session.received == before + 1


def test_what_is_refused_before_it_is_sent() -> None:
    """Names and lengths that no broker takes raise at once, and nothing is sent."""
    pair = open_pair(guest=True)
    makers: list[Callable[[], Command]] = [
        lambda: outgoing.publish("a//b", "x"),
        lambda: outgoing.subscribe("a/#/b"),
        lambda: outgoing.identify("homeassistant"),
        lambda: outgoing.send("a/b", "x"),
        lambda: outgoing.send("a", "x", re=""),
    ]
    for make in makers:
        with pytest.raises(Refused):
            make()
    with pytest.raises(Refused) as caught:
        pair.send(outgoing.publish("a", "x" * 5000))
    assert caught.value.reason == "too-long"
    assert pair.client.take_output() == b""
    assert pair.do(outgoing.publish("a", "x"))
