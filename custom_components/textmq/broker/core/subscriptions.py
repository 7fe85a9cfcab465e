"""Who wants what: exact names in a dict, filters in a trie (protocol B3).

Nothing here runs a regular expression on what a client sent; matching is linear in the
length of the name and the number of filters that share its levels.
"""

from collections.abc import Iterator
from typing import Final

from ..protocol import names

DEFINITIONS: Final = 1
"""Wish of a subscriber: descriptions too (DEF=YES)."""
FULL: Final = 2
"""Wish of a subscriber: all that is known with each value (FULL=YES)."""

_SUBSCRIPTION: Final = 250
"""Bytes that a subscription takes besides its text, about."""
_NODE: Final = 450
"""Bytes that a level of a filter takes, about."""


def levels(pattern: str) -> int:
    """Count the levels of a filter that is to be searched, none for a plain name."""
    return pattern.count("/") + 1 if names.is_wildcard(pattern) else 0


def size(pattern: str) -> int:
    """Estimate the memory that a subscription takes, in bytes."""
    return _SUBSCRIPTION + 2 * len(pattern) + _NODE * levels(pattern)


class _Level[S]:
    """A node of the trie: the filters that end here, those that end with # below, and those that go on."""

    __slots__ = ("below", "here", "levels")

    def __init__(self) -> None:
        self.levels: dict[str, _Level[S]] = {}
        self.here: dict[S, int] = {}
        self.below: dict[S, int] = {}

    @property
    def unused(self) -> bool:
        return not (self.levels or self.here or self.below)


class Subscriptions[S]:
    """Subscribers by what they subscribed to, each with its wishes."""

    def __init__(self) -> None:
        """Make an empty set."""
        self._exact: dict[str, dict[S, int]] = {}
        self._root = _Level[S]()
        self.nodes = 0
        """Levels of all filters together, those that filters share counted once."""
        self.bytes = 0
        """Memory of all subscriptions together, as estimated."""

    def add(self, pattern: str, subscriber: S, wishes: int = 0) -> None:
        """Subscribe to a valid name or filter; again changes the wishes."""
        subscribers = self._subscribers(pattern)
        if subscriber not in subscribers:
            self.bytes += size(pattern)
        subscribers[subscriber] = wishes

    def _subscribers(self, pattern: str) -> dict[S, int]:
        """Return the subscribers of a name or filter, to add to them."""
        if not names.is_wildcard(pattern):
            return self._exact.setdefault(pattern, {})
        *above, last = pattern.split("/")
        level = self._root
        for key in above if last == "#" else (*above, last):
            if key not in level.levels:
                level.levels[key] = _Level()
                self.nodes += 1
            level = level.levels[key]
        return level.below if last == "#" else level.here

    def remove(self, pattern: str, subscriber: S) -> None:
        """Take back a subscription that was added."""
        self.bytes -= size(pattern)
        if not names.is_wildcard(pattern):
            del self._exact[pattern][subscriber]
            if not self._exact[pattern]:
                del self._exact[pattern]
            return
        *above, last = pattern.split("/")
        level = self._root
        path: list[tuple[_Level[S], str]] = []
        for key in above if last == "#" else (*above, last):
            path.append((level, key))
            level = level.levels[key]
        del (level.below if last == "#" else level.here)[subscriber]
        for parent, key in reversed(path):
            if not parent.levels[key].unused:
                break
            del parent.levels[key]
            self.nodes -= 1

    def match(self, name: str) -> dict[S, int]:
        """Return the subscribers of a variable, each once, with all that it wishes."""
        found = dict(self._exact.get(name, {}))
        if self._root.unused:
            return found
        for subscribers in self._match(name):
            for subscriber, wishes in subscribers.items():
                found[subscriber] = wishes | found.get(subscriber, 0)
        return found

    def _match(self, name: str) -> Iterator[dict[S, int]]:
        reached = [self._root]
        wild = not name.startswith("$")
        for text in name.split("/"):
            if wild:
                for level in reached:
                    yield level.below
            keys = (text, "+") if wild else (text,)
            reached = [
                level.levels[key]
                for level in reached
                for key in keys
                if key in level.levels
            ]
            wild = True
        for level in reached:
            yield level.here
            yield level.below
