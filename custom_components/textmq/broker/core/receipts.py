"""Numbers by which a device acknowledges messages (protocol B5)."""

from typing import Final

RESERVE: Final = 1000
"""Numbers that are put on file at once, before the first of them is used."""


class Receipts:
    """The numbers of one device: each is used once, over restarts too."""

    __slots__ = ("_asked", "_reserved", "_writing", "last")

    def __init__(self, last: int = 0) -> None:
        """Go on after the last number that may have been used."""
        self.last = last
        self._reserved = self._writing = self._asked = last

    @property
    def is_used(self) -> bool:
        """A number was used, or is to be."""
        return self._asked > 0

    def go_on_after(self, number: int) -> None:
        """Use no number up to this one."""
        self.last = max(self.last, number)

    def needs_reserve(self) -> bool:
        """Tell whether more numbers are to be put on file now: `write` says how many."""
        if self._asked > self._reserved or self._reserved - self.last > RESERVE // 2:
            return False
        self._asked += RESERVE
        return True

    def write(self) -> int:
        """Return the number to put on file: none above it is used before another one is there."""
        self._writing = self._asked
        return self._writing

    def written(self) -> None:
        """What `write` has said last is on file, or can't be."""
        self._reserved = self._writing

    def take(self) -> int:
        """Return the next number, 0 where none is reserved."""
        if self.last >= self._reserved:
            return 0
        self.last += 1
        return self.last
