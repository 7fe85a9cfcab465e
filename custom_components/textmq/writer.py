"""When states are written: a change at once, then at most one write each interval, with the last value."""

from asyncio import AbstractEventLoop, TimerHandle
from collections import deque
from typing import Final, Protocol

from homeassistant.core import callback

INTERVAL: Final = 0.1
"""Seconds between two writes of one entity."""
STEP: Final = 0.01
"""Seconds between two looks at the clock, at least."""
BATCH: Final = 250
"""Writes after a look at the clock, at most: the event loop has other work too."""


class Writable(Protocol):
    """An entity whose state is to be written."""

    resting: bool
    """It was written within the last interval."""
    pending: bool
    """It has changed since."""

    def write(self) -> None:
        """Write the state as it is now."""


class StateWriter:
    """Writes the states of all entities with a single timer.

    Every write begins a rest of the same length, so the queue of those that rest is in the
    order in which the rests end.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        """Use the timers of an event loop."""
        self._loop = loop
        self._resting: deque[tuple[float, Writable]] = deque()
        self._timer: TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether entities rest from their last write."""
        return bool(self._resting)

    @callback
    def request(self, entity: Writable) -> None:
        """Write an entity that has changed, now or when its rest is over."""
        if entity.resting:
            entity.pending = True
            return
        self._write(entity)
        if self._timer is None:
            self._wake_at(self._loop.time() + INTERVAL)

    @callback
    def stop(self) -> None:
        """Write nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._resting.clear()

    def _write(self, entity: Writable) -> None:
        entity.resting = True
        self._resting.append((self._loop.time() + INTERVAL, entity))
        entity.write()

    def _wake_at(self, when: float) -> None:
        self._timer = self._loop.call_at(when, self._wake)

    def _wake(self) -> None:
        now = self._loop.time()
        for _ in range(BATCH):
            if not self._resting or self._resting[0][0] > now:
                break
            _, entity = self._resting.popleft()
            entity.resting = False
            if entity.pending:
                entity.pending = False
                self._write(entity)
        if self._resting:
            self._wake_at(max(self._resting[0][0], now + STEP))
        else:
            self._timer = None
