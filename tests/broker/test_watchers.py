"""What listeners in this process may do while they are told: publish, delete, disconnect, fail."""

from typing import override

import pytest

from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.devices import Device
from custom_components.textmq.broker.core.observers import Observer, Publication
from custom_components.textmq.broker.protocol.reasons import CloseReason

from .inprocess import Clock, Loop, Peer, make_broker

OK = "COMMAND=OK"


@pytest.fixture
def broker() -> Broker:
    """Return a broker that lets everyone in."""
    return make_broker(AccessMode.OPEN)


def _values(peer: Peer, name: str) -> list[str]:
    begin = f"COMMAND=SUB | VARIABLE={name} | VALUE="
    return [one.removeprefix(begin) for one in peer.take() if one.startswith(begin)]


@pytest.mark.parametrize("answered", ["1", "2", "3", "123"])
@pytest.mark.parametrize("seq", ["", " | SEQ=1"], ids=["many at once", "one by one"])
def test_a_watcher_that_publishes(broker: Broker, seq: str, answered: str) -> None:
    """All watchers and subscribers see the values in the order in which the broker had them; the last one is its value."""
    told: list[list[str]] = [[], [], []]
    peer, reader = Peer(broker), Peer(broker)
    peer.ask("COMMAND=PUB | VARIABLE=v | VALUE=0")
    reader.ask("COMMAND=SUB | VARIABLE=v | REPLAY=NO")

    def answer(publication: Publication) -> None:
        told[1].append(publication.value)
        if publication.value in answered:
            broker.publish("v", f"answer to {publication.value}", device="x")

    broker.watch("v", lambda publication: told[0].append(publication.value))
    broker.watch("v", answer)
    broker.watch("#", lambda publication: told[2].append(publication.value))
    answers = peer.ask(
        *(f"COMMAND=PUB | VARIABLE=v | VALUE={number}{seq}" for number in range(1, 4))
    )
    broker.flush()
    assert len(answers) == 3
    assert told[0] == told[1] == told[2]
    assert [one for one in told[0] if one.isdecimal()] == ["1", "2", "3"]
    variable = broker.variables.get("v")
    assert variable is not None
    assert told[0][-1] == variable.value
    assert len(told[0]) == 3 + len(answered)
    assert _values(reader, "v") == told[0]


def test_watchers_that_answer_each_other_for_ever() -> None:
    """The event loop goes on meanwhile, and so does everyone else; it ends when one of them stops."""
    loop, clock = Loop(), Clock()
    broker = make_broker(AccessMode.OPEN, clock=clock, loop=loop)

    def answer(to: str, publication: Publication) -> None:
        clock.time += 0.0001
        broker.publish(to, str(int(publication.value) + 1), device="x")

    broker.watch("a", lambda publication: answer("b", publication))
    unwatch = broker.watch("b", lambda publication: answer("a", publication))
    peer = Peer(broker)
    peer.send("COMMAND=PUB | VARIABLE=a | VALUE=0")
    began = clock.time
    for _ in range(50):
        before = clock.time
        loop.turn()
        assert clock.time - before < 0.005
    assert clock.time - began > 0.05
    assert OK in peer.take()
    assert peer.ask("COMMAND=HELLO?") == ["COMMAND=HELLO!"]
    unwatch()
    loop.run()
    seen: list[str] = []
    broker.watch("c", lambda publication: seen.append(publication.value))
    broker.publish("c", "1", device="x")
    assert seen == ["1"]


def test_a_watcher_that_deletes(broker: Broker) -> None:
    """A variable deleted while its publish is told is gone, and comes back clean with the next publish."""
    peer, reader = Peer(broker, "a"), Peer(broker, "b")
    peer.ask("COMMAND=PUB | VARIABLE=v | VALUE=0")
    reader.ask("COMMAND=SUB | VARIABLE=v | REPLAY=NO")

    def delete(publication: Publication) -> None:
        if publication.value == "1":
            broker.delete("v")

    broker.watch("v", delete)
    answers = peer.ask(
        *(f"COMMAND=PUB | VARIABLE=v | VALUE={number}" for number in (1, 2, 3))
    )
    broker.flush()
    assert answers == [OK] * 3
    variable = broker.variables.get("v")
    lines = [one.partition("VARIABLE=v")[2] for one in reader.take()]
    assert lines.count("") == 1
    after = [one.removeprefix(" | VALUE=") for one in lines[lines.index("") + 1 :]]
    assert (after[-1] if after else None) == (variable.value if variable else None)


@pytest.mark.parametrize("who", ["publisher", "reader"])
def test_a_watcher_that_disconnects(broker: Broker, who: str) -> None:
    """A client closed in the middle of a publish gets nothing after its CLOSE; the others all the rest."""
    publisher, reader = Peer(broker, "publisher"), Peer(broker, "reader")
    other = Peer(broker, "other")
    for peer in (reader, other):
        peer.ask("COMMAND=SUB | VARIABLE=v")
    publisher.ask("COMMAND=PUB | VARIABLE=v | VALUE=0")
    for peer in (reader, other):
        peer.take()

    def disconnect(_: Publication) -> None:
        broker.disconnect(who)

    broker.watch("v", disconnect)
    publisher.send(
        *(f"COMMAND=PUB | VARIABLE=v | VALUE={n} | SEQ={n}" for n in range(1, 4))
    )
    broker.flush()
    closed = {"publisher": publisher, "reader": reader}[who]
    assert closed.sink.closed
    assert closed.take()[-1] == "COMMAND=CLOSE | REASON=disconnected"
    expected = ["1"] if who == "publisher" else ["1", "2", "3"]
    assert _values(other, "v") == expected
    closed.send("COMMAND=PUB | VARIABLE=v | VALUE=late")
    broker.flush()
    assert other.take() == closed.take() == []


def test_an_observer_that_closes_another_who_waits() -> None:
    """Opening the door lets in who still waits, whatever an observer does to the next one."""
    broker = make_broker(AccessMode.APPROVE)
    first, second, third = (Peer(broker, name) for name in ("one", "two", "three"))

    class Closing(Observer):
        @override
        def device_admitted(self, device: Device) -> None:
            if device.id == "one":
                second.session.lost()

    broker.observe(Closing())
    broker.permit(60)
    assert first.take()[0].startswith(OK)
    assert third.take()[0].startswith(OK)
    assert second.take() == []
    assert broker.access.known == {"one", "three"}


def test_a_will_of_a_reader_that_goes_while_it_is_delivered_to() -> None:
    """The loss of a slow reader while something is published to it disturbs neither order nor the others."""
    broker = make_broker(AccessMode.OPEN)
    slow, other, publisher = Peer(broker, "slow"), Peer(broker), Peer(broker)
    slow.ask("COMMAND=SUB | VARIABLE=#", "COMMAND=WILL | VARIABLE=v | VALUE=will")
    other.ask("COMMAND=SUB | VARIABLE=v")
    slow.session.pause()
    value = "x" * 4000
    number = 0
    while not slow.sink.closed:
        number += 1
        assert number < 1000
        publisher.send(f"COMMAND=PUB | VARIABLE=e{number} | VALUE={value} | RETAIN=NO")
        publisher.send(f"COMMAND=PUB | VARIABLE=v | VALUE={number}")
    broker.flush()
    assert broker.closes[CloseReason.SLOW_READER] == 1
    variable = broker.variables.get("v")
    assert variable is not None
    assert _values(other, "v")[-1] == variable.value
    assert variable.value in ("will", str(number))


def test_many_publishes_that_are_watched_take_more_than_a_slice() -> None:
    """Watchers are told after a few publishes each; where that takes long, the rest waits for the next turn."""
    clock, loop = Clock(), Loop()
    broker = make_broker(AccessMode.OPEN, clock=clock, loop=loop)
    told: list[str] = []

    def watch(publication: Publication) -> None:
        told.append(publication.value)
        clock.time += 0.0004

    broker.watch("#", watch)
    peer, reader = Peer(broker), Peer(broker)
    peer.ask("COMMAND=PUB | VARIABLE=v | VALUE=first")
    reader.ask("COMMAND=SUB | VARIABLE=v | REPLAY=NO")
    peer.take()
    numbers = [str(number) for number in range(100)]
    peer.send(*(f"COMMAND=PUB | VARIABLE=v | VALUE={number}" for number in numbers))
    assert 0 < len(told) < 20
    turns = 0
    while loop.turn():
        turns += 1
    assert turns > 5
    assert told == ["first", *numbers]
    assert _values(reader, "v") == numbers
    assert peer.take() == [OK] * 100


@pytest.mark.parametrize(
    "line",
    [
        "COMMAND=PUB | VARIABLE=a/v | VALUE=1",
        "COMMAND=PUB | VARIABLE=a/v | VALUE=1 | SEQ=1",
        "COMMAND=PUB | VARIABLE=a/v | VALUE=1 | RETAIN=NO",
        "COMMAND=PUB | VARIABLE=a/new | VALUE=1",
        "COMMAND=PUB | VARIABLE=a/new | VALUE=1 | RETAIN=NO",
        "COMMAND=WILL | VARIABLE=a/v | VALUE=1",
        "",
    ],
)
def test_one_publish_is_one_object(broker: Broker, line: str) -> None:
    """All watchers of a publish get the same object, so that they can tell whether it is the same publish."""
    broker.publish("a/v", "0", device="x")
    told: list[list[Publication]] = [[], [], [], []]
    for watched, pattern in zip(told, ("a/v", "a/v", "a/+", "#"), strict=True):
        broker.watch(pattern, watched.append)
    peer = Peer(broker, "a")
    if line:
        peer.send(line)
        peer.session.lost()
    else:
        broker.publish("a/v", "1", device="x")
    *exact, level, everything = told
    assert len(everything) == len(level) == 1
    assert level[0] is everything[0]
    assert everything[0].will == ("WILL" in line)
    for one in exact if everything[0].name == "a/v" else ():
        assert len(one) == 1
        assert one[0] is everything[0]


def test_two_publishes_are_two_objects(broker: Broker) -> None:
    """Also where they are equal in every word, and told together."""
    told: list[Publication] = []
    broker.watch("#", told.append)
    Peer(broker).send(*["COMMAND=PUB | VARIABLE=v | VALUE=1"] * 5)
    assert len({id(one) for one in told}) == 5
