"""Presence, $DEVICES/<id> (protocol B5): every way to come and go, restarts, kills, revocation, rights."""

from typing import Any

import pytest

from custom_components.textmq.broker.core.access import AccessMode, Rights
from custom_components.textmq.broker.core.presence import Seen, Word, read_presence
from custom_components.textmq.broker.core.stored import StoredDevice

from .inprocess import House, Peer
from .reference import VECTORS

AT = "2027-01-15T08:00:00Z"


@pytest.fixture
def house() -> House:
    """Return a house with two known devices, after the time in which it knows nothing."""
    house = House(("a", "reader"))
    house.wait(60)
    return house


@pytest.mark.parametrize("case", VECTORS["presence"], ids=lambda case: case["value"])
def test_vectors(case: dict[str, Any]) -> None:
    """Every case of the shared vectors, read and written."""
    stored = StoredDevice("a", case["value"], 0)
    seen = read_presence(stored)
    assert seen == Seen(Word(case["word"]), case["time"])
    assert str(seen) == case["value"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ASLEEP UNTIL=",
        "LOST SINCE=x",
        "LOST SINCE=99999-01-01",
        "LOST x",
        "DISCONNECTED SINCE=9999-12-31T23:59:59-14:00",
        "CONNECTED SINCE=0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_on_file_may_be_anything(value: str) -> None:
    """It says then that the device was lost, or nothing."""
    seen = read_presence(StoredDevice("a", value, 0))
    assert seen is None or seen.time == 0


def _watch(house: House) -> Peer:
    reader = house.peer("reader")
    reader.ask("COMMAND=SUB | VARIABLE=$DEVICES/a | REPLAY=NO")
    return reader


def _value(house: House, device: str = "a") -> str | None:
    variable = house.broker.variables.get(f"$DEVICES/{device}")
    return variable.value if variable else None


def _told(reader: Peer) -> list[str]:
    begin = "COMMAND=SUB | VARIABLE=$DEVICES/a | VALUE="
    return [line.removeprefix(begin) for line in reader.take()]


def test_coming_and_going(house: House) -> None:
    """Each change is one delivery."""
    reader = _watch(house)
    a = house.peer("a")
    assert _told(reader) == ["CONNECTED SINCE=2027-01-15T08:01:00Z"]
    house.wait(10)
    a.send("COMMAND=ID | ID=a | NAME=A")
    assert _told(reader) == []
    a.send("COMMAND=CLOSE | SLEEP=3600")
    assert _told(reader) == ["ASLEEP UNTIL=2027-01-15T09:01:10Z"]
    a = house.peer("a")
    assert _told(reader) == ["CONNECTED SINCE=2027-01-15T08:01:10Z"]
    a.session.lost()
    assert _told(reader) == ["DISCONNECTED SINCE=2027-01-15T08:01:10Z"]
    house.peer("a").send("COMMAND=CLOSE | SLEEP=10")
    reader.take()
    house.wait(11)
    assert _told(reader) == ["LOST SINCE=2027-01-15T08:01:21Z"]
    house.peer("a").send("COMMAND=CLOSE")
    assert [one.split()[0] for one in _told(reader)] == ["CONNECTED", "DISCONNECTED"]


def test_take_over_is_one_delivery(house: House) -> None:
    """It was never away."""
    reader = _watch(house)
    first = house.peer("a")
    house.wait(1)
    reader.take()
    house.peer("a")
    assert first.sink.closed
    assert _told(reader) == ["CONNECTED SINCE=2027-01-15T08:01:01Z"]


def test_another_id_on_the_same_connection(house: House) -> None:
    """The device of the first ID is gone then."""
    reader = _watch(house)
    house.broker.know(["b"])
    house.peer("a").send("COMMAND=ID | ID=b")
    assert [one.split()[0] for one in _told(reader)] == ["CONNECTED", "DISCONNECTED"]
    assert _value(house, "b") == "CONNECTED SINCE=2027-01-15T08:01:00Z"


def test_only_devices_that_a_person_knows(house: House) -> None:
    """Of a device that waits nothing is told; once it is let in, that it is connected, in one delivery."""
    stranger = house.peer("new")
    reader = house.peer("reader")
    reader.ask("COMMAND=SUB | VARIABLE=$DEVICES/#")
    assert _value(house, "new") is None
    house.broker.approve("new")
    assert reader.take() == [
        "COMMAND=SUB | VARIABLE=$DEVICES/new | VALUE=CONNECTED SINCE=2027-01-15T08:01:00Z"
    ]
    house.broker.revoke("new")
    assert stranger.sink.closed
    assert reader.take() == ["COMMAND=DEL | VARIABLE=$DEVICES/new"]
    assert house.broker.archive.stored("$DEVICES/new") is None
    house.broker.approve("later")
    assert reader.take() == [
        "COMMAND=SUB | VARIABLE=$DEVICES/later | VALUE=DISCONNECTED"
    ]
    house.broker.refuse("later")
    assert reader.take() == ["COMMAND=DEL | VARIABLE=$DEVICES/later"]


def test_a_permit_window(house: House) -> None:
    """A device that it lets in is known from then on."""
    house.broker.permit(60)
    reader = house.peer("reader")
    reader.ask("COMMAND=SUB | VARIABLE=$DEVICES/new")
    house.peer("new")
    assert reader.take() == [
        "COMMAND=SUB | VARIABLE=$DEVICES/new | VALUE=CONNECTED SINCE=2027-01-15T08:01:00Z"
    ]


def test_open_access_alone_makes_no_presence() -> None:
    """Anybody could make up any number of IDs there."""
    house = House(("a",), mode=AccessMode.OPEN)
    house.peer("nobody")
    assert _value(house, "nobody") is None
    house.peer("a")
    assert _value(house) == f"CONNECTED SINCE={AT}"


@pytest.mark.parametrize("killed", [False, True])
def test_a_device_that_was_connected(house: House, killed: bool) -> None:
    """For 60 seconds nobody knows; then it is gone since the stop, or since nobody knows when."""
    house.peer("a")
    house.wait(5)
    house.restart(away=100, killed=killed)
    assert _value(house) == ""
    house.wait(59)
    assert _value(house) == ""
    house.wait(2)
    # Stopped at 08:01:05; killed: the end of the 60 seconds after 08:02:45.
    since = "08:03:46" if killed else "08:01:05"
    assert _value(house) == f"DISCONNECTED SINCE=2027-01-15T{since}Z"


def test_a_device_that_comes_back_after_a_restart(house: House) -> None:
    """It goes from not known to connected, in one delivery."""
    house.peer("a")
    house.restart()
    reader = _watch(house)
    house.peer("a")
    assert _told(reader) == ["CONNECTED SINCE=2027-01-15T08:01:00Z"]
    house.wait(100)
    assert _told(reader) == []


@pytest.mark.parametrize("restarts", [1, 2, 3])
def test_what_was_so_stays_so(house: House, restarts: int) -> None:
    """Asleep in time, lost and disconnected are known over any number of restarts, in a minute too."""
    house.broker.know(["asleep", "lost", "gone"])
    house.peer("asleep").send("COMMAND=CLOSE | SLEEP=3600")
    house.peer("lost").send("COMMAND=CLOSE | SLEEP=5")
    house.peer("gone").send("COMMAND=CLOSE")
    house.wait(10)
    expected = {one: _value(house, one) for one in ("asleep", "lost", "gone")}
    assert [str(one).split()[0] for one in expected.values()] == [
        "ASLEEP",
        "LOST",
        "DISCONNECTED",
    ]
    for _ in range(restarts):
        house.known = ("a", "reader", *expected)
        house.restart(away=1)
        assert {one: _value(house, one) for one in expected} == expected
        house.wait(1)
    house.wait(3600)
    assert _value(house, "asleep") is not None
    assert str(_value(house, "asleep")).startswith("LOST SINCE=2027-01-15T09:0")
    assert _value(house, "lost") == expected["lost"]


def test_a_sleeper_whose_time_ran_out_while_the_broker_was_away(house: House) -> None:
    """It may have tried: for 60 seconds nobody knows, then it is lost since the end of its sleep."""
    house.peer("a").send("COMMAND=CLOSE | SLEEP=60")
    house.restart(away=600)
    assert _value(house) == ""
    house.wait(61)
    assert _value(house) == "LOST SINCE=2027-01-15T08:02:00Z"


def test_the_will_of_a_sleeper_outlives_a_restart(house: House) -> None:
    """It was accepted: it is published when the sleeper does not come back."""
    house.peer("a").send(
        "COMMAND=WILL | VARIABLE=v | VALUE=lost", "COMMAND=CLOSE | SLEEP=60"
    )
    house.restart(away=10)
    house.wait(49)
    assert house.broker.variables.get("v") is None
    house.wait(2)
    variable = house.broker.variables.get("v")
    assert variable is not None
    assert (variable.value, variable.device, variable.will) == ("lost", "a", True)


def test_two_restarts_within_the_minute(house: House) -> None:
    """A device that has not come in the first one is gone since the stop before it."""
    house.peer("a")
    house.restart(away=3600)
    assert _value(house) == ""
    house.wait(10)
    house.restart(away=5)
    assert _value(house) == "DISCONNECTED SINCE=2027-01-15T08:01:00Z"
    house.wait(61)
    assert _value(house) == "DISCONNECTED SINCE=2027-01-15T08:01:00Z"


def test_a_device_that_is_known_only_later(house: House) -> None:
    """What was on file of it is told, and goes where it is not known after a minute."""
    house.broker.know(["d"])
    house.peer("d")
    house.restart()
    house.wait(61)
    assert house.broker.archive.stored("$DEVICES/d") is None
    house.broker.approve("d")
    assert _value(house, "d") == "DISCONNECTED"
    house.peer("d")
    house.restart()
    house.broker.approve("d")
    assert _value(house, "d") == ""


def test_a_device_that_was_here_before_a_person_knew_it() -> None:
    """Asleep, gone: what the broker has seen of it is told."""
    house = House(mode=AccessMode.OPEN)
    house.wait(61)
    house.peer("d").send("COMMAND=CLOSE | SLEEP=500")
    house.broker.approve("d")
    assert _value(house, "d") == "ASLEEP UNTIL=2027-01-15T08:09:21Z"
    house.peer("e").send("COMMAND=CLOSE")
    house.wait(10)
    for _ in range(2):
        house.broker.approve("e")
        assert _value(house, "e") == "DISCONNECTED SINCE=2027-01-15T08:01:01Z"
        house.broker.refuse("e")


def test_a_will_that_is_secret_is_not_on_file(house: House) -> None:
    """It waits in memory only."""
    house.peer("reader").send("COMMAND=DEF | VARIABLE=p | TYPE=text | MODE=password")
    house.peer("a").send(
        "COMMAND=WILL | VARIABLE=p | VALUE=hunter2", "COMMAND=CLOSE | SLEEP=9"
    )
    assert "hunter2" not in str(house.broker.archive.stored("$DEVICES/a"))


def test_a_device_that_has_never_been_here(house: House) -> None:
    """Where the broker has saved before, it has no file: that is known at once."""
    house.known = ("a", "reader", "never")
    house.restart()
    assert _value(house, "never") == "DISCONNECTED"
    house.wait(61)
    assert _value(house, "never") == "DISCONNECTED"
    house.restart()
    house.broker.approve("new")
    assert _value(house, "new") == "DISCONNECTED"


def test_it_is_read_only_and_apart(house: House) -> None:
    """Nobody can publish, describe or delete it, and filters of everything do not match it."""
    a = house.peer("a")
    a.take()
    for command in (
        "PUB | VARIABLE={} | VALUE=x",
        "DEL | VARIABLE={}",
        "DEF | VARIABLE={} | TYPE=sensor",
    ):
        (answer,) = a.ask("COMMAND=" + command.format("$DEVICES/a"))
        assert answer.startswith("COMMAND=BAD | REASON=read-only")
    for pattern in ("#", "+/a", "+/+", "+/#"):
        assert a.ask(f"COMMAND=GET | VARIABLE={pattern}") == ["COMMAND=OK"]
    assert len(a.ask("COMMAND=GET | VARIABLE=$DEVICES/+")) == 3
    assert "$DEVICES/a" not in [one.name for one in house.broker.variables]


def test_rights(house: House) -> None:
    """By default every device reads it; one whose rights are narrower does not."""
    a = house.peer("a")
    assert len(a.ask("COMMAND=GET | VARIABLE=$DEVICES/a")) == 2
    house.broker.set_rights("a", Rights(read=("#", "$SYS/#")))
    (answer,) = a.ask("COMMAND=GET | VARIABLE=$DEVICES/a")
    assert answer.startswith("COMMAND=BAD | REASON=forbidden")
    assert a.ask("COMMAND=GET | VARIABLE=$DEVICES/#") == ["COMMAND=OK"]


def test_a_clock_that_goes_back_over_a_restart(house: House) -> None:
    """The broker says by how much, and a sleep does not become longer than it was announced."""
    house.peer("a").send("COMMAND=CLOSE | SLEEP=60")
    house.restart(away=-86400)
    assert house.broker.archive.clock_behind == 86400
    assert house.broker.devices.is_there("a")
    house.wait(61)
    assert not house.broker.devices.is_there("a")


def test_no_room_at_a_start(house: House) -> None:
    """The numbers and the presence of a device are kept all the same, until there is room."""
    house.peer("a").send("COMMAND=CLOSE | SLEEP=600")
    house.restart()
    house.broker.limits.devices = 1
    house.peer("reader")
    house.broker.restore(
        devices=[
            StoredDevice("a", "ASLEEP UNTIL=2027-01-15T09:00:00Z", 0, receipts=1000),
            StoredDevice("other", "", 0, receipts=5),
        ]
    )
    assert _value(house) == "ASLEEP UNTIL=2027-01-15T09:00:00Z"
    stored = house.broker.archive.stored("$DEVICES/a")
    assert getattr(stored, "receipts", 0) == 1000


def test_a_will_for_which_there_is_no_room(house: House) -> None:
    """It is not published, and nothing else breaks."""
    house.broker.limits.variables = 0
    a = house.peer("a")
    a.send("COMMAND=WILL | VARIABLE=v | VALUE=lost")
    a.session.lost()
    assert house.broker.variables.get("v") is None
    assert _value(house) == "DISCONNECTED SINCE=2027-01-15T08:01:00Z"


def _may_be_there(house: House, *devices: str) -> list[str]:
    return [one for one in devices if house.broker.may_be_there(one)]


@pytest.mark.parametrize("killed", [False, True])
def test_who_may_be_there(killed: bool) -> None:
    """Connected, asleep in time, or so before the start, for 60 seconds; nobody else, over restarts too."""
    everyone = ("here", "asleep", "overslept", "lost", "gone", "never")
    house = House(everyone)
    house.wait(61)
    here = house.peer("here")
    house.peer("asleep").send("COMMAND=CLOSE | SLEEP=3600")
    house.peer("overslept").send("COMMAND=CLOSE | SLEEP=100")
    house.peer("lost").send("COMMAND=CLOSE | SLEEP=5")
    house.peer("gone").send("COMMAND=CLOSE")
    house.wait(10)
    expected = ["here", "asleep", "overslept"]
    assert _may_be_there(house, *everyone, "stranger") == expected
    house.restart(away=200, killed=killed)
    assert _may_be_there(house, *everyone, "stranger") == expected
    house.clock.time += 500
    house.wall.time += 500
    house.broker.begin()
    house.wait(59)
    assert _may_be_there(house, *everyone, "stranger") == expected
    house.wait(2)
    assert _may_be_there(house, *everyone, "stranger") == ["asleep"]
    here = house.peer("here")
    assert _may_be_there(house, *everyone) == ["here", "asleep"]
    here.session.lost()
    house.wait(3600)
    assert _may_be_there(house, *everyone) == []


def test_who_may_be_there_without_files() -> None:
    """At the very first start nobody knows where known devices are: all may come."""
    house = House(("a",))
    assert _may_be_there(house, "a", "stranger") == ["a"]
    house.wait(61)
    assert _may_be_there(house, "a") == []


def test_who_is_revoked_or_refused_is_not_there() -> None:
    """Not even within the 60 seconds."""
    house = House(("a", "b"))
    house.peer("a")
    house.peer("b")
    house.restart()
    house.broker.revoke("a")
    house.broker.refuse("b")
    assert _may_be_there(house, "a", "b") == []
