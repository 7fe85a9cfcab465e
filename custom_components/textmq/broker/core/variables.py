"""Variables and their table: value, time, publisher, description (protocol A5, A6, B6)."""

from collections import Counter
from collections.abc import Iterator

from ..protocol import names, wire
from ..protocol.definitions import Definition

SYSTEM = "$"
"""First character of the names of the broker's own variables (protocol B9)."""


NOBODY = names.EVERYONE
"""The account of variables whose owner is forgotten."""


def may_own(device_id: str) -> bool:
    """Tell whether variables can belong to who has this ID (protocol B6)."""
    return device_id not in ("", NOBODY, names.HOME_ASSISTANT)


def full_form(
    time: float, age: float | None, device: str, owner: str, *, will: bool
) -> str:
    """Write what a SUB message in the full form has besides the value (protocol B3)."""
    parts = [
        f" | TIME={wire.encode_time(time)}",
        "" if age is None else f" | AGE={int(age)}",
        f" | DEVICE={device} | OWNER={owner}",
        " | WILL=YES" if will else "",
    ]
    return "".join(parts)


class Variable:
    """A named value; values are in wire form, `text` is what a person reads."""

    __slots__ = (
        "account",
        "definition",
        "described_by",
        "device",
        "dirty",
        "name",
        "prefix",
        "set_count",
        "set_rules",
        "set_token",
        "time",
        "value",
        "will",
    )

    def __init__(self, name: str, account: str = "") -> None:
        """Make a variable without a value, which counts towards the share of an account."""
        self.name = name
        self.account = account
        """Its owner, or who made it where that can't own anything."""
        self.value: str | None = None
        self.time = 0.0
        self.device = ""
        """ID of the device that published it last, "" for a client without one."""
        self.will = False
        """The value is the will of its device (protocol B4)."""
        self.definition: Definition | None = None
        self.described_by = ""
        """ID of the device that described it last."""
        self.set_token = ""
        """Token of the set of descriptions that its description belongs to, "" for none (protocol B6)."""
        self.set_count = 0
        """How many descriptions that set has."""
        self.set_rules = ""
        """Fingerprint of the rules by which it was accepted."""
        self.prefix = wire.delivery_prefix(name)
        self.dirty = False
        """It has changed and is not saved yet."""

    @property
    def owner(self) -> str:
        """ID of the device that it belongs to, "" where it belongs to none (protocol B6)."""
        return self.account if may_own(self.account) else ""

    @property
    def text(self) -> str | None:
        """The value decoded; None where there is none."""
        return None if self.value is None else wire.decode(self.value)

    @property
    def is_new(self) -> bool:
        """It has neither value nor description yet."""
        return self.value is None and self.definition is None

    def age(self, now: float) -> float | None:
        """Return the seconds since its publish; None where its time is later than now (protocol B3)."""
        return now - self.time if self.time <= now else None

    def delivery(self, now: float | None = None) -> bytes:
        """Write the current value as a live SUB message, in the full form of now where that is given."""
        more = "" if now is None else self.full(now)
        return f"{self.prefix}{self.value}{more}{wire.END}\n".encode("ascii")

    def full(self, now: float) -> str:
        """Write what the full form has besides the value (protocol B3)."""
        return full_form(
            self.time, self.age(now), self.device, self.owner, will=self.will
        )

    def replay(self) -> bytes:
        """Write the current value as a replay, with its time (protocol B3)."""
        time = wire.encode_time(self.time)
        return f"{self.prefix}{self.value} | TIME={time}{wire.END}\n".encode("ascii")

    def describe(self, *, full: bool = False) -> bytes:
        """Write the description as a DEF message, without TYPE where there is none (protocol B3, B6)."""
        params = {"VARIABLE": self.name}
        if self.definition:
            params |= self.definition.params
        if full:
            params |= {"DEVICE": self.described_by, "OWNER": self.owner}
        return wire.encode_message("DEF", params)


class Variables:
    """The table of variables."""

    def __init__(self) -> None:
        """Make an empty table."""
        self._by_name: dict[str, Variable] = {}
        self._system = 0
        self._counts: Counter[str] = Counter()
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

    def count(self, account: str) -> int:
        """Count the variables of an account."""
        return self._counts[account]

    def add(self, variable: Variable) -> None:
        """Put a new variable into the table."""
        self._by_name[variable.name] = variable
        self._all = None
        if variable.name.startswith(SYSTEM):
            self._system += 1
        else:
            self._counts[variable.account] += 1

    def remove(self, variable: Variable) -> None:
        """Take a variable out of the table."""
        del self._by_name[variable.name]
        self._all = None
        if variable.name.startswith(SYSTEM):
            self._system -= 1
        else:
            self._uncount(variable.account)

    def move(self, variable: Variable, account: str) -> None:
        """Count a variable towards another account from now on."""
        self._uncount(variable.account)
        variable.account = account
        self._counts[account] += 1

    def _uncount(self, account: str) -> None:
        self._counts[account] -= 1
        if not self._counts[account]:
            del self._counts[account]

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
