"""Sets of descriptions, DEFS (protocol B6): KNOWN is never said wrongly."""

from collections.abc import Callable, Collection
from typing import Any, override

import pytest

from custom_components.textmq.broker.core.access import AccessMode, Rights
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.core.observers import Observer
from custom_components.textmq.broker.core.variables import Variable

from .inprocess import House, Loop, Peer, RunningClock, make_broker
from .reference import VECTORS

DEFS = [
    "COMMAND=DEF | VARIABLE=x | TYPE=sensor",
    "COMMAND=DEF | VARIABLE=y | TYPE=sensor | NAME=Y",
]
ALL = [*DEFS, "COMMAND=DEFS | TOKEN=t | COUNT=2"]


@pytest.fixture
def house() -> House:
    """Return a house with two devices."""
    return House(("a", "b"))


def _told(house: House, of: str = "t") -> Peer:
    """Return a device that has told its set."""
    a = house.peer("a", DEFS=of)
    assert a.take()[0].endswith("Z")
    assert a.ask(*DEFS, f"COMMAND=DEFS | TOKEN={of} | COUNT=2") == ["COMMAND=OK"] * 3
    return a


def _is_known(house: House, device: str = "a", of: str = "t") -> bool:
    answer = house.peer(device, DEFS=of).take()[0]
    assert answer.startswith("COMMAND=OK")
    return "DEFS=KNOWN" in answer


def test_a_set_is_known(house: House) -> None:
    """After DEFS, over restarts, and after the same descriptions once more."""
    assert not _is_known(house)
    a = _told(house)
    assert _is_known(house)
    house.restart()
    assert _is_known(house)
    house.restart(killed=True)
    assert _is_known(house)
    a = house.peer("a", DEFS="t")
    a.send(*ALL)
    assert _is_known(house)
    assert not _is_known(house, of="other")
    assert not _is_known(house, device="b")


def _revoke(house: House) -> None:
    house.broker.revoke("a")
    house.broker.approve("a")


def _update(house: House) -> None:
    house.version = "next"
    house.restart()


def _tear(house: House) -> None:
    """Lose the description's part of a file."""
    variable = house.broker.variables.get("x")
    assert variable is not None
    variable.definition = None
    variable.set_token = ""
    house.restart()


CHANGES: dict[str, Callable[[House, Peer, Peer], None]] = {
    "another device describes one": lambda _, __, b: b.send(f"{DEFS[0]} | NAME=b"),
    "another device describes one in the same words": lambda _, __, b: b.send(DEFS[0]),
    "Home Assistant takes one back": lambda house, *_: house.broker.define(
        "x", None, device="homeassistant"
    ),
    "one is deleted": lambda _, __, b: b.send("COMMAND=DEL | VARIABLE=x"),
    "one is deleted and described again": lambda _, __, b: b.send(
        "COMMAND=DEL | VARIABLE=x", DEFS[0]
    ),
    "one is changed": lambda _, a, __: a.send(f"{DEFS[0]} | NAME=x"),
    "one is changed and changed back": lambda _, a, __: a.send(
        f"{DEFS[0]} | NAME=x", DEFS[0]
    ),
    "one is taken back": lambda _, a, __: a.send("COMMAND=DEF | VARIABLE=x"),
    "rights change": lambda house, *_: house.broker.set_rights(
        "a", Rights(write=("x", "y"))
    ),
    "the device is revoked": lambda house, *_: _revoke(house),
    "the broker is another version": lambda house, *_: _update(house),
    "a description was not on file": lambda house, *_: _tear(house),
}


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_what_ends_it(house: House, change: str, restart: bool) -> None:
    """The device sends all once more then, and the set is known again."""
    a, b = _told(house), house.peer("b")
    CHANGES[change](house, a, b)
    if restart:
        house.restart()
    assert not _is_known(house)
    again = house.peer("a", DEFS="t")
    again.take()
    assert again.ask(*ALL) == ["COMMAND=OK"] * 3
    assert _is_known(house)


def test_rights_that_come_back(house: House) -> None:
    """The descriptions were accepted under these."""
    _told(house)
    house.broker.set_rights("a", Rights(write=("x",)))
    assert not _is_known(house)
    house.broker.set_rights("a", Rights())
    assert _is_known(house)


@pytest.mark.parametrize(
    ("lines", "detail"),
    [
        (
            [*DEFS, "COMMAND=DEFS | TOKEN=t | COUNT=3"],
            "2 variables were described since ID, not 3",
        ),
        (
            ["COMMAND=DEFS | TOKEN=t | COUNT=2"],
            "0 variables were described since ID, not 2",
        ),
        ([DEFS[0], DEFS[0], "COMMAND=DEFS | TOKEN=t | COUNT=2"], "1 variables were"),
        ([*DEFS, "COMMAND=DEF | VARIABLE=x", ALL[-1]], "1 variables were described"),
        ([*DEFS, "COMMAND=DEL | VARIABLE=x", ALL[-1]], "1 variables were described"),
        (
            ["COMMAND=DEF | VARIABLE=z | TYPE=select", *ALL],
            "a description was refused",
        ),
        (
            [f"{DEFS[0]} | MIN=2 | MAX=1", *ALL],
            "a description was refused",
        ),
    ],
)
def test_what_is_no_set(house: House, lines: list[str], detail: str) -> None:
    """The token is not kept, what was accepted stays; a new try is judged for itself."""
    a = house.peer("a", DEFS="t")
    a.take()
    answer = a.ask(*lines)[-1]
    assert answer.startswith(f"COMMAND=BAD | REASON=bad-definition | DETAIL={detail}")
    assert not _is_known(house)
    a = house.peer("a", DEFS="t")
    a.take()
    assert a.ask(*ALL) == ["COMMAND=OK"] * 3
    assert _is_known(house)


def test_a_set_that_is_mixed_on_file(house: House) -> None:
    """Files of different saves, with different counts: not known; told once more it is, and nothing is written twice."""
    _told(house)
    variable = house.broker.variables.get("x")
    assert variable is not None
    variable.set_count = 3
    house.restart()
    assert not _is_known(house)
    a = house.peer("a", DEFS="t")
    a.ask(*ALL)
    assert _is_known(house)
    house.broker.take_changed()
    variable.dirty = False
    house.peer("a").ask(*ALL)
    assert "x" not in house.broker.changed
    assert _is_known(house)


def test_another_device_comes_between() -> None:
    """A set of many is taken step by step: what changes meanwhile ends it."""
    loop = Loop()
    clock = RunningClock(0.0001)
    limits = Limits(share=1e9, share_burst=1e9, rate=1e9, burst=1e9)
    broker = make_broker(AccessMode.OPEN, loop=loop, clock=clock, limits=limits)
    a, b = Peer(broker, "a"), Peer(broker, "b")
    loop.run()
    names = [f"v{number}" for number in range(1000)]
    for name in names:
        a.send(f"COMMAND=DEF | VARIABLE={name} | TYPE=sensor")
        loop.run()
    a.send("COMMAND=DEFS | TOKEN=t | COUNT=1000")
    loop.turn()
    a.take()
    b.send("COMMAND=DEF | VARIABLE=v999 | TYPE=sensor")
    loop.run()
    (answer,) = a.take()
    assert answer.startswith("COMMAND=BAD | REASON=bad-definition | DETAIL=999")
    a.send("COMMAND=DEF | VARIABLE=v999 | TYPE=sensor")
    a.send("COMMAND=ID | ID=a | DEFS=t")
    loop.run()
    assert "DEFS=KNOWN" not in a.take()[-1]


def test_an_interrupted_set_is_none(house: House) -> None:
    """The connection, or the broker, ends in the middle: what was described before does not count."""
    a = house.peer("a", DEFS="t")
    a.send(DEFS[0])
    a.session.lost()
    a = house.peer("a", DEFS="t")
    assert a.ask(DEFS[1], ALL[-1])[-1].startswith("COMMAND=BAD | REASON=bad-definition")
    a.send(DEFS[0])
    house.restart()
    a = house.peer("a", DEFS="t")
    assert "KNOWN" not in a.take()[0]
    assert a.ask(DEFS[1], ALL[-1])[-1].startswith("COMMAND=BAD | REASON=bad-definition")


def test_a_smaller_set_under_the_same_token(house: House) -> None:
    """It is the set of now."""
    _told(house)
    a = house.peer("a", DEFS="t")
    a.take()
    assert a.ask(DEFS[0], "COMMAND=DEFS | TOKEN=t | COUNT=1") == ["COMMAND=OK"] * 2
    assert _is_known(house)


@pytest.mark.parametrize(
    "command",
    [
        "DEFS | COUNT=1",
        "DEFS | TOKEN=t",
        "DEFS | TOKEN= | COUNT=1",
        "DEFS | TOKEN=t | COUNT=-1",
        "DEFS | TOKEN=t | COUNT=x",
        "ID | ID=a | DEFS=",
        "ID | ID=a | DEFS=" + "x" * 33,
        "ID | ID=a | RECEIPTS=1",
    ],
)
def test_what_is_malformed(house: House, command: str) -> None:
    """It gets BAD, changes nothing, and takes nothing of what was described."""
    a = house.peer("a", DEFS="t")
    a.take()
    a.ask(*DEFS)
    (answer,) = a.ask(f"COMMAND={command}")
    assert answer.startswith(
        ("COMMAND=BAD | REASON=malformed", "COMMAND=BAD | REASON=missing-parameter")
    )
    assert a.ask(ALL[-1]) == ["COMMAND=OK"]


@pytest.mark.parametrize("case", VECTORS["token_valid"], ids=lambda case: case["token"])
@pytest.mark.parametrize(
    "command",
    ["ID | ID=a | DEFS", "DEFS | COUNT=2 | TOKEN", "MSG | DEVICE=a | VALUE=x | RE"],
)
def test_tokens(house: House, command: str, case: dict[str, Any]) -> None:
    """Every case of the shared vectors, wherever a token may stand."""
    a = house.peer("a")
    a.take()
    a.ask(*DEFS)
    told = a.ask(f"COMMAND={command}={case['token']}")
    (answer,) = (one for one in told if one.startswith(("COMMAND=OK", "COMMAND=BAD")))
    expected = "COMMAND=OK" if case["valid"] else "COMMAND=BAD | REASON=malformed"
    assert answer.startswith(expected)


def test_a_client_without_an_id_has_no_set() -> None:
    """It owns nothing."""
    house = House(mode=AccessMode.OPEN)
    guest = house.peer()
    (answer,) = guest.ask(ALL[-1])
    assert answer.startswith("COMMAND=BAD | REASON=not-authorized")


class Told(Observer):
    """Keeps what is stale."""

    def __init__(self) -> None:
        """Begin without any."""
        self.stale: list[list[str]] = []

    @override
    def descriptions_complete(
        self, device_id: str, stale: Collection[Variable]
    ) -> None:
        """Keep the names."""
        self.stale.append(sorted(one.name for one in stale))


def test_what_is_stale(house: House) -> None:
    """Variables of an earlier set, until they are described, deleted or told again; others never."""
    told = Told()
    house.broker.observe(told)
    a = _told(house)
    a.send("COMMAND=DEF | VARIABLE=by-hand | TYPE=sensor")
    house.peer("b").send("COMMAND=DEF | VARIABLE=other | TYPE=sensor")
    a = house.peer("a", DEFS="t2")
    a.send(DEFS[0], "COMMAND=DEFS | TOKEN=t2 | COUNT=1")
    assert told.stale == [[], ["y"]]
    house.restart()
    house.broker.observe(told)
    assert _is_known(house, of="t2")
    assert told.stale[2:] == [["y"]]
    a = house.peer("a", DEFS="t2")
    a.send("COMMAND=DEL | VARIABLE=y", DEFS[0], "COMMAND=DEFS | TOKEN=t2 | COUNT=1")
    assert told.stale[-1] == []


def test_thousands_of_descriptions_that_come_and_go(house: House) -> None:
    """What a session has described is bounded: past it there is no set."""
    house.broker.limits.variables_per_client = 10
    a = house.peer("a")
    for number in range(11):
        a.send(
            f"COMMAND=DEF | VARIABLE={number} | TYPE=sensor",
            f"COMMAND=DEL | VARIABLE={number}",
        )
    assert len(a.session.described.variables) <= 10
    (answer,) = a.ask("COMMAND=DEFS | TOKEN=t | COUNT=0")[-1:]
    assert answer.startswith("COMMAND=BAD | REASON=bad-definition")
