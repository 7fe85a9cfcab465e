"""What is on file, and what becomes of it over a restart (protocol A6)."""

from collections.abc import Callable, Iterable
import logging

from .descriptions import Descriptions
from .device_records import DeviceRecords
from .mailbox import Mailbox
from .presence import Presence
from .router import Router
from .stored import (
    DEVICE_PREFIX,
    MESSAGE_PREFIX,
    Stored,
    StoredClock,
    StoredDevice,
    StoredMessage,
)
from .variables import Variable

_LOGGER = logging.getLogger(__name__)


class Archive:
    """Takes over what was stored, and says what is to be."""

    def __init__(
        self,
        router: Router,
        descriptions: Descriptions,
        records: DeviceRecords,
        presence: Presence,
        mailbox: Mailbox,
        now: Callable[[], float],
    ) -> None:
        """Give to each room what is its; now is the wall's clock, in seconds since 1970."""
        self._router = router
        self._descriptions = descriptions
        self._records = records
        self._presence = presence
        self._mailbox = mailbox
        self._now = now
        self._saved_at = 0.0

    def restore(
        self,
        variables: Iterable[Variable],
        devices: Iterable[StoredDevice],
        messages: Iterable[StoredMessage],
        clock: StoredClock | None,
        last_serial: int,
    ) -> None:
        """Take all as it was, before any client is let in.

        clock is that of the last save; last_serial the largest number of a message's file.
        """
        variables = tuple(variables)
        self._router.restore(variables)
        self._descriptions.restore(variables)
        for device in devices:
            self._presence.restore(device, clock)
            self._records.restore(device)
        if clock is not None:
            self._presence.restored()
        self._mailbox.go_on_after(last_serial)
        for message in messages:
            self._mailbox.restore(message)
        self._saved_at = clock.time if clock is not None else 0.0
        if self.clock_behind:
            _LOGGER.warning(
                "The clock is %.0f s behind the last save: until it is right, what was"
                " published before counts as out of date",
                self.clock_behind,
            )

    def restore_device(
        self,
        device_id: str,
        *,
        address: str,
        last_seen: float | None,
        sleep: float | None = None,
    ) -> None:
        """Take what else is known of a device; sleep is what is left of it, in seconds."""
        self._records.restore_device(
            device_id, address=address, last_seen=last_seen, sleep=sleep
        )

    @property
    def clock_behind(self) -> float:
        """Seconds that the clock is behind the last save before the start (protocol B3)."""
        return max(0.0, self._saved_at - self._now())

    def saving_begins(self) -> None:
        """From now on what changes is saved, and `saved` tells of it."""
        self._mailbox.is_on_file = True

    def stored(self, name: str) -> Stored | None:
        """Return what is to be on file under a name of core/stored.py, None where it is gone."""
        if name.startswith(MESSAGE_PREFIX):
            return self._mailbox.stored(name)
        return self._records.stored(name.removeprefix(DEVICE_PREFIX))

    def saved(self, names: Iterable[str]) -> None:
        """What had these names of core/stored.py is on file now, or can't be for a while."""
        for name in names:
            if name.startswith(DEVICE_PREFIX):
                self._mailbox.reserve_written(name.removeprefix(DEVICE_PREFIX))
            elif name.startswith(MESSAGE_PREFIX):
                self._mailbox.message_written(name)
