"""What can go wrong for those that use the client."""

from typing import Self

from ..protocol.reasons import Refusal


class ClientError(Exception):
    """Anything that a client raises for its use of the protocol."""


class ConnectionLost(ClientError, ConnectionError):
    """There is no connection, or it ended before the answer: whether the command was carried out is not known."""


class NotAllowedNow(ClientError):
    """The session can't send this command in its present state."""


class TooManyUnanswered(ClientError):
    """As many commands wait for their answers as a session keeps: receive first."""


class Refused(ClientError):
    """A command was not carried out (protocol B1)."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """Keep REASON, which equals a BadReason unless the broker is newer, and DETAIL as text."""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    @classmethod
    def of(cls, refusal: Refusal) -> Self:
        """Make the error for what is refused before it is sent."""
        return cls(refusal.reason, refusal.detail)
