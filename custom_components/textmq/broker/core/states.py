"""Where a session stands, and what moves it on (protocol A4)."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    """Where a session stands (protocol A4)."""

    STRANGER = "has not said who it is, and must"
    GUEST = "has not said who it is, and need not"
    WAITING = "waits for a person's decision"
    MEMBER = "is let in under an ID"
    CLOSED = "is over"


class Step(Enum):
    """What moves a session on."""

    ASKED = "a person must decide"
    ALLOWED = "the ID is accepted"
    ENDED = "the connection ends"


TRANSITIONS: Final[Mapping[tuple[State, Step], State]] = {
    (State.STRANGER, Step.ASKED): State.WAITING,
    (State.STRANGER, Step.ALLOWED): State.MEMBER,
    (State.STRANGER, Step.ENDED): State.CLOSED,
    (State.GUEST, Step.ALLOWED): State.MEMBER,
    (State.GUEST, Step.ENDED): State.CLOSED,
    (State.WAITING, Step.ASKED): State.WAITING,
    (State.WAITING, Step.ALLOWED): State.MEMBER,
    (State.WAITING, Step.ENDED): State.CLOSED,
    (State.MEMBER, Step.ASKED): State.WAITING,
    (State.MEMBER, Step.ALLOWED): State.MEMBER,
    (State.MEMBER, Step.ENDED): State.CLOSED,
}

UNAUTHORIZED_STATES: Final = frozenset({State.STRANGER, State.WAITING})
"""States in which only ID, HELLO?, HELLO! and CLOSE are taken."""
