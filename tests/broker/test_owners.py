"""Whom a variable belongs to (protocol B6): two devices, every order, who is away, what is forgotten."""

import itertools
from typing import override

import pytest

from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.core.observers import Observer
from custom_components.textmq.broker.core.variables import Variable
from custom_components.textmq.broker.protocol.definitions import Definition, Rules

from .inprocess import House, Peer, make_broker

PUB = "COMMAND=PUB | VARIABLE=v | VALUE=1"
DEF = "COMMAND=DEF | VARIABLE=v | TYPE=sensor"


class Moves(Observer):
    """Keeps who has lost variables to whom."""

    def __init__(self) -> None:
        """Begin without any."""
        self.told: list[tuple[str, str, str]] = []

    @override
    def variable_moved(self, variable: Variable, former: str) -> None:
        """Keep a move."""
        self.told.append((variable.name, former, variable.owner))


@pytest.fixture
def house() -> House:
    """Return a house with three known devices."""
    return House(("a", "b", "reader"))


def _owner(house: House) -> str:
    variable = house.broker.variables.get("v")
    assert variable is not None
    return variable.owner


def _leave(peer: Peer, how: str) -> None:
    if how == "asleep":
        peer.send("COMMAND=CLOSE | SLEEP=60")
    elif how == "gone":
        peer.send("COMMAND=CLOSE")
    elif how == "lost":
        peer.session.lost()


DESCRIBES, PUBLISHES = "describes", "publishes"


@pytest.mark.parametrize("how", ["there", "asleep", "overslept", "gone", "lost"])
@pytest.mark.parametrize(
    ("first", "second", "third"),
    itertools.product(
        (DESCRIBES, PUBLISHES, "both"), (DESCRIBES, PUBLISHES), ("", PUBLISHES)
    ),
)
def test_two_writers(
    house: House, how: str, first: str, second: str, third: str
) -> None:
    """A second description takes a variable over only from an owner that is away; a publish only what nobody described."""
    a, b = house.peer("a"), house.peer("b")
    if first in (PUBLISHES, "both"):
        a.send(PUB)
    if first in (DESCRIBES, "both"):
        a.send(DEF)
    assert _owner(house) == "a"
    _leave(a, "asleep" if how == "overslept" else how)
    if how == "overslept":
        house.wait(61)
    there = how in ("there", "asleep")
    b.send(f"{DEF} | NAME=other" if second == DESCRIBES else PUB)
    described_by_a = first != PUBLISHES
    if second == DESCRIBES:
        expected = "a" if described_by_a and there else "b"
    else:
        expected = "a" if described_by_a else "b"
    assert _owner(house) == expected
    if third:
        # A publish changes nothing where a device has described the variable.
        b.send("COMMAND=PUB | VARIABLE=v | VALUE=2")
        assert _owner(house) == expected


@pytest.mark.parametrize("who", ["homeassistant", ""])
def test_home_assistant_and_guests_own_nothing(who: str) -> None:
    """Neither what they describe nor what they publish; it stays with the device, or belongs to none."""
    house = House(("a",), mode=AccessMode.OPEN)
    definition = Definition.parse({"TYPE": "sensor", "NAME": "x"}, Rules())
    house.broker.publish("v", "1", device=who)
    assert _owner(house) == ""
    house.broker.define("v", definition, device=who)
    assert _owner(house) == ""
    house.peer("a").send(PUB)
    assert _owner(house) == "a"
    house.broker.publish("v", "2", device=who)
    house.broker.define("v", None, device=who)
    house.broker.define("v", definition, device=who)
    assert _owner(house) == "a"


def test_a_description_that_is_taken_back(house: House) -> None:
    """Then the variable belongs to the device that published it last."""
    a, b = house.peer("a"), house.peer("b")
    a.send(DEF)
    b.send(PUB)
    assert _owner(house) == "a"
    a.send("COMMAND=DEF | VARIABLE=v")
    assert _owner(house) == "b"


@pytest.mark.parametrize("known", [False, True])
def test_an_owner_that_goes_for_good(house: House, known: bool) -> None:
    """The device that described the variable last has it with its next DEF in the same words, or its known set."""
    a, b = house.peer("a"), house.peer("b")
    a.send(DEF)
    b.send(f"{DEF} | NAME=b", "COMMAND=DEFS | TOKEN=t | COUNT=1")
    assert _owner(house) == "a"
    a.session.lost()
    if known:
        b.send("COMMAND=ID | ID=b | DEFS=t")
        assert "DEFS=KNOWN" in b.take()[-1]
    else:
        b.send(f"{DEF} | NAME=b")
    assert _owner(house) == "b"


def test_disowned_variables_count_to_nobody() -> None:
    """Guests have room as before."""
    house = House(("a",), mode=AccessMode.OPEN)
    house.broker.limits.variables_per_client = 1
    house.peer("a").send(PUB)
    house.broker.revoke("a")
    guest = house.peer()
    assert guest.ask("COMMAND=PUB | VARIABLE=w | VALUE=1") == ["COMMAND=OK"]


def test_observers_hear_of_a_move_once(house: House) -> None:
    """Each with the former owner; a variable that is new is no move."""
    moves = Moves()
    house.broker.observe(moves)
    a, b = house.peer("a"), house.peer("b")
    a.send(PUB, PUB)
    assert moves.told == []
    b.send(PUB, PUB)
    assert moves.told == [("v", "a", "b")]
    a.send(DEF, DEF)
    assert moves.told[1:] == [("v", "b", "a")]


def test_the_limit_goes_by_the_owner() -> None:
    """What another device takes over makes room for new ones."""
    broker = make_broker(
        AccessMode.OPEN, limits=Limits(variables_per_client=2, share=9, share_burst=9)
    )
    a, b = Peer(broker, "a"), Peer(broker, "b")
    a.ask("COMMAND=PUB | VARIABLE=1 | VALUE=", "COMMAND=PUB | VARIABLE=2 | VALUE=")
    (refused,) = a.ask("COMMAND=PUB | VARIABLE=3 | VALUE=")
    assert refused.startswith("COMMAND=BAD | REASON=limit | DETAIL=")
    b.send("COMMAND=PUB | VARIABLE=1 | VALUE=")
    assert a.ask("COMMAND=PUB | VARIABLE=3 | VALUE=") == ["COMMAND=OK"]


@pytest.mark.parametrize("delete", [True, False])
def test_revocation(house: House, delete: bool) -> None:
    """The variables of a device go with it, or belong to none; those of others stay as they are."""
    a, b = house.peer("a"), house.peer("b")
    reader = house.peer("reader")
    reader.send("COMMAND=SUB | VARIABLE=# | DEF=YES | FULL=YES")
    a.send(PUB, DEF, "COMMAND=PUB | VARIABLE=shared | VALUE=1")
    b.send(
        "COMMAND=DEF | VARIABLE=shared | TYPE=sensor",
        "COMMAND=PUB | VARIABLE=w | VALUE=",
    )
    reader.take()
    house.broker.revoke("a", delete_variables=delete)
    told = reader.take()
    shared = house.broker.variables.get("shared")
    assert shared is not None
    assert (shared.owner, shared.described_by, shared.device) == ("b", "b", "")
    if delete:
        assert house.broker.variables.get("v") is None
        assert "COMMAND=DEL | VARIABLE=v" in told
    else:
        assert _owner(house) == ""
        assert "COMMAND=DEF | VARIABLE=v | TYPE=sensor | DEVICE= | OWNER=" in told
        b.send(PUB)
        assert _owner(house) == "b"


def test_an_owner_outlives_a_restart(house: House) -> None:
    """For a minute it may come yet, whoever comes first; then another description takes over."""
    house.peer("a").send(DEF, PUB)
    house.restart()
    assert _owner(house) == "a"
    b = house.peer("b")
    b.send(f"{DEF} | NAME=b")
    assert _owner(house) == "a"
    house.wait(61)
    assert _owner(house) == "a"
    b.send(f"{DEF} | NAME=other")
    assert _owner(house) == "b"
    house.peer("a").send(DEF)
    assert _owner(house) == "b"


def test_a_will_is_the_devices_own(house: House) -> None:
    """It is marked as one until the next publish."""
    a, reader = house.peer("a"), house.peer("reader")
    reader.send("COMMAND=SUB | VARIABLE=# | FULL=YES")
    a.send("COMMAND=WILL | VARIABLE=v | VALUE=lost")
    a.session.lost()
    reader.take()
    (found, _) = reader.ask("COMMAND=GET | VARIABLE=v | FULL=YES")
    assert found == (
        "COMMAND=SUB | VARIABLE=v | VALUE=lost | TIME=2027-01-15T08:00:00.000Z | AGE=0"
        " | DEVICE=a | OWNER=a | WILL=YES"
    )
    house.restart()
    variable = house.broker.variables.get("v")
    assert variable is not None and variable.will
    house.peer("b").send(PUB)
    assert not variable.will
