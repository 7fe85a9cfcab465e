"""What is to be sent to one client: joined, and bounded where the client does not read (protocol B8)."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, Protocol

from .flusher import Flusher
from .limits import Limits
from .variables import Variable

_PIECE: Final = 1 << 16
"""Bytes that are joined before they are written, at most."""


class Writer(Protocol):
    """Where the bytes go."""

    def write(self, data: bytes) -> None:
        """Send bytes; calls `pause` when too much waits to be sent."""


class Outbox:
    """The output of a client: its answers in their order, deliveries, and what waits while it does not read.

    Of a variable only the newest waits, messages wait up to a number, and nothing else is
    made for the client before it has taken what it was sent.
    """

    __slots__ = (
        "_backlog",
        "_definitions",
        "_ended",
        "_flusher",
        "_held",
        "_held_size",
        "_limits",
        "_lines",
        "_look_up",
        "_messages",
        "_on_overflow",
        "_size",
        "_writer",
        "paused",
        "queued",
    )

    def __init__(
        self,
        writer: Writer,
        flusher: Flusher,
        limits: Limits,
        look_up: Callable[[str], Variable | None],
        on_overflow: Callable[[], None],
    ) -> None:
        """Write to writer; look_up finds a variable that the client may read.

        on_overflow is called in place of writing when more waits than may.
        """
        self._writer = writer
        self._flusher = flusher
        self._limits = limits
        self._look_up = look_up
        self._on_overflow = on_overflow
        self._ended = False
        self.queued = False
        self.paused = False
        """The client does not read."""
        self._lines: list[bytes] = []
        self._size = 0
        self._backlog: Iterator[bytes] | None = None
        self._held: dict[str, bytes | None] | None = None
        self._held_size = 0
        self._definitions: dict[str, None] | None = None
        self._messages: list[bytes] | None = None

    @property
    def busy(self) -> bool:
        """The client is to take what it was sent before its next command is carried out."""
        return self.paused or self._backlog is not None

    def answer(self, lines: bytes) -> None:
        """Take an answer; who answers sees to it that it is written."""
        self._lines.append(lines)

    def push(self, blob: bytes) -> None:
        """Take what is to be written in this turn of the event loop."""
        self.enter_flusher()
        self._lines.append(blob)
        self._size += len(blob)
        if self._size > _PIECE:
            self.flush()

    def enter_flusher(self) -> None:
        """See to it that what was taken is written in this turn of the event loop."""
        if not self.queued:
            self.queued = True
            self._flusher.add(self)

    def deliver(self, name: str, blob: bytes, newest: bytes | None) -> None:
        """Take messages of a variable; newest is kept for it while the client does not read.

        None stands for the value that the variable has when the client reads again.
        """
        if not self.paused:
            self.push(blob)
            return
        if self._held is None:
            self._held = {}
        self._held_size += len(newest or b"") - len(self._held.get(name) or b"")
        self._held[name] = newest
        if self._held_size > self._limits.waiting:
            self.enter_flusher()

    def deliver_definition(self, variable: Variable) -> None:
        """Take a variable's new description; the newest is kept while the client does not read."""
        if not self.paused:
            self.push(variable.describe())
            return
        if self._definitions is None:
            self._definitions = {}
        self._definitions[variable.name] = None

    def deliver_message(self, blob: bytes) -> bool:
        """Take a MSG; False where too many wait already for a client that does not read."""
        if not self.paused:
            self.push(blob)
            return True
        if self._messages is None:
            self._messages = []
        if len(self._messages) >= self._limits.messages:
            return False
        self._messages.append(blob)
        return True

    def stream(self, lines: Iterator[bytes]) -> None:
        """Write lines as fast as the client takes them; it is busy until it has them all."""
        self._backlog = lines
        self._pump()

    def _pump(self) -> None:
        while self._backlog is not None and not self.paused:
            for line in self._backlog:
                self._lines.append(line)
                self._size += len(line)
                if self._size > _PIECE:
                    self.flush()
                    break
            else:
                self._backlog = None

    def flush(self) -> None:
        """Write what is to be sent, in one piece."""
        if self._held_size > self._limits.waiting:
            self._held_size = 0
            self._on_overflow()
            return
        lines = self._lines
        if lines and not self._ended:
            data = lines[0] if len(lines) == 1 else b"".join(lines)
            lines.clear()
            self._size = 0
            self._writer.write(data)

    def pause(self) -> None:
        """The client does not read: hold back what can wait."""
        self.paused = True

    def resume(self) -> None:
        """The client reads again: give it what waited, the newest of each variable."""
        self.paused = False
        if self._messages:
            self._lines.extend(self._messages)
            self._messages = None
        if self._held or self._definitions:
            waited = self._take_held()
            self._backlog = chain(waited, self._backlog or ())
        self._pump()

    def _take_held(self) -> Iterator[bytes]:
        definitions, self._definitions = self._definitions or {}, None
        held, self._held, self._held_size = self._held or {}, None, 0
        return chain(
            self._descriptions(definitions),
            self._newest(held),
        )

    def _descriptions(self, names: dict[str, None]) -> Iterator[bytes]:
        for name in names:
            if variable := self._look_up(name):
                yield variable.describe()

    def _newest(self, held: dict[str, bytes | None]) -> Iterator[bytes]:
        for name, newest in held.items():
            variable = self._look_up(name)
            if newest is not None:
                yield newest
            elif variable and variable.value is not None:
                yield variable.delivery()

    def end(self) -> None:
        """Write what was taken, and forget what waits."""
        self._held_size = 0
        self.flush()
        self._ended = True
        self._backlog = self._held = self._definitions = self._messages = None
