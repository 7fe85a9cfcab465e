"""Messages that are kept (protocol B5): receipts, RE, what goes back into the queue, restarts, order, bounds."""

from typing import override

import pytest

from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.observers import Observer
from custom_components.textmq.broker.core.receipts import RESERVE, Receipts
from custom_components.textmq.broker.core.stored import StoredMessage

from .inprocess import House, Peer


@pytest.fixture
def house() -> House:
    """Return a house with two devices that know each other."""
    return House(("a", "b"))


def _messages(peer: Peer) -> list[str]:
    """Take what has come, and return the messages without what they all begin with."""
    begin = "COMMAND=MSG | DEVICE=a | VALUE="
    return [line.removeprefix(begin) for line in peer.take() if line.startswith(begin)]


def _send(peer: Peer, *values: str, more: str = " | TTL=60") -> list[str]:
    return peer.ask(*(f"COMMAND=MSG | DEVICE=b | VALUE={one}{more}" for one in values))


def test_each_is_acknowledged(house: House) -> None:
    """A message is told again after each ID until it is acknowledged, with its number, before newer ones."""
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    assert _send(a, "1", "2", "3") == ["COMMAND=OK"] * 3
    assert _messages(b) == ["1 | RECEIPT=1", "2 | RECEIPT=2", "3 | RECEIPT=3"]
    assert b.ask("COMMAND=GOT | RECEIPT=2") == []
    b.session.lost()
    _send(a, "4")
    b = house.peer("b", RECEIPTS="YES")
    assert _messages(b) == ["1 | RECEIPT=1", "3 | RECEIPT=3", "4 | RECEIPT=4"]
    b.send("COMMAND=ID | ID=b | RECEIPTS=YES")
    assert _messages(b) == ["1 | RECEIPT=1", "3 | RECEIPT=3", "4 | RECEIPT=4"]
    for number in (1, 3, 4):
        b.send(f"COMMAND=GOT | RECEIPT={number}")
    b.send("COMMAND=ID | ID=b | RECEIPTS=YES")
    assert _messages(b) == []
    assert house.broker.messages_waiting("b") == 0


@pytest.mark.parametrize(
    "got",
    [
        "",
        " | RECEIPT=",
        " | RECEIPT=0",
        " | RECEIPT=7",
        " | RECEIPT=x",
        " | RECEIPT=-1",
        " | RECEIPT=01",
        " | RECEIPT=" + "9" * 4000,
    ],
)
def test_what_fits_nothing_is_passed_over(house: House, got: str) -> None:
    """It has no answer and no effect, let in or not."""
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    _send(a, "1")
    b.take()
    for peer in (b, a, house.peer(), house.peer("stranger")):
        assert peer.ask("COMMAND=GOT" + got)[-1:] in ([], ["COMMAND=OK"])
        peer.take()
    b.send("COMMAND=ID | ID=b | RECEIPTS=YES")
    assert _messages(b) == ["1 | RECEIPT=1"]


def test_only_the_device_itself_acknowledges(house: House) -> None:
    """The numbers of devices have nothing to do with each other."""
    a, b = house.peer("a", RECEIPTS="YES"), house.peer("b", RECEIPTS="YES")
    _send(a, "1")
    a.send("COMMAND=MSG | DEVICE=a | VALUE=own | TTL=9")
    a.send("COMMAND=GOT | RECEIPT=1")
    assert house.broker.messages_waiting("a") == 0
    assert house.broker.messages_waiting("b") == 1
    assert _messages(b) == ["1 | RECEIPT=1"]


def test_no_time_at_all(house: House) -> None:
    """A TTL of 0 is a message that does not wait."""
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    assert _send(a, "1", more=" | TTL=0") == ["COMMAND=OK"]
    assert _messages(b) == ["1"]


def test_messages_without_a_time_have_no_number(house: House) -> None:
    """They are delivered at once, or not at all."""
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    _send(a, "1", more="")
    assert _messages(b) == ["1"]
    assert house.broker.messages_waiting("b") == 0


def test_receipts_end_with_an_id_that_does_not_ask(house: House) -> None:
    """What is kept goes once more, without a number, and never again."""
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    _send(a, "1", "2")
    b.take()
    b.send("COMMAND=ID | ID=b")
    assert _messages(b) == ["1", "2"]
    b.send("COMMAND=ID | ID=b", "COMMAND=ID | ID=b | RECEIPTS=YES")
    assert _messages(b) == []
    assert house.broker.messages_waiting("b") == 0


def test_what_waited_gets_its_numbers_when_it_is_told(house: House) -> None:
    """In the order in which it was sent."""
    a = house.peer("a")
    _send(a, "1", "2")
    b = house.peer("b", RECEIPTS="YES")
    _send(a, "3")
    assert _messages(b) == ["1 | RECEIPT=1", "2 | RECEIPT=2", "3 | RECEIPT=3"]


def test_the_time_of_a_message_ends_it(house: House) -> None:
    """Acknowledged or not; its room is free then."""
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    _send(a, *map(str, range(32)))
    assert _send(a, "more") == [
        "COMMAND=BAD | REASON=device-busy | DETAIL=b has not acknowledged 32 messages"
    ]
    assert len(_messages(b)) == 32
    house.wait(60)
    assert house.broker.messages_waiting("b") == 0
    b.send("COMMAND=ID | ID=b | RECEIPTS=YES")
    assert _messages(b) == []
    assert _send(a, "more") == ["COMMAND=OK"]
    assert _messages(b) == ["more | RECEIPT=33"]


def test_re_is_passed_through(house: House) -> None:
    """With and without receipts, at once and later, to every device; an answer carries it back."""
    a, b = house.peer("a"), house.peer("b")
    _send(a, "now", more=" | RE=q 1")
    assert _messages(b) == ["now | RE=q 1"]
    a.send("COMMAND=MSG | DEVICE=* | VALUE=all | RE=x")
    assert _messages(b) == ["all | RE=x"]
    assert b.ask("COMMAND=MSG | DEVICE=a | VALUE=yes | RE=q 1") == ["COMMAND=OK"]
    assert a.take()[-1] == "COMMAND=MSG | DEVICE=b | VALUE=yes | RE=q 1"
    b.session.lost()
    _send(a, "later", more=" | RE=q2 | TTL=60")
    house.restart()
    b = house.peer("b", RECEIPTS="YES")
    assert _messages(b) == ["later | RE=q2 | RECEIPT=1"]
    a = house.peer("a")
    for wrong in ("", "x" * 33):
        (answer,) = _send(a, "1", more=f" | RE={wrong}")
        assert answer.startswith(
            "COMMAND=BAD | REASON=malformed | DETAIL=RE has 1 to 32"
        )


def test_a_message_to_everybody_can_not_wait(house: House) -> None:
    """It is refused as a whole."""
    a, b = house.peer("a"), house.peer("b")
    b.take()
    (answer,) = a.ask("COMMAND=MSG | DEVICE=* | VALUE=x | TTL=60")
    assert answer.startswith("COMMAND=BAD | REASON=malformed")
    assert b.take() == []


def test_home_assistant_is_waited_for(house: House) -> None:
    """Over a restart too; it gets all in order, once."""
    a = house.peer("a")
    (answer,) = a.ask("COMMAND=MSG | DEVICE=homeassistant | VALUE=x")[-1:]
    assert answer.startswith("COMMAND=BAD | REASON=no-such-device")
    for value in "123":
        a.send(f"COMMAND=MSG | DEVICE=HomeAssistant | VALUE={value} | TTL=60")
    house.restart(away=5)
    told: list[tuple[str, str]] = []
    house.broker.home_assistant = lambda sender, value: told.append((sender, value))
    assert told == [("a", "1"), ("a", "2"), ("a", "3")]
    house.broker.home_assistant = None
    house.broker.home_assistant = lambda sender, value: told.append((sender, value))
    assert len(told) == 3


# Connections that end


@pytest.mark.parametrize("end", ["taken over", "lost", "disconnected", "stopped"])
def test_what_the_system_did_not_take_waits_again(house: House, end: str) -> None:
    """Of messages with a time, whatever ends the connection; what it took is not told again."""
    a, b = house.peer("a"), house.peer("b")
    _send(a, "taken")
    b.sink.unsent = 0
    house.broker.flush()
    b.take()
    size = len(b"START | COMMAND=MSG | DEVICE=a | VALUE=half | END\n")
    b.sink.unsent = 2 * size - 1
    _send(a, "half", "whole")
    b.session.pause()
    _send(a, "held")
    _send(a, "gone", more="")
    if end == "lost":
        b.session.lost()
    elif end == "disconnected":
        house.broker.disconnect("b")
    elif end == "stopped":
        house.restart()
    b.take()
    later = house.peer("b")
    assert _messages(later) == ["half", "whole", "held"]
    assert house.broker.messages_waiting("b") == 0


def test_what_the_system_takes_late_is_not_told_again(house: House) -> None:
    """The broker looks at it at least once a second."""
    a, b = house.peer("a"), house.peer("b")
    b.sink.unsent = 10
    _send(a, "1")
    assert house.broker.messages_waiting("b") == 1
    b.sink.unsent = 0
    house.wait(1)
    assert house.broker.messages_waiting("b") == 0
    assert _messages(house.peer("b")) == []


def test_a_slow_reader_bounds_its_senders(house: House) -> None:
    """Also where the time of what waits for it has ended meanwhile: it is in memory yet."""
    a, b = house.peer("a"), house.peer("b")
    b.take()
    b.session.pause()
    answers: list[str] = []
    for _ in range(3):
        answers = _send(a, *map(str, range(40)), more=" | TTL=1")
        house.wait(2)
    assert all(one.startswith("COMMAND=BAD | REASON=device-busy") for one in answers)
    b.session.resume()
    assert len(_messages(b)) == 32


def test_what_was_never_on_file_leaves_no_trace(house: House) -> None:
    """A message that has passed before anything was saved is nothing to save."""
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    _send(a, "1")
    assert "$MESSAGES/1" in house.broker.changed
    b.send("COMMAND=GOT | RECEIPT=1")
    assert "$MESSAGES/1" not in house.broker.changed
    _send(a, "2")
    assert house.broker.archive.stored("$MESSAGES/2") is not None
    house.broker.take_changed()
    b.send("COMMAND=GOT | RECEIPT=2")
    assert "$MESSAGES/2" in house.broker.changed
    assert house.broker.archive.stored("$MESSAGES/2") is None


def test_a_message_that_passes_at_once_is_not_bounded(house: House) -> None:
    """It takes no room of those that wait."""
    a, b = house.peer("a"), house.peer("b")
    assert _send(a, *["x" * 4000] * 100) == ["COMMAND=OK"] * 100
    assert len(_messages(b)) == 100
    assert house.broker.messages_waiting("b") == 0


# Restarts


@pytest.mark.parametrize("killed", [False, True])
def test_restarts(house: House, killed: bool) -> None:
    """What is kept keeps its number, its order and what is left of its time; new numbers are above all used ones."""
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    _send(a, "1", "2")
    b.send("COMMAND=GOT | RECEIPT=1")
    b.session.lost()
    _send(a, "3", more=" | TTL=20")
    _send(a, "4")
    house.restart(away=21, killed=killed)
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    _send(a, "5")
    first = RESERVE + 1
    assert _messages(b) == [
        "2 | RECEIPT=2",
        "4 | RECEIPT=4",
        f"5 | RECEIPT={first}",
    ]
    house.restart(killed=killed)
    b = house.peer("b")
    assert _messages(b) == ["2", "4", "5"]
    house.restart(killed=killed)
    assert _messages(house.peer("b")) == []


def test_time_over_a_restart_never_grows(house: House) -> None:
    """A clock that goes back does not let a message wait for longer than its TTL."""
    _send(house.peer("a"), "1", more=" | TTL=60")
    house.restart(away=-(10**6))
    house.wait(61)
    assert _messages(house.peer("b")) == []


def test_a_revoked_device_loses_its_messages(house: House) -> None:
    """Nobody else is to get them."""
    _send(house.peer("a"), "1")
    house.broker.revoke("b")
    house.restart()
    assert house.broker.messages_waiting("b") == 0
    house.broker.approve("b")
    assert _messages(house.peer("b")) == []


# Numbers that are on file first


class Disk(Observer):
    """Keeps what is to be saved soon."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.names: list[str] = []

    @override
    def stored_changed(self, name: str) -> None:
        """Keep a name."""
        self.names.append(name)


def test_numbers_are_on_file_before_they_are_used(house: House) -> None:
    """Until then the messages wait, in their order; acknowledged ones make no room for numbers."""
    house.broker.archive.saving_begins()
    disk = Disk()
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    b.take()
    house.broker.observe(disk)
    _send(a, "1", "2")
    assert b.take() == []
    assert disk.names.count("$DEVICES/b") == 1
    stored = house.broker.archive.stored("$DEVICES/b")
    house.broker.archive.saved(["$DEVICES/b"])
    house.broker.flush()
    assert getattr(stored, "receipts", 0) == RESERVE
    assert _messages(b) == ["1 | RECEIPT=1", "2 | RECEIPT=2"]


def test_a_message_on_file_is_told_when_its_number_is_there(house: House) -> None:
    """Else it would have another one after a crash; those behind it wait, too, and all are numbered at once."""
    archive = house.broker.archive
    archive.saving_begins()
    a = house.peer("a")
    _send(a, "1", "2", "3")
    names = [f"$MESSAGES/{serial}" for serial in (1, 2)]
    for name in names:
        archive.stored(name)
    b = house.peer("b", RECEIPTS="YES")
    archive.stored("$DEVICES/b")
    archive.saved(["$DEVICES/b", *names])
    house.broker.flush()
    assert _messages(b) == []
    receipts = [getattr(archive.stored(name), "receipt", 0) for name in names]
    assert receipts == [1, 2]
    archive.saved(names)
    house.broker.flush()
    assert _messages(b) == ["1 | RECEIPT=1", "2 | RECEIPT=2", "3 | RECEIPT=3"]


def test_numbers_go_on_above_those_of_messages(house: House) -> None:
    """Where the file of their device has been lost."""
    until = house.wall.time + 60
    house.broker.restore(
        messages=[
            StoredMessage(serial, "b", "a", str(serial), until, 60, receipt=serial)
            for serial in (1, 2)
        ]
    )
    b = house.peer("b", RECEIPTS="YES")
    _send(house.peer("a"), "3")
    assert _messages(b) == ["1 | RECEIPT=1", "2 | RECEIPT=2", "3 | RECEIPT=3"]


def test_serial_numbers_go_on_above_all_files(house: House) -> None:
    """Those that could not be read, too: a new message does not take their place."""
    house.broker.restore(last_serial=41)
    _send(house.peer("a"), "1")
    assert "$MESSAGES/42" in house.broker.changed


def test_the_reserve_is_what_was_written() -> None:
    """Not what was asked for while it was being written."""
    receipts = Receipts()
    assert receipts.write() == 0
    assert receipts.needs_reserve()
    receipts.written()
    assert receipts.take() == 0
    assert receipts.write() == RESERVE
    receipts.written()
    numbers = []
    while (number := receipts.take()) and number < 600:
        numbers.append(number)
        if receipts.needs_reserve():
            assert number == RESERVE // 2
    assert numbers == list(range(1, 600))
    assert receipts.write() == 2 * RESERVE


def test_known_devices_keep_their_numbers(house: House) -> None:
    """Also where there is no room for them for a while."""
    house.broker.limits.devices = 1
    house.broker.know(["c"])
    b = house.peer("b", RECEIPTS="YES")
    b.send("COMMAND=MSG | DEVICE=b | VALUE=x | TTL=9", "COMMAND=GOT | RECEIPT=1")
    b.session.lost()
    house.peer("c").session.lost()
    assert getattr(house.broker.archive.stored("$DEVICES/b"), "receipts", 0) == RESERVE
    b = house.peer("b", RECEIPTS="YES")
    b.take()
    b.send("COMMAND=MSG | DEVICE=b | VALUE=x | TTL=9")
    assert "RECEIPT=2" in str(b.take())


def test_messages_that_are_over_take_no_room(house: House) -> None:
    """However many others are over at the same time."""
    devices = [f"d{number}" for number in range(40)]
    house.broker.know(devices)
    for device in devices:
        for number in range(32):
            house.broker.send("homeassistant", device, str(number), ttl=10)
    a = house.peer("a")
    _send(a, *map(str, range(32)), more=" | TTL=11")
    house.clock.time += 12
    assert _send(a, "new") == ["COMMAND=OK"]


def test_messages_in_flight_are_bounded(house: House) -> None:
    """Where the system takes nothing, the sender is told."""
    a, b = house.peer("a"), house.peer("b")
    b.sink.unsent = 1 << 30
    answers = _send(a, *map(str, range(300)))
    assert answers.count("COMMAND=OK") == 256
    b.sink.unsent = 0
    assert _send(a, "more") == ["COMMAND=OK"]


def test_a_client_that_waits_under_another_id_acknowledges_nothing(
    house: House,
) -> None:
    """Its GOT is passed over, and so is what else stands in it."""
    a, b = house.peer("a"), house.peer("b", RECEIPTS="YES")
    _send(a, "1")
    b.send("COMMAND=ID | ID=zz")
    b.take()
    assert (
        b.ask("COMMAND=GOT | RECEIPT=1", "COMMAND=GOT | RECEIPT=1 | SEQ= | ACK=X") == []
    )
    assert house.broker.messages_waiting("b") == 1


def test_open_access_forgets_numbers_with_the_device() -> None:
    """The file of a device that is forgotten goes."""
    house = House(mode=AccessMode.OPEN)
    house.broker.limits.devices = 2
    b = house.peer("b", RECEIPTS="YES")
    b.send("COMMAND=MSG | DEVICE=b | VALUE=x | TTL=9", "COMMAND=GOT | RECEIPT=1")
    assert house.broker.archive.stored("$DEVICES/b") is not None
    b.session.lost()
    disk = Disk()
    house.broker.observe(disk)
    for name in ("c", "d"):
        house.peer(name)
    assert disk.names == ["$DEVICES/b"]
    assert house.broker.archive.stored("$DEVICES/b") is None
