"""Section A4: allowances of strangers, the button's window, IDs changed on a connection, keep-alive as asked for."""

from typing import override

import pytest

from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.devices import Device, DeviceState
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.core.observers import Observer

from .inprocess import Clock, Peer, make_broker

OK = "COMMAND=OK"
HELLO = "COMMAND=HELLO?"
MINUTE = 60.0


class Window(Observer):
    """Keeps who was let in for good, and how often the window was used up."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.admitted: list[str] = []
        self.closed = 0

    @override
    def device_admitted(self, device: Device) -> None:
        """Keep the ID."""
        self.admitted.append(device.id)

    @override
    def window_closed(self) -> None:
        """Count."""
        self.closed += 1


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def broker(clock: Clock) -> Broker:
    """Return a broker that asks about unknown devices and knows `lamp`."""
    return make_broker(AccessMode.APPROVE, "lamp", clock=clock)


@pytest.fixture
def window(broker: Broker) -> Window:
    """Return an observer of the broker's window."""
    window = Window()
    broker.observe(window)
    return window


def _later(broker: Broker, clock: Clock, seconds: float, step: float = 1) -> None:
    """Let time pass, with the looks at the clock that the broker takes."""
    for _ in range(int(seconds / step)):
        clock.time += step
        broker.tick()


# The window of the button


def test_one_device_for_each_connection(broker: Broker, window: Window) -> None:
    """A connection that changes its ID while the window is open gets one in; the next one waits for a person."""
    broker.permit(60)
    peer = Peer(broker)
    for number in range(5):
        peer.send(f"COMMAND=ID | ID=new{number}")
    assert window.admitted == ["new0"]
    assert list(broker.waiting) == ["new4"]
    assert broker.access.known == {"lamp", "new0"}
    broker.permit(60)
    assert window.admitted == ["new0"]
    assert list(broker.waiting) == ["new4"]
    broker.approve("new4")
    assert peer.take()[-1].startswith(OK)


def test_twenty_devices_for_each_window(broker: Broker, window: Window) -> None:
    """With the twentieth the window is over, says so, and the next device waits; the button opens it again."""
    broker.permit(60)
    for number in range(30):
        Peer(broker, f"new{number}")
    assert window.admitted == [f"new{number}" for number in range(20)]
    assert window.closed == 1
    assert list(broker.waiting) == [f"new{number}" for number in range(20, 30)]
    broker.permit(60)
    assert len(window.admitted) == 30
    assert window.closed == 1


def test_twenty_of_those_that_wait(clock: Clock) -> None:
    """The same bound holds for who waited already when the button was pressed."""
    broker = make_broker(AccessMode.APPROVE, clock=clock)
    window = Window()
    broker.observe(window)
    peers = [Peer(broker, f"new{number}") for number in range(25)]
    broker.permit(60)
    assert len(window.admitted) == 20
    assert window.closed == 1
    assert [bool(peer.take()) for peer in peers] == [True] * 20 + [False] * 5


def test_known_devices_do_not_count(broker: Broker, window: Window) -> None:
    """Devices that are known come in as ever, whatever the window has left."""
    broker.permit(60)
    for _ in range(15):
        Peer(broker, "lamp")
    assert window.admitted == []
    for number in range(20):
        Peer(broker, f"new{number}")
    assert len(window.admitted) == 20


# IDs changed on one connection


@pytest.mark.parametrize("mode", [AccessMode.OPEN, AccessMode.APPROVE])
def test_changes_of_an_id_have_a_bound(clock: Clock, mode: AccessMode) -> None:
    """Twenty changes within a minute; one more is refused and changes nothing, the same ID again is no change."""
    ids = [f"d{number}" for number in range(22)]
    broker = make_broker(mode, *ids, clock=clock)
    peer = Peer(broker, ids[0])
    for device in ids[1:21]:
        assert peer.ask(f"COMMAND=ID | ID={device}")[-1].startswith(OK)
    (refused,) = peer.ask(f"COMMAND=ID | ID={ids[21]} | SEQ=7")
    assert refused.startswith("COMMAND=BAD | SEQ=7 | REASON=limit")
    assert not peer.sink.closed
    for _ in range(30):
        assert peer.ask(f"COMMAND=ID | ID={ids[20]}")[-1].startswith(OK)
    assert peer.session.device_id == ids[20]
    clock.time += MINUTE + 1
    assert peer.ask(f"COMMAND=ID | ID={ids[21]}")[-1].startswith(OK)


def test_a_guest_that_changes_its_id_takes_nothing_from_others(clock: Clock) -> None:
    """Sleepers, their wills and messages that wait outlive every flood of IDs."""
    broker = make_broker(AccessMode.OPEN, clock=clock, limits=Limits(devices=50))
    door = Peer(broker, "door")
    door.send(
        "COMMAND=WILL | VARIABLE=door/there | VALUE=no", "COMMAND=CLOSE | SLEEP=600"
    )
    Peer(broker, "mailbox").send("COMMAND=CLOSE")
    Peer(broker, "sender").send("COMMAND=MSG | DEVICE=mailbox | VALUE=hi | TTL=600")
    for number in range(300):
        Peer(broker, f"guest{number}").send("COMMAND=CLOSE")
    assert len(broker.devices) <= 50
    assert (
        Peer(broker, "mailbox").take()[-1] == "COMMAND=MSG | DEVICE=sender | VALUE=hi"
    )
    clock.time += 601
    broker.tick()
    variable = broker.variables.get("door/there")
    assert variable is not None
    assert variable.value == "no"


# Strangers


def test_a_stranger_has_a_small_allowance(broker: Broker, clock: Clock) -> None:
    """Twenty commands at once, ten a second; what is above waits, and nothing is lost."""
    peer = Peer(broker)
    peer.send(*[HELLO] * 100)
    first = len(peer.take())
    assert 20 <= first <= 21
    assert not peer.sink.reading
    answered = first
    for _ in range(100):
        assert peer.sink.wake_at is not None
        clock.time += peer.sink.wake_at
        peer.session.resume_work()
        peer.go_on()
        answered += len(peer.take())
        if answered == 100:
            break
    assert answered == 100
    assert 7 <= clock.time - 1000 <= 9


def test_a_second_id_while_one_waits_counts_ten(broker: Broker) -> None:
    """Whoever tries many IDs is heard as often as two times: 20 commands at once are one ID, then one more."""
    peer = Peer(broker)
    for number in range(20):
        peer.send(f"COMMAND=ID | ID=new{number}")
    assert list(broker.waiting) == ["new2"]
    assert [one.partition(" | DETAIL")[0] for one in peer.take()] == [
        "COMMAND=BAD | REASON=not-authorized"
    ] * 2
    assert not peer.sink.reading


def test_the_first_ok_gives_all_of_the_burst(broker: Broker) -> None:
    """What a client has used up as a stranger does not slow it down once it is in."""
    peer = Peer(broker)
    peer.send(*["COMMAND=HELLO!"] * 19)
    peer.send("COMMAND=ID | ID=lamp")
    assert peer.take()[-1].startswith(OK)
    for _ in range(49):
        assert peer.ask(*["COMMAND=UNSUBALL"] * 100) == [OK] * 100
    assert peer.sink.reading
    peer.send(*["COMMAND=UNSUBALL"] * 200)
    assert not peer.sink.reading


def test_an_id_again_gives_no_new_burst(broker: Broker) -> None:
    """Only the first OK of a connection does."""
    peer = Peer(broker, "lamp")
    for _ in range(60):
        peer.send(*["COMMAND=UNSUBALL"] * 100, "COMMAND=ID | ID=lamp")
    assert not peer.sink.reading


# Keep-alive


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("10", 10),
        ("3600", 3600),
        ("90", 90),
        ("0", 10),
        ("9", 10),
        ("3601", 3600),
        ("999999999", 3600),
        ("007", 10),
    ],
)
def test_keepalive_as_asked_for(
    broker: Broker, clock: Clock, asked: str, granted: int
) -> None:
    """The client is asked after the time that its OK says, between 10 and 3,600 seconds."""
    peer = Peer(broker)
    (answer,) = peer.ask(f"COMMAND=ID | ID=lamp | KEEPALIVE={asked}")
    assert answer.startswith(f"COMMAND=OK | KEEPALIVE={granted} | TIME=")
    _later(broker, clock, granted - 1)
    assert peer.take() == []
    _later(broker, clock, 3)
    assert peer.take() == [HELLO]
    _later(broker, clock, 11)
    assert peer.take() == ["COMMAND=CLOSE | REASON=keep-alive"]


@pytest.mark.parametrize(
    "asked", ["", "x", "-1", "1.5", "30 s", "1e3", "\\u0031", "9999999999"]
)
def test_keepalive_that_is_no_number(broker: Broker, asked: str) -> None:
    """It is malformed, and the ID is not even looked at."""
    peer = Peer(broker)
    (answer,) = peer.ask(f"COMMAND=ID | ID=lamp | KEEPALIVE={asked}")
    assert answer.startswith("COMMAND=BAD | REASON=malformed")
    assert peer.session.device is None
    (answer,) = peer.ask("COMMAND=ID | ID=lamp")
    assert answer.startswith("COMMAND=OK | KEEPALIVE=30 | TIME=")


def test_who_waits_for_a_person_has_patience(broker: Broker, clock: Clock) -> None:
    """It is asked after 30 seconds as ever, lost after ten minutes without a sign, and any message begins them again."""
    silent, typing = Peer(broker, "silent"), Peer(broker, "typing")
    _later(broker, clock, 31)
    assert silent.take() == typing.take() == [HELLO]
    _later(broker, clock, 500)
    assert silent.take() == typing.take() == []
    typing.send("COMMAND=HELLO!")
    _later(broker, clock, 98)
    assert silent.take() == []
    _later(broker, clock, 4)
    assert silent.take() == ["COMMAND=CLOSE | REASON=keep-alive"]
    _later(broker, clock, 400)
    assert typing.take() == [HELLO]
    broker.approve("typing")
    assert typing.take()[-1].startswith(OK)
    assert list(broker.waiting) == []


def test_who_does_not_read_is_dropped_below_its_allowance(clock: Clock) -> None:
    """A client that has used up its allowance and reads nothing is lost like any silent one."""
    broker = make_broker(AccessMode.OPEN, clock=clock, limits=Limits(rate=10, burst=5))
    peer = Peer(broker)
    peer.session.quota.charge(3600)
    peer.send(*["COMMAND=HELLO?"] * 20)
    peer.session.pause()
    peer.sink.unsent = 100_000
    _later(broker, clock, 45)
    assert peer.take()[-1] == "COMMAND=CLOSE | REASON=keep-alive"


def test_who_is_held_up_by_its_allowance_is_not_dropped(clock: Clock) -> None:
    """While the broker does not read a client it does not ask it for signs of life."""
    broker = make_broker(AccessMode.OPEN, clock=clock, limits=Limits(rate=10, burst=5))
    peer = Peer(broker)
    peer.send(*["COMMAND=PUB | VARIABLE=v | VALUE=1 | ACK=NO"] * 20)
    assert not peer.sink.reading
    _later(broker, clock, 300)
    assert peer.take() == []
    assert not peer.sink.closed


def test_who_reads_slowly_is_not_dropped(clock: Clock) -> None:
    """As long as the system gets rid of bytes for a client that does not read, it lives."""
    broker = make_broker(AccessMode.OPEN, clock=clock)
    peer = Peer(broker)
    peer.session.pause()
    for unsent in range(1000, 0, -10):
        peer.sink.unsent = unsent
        _later(broker, clock, 8)
    assert not peer.sink.closed
    _later(broker, clock, 60)
    assert peer.sink.closed


# Messages that wait


def test_room_of_messages_comes_back_in_time(clock: Clock) -> None:
    """What has waited its time leaves room, whether its device comes or not; before that DETAIL says what is full."""
    devices = [f"d{number}" for number in range(40)]
    broker = make_broker(AccessMode.APPROVE, "sender", "other", *devices, clock=clock)
    sender, other = Peer(broker, "sender"), Peer(broker, "other")
    sender.session.quota.command(-1e9)
    send = "COMMAND=MSG | DEVICE={} | TTL={} | VALUE=" + "v" * 3900
    answers = [
        sender.ask(send.format(device, 1))[-1] for device in devices for _ in range(2)
    ]
    accepted = answers.count(OK)
    assert 60 <= accepted < 80
    assert all("too many messages of this sender" in one for one in answers[accepted:])
    assert other.ask(send.format("d39", 600)) == [OK]
    clock.time += 2
    broker.tick()
    assert all(broker.messages_waiting(device) == 0 for device in devices[:39])
    assert broker.messages_waiting("d39") == 1
    for device in devices[:30]:
        assert sender.ask(send.format(device, 1)) == [OK]


def test_a_message_whose_time_is_over_is_not_delivered(clock: Clock) -> None:
    """Not even where thousands are over at the same time, and none has been looked after yet."""
    devices = [f"d{number}" for number in range(100)]
    broker = make_broker(AccessMode.APPROVE, *devices, "late", clock=clock)
    for device in (*devices, "late"):
        for number in range(32):
            broker.send("homeassistant", device, str(number), ttl=10)
    clock.time += 11
    late = Peer(broker, "late")
    assert len(late.take()) == 1
    for _ in range(5):
        broker.tick()
    assert all(broker.messages_waiting(device) == 0 for device in devices)
    for number in range(32):
        broker.send("homeassistant", "d0", str(number), ttl=10)
    assert len(Peer(broker, "d0").take()) == 33


def test_a_member_that_does_not_read_loses_no_message_at_its_approval(
    clock: Clock,
) -> None:
    """What waited for the ID that it gets is taken, however much waits for it already."""
    broker = make_broker(AccessMode.APPROVE, "member", "sender", clock=clock)
    member, sender = Peer(broker, "member"), Peer(broker, "sender")
    broker.archive.restore_device("other", address="", last_seen=None)
    for number in range(32):
        assert sender.ask(f"COMMAND=MSG | DEVICE=other | VALUE=q{number} | TTL=60") == [
            OK
        ]
    member.send("COMMAND=ID | ID=other")
    member.session.pause()
    for number in range(32):
        sender.ask(f"COMMAND=MSG | DEVICE=member | VALUE=m{number}")
    broker.approve("other")
    member.session.resume()
    values = [one.rpartition("=")[2] for one in member.take() if "COMMAND=MSG" in one]
    assert values == [f"{letter}{n}" for letter in "mq" for n in range(32)]


def test_the_longest_sleep_is_a_week(clock: Clock) -> None:
    """A device that announces more is lost after that, and gives its place to others (B5)."""
    broker = make_broker(AccessMode.OPEN, clock=clock)
    Peer(broker, "bear").send("COMMAND=CLOSE | SLEEP=999999999")
    bear = broker.devices.get("bear")
    assert bear is not None
    clock.time += 7 * 86400 - 1
    broker.tick()
    assert {bear.state} == {DeviceState.ASLEEP}
    clock.time += 1
    broker.tick()
    assert {bear.state} == {DeviceState.DISCONNECTED}
