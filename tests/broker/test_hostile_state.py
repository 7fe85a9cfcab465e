"""What hostile clients may do to the state of the broker: bounded, told, undone. In this process."""

import tracemalloc

import pytest

from custom_components.textmq.broker.core.access import Access, AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.protocol.reasons import CloseReason

from .inprocess import Clock, Loop, Peer, RunningClock, make_broker

OK = "COMMAND=OK"
DEEPEST = 16
"""Levels of the deepest name."""


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


def _is_paced(peer: Peer) -> bool:
    """Tell whether a client has sent more than its pace allows."""
    return peer.sink.wake_at is not None


def _open(clock: Clock, limits: Limits | None = None) -> Broker:
    return make_broker(AccessMode.OPEN, clock=clock, limits=limits)


# Who may be here


def test_strangers_of_a_crowded_address_give_way(clock: Clock) -> None:
    """Many connections from one address never push out the one, however slow, of another (case 16)."""
    broker = make_broker(
        AccessMode.APPROVE, "slow", clock=clock, limits=Limits(max_unauthorized=4)
    )
    slow = Peer(broker, address="192.0.2.2")
    crowd = [Peer(broker, address="192.0.2.66") for _ in range(100)]
    assert [peer.sink.closed for peer in crowd] == [True] * 97 + [False] * 3
    slow.send("COMMAND=ID | ID=slow")
    assert slow.take()[0].startswith(OK)


def test_silent_clients_give_way(clock: Clock) -> None:
    """Where there are as many clients as may be, who has never said a word goes first (case 16)."""
    broker = _open(clock, Limits(clients=4))
    talking, silent, other, last = (Peer(broker) for _ in range(4))
    for peer in (talking, other, last):
        peer.send("COMMAND=HELLO!")
    new = Peer(broker, "new")
    assert silent.take() == ["COMMAND=CLOSE | REASON=limit"]
    assert new.take()[0].startswith(OK)
    one_more = Peer(broker)
    assert one_more.take() == ["COMMAND=CLOSE | REASON=limit"]
    assert not any(peer.sink.closed for peer in (talking, other, last, new))
    assert len(broker.sessions) == 4


def test_a_flood_of_new_ids(clock: Clock) -> None:
    """As many IDs as there may be strangers wait for a person; the others leave no trace (cases 28, 29)."""
    broker = make_broker(AccessMode.APPROVE, clock=clock)
    peers = [Peer(broker, f"new{number}") for number in range(500)]
    assert list(broker.waiting) == [
        f"new{number}" for number in range(500 - broker.limits.max_unauthorized, 500)
    ]
    assert len(broker.devices) == 0
    assert broker.access.known == set()
    assert len(broker.variables) == 0
    for peer in peers:
        peer.session.lost()
    assert broker.waiting == {}
    assert broker.sessions == {}


def test_one_id_from_many(clock: Clock) -> None:
    """A hundred connections that ask for one ID are one question (case 29)."""
    broker = make_broker(AccessMode.APPROVE, clock=clock)
    peers = [Peer(broker, "new") for _ in range(100)]
    assert list(broker.waiting) == ["new"]
    assert [peer.sink.closed for peer in peers] == [True] * 99 + [False]
    broker.approve("new")
    assert peers[-1].take()[0].startswith(OK)
    assert all(OK not in line for peer in peers[:-1] for line in peer.take())


def test_sleepers_are_bounded(clock: Clock) -> None:
    """Those that come once and sleep for ever are not forgotten: others are refused instead (case 33)."""
    broker = _open(clock, Limits(devices=10))
    for number in range(200):
        sleeper = Peer(broker, f"d{number}")
        sleeper.send(
            f"COMMAND=WILL | VARIABLE=w{number} | VALUE=lost",
            "COMMAND=CLOSE | SLEEP=999999999",
        )
        if number >= 10:
            refused, closed = sleeper.take()
            assert refused.startswith("COMMAND=BAD | REASON=limit")
            assert closed == "COMMAND=CLOSE | REASON=limit"
    assert len(broker.devices) == 10
    clock.time += 1e9 + 1
    broker.tick()
    assert {variable.name for variable in broker.variables} == {
        f"w{number}" for number in range(10)
    }


# After the end


@pytest.mark.parametrize(
    "reason", [CloseReason.DENIED, CloseReason.KEEP_ALIVE, CloseReason.SHUTDOWN]
)
def test_nothing_after_the_broker_has_closed(clock: Clock, reason: CloseReason) -> None:
    """What still comes in is passed over, whatever it is; nothing is written (case 30)."""
    broker = _open(clock)
    peer = Peer(broker, "a")
    peer.session.close(reason)
    peer.take()
    received = broker.messages_received
    for _ in range(3):
        peer.send("COMMAND=PUB | VARIABLE=v | VALUE=1", "COMMAND=ID | ID=b")
        peer.session.receive(b"\xff" * 100_000)
    peer.session.resume()
    peer.session.resume_work()
    peer.go_on()
    peer.session.lost()
    broker.tick()
    assert peer.sink.written == []
    assert broker.messages_received == received
    assert len(broker.variables) == 0
    assert broker.devices.get("b") is None


def test_a_paced_client_that_goes(clock: Clock) -> None:
    """What a client sent above its pace is dropped with it, though it was to be woken (case 41)."""
    broker = _open(clock, Limits(rate=10, burst=5))
    peer = Peer(broker, "a")
    peer.send(*["COMMAND=PUB | VARIABLE=v | VALUE=1 | RETAIN=NO"] * 50)
    assert _is_paced(peer)
    assert not peer.sink.reading
    broker.disconnect("a")
    assert peer.take()[-1] == "COMMAND=CLOSE | REASON=disconnected"
    clock.time += 60
    peer.session.resume_work()
    peer.go_on()
    assert peer.take() == []


# What a client may use up


def test_deep_filters_are_bounded(clock: Clock) -> None:
    """All wildcard filters of a client together have so many levels; plain names and what is given back do not count (case 35)."""
    broker = _open(clock, Limits(filter_levels=10 * DEEPEST))
    peer = Peer(broker)
    filters = [
        "/".join([str(number), *["a"] * (DEEPEST - 2), "+"]) for number in range(20)
    ]
    answers = peer.ask(*(f"COMMAND=SUB | VARIABLE={text}" for text in filters))
    taken = answers.count(OK)
    assert taken == 10
    assert all("REASON=limit" in answer for answer in answers[taken:])
    assert (
        peer.ask(*["COMMAND=SUB | VARIABLE=" + "/".join("a" * DEEPEST)] * 3) == [OK] * 3
    )
    assert peer.ask(f"COMMAND=UNSUB | VARIABLE={filters[0]}") == [OK]
    assert peer.ask(f"COMMAND=SUB | VARIABLE={filters[-1]}") == [OK]
    assert peer.ask("COMMAND=UNSUBALL") == [OK]
    assert (
        peer.ask(*(f"COMMAND=SUB | VARIABLE={text}" for text in filters[:taken]))
        == [OK] * taken
    )


def test_a_filter_again_at_the_limit(clock: Clock) -> None:
    """Subscribing again to what is subscribed to takes no more room (case 34)."""
    broker = _open(clock, Limits(filter_levels=3, subscriptions=2))
    peer = Peer(broker)
    for _ in range(3):
        assert peer.ask("COMMAND=SUB | VARIABLE=a/b/#") == [OK]
    assert peer.ask("COMMAND=UNSUB | VARIABLE=a/b/#") == [OK]
    assert peer.ask("COMMAND=SUB | VARIABLE=+/+/+") == [OK]


def test_churn_of_deep_filters_is_paced() -> None:
    """Subscribing and unsubscribing deep filters in a storm costs the client its time, not the others' (case 34)."""
    loop = Loop()
    broker = make_broker(AccessMode.OPEN, clock=RunningClock(0.0005), loop=loop)
    peer = Peer(broker)
    filters = ["/".join([str(n), *["+"] * (DEEPEST - 1)]) for n in range(30)]
    storm = 0
    while not _is_paced(peer):
        peer.send("COMMAND=UNSUBALL")
        peer.send(*(f"COMMAND=SUB | VARIABLE={text}" for text in filters))
        loop.run()
        storm += len(filters) + 1
    assert storm < broker.limits.burst


def test_searches_are_paced() -> None:
    """A search over thousands of variables costs as much as hundreds of commands (case 35)."""
    loop = Loop()
    broker = make_broker(AccessMode.OPEN, clock=RunningClock(0.00001), loop=loop)
    for number in range(2000):
        broker.publish(f"v/{number}", "1", device="")
    peer = Peer(broker)
    searches = 0
    while not _is_paced(peer):
        peer.send("COMMAND=GET | VARIABLE=+/none/+")
        loop.run()
        searches += 1
    assert searches < broker.limits.burst / 10


def test_names_that_are_never_stored(clock: Clock) -> None:
    """Publishing with RETAIN=NO to ever new names leaves no memory behind (case 33)."""
    broker = _open(clock, Limits(burst=1e9))
    peer = Peer(broker)
    peer.send("COMMAND=SUB | VARIABLE=deep/#")

    def flood(prefix: str) -> None:
        for number in range(5000):
            peer.send(
                f"COMMAND=PUB | VARIABLE=deep/{prefix}{number} | VALUE=1 | RETAIN=NO"
            )
        delivered = [line for line in peer.take() if line.startswith("COMMAND=SUB")]
        assert len(delivered) == 5000

    flood("a")
    tracemalloc.start()
    flood("b")
    before, _ = tracemalloc.get_traced_memory()
    for prefix in "cdef":
        flood(prefix)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 1_000_000
    assert len(broker.variables) == 0


def test_who_gets_a_name_that_is_not_stored(clock: Clock) -> None:
    """Each publish with RETAIN=NO goes to the subscribers of its moment (case 34)."""
    broker = _open(clock)
    publisher, peer = Peer(broker), Peer(broker)
    publish = "COMMAND=PUB | VARIABLE=a/b | VALUE=1 | RETAIN=NO"
    delivered = ["COMMAND=SUB | VARIABLE=a/b | VALUE=1"]
    for text in ("a/b", "a/+", "#"):
        publisher.send(publish)
        assert peer.take() == []
        peer.ask(f"COMMAND=SUB | VARIABLE={text}")
        publisher.send(publish)
        assert peer.take() == delivered
        peer.ask(f"COMMAND=UNSUB | VARIABLE={text}")
    publisher.send(publish)
    assert peer.take() == []


def test_waiting_messages_are_bounded_over_all_devices(clock: Clock) -> None:
    """However many devices are away, what waits for them all has a bound, and is free again when taken (case 38)."""
    broker = make_broker(
        AccessMode.APPROVE,
        *("sender", *(f"d{number}" for number in range(10))),
        clock=clock,
        limits=Limits(max_queued_bytes=5000),
    )
    sender = Peer(broker, "sender")
    send = "COMMAND=MSG | DEVICE=d{} | TTL=600 | VALUE=" + "x" * 900
    answers = [sender.ask(send.format(number))[0] for number in range(10)]
    assert answers[:5] == [OK] * 5
    assert all("REASON=device-busy" in answer for answer in answers[5:])
    device = Peer(broker, "d0")
    assert len(device.take()) == 2
    assert sender.ask(send.format(9)) == [OK]
    broker.revoke("d1")
    assert sender.ask(send.format(8)) == [OK]
    clock.time += 601
    assert sender.ask(send.format(7)) == [OK]
    broker.revoke("d7")
    assert all(Peer(broker, f"d{number}").take()[1:] == [] for number in range(2, 10))
    assert all(broker.messages_waiting(f"d{number}") == 0 for number in range(10))


def test_descriptions_wait_once(clock: Clock) -> None:
    """Of a variable that is described again and again a reader that has stopped gets the newest description (case 20)."""
    broker = _open(clock)
    slow, peer = Peer(broker), Peer(broker)
    slow.ask("COMMAND=SUB | VARIABLE=# | DEF=YES")
    slow.session.pause()
    for number in range(1000):
        peer.send(f"COMMAND=DEF | VARIABLE=v | TYPE=sensor | NAME=n{number}")
    peer.send(
        "COMMAND=DEF | VARIABLE=gone | TYPE=sensor", "COMMAND=DEF | VARIABLE=gone"
    )
    slow.session.resume()
    lines = slow.take()
    assert "COMMAND=DEF | VARIABLE=v | TYPE=sensor | NAME=n999" in lines
    assert len(lines) <= 3


def test_a_message_without_line_feed_behind_others(clock: Clock) -> None:
    """The last message of a packet is carried out at once, however the ones before it are written (case 6)."""
    peer = Peer(_open(clock), "a")
    peer.send("COMMAND=PUB | VARIABLE=v | VALUE=1")
    peer.take()
    peer.send_bytes(
        b"START | COMMAND=PUB | VARIABLE=v | VALUE=2 | END\nSTART | COMMAND=HELLO? | END"
    )
    assert peer.take() == [OK, "COMMAND=HELLO!"]


def test_seq_can_not_split_an_answer(clock: Clock) -> None:
    """What comes back in an answer is printable, and can't be a parameter of its own (case 11)."""
    peer = Peer(_open(clock))
    peer.send_bytes(b"START | COMMAND=UNSUBALL | SEQ=a\tb | END\n")
    (answer,) = peer.take()
    assert answer.startswith("COMMAND=BAD | REASON=malformed | DETAIL=")
    (answer,) = peer.ask("COMMAND=UNSUBALL | SEQ=1 COMMAND=CLOSE")
    assert answer == "COMMAND=OK | SEQ=1 COMMAND=CLOSE"


# Errors around the broker, and its clocks


def test_home_assistant_may_fail(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of who takes the messages is logged and ends no connection (case 51)."""
    broker = _open(clock)

    def fail(sender: str, value: str) -> None:
        raise RuntimeError("no")

    broker.home_assistant = fail
    peer = Peer(broker, "a")
    answers = peer.ask("COMMAND=MSG | DEVICE=homeassistant | VALUE=1", "COMMAND=HELLO?")
    assert answers == [OK, "COMMAND=HELLO!"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("jump", [-3e8, 3e8], ids=["back", "forward"])
def test_the_wall_clock_may_jump(clock: Clock, jump: float) -> None:
    """Setting the clock ends no connection, wait, sleep or window; only the times that are written follow (case 43)."""
    wall = [1_700_000_000.0]
    broker = Broker(
        access=Access(AccessMode.APPROVE, ("a", "asleep", "away")),
        clock=clock,
        now=lambda: wall[0],
    )
    broker.permit(60)
    peer = Peer(broker, "a")
    silent = Peer(broker)
    Peer(broker, "asleep").send(
        "COMMAND=WILL | VARIABLE=w | VALUE=lost", "COMMAND=CLOSE | SLEEP=30"
    )
    peer.ask("COMMAND=MSG | DEVICE=away | VALUE=hello | TTL=30")
    peer.ask("COMMAND=PUB | VARIABLE=v | VALUE=1")
    wall[0] += jump
    clock.time += 5
    broker.tick()
    assert peer.take() == []
    assert not silent.sink.closed
    assert broker.variables.get("w") is None
    assert Peer(broker, "away").take()[1:] == ["COMMAND=MSG | DEVICE=a | VALUE=hello"]
    assert Peer(broker, "new").take()[0].startswith(OK)
    (value, _) = peer.ask("COMMAND=GET | VARIABLE=v")
    assert value.endswith("TIME=2023-11-14T22:13:20.000Z")
    clock.time += 26
    broker.tick()
    assert silent.take() == ["COMMAND=CLOSE | REASON=identify-timeout"]
    assert broker.variables.get("w") is not None
