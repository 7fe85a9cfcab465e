"""Variables and their table: value, time, publisher, description (protocol A5, A6, B6)."""

from collections import Counter
from collections.abc import Iterator

from ..protocol import names, wire
from ..protocol.definitions import Definition

SYSTEM = "$"
"""First character of the names of the broker's own variables (protocol B9)."""


class Variable:
    """A named value; values are in wire form, `text` is what a person reads."""

    __slots__ = (
        "definition",
        "device",
        "dirty",
        "name",
        "owner",
        "prefix",
        "time",
        "value",
    )

    def __init__(self, name: str, owner: str = "") -> None:
        """Make a variable without a value, which counts towards its owner's (a device ID's) share."""
        self.name = name
        self.owner = owner
        self.value: str | None = None
        self.time = 0.0
        self.device = ""
        self.definition: Definition | None = None
        self.prefix = wire.delivery_prefix(name)
        self.dirty = False
        """It has changed and is not saved yet."""

    @property
    def text(self) -> str | None:
        """The value decoded; None where there is none."""
        return None if self.value is None else wire.decode(self.value)

    @property
    def is_new(self) -> bool:
        """It has neither value nor description yet."""
        return self.value is None and self.definition is None

    def delivery(self) -> bytes:
        """Write the current value as a live SUB message."""
        return f"{self.prefix}{self.value}{wire.END}\n".encode("ascii")

    def replay(self) -> bytes:
        """Write the current value as a replay, with its time (protocol B3)."""
        time = wire.encode_time(self.time)
        return f"{self.prefix}{self.value} | TIME={time}{wire.END}\n".encode("ascii")

    def describe(self) -> bytes:
        """Write the description as a DEF message, without TYPE where there is none (protocol B6)."""
        params = {"VARIABLE": self.name}
        if self.definition:
            params |= self.definition.params
        return wire.encode_message("DEF", params)


class Variables:
    """The table of variables."""

    def __init__(self) -> None:
        """Make an empty table."""
        self._by_name: dict[str, Variable] = {}
        self._system = 0
        self._owned: Counter[str] = Counter()
        self._all: tuple[Variable, ...] | None = None

    def __len__(self) -> int:
        """Count the variables, the broker's own not included."""
        return len(self._by_name) - self._system

    def __iter__(self) -> Iterator[Variable]:
        """Iterate over the variables of now, the broker's own not included."""
        return (one for one in self._snapshot() if not one.name.startswith(SYSTEM))

    def get(self, name: str) -> Variable | None:
        """Return a variable by name."""
        return self._by_name.get(name)

    def owned(self, owner: str) -> int:
        """Count the variables that an owner has created."""
        return self._owned[owner]

    def add(self, variable: Variable) -> None:
        """Put a new variable into the table."""
        self._by_name[variable.name] = variable
        self._all = None
        if variable.name.startswith(SYSTEM):
            self._system += 1
        else:
            self._owned[variable.owner] += 1

    def remove(self, variable: Variable) -> None:
        """Take a variable out of the table."""
        del self._by_name[variable.name]
        self._all = None
        self._owned[variable.owner] -= 1
        if not self._owned[variable.owner]:
            del self._owned[variable.owner]

    def search(self, pattern: str) -> Iterator[Variable | None]:
        """Find the variables that a valid filter matches, the broker's own where it names them.

        A step of the search that finds nothing is None, so that a search can rest anywhere.
        What comes or goes meanwhile may be found or not.
        """
        if not names.is_wildcard(pattern):
            yield self._by_name.get(pattern)
            return
        prefix = pattern[: min(pattern.find(sign) for sign in "+#" if sign in pattern)]
        parent = prefix[:-1] if pattern.endswith("/#") else prefix
        for variable in self._snapshot():
            name = variable.name
            if name.startswith(parent) and names.filter_matches(pattern, name):
                yield variable
            else:
                yield None

    def _snapshot(self) -> tuple[Variable, ...]:
        """Return the variables of now: one copy serves all searches until one comes or goes."""
        if self._all is None:
            self._all = tuple(self._by_name.values())
        return self._all
