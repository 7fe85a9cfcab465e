"""What is to be sent to one client: joined, and bounded where the client does not read (protocol B4, B8)."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from ..protocol import wire
from .limits import Limits
from .quota import Scheduler, Worker
from .variables import Variable

_MAX_WRITE: Final = 1 << 16
"""Bytes that are joined before they are written, at most."""
_MAX_UNWRITTEN: Final = 1 << 20
"""Bytes that wait for the turn in which they are written, at most."""
_LOOK_EVERY: Final = 16
"""Steps of a replay between two looks at the clock."""
_ENTRY: Final = 400
"""Bytes that what waits of a name takes, at most, besides its messages."""


type Handed = Callable[[], None]
"""Is called when the system has taken a message for the client."""


class Writer(Protocol):
    """Where the bytes go."""

    def write(self, data: bytes) -> None:
        """Send bytes; calls `pause` when too much waits to be sent."""

    @property
    def bytes_written(self) -> int:
        """Bytes that were written so far, as they go over the wire."""

    @property
    def bytes_taken(self) -> int:
        """Bytes of these that the system has taken."""


class Sink(Writer, Protocol):
    """The connection under a session."""

    def close(self) -> None:
        """End the connection after what was written has been sent."""

    def set_reading(self, *, reading: bool) -> None:
        """Receive from now on, or nothing more for now."""

    @property
    def unsent(self) -> int:
        """Bytes that were written and not yet sent."""

    def work_after(self, seconds: float) -> None:
        """Let the session work again after a time."""

    def work_soon(self) -> None:
        """Let the session work again when it is its turn."""


class _Held:
    """What waits of one variable, in the order of its publishes: its latest state, and events."""

    __slots__ = ("full", "lines", "missed", "size", "state_at")

    def __init__(self, missed: int) -> None:
        self.lines: list[bytes | None] = []
        """Messages; None stands for the value that the variable has when the client reads again."""
        self.state_at = -1
        """Place of the state, a value or a DEL, among the lines; -1 where only events wait."""
        self.missed = missed
        """Events that were dropped before the first of these."""
        self.size = 0
        """Bytes that this takes, besides the value."""
        self.full = False
        """The client wants the value in the full form."""

    @property
    def events(self) -> int:
        return len(self.lines) - (self.state_at >= 0)

    @property
    def is_deleted(self) -> bool:
        """The latest state is a DEL."""
        return self.state_at >= 0 and self.lines[self.state_at] is not None

    def put_state(self, line: bytes | None) -> None:
        if self.state_at >= 0:
            self.size -= len(self.lines.pop(self.state_at) or b"")
        self.state_at = len(self.lines)
        self.put(line)

    def put(self, line: bytes | None) -> None:
        self.lines.append(line)
        self.size += len(line or b"")

    def drop_oldest_event(self) -> None:
        place = 1 if self.state_at == 0 else 0
        self.size -= len(self.lines.pop(place) or b"")
        if self.state_at > place:
            self.state_at -= 1
        self.missed += 1


class Outbox:
    """The output of a client: its answers in their order, deliveries, and what waits while it does not read.

    Of a variable only the latest value waits, events and messages wait up to a number, and nothing
    else is made for the client before it has taken what it was sent.
    """

    __slots__ = (
        "_definitions",
        "_ended",
        "_events",
        "_handing",
        "_held",
        "_held_size",
        "_limits",
        "_lines",
        "_look_up",
        "_may_read",
        "_missed",
        "_now",
        "_on_overflow",
        "_pending_messages",
        "_replay",
        "_scheduler",
        "_size",
        "_writer",
        "cause",
        "holding",
        "paused",
        "queued",
    )

    def __init__(
        self,
        writer: Writer,
        scheduler: Scheduler,
        limits: Limits,
        look_up: Callable[[str], Variable | None],
        may_read: Callable[[str], bool],
        on_overflow: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        """Write to writer; look_up finds a variable by name, may_read tells whether the client may read it.

        on_overflow is called in place of writing when more waits than may; now is the wall's clock.
        """
        self._writer = writer
        self._scheduler = scheduler
        self._limits = limits
        self._look_up = look_up
        self._may_read = may_read
        self._on_overflow = on_overflow
        self._now = now
        self._ended = False
        self.queued = False
        self.cause: Worker | None = None
        self.paused = False
        """The client does not read."""
        self.holding = False
        """It is to take what it was sent before anything new of a variable, and before its next command."""
        self._lines: list[bytes] = []
        self._size = 0
        self._replay: Iterator[bytes | None] | None = None
        self._held: dict[str, _Held] = {}
        self._held_size = 0
        self._events = 0
        self._missed: dict[str, int] = {}
        """Events that were dropped where none of the variable is left to say so: the next one does."""
        self._definitions: dict[str, bool] = {}
        """Descriptions that wait, each with whether it is wanted in the full form."""
        self._pending_messages: list[tuple[bytes, Handed | None]] = []
        self._handing: list[tuple[int | None, Handed]] = []
        """Whom to tell when the system has taken as many bytes; None where they are not written yet."""

    # What is to be sent

    def answer(self, lines: bytes) -> None:
        """Take an answer; the one who answers sees to it that it is written."""
        self._lines.append(lines)

    def push(self, blob: bytes) -> None:
        """Take what is to be written in this turn of the event loop."""
        if not self.queued:
            self._scheduler.add(self)
        self._lines.append(blob)
        self._size += len(blob)
        if self._size > _MAX_WRITE:
            self._scheduler.end_slice()
            if self._size > _MAX_UNWRITTEN:
                self.flush()

    def write_soon(self) -> None:
        """See to it that what was taken is written in this turn of the event loop."""
        self._scheduler.add(self)

    def deliver(self, name: str, blob: bytes, *, full: bool = False) -> None:
        """Take SUB messages of a variable; while the client does not read, the value of then waits for it."""
        if self.holding:
            held = self._hold(name)
            held.full = full
            held.put_state(None)
        else:
            self.push(blob)

    def deliver_deletion(self, name: str, blob: bytes) -> None:
        """Take the DEL of a variable: it takes the place of its value."""
        if not self.holding:
            self.push(blob)
            return
        self._definitions.pop(name, None)
        held = self._hold(name)
        before = held.size
        held.put_state(blob)
        self._grow(held.size - before)

    def deliver_event(self, name: str, blob: bytes) -> None:
        """Take a SUB message of a value that is not stored; of these, a number waits, in their place."""
        if not self.holding:
            missed = self._missed.pop(name, 0) if self._missed else 0
            self.push(_marked(blob, missed))
            return
        held = self._hold(name)
        before, events = held.size, held.events
        full = self._events >= self._limits.events
        if events and (full or events >= self._limits.events_per_variable):
            held.drop_oldest_event()
        elif full:
            held.missed += 1
            return
        else:
            self._events += 1
        held.put(blob)
        self._grow(held.size - before)

    def deliver_definition(self, name: str, blob: bytes, *, full: bool) -> None:
        """Take a variable's new description; the latest is kept while the client does not read."""
        if self.holding:
            self._definitions[name] = full
        else:
            self.push(blob)

    def deliver_message(
        self, blob: bytes, *, accepted: bool = False, handed: Handed | None = None
    ) -> bool:
        """Take a MSG; False where too many wait already for a client that does not read.

        One that was accepted before, and is kept until the client has it, is always taken; handed
        is called when the system has taken it.
        """
        if not self.paused:
            self._push_message(blob, handed)
            return True
        if not (accepted or self.has_room):
            return False
        self._pending_messages.append((blob, handed))
        return True

    @property
    def has_room(self) -> bool:
        """One more message can be taken, whether the client reads or not."""
        return (
            not self.paused
            or len(self._pending_messages) < self._limits.max_queued_messages
        )

    def _push_message(self, blob: bytes, handed: Handed | None) -> None:
        if handed is not None:
            self._handing.append((None, handed))
        self.push(blob)

    def _hold(self, name: str) -> _Held:
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = _Held(self._missed.pop(name, 0))
            if self._look_up(name) is None:
                # There is no end of names that are no variables.
                held.size = _ENTRY
                self._grow(_ENTRY)
        return held

    def _grow(self, size: int) -> None:
        self._held_size += size
        if self._held_size > self._limits.max_pending_bytes:
            self._scheduler.add(self)

    # Replays

    def stream(self, lines: Iterator[bytes | None]) -> None:
        """Write lines as fast as the client takes them, in its slices; None is a step without a line."""
        self._replay = lines
        self.holding = True

    def pump(self) -> bool:
        """Write on what is streamed and what waited, until the slice is over; return whether something is left."""
        steps = 0
        while not self.paused and not self._ended:
            if self._replay is None:
                if not self._held and not self._definitions:
                    self.holding = False
                    return False
                self._replay = self._take_held()
            for line in self._replay:
                steps += 1
                if line is not None:
                    self._lines.append(line)
                    self._size += len(line)
                if steps % _LOOK_EVERY == 0 and self._scheduler.is_over():
                    return True
                if self._size > _MAX_WRITE:
                    self.flush()
                    break
            else:
                self._replay = None
        return False

    def take_newer(self, name: str) -> bytes | None:
        """Take what waits of a variable whose value of before is about to be sent; None where that is the latest."""
        held = self._held.get(name)
        return self._join(name) if held and held.state_at >= 0 else None

    def take_definition(self, variable: Variable, *, full: bool) -> bytes:
        """Write the description of a variable that is about to be told, whether it waits or not."""
        waiting = self._definitions.pop(variable.name, False)
        return variable.describe(full=full or waiting)

    def _take_held(self) -> Iterator[bytes | None]:
        while self._definitions:
            name = next(iter(self._definitions))
            full = self._definitions.pop(name)
            held = self._held.get(name)
            if held is not None and held.is_deleted:
                # The description is of the variable that came after it.
                yield self._join(name)
            variable = self._look_up(name)
            readable = variable is not None and self._may_read(name)
            yield variable.describe(full=full) if variable and readable else None
        while self._held:
            yield self._join(next(iter(self._held)))

    def _join(self, name: str) -> bytes:
        """Take all that waits of a variable, in one piece: nothing newer may come between."""
        held = self._held.pop(name)
        self._held_size -= held.size
        self._events -= held.events
        if not self._may_read(name):
            return b""
        variable = self._look_up(name)
        lines: list[bytes] = []
        missed = held.missed
        for place, line in enumerate(held.lines):
            if place == held.state_at:
                if line is not None:
                    lines.append(line)
                elif variable and variable.value is not None:
                    lines.append(variable.delivery(self._now() if held.full else None))
            elif line is not None:
                lines.append(_marked(line, missed))
                missed = 0
        if missed:
            self._missed[name] = missed
            if len(self._missed) > self._limits.events:
                self._on_overflow()
        return b"".join(lines)

    # Writing

    def flush(self) -> None:
        """Write what is to be sent, in one piece."""
        if self._held_size > self._limits.max_pending_bytes:
            self._held_size = 0
            self._on_overflow()
            return
        lines = self._lines
        if lines and not self._ended:
            data = lines[0] if len(lines) == 1 else b"".join(lines)
            lines.clear()
            self._size = 0
            self._writer.write(data)
            if self._handing:
                written = self._writer.bytes_written
                self._handing = [
                    (written if end is None else end, handed)
                    for end, handed in self._handing
                ]
                self.settle()

    def settle(self) -> None:
        """Tell of the messages that the system has taken meanwhile."""
        while self._handing:
            end, handed = self._handing[0]
            if end is None or end > self._writer.bytes_taken:
                return
            del self._handing[0]
            handed()

    def pause(self) -> None:
        """The client does not read: hold back what can wait."""
        self.paused = self.holding = True

    def resume(self) -> None:
        """The client reads again; `pump` gives it what waited."""
        self.paused = False
        pending, self._pending_messages = self._pending_messages, []
        for blob, handed in pending:
            self._push_message(blob, handed)

    def end(self) -> None:
        """Write what was taken, and forget what waits."""
        self._held_size = 0
        self.flush()
        self.settle()
        self._ended = True
        self._handing.clear()
        self._replay = None
        self._held.clear()
        self._definitions.clear()
        self._pending_messages.clear()


def _marked(line: bytes, missed: int) -> bytes:
    """Return an event's message, which says how many before it were missed."""
    return wire.add_parameter(line, "MISSED", str(missed)) if missed else line
