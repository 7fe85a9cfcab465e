"""When states are written, entity by entity."""

from asyncio import Handle, TimerHandle
from collections.abc import Callable
from typing import Any

import pytest

from custom_components.textmq.hub.state_writer import BURST, INTERVAL, RATE, StateWriter


class Loop:
    """Timers of a clock that goes on when it is told."""

    def __init__(self) -> None:
        """Begin at 0."""
        self._now = 0.0
        self._timers: list[TimerHandle] = []

    def time(self) -> float:
        """Return what the clock says."""
        return self._now

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, **kwargs: Any
    ) -> TimerHandle:
        """Take a timer."""
        timer = TimerHandle(when, callback, args, self)  # type: ignore[arg-type]
        self._timers.append(timer)
        return timer

    def get_debug(self) -> bool:
        """Ask for no debugging."""
        return False

    def _timer_handle_cancelled(self, handle: Handle) -> None:
        """Take the news that a timer is cancelled."""

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        end = self._now + seconds
        while due := [timer for timer in self._timers if timer.when() <= end]:
            timer = min(due, key=TimerHandle.when)
            self._timers.remove(timer)
            self._now = max(self._now, timer.when())
            if not timer.cancelled():
                timer._run()  # noqa: SLF001
        self._now = end


class Entity:
    """Counts its writes."""

    def __init__(self, device: str, log: list[str] | None = None) -> None:
        """Begin with none; log takes the device of each."""
        self.device = device
        self.resting = False
        self.pending = False
        self.writes = 0
        self._log = log

    def write(self) -> None:
        """Count a write."""
        self.writes += 1
        if self._log is not None:
            self._log.append(self.device)


@pytest.fixture
def loop() -> Loop:
    """Return a clock."""
    return Loop()


@pytest.fixture
def writer(loop: Loop) -> StateWriter:
    """Return a writer that lives by the clock."""
    return StateWriter(loop)  # type: ignore[arg-type]


def use_up(writer: StateWriter) -> None:
    """Use up what may be written above the rate."""
    for _ in range(BURST):
        writer.request(Entity("burst"))


def test_one_entity(loop: Loop, writer: StateWriter) -> None:
    """The first change is written at once, what follows after a rest, and then no more."""
    entity = Entity("garden")
    for _ in range(3):
        writer.request(entity)
    assert entity.writes == 1
    loop.go_on(INTERVAL / 2)
    assert entity.writes == 1
    loop.go_on(INTERVAL)
    assert entity.writes == 2
    loop.go_on(2 * INTERVAL)
    assert not writer.busy
    writer.request(entity)
    assert entity.writes == 3


def test_many_entities(loop: Loop, writer: StateWriter) -> None:
    """However many entities change at once: each is written at once, and once more with its last value."""
    entities = [Entity("garden") for _ in range(BURST // 3)]
    for _ in range(5):
        for entity in entities:
            writer.request(entity)
    assert {entity.writes for entity in entities} == {1}
    loop.go_on(1)
    assert {entity.writes for entity in entities} == {2}
    assert not writer.busy
    assert not any(entity.resting or entity.pending for entity in entities)


def test_rate(loop: Loop, writer: StateWriter) -> None:
    """More than the rate is never written for long, and nothing is forgotten."""
    entities = [Entity(f"device{number % 7}") for number in range(3 * BURST)]
    for _ in range(10):
        for entity in entities:
            writer.request(entity)
        loop.go_on(1)
    writes = sum(entity.writes for entity in entities)
    assert BURST + 9 * RATE <= writes <= BURST + 10 * RATE
    loop.go_on(3 * BURST / RATE + 1)
    assert not writer.busy
    assert not any(entity.resting or entity.pending for entity in entities)


def test_turns(loop: Loop, writer: StateWriter) -> None:
    """Where more changes than may be written, one device does not keep the others waiting."""
    use_up(writer)
    log: list[str] = []
    flood = [Entity("flood", log) for _ in range(100)]
    others = [Entity(f"other{number}", log) for number in range(3)]
    for entity in (*flood, *others):
        writer.request(entity)
    assert not log
    loop.go_on(INTERVAL)
    assert log[:6] == ["flood", "other0", "other1", "other2", "flood", "flood"]
    loop.go_on(1)
    assert {entity.writes for entity in (*flood, *others)} == {1}
    assert not writer.busy


def test_change_while_waiting(loop: Loop, writer: StateWriter) -> None:
    """Who waits for its turn is written once, however often it changes meanwhile."""
    use_up(writer)
    entity = Entity("garden")
    for _ in range(3):
        writer.request(entity)
    assert entity.writes == 0
    loop.go_on(1)
    assert entity.writes == 1


def test_stop(loop: Loop, writer: StateWriter) -> None:
    """After the end nothing is written."""
    use_up(writer)
    entity = Entity("garden")
    writer.request(entity)
    writer.stop()
    writer.stop()
    loop.go_on(1)
    assert entity.writes == 0
    assert not writer.busy
