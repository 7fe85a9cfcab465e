"""Where the devices are that a person knows, as variables `$DEVICES/<id>` (protocol B5)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, override

from .access import Access
from .changes import Changes
from .devices import Device, Devices
from .limits import Limits
from .router import Route, Router
from .stored import DEVICE_PREFIX, StoredClock, StoredDevice


class Word(StrEnum):
    """What the presence of a device begins with."""

    CONNECTED = "CONNECTED"
    ASLEEP = "ASLEEP"
    LOST = "LOST"
    DISCONNECTED = "DISCONNECTED"


class Seen(NamedTuple):
    """Where a device is, and since or until when, in seconds since 1970; 0 where that is not known."""

    word: Word
    time: float = 0

    @override
    def __str__(self) -> str:
        """Write it as a value."""
        if not self.time:
            return self.word
        key = "UNTIL" if self.word is Word.ASLEEP else "SINCE"
        stamp = datetime.fromtimestamp(self.time, UTC)
        return f"{self.word} {key}={stamp:%Y-%m-%dT%H:%M:%SZ}"


NOT_KNOWN: Final = ""
"""The value while nothing is known."""


class Presence:
    """Publishes where devices are, and knows it over restarts."""

    def __init__(
        self,
        router: Router,
        devices: Devices,
        access: Access,
        changes: Changes,
        limits: Limits,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """Tell of devices that access knows; clock is monotonic, now the wall's, both in seconds."""
        self._router = router
        self._devices = devices
        self._access = access
        self._changes = changes
        self._limits = limits
        self._clock = clock
        self._now = now
        self._routes: dict[str, Route] = {}
        self._seen: dict[str, Seen] = {}
        """Where each known device was seen last; what was so before a start may hold no longer."""
        self._unsure: dict[str, Seen | None] = {}
        """Devices that have not come since the start, and where they are if they do not; None: gone with its end."""
        self._started = clock()
        self._has_all = False
        """Every device that has been here was on file at the start."""

    # Who is told of

    def follow_access(self) -> None:
        """Follow who is known now."""
        for device_id in (*self._access.known, *self._access.keys):
            if device_id not in self._routes:
                self._add(device_id)
        for device_id in tuple(self._routes):
            if not self._access.knows(device_id):
                self._remove(device_id)

    def _add(self, device_id: str) -> None:
        self._routes[device_id] = self._router.add_own(DEVICE_PREFIX + device_id)
        device = self._devices.get(device_id)
        if device is not None and device.session is not None:
            self.connected(device)
        elif device_id in self._seen:
            self._publish(device_id)
        elif device is not None and device.asleep_until is not None:
            self.disconnected(device)
        elif device is not None and device.last_seen is not None:
            self._see(device_id, _gone(device.last_seen))
        else:
            self._enter_new(device_id)

    def _enter_new(self, device_id: str) -> None:
        """Begin with a device of which nothing is on file."""
        is_early = self._clock() - self._started < self._limits.presence_grace
        if is_early and not self._has_all:
            self._unsure[device_id] = None
        self._see(device_id, Seen(Word.DISCONNECTED))

    def _remove(self, device_id: str) -> None:
        self._router.remove_own(self._routes.pop(device_id))
        self._seen.pop(device_id, None)
        self._unsure.pop(device_id, None)
        self._changes.add_urgent(DEVICE_PREFIX + device_id)

    # Where it is

    def connected(self, device: Device) -> None:
        """A device has come."""
        self._see_sure(device.id, Seen(Word.CONNECTED, device.connected_at or 0))

    def disconnected(self, device: Device) -> None:
        """A device has gone, asleep or not."""
        now = self._now()
        if device.asleep_until is None:
            self._see_sure(device.id, Seen(Word.DISCONNECTED, now))
        else:
            until = now + device.asleep_until - self._clock()
            self._see_sure(device.id, Seen(Word.ASLEEP, until))

    def lost(self, device: Device) -> None:
        """A sleeper has not come back in time."""
        seen = self._unsure.get(device.id) or Seen(Word.LOST, self._now())
        self._see_sure(device.id, seen)

    def _see_sure(self, device_id: str, seen: Seen) -> None:
        self._unsure.pop(device_id, None)
        self._see(device_id, seen)

    def _see(self, device_id: str, seen: Seen) -> None:
        if device_id not in self._routes:
            return
        self._seen[device_id] = seen
        self._changes.add_urgent(DEVICE_PREFIX + device_id)
        self._publish(device_id)

    def _publish(self, device_id: str) -> None:
        route = self._routes[device_id]
        unsure = device_id in self._unsure
        value = NOT_KNOWN if unsure else str(self._seen[device_id])
        if route.variable.value != value:
            self._router.publish_known(route, value, "", self._now())

    # Over a restart

    def restore(self, device: StoredDevice, clock: StoredClock | None) -> None:
        """Take where a device was; clock is that of the last save."""
        if (seen := read_presence(device)) is None:
            return
        self._seen[device.id] = seen
        self._unsure.pop(device.id, None)
        stop = clock.time if clock is not None and clock.stopped else None
        if seen.word is Word.CONNECTED:
            self._unsure[device.id] = None if stop is None else _gone(stop)
        elif seen.word is Word.ASLEEP and seen.time <= self._now():
            self._unsure[device.id] = Seen(Word.LOST, seen.time)
        if device.id in self._routes:
            self._publish(device.id)

    def restored(self) -> None:
        """All that is on file was restored: a device without a file has not been here."""
        self._has_all = True
        for device_id in [one for one, seen in self._unsure.items() if seen is None]:
            if self._seen[device_id] == Seen(Word.DISCONNECTED):
                self._see_sure(device_id, Seen(Word.DISCONNECTED))

    def begin(self) -> None:
        """From now on devices can come; a sleeper whose time has run out meanwhile may have tried."""
        self._started = self._clock()
        for device_id, seen in self._seen.items():
            if seen.word is Word.ASLEEP and seen.time <= self._now():
                self._unsure.setdefault(device_id, Seen(Word.LOST, seen.time))
                if device_id in self._routes:
                    self._publish(device_id)

    def give_up(self) -> Iterator[None]:
        """Give up, after a while, the devices that have not come since the start, step by step."""
        if self._clock() - self._started < self._limits.presence_grace:
            return
        for device_id in tuple(self._unsure):
            if device_id in self._unsure:
                self._see_sure(device_id, self._unsure[device_id] or _gone(self._now()))
            yield
        for device_id in [one for one in self._seen if one not in self._routes]:
            # It is not known any more.
            del self._seen[device_id]
            self._changes.add_urgent(DEVICE_PREFIX + device_id)
            yield

    def stop(self) -> None:
        """Put down where the devices are that have not come since the start: not here."""
        for device_id, seen in self._unsure.items():
            self._seen[device_id] = seen or _gone(self._now())
            self._changes.add_urgent(DEVICE_PREFIX + device_id)

    def of(self, device_id: str) -> Seen | None:
        """Return where a known device was seen last, whether that is sure or not."""
        return self._seen.get(device_id)

    def may_be_there(self, device_id: str) -> bool:
        """Tell whether a device is connected, asleep in time, or was so before a start and may come yet."""
        return device_id in self._unsure or self._devices.is_there(device_id)

    def asleep_until(self, device_id: str) -> float | None:
        """Return until when a device sleeps, in seconds since 1970; None where it does not."""
        seen = self._seen.get(device_id)
        return seen.time if seen and seen.word is Word.ASLEEP else None


def _gone(time: float) -> Seen:
    return Seen(Word.DISCONNECTED, time)


def read_presence(device: StoredDevice) -> Seen | None:
    """Read what is on file; None where it says nothing."""
    word, _, rest = device.presence.partition(" ")
    if word not in Word:
        return None
    _, _, text = rest.partition("=")
    try:
        seen = Seen(Word(word), datetime.fromisoformat(text).timestamp())
        # It must be possible to write it again.
        str(seen)
    except (ValueError, OverflowError, OSError):
        return Seen(Word(word))
    return seen
