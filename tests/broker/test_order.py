"""The order of one variable's deliveries: slow readers, replays and events (protocol A3, B4, B8)."""

from collections import Counter
from dataclasses import dataclass, field
import random
import re

import pytest

from custom_components.textmq.broker.core.access import AccessMode, Rights
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.protocol.definitions import Definition, Rules

from .conftest import Connect
from .inprocess import Loop, Peer, RunningClock, make_broker
from .process import BrokerProcess

OK = "COMMAND=OK"
EVENTS_PER_VARIABLE = 8
DELIVERY = re.compile(
    r"COMMAND=(?P<command>SUB|DEL) \| VARIABLE=(?P<name>[^|]+?)"
    r"(?: \| VALUE=(?P<value>[^|]*?))?(?: \| TIME=(?P<time>[^|]*?))?(?: \| MISSED=(?P<missed>\d+))?"
)


@pytest.fixture
def broker() -> Broker:
    """Return a broker that lets everyone in."""
    return make_broker(AccessMode.OPEN)


def _slow(broker: Broker, *messages: str) -> Peer:
    """Return a client that has sent messages and does not read any more."""
    peer = Peer(broker)
    peer.ask(*messages)
    peer.session.pause()
    return peer


# Events


def test_events_wait_in_their_place(broker: Broker) -> None:
    """Events and values of one variable come in the order of their publishes; of the values the last one, at its place."""
    slow, publisher = _slow(broker, "COMMAND=SUB | VARIABLE=bell"), Peer(broker)
    for value, more in (
        ("ring", " | RETAIN=NO"),
        ("old", ""),
        ("ring", " | RETAIN=NO"),
        ("new", ""),
        ("unlock", " | RETAIN=NO"),
        ("lock", " | RETAIN=NO"),
    ):
        publisher.send(f"COMMAND=PUB | VARIABLE=bell | VALUE={value}{more}")
    assert slow.take() == []
    slow.session.resume()
    begin = "COMMAND=SUB | VARIABLE=bell | VALUE="
    assert slow.take() == [
        begin + value for value in ("ring", "ring", "new", "unlock", "lock")
    ]


def test_missed_events_are_told(broker: Broker) -> None:
    """Eight of a variable wait; the first of them says how many before it were dropped, and only that one."""
    slow, publisher = _slow(broker, "COMMAND=SUB | VARIABLE=bell"), Peer(broker)
    for number in range(20):
        publisher.send(f"COMMAND=PUB | VARIABLE=bell | VALUE={number} | RETAIN=NO")
    slow.session.resume()
    begin = "COMMAND=SUB | VARIABLE=bell | VALUE="
    assert slow.take() == [
        f"{begin}12 | MISSED=12",
        *(f"{begin}{number}" for number in range(13, 20)),
    ]
    publisher.send("COMMAND=PUB | VARIABLE=bell | VALUE=20 | RETAIN=NO")
    assert slow.take() == [f"{begin}20"]


def test_events_of_all_variables_have_a_bound(broker: Broker) -> None:
    """256 wait in all; of a variable that found no room the next event says what was missed, each once."""
    slow, publisher = _slow(broker, "COMMAND=SUB | VARIABLE=#"), Peer(broker)
    for name in range(40):
        for number in range(10):
            publisher.send(
                f"COMMAND=PUB | VARIABLE=b{name} | VALUE={number} | RETAIN=NO"
            )
    slow.session.resume()
    got = [DELIVERY.fullmatch(text) for text in slow.take()]
    assert len(got) == 256
    names = Counter(one["name"] for one in got if one)
    assert set(names.values()) == {EVENTS_PER_VARIABLE}
    told = sum(int(one["missed"] or 0) for one in got if one)
    assert told == len(names) * 2
    for name in range(40):
        publisher.send(f"COMMAND=PUB | VARIABLE=b{name} | VALUE=last | RETAIN=NO")
    later = [one for text in slow.take() if (one := DELIVERY.fullmatch(text))]
    assert {one["name"]: one["missed"] for one in later} == {
        f"b{name}": None if f"b{name}" in names else "10" for name in range(40)
    }


def test_too_many_gaps_end_the_connection(broker: Broker) -> None:
    """Where the gaps of more than 256 variables can't be told nothing is dropped in silence: CLOSE."""
    publisher = Peer(broker)
    for name in range(600):
        publisher.send(f"COMMAND=PUB | VARIABLE=b{name} | VALUE=0")
    slow = _slow(broker, "COMMAND=SUB | VARIABLE=# | REPLAY=NO")
    for name in range(600):
        publisher.send(f"COMMAND=PUB | VARIABLE=b{name} | VALUE=1 | RETAIN=NO")
    slow.session.resume()
    assert slow.take()[-1] == "COMMAND=CLOSE | REASON=slow-reader"
    assert slow.sink.closed


def test_a_deletion_keeps_its_place_among_events(broker: Broker) -> None:
    """DEL takes the place of the value before it; events around it stay where they were."""
    publisher = Peer(broker)
    publisher.send("COMMAND=PUB | VARIABLE=v | VALUE=1")
    slow = _slow(broker, "COMMAND=SUB | VARIABLE=v | REPLAY=NO")
    publisher.send(
        "COMMAND=PUB | VARIABLE=v | VALUE=2",
        "COMMAND=PUB | VARIABLE=v | VALUE=a | RETAIN=NO",
        "COMMAND=DEL | VARIABLE=v",
        "COMMAND=PUB | VARIABLE=v | VALUE=b | RETAIN=NO",
    )
    slow.session.resume()
    assert slow.take() == [
        "COMMAND=SUB | VARIABLE=v | VALUE=a",
        "COMMAND=DEL | VARIABLE=v",
        "COMMAND=SUB | VARIABLE=v | VALUE=b",
    ]


@pytest.mark.parametrize("then", ["events", "deletion"])
def test_what_waits_needs_the_right_to_read(then: str) -> None:
    """Events and deletions that wait are not delivered when the client may no longer read the variable."""
    broker = make_broker(AccessMode.APPROVE, "reader", "publisher")
    reader, publisher = Peer(broker, "reader"), Peer(broker, "publisher")
    reader.ask("COMMAND=SUB | VARIABLE=#")
    publisher.send("COMMAND=PUB | VARIABLE=v | VALUE=0")
    reader.take()
    reader.session.pause()
    publisher.send(
        "COMMAND=PUB | VARIABLE=v | VALUE=1 | RETAIN=NO"
        if then == "events"
        else "COMMAND=DEL | VARIABLE=v"
    )
    broker.set_rights("reader", Rights(read=("other",)))
    reader.session.resume()
    assert reader.take() == []


# Replays


def test_a_replay_does_not_overtake(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """To a slow reader in the middle of a replay the stored value comes first, then what is newer (over sockets)."""
    publisher = connect(open_broker)
    count = 1500
    for number in range(count):
        publisher.send("PUB", VARIABLE=f"{name}/{number}", VALUE="v" * 3000, ACK="NO")
    assert publisher.fence() == []
    slow = connect(open_broker, receive_buffer=4096)
    slow.ok("SUB", VARIABLE=f"{name}/#")
    last = f"{name}/{count - 1}"
    publisher.ok("PUB", VARIABLE=last, VALUE="event", RETAIN="NO")
    publisher.ok("PUB", VARIABLE=last, VALUE="newer")
    publisher.ok("PUB", VARIABLE=last, VALUE="newer event", RETAIN="NO")
    received = [one for one in slow.fence() if one["VARIABLE"] == last]
    values = [one["VALUE"] for one in received]
    assert values[-3:] == ["event", "newer", "newer event"]
    assert values[:-3] in ([], ["v" * 3000])
    assert all("TIME" not in one.params for one in received[-3:])


@dataclass
class Reader:
    """What one reader may see of each variable."""

    peer: Peer
    seen: dict[str, list[str]] = field(default_factory=dict)
    replayed: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Values that came with their time, each with the count of what was seen before it."""
    missed: Counter[str] = field(default_factory=Counter)

    def take(self) -> None:
        """Note what has come."""
        for text in self.peer.take():
            if (one := DELIVERY.fullmatch(text)) is not None:
                seen = self.seen.setdefault(one["name"], [])
                if one["time"]:
                    replay = (len(seen), one["value"])
                    self.replayed.setdefault(one["name"], []).append(replay)
                else:
                    seen.append("DEL" if one["command"] == "DEL" else one["value"])
                self.missed[one["name"]] += int(one["missed"] or 0)


def _is_in_order(seen: list[str], published: list[str]) -> bool:
    """Tell whether what was seen is in the order of the publishes; a value may come twice."""
    at = 0
    for what in seen:
        while at < len(published) and published[at] != what:
            at += 1
        if at == len(published):
            return False
    return True


@pytest.mark.parametrize("seed", range(60))
def test_random_scripts(seed: int) -> None:
    """One publisher, readers that stop and go on, subscribe, get and delete: the order always holds, the last value is right.

    Every publish has a number. Each event is delivered, or counted by MISSED, exactly once.
    """
    random_ = random.Random(seed)
    loop = Loop()
    limits = Limits(
        rate=1e9, burst=1e9, share=1e9, share_burst=1e9, slice=0.0004, turn=0.001
    )
    clock = RunningClock(0.0001)
    broker = make_broker(AccessMode.OPEN, clock=clock, limits=limits, loop=loop)
    publisher = Peer(broker, "publisher")
    names = [f"v/{number}" for number in range(6)]
    published: dict[str, list[str]] = {name: [] for name in names}
    events: dict[str, set[str]] = {name: set() for name in names}
    readers = [Reader(Peer(broker, f"r{number}")) for number in range(3)]
    for reader in readers:
        reader.peer.send("COMMAND=SUB | VARIABLE=v/#")
    loop.run()
    faithful = readers[0]
    number = 0
    for _ in range(400):
        reader = random_.choice(readers)
        name = random_.choice(names)
        match random_.randrange(12):
            case 0 | 1 | 2:
                number += 1
                published[name].append(str(number))
                publisher.send(f"COMMAND=PUB | VARIABLE={name} | VALUE={number}")
            case 3 | 4 | 5 | 6:
                number += 1
                published[name].append(str(number))
                events[name].add(str(number))
                publisher.send(
                    f"COMMAND=PUB | VARIABLE={name} | VALUE={number} | RETAIN=NO"
                )
            case 7:
                publisher.send(f"COMMAND=DEL | VARIABLE={name}")
                loop.run()
                if publisher.take()[-1] == OK:
                    published[name].append("DEL")
            case 8:
                reader.peer.session.pause()
            case 9:
                reader.peer.session.resume()
            case 10 if reader is not faithful:
                commands = (
                    "SUB | VARIABLE=v/#",
                    "UNSUB | VARIABLE=v/#",
                    "GET | VARIABLE=v/+",
                )
                reader.peer.send(f"COMMAND={random_.choice(commands)}")
            case _:
                for _ in range(random_.randrange(4)):
                    loop.turn()
        for one in readers:
            one.take()
    for reader in readers:
        reader.peer.session.resume()
    loop.run()
    for reader in readers:
        reader.take()
        for name in names:
            seen = reader.seen.get(name, [])
            assert _is_in_order(seen, published[name])
            for before, value in reader.replayed.get(name, []):
                # A value of before may be told again, but nothing that is older comes after it.
                later = [one for one in seen[before:] if one != "DEL"]
                assert all(int(one) >= int(value) for one in later)
    # The one that was subscribed all the time has seen each event, or was told that it has missed it.
    publisher.send(
        *(f"COMMAND=PUB | VARIABLE={name} | VALUE=end | RETAIN=NO" for name in names)
    )
    loop.run()
    faithful.take()
    for name in names:
        *seen, end = faithful.seen[name]
        assert end == "end"
        happened = [one for one in seen if one in events[name]]
        assert len(happened) == len(set(happened))
        assert len(happened) + faithful.missed[name] == len(events[name])
        states = [one for one in seen if one not in events[name]]
        stored = broker.variables.get(name)
        if states:
            assert states[-1] == (stored.value if stored is not None else "DEL")


def test_what_changes_before_a_replay_is_told_once() -> None:
    """Where SUB ends a slice, what others do before its replay is told by it: value and description once, in order."""
    loop, clock = Loop(), RunningClock(0.002)
    broker = make_broker(AccessMode.OPEN, clock=clock, loop=loop)
    reader = Peer(broker)
    reader.send("COMMAND=SUB | VARIABLE=v | DEF=YES")
    assert reader.take() == [OK]
    broker.publish("v", "1", device="x")
    broker.define("v", Definition.parse({"TYPE": "sensor"}, Rules()), device="x")
    broker.publish("v", "2", device="x")
    loop.run()
    assert reader.take() == [
        "COMMAND=DEF | VARIABLE=v | TYPE=sensor",
        "COMMAND=SUB | VARIABLE=v | VALUE=2",
    ]
    broker.define("v", None, device="x")
    broker.flush()
    loop.run()
    assert reader.take() == ["COMMAND=DEF | VARIABLE=v"]
