"""How much has gone over the wire."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Messages since the broker was made, of all clients."""

    received: int = 0
    sent: int = 0

    def count(self, lines: Iterator[bytes | None]) -> Iterator[bytes | None]:
        """Count lines that are being sent; None is a step without one."""
        for line in lines:
            if line is not None:
                self.sent += line.count(b"\n")
            yield line
