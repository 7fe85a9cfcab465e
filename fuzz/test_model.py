"""Several clients at once, in any order, against a simple model of the broker."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
import re
from typing import Any

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from custom_components.textmq.broker.core.access import Access, AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.limits import no_limits
from tests.broker.inprocess import Clock, Peer

from .reference import matches

TIME = "2023-11-14T22:13:20.000Z"
NOW = 1_700_000_000.0
DEVICES = ["one", "two", "three"]
NAMES = ["a", "a/b", "a/b/c", "b", "b/b"]
FILTERS = [*NAMES, "#", "a/#", "+", "+/b", "a/+/c", "+/+/#"]
VALUES = ["", "1", "two words", "a=b", "\\u00b0", "END"]
ANSWERS = ("COMMAND=OK", "COMMAND=BAD", "COMMAND=HELLO!")
MESSAGES = 32
EVENTS = 8


@dataclass
class Held:
    """What waits of one variable: events, and one state in its place, None for the value of then."""

    lines: list[tuple[bool, str | None]] = field(default_factory=list)
    missed: int = 0

    def put(self, line: str | None, *, event: bool) -> None:
        """Take a delivery."""
        same = [index for index, (other, _) in enumerate(self.lines) if other is event]
        if len(same) == (EVENTS if event else 1):
            del self.lines[same[0]]
            self.missed += event
        self.lines.append((event, line))

    def take(self, value: str | None) -> list[str]:
        """Return what is delivered when the variable has this value."""
        taken = []
        for event, line in self.lines:
            text = value if line is None else line
            if event and self.missed:
                text = f"{text} | MISSED={self.missed}"
                self.missed = 0
            if text is not None:
                taken.append(text)
        return taken


@dataclass
class Client:
    """What the model knows of a client, and what it expects it to get."""

    peer: Peer
    device: str = ""
    filters: set[str] = field(default_factory=set)
    will: tuple[str, str] | None = None
    reading: bool = True
    answers: list[str] = field(default_factory=list)
    deliveries: list[str] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)


class Clients(RuleBasedStateMachine):
    """Clients of a broker in the open mode; every step is checked to the byte."""

    def __init__(self) -> None:
        """Begin with nobody."""
        super().__init__()
        limits = replace(no_limits(), max_queued_messages=MESSAGES)
        self.broker = Broker(
            access=Access(AccessMode.OPEN),
            limits=limits,
            clock=Clock(),
            now=lambda: NOW,
            cpu_time=Clock(),
        )
        self.clients: list[Client] = []
        self.values: dict[str, str] = {}

    # The model

    def _publish(self, name: str, value: str, retain: bool) -> None:
        line = f"COMMAND=SUB | VARIABLE={name} | VALUE={value}"
        if retain:
            self.values[name] = value
        self._deliver(name, line, None if retain else line, event=not retain)

    def _deliver(
        self, name: str, line: str, waiting: str | None, *, event: bool = False
    ) -> None:
        for client in self.clients:
            if any(matches(text, name) for text in client.filters):
                if client.reading:
                    client.deliveries.append(line)
                else:
                    held = client.held.setdefault(name, Held())
                    held.put(waiting, event=event)

    def _leave(self, client: Client, *, will: bool) -> None:
        self.clients.remove(client)
        if will and client.will is not None:
            self._publish(*client.will, retain=True)

    def _replay(self, client: Client, text: str) -> None:
        client.deliveries += [
            f"COMMAND=SUB | VARIABLE={name} | VALUE={value} | TIME={TIME}"
            for name, value in self.values.items()
            if matches(text, name)
        ]

    def _check(self, *gone: Client) -> None:
        for client in (*self.clients, *gone):
            lines = client.peer.take()
            answers = [line for line in lines if line.startswith(ANSWERS)]
            others = [line for line in lines if not line.startswith(ANSWERS)]
            assert [line.partition(" | DETAIL")[0] for line in answers] == (
                client.answers
            )
            assert sorted(others) == sorted(client.deliveries)
            for name in NAMES:
                of_name = re.compile(rf"COMMAND=(SUB|DEL) \| VARIABLE={name}( \||$)")
                assert list(filter(of_name.match, others)) == list(
                    filter(of_name.match, client.deliveries)
                )
            client.answers, client.deliveries = [], []
        assert {one.name: one.value for one in self.broker.variables} == self.values
        assert len(self.broker.sessions) == len(self.clients)

    def _do(self, data: st.DataObject, *commands: tuple[str, str]) -> Client:
        """Let one of the clients that read send commands, each with its expected answer."""
        client = self._one(data)
        client.peer.send(*(command for command, _ in commands))
        client.answers += [answer for _, answer in commands]
        return client

    def _one(self, data: st.DataObject) -> Client:
        return data.draw(st.sampled_from([one for one in self.clients if one.reading]))

    def _any_reads(self) -> bool:
        return any(client.reading for client in self.clients)

    # The steps

    @precondition(lambda self: len(self.clients) < 5)
    @rule()
    def connect(self) -> None:
        """Somebody comes."""
        self.clients.append(Client(Peer(self.broker)))
        self._check()

    @precondition(_any_reads)
    @rule(data=st.data(), device=st.sampled_from(DEVICES))
    def identify(self, data: st.DataObject, device: str) -> None:
        """Somebody says who it is, now or again; who was that before has to go."""
        client = self._one(data)
        client.peer.send(f"COMMAND=ID | ID={device}")
        client.answers.append(f"COMMAND=OK | KEEPALIVE=30 | TIME={TIME}")
        former = [
            one for one in self.clients if one.device == device and one is not client
        ]
        client.device = device
        for one in former:
            self._leave(one, will=False)
            one.held.clear()
            one.messages.clear()
            one.deliveries.append("COMMAND=CLOSE | REASON=taken-over")
        self._check(*former)

    @precondition(_any_reads)
    @rule(data=st.data(), text=st.sampled_from(FILTERS), replay=st.booleans())
    def subscribe(self, data: st.DataObject, text: str, replay: bool) -> None:
        """SUB."""
        extra = "" if replay else " | REPLAY=NO"
        client = self._do(data, (f"COMMAND=SUB | VARIABLE={text}{extra}", "COMMAND=OK"))
        client.filters.add(text)
        if replay:
            self._replay(client, text)
        self._check()

    @precondition(_any_reads)
    @rule(data=st.data(), text=st.sampled_from(FILTERS))
    def unsubscribe(self, data: st.DataObject, text: str) -> None:
        """UNSUB, of what was subscribed to or not."""
        client = self._do(data, (f"COMMAND=UNSUB | VARIABLE={text}", "COMMAND=OK"))
        client.filters.discard(text)
        self._check()

    @precondition(_any_reads)
    @rule(data=st.data())
    def unsubscribe_all(self, data: st.DataObject) -> None:
        """UNSUBALL."""
        self._do(data, ("COMMAND=UNSUBALL", "COMMAND=OK")).filters.clear()
        self._check()

    @precondition(_any_reads)
    @rule(
        data=st.data(),
        publishes=st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES), st.booleans()),
            min_size=1,
            max_size=6,
        ),
    )
    def publish(
        self, data: st.DataObject, publishes: list[tuple[str, str, bool]]
    ) -> None:
        """PUB, several at once."""
        self._do(
            data,
            *(
                (
                    f"COMMAND=PUB | VARIABLE={name} | VALUE={value}"
                    + ("" if retain else " | RETAIN=NO"),
                    "COMMAND=OK",
                )
                for name, value, retain in publishes
            ),
        )
        for one in publishes:
            self._publish(*one)
        self._check()

    @precondition(_any_reads)
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def delete(self, data: st.DataObject, name: str) -> None:
        """DEL, of what is there or not."""
        there = self.values.pop(name, None) is not None
        answer = "COMMAND=OK" if there else "COMMAND=BAD | REASON=no-such-variable"
        self._do(data, (f"COMMAND=DEL | VARIABLE={name}", answer))
        if there:
            line = f"COMMAND=DEL | VARIABLE={name}"
            self._deliver(name, line, line)
        self._check()

    @precondition(_any_reads)
    @rule(data=st.data(), text=st.sampled_from(FILTERS))
    def get(self, data: st.DataObject, text: str) -> None:
        """GET, of a name or a filter."""
        there = text in self.values or "+" in text or "#" in text
        answer = "COMMAND=OK" if there else "COMMAND=BAD | REASON=no-such-variable"
        client = self._do(data, (f"COMMAND=GET | VARIABLE={text}", answer))
        self._replay(client, text)
        self._check()

    @precondition(_any_reads)
    @rule(data=st.data(), device=st.sampled_from([*DEVICES, "*"]))
    def message(self, data: st.DataObject, device: str) -> None:
        """MSG, to one device or to all others."""
        client = self._one(data)
        targets = [
            one
            for one in self.clients
            if one.device
            and (
                one.device == device or (device == "*" and one.device != client.device)
            )
        ]
        line = f"COMMAND=MSG | DEVICE={client.device} | VALUE=hello"
        busy = False
        for one in targets:
            if one.reading:
                one.deliveries.append(line)
            elif len(one.messages) < MESSAGES:
                one.messages.append(line)
            else:
                busy = True
        client.peer.send(f"COMMAND=MSG | DEVICE={device} | VALUE=hello")
        if busy:
            client.answers.append("COMMAND=BAD | REASON=device-busy")
        elif targets or device == "*":
            client.answers.append("COMMAND=OK")
        else:
            client.answers.append("COMMAND=BAD | REASON=no-such-device")
        self._check()

    @precondition(_any_reads)
    @rule(data=st.data(), name=st.sampled_from(NAMES), value=st.sampled_from(VALUES))
    def will(self, data: st.DataObject, name: str, value: str) -> None:
        """WILL."""
        command = f"COMMAND=WILL | VARIABLE={name} | VALUE={value}"
        self._do(data, (command, "COMMAND=OK")).will = (name, value)
        self._check()

    @precondition(_any_reads)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        """CLOSE, after which there is no answer and no will."""
        client = self._do(data, ("COMMAND=HELLO?", "COMMAND=HELLO!"))
        client.peer.send("COMMAND=CLOSE")
        self._leave(client, will=False)
        self._check(client)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """Somebody is gone without a word."""
        client = data.draw(st.sampled_from(self.clients))
        client.peer.session.lost()
        self._leave(client, will=True)
        self._check(client)

    @precondition(_any_reads)
    @rule(data=st.data())
    def stop_reading(self, data: st.DataObject) -> None:
        """Somebody reads nothing for a while."""
        client = self._one(data)
        client.reading = False
        client.peer.session.pause()
        self._check()

    @precondition(lambda self: any(not client.reading for client in self.clients))
    @rule(data=st.data())
    def read_again(self, data: st.DataObject) -> None:
        """It gets all messages that waited, and the newest of each variable."""
        client = data.draw(
            st.sampled_from([one for one in self.clients if not one.reading])
        )
        client.reading = True
        client.deliveries += client.messages
        for name, held in client.held.items():
            value = self.values.get(name)
            client.deliveries += held.take(
                None
                if value is None
                else f"COMMAND=SUB | VARIABLE={name} | VALUE={value}"
            )
        client.held.clear()
        client.messages.clear()
        client.peer.session.resume()
        self._check()


TestClients: Callable[..., Any] = Clients.TestCase
TestClients.settings = settings(  # type: ignore[attr-defined]
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
