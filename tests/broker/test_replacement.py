"""A new device in the place of an old one (protocol B6): variables, messages, what is told, every moment to stop."""

import asyncio
from collections.abc import Callable
from pathlib import Path
import threading
from typing import override

import pytest

from custom_components.textmq.broker.core.access import Rights
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.devices import Device
from custom_components.textmq.broker.core.observers import Observer, Publication
from custom_components.textmq.broker.core.variables import Variable
from custom_components.textmq.broker.protocol.reasons import CloseReason, Refusal
from custom_components.textmq.broker.server.folder import Content, Folder
from custom_components.textmq.broker.server.saver import Saver
from custom_components.textmq.broker.server.store import Store

from .inprocess import House, Peer, make_broker

AT = "2027-01-15T08:01:01.000Z"
PATIENCE = 10


@pytest.fixture
def house() -> House:
    """Return a house that knows an old device, a new one, another one and a reader."""
    house = House(("old", "new", "other", "reader"))
    house.wait(61)
    return house


def _replace(broker: Broker) -> int:
    """Replace the old device by the new one; returns the number of steps."""
    return sum(1 for _ in broker.replace_device("old", "new"))


def _get(broker: Broker, name: str) -> Variable:
    variable = broker.variables.get(name)
    assert variable is not None, name
    return variable


def _names(broker: Broker) -> list[str]:
    return sorted(variable.name for variable in broker.variables)


type Known = tuple[str | None, float, str, bool, str, str, dict[str, str]]


def _known(variable: Variable) -> Known:
    """Return all that is known of a variable."""
    return (
        variable.value,
        variable.time,
        variable.device,
        variable.will,
        variable.owner,
        variable.described_by,
        dict(variable.definition.params) if variable.definition else {},
    )


class Told(Observer):
    """Keeps what is told of variables and devices."""

    def __init__(self) -> None:
        """Begin without any."""
        self.told: list[tuple[str, ...]] = []

    @override
    def variable_added(self, variable: Variable) -> None:
        self.told.append(("added", variable.name, variable.owner))

    @override
    def variable_deleted(self, variable: Variable) -> None:
        self.told.append(("deleted", variable.name))

    @override
    def variable_moved(self, variable: Variable, former: str) -> None:
        self.told.append(("moved", variable.name, former, variable.owner))

    @override
    def variable_described(self, variable: Variable) -> None:
        self.told.append(("described", variable.name))

    @override
    def device_disconnected(self, device: Device, reason: CloseReason) -> None:
        self.told.append(("disconnected", device.id, reason))


def _watch(house: House) -> Told:
    told = Told()
    house.broker.observe(told)
    return told


def test_all_of_a_variable_moves(house: House) -> None:
    """Value, time, publisher, owner and description, whose commands go to the new name."""
    old = house.peer("old")
    old.send(
        "COMMAND=PUB | VARIABLE=old/pump | VALUE=ON",
        "COMMAND=DEF | VARIABLE=old/pump | TYPE=switch | SET=old/pump/command | COLOUR=x",
        "COMMAND=PUB | VARIABLE=old | VALUE=here",
        "COMMAND=DEF | VARIABLE=old/button | TYPE=button",
    )
    old.send("COMMAND=WILL | VARIABLE=old/state | VALUE=lost")
    old.session.lost()
    house.wait(100)
    time = _get(house.broker, "old/pump").time
    _replace(house.broker)
    assert _names(house.broker) == ["new", "new/button", "new/pump", "new/state"]
    definition = {"TYPE": "switch", "SET": "new/pump/command", "COLOUR": "x"}
    expected: dict[str, Known] = {
        "new": ("here", time, "new", False, "new", "", {}),
        "new/pump": ("ON", time, "new", False, "new", "new", definition),
        "new/state": ("lost", time, "new", True, "new", "", {}),
        "new/button": (None, 0, "", False, "new", "new", {"TYPE": "button"}),
    }
    for name, known in expected.items():
        assert _known(_get(house.broker, name)) == known
    described = _get(house.broker, "new/pump").definition
    assert described is not None and described.set == "new/pump/command"
    assert house.broker.variables.count("new") == 4
    assert house.broker.variables.count("old") == 0


def test_what_others_have_to_do_with_it_stays(house: House) -> None:
    """The names move all the same; another device's share in a variable is its own."""
    other, old = house.peer("other"), house.peer("old")
    other.send(
        "COMMAND=DEF | VARIABLE=old/shared | TYPE=sensor",
        "COMMAND=PUB | VARIABLE=old/asked | VALUE=1",
        "COMMAND=DEF | VARIABLE=other/x | TYPE=switch | SET=old/x",
        "COMMAND=PUB | VARIABLE=older/x | VALUE=1",
    )
    old.send("COMMAND=PUB | VARIABLE=old/shared | VALUE=1")
    house.broker.publish("old/house", "1", device="homeassistant")
    _replace(house.broker)
    shared, asked = (_get(house.broker, f"new/{name}") for name in ("shared", "asked"))
    assert (shared.owner, shared.described_by, shared.device) == (
        "other",
        "other",
        "new",
    )
    assert (asked.owner, asked.device) == ("other", "other")
    assert _get(house.broker, "new/house").device == "homeassistant"
    definition = _get(house.broker, "other/x").definition
    assert definition is not None and definition.set == "old/x"
    assert _get(house.broker, "older/x").owner == "other"


def test_variables_of_other_names(house: House) -> None:
    """They keep their names, and belong to the new device; their commands follow."""
    old, reader = house.peer("old"), house.peer("reader")
    old.send(
        "COMMAND=DEF | VARIABLE=hall/lamp | TYPE=switch | SET=old/lamp",
        "COMMAND=DEF | VARIABLE=hall/heat | TYPE=sensor",
        "COMMAND=PUB | VARIABLE=hall/heat | VALUE=1",
        "COMMAND=PUB | VARIABLE=hall/raw | VALUE=2",
    )
    reader.ask("COMMAND=SUB | VARIABLE=# | DEF=YES | FULL=YES | REPLAY=NO")
    told = _watch(house)
    _replace(house.broker)
    assert told.told == [
        ("disconnected", "old", "revoked"),
        ("moved", "hall/lamp", "old", "new"),
        ("described", "hall/lamp"),
        ("moved", "hall/heat", "old", "new"),
        ("moved", "hall/raw", "old", "new"),
    ]
    assert reader.take() == [
        "COMMAND=DEF | VARIABLE=hall/lamp | TYPE=switch | SET=new/lamp | DEVICE=new | OWNER=new",
        "COMMAND=DEF | VARIABLE=hall/heat | TYPE=sensor | DEVICE=new | OWNER=new",
    ]
    for name in ("hall/heat", "hall/raw"):
        variable = _get(house.broker, name)
        assert (variable.device, variable.owner) == ("new", "new")


def test_what_subscribers_get(house: House) -> None:
    """The description and the value under the new name, as from before; then the end of the old one."""
    plain, full = house.peer("reader"), house.peer("other")
    house.peer("old").send(
        "COMMAND=DEF | VARIABLE=old/x | TYPE=sensor",
        "COMMAND=PUB | VARIABLE=old/x | VALUE=1",
    )
    plain.ask("COMMAND=SUB | VARIABLE=# | DEF=YES")
    full.ask("COMMAND=SUB | VARIABLE=new/x | FULL=YES")
    published: list[Publication] = []
    house.broker.watch("#", published.append)
    told = _watch(house)
    house.wait(9)
    _replace(house.broker)
    at = "2027-01-15T08:01:01.000Z"
    assert plain.take() == [
        "COMMAND=DEF | VARIABLE=new/x | TYPE=sensor",
        f"COMMAND=SUB | VARIABLE=new/x | VALUE=1 | TIME={at}",
        "COMMAND=DEL | VARIABLE=old/x",
    ]
    assert full.take() == [
        f"COMMAND=SUB | VARIABLE=new/x | VALUE=1 | TIME={at} | AGE=9 | DEVICE=new | OWNER=new"
    ]
    assert told.told[1:] == [("added", "new/x", "new"), ("deleted", "old/x")]
    assert published == []


def test_a_slow_reader(house: House) -> None:
    """It gets the same when it reads again."""
    reader = house.peer("reader")
    house.peer("old").send("COMMAND=PUB | VARIABLE=old/x | VALUE=1")
    reader.ask("COMMAND=SUB | VARIABLE=#")
    reader.session.pause()
    _replace(house.broker)
    assert reader.take() == []
    reader.session.resume()
    assert sorted(reader.take()) == [
        "COMMAND=DEL | VARIABLE=old/x",
        "COMMAND=SUB | VARIABLE=new/x | VALUE=1",
    ]


def test_rights_hold_for_the_new_names(house: House) -> None:
    """Who may not read them gets the end of the old ones only."""
    house.broker.set_rights("reader", Rights(read=("old/#",)))
    reader = house.peer("reader")
    house.peer("old").send("COMMAND=PUB | VARIABLE=old/x | VALUE=1")
    reader.ask("COMMAND=SUB | VARIABLE=#")
    _replace(house.broker)
    assert reader.take() == ["COMMAND=DEL | VARIABLE=old/x"]


@pytest.mark.parametrize("here", ["PUB | VALUE=2", "DEF | TYPE=sensor"])
def test_the_new_device_was_faster(house: House, here: str) -> None:
    """What it has published or described already stays as it is; the old one goes."""
    house.peer("old").send("COMMAND=PUB | VARIABLE=old/x | VALUE=1")
    command, _, rest = here.partition(" | ")
    house.peer("new").send(f"COMMAND={command} | VARIABLE=new/x | {rest}")
    before = _known(_get(house.broker, "new/x"))
    told = _watch(house)
    _replace(house.broker)
    assert _names(house.broker) == ["new/x"]
    assert _known(_get(house.broker, "new/x")) == before
    assert told.told[1:] == [("deleted", "old/x")]


def test_the_new_device_comes_in_the_middle(house: House) -> None:
    """Whatever it does between two steps, nothing is lost and nothing is there twice."""
    house.peer("old").send(
        *(f"COMMAND=PUB | VARIABLE=old/{n} | VALUE={n}" for n in range(10))
    )
    steps = house.broker.replace_device("old", "new")
    next(steps)
    next(steps)
    new = house.peer("new")
    new.send("COMMAND=PUB | VARIABLE=new/0 | VALUE=new")
    new.send("COMMAND=PUB | VARIABLE=new/9 | VALUE=new")
    house.broker.delete("old/5")
    for _ in steps:
        pass
    values = {variable.name: variable.value for variable in house.broker.variables}
    expected: dict[str, str | None] = {f"new/{n}": str(n) for n in range(10) if n != 5}
    assert values == expected | {"new/0": "new", "new/9": "new"}


def test_names_for_which_there_is_no_room(house: House) -> None:
    """A variable whose new name would be too long keeps the old one, and belongs to the new device."""
    new = "n" * 64
    name = "old/" + "x" * 250
    house.peer("old").send(
        f"COMMAND=PUB | VARIABLE={name} | VALUE=1",
        f"COMMAND=DEF | VARIABLE=old/y | TYPE=switch | SET={name}",
    )
    for _ in house.broker.replace_device("old", new):
        pass
    assert _names(house.broker) == sorted([f"{new}/y", name])
    assert _get(house.broker, name).owner == new
    definition = _get(house.broker, f"{new}/y").definition
    assert definition is not None and definition.set == name


def test_limits_do_not_stop_it(house: House) -> None:
    """What was accepted once is not refused by it."""
    house.peer("old").send(
        *(f"COMMAND=PUB | VARIABLE=old/{n} | VALUE={n}" for n in range(3))
    )
    house.peer("new").send("COMMAND=PUB | VARIABLE=new/x | VALUE=1")
    house.broker.limits.variables_per_client = 2
    house.broker.limits.variables = 4
    _replace(house.broker)
    assert len(_names(house.broker)) == house.broker.variables.count("new") == 4


@pytest.mark.parametrize(
    ("old", "new"), [("old", "old"), ("old", "a/b"), ("homeassistant", "b"), ("", "b")]
)
def test_impossible_names(house: House, old: str, new: str) -> None:
    """They are refused before anything has changed."""
    with pytest.raises(Refusal):
        house.broker.replace_device(old, new)
    assert house.broker.access.knows("old")


def test_a_device_that_nobody_has_seen(house: House) -> None:
    """There is nothing to move."""
    assert sum(1 for _ in house.broker.replace_device("never", "new")) == 1
    assert not house.broker.access.knows("never")


# The device


def test_the_old_device_goes(house: House) -> None:
    """Its connection, its presence, what is on file of it; it has to ask like any stranger."""
    old, reader = house.peer("old", RECEIPTS="YES"), house.peer("reader")
    old.send("COMMAND=WILL | VARIABLE=old/state | VALUE=lost")
    house.broker.send("x", "old", "1", ttl=60)
    reader.ask("COMMAND=SUB | VARIABLE=$DEVICES/old")
    _replace(house.broker)
    assert old.take()[-1] == "COMMAND=CLOSE | REASON=revoked"
    assert reader.take() == ["COMMAND=DEL | VARIABLE=$DEVICES/old"]
    assert house.broker.archive.stored("$DEVICES/old") is None
    assert _names(house.broker) == []
    assert house.peer("old").take() == []
    assert list(house.broker.waiting) == ["old"]


def test_an_old_device_that_sleeps(house: House) -> None:
    """Its will goes with it."""
    house.peer("old").send(
        "COMMAND=WILL | VARIABLE=old/state | VALUE=lost",
        "COMMAND=CLOSE | SLEEP=60",
    )
    _replace(house.broker)
    house.wait(100)
    assert _names(house.broker) == []
    assert not house.broker.may_be_there("old")


def test_secrets_go_to_the_new_device(house: House) -> None:
    """Its commands are as secret as before, and are given to it alone."""
    old = house.peer("old")
    old.send(
        "COMMAND=DEF | VARIABLE=old/door | TYPE=lock | CODE=TEXT | SET=old/door/set",
        "COMMAND=DEF | VARIABLE=old/word | TYPE=text | MODE=password",
        "COMMAND=PUB | VARIABLE=old/door | VALUE=LOCKED",
    )
    _replace(house.broker)
    assert set(house.broker.secrets) == {"new/door/set", "new/word/set", "new/word"}
    assert _get(house.broker, "new/door").value == "LOCKED"
    new, reader = house.peer("new"), house.peer("reader")
    for peer in (new, reader):
        peer.ask("COMMAND=SUB | VARIABLE=new/door/set")
    house.broker.publish("new/door/set", "OPEN", device="homeassistant")
    house.broker.flush()
    assert new.take() == ["COMMAND=SUB | VARIABLE=new/door/set | VALUE=OPEN"]
    assert reader.take() == []


def test_the_new_device_tells_its_descriptions(house: House) -> None:
    """No set that the old one told is known of the new one; after its own nothing is stale."""
    old = house.peer("old")
    old.send(
        "COMMAND=DEF | VARIABLE=old/x | TYPE=sensor",
        "COMMAND=DEF | VARIABLE=hall | TYPE=sensor",
        "COMMAND=DEFS | TOKEN=t | COUNT=2",
    )
    _replace(house.broker)
    stale: list[str] = []

    class Stale(Observer):
        @override
        def descriptions_complete(
            self, device_id: str, stale_ones: object = (), /
        ) -> None:
            assert isinstance(stale_ones, list)
            stale.extend(variable.name for variable in stale_ones)

    house.broker.observe(Stale())
    new = house.peer("new", DEFS="t")
    assert "DEFS=KNOWN" not in new.take()[0]
    answers = new.ask(
        "COMMAND=DEF | VARIABLE=new/x | TYPE=sensor | NAME=X",
        "COMMAND=DEF | VARIABLE=hall | TYPE=sensor",
        "COMMAND=DEFS | TOKEN=t | COUNT=2",
    )
    assert answers == ["COMMAND=OK"] * 3
    assert stale == []
    assert "DEFS=KNOWN" in house.peer("new", DEFS="t").take()[0]


# Messages


def test_messages_wait_for_the_new_device(house: House) -> None:
    """In the order of all, for what is left of their time, and only once."""
    send = house.broker.send
    for number, target in enumerate(("old", "new", "old", "new")):
        send("x", target, str(number), ttl=100)
    house.wait(50)
    send("x", "old", "short", ttl=10)
    _replace(house.broker)
    assert house.broker.messages_waiting("old") == 0
    assert house.broker.messages_waiting("new") == 5
    house.wait(20)
    new = house.peer("new")
    assert [line.rpartition("=")[2] for line in new.take()[1:]] == list("0123")
    assert house.broker.messages_waiting("new") == 0
    house.wait(100)


def test_messages_go_on_to_a_device_that_is_connected(house: House) -> None:
    """They do not wait for its next ID."""
    house.broker.send("x", "old", "1", ttl=100)
    new = house.peer("new")
    new.take()
    _replace(house.broker)
    assert new.take() == ["COMMAND=MSG | DEVICE=x | VALUE=1"]


@pytest.mark.parametrize("restart", [False, True])
def test_receipts_of_the_old_device_are_not_the_new_one_s(
    house: House, restart: bool
) -> None:
    """A message gets a number of the new device; the numbers of its own messages stay."""
    old, new = house.peer("old", RECEIPTS="YES"), house.peer("new", RECEIPTS="YES")
    house.broker.send("x", "new", "own", ttl=100)
    for number in range(3):
        house.broker.send("x", "old", str(number), ttl=100)
    house.broker.flush()
    assert [line.rpartition(" ")[2] for line in new.take()[1:]] == ["RECEIPT=1"]
    assert [line.rpartition(" ")[2] for line in old.take()[1:]] == [
        "RECEIPT=1",
        "RECEIPT=2",
        "RECEIPT=3",
    ]
    _replace(house.broker)
    expected = [
        "COMMAND=MSG | DEVICE=x | VALUE=own | RECEIPT=1",
        *(f"COMMAND=MSG | DEVICE=x | VALUE={n} | RECEIPT={n + 2}" for n in range(3)),
    ]
    assert new.take() == expected[1:]
    if restart:
        house.known = ("new",)
        house.restart()
    new = house.peer("new", RECEIPTS="YES")
    assert new.take()[1:] == expected
    new.send(*(f"COMMAND=GOT | RECEIPT={n}" for n in range(1, 5)))
    assert house.broker.messages_waiting("new") == 0


def test_a_message_that_is_being_written(house: House) -> None:
    """It is told to the new device when its number there is on file, not that which the old one had."""
    house.broker.archive.saving_begins()
    old, new = house.peer("old", RECEIPTS="YES"), house.peer("new", RECEIPTS="YES")
    archive = house.broker.archive

    def saved(*names: str) -> None:
        for name in names:
            archive.stored(name)
        archive.saved(names)

    for value in ("taken", "1"):
        house.broker.send("x", "old", value, ttl=100)
    saved("$DEVICES/old", "$DEVICES/new")
    house.broker.flush()
    assert "RECEIPT=2" in old.take()[-1]
    old.send("COMMAND=GOT | RECEIPT=1")
    (name,) = [one for one in house.broker.changed if one.startswith("$MESSAGES/")]
    archive.stored(name)
    house.broker.send("x", "new", "own", ttl=100)
    saved("$DEVICES/new")
    house.broker.flush()
    assert "RECEIPT=1" in new.take()[-1]
    _replace(house.broker)
    house.broker.flush()
    # The save that had begun before tells that the message is on file: with the old device's number.
    archive.saved((name,))
    house.broker.flush()
    assert new.take() == []
    saved("$DEVICES/new", name)
    house.broker.flush()
    assert new.take() == ["COMMAND=MSG | DEVICE=x | VALUE=1 | RECEIPT=2"]


# Stops in the middle


def _fill(house: House) -> None:
    old = house.peer("old")
    for number in range(4):
        old.send(
            f"COMMAND=DEF | VARIABLE=old/{number} | TYPE=switch | SET=old/set{number}",
            f"COMMAND=PUB | VARIABLE=old/{number} | VALUE={number}",
            f"COMMAND=PUB | VARIABLE=hall/{number} | VALUE={number}",
        )
    old.session.lost()
    for number in range(4):
        house.broker.send("other", "old", str(number), ttl=600)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("done", range(10))
def test_a_restart_after_any_step(house: House, done: int, killed: bool) -> None:
    """Each variable is whole under one of its names, and another call goes on to the same end."""
    _fill(house)
    if done:
        steps = house.broker.replace_device("old", "new")
        for _ in range(done):
            next(steps)
        house.known = ("new",)
    house.restart(killed=killed)
    for number in range(4):
        found = [
            variable
            for device in ("old", "new")
            if (variable := house.broker.variables.get(f"{device}/{number}"))
        ]
        assert len(found) == 1
        (variable,) = found
        device, _, _ = variable.name.partition("/")
        definition = {"TYPE": "switch", "SET": f"{device}/set{number}"}
        known = _known(variable)
        assert (known[0], *known[2:]) == (
            str(number),
            device,
            False,
            device,
            device,
            definition,
        )
        assert _get(house.broker, f"hall/{number}").owner in ("old", "new")
    _replace(house.broker)
    assert _names(house.broker) == sorted(
        f"{place}/{number}" for place in ("hall", "new") for number in range(4)
    )
    assert {variable.owner for variable in house.broker.variables} == {"new"}
    house.broker.approve("new")
    new = house.peer("new")
    assert [line.rpartition("=")[2] for line in new.take()[1:]] == list("0123")


class Files:
    """The folder of a broker, looked at after each file that is written or removed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look at every change from now on."""
        self.on_file: set[str] = set()
        self.check: Callable[[set[str]], None] = lambda _: None
        self.wait = threading.Event()
        self.wait.set()
        save: Callable[..., bool] = Folder._save  # noqa: SLF001

        def save_and_look(
            folder: Folder[Variable], name: str, content: Content | None, *, exact: bool
        ) -> bool:
            self.wait.wait(PATIENCE)
            result = save(folder, name, content, exact=exact)
            (self.on_file.discard if content is None else self.on_file.add)(name)
            self.check(self.on_file)
            return result

        monkeypatch.setattr(Folder, "_save", save_and_look)


COUNT = 250
"""Variables: more than one batch of a save."""


@pytest.mark.parametrize("meanwhile", ["nothing", "a save"])
async def test_a_kill_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """Whatever is on disk at any time, each variable is there under one of its names."""
    files = Files(monkeypatch)
    broker = make_broker()
    broker.know(["old", "new"])
    saver = Saver(broker, Store(tmp_path))
    saver.start()
    for number in range(COUNT):
        broker.publish(f"old/{number}", "1", device="old")
    await saver.save()
    lost: list[set[int]] = []

    def look(on_file: set[str]) -> None:
        there = {int(name.partition("/")[2]) for name in on_file if "$" not in name}
        if len(there) < COUNT:
            lost.append(set(range(COUNT)) - there)

    files.check = look
    saving = None
    if meanwhile == "a save":
        for number in range(COUNT):
            broker.publish(f"old/{number}", "2", device="old")
        files.wait.clear()
        saving = asyncio.create_task(saver.save())
        await asyncio.sleep(0.05)
    for _ in broker.replace_device("old", "new"):
        pass
    files.wait.set()
    if saving is not None:
        await saving
    async with asyncio.timeout(PATIENCE):
        while any(name.startswith("old") for name in files.on_file):
            await asyncio.sleep(0.05)
    assert lost == []
    await saver.stop()
    loaded = Store(tmp_path).load().variables
    assert {variable.name for variable in loaded} == {
        f"new/{number}" for number in range(COUNT)
    }
    assert {variable.owner for variable in loaded} == {"new"}


def test_both_names_on_file(house: House) -> None:
    """A kill between the two files leaves both: the one of the new name counts, the other goes with another call."""
    house.peer("old").send("COMMAND=PUB | VARIABLE=old/x | VALUE=1")
    variable = _get(house.broker, "old/x")
    copy = Variable("new/x", "new")
    copy.value, copy.time, copy.device = "1", variable.time, "new"
    house.restart()
    house.broker.restore([copy])
    _replace(house.broker)
    assert _names(house.broker) == ["new/x"]
    peer = Peer(house.broker, "new")
    assert "COMMAND=BAD" not in " ".join(peer.take())
