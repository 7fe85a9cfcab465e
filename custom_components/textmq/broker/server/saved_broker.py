"""What the saver needs of a broker."""

from collections.abc import Callable, Iterable
from typing import Protocol

from ..core.observers import Observer
from ..core.stored import Stored
from ..core.variables import Variable


class VariableTable(Protocol):
    """Finds variables by name."""

    def get(self, name: str) -> Variable | None:
        """Return a variable, None where there is none."""


class SavedArchive(Protocol):
    """Knows what is to be on file besides variables."""

    def saving_begins(self) -> None:
        """From now on what changes is saved, and `saved` tells of it."""

    def stored(self, name: str) -> Stored | None:
        """Return what is to be on file under a name of core/stored.py, None where nothing is."""

    def saved(self, names: Iterable[str]) -> None:
        """Take names of core/stored.py that are on file as `stored` has said last, or can't be for a while."""


class SavedBroker(Protocol):
    """What a saver needs of a broker."""

    @property
    def now(self) -> Callable[[], float]:
        """The wall's clock, in seconds since 1970."""

    @property
    def changed(self) -> dict[str, None]:
        """Names of what is to be saved."""

    def take_changed(self) -> dict[str, None]:
        """Take these names: they are not to be saved again until they change again."""

    @property
    def variables(self) -> VariableTable:
        """The variables; one that is `dirty` is in `changed`."""

    @property
    def archive(self) -> SavedArchive:
        """All else."""

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell an observer what happens; returns a function that ends it."""

    def flush(self) -> None:
        """Write in the next turn of the event loop what clients are to be told."""
