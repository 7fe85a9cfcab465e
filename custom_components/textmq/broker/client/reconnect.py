"""When a client connects again (its states, and how long it waits)."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from ..protocol.reasons import BadReason, CloseReason
from .deliveries import VIOLATION


class Phase(Enum):
    """Where a client stands between its start and its end, over all its connections."""

    IDLE = "has not begun"
    CONNECTING = "connects"
    IDENTIFYING = "has said who it is"
    WAITING = "waits for a person's decision"
    RESTORING = "brings back its will, its subscriptions and its descriptions"
    CONNECTED = "is connected"
    BACKING_OFF = "waits before it connects again"
    STOPPED = "is over"


class PhaseStep(Enum):
    """What moves a client on."""

    TRY = "it is time to connect"
    OPENED = "the connection is open"
    DELAYED = "a person must decide"
    ALLOWED = "it is let in"
    RESTORED = "all is as it was before"
    FAILED = "there is no connection, or it has ended"
    STOP = "it is closed"


PHASE_TRANSITIONS: Final[Mapping[tuple[Phase, PhaseStep], Phase]] = {
    (Phase.IDLE, PhaseStep.TRY): Phase.CONNECTING,
    (Phase.BACKING_OFF, PhaseStep.TRY): Phase.CONNECTING,
    (Phase.CONNECTING, PhaseStep.OPENED): Phase.IDENTIFYING,
    (Phase.IDENTIFYING, PhaseStep.DELAYED): Phase.WAITING,
    (Phase.IDENTIFYING, PhaseStep.ALLOWED): Phase.RESTORING,
    (Phase.WAITING, PhaseStep.ALLOWED): Phase.RESTORING,
    (Phase.RESTORING, PhaseStep.RESTORED): Phase.CONNECTED,
    **{
        (phase, PhaseStep.FAILED): Phase.BACKING_OFF
        for phase in (
            Phase.CONNECTING,
            Phase.IDENTIFYING,
            Phase.WAITING,
            Phase.RESTORING,
            Phase.CONNECTED,
        )
    },
    **{(phase, PhaseStep.STOP): Phase.STOPPED for phase in Phase},
}

UNREACHABLE: Final = "unreachable"
"""Reason: no connection came about."""
TLS_FAILED: Final = "tls-failed"
"""Reason: the broker does not know this key, or does not encrypt."""

_INITIAL: Final = 1.0
_FACTOR: Final = 1.8
_MOST: Final = 60.0
"""Seconds between two tries, for what may be over at any time."""
_MOST_TRIES: Final = 10
"""More of them change nothing."""
_STABLE: Final = 10.0
"""Seconds after which a connection counts as one that works."""

LEAST_DELAY: Final[Mapping[str, float]] = {
    CloseReason.TAKEN_OVER: 60.0,
    CloseReason.LIMIT: 60.0,
    CloseReason.DENIED: 300.0,
    BadReason.KEY_REQUIRED: 300.0,
    BadReason.BAD_NAME: 300.0,
    CloseReason.REVOKED: 60.0,
    CloseReason.MALFORMED: 60.0,
    VIOLATION: 60.0,
    TLS_FAILED: 60.0,
}
"""Seconds to wait at least where a person has to do something before another try makes sense.

With a take-over it is another device with the same ID: two that come back at once throw each other out.
"""


class Backoff:
    """How long to wait before the next try: more each time, with some chance in it."""

    def __init__(self, random: Callable[[], float]) -> None:
        """Take numbers from 0 to 1, so that a house full of devices does not come back as one."""
        self._random = random
        self._tries = 0

    def delay(self, reason: str, lasted: float) -> float:
        """Return the seconds to wait after a connection that lasted so many and ended for a reason."""
        if lasted >= _STABLE:
            self._tries = 0
        delay = min(_INITIAL * _FACTOR ** min(self._tries, _MOST_TRIES), _MOST)
        self._tries += 1
        return max(delay, LEAST_DELAY.get(reason, 0.0)) * (0.5 + self._random() / 2)
