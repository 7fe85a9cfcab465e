"""Section A6, what OK means: the broker is killed at random moments, and what it had written is judged.

TEXTMQ_ROUNDS says how many times (10), TEXTMQ_SEED repeats a run.
"""

from dataclasses import dataclass, field
import math
import os
from pathlib import Path
import random
import re
import threading
import time
from typing import override

from custom_components.textmq.broker import wire

from .client import Client
from .ledger import RECEIVERS, SENDERS, Ledger, Receiver, Sender, take_all
from .process import BrokerProcess

INTERVALS = (0.3, 1.0, 20.0)
"""Save intervals, seconds: within the longest nothing but deletions comes to the disk."""
DELETION = 1.0
"""Seconds until a deletion is on disk."""
MARGIN = 1.0
"""Seconds that a save may take."""
CLIENTS = 4
VARIABLES = 6
_FILE = re.compile(
    r"(?:START \| COMMAND=PUB \| VARIABLE=(?P<name>[^|]+) \| VALUE=(?P<value>\d+:x*) \| "
    r"TIME=[^|]+Z \| DEVICE=(?P<device>[^|]+) \| END\n)?"
    r"(?:START \| COMMAND=DEF \| VARIABLE=[^|]+ \| TYPE=sensor \| NAME=\d+(?: \| DEVICE=[^|]+)? \| END\n)?"
)
_DEVICE_FILE = re.compile(
    r"START \| COMMAND=PUB \| VARIABLE=\$DEVICES/(?P<name>[a-z0-9]+) \| VALUE=(?:CONNECTED|DISCONNECTED|ASLEEP)"
    r"(?: (?:SINCE|UNTIL)=[^|]+Z)? \| TIME=[^|]+Z(?: \| RECEIPTS=\d+000)? \| END\n"
)
_MESSAGE_FILE = re.compile(
    r"START \| COMMAND=MSG \| DEVICE=[a-z0-9]+ \| SENDER=sender\d \| VALUE=\d+:x* \| UNTIL=[^|]+Z"
    r" \| TTL=3600(?: \| RECEIPT=\d+)? \| END\n"
)
_CLOCK_FILE = re.compile(
    r"START \| COMMAND=PUB \| VARIABLE=\$SYS/saved \| VALUE=RUNNING \| TIME=[^|]+Z \| END\n"
)


type Key = tuple[str, str]
"""A variable's name, and PUB for its value or DEF for its description."""
type Found = dict[Key, tuple[int | None, str]]
"""The numbers that were found, a value's with its TIME."""

NOTHING: tuple[int | None, str] = (None, "")


@dataclass(slots=True)
class Event:
    """One command that changed a variable; number None where it took the value away."""

    number: int | None
    sent: float
    answered: float = math.inf
    """On the monotonic clock, for ever where the broker was killed before it answered."""
    earliest: float = 0
    latest: float = math.inf
    """Between which times of day it was carried out."""


@dataclass(slots=True)
class History:
    """What happened to one variable's value, or to its description."""

    events: list[Event] = field(default_factory=list)

    def judge(self, found: int | None, kill: float, interval: float) -> str | None:
        """Return what is wrong with what was found after a kill, None where nothing is."""
        due = -1
        for index, event in enumerate(self.events):
            delay = DELETION if event.number is None else interval + MARGIN
            if event.answered <= kill - delay:
                due = index
        possible = {event.number for event in self.events[max(due, 0) :]}
        if due < 0:
            possible.add(None)
        if found in possible:
            return None
        return f"found {found}, and it should be one of {possible}"


class Writer(threading.Thread):
    """A client that publishes, describes and deletes variables of its own, until it is cut off."""

    def __init__(
        self,
        broker: BrokerProcess,
        number: int,
        seed: int,
        histories: dict[Key, History],
        first: int,
    ) -> None:
        """Number the values from first on, and note what happens in the histories."""
        super().__init__(daemon=True)
        self.client = Client(broker.address)
        self.client.ok("ID", ID=f"device{number}")
        self.slowest = 0.0
        self._random = random.Random(seed)
        self._names = [f"device{number}/v{i}" for i in range(VARIABLES)]
        self._histories = histories
        self._number = first

    @override
    def run(self) -> None:
        """Write until the connection ends."""
        try:
            while True:
                self._step()
        except OSError, AssertionError:
            return

    def _step(self) -> None:
        name = self._random.choice(self._names)
        self._number += 1
        value, definition = self._histories[name, "PUB"], self._histories[name, "DEF"]
        match self._random.choices(["PUB", "DEF", "DEL", "wait"], [20, 3, 2, 2])[0]:
            case "PUB":
                # Long enough to be torn, were it written in place.
                text = f"{self._number}:{'x' * self._random.randrange(3000)}"
                self._do(self._number, [value], "PUB", VARIABLE=name, VALUE=text)
            case "DEF":
                params = {"VARIABLE": name, "TYPE": "sensor", "NAME": self._number}
                self._do(self._number, [definition], "DEF", **params)
            case "DEL":
                self._do(None, [value, definition], "DEL", VARIABLE=name)
            case _:
                time.sleep(self._random.random() * 0.1)

    def _do(
        self,
        number: int | None,
        histories: list[History],
        command: str,
        **params: object,
    ) -> None:
        event = Event(number, time.monotonic(), earliest=time.time())
        for history in histories:
            history.events.append(event)
        answer = self.client.do(command, **params)
        event.answered, event.latest = time.monotonic(), time.time()
        self.slowest = max(self.slowest, event.answered - event.sent)
        if answer.command == "BAD":
            assert answer["REASON"] == "no-such-variable"


def _check_files(data: Path) -> None:
    """Check that every file is whole."""
    forms = {"data": _FILE, "devices": _DEVICE_FILE, "messages": _MESSAGE_FILE}
    for path in data.rglob("*"):
        if path.is_dir() or path.name.endswith(".tmp"):
            continue
        assert path.name.endswith(".txt") or path.name == "saved", path.name
        content = path.read_text()
        assert content, f"{path.name} is empty"
        form = _CLOCK_FILE if path.name == "saved" else forms[path.parent.name]
        assert form.fullmatch(content), f"{path.name} is torn: {content!r}"


def _read(broker: BrokerProcess) -> Found:
    """Return the numbers of all values, each with its time, and of all descriptions."""
    found: Found = {}
    with Client(broker.address) as client:
        client.ok("ID", ID="reader")
        client.ok("SUB", VARIABLE="#", DEF="YES")
        for received in client.fence():
            name = received["VARIABLE"]
            if received.command == "DEF":
                found[name, "DEF"] = int(received["NAME"]), ""
            else:
                number, _, rest = received["VALUE"].partition(":")
                assert not rest.strip("x")
                found[name, "PUB"] = int(number), received["TIME"]
    return found


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """No torn file, no value older than promised, the times kept, nothing back after its DEL.

    No message lost that was accepted a second before, none told again that was taken a second
    before, all in their order and with their numbers.
    """
    rounds = int(os.environ.get("TEXTMQ_ROUNDS", "10"))
    seed = int(os.environ.get("TEXTMQ_SEED", random.SystemRandom().randrange(1 << 32)))
    chance = random.Random(seed)
    found: Found = {}
    ledger = Ledger()
    for turn in range(rounds):
        try:
            found = _round(tmp_path / "data", chance, turn, found, ledger)
        except BaseException as err:
            err.add_note(f"in round {turn} of TEXTMQ_SEED={seed}")
            raise


def _round(
    data: Path, chance: random.Random, turn: int, before: Found, ledger: Ledger
) -> Found:
    """Start, write, kill, start again, and judge what is there; returns it."""
    interval = chance.choice(INTERVALS)
    options = ["--access", "open", "--save-interval", str(interval), "--no-limits"]
    for receiver in RECEIVERS:
        options += ["--allow", receiver]
    variables = [f"device{i}/v{j}" for i in range(CLIENTS) for j in range(VARIABLES)]
    histories = {
        (name, kind): History() for name in variables for kind in ("PUB", "DEF")
    }
    for key, (number, _) in before.items():
        histories[key].events.append(Event(number, -math.inf, -math.inf))
    broker = BrokerProcess(data, *options)
    writers = [
        Writer(broker, i, chance.randrange(1 << 32), histories, turn * 1_000_000)
        for i in range(CLIENTS)
    ]
    post = [
        kind(broker.address, name, chance.randrange(1 << 32), ledger)
        for kind, names in ((Sender, SENDERS), (Receiver, RECEIVERS))
        for name in names
    ]
    for thread in (*writers, *post):
        thread.start()
    time.sleep(chance.random() * 3)
    kill = time.monotonic()
    broker.kill()
    for thread in (*writers, *post):
        thread.join()
    for writer in writers:
        writer.client.drop()
    must = ledger.killed(kill)
    _check_files(data)
    broker = BrokerProcess(data, *options)
    try:
        assert "WARNING" not in broker.text, broker.text
        found = _read(broker)
        take_all(broker.address, ledger, must)
    finally:
        kill_again = time.monotonic()
        broker.kill()
    ledger.killed(kill_again)
    assert ledger.wrong == []
    # A machine that is late with answers is late with files as well.
    slack = max(writer.slowest for writer in writers)
    for key, history in histories.items():
        number, at = found.get(key, NOTHING)
        wrong = history.judge(number, kill - slack, interval)
        assert wrong is None, f"{key}, saved every {interval} s: {wrong}"
        if at:
            _check_time(at, history, before.get(key), number)
    return found


def _check_time(
    at: str, history: History, before: tuple[int | None, str] | None, number: int | None
) -> None:
    """Check that a value has the time at which it was published."""
    if before is not None and before[0] == number:
        assert at == before[1]
        return
    (event,) = [one for one in history.events if one.number == number]
    assert wire.encode_time(event.earliest) <= at
    if event.latest < math.inf:
        assert at <= wire.encode_time(event.latest)
