"""Messages: to connected devices at once, and those that wait for one that is away (protocol A2, B5)."""

from collections import Counter
from collections.abc import Callable
from enum import Enum
import heapq
import logging
from typing import Final, NamedTuple

from ..protocol import names, wire
from ..protocol.reasons import BadReason, Refusal
from .access import Access
from .devices import Device, Devices
from .limits import Limits
from .traffic import Traffic

_LOGGER = logging.getLogger(__name__)

_MAX_NAMES_IN_DETAIL: Final = 10
"""Devices that an answer names at most."""
_SPARE_EXPIRIES: Final = 1000
"""Entries of the heap that may be out of date before it is made again."""
_MAX_EXPIRED_AT_ONCE: Final = 1000
"""Messages that are dropped at a time, so that it takes no longer than a slice."""


class Delivery(Enum):
    """What became of a message that was accepted."""

    DELIVERED = "delivered"
    QUEUED = "queued"


class Waiting(NamedTuple):
    """A MSG that waits for its device until a time of the monotonic clock."""

    line: bytes
    until: float
    sender: str


class Mailbox:
    """Sends messages from device to device."""

    def __init__(
        self,
        devices: Devices,
        access: Access,
        limits: Limits,
        traffic: Traffic,
        clock: Callable[[], float],
    ) -> None:
        """Send to these devices; access tells which are known, clock is monotonic, in seconds."""
        self._devices = devices
        self._access = access
        self._limits = limits
        self._traffic = traffic
        self._clock = clock
        self._waiting: dict[str, list[Waiting]] = {}
        self._expiries: list[tuple[float, str]] = []
        """Heap of the times at which a message for a device may have to go."""
        self._bytes_of: Counter[str] = Counter()
        """Bytes that wait, by sender."""
        self._count = 0
        self.bytes = 0
        """Bytes of all messages that wait."""
        self.home_assistant: Callable[[str, str], None] | None = None
        """Takes the messages to Home Assistant: the sender's ID ("" without one), the value."""

    def waiting_for(self, device_id: str) -> int:
        """Count the messages that wait for a device."""
        return len(self._waiting.get(device_id, ()))

    def send(
        self, sender: str, target: str, value: str, *, ttl: float | None = None
    ) -> Delivery:
        """Send a message (value in wire form) from a device ID to a device ID, `*` or homeassistant.

        Raises Refusal: bad-name, malformed, no-such-device, device-busy, limit.
        """
        blob = f"{wire.message_head(sender)}{value}{wire.END}\n".encode("ascii")
        if target == names.EVERYONE:
            return self._send_to_everyone(sender, blob)
        if target.lower() == names.HOME_ASSISTANT:
            return self._send_to_home_assistant(sender, target, value)
        names.check_device_id(target)
        device = self._devices.get(target)
        if device is not None and device.session is not None:
            if not device.session.outbox.deliver_message(blob):
                raise _busy(target)
            self._traffic.sent += 1
            return Delivery.DELIVERED
        if ttl is None or not self._is_known(target):
            raise _no_such_device(target)
        self._queue(target, sender, blob, ttl)
        return Delivery.QUEUED

    def _send_to_home_assistant(self, sender: str, target: str, value: str) -> Delivery:
        if self.home_assistant is None:
            raise _no_such_device(target)
        try:
            self.home_assistant(sender, value)
        except Exception:
            _LOGGER.exception("A message to Home Assistant failed")
        return Delivery.DELIVERED

    def _send_to_everyone(self, sender: str, blob: bytes) -> Delivery:
        busy = []
        for device in tuple(self._devices):
            if device.session is not None and device.id != sender:
                if device.session.outbox.deliver_message(blob):
                    self._traffic.sent += 1
                else:
                    busy.append(device.id)
        if busy:
            raise _busy(", ".join(busy[:_MAX_NAMES_IN_DETAIL]))
        return Delivery.DELIVERED

    def _is_known(self, device_id: str) -> bool:
        return self._access.knows(device_id) or self._devices.get(device_id) is not None

    def _queue(self, device_id: str, sender: str, blob: bytes, ttl: float) -> None:
        limits = self._limits
        if ttl > limits.message_ttl:
            raise Refusal(
                BadReason.LIMIT, f"TTL is at most {limits.message_ttl:g} seconds"
            )
        self.expire()
        if self.waiting_for(device_id) >= limits.max_queued_messages:
            raise _busy(device_id)
        if (
            sender != names.HOME_ASSISTANT
            and self._bytes_of[sender] + len(blob) > limits.queued_bytes_per_sender
        ):
            raise Refusal(
                BadReason.DEVICE_BUSY,
                "too many messages of this sender wait for devices that are away",
            )
        if self.bytes + len(blob) > limits.max_queued_bytes:
            raise Refusal(
                BadReason.DEVICE_BUSY,
                "too many messages wait for devices that are away",
            )
        message = Waiting(blob, self._clock() + ttl, sender)
        self._waiting.setdefault(device_id, []).append(message)
        heapq.heappush(self._expiries, (message.until, device_id))
        self._account(message, 1)
        self._tidy()

    def _tidy(self) -> None:
        """Make the heap again where most of its entries are of messages that are gone."""
        if len(self._expiries) > _SPARE_EXPIRIES + 2 * self._count:
            self._expiries = [
                (message.until, device_id)
                for device_id, messages in self._waiting.items()
                for message in messages
            ]
            heapq.heapify(self._expiries)

    def _account(self, message: Waiting, sign: int) -> None:
        size = sign * len(message.line)
        self.bytes += size
        self._count += sign
        self._bytes_of[message.sender] += size
        if not self._bytes_of[message.sender]:
            del self._bytes_of[message.sender]

    def deliver_waiting(self, device: Device) -> None:
        """Give a device that has come what waits for it."""
        if device.session is None:
            return
        now = self._clock()
        for message in self.forget(device.id):
            if message.until <= now:
                continue
            device.session.outbox.deliver_message(message.line, accepted=True)
            self._traffic.sent += 1

    def forget(self, device_id: str) -> list[Waiting]:
        """Drop, and return, what waits for a device."""
        messages = self._waiting.pop(device_id, [])
        for message in messages:
            self._account(message, -1)
        return messages

    def expire(self) -> None:
        """Drop the messages whose time has passed."""
        now = self._clock()
        for _ in range(_MAX_EXPIRED_AT_ONCE):
            if not self._expiries or self._expiries[0][0] > now:
                return
            _, device_id = heapq.heappop(self._expiries)
            messages = self._waiting.get(device_id, [])
            for message in [one for one in messages if one.until <= now]:
                messages.remove(message)
                self._account(message, -1)
            if not messages:
                self._waiting.pop(device_id, None)


def _no_such_device(device_id: str) -> Refusal:
    return Refusal(BadReason.NO_SUCH_DEVICE, f"{device_id} is not connected")


def _busy(device_id: str) -> Refusal:
    return Refusal(BadReason.DEVICE_BUSY, f"too many messages wait for {device_id}")
