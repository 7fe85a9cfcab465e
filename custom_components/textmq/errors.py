"""What a refusal of the broker says to a person."""

from collections.abc import Mapping
from typing import Final

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .broker import BadReason, Refusal
from .const import DOMAIN
from .safe import plain

# What the person can put right in what was asked for; the others are failures of the moment.
_MISTAKES: Final[Mapping[BadReason, str]] = {
    BadReason.BAD_NAME: "bad_name",
    BadReason.READ_ONLY: "read_only",
    BadReason.TOO_LONG: "too_long",
    BadReason.NO_SUCH_VARIABLE: "no_such_variable",
    BadReason.NO_SUCH_DEVICE: "no_such_device",
}
_FAILURES: Final[Mapping[BadReason, str]] = {
    BadReason.DEVICE_BUSY: "device_busy",
    BadReason.LIMIT: "limit",
}


def translated(refusal: Refusal, name: str) -> HomeAssistantError:
    """Return the exception for a refusal that concerns a variable or device by name."""
    key = _MISTAKES.get(refusal.reason)
    kind = ServiceValidationError if key else HomeAssistantError
    return kind(
        translation_domain=DOMAIN,
        translation_key=key or _FAILURES.get(refusal.reason, "refused"),
        translation_placeholders={
            "name": plain(name),
            "detail": plain(refusal.detail or refusal.reason),
        },
    )
