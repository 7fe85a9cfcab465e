"""What observers are told of commands that are refused and descriptions that are adjusted."""

from typing import override

import pytest

from custom_components.textmq.broker.core.access import AccessMode, Rights
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.devices import Device
from custom_components.textmq.broker.core.observers import Observer
from custom_components.textmq.broker.core.variables import Variable
from custom_components.textmq.broker.protocol.definitions import Definition
from custom_components.textmq.broker.protocol.reasons import BadReason

from .inprocess import Peer, make_broker

type Told = tuple[str, ...]


class Listener(Observer):
    """Keeps what it is told of mistakes and of descriptions."""

    def __init__(self) -> None:
        """Begin without any."""
        self.told: list[Told] = []
        self.variables: list[str] = []
        """Variables of the commands that were refused."""
        self.accepted: list[tuple[str, str]] = []
        """Devices and variables of the descriptions that were accepted as they are."""

    @override
    def command_refused(
        self,
        device: Device,
        command: str,
        variable: str,
        reason: BadReason,
        detail: str,
    ) -> None:
        self.variables.append(variable)
        self.told.append(("refused", device.id, command, str(reason), detail))

    @override
    def description_accepted(self, device: Device, variable: str) -> None:
        self.accepted.append((device.id, variable))

    @override
    def description_adjusted(self, device: Device, variable: str, detail: str) -> None:
        self.told.append(("adjusted", device.id, variable, detail))

    @override
    def device_violated(self, device: Device, detail: str) -> None:
        self.told.append(("violated", device.id, detail))

    @override
    def variable_added(self, variable: Variable) -> None:
        self.told.append(("added", variable.name))

    @override
    def variable_described(self, variable: Variable) -> None:
        self.told.append(("described", variable.name))

    def take(self) -> list[Told]:
        """Return what was told since the last time."""
        told, self.told = self.told, []
        return told


@pytest.fixture
def broker() -> Broker:
    """Return a broker that knows two devices, and lets guests in."""
    return make_broker(AccessMode.OPEN, "a", "b")


@pytest.fixture
def told(broker: Broker) -> Listener:
    """Return what is told."""
    listener = Listener()
    broker.observe(listener)
    return listener


@pytest.fixture
def a(broker: Broker, told: Listener) -> Peer:
    """Return a device that is in."""
    return Peer(broker, "a")


@pytest.mark.parametrize(
    ("line", "command", "reason", "detail"),
    [
        ("COMMAND=PUB | VALUE=1", "PUB", "missing-parameter", "VARIABLE"),
        ("COMMAND=PUB | VARIABLE=a//b | VALUE=1", "PUB", "bad-name", "characters"),
        ("COMMAND=PUB | VARIABLE=$SYS/x | VALUE=1", "PUB", "read-only", "begins"),
        ("COMMAND=SUB | VARIABLE=a/#/b", "SUB", "bad-name", "filter"),
        ("COMMAND=GET | VARIABLE=none", "GET", "no-such-variable", "none"),
        ("COMMAND=MSG | DEVICE=none | VALUE=1", "MSG", "no-such-device", "none"),
        ("COMMAND=DEF | VARIABLE=v | TYPE=select", "DEF", "bad-definition", "OPTIONS"),
        ("COMMAND=DEFS | TOKEN=t | COUNT=3", "DEFS", "bad-definition", "not 3"),
        ("COMMAND=ID | ID=a/b", "ID", "bad-name", "ID"),
        ("COMMAND=PUBB | VARIABLE=v", "PUBB", "unknown-command", "known are"),
        ("COMMAND=PUB VARIABLE=v", "", "unknown-command", "known are"),
        ("COMMAND=X" + "Y" * 99, "", "unknown-command", "known are"),
        ("COMMAND=PUB | SEQ= | VARIABLE=v", "PUB", "malformed", "SEQ"),
        ("VARIABLE=v", "", "malformed", "COMMAND"),
        (
            "COMMAND=PUB | hunter2=1 | hunter2=2",
            "",
            "malformed",
            "a key is given twice",
        ),
        ("COMMAND=PUB | VALUE=" + "x" * 5000, "", "too-long", "4096"),
    ],
)
def test_what_is_refused(
    a: Peer, told: Listener, line: str, command: str, reason: str, detail: str
) -> None:
    """Each BAD to a device is told, with its reason and detail."""
    answers = a.ask(line)
    assert answers[0].startswith("COMMAND=BAD")
    ((kind, device, *rest),) = told.take()
    assert (kind, device, *rest[:2]) == ("refused", "a", command, reason)
    assert detail in rest[2]
    assert "hunter2" not in rest[2]


def test_what_is_carried_out_is_no_mistake(a: Peer, told: Listener) -> None:
    """Nothing is told of it, nor of what a device may well do twice."""
    a.ask(
        "COMMAND=SUB | VARIABLE=v",
        "COMMAND=UNSUB | VARIABLE=v",
        "COMMAND=UNSUB | VARIABLE=v",
        "COMMAND=GOT | RECEIPT=77",
        "COMMAND=HELLO!",
        "COMMAND=DEF | VARIABLE=v",
    )
    assert told.take() == []


@pytest.mark.parametrize(
    ("line", "variable"),
    [
        ("COMMAND=DEF | VARIABLE=a/v | TYPE=select", "a/v"),
        ("COMMAND=PUB | VARIABLE=a/v", "a/v"),
        ("COMMAND=PUB | VALUE=1", ""),
        ("COMMAND=PUB | VARIABLE=a//v | VALUE=1", ""),
        ("COMMAND=DEFS | TOKEN=t | COUNT=3", ""),
        ("COMMAND=DEF | VARIABLE=word | TYPE=select", "word"),
        ("COMMAND=PUB | VARIABLE=word/set VALUE=hunter2", ""),
        ("COMMAND=PUB VARIABLE=word", ""),
    ],
)
def test_which_variable_a_mistake_is_of(
    a: Peer, told: Listener, line: str, variable: str
) -> None:
    """It is told where the command names one that can be, and where that is no secret."""
    a.send("COMMAND=DEF | VARIABLE=word | TYPE=text | MODE=password")
    told.take()
    a.send(line)
    assert [one[0] for one in told.take()] == ["refused"]
    assert told.variables == [variable]


def test_a_description_that_is_right(a: Peer, told: Listener) -> None:
    """It is told where it changes nothing, too: the one before may have been wrong."""
    right = "COMMAND=DEF | VARIABLE=v | TYPE=sensor | UNIT=%"
    a.send(right, right)
    assert told.accepted == [("a", "v")] * 2
    a.send(f"{right} | ICON=bulb")
    assert told.accepted == [("a", "v")] * 2
    a.send(right, "COMMAND=DEF | VARIABLE=v")
    assert told.accepted == [("a", "v")] * 4


def test_rights_are_told_as_ever(broker: Broker, a: Peer, told: Listener) -> None:
    """What rights do not allow is a violation, and nothing else."""
    broker.set_rights("a", Rights(write=(), read=(), message=False))
    for line in (
        "COMMAND=PUB | VARIABLE=v | VALUE=1",
        "COMMAND=GET | VARIABLE=v",
        "COMMAND=MSG | DEVICE=b | VALUE=1",
        "COMMAND=WILL | VARIABLE=v | VALUE=1",
    ):
        a.send(line)
    assert [one[:2] for one in told.take()] == [("violated", "a")] * 4
    device = broker.devices.get("a")
    assert device is not None
    assert device.violations == 4


def test_another_device_s_secret_is_no_matter_of_rights(
    broker: Broker, a: Peer, told: Listener
) -> None:
    """It is refused, and told as that."""
    Peer(broker, "b").send("COMMAND=DEF | VARIABLE=door | TYPE=lock | CODE=NUMBER")
    told.take()
    a.send("COMMAND=DEL | VARIABLE=door")
    ((kind, _, command, reason, detail),) = told.take()
    assert (kind, command, reason) == ("refused", "DEL", "forbidden")
    assert "belongs to b" in detail


@pytest.mark.parametrize("mode", [AccessMode.OPEN, AccessMode.APPROVE])
def test_strangers_and_guests_are_not_told(mode: AccessMode) -> None:
    """Anybody could fill a person's screen by them."""
    broker, told = make_broker(mode, "a"), Listener()
    broker.observe(told)
    peer = Peer(broker)
    peer.send("COMMAND=PUB | VALUE=1", "COMMAND=XY", "nothing", "COMMAND=DEF | TYPE=x")
    peer.send("COMMAND=DEF | VARIABLE=v | TYPE=lamp")
    peer.send("COMMAND=ID | ID=a/b")
    assert told.take() in ([], [("added", "v")])


def test_a_device_that_asks_for_another_id_is_not_told(told: Listener) -> None:
    """While it waits it is a stranger."""
    broker = make_broker(AccessMode.APPROVE, "a")
    broker.observe(told)
    a = Peer(broker, "a")
    a.ask("COMMAND=ID | ID=new", "COMMAND=PUB | VALUE=1", "what?")
    assert told.take() == []
    broker.approve("new")
    a.send("COMMAND=PUB | VALUE=1")
    assert [one[:3] for one in told.take()] == [("refused", "new", "PUB")]


def test_a_flood_of_bad_lines_is_told_one_by_one_and_ends(
    a: Peer, told: Listener
) -> None:
    """No more than 16 in a row: then the connection is closed."""
    a.send(*["nothing"] * 100)
    assert a.sink.closed
    assert len(told.take()) == 16


def test_what_was_left_out(a: Peer, told: Listener) -> None:
    """The DETAIL of the OK is told, each time."""
    line = "COMMAND=DEF | VARIABLE=v | TYPE=lamp | ICON=bulb"
    for first in (True, False):
        (answer,) = a.ask(line)
        *added, adjusted = told.take()
        assert added == ([("added", "v")] if first else [])
        assert adjusted[:3] == ("adjusted", "a", "v")
        assert f"DETAIL={adjusted[3]}" in answer
        assert "perhaps light" in adjusted[3]
        assert "ICON=bulb" in adjusted[3]


def test_a_right_description_after_a_refused_one(
    broker: Broker, a: Peer, told: Listener
) -> None:
    """What is refused changes nothing, and what is right afterwards is told as ever."""
    wrong = "COMMAND=DEF | VARIABLE=v | TYPE=number | MIN=5 | MAX=1"
    a.send(wrong)
    assert broker.variables.get("v") is None
    a.send("COMMAND=DEF | VARIABLE=v | TYPE=number | MIN=1 | MAX=5")
    assert [one[0] for one in told.take()] == ["refused", "added"]
    a.send(wrong)
    variable = broker.variables.get("v")
    assert variable is not None
    assert isinstance(variable.definition, Definition)
    assert (variable.definition.min, variable.definition.max) == (1, 5)
    a.send("COMMAND=DEF | VARIABLE=v | TYPE=number | MIN=1 | MAX=9")
    assert [one[0] for one in told.take()] == ["refused", "described"]
    assert variable.definition.max == 9


@pytest.mark.parametrize(
    "line",
    [
        # Bars that are missing, keys that are misspelt, a password in the wrong place.
        "COMMAND=PUB | VARIABLE=word/set | VALUE=hunter2 | RETAIN=maybe",
        "COMMAND=GET | VARIABLE=word/set VALUE=hunter2",
        "COMMAND=PUB VARIABLE=word/set VALUE=hunter2",
        "COMMAND=HUNTER2 | VARIABLE=word/set",
        "COMMAND=HUNTER2",
        "COMMAND=MSG | DEVICE=hunter2 | KEY=x | VALUE=1",
        "COMMAND=DEL | VARIABLE=word/set VALUE=hunter2",
        "COMMAND=DEF | VARIABLE=word | TYPE=select | HUNTER2=1",
        "COMMAND=DEF | VARIABLE=word | TYPE=text | KEY=x | CLASS=hunter2 | MODE=hunter2",
        "COMMAND=PUB | VARIABLE=word/set | hunter2=1 | hunter2=1",
        "hunter2",
    ],
)
def test_secrets_are_not_told(
    broker: Broker, a: Peer, told: Listener, line: str
) -> None:
    """Wherever a password stands in a line, it is not in what is told."""
    a.send("COMMAND=DEF | VARIABLE=word | TYPE=text | MODE=password")
    told.take()
    a.send(line)
    (mistake,) = told.take()
    assert mistake[0] == "refused"
    assert "hunter2" not in " ".join((*mistake, *told.variables)).lower()


def test_secrets_are_not_told_with_rights(
    broker: Broker, a: Peer, told: Listener
) -> None:
    """The name of what may not be written is told; what stands behind a missing bar is not."""
    a.send("COMMAND=DEF | VARIABLE=word | TYPE=text | MODE=password")
    broker.set_rights("a", Rights(write=()))
    told.take()
    a.send("COMMAND=PUB | VARIABLE=word/set | VALUE=hunter2")
    assert told.take() == [("violated", "a", "this device may not write word/set")]
    a.send("COMMAND=PUB | VARIABLE=word/set VALUE=hunter2 | VALUE=x")
    assert told.take() == [("violated", "a", "***")]


def test_a_description_with_a_key_is_told_without_detail(
    a: Peer, told: Listener
) -> None:
    """Its words are nobody's business."""
    a.send("COMMAND=DEF | VARIABLE=v | TYPE=lamp | KEY=hunter2 | ICON=hunter2")
    assert told.take()[-1] == ("adjusted", "a", "v", "***")
