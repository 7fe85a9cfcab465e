"""What the broker keeps of devices: room for them, their wills, their sleep, what is on file (protocol B4, B5)."""

from collections.abc import Callable, Iterator
import logging

from ..protocol.reasons import Refusal
from .access import Access
from .changes import Changes
from .definition_sets import DefinitionSets
from .descriptions import Descriptions
from .devices import Device, Devices, Will
from .limits import Limits
from .mailbox import Mailbox
from .observers import Observer, Observers
from .presence import Presence
from .receipts import Receipts
from .router import Router
from .stored import DEVICE_PREFIX, StoredDevice, StoredWill
from .variables import Variable, Variables

_LOGGER = logging.getLogger(__name__)


class DeviceRecords:
    """Enters devices, looks after those that sleep, and forgets."""

    def __init__(
        self,
        access: Access,
        variables: Variables,
        devices: Devices,
        router: Router,
        descriptions: Descriptions,
        mailbox: Mailbox,
        presence: Presence,
        sets: DefinitionSets,
        changes: Changes,
        observers: Observers,
        limits: Limits,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """Keep records of devices; clock is monotonic, now the wall's, both in seconds."""
        self._access = access
        self._variables = variables
        self._devices = devices
        self._router = router
        self._descriptions = descriptions
        self._mailbox = mailbox
        self._presence = presence
        self._sets = sets
        self._changes = changes
        self._observers = observers
        self._limits = limits
        self._clock = clock
        self._now = now
        self._receipts: dict[str, Receipts] = {}
        """Numbers of known devices for which there is no room: they are never used twice."""

    # Room

    def enter(self, device_id: str) -> Device:
        """Return the device of an ID, made where it is new. Raises Refusal (limit)."""
        gone = self._devices.make_room(
            device_id, self._limits.devices, self._may_forget
        )
        if gone is not None and gone.receipts.is_used:
            self._part_with(gone)
        device = self._devices.enter(device_id)
        if (receipts := self._receipts.pop(device_id, None)) is not None:
            device.receipts = receipts
        return device

    def _part_with(self, device: Device) -> None:
        if self._access.knows(device.id):
            self._receipts[device.id] = device.receipts
        else:
            self._changes.add_urgent(DEVICE_PREFIX + device.id)

    def _may_forget(self, device: Device) -> bool:
        """Tell whether nothing is lost where a device is forgotten."""
        return (
            device.session is None
            and device.asleep_until is None
            and not self._mailbox.has_waiting(device.id)
        )

    def forget(self, device_id: str) -> None:
        """Forget a device that is not connected, and its messages."""
        self._devices.forget(device_id)
        self._receipts.pop(device_id, None)
        self._sets.forget(device_id)
        self._mailbox.forget(device_id)
        self._changes.add_urgent(DEVICE_PREFIX + device_id)

    def forget_variables(self, device_id: str, *, delete: bool) -> Iterator[None]:
        """Delete the variables of a device that is forgotten, or let them belong to none, step by step."""
        for variable in self._variables:
            if self._variables.get(variable.name) is variable:
                if delete and variable.owner == device_id:
                    self._router.delete(variable.name)
                elif device_id in _devices_of(variable):
                    self._descriptions.disown(variable, device_id)
            yield

    # Sleep and wills

    def begin(self) -> None:
        """From now on devices can come: those whose sleep has ended meanwhile have a while for it."""
        now = self._clock()
        for device in self._devices:
            if device.asleep_until is not None and device.asleep_until <= now:
                device.asleep_until = now + self._limits.presence_grace

    def wake_sleepers(self) -> Iterator[None]:
        """Look for devices that have not come back within their time, step by step."""
        now = self._clock()
        for device in tuple(self._devices):
            if (
                device.asleep_until is not None
                and device.asleep_until <= now
                # It may have been forgotten since the first step.
                and self._devices.get(device.id) is device
            ):
                will, device.will, device.asleep_until = device.will, None, None
                self._presence.lost(device)
                if will is not None:
                    self.publish_will(will, device.id)
                self._observers.notify(Observer.device_lost, device)
            yield

    def publish_will(self, will: Will, device_id: str) -> None:
        """Publish the will of a client that is lost, "" for one without an ID; not of one that is kept out."""
        if device_id in self._access.refused:
            return
        if not self._access.rights_of(device_id).may_write(will.name):
            return
        try:
            self._router.publish(
                will.name,
                will.value,
                device=device_id,
                retain=will.retain,
                will=True,
            )
        except Refusal as refusal:
            _LOGGER.debug("A will could not be published: %s", refusal)

    # On file

    def stored(self, device_id: str) -> StoredDevice | None:
        """Return what is to be on file of a device, None where nothing is."""
        device = self._devices.get(device_id)
        seen = self._presence.of(device_id)
        receipts = device.receipts if device else self._receipts.get(device_id)
        if seen is None and not (receipts and receipts.is_used):
            return None
        will = device.will if device else None
        if will is not None and self._router.secrets.holds(will.name):
            will = None
        return StoredDevice(
            device_id,
            str(seen) if seen else "",
            self._now(),
            receipts.write() if receipts else 0,
            will and StoredWill(will.name, will.value, will.retain),
        )

    def restore(self, stored: StoredDevice) -> None:
        """Take a device as it was; one that there is no room for is passed over."""
        left = None
        if (until := self._presence.asleep_until(stored.id)) is not None:
            # Whatever the clock says now: no more can be left than was when it was written.
            left = min(until - self._now(), until - stored.time, self._limits.max_sleep)
            if left <= 0:
                left = self._limits.presence_grace
        self._receipts[stored.id] = Receipts(stored.receipts)
        self.restore_device(stored.id)
        device = self._devices.get(stored.id)
        if device is not None:
            if self._presence.of(stored.id) is not None:
                device.asleep_until = None if left is None else self._clock() + left
            device.will = stored.will and Will(*stored.will)

    def restore_device(
        self,
        device_id: str,
        *,
        address: str | None = None,
        last_seen: float | None = None,
        sleep: float | None = None,
    ) -> None:
        """Take a device as it was before a restart; sleep is what is left of it, in seconds.

        One that there is no room for is passed over.
        """
        try:
            device = self.enter(device_id)
        except Refusal as refusal:
            _LOGGER.debug("A device is not taken over: %s", refusal)
            return
        device.address = address or device.address
        device.last_seen = last_seen or device.last_seen
        if sleep is not None:
            device.asleep_until = self._clock() + sleep


def _devices_of(variable: Variable) -> tuple[str, str, str]:
    return variable.owner, variable.described_by, variable.device
