"""What one client may cost the others: slices, turns, allowances, and who pays (protocol, Limits)."""

from collections.abc import Callable
from contextlib import suppress
import socket
import threading
import time

import pytest

from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.core.quota import Allowance, Quota
from custom_components.textmq.broker.core.subscriptions import Subscriptions
from custom_components.textmq.broker.protocol import names

from .client import line
from .conftest import Connect, StartBroker
from .encryption import EncryptedClient, client_context, key_options
from .inprocess import Clock, Loop, Peer, Sink, make_broker

OK = "COMMAND=OK"
MEGABYTE = 1_000_000


# A client that is not let in


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b"START | COMMAND=HELLO? | " + b"x" * 64 * MEGABYTE, id="a line"),
        pytest.param(line("HELLO?") + b"\n" * 64 * MEGABYTE, id="empty lines"),
        pytest.param(b" " * 64 * MEGABYTE, id="blanks"),
        pytest.param(b"\x16\x03\x01\xff\xff" + bytes(64 * MEGABYTE), id="TLS"),
    ],
)
def test_a_stranger_pays_for_bytes_without_a_message(
    start_broker: StartBroker, connect: Connect, flood: bytes
) -> None:
    """What is passed over costs time too: it is read no faster than the stranger's allowance lets it."""
    broker = start_broker("--allow", "alpha")
    stranger = connect(broker)
    stranger.socket.settimeout(3)
    with pytest.raises((TimeoutError, ConnectionError)):
        stranger.send_bytes(flood)
    assert connect(broker, "alpha").fence() == []


def test_a_stranger_is_heard_at_first() -> None:
    """However much others have used of what strangers share: a handshake and an ID come through, no more."""
    limits = Limits()
    shared = Allowance(0.03, 0.25, 0)
    shared.balance = -1
    quota = Quota(limits, 0, shared)
    assert [quota.wait(0) for _ in range(4)] == [0] * 4
    assert quota.wait(0) > 10
    assert quota.wait(100) == 0


def test_a_stranger_that_has_used_up_its_own_is_not_heard() -> None:
    """Not even at first."""
    quota = Quota(Limits(), 0, Allowance(0.03, 0.25, 0))
    quota.charge(quota.seconds.burst)
    assert quota.wait(0) > 0


def test_a_pause_of_the_process_does_not_lock_a_stranger_out() -> None:
    """A slice of a second, the garbage collector's perhaps, is waited for like a burst."""
    limits = Limits()
    quota = Quota(limits, 0, Allowance(0.03, 0.25, 0))
    quota.charge(1.0)
    assert 0 < quota.wait(0) <= quota.seconds.burst / limits.unauthorized_share
    member = Quota(limits, 0, None)
    member.charge(1.0)
    assert member.wait(0) == pytest.approx(
        (1.0 - limits.share_burst) / limits.share, abs=0.1
    )


def test_a_device_with_a_key_gets_in_while_strangers_flood(
    start_broker: StartBroker,
) -> None:
    """What all strangers share is used up; the handshake and ID of a device go on all the same."""
    broker = start_broker(*key_options("lamp"))
    flood = line("ID", ID="x") * 20_000
    stop = threading.Event()

    def attack() -> None:
        while not stop.is_set():
            with suppress(OSError), socket.socket() as stranger:
                stranger.bind(("127.0.0.2", 0))
                stranger.settimeout(1)
                stranger.connect(broker.address)
                stranger.sendall(flood)

    attackers = [threading.Thread(target=attack) for _ in range(31)]
    for attacker in attackers:
        attacker.start()
    try:
        time.sleep(1)
        for _ in range(3):
            with EncryptedClient(broker.address, client_context("lamp")) as device:
                device.ok("ID", ID="lamp")
                assert device.fence() == []
    finally:
        stop.set()
        for attacker in attackers:
            attacker.join()


def test_an_id_too_many_leaves_the_request_before_it() -> None:
    """A stranger that changes its ID too often is refused the new one; the one that waits can still be approved."""
    clock = Clock()
    broker = make_broker(
        AccessMode.APPROVE,
        clock=clock,
        limits=Limits(unauthorized_rate=1e9, unauthorized_burst=1e9),
    )
    peer = Peer(broker)
    for number in range(21):
        peer.send(f"COMMAND=ID | ID=new{number}")
    peer.take()
    (answer,) = peer.ask("COMMAND=ID | ID=new21")
    assert answer.startswith("COMMAND=BAD | REASON=limit")
    assert list(broker.waiting) == ["new20"]
    broker.approve("new20")
    (answer,) = peer.take()
    assert answer.startswith(OK)
    clock.time += 61
    assert peer.ask("COMMAND=ID | ID=new22") == []
    assert list(broker.waiting) == ["new22"]


# Slices and turns, with a clock that moves with the work that is done

STEP = 0.00002
"""Seconds that a step of a search, and a write, take here."""


class House:
    """A broker in an event loop that turns when it is told to, with a clock that the work moves."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Begin without clients."""
        self.clock = Clock()
        self.loop = Loop()
        self.limits = limits or Limits()
        self.broker: Broker = make_broker(
            AccessMode.OPEN, clock=self.clock, limits=self.limits, loop=self.loop
        )
        self.longest = 0.0
        """Seconds of the longest turn so far."""

    def spend(self, seconds: float = STEP) -> None:
        """Let time pass, as work does."""
        self.clock.time += seconds

    def measured[T](self, work: Callable[[], T]) -> T:
        """Do something in a turn of the loop."""
        began = self.clock.time
        result = work()
        self.longest = max(self.longest, self.clock.time - began)
        return result

    def turn(self) -> bool:
        """Turn the loop once; return whether there was something to do."""
        return self.measured(self.loop.turn)

    def send(self, peer: Peer, *messages: str) -> None:
        """Let a client send messages."""
        self.measured(lambda: peer.send(*messages))

    def run(self) -> None:
        """Turn until nothing is left that can go on at once."""
        while self.turn():
            pass

    def wake(self, peer: Peer) -> None:
        """Let a client go on that waits for its quota, at the time that it waits for."""
        assert peer.sink.wake_at is not None
        self.clock.time += peer.sink.wake_at
        peer.sink.wake_at = None
        peer.session.resume_work()
        self.measured(peer.go_on)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """Return a house where each look at a name takes time, with 2,000 variables."""
    house = House()
    for number in range(2000):
        house.broker.publish(f"v/{number}", "1", device="")
    matches = names.filter_matches

    def look(text: str, name: str) -> bool:
        house.spend()
        return matches(text, name)

    monkeypatch.setattr(names, "filter_matches", look)
    house.run()
    house.longest = 0
    return house


@pytest.mark.parametrize(
    "command",
    [
        "GET | VARIABLE=#",
        "GET | VARIABLE=+/+",
        "GET | VARIABLE=+/none/+",
        "SUB | VARIABLE=#",
        "SUB | VARIABLE=v/#",
        "SUB | VARIABLE=# | DEF=YES | REPLAY=NO",
        "SUB | VARIABLE=# | DEF=YES",
    ],
)
def test_a_search_is_cut_into_slices(house: House, command: str) -> None:
    """However long it takes, no turn of the loop takes longer than it may, by a few steps."""
    peer = Peer(house.broker)
    house.send(peer, f"COMMAND={command}")
    house.run()
    lines = peer.take()
    assert OK in lines
    assert len(lines) == (1 if "none" in command or "REPLAY=NO" in command else 2001)
    assert house.clock.time > 2000 * STEP
    assert house.longest <= house.limits.slice + 16 * STEP + 1e-9


def test_no_search_where_nothing_is_to_be_told(house: House) -> None:
    """SUB with REPLAY=NO looks at no variable, and is answered at once."""
    peer = Peer(house.broker)
    began = house.clock.time
    house.send(peer, "COMMAND=SUB | VARIABLE=v/+ | REPLAY=NO")
    assert peer.take() == [OK]
    assert house.clock.time == began


def test_clients_take_turns(house: House) -> None:
    """All that have work left share a turn; one that has little is answered in the next but one turn."""
    greedy = [Peer(house.broker) for _ in range(10)]
    for peer in greedy:
        house.send(peer, *["COMMAND=GET | VARIABLE=#"] * 3)
    modest = Peer(house.broker)
    house.send(modest, "COMMAND=HELLO?")
    turns = 0
    while not (answer := modest.take()):
        assert house.turn()
        turns += 1
    assert answer == ["COMMAND=HELLO!"]
    assert turns <= 1 + len(greedy) * house.limits.slice / house.limits.turn
    house.run()
    assert house.longest <= house.limits.turn + 16 * STEP + 1e-9
    assert [peer.take().count(OK) for peer in greedy] == [3] * 10


def test_a_client_gets_its_share_and_no_more(house: House) -> None:
    """Over a minute: the burst, then a tenth of the time, whatever it asks for; each search is answered."""
    peer = Peer(house.broker)
    began, asked = house.clock.time, 0
    waited = 0.0
    while house.clock.time - began < 60 or peer.sink.wake_at is not None:
        if peer.sink.wake_at is not None:
            waited += peer.sink.wake_at
            house.wake(peer)
        else:
            house.send(peer, "COMMAND=GET | VARIABLE=+/none/+")
            asked += 1
        house.run()
    total = house.clock.time - began
    worked = total - waited
    assert worked <= house.limits.share_burst + (house.limits.share + 0.01) * total
    assert worked >= 0.9 * house.limits.share * total
    assert peer.take().count(OK) == asked


def test_the_share_of_others_is_their_own(house: House) -> None:
    """While one client waits for its quota another is served at once."""
    greedy, other = Peer(house.broker), Peer(house.broker)
    while greedy.sink.wake_at is None:
        house.send(greedy, "COMMAND=GET | VARIABLE=+/none/+")
        house.run()
    assert not greedy.sink.reading
    house.send(other, "COMMAND=GET | VARIABLE=v/1")
    value, answer = other.take()
    assert value.startswith("COMMAND=SUB | VARIABLE=v/1 | VALUE=1 | TIME=")
    assert answer == OK


def test_deliveries_are_charged_to_the_publisher(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who publishes pays for the writes to all subscribers; those pay for nothing, and writes are cut into slices too."""
    publisher, *readers = (Peer(house.broker, f"d{number}") for number in range(201))
    for reader in readers:
        house.send(reader, "COMMAND=SUB | VARIABLE=shared | REPLAY=NO")
    house.send(publisher, "COMMAND=PUB | VARIABLE=shared | VALUE=0")
    house.run()
    paid = {peer: peer.quota.seconds.balance for peer in (publisher, *readers)}
    write = Sink.write

    def write_slowly(sink: Sink, data: bytes) -> None:
        house.spend()
        write(sink, data)

    monkeypatch.setattr(Sink, "write", write_slowly)
    house.longest = 0
    house.send(publisher, "COMMAND=PUB | VARIABLE=shared | VALUE=1")
    house.run()
    assert all(
        reader.take()[-1] == "COMMAND=SUB | VARIABLE=shared | VALUE=1"
        for reader in readers
    )
    costs = {peer: paid[peer] - peer.quota.seconds.balance for peer in paid}
    assert costs[publisher] >= len(readers) * STEP
    assert all(costs[reader] == 0 for reader in readers)
    assert house.longest <= house.limits.turn + STEP + 1e-9


def test_many_light_clients_starve_nobody(house: House) -> None:
    """Where those that go first have more to do than a turn has time for, deliveries are written and heavy ones served all the same."""
    heavy, publisher, reader, *light = (Peer(house.broker) for _ in range(103))
    house.send(reader, "COMMAND=SUB | VARIABLE=v/2 | REPLAY=NO")
    heavy.quota.charge(0.1)
    house.run()
    reader.take()
    for peer in light:
        house.send(peer, *["COMMAND=GET | VARIABLE=+/none/+"] * 5)
    house.send(heavy, "COMMAND=GET | VARIABLE=v/1")
    house.send(publisher, "COMMAND=PUB | VARIABLE=v/2 | VALUE=2")
    turns = 0
    while not (reader.sink.written and heavy.sink.written):
        assert house.turn()
        turns += 1
    assert turns <= 2 + len(light)
    assert any(peer.session.has_work for peer in light)
    assert reader.take() == ["COMMAND=SUB | VARIABLE=v/2 | VALUE=2"]


# Finding who gets a variable


@pytest.fixture
def matched(monkeypatch: pytest.MonkeyPatch, house: House) -> list[str]:
    """Return the names whose subscribers are looked for, each of which takes a millisecond."""
    looked_for: list[str] = []
    match = Subscriptions.match

    def count(self: Subscriptions[object], name: str) -> dict[object, int]:
        house.spend(0.0005)
        looked_for.append(name)
        return match(self, name)

    monkeypatch.setattr(Subscriptions, "match", count)
    return looked_for


def _publish_all(house: House, peer: Peer, count: int = 100) -> None:
    for number in range(count):
        house.send(peer, f"COMMAND=PUB | VARIABLE=v/{number} | VALUE=2")
    house.run()


def test_a_subscription_to_a_name_renews_its_route_only(
    house: House, matched: list[str]
) -> None:
    """SUB and UNSUB of a plain name look for the readers of that name again; a filter of all."""
    peer, other = Peer(house.broker, "a"), Peer(house.broker, "b")
    _publish_all(house, peer)
    matched.clear()
    _publish_all(house, peer)
    assert matched == []
    for command in ("SUB", "UNSUB"):
        house.send(other, f"COMMAND={command} | VARIABLE=v/7")
        _publish_all(house, peer)
        assert set(matched) == {"v/7"}
        matched.clear()
    house.send(other, "COMMAND=SUB | VARIABLE=v/+ | REPLAY=NO")
    _publish_all(house, peer)
    assert set(matched) == {f"v/{number}" for number in range(100)}


def test_an_id_again_renews_no_route(house: House, matched: list[str]) -> None:
    """Neither the same ID nor another one with the same rights changes who gets what."""
    peer, other = Peer(house.broker, "a"), Peer(house.broker, "b")
    house.send(other, "COMMAND=SUB | VARIABLE=v/#")
    _publish_all(house, peer)
    matched.clear()
    for device in ("b", "c", "b"):
        house.send(other, f"COMMAND=ID | ID={device} | SW=2")
    _publish_all(house, peer)
    assert matched == []


def test_many_publishes_to_routes_that_are_old(
    house: House, matched: list[str]
) -> None:
    """Looking for the readers of many variables ends a slice too, also where nobody wants them."""
    house.broker.limits.share_burst = 100
    peer, other = Peer(house.broker, "a"), Peer(house.broker, "b")
    house.send(other, "COMMAND=SUB | VARIABLE=+/+/none | REPLAY=NO")
    house.run()
    house.longest = 0
    house.send(peer, *(f"COMMAND=PUB | VARIABLE=v/{n} | VALUE=2" for n in range(100)))
    house.run()
    assert len(matched) >= 100
    assert peer.take().count(OK) == 100
    assert house.longest <= house.limits.turn + 0.001 + 1e-9


# What is charged


def test_time_in_which_others_work_is_not_charged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client pays for the processor's time of its own slices: not for other processes, threads, or the rest of the loop."""
    clock, cpu_time = Clock(), Clock()
    broker = make_broker(
        AccessMode.OPEN, clock=clock, cpu_time=cpu_time, limits=Limits(wake=0)
    )
    broker.publish("v", "1", device="")
    peer = Peer(broker)
    write, own = Sink.write, 0.0003

    def write_slowly(sink: Sink, data: bytes) -> None:
        cpu_time.time += own
        clock.time += 0.05
        write(sink, data)

    monkeypatch.setattr(Sink, "write", write_slowly)
    slices = 20
    for _ in range(slices):
        # The rest of the loop works, then the process waits.
        cpu_time.time += 0.02
        clock.time += 0.03
        before = peer.quota.seconds.balance
        peer.send("COMMAND=GET | VARIABLE=v")
        assert before - peer.quota.seconds.balance == pytest.approx(own, abs=0.0001)


# Those that come again


def _use_up(house: House, peer: Peer) -> None:
    while peer.sink.wake_at is None:
        house.send(peer, "COMMAND=GET | VARIABLE=+/none/+")
        house.run()


def test_to_come_again_gives_no_more(house: House) -> None:
    """A guest whose time is used up does not get new time by a new connection, nor by many at once."""
    first = Peer(house.broker)
    _use_up(house, first)
    first.session.lost()
    again = Peer(house.broker)
    house.send(again, "COMMAND=HELLO?")
    assert not again.take()
    assert again.sink.wake_at is not None
    other = Peer(house.broker, address="192.0.2.77")
    house.send(other, "COMMAND=HELLO?")
    assert other.take() == ["COMMAND=HELLO!"]


def test_guests_that_go_together_have_used_what_they_used_together(
    house: House,
) -> None:
    """What several connections of one address have cost is added up when they go."""
    crowd = [Peer(house.broker) for _ in range(8)]
    for peer in crowd:
        for _ in range(5):
            house.send(peer, "COMMAND=GET | VARIABLE=+/none/+")
            house.run()
        assert peer.sink.wake_at is None
    for peer in crowd:
        peer.session.lost()
    again = Peer(house.broker)
    house.send(again, "COMMAND=HELLO?")
    assert not again.take()


def test_a_device_goes_on_with_what_it_had_left() -> None:
    """A device that is known takes its allowance along; a device that is new has its own."""
    clock = Clock()
    broker = make_broker(AccessMode.APPROVE, "lamp", "other", clock=clock)
    lamp = Peer(broker, "lamp")
    lamp.quota.charge(2 * broker.limits.share_burst)
    lamp.session.lost()
    again = Peer(broker, "lamp")
    again.take()
    again.send("COMMAND=HELLO?")
    assert not again.take()
    other = Peer(broker, "other")
    assert other.ask("COMMAND=HELLO?") == ["COMMAND=HELLO!"]


def test_an_idle_client_goes_before_a_crowd(house: House) -> None:
    """However many have work left, once they have had a first look: one that was idle is served in the next turn."""
    for peer in [Peer(house.broker) for _ in range(100)]:
        house.send(peer, *["COMMAND=GET | VARIABLE=#"] * 3)
    modest = Peer(house.broker)
    for _ in range(30):
        house.turn()
    for _ in range(20):
        house.turn()
        house.send(modest, "COMMAND=HELLO?")
        house.turn()
        assert modest.take() == ["COMMAND=HELLO!"]
