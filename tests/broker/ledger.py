"""Messages that wait, as their senders and receivers see them, over kills of the broker (protocol B5)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
import math
import random
import threading
import time
from typing import override

from .client import Address, Client, Message
from .process import PATIENCE

ON_FILE = 1.0
"""Seconds until a message, and its end, are on file."""
TTL = 3600
SENDERS = ("sender0", "sender1", "sender2")
WITH_RECEIPTS = ("receipts0", "receipts1")
WITHOUT = ("plain0", "plain1")
RECEIVERS = WITH_RECEIPTS + WITHOUT


@dataclass(slots=True)
class Sent:
    """One message, and what is known of it; times of the monotonic clock, for ever where not known."""

    number: int
    sender: str
    accepted: float = math.inf
    """When the sender had its OK."""
    told: float = math.inf
    """When the receiver had it last."""
    receipt: int = 0
    done: float = math.inf
    """When it was certainly taken: told without a number, or acknowledged."""
    run: int = -1
    """The run of the broker in which that was."""
    unsure: bool = False
    """It may have been taken, or may have been on its way, when the broker was killed."""
    gone: bool = False
    """It must not come any more."""


@dataclass(slots=True)
class Ledger:
    """All messages, and what was wrong with them."""

    sent: dict[str, dict[int, Sent]] = field(
        default_factory=lambda: {receiver: {} for receiver in RECEIVERS}
    )
    wrong: list[str] = field(default_factory=list)
    run: int = 0
    slowest: float = 0.0
    connected: set[str] = field(default_factory=set)
    """Receivers without receipts that were connected when the broker was killed."""
    numbers: Callable[[], int] = field(default_factory=lambda: count(1).__next__)

    def told(self, receiver: str, message: Message, last: dict[str, int]) -> Sent:
        """Judge a message that has come; last has the latest number of each sender over this connection."""
        now, numbered = time.monotonic(), receiver in WITH_RECEIPTS
        number = int(message["VALUE"].partition(":")[0])
        one = self.sent[receiver][number]
        what = f"{number} from {one.sender} to {receiver} in run {self.run}"
        if one.gone:
            self.wrong.append(f"{what} has come, though it had gone: {one}")
        if one.done < math.inf and one.run == self.run:
            self.wrong.append(f"{what} has come twice: {one}")
        if last.get(one.sender, 0) >= number or message["DEVICE"] != one.sender:
            self.wrong.append(f"{what} has come after {last}")
        receipt = int(message.params.get("RECEIPT", 0))
        if numbered != (receipt > 0):
            self.wrong.append(f"{what} has come with number {receipt}")
        if one.receipt not in (0, receipt):
            self.wrong.append(f"{what} has come with number {receipt}: {one}")
        last[one.sender] = number
        one.told, one.receipt, one.unsure, one.done = now, receipt, False, math.inf
        if not numbered:
            self.taken(one)
        return one

    def taken(self, one: Sent) -> None:
        """Note that a message was taken for good."""
        one.done, one.run = time.monotonic(), self.run

    def killed(self, at: float) -> dict[str, set[int]]:
        """Judge what a kill leaves; returns what must come after it, by receiver."""
        self.run += 1
        due = at - ON_FILE - self.slowest
        must: dict[str, set[int]] = {}
        for receiver, sent in self.sent.items():
            for one in sent.values():
                one.gone = one.gone or one.done <= due
                if due < one.done < math.inf:
                    # It is there again, or not.
                    one.unsure, one.done = True, math.inf
                one.unsure = one.unsure or receiver in self.connected
            must[receiver] = {
                one.number
                for one in sent.values()
                if one.accepted <= due and not (one.gone or one.unsure)
            }
        self.connected.clear()
        return must

    def checked(self, receiver: str, came: Iterable[int], must: set[int]) -> None:
        """Judge what has come to a receiver after a kill: all of it that is ever to come."""
        came = set(came)
        if lost := must - came:
            lines = [str(self.sent[receiver][number]) for number in sorted(lost)]
            self.wrong.append(f"{receiver} has lost {lines}")
        for one in self.sent[receiver].values():
            one.gone = one.gone or one.number not in came


class Sender(threading.Thread):
    """Sends numbered messages to all receivers, until it is cut off."""

    def __init__(self, address: Address, name: str, seed: int, ledger: Ledger) -> None:
        """Connect, and say who it is."""
        super().__init__(daemon=True)
        self.client = Client(address)
        self.client.ok("ID", ID=name)
        self._sender = name
        self._ledger = ledger
        self._random = random.Random(seed)

    @override
    def run(self) -> None:
        """Send until the connection ends."""
        try:
            while True:
                self._step()
        except OSError, AssertionError:
            self.client.drop()

    def _step(self) -> None:
        receiver = self._random.choice(RECEIVERS)
        one = Sent(self._ledger.numbers(), self._sender)
        self._ledger.sent[receiver][one.number] = one
        # Long enough to be torn, were it written in place.
        value = f"{one.number}:{'x' * self._random.randrange(2000)}"
        begin = time.monotonic()
        answer = self.client.do("MSG", DEVICE=receiver, VALUE=value, TTL=TTL)
        self._ledger.slowest = max(self._ledger.slowest, time.monotonic() - begin)
        if answer.command == "OK":
            one.accepted = time.monotonic()
        else:
            assert answer["REASON"] == "device-busy"
            one.gone = True
        time.sleep(self._random.random() * 0.03)


class Receiver(threading.Thread):
    """A device that comes, takes what waits for it, and goes, again and again."""

    def __init__(self, address: Address, name: str, seed: int, ledger: Ledger) -> None:
        """Begin away."""
        super().__init__(daemon=True)
        self._address = address
        self._receiver = name
        self._ledger = ledger
        self._random = random.Random(seed)

    @override
    def run(self) -> None:
        """Come and go until the broker is no more."""
        try:
            while True:
                time.sleep(self._random.random())
                self._visit()
        except OSError, AssertionError:
            return

    def _visit(self) -> None:
        numbered = self._receiver in WITH_RECEIPTS
        if not numbered:
            self._ledger.connected.add(self._receiver)
        with Client(self._address) as client:
            visit = Visit(client, self._receiver, self._ledger)
            for _ in range(self._random.randrange(3)):
                visit.look(share=self._random.random(), chance=self._random)
                time.sleep(self._random.random() * 0.2)
            if numbered and self._random.random() < 0.5:
                client.reset()
                return
            visit.leave(asleep=self._random.random() < 0.5)
        self._ledger.connected.discard(self._receiver)


class Visit:
    """One connection of a receiver."""

    def __init__(self, client: Client, receiver: str, ledger: Ledger) -> None:
        """Say who it is."""
        self._client = client
        self._receiver = receiver
        self._ledger = ledger
        self._last: dict[str, int] = {}
        self._open: list[Sent] = []
        """What has come and was not acknowledged."""
        self.came: list[int] = []
        receipts = {"RECEIPTS": "YES"} if receiver in WITH_RECEIPTS else {}
        client.ok("ID", ID=receiver, **receipts)

    def look(self, share: float, chance: random.Random) -> None:
        """Take what has come, and acknowledge a share of it."""
        try:
            came = self._client.fence()
        except BaseException:
            came = list(self._client.deliveries)
            raise
        finally:
            self._take(came)
        if self._receiver not in WITH_RECEIPTS:
            return
        got = [one for one in self._open if chance.random() <= share]
        for one in got:
            # Whether the broker has read it, only an answer behind it tells.
            one.unsure = True
            self._client.send("GOT", RECEIPT=one.receipt)
        self._take(self._client.fence())
        for one in got:
            one.unsure = False
            self._ledger.taken(one)
            self._open.remove(one)

    def leave(self, *, asleep: bool) -> None:
        """Say so, and take all that was on its way."""
        self._client.send("CLOSE", **({"SLEEP": 600} if asleep else {}))
        self._take(self._client.until_closed())
        self._client.drop()

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.command == "MSG":
                one = self._ledger.told(self._receiver, message, self._last)
                self._open.append(one)
                self.came.append(one.number)


def take_all(address: Address, ledger: Ledger, must: dict[str, set[int]]) -> None:
    """Let every receiver come and take everything, and judge that."""
    visits = {
        receiver: Visit(Client(address), receiver, ledger) for receiver in RECEIVERS
    }
    # Numbers may have to wait for the disk first: for their reserve, and for the messages that have them.
    least = time.monotonic() + 2 * (ON_FILE + ledger.slowest)
    most = time.monotonic() + PATIENCE
    while time.monotonic() < least or (
        time.monotonic() < most
        and not all(must[one] <= set(visit.came) for one, visit in visits.items())
    ):
        for visit in visits.values():
            visit.look(1, random.Random(0))
        time.sleep(0.05)
    for receiver, visit in visits.items():
        visit.leave(asleep=False)
        ledger.checked(receiver, visit.came, must[receiver])
