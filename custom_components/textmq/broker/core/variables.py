"""Variables and their table: value, time, publisher, description (protocol A5, A6, B6)."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..protocol import names, wire
from ..protocol.definitions import Definition

if TYPE_CHECKING:
    from .broker import Watcher
    from .outbox import Outbox

SYSTEM = "$"
"""First character of the names of the broker's own variables (protocol B9)."""


class Variable:
    """A named value; values are in wire form, `text` is what a person reads."""

    __slots__ = (
        "definition",
        "device",
        "dirty",
        "generation",
        "head",
        "name",
        "owner",
        "receivers",
        "time",
        "value",
        "watchers",
    )

    def __init__(self, name: str, owner: str = "") -> None:
        """Make a variable without a value, which counts towards its owner's (a device ID's) share."""
        self.name = name
        self.owner = owner
        self.value: str | None = None
        self.time = 0.0
        self.device = ""
        self.definition: Definition | None = None
        self.head = f"START | COMMAND=SUB | VARIABLE={name} | VALUE="
        self.dirty = False
        self.generation = -1
        self.receivers: tuple[Outbox, ...] = ()
        self.watchers: tuple[Watcher, ...] = ()

    @property
    def text(self) -> str | None:
        """The value decoded; None where there is none."""
        return None if self.value is None else wire.decode(self.value)

    def delivery(self) -> bytes:
        """Write the current value as a live SUB message."""
        return f"{self.head}{self.value} | END\n".encode("ascii")

    def replay(self) -> bytes:
        """Write the current value as a replay, with its time (protocol B3)."""
        time = wire.encode_time(self.time)
        return f"{self.head}{self.value} | TIME={time} | END\n".encode("ascii")

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
        self._owned: Counter[str] = Counter()
        self.heads: dict[str, Variable] = {}
        """Variables by the beginning of a canonical PUB of theirs: what a client may write."""

    def __len__(self) -> int:
        """Count the variables, the broker's own not included."""
        return len(self.heads)

    def __iter__(self) -> Iterator[Variable]:
        """Iterate over the variables, the broker's own not included."""
        return iter(self.heads.values())

    def get(self, name: str) -> Variable | None:
        """Return a variable by name."""
        return self._by_name.get(name)

    def owned(self, owner: str) -> int:
        """Count the variables that an owner has created."""
        return self._owned[owner]

    def add(self, variable: Variable) -> None:
        """Put a new variable into the table."""
        self._by_name[variable.name] = variable
        if not variable.name.startswith(SYSTEM):
            self.heads[f"START | COMMAND=PUB | VARIABLE={variable.name}"] = variable
            self._owned[variable.owner] += 1

    def remove(self, variable: Variable) -> None:
        """Take a variable out of the table."""
        del self._by_name[variable.name]
        del self.heads[f"START | COMMAND=PUB | VARIABLE={variable.name}"]
        self._owned[variable.owner] -= 1
        if not self._owned[variable.owner]:
            del self._owned[variable.owner]

    def matching(self, text: str) -> list[Variable]:
        """Return the variables that a valid filter matches, the broker's own where it names them."""
        if not names.is_wildcard(text):
            variable = self._by_name.get(text)
            return [variable] if variable else []
        prefix = text[: min(text.find(sign) for sign in "+#" if sign in text)]
        parent = prefix[:-1] if text.endswith("/#") else prefix
        return [
            variable
            for name, variable in self._by_name.items()
            if name.startswith(parent) and names.filter_matches(text, name)
        ]
