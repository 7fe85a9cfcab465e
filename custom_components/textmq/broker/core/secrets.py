"""What is never stored or told to everyone: commands with codes, passwords (protocol B6)."""

from collections.abc import Collection

from .variables import Variable


class Secrets:
    """Names that a description makes secret."""

    def __init__(self) -> None:
        """Begin without any."""
        self.commands: dict[str, Variable] = {}
        """Variables by the name that their commands are published to: those go to the owner alone."""
        self._hidden: dict[str, None] = {}

    @property
    def names(self) -> Collection[str]:
        """Names whose values are not to be shown."""
        return self.commands.keys() | self._hidden.keys()

    def holds(self, name: str) -> bool:
        """Tell whether what is published to a variable is secret."""
        return name in self.commands or name in self._hidden

    def hides(self, name: str) -> bool:
        """Tell whether a variable's own value is secret: it is never stored or shown."""
        return name in self._hidden

    def describe(self, variable: Variable) -> tuple[str, ...]:
        """Follow a variable's description; returns the names for which something has changed."""
        command = f"{variable.name}/set"
        definition = variable.definition
        before = command in self.commands, variable.name in self._hidden
        self.commands.pop(command, None)
        self._hidden.pop(variable.name, None)
        if definition is not None and definition.secret:
            self.commands[command] = variable
            if definition.hides_value:
                self._hidden[variable.name] = None
        after = command in self.commands, variable.name in self._hidden
        return () if before == after else (variable.name, command)
