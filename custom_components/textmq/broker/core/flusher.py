"""When what was queued for clients is written: few system calls, and no waiting for them.

With several publishers at work the output of a whole turn of the event loop is joined, one
write for each client. With a single one nothing can be joined, so it is written at once,
the deliveries before the publisher's own answers. Every so often a write is put off to see
which of the two is at hand.
"""

from collections.abc import Callable
from typing import Final, Protocol

_PROBE_EVERY: Final = 16


class Writable(Protocol):
    """What is to be sent to one client."""

    queued: bool

    def flush(self) -> None:
        """Write the output."""


class Flusher:
    """The sessions whose output waits to be written."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        """Use call_soon to get called in the next turn of the event loop."""
        self._call_soon = call_soon
        self._outputs: list[Writable] = []
        self._scheduled = False
        self._batches = 0
        self._direct = 0

    def add(self, output: Writable) -> None:
        """Note that a session has output; it sets `queued` to be added once only."""
        self._outputs.append(output)

    def schedule(self) -> None:
        """See to it that everything is written in the next turn of the loop."""
        if self._outputs and not self._scheduled:
            self._scheduled = True
            self._batches = 0
            self._call_soon(self._write_scheduled)

    def batch_done(self, output: Writable) -> None:
        """Write after a batch of received commands; output is the session that received them."""
        self._batches += 1
        if self._direct and not self._scheduled and self._outputs:
            self._direct -= 1
            self._write()
        output.flush()
        if self._outputs:
            self.schedule()

    def _write_scheduled(self) -> None:
        self._scheduled = False
        if not self._batches:
            self._direct = _PROBE_EVERY - 1
        self._write()

    def _write(self) -> None:
        outputs, self._outputs = self._outputs, []
        for output in outputs:
            output.queued = False
        for output in outputs:
            output.flush()
