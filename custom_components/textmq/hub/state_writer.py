"""When states are written: a change at once, then at most one write each interval, with the last value."""

from asyncio import AbstractEventLoop, TimerHandle
from collections import deque
from typing import Final, Protocol

from homeassistant.core import callback

INTERVAL: Final = 0.1
"""Seconds between two writes of one entity."""
RATE: Final = 500
"""Writes a second of all entities together, for long: the recorder of a small machine takes no more."""
BURST: Final = 1000
"""Writes above the rate, after a quiet time."""
STEP: Final = 0.01
"""Seconds between two looks at the clock, at least."""
BATCH: Final = 50
"""Writes after a look at the clock, at most: the event loop has other work too."""


class Writable(Protocol):
    """An entity whose state is to be written."""

    resting: bool
    """It was written within the last interval, or waits for its turn."""
    pending: bool
    """It has changed since."""

    @property
    def device(self) -> object:
        """Whose entity it is."""

    def write(self) -> None:
        """Write the state as it is now."""


class StateWriter:
    """Writes the states of all entities with a single timer.

    Every write begins a rest of the same length, so the queue of those that rest is in the
    order in which the rests end. Where more changes than may be written, the devices take turns.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        """Use the timers of an event loop."""
        self._loop = loop
        self._resting: deque[tuple[float, Writable]] = deque()
        self._waiting: dict[object, deque[Writable]] = {}
        """Entities that may be written, by device, the one whose turn it is first."""
        self._allowance = float(BURST)
        self._allowed_at = loop.time()
        self._timer: TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether entities rest from their last write or wait for their turn."""
        return bool(self._resting or self._waiting)

    @callback
    def request(self, entity: Writable) -> None:
        """Write an entity that has changed, now or when it may be."""
        if entity.resting:
            entity.pending = True
            return
        if not self._waiting and self._spend():
            self._write(entity)
        else:
            entity.resting = entity.pending = True
            self._wait(entity)
        if self._timer is None:
            self._wake_at(self._loop.time() + INTERVAL)

    @callback
    def stop(self) -> None:
        """Write nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._resting.clear()
        self._waiting.clear()

    def _spend(self) -> bool:
        """Take one write from what the rate allows."""
        now = self._loop.time()
        earned = (now - self._allowed_at) * RATE
        self._allowed_at = now
        self._allowance = min(self._allowance + earned, BURST)
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _wait(self, entity: Writable) -> None:
        self._waiting.setdefault(entity.device, deque()).append(entity)

    def _take_turn(self) -> Writable:
        device = next(iter(self._waiting))
        entities = self._waiting.pop(device)
        entity = entities.popleft()
        if entities:
            self._waiting[device] = entities
        return entity

    def _write(self, entity: Writable) -> None:
        entity.resting = True
        entity.pending = False
        self._resting.append((self._loop.time() + INTERVAL, entity))
        entity.write()

    def _wake_at(self, when: float) -> None:
        self._timer = self._loop.call_at(when, self._wake)

    def _wake(self) -> None:
        now = self._loop.time()
        while self._resting and self._resting[0][0] <= now:
            _, entity = self._resting.popleft()
            if entity.pending:
                self._wait(entity)
            else:
                entity.resting = False
        for _ in range(BATCH):
            if not self._waiting or not self._spend():
                break
            self._write(self._take_turn())
        if self._waiting:
            self._wake_at(now + STEP)
        elif self._resting:
            self._wake_at(max(self._resting[0][0], now + STEP))
        else:
            self._timer = None
