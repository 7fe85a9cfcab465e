"""Where a client's session stands, and what moves it on (protocol A4)."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class SessionState(Enum):
    """Where the session stands."""

    UNIDENTIFIED = "has not said who it is"
    IDENTIFYING = "has sent ID and has no answer yet"
    WAITING = "knows that a person must decide"
    CONNECTED = "may use all commands"
    CLOSING = "has sent CLOSE and takes the last answers"
    CLOSED = "is over"


class SessionStep(Enum):
    """What moves a session on."""

    IDENTIFY = "ID is sent"
    DELAYED = "a later HELLO? is answered before ID is"
    ALLOWED = "OK to ID"
    REFUSED = "BAD to ID"
    CLOSE = "CLOSE is sent"
    ENDED = "CLOSE comes, or the end of the stream, or what breaks the protocol"


_UNIDENTIFIED, _IDENTIFYING, _WAITING, _CONNECTED, _CLOSING, _CLOSED = SessionState

SESSION_TRANSITIONS: Final[Mapping[tuple[SessionState, SessionStep], SessionState]] = {
    (_UNIDENTIFIED, SessionStep.IDENTIFY): _IDENTIFYING,
    (_IDENTIFYING, SessionStep.DELAYED): _WAITING,
    (_IDENTIFYING, SessionStep.ALLOWED): _CONNECTED,
    (_IDENTIFYING, SessionStep.REFUSED): _UNIDENTIFIED,
    (_WAITING, SessionStep.ALLOWED): _CONNECTED,
    (_WAITING, SessionStep.REFUSED): _UNIDENTIFIED,
    (_CONNECTED, SessionStep.IDENTIFY): _IDENTIFYING,
    **{
        (state, SessionStep.CLOSE): _CLOSING
        for state in (_UNIDENTIFIED, _IDENTIFYING, _WAITING, _CONNECTED)
    },
    **{
        (state, SessionStep.ENDED): _CLOSED
        for state in SessionState
        if state is not _CLOSED
    },
}
"""What is not in it can't happen: the session refuses to send it, or ends where the broker did it."""
