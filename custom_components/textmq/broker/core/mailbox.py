"""Messages: to connected devices at once, and those that are kept until a device has them (protocol A2, B5)."""

from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
import logging
from typing import Final

from ..protocol import names
from ..protocol.reasons import BadReason, Refusal
from .access import Access
from .changes import Changes
from .devices import Device, Devices
from .limits import Limits
from .messages import KeptMessage, KeptMessages, device_busy, message_line
from .outbox import Outbox
from .stored import DEVICE_PREFIX, StoredMessage
from .traffic import Traffic

_LOGGER = logging.getLogger(__name__)

_MAX_IN_FLIGHT: Final = 256
"""Messages that the system has not taken yet, of those that are kept for a connected device."""
_MAX_NAMES_IN_DETAIL: Final = 10
"""Devices that an answer names at most."""


class Delivery(Enum):
    """What became of a message that was accepted."""

    DELIVERED = "delivered"
    QUEUED = "queued"


class Mailbox:
    """Sends messages from device to device."""

    def __init__(
        self,
        devices: Devices,
        access: Access,
        changes: Changes,
        limits: Limits,
        traffic: Traffic,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """Send to these devices; access tells which are known.

        clock is monotonic, now the wall's, both in seconds.
        """
        self._devices = devices
        self._access = access
        self._changes = changes
        self._limits = limits
        self._traffic = traffic
        self._kept = KeptMessages(changes, limits, clock, now)
        self._home_assistant: Callable[[str, str], None] | None = None
        self.is_on_file = False
        """What is to be saved is saved: numbers of receipts wait for it."""

    def waiting_for(self, device_id: str) -> int:
        """Count the messages that are kept for a device."""
        return len(self._kept.of(device_id))

    def has_waiting(self, device_id: str) -> bool:
        """Tell whether messages are kept for a device."""
        return self._kept.count(device_id) > 0

    @property
    def home_assistant(self) -> Callable[[str, str], None] | None:
        """Takes the messages to Home Assistant: the sender's ID ("" without one), the value."""
        return self._home_assistant

    @home_assistant.setter
    def home_assistant(self, receive: Callable[[str, str], None] | None) -> None:
        self._home_assistant = receive
        if receive is not None:
            for message in self._kept.of(names.HOME_ASSISTANT):
                self._kept.remove(message)
                self._give_home_assistant(message.sender, message.value)

    # Sending

    def send(
        self,
        sender: str,
        target: str,
        value: str,
        *,
        ttl: float | None = None,
        re: str = "",
    ) -> Delivery:
        """Send a message (value in wire form) from a device ID to a device ID, `*` or homeassistant.

        It is kept for ttl seconds; re is passed through. Raises Refusal: bad-name, malformed,
        no-such-device, device-busy, limit.
        """
        if target == names.EVERYONE:
            if ttl is not None:
                raise Refusal(
                    BadReason.MALFORMED, "a message to every device can't wait: no TTL"
                )
            return self._send_to_everyone(sender, message_line(sender, value, re))
        if target.lower() == names.HOME_ASSISTANT:
            return self._send_to_home_assistant(sender, target, value, ttl, re)
        names.check_device_id(target)
        device = self._devices.get(target)
        if device is None or device.session is None:
            if ttl is None or not self._is_known(target):
                raise _no_such_device(target)
            self._kept.check_room(target, sender, value, re, ttl)
            self._kept.add(target, sender, value, ttl, re)
            if device is not None and device.uses_receipts:
                self._number_all(device)
            return Delivery.QUEUED
        if not ttl:
            line = message_line(sender, value, re)
            if not device.session.outbox.deliver_message(line):
                raise device_busy(target)
            self._traffic.sent += 1
            return Delivery.DELIVERED
        return self._send_kept(device, device.session.outbox, sender, value, ttl, re)

    def _send_kept(
        self,
        device: Device,
        outbox: Outbox,
        sender: str,
        value: str,
        ttl: float,
        re: str,
    ) -> Delivery:
        """Send to a connected device what is kept until the device has it."""
        if not outbox.has_room:
            raise device_busy(device.id)
        if device.wants_receipts or outbox.paused:
            detail = "has not acknowledged" if device.wants_receipts else ""
            self._kept.check_room(device.id, sender, value, re, ttl, detail)
        else:
            self._kept.check_ttl(ttl)
            if self._kept.count(device.id) >= _MAX_IN_FLIGHT:
                outbox.flush()
                outbox.settle()
                if self._kept.count(device.id) >= _MAX_IN_FLIGHT:
                    raise device_busy(device.id)
        message = self._kept.add(device.id, sender, value, ttl, re)
        if device.wants_receipts:
            self._tell(device)
        else:
            self._give(message, outbox, numbered=False)
        return Delivery.DELIVERED

    def _send_to_home_assistant(
        self, sender: str, target: str, value: str, ttl: float | None, re: str
    ) -> Delivery:
        if self._home_assistant is not None:
            self._give_home_assistant(sender, value)
            return Delivery.DELIVERED
        if ttl is None:
            raise _no_such_device(target)
        self._kept.check_room(names.HOME_ASSISTANT, sender, value, re, ttl)
        self._kept.add(names.HOME_ASSISTANT, sender, value, ttl, re)
        return Delivery.QUEUED

    def _give_home_assistant(self, sender: str, value: str) -> None:
        if self._home_assistant is None:
            return
        try:
            self._home_assistant(sender, value)
        except Exception:
            _LOGGER.exception("A message to Home Assistant failed")

    def _send_to_everyone(self, sender: str, blob: bytes) -> Delivery:
        busy = []
        for device in tuple(self._devices):
            if device.session is not None and device.id != sender:
                if device.session.outbox.deliver_message(blob):
                    self._traffic.sent += 1
                else:
                    busy.append(device.id)
        if busy:
            raise device_busy(", ".join(busy[:_MAX_NAMES_IN_DETAIL]))
        return Delivery.DELIVERED

    def _is_known(self, device_id: str) -> bool:
        return self._access.knows(device_id) or self._devices.get(device_id) is not None

    # What is kept

    def identified(self, device: Device) -> None:
        """Give a device that has said who it is all that is kept for it, the oldest first."""
        outbox = device.session.outbox if device.session else None
        for message in self._kept.of(device.id):
            if not (message.handing and message.outbox is outbox):
                message.outbox = None
        self._tell(device)

    def _tell(self, device: Device) -> None:
        """Give a connected device, in their order, what it was not given over this connection."""
        if device.session is None:
            return
        outbox = device.session.outbox
        numbered = device.wants_receipts
        if numbered:
            self._number_all(device)
        for message in self._kept.of(device.id):
            if message.outbox is outbox:
                continue
            if numbered and not message.is_number_stored:
                return
            self._give(message, outbox, numbered=numbered)

    def _give(self, message: KeptMessage, outbox: Outbox, *, numbered: bool) -> None:
        message.outbox, message.handing = outbox, not numbered
        outbox.deliver_message(
            message.line(receipt=numbered),
            accepted=True,
            handed=None if numbered else partial(self._kept.remove, message),
        )
        self._traffic.sent += 1

    def _number_all(self, device: Device) -> None:
        """Give numbers to the messages that have none, as far as there are any on file.

        A message that may be on file without its number is told when it is there with it: else
        it would have another one after a crash.
        """
        messages = self._kept.of(device.id)
        device.receipts.go_on_after(max((one.receipt for one in messages), default=0))
        for message in messages:
            if not (message.receipt or self._number(device, message)):
                return

    def _number(self, device: Device, message: KeptMessage) -> bool:
        receipts = device.receipts
        if receipts.needs_reserve():
            if self.is_on_file:
                self._changes.add_urgent(DEVICE_PREFIX + device.id)
            else:
                receipts.write()
                receipts.written()
        message.receipt = receipts.take()
        if message.receipt:
            message.is_number_stored = not (self.is_on_file and message.is_on_file)
            self._kept.changed(message)
        return message.receipt > 0

    def reserve_written(self, device_id: str) -> None:
        """Go on with the numbers of a device that are on file now, or can't be."""
        device = self._devices.get(device_id)
        if device is not None:
            device.receipts.written()
            if device.uses_receipts:
                self._number_all(device)
            self._tell(device)

    def message_written(self, name: str) -> None:
        """Go on with a message that is on file now as it was asked for last, or can't be."""
        message = self._kept.get(name)
        if message is None or message.is_number_stored:
            return
        message.is_number_stored = 0 < message.receipt == message.written
        device = self._devices.get(message.device)
        if device is not None and message.is_number_stored:
            self._tell(device)

    def acknowledge(self, device: Device, number: str) -> None:
        """Drop a message that a device has taken; what is the number of none is passed over."""
        for message in self._kept.of(device.id):
            if message.receipt and str(message.receipt) == number:
                self._kept.remove(message)

    def hand_over(self, device_id: str, heir: str) -> None:
        """Keep for another device, or give it, what is kept for one that is not connected any more."""
        self._kept.hand_over(device_id, heir)
        device = self._devices.get(heir)
        if device is not None:
            if device.uses_receipts:
                self._number_all(device)
            self._tell(device)

    def forget(self, device_id: str) -> None:
        """Drop what is kept for a device."""
        for message in self._kept.of(device_id):
            self._kept.remove(message)

    def expire(self) -> Iterator[None]:
        """Drop the messages whose time has passed, step by step."""
        return self._kept.expire()

    # Over a restart

    def go_on_after(self, serial: int) -> None:
        """Use no serial number up to this one: there are files of them."""
        self._kept.last = max(self._kept.last, serial)

    def restore(self, message: StoredMessage) -> None:
        """Take a message as it was before a restart, with what is left of its time."""
        self._kept.restore(message)

    def stored(self, name: str) -> StoredMessage | None:
        """Return what is to be on file under a name, None where it is gone."""
        return self._kept.stored(name)


def _no_such_device(device_id: str) -> Refusal:
    return Refusal(BadReason.NO_SUCH_DEVICE, f"{device_id} is not connected")
