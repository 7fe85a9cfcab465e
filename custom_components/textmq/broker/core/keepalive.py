"""Whether a client is still there (protocol A4)."""

from enum import Enum

from .limits import Limits


class Life(Enum):
    """What a look at a client shows."""

    ALIVE = "it has given a sign of life"
    QUIET = "it has not, but need not yet"
    ASK = "it is to be asked"
    LOST = "it has not answered in time"


class KeepAlive:
    """Asks a silent client, and gives up one that does not answer.

    A message is a sign of life, bytes without one are not. Of a client that does not read it is a
    sign of life that the system gets rid of bytes.
    """

    __slots__ = ("_asked_at", "_limits", "_silent_since", "_unsent", "alive", "wanted")

    def __init__(self, limits: Limits, now: float) -> None:
        """Begin with a client that has just come; times are of the monotonic clock, in seconds."""
        self._limits = limits
        self.alive = False
        """It has sent a message since the last look."""
        self._silent_since = now
        self._asked_at: float | None = None
        self._unsent = 0
        self.wanted: float | None = None
        """The interval that the client asked for, in seconds; None where it did not."""

    @property
    def interval(self) -> float:
        """Silence after which the client is asked, in seconds."""
        return self._limits.keepalive if self.wanted is None else self.wanted

    def begin(self, now: float) -> None:
        """Begin with a client that has been let in, whatever it was asked before."""
        self._silent_since = now
        self._asked_at = None

    def look(self, now: float, *, excused: bool, unsent: int, patient: bool) -> Life:
        """Look at the client.

        excused means that it can't give a sign of life; unsent is what the system has not taken
        of what was written to it, in bytes; patient is the look at one that waits for a person.
        """
        progress = unsent < self._unsent
        self._unsent = unsent
        if self.alive or progress or excused:
            self.alive = False
            self._silent_since = now
            self._asked_at = None
            return Life.ALIVE
        if self._asked_at is None:
            if now - self._silent_since < self.interval:
                return Life.QUIET
            self._asked_at = now
            return Life.ASK
        limits = self._limits
        timeout = limits.decision_timeout if patient else limits.keepalive_timeout
        return Life.LOST if now - self._asked_at >= timeout else Life.QUIET
