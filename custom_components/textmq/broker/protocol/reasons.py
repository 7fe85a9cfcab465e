"""Why a command was not carried out, why a connection ended (protocol B1)."""

from enum import StrEnum
from typing import Final


class BadReason(StrEnum):
    """Why a command was not carried out: REASON of BAD (protocol B1)."""

    MALFORMED = "malformed"
    TOO_LONG = "too-long"
    UNKNOWN_COMMAND = "unknown-command"
    MISSING_PARAMETER = "missing-parameter"
    BAD_NAME = "bad-name"
    NOT_AUTHORIZED = "not-authorized"
    DENIED = "denied"
    KEY_REQUIRED = "key-required"
    NO_SUCH_VARIABLE = "no-such-variable"
    NO_SUCH_DEVICE = "no-such-device"
    DEVICE_BUSY = "device-busy"
    READ_ONLY = "read-only"
    FORBIDDEN = "forbidden"
    BAD_DEFINITION = "bad-definition"
    LIMIT = "limit"


class CloseReason(StrEnum):
    """Why a connection ended; those that the broker decides are REASON of CLOSE (protocol B1)."""

    CLIENT_CLOSE = "client-close"
    SLEEP = "sleep"
    LOST = "lost"
    TAKEN_OVER = "taken-over"
    KEEP_ALIVE = "keep-alive"
    IDENTIFY_TIMEOUT = "identify-timeout"
    DENIED = "denied"
    REVOKED = "revoked"
    DISCONNECTED = "disconnected"
    MALFORMED = "malformed"
    LIMIT = "limit"
    SLOW_READER = "slow-reader"
    HTTP = "http"
    TLS = "tls"
    INTERNAL_ERROR = "internal-error"
    SHUTDOWN = "shutdown"


SILENT_CLOSES: Final = frozenset({CloseReason.HTTP, CloseReason.TLS})
"""Ends of connections that speak another protocol: they get no answer."""


class Refusal(Exception):
    """A command is not carried out; carries the REASON and DETAIL of its BAD."""

    def __init__(self, reason: BadReason, detail: str = "") -> None:
        """Keep reason and detail."""
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class Violation(Refusal):
    """A command that the rights of its device do not allow (forbidden)."""

    def __init__(self, detail: str) -> None:
        """Keep the detail."""
        super().__init__(BadReason.FORBIDDEN, detail)
