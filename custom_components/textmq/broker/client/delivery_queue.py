"""What waits for the application: in order, bounded, and no message lost."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import replace
from itertools import count
from typing import Final

from .deliveries import Deletion, Delivery, Description, MessageReceived, Value

MAX_WAITING: Final = 1000
"""Deliveries that wait before nothing more is read, unless an answer is awaited."""
MAX_VALUES: Final = 8
"""Values of one variable that may be events and wait while there is no room: as many as a broker keeps (B4)."""
_OVERFLOW: Final = 16
"""So many times the bound above is too much, whatever is awaited."""


class DeliveryQueue:
    """Deliveries of a client over all its connections.

    Of a stored value only the newest waits. Values that may be events wait as they came; while
    there is no room, and an answer is awaited so that reading must go on, only the latest of
    each variable do, and the oldest of them tells how many were missed.
    """

    def __init__(self, most: int = MAX_WAITING) -> None:
        """Have room for this many."""
        self._most = most
        self._entries: OrderedDict[int, Delivery] = OrderedDict()
        self._numbers = count()
        self._numbers_of: dict[str, deque[int]] = {}
        """Where the entries of a variable stand."""
        self._came = asyncio.Event()
        self._ended = False
        self.pressed = False
        """An answer is awaited: what comes can't be held up."""

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._entries)

    @property
    def crowded(self) -> bool:
        """Whether no more should come unless an answer is awaited."""
        return len(self._entries) >= self._most

    @property
    def overflowing(self) -> bool:
        """Whether it is too much although an answer is awaited."""
        return len(self._entries) >= self._most * _OVERFLOW

    def put(self, delivery: Delivery) -> None:
        """Add a delivery."""
        if isinstance(delivery, MessageReceived):
            self._entries[next(self._numbers)] = delivery
        else:
            self._put_of_variable(delivery)
        self._came.set()

    def _put_of_variable(self, delivery: Value | Deletion | Description) -> None:
        numbers = self._numbers_of.setdefault(delivery.variable, deque())
        if numbers and _replaces(delivery, self._entries[numbers[-1]]):
            self._entries[numbers[-1]] = delivery
            return
        number = next(self._numbers)
        self._entries[number] = delivery
        numbers.append(number)
        if self.pressed and self.crowded:
            while len(numbers) > MAX_VALUES and self._drop_oldest(numbers):
                pass

    def _drop_oldest(self, numbers: deque[int]) -> bool:
        """Drop the oldest of a variable where the next one can tell of it; return whether it could."""
        oldest, following = (self._entries[numbers[at]] for at in (0, 1))
        if not (isinstance(oldest, Value) and isinstance(following, Value)):
            return False
        missed = oldest.missed + following.missed + 1
        self._entries[numbers[1]] = replace(following, missed=missed)
        del self._entries[numbers.popleft()]
        return True

    async def get(self) -> Delivery | None:
        """Wait for the next delivery and take it; None after the end."""
        while not self._entries:
            if self._ended:
                return None
            self._came.clear()
            await self._came.wait()
        _, delivery = self._entries.popitem(last=False)
        if not isinstance(delivery, MessageReceived):
            numbers = self._numbers_of[delivery.variable]
            numbers.popleft()
            if not numbers:
                del self._numbers_of[delivery.variable]
        return delivery

    def end(self) -> None:
        """Say that nothing more comes; what waits can still be taken."""
        self._ended = True
        self._came.set()


def _replaces(delivery: Delivery, former: Delivery) -> bool:
    """Tell whether a delivery makes the one before it of the same variable worthless."""
    return (
        isinstance(delivery, Value)
        and isinstance(former, Value)
        and delivery.retain is True
        and former.retain is True
        and not delivery.missed
    )
