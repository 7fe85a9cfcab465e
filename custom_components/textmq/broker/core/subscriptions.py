"""Who wants what: exact names in a dict, filters in a trie (protocol B3).

Nothing here runs a regular expression on what a client sent; matching is linear in the
length of the name and the number of filters that share its levels.
"""

from collections.abc import Iterator

from ..protocol import names


class _Level[S]:
    """A node of the trie: the filters that end here, those that end with # below, and those that go on."""

    __slots__ = ("below", "here", "levels")

    def __init__(self) -> None:
        self.levels: dict[str, _Level[S]] = {}
        self.here: dict[S, bool] = {}
        self.below: dict[S, bool] = {}

    @property
    def unused(self) -> bool:
        return not (self.levels or self.here or self.below)


class Subscriptions[S]:
    """Subscribers by what they subscribed to; each keeps whether it wants descriptions too (DEF=YES)."""

    def __init__(self) -> None:
        """Make an empty set."""
        self._exact: dict[str, dict[S, bool]] = {}
        self._root = _Level[S]()

    def add(self, text: str, subscriber: S, *, definitions: bool = False) -> None:
        """Subscribe to a valid name or filter; again changes the option."""
        if not names.is_wildcard(text):
            self._exact.setdefault(text, {})[subscriber] = definitions
            return
        *above, last = text.split("/")
        level = self._root
        for key in above if last == "#" else (*above, last):
            level = level.levels.setdefault(key, _Level())
        (level.below if last == "#" else level.here)[subscriber] = definitions

    def remove(self, text: str, subscriber: S) -> None:
        """Take back a subscription that was added."""
        if not names.is_wildcard(text):
            del self._exact[text][subscriber]
            if not self._exact[text]:
                del self._exact[text]
            return
        *above, last = text.split("/")
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

    def match(self, name: str) -> dict[S, bool]:
        """Return who wants a variable, each once, with whether it wants descriptions."""
        found = dict(self._exact.get(name, {}))
        if self._root.unused:
            return found
        for subscribers in self._match(name):
            for subscriber, definitions in subscribers.items():
                found[subscriber] = definitions or found.get(subscriber, False)
        return found

    def _match(self, name: str) -> Iterator[dict[S, bool]]:
        levels = [self._root]
        wild = not name.startswith("$")
        for text in name.split("/"):
            if wild:
                for level in levels:
                    yield level.below
            keys = (text, "+") if wild else (text,)
            levels = [
                level.levels[key]
                for level in levels
                for key in keys
                if key in level.levels
            ]
            wild = True
        for level in levels:
            yield level.here
            yield level.below
