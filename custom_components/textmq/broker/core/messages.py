"""Messages that are kept until their devices have them: their order, their room, their time (protocol B5)."""

from collections import Counter
from collections.abc import Callable, Iterator
import heapq
from itertools import islice
from typing import Final

from ..protocol import names, wire
from ..protocol.reasons import BadReason, Refusal
from .changes import Changes
from .limits import Limits
from .outbox import Outbox
from .stored import MESSAGE_PREFIX, StoredMessage

_SPARE_EXPIRIES: Final = 1000
"""Entries of the heap that may be out of date before it is made again."""
_MAX_EXPIRED_AT_ONCE: Final = 200
"""Messages that are dropped before another one is kept: it takes no longer than a slice."""


def message_line(sender: str, value: str, re: str, receipt: int = 0) -> bytes:
    """Write a MSG (value in wire form) as its device gets it, with a number where that is not 0."""
    parts = [
        wire.message_head(sender),
        value,
        f" | RE={re}" if re else "",
        f" | RECEIPT={receipt}" if receipt else "",
        f"{wire.END}\n",
    ]
    return "".join(parts).encode("ascii")


def device_busy(device_id: str) -> Refusal:
    """Return the refusal where too much waits for a device."""
    return Refusal(BadReason.DEVICE_BUSY, f"too many messages wait for {device_id}")


class KeptMessage:
    """A MSG with a TTL."""

    __slots__ = (
        "device",
        "handing",
        "is_number_stored",
        "is_on_file",
        "outbox",
        "re",
        "receipt",
        "sender",
        "serial",
        "size",
        "ttl",
        "until",
        "value",
        "written",
    )

    def __init__(
        self,
        serial: int,
        device: str,
        sender: str,
        value: str,
        ttl: float,
        until: float,
        re: str,
        receipt: int = 0,
    ) -> None:
        """Keep a message (value in wire form) of a sender for a device, until a time of the monotonic clock."""
        self.serial = serial
        self.device = device
        self.sender = sender
        self.value = value
        self.ttl = ttl
        self.until = until
        self.re = re
        self.size = len(message_line(sender, value, re))
        """Bytes that it takes of the room."""
        self.receipt = receipt
        """The number that it was told with, 0 for none yet."""
        self.outbox: Outbox | None = None
        """The connection that it was given to."""
        self.handing = False
        """It was given without a number, and goes when the system has taken it."""
        self.is_on_file = False
        """It is, or is about to be."""
        self.written = receipt
        """The number that it was, or is being, put on file with."""
        self.is_number_stored = receipt > 0
        """After a crash it has the number that it has now, or is not there at all."""

    @property
    def name(self) -> str:
        """The name under which it is saved."""
        return f"{MESSAGE_PREFIX}{self.serial}"

    def line(self, *, receipt: bool = False) -> bytes:
        """Write it, with its number where that is wanted."""
        number = self.receipt if receipt else 0
        return message_line(self.sender, self.value, self.re, number)


class KeptMessages:
    """All messages that are kept, in their order."""

    def __init__(
        self,
        changes: Changes,
        limits: Limits,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """Begin without any; clock is monotonic, now the wall's, both in seconds."""
        self._changes = changes
        self._limits = limits
        self._clock = clock
        self._now = now
        self._by_serial: dict[int, KeptMessage] = {}
        self._by_device: dict[str, dict[int, KeptMessage]] = {}
        self._expiries: list[tuple[float, int]] = []
        """Heap of the times at which messages go, with their serial numbers."""
        self._bytes_of: Counter[str] = Counter()
        """Bytes by sender."""
        self._bytes = 0
        self.last = 0
        """The largest serial number that was used."""

    def get(self, name: str) -> KeptMessage | None:
        """Return a message by the name under which it is saved."""
        return self._by_serial.get(int(name.removeprefix(MESSAGE_PREFIX)))

    def count(self, device_id: str) -> int:
        """Count what is kept for a device, with what is over and not dropped yet."""
        return len(self._by_device.get(device_id, ()))

    def of(self, device_id: str) -> list[KeptMessage]:
        """Return what is kept for a device, the oldest first; what is over is dropped."""
        now = self._clock()
        messages = list(self._by_device.get(device_id, {}).values())
        for message in messages:
            if message.until <= now:
                self.remove(message)
        return [message for message in messages if message.until > now]

    # Bounds

    def check_ttl(self, ttl: float) -> None:
        """Raise Refusal (limit) where a message is to wait for too long, in seconds."""
        longest = self._limits.message_ttl
        if ttl > longest:
            raise Refusal(BadReason.LIMIT, f"TTL is at most {longest:g} seconds")

    def check_room(
        self,
        device_id: str,
        sender: str,
        value: str,
        re: str,
        ttl: float,
        detail: str = "",
    ) -> None:
        """Raise Refusal (limit, device-busy) where there is no room for a message.

        detail says what the device has not done with those that are there.
        """
        limits = self._limits
        self.check_ttl(ttl)
        for _ in islice(self.expire(), _MAX_EXPIRED_AT_ONCE):
            pass
        size = len(message_line(sender, value, re))
        if len(self.of(device_id)) >= limits.max_queued_messages:
            if not detail:
                raise device_busy(device_id)
            why = f"{device_id} {detail} {limits.max_queued_messages} messages"
            raise Refusal(BadReason.DEVICE_BUSY, why)
        if (
            sender != names.HOME_ASSISTANT
            and self._bytes_of[sender] + size > limits.queued_bytes_per_sender
        ):
            raise Refusal(
                BadReason.DEVICE_BUSY,
                "too many messages of this sender wait for their devices",
            )
        if self._bytes + size > limits.max_queued_bytes:
            raise Refusal(
                BadReason.DEVICE_BUSY, "too many messages wait for their devices"
            )

    # Coming and going

    def add(
        self, device_id: str, sender: str, value: str, ttl: float, re: str
    ) -> KeptMessage:
        """Keep a message for ttl seconds at most."""
        until = self._clock() + ttl
        message = KeptMessage(self.last + 1, device_id, sender, value, ttl, until, re)
        self._enter(message)
        self.changed(message)
        return message

    def _enter(self, message: KeptMessage) -> None:
        self.last = max(self.last, message.serial)
        self._by_serial[message.serial] = message
        self._by_device.setdefault(message.device, {})[message.serial] = message
        heapq.heappush(self._expiries, (message.until, message.serial))
        self._bytes += message.size
        self._bytes_of[message.sender] += message.size
        self._tidy()

    def changed(self, message: KeptMessage) -> None:
        """See to it that a message is on file as it is now."""
        self._changes.add_urgent(message.name)

    def remove(self, message: KeptMessage) -> None:
        """Drop a message, where it is still kept."""
        if self._by_serial.pop(message.serial, None) is None:
            return
        messages = self._by_device[message.device]
        del messages[message.serial]
        if not messages:
            del self._by_device[message.device]
        size = message.size
        self._bytes -= size
        self._bytes_of[message.sender] -= size
        if not self._bytes_of[message.sender]:
            del self._bytes_of[message.sender]
        if message.is_on_file:
            self.changed(message)
        else:
            self._changes.drop(message.name)

    def hand_over(self, device_id: str, heir: str) -> None:
        """Keep for another device what is kept for one; numbers that this one was told are not the other's."""
        moved = self.of(device_id)
        self._by_device.pop(device_id, None)
        for message in moved:
            message.device = heir
            message.outbox, message.handing = None, False
            message.receipt = message.written = 0
            message.is_number_stored = False
            self.changed(message)
        if moved:
            serials = {message.serial: message for message in moved}
            serials |= self._by_device.get(heir, {})
            self._by_device[heir] = dict(sorted(serials.items()))

    def expire(self) -> Iterator[None]:
        """Drop the messages whose time has passed, step by step."""
        now = self._clock()
        while self._expiries and self._expiries[0][0] <= now:
            _, serial = heapq.heappop(self._expiries)
            if (message := self._by_serial.get(serial)) is not None:
                self.remove(message)
            yield

    def _tidy(self) -> None:
        """Make the heap again where most of its entries are of messages that are gone."""
        if len(self._expiries) > _SPARE_EXPIRIES + 2 * len(self._by_serial):
            self._expiries = [
                (one.until, one.serial) for one in self._by_serial.values()
            ]
            heapq.heapify(self._expiries)

    # Over a restart

    def restore(self, stored: StoredMessage) -> None:
        """Take a message as it was, with what is left of its time."""
        most = min(stored.ttl, self._limits.message_ttl)
        left = min(stored.until - self._now(), most)
        message = KeptMessage(
            stored.serial,
            stored.device,
            stored.sender,
            stored.value,
            stored.ttl,
            self._clock() + left,
            stored.re,
            stored.receipt,
        )
        message.is_on_file = True
        self._enter(message)
        if left <= 0:
            self.remove(message)

    def stored(self, name: str) -> StoredMessage | None:
        """Return what is to be on file under a name, None where the message is gone."""
        message = self.get(name)
        if message is None:
            return None
        message.is_on_file = True
        message.written = message.receipt
        until = self._now() + message.until - self._clock()
        return StoredMessage(
            message.serial,
            message.device,
            message.sender,
            message.value,
            until,
            message.ttl,
            message.receipt,
            message.re,
        )
