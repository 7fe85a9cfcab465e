"""What the broker tells those who listen inside its process."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
import logging
from typing import Final

from ..protocol import wire
from ..protocol.reasons import BadReason, CloseReason
from .devices import Device, DeviceDetails
from .variables import Variable

_LOGGER = logging.getLogger(__name__)

_MAX_TOLD_AT_ONCE: Final = 100
"""Publishes that watchers make while they are told of one, before the event loop goes on."""
_END: Final = object()


@dataclass(frozen=True, slots=True)
class Publication:
    """One publish, as watchers see it; values in wire form, device "" for a client without ID."""

    name: str
    value: str
    previous: str | None
    time: float
    device: str
    retain: bool
    will: bool = False

    @property
    def text(self) -> str:
        """The value decoded."""
        return wire.decode(self.value)


type Watcher = Callable[[Publication], None]
"""A subscriber inside this process."""

type Untold = tuple[Iterable[Watcher], Publication]
"""A publish, and who is to be told of it."""


class Observer:
    """What the broker tells; every method does nothing until overridden."""

    def device_waiting(
        self, device_id: str, details: DeviceDetails, address: str
    ) -> None:
        """An unknown device asks to be let in: answer by `approve` or `refuse`, at any time."""

    def device_left(self, device_id: str) -> None:
        """A device that asked to be let in is gone, or has its answer."""

    def device_refused(self, device_id: str, address: str, reason: BadReason) -> None:
        """A device was refused."""

    def device_key_failed(self, device_id: str, address: str) -> None:
        """A device tried TLS with a key that is not its, or without being known to have one."""

    def device_misidentified(self, identity: str, device_id: str, address: str) -> None:
        """A device that came by its own key (identity) said that it is another one."""

    def device_violated(self, device: Device, detail: str) -> None:
        """A device tried what its rights do not allow."""

    def command_refused(
        self,
        device: Device,
        command: str,
        variable: str,
        reason: BadReason,
        detail: str,
    ) -> None:
        """A command of a device that is in was refused, or a line of it can't be read (command "").

        What its rights do not allow is told by `device_violated`. An unknown command that is no
        word, or of a line that may hold a secret, is "", too; its detail is blanked then. The
        variable is "" where the command names none, or no valid one, or where that may be a secret.
        """

    def description_accepted(self, device: Device, variable: str) -> None:
        """A description was accepted as it is, or taken away, whether or not that changes something."""

    def description_adjusted(self, device: Device, variable: str, detail: str) -> None:
        """A description was accepted without something, or with a doubt: the DETAIL of its OK says which."""

    def device_flapping(self, device_id: str, address: str) -> None:
        """An ID connects too often, or two clients use it: it is refused for a while."""

    def device_admitted(self, device: Device) -> None:
        """An unknown device was let in through the permit window and is known from now on."""

    def window_closed(self) -> None:
        """The permit window has let in as many devices as it may, and is over."""

    def device_connected(self, device: Device) -> None:
        """A device has come, or has come again over a new connection, or has told more of itself."""

    def device_disconnected(self, device: Device, reason: CloseReason) -> None:
        """A device has gone; its state tells whether it sleeps."""

    def device_lost(self, device: Device) -> None:
        """A sleeper has not come back within its time."""

    def variable_added(self, variable: Variable) -> None:
        """A variable is new, with its first value or description."""

    def variable_described(self, variable: Variable) -> None:
        """A variable's description has changed or gone, or is another device's now."""

    def variable_deleted(self, variable: Variable) -> None:
        """A variable is gone."""

    def variable_moved(self, variable: Variable, former: str) -> None:
        """A variable belongs to another device; former is the ID of the one before, "" for none."""

    def descriptions_complete(
        self, device_id: str, stale: Collection[Variable]
    ) -> None:
        """A device has told all its descriptions; stale are those of earlier sets (protocol B6)."""

    def stored_changed(self, name: str) -> None:
        """Something else than a variable is to be on file within a second (core/stored.py)."""


class Observers:
    """All observers: what one of them does wrong stops nothing."""

    def __init__(self) -> None:
        """Begin without any."""
        self._observers: list[Observer] = []

    def add(self, observer: Observer) -> Callable[[], None]:
        """Tell an observer from now on; returns a function that ends it."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def notify[*Args](
        self, method: Callable[[Observer, *Args], None], *args: *Args
    ) -> None:
        """Call a method of every observer."""
        for observer in tuple(self._observers):
            try:
                getattr(observer, method.__name__)(*args)
            except Exception:
                _LOGGER.exception("An observer failed in %s", method.__name__)


class Teller:
    """Tells watchers of publishes in their order, of those too that a watcher makes itself."""

    def __init__(self, later: Callable[[Iterator[None]], None]) -> None:
        """Use later for a long piece of work, which is carried out step by step."""
        self._later = later
        self._untold: deque[Untold] = deque()
        self._telling = False

    def tell(self, watchers: Iterable[Watcher], publication: Publication) -> None:
        """Tell watchers of a publish, after those of all publishes before it."""
        self.tell_all(((watchers, publication),))

    def tell_all(self, untold: Iterable[Untold]) -> None:
        """Tell watchers of publishes that are all made already."""
        self._untold.extend(untold)
        if self._telling:
            return
        self._telling = True
        steps = self._tell()
        for _ in range(_MAX_TOLD_AT_ONCE):
            if next(steps, _END) is _END:
                return
        # Watchers that answer publishes by publishes may go on for ever.
        self._later(steps)

    def _tell(self) -> Iterator[None]:
        while self._untold:
            watchers, publication = self._untold.popleft()
            for watcher in watchers:
                try:
                    watcher(publication)
                except Exception:
                    _LOGGER.exception("A watcher of a variable failed")
            yield
        self._telling = False
