"""What is to be saved: the names of what has changed (protocol A6)."""

from .observers import Observer, Observers
from .variables import Variable


class Changes:
    """Names of variables, and of what else is on file (core/stored.py), since they were taken last."""

    def __init__(self, observers: Observers) -> None:
        """Tell observers of what is to be saved soon."""
        self._observers = observers
        self.names: dict[str, None] = {}
        """Always the same object: the way of a publish adds to it itself."""

    def add(self, variable: Variable) -> None:
        """Note a variable that is to be saved."""
        variable.dirty = True
        self.names[variable.name] = None

    def add_urgent(self, name: str) -> None:
        """Note what is to be on file within a second."""
        self.names[name] = None
        self._observers.notify(Observer.stored_changed, name)

    def drop(self, name: str) -> None:
        """Save nothing under a name that was never on file, and is gone again."""
        self.names.pop(name, None)

    def take(self) -> dict[str, None]:
        """Take the names: they are not to be saved again until they change again."""
        taken = dict(self.names)
        self.names.clear()
        return taken
