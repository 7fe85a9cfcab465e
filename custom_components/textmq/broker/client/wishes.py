"""What holds over all connections of a client, and is brought back in each new one."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final

from . import outgoing
from .outgoing import Command, DescriptionValue

_TOKEN_DIGITS: Final = 32
_DEFS: Final = "defs"
"""The word of CAN= that says that a broker knows sets of descriptions."""


class Wishes:
    """The will, the subscriptions and the descriptions."""

    def __init__(self) -> None:
        """Begin with none."""
        self._will: Command | None = None
        self._subscriptions: dict[str, Command] = {}
        self._descriptions: list[Command] = []
        self.token: str | None = None
        """Names the set of descriptions: another set has another one. None without a set."""

    def set_will(self, command: Command) -> None:
        """Keep a WILL, or drop it where it takes it back."""
        self._will = command if "VALUE" in command.params else None

    def add_subscription(self, command: Command) -> None:
        """Keep a SUB in place of the one with the same text."""
        self._subscriptions[command.params["VARIABLE"]] = command

    def drop_subscription(self, pattern: str) -> None:
        """Keep the SUB with this text no longer."""
        self._subscriptions.pop(pattern, None)

    def drop(self, command: Command) -> None:
        """Keep a command no longer that the broker has refused."""
        if self._will is command:
            self._will = None
        pattern = command.params.get("VARIABLE", "")
        if self._subscriptions.get(pattern) is command:
            del self._subscriptions[pattern]

    def set_descriptions(
        self, descriptions: Mapping[str, Mapping[str, DescriptionValue]]
    ) -> None:
        """Keep a set of descriptions in place of the one before. Raises Refused (bad-name)."""
        self._descriptions = [
            outgoing.describe(variable, description)
            for variable, description in descriptions.items()
        ]
        lines = sorted(repr(sorted(one.params.items())) for one in self._descriptions)
        digest = sha256("\n".join(lines).encode()).hexdigest()
        self.token = digest[:_TOKEN_DIGITS]

    def descriptions(self, capabilities: frozenset[str]) -> Iterator[Command]:
        """Return what describes the variables, and ends the set where the broker knows sets."""
        yield from self._descriptions
        if self.token is not None and _DEFS in capabilities:
            yield outgoing.definitions_end(self.token, len(self._descriptions))

    def restoring(
        self, capabilities: frozenset[str], *, definitions_known: bool
    ) -> list[Command]:
        """Return what brings everything back in a new connection."""
        commands = [] if self._will is None else [self._will]
        if not definitions_known:
            commands += self.descriptions(capabilities)
        commands += self._subscriptions.values()
        return commands
