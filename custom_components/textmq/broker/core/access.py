"""Who may come in: modes, known devices, the permit window, keys (protocol A4, B7)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
import hmac
from typing import Final, NamedTuple

from ..protocol.names import filter_matches
from ..protocol.reasons import BadReason, Refusal


class AccessMode(StrEnum):
    """What happens to a device that is not known (protocol A4)."""

    APPROVE = "approve"
    OPEN = "open"
    KEY = "key"


class Verdict(Enum):
    """The answer to a device that asks to be let in; a refusal is raised instead."""

    ALLOW = "let in"
    ALLOW_AND_REMEMBER = "let in, and known from now on"
    ASK = "a person decides"


@dataclass(frozen=True, slots=True)
class Rights:
    """What a device that is let in may do: filters of variables, all by default."""

    write: tuple[str, ...] = ("#",)
    read: tuple[str, ...] = ("#", "$SYS/#", "$DEVICES/#")
    message: bool = True

    def may_write(self, name: str) -> bool:
        """Tell whether the device may publish, describe and delete a variable."""
        return any(filter_matches(text, name) for text in self.write)

    def may_read(self, name: str) -> bool:
        """Tell whether the device may get a variable's values."""
        return any(filter_matches(text, name) for text in self.read)


ALL_RIGHTS: Final = Rights()


class Identity(NamedTuple):
    """What a key has proved: the device ID, and the key as it was then."""

    device_id: str
    key: bytes


class Access:
    """Decides who is let in. Whatever is not clearly allowed is refused."""

    def __init__(
        self,
        mode: AccessMode = AccessMode.APPROVE,
        known: Iterable[str] = (),
        keys: Mapping[str, bytes] | None = None,
    ) -> None:
        """Start with the known device IDs and the keys (32 bytes each) by device ID.

        An empty key fits nothing: its device is kept out until it has another one.
        """
        self.mode = mode
        self.known = set(known)
        self.refused: set[str] = set()
        """Device IDs that a person keeps out, in any mode."""
        self.keys = dict(keys or {})
        self.rights: dict[str, Rights] = {}
        """What a device may do, by device ID; all where it is not listed."""
        self.permit_until = 0.0
        """End of the permit window, in seconds of the broker's monotonic clock."""
        self.permit_left = 0
        """Devices that the window lets in yet."""

    @property
    def guests(self) -> bool:
        """Clients without an ID may use the broker."""
        return self.mode is AccessMode.OPEN

    def knows(self, device_id: str) -> bool:
        """Tell whether a person has let a device in for good."""
        return device_id in self.known or device_id in self.keys

    def rights_of(self, device_id: str) -> Rights:
        """Return what a device may do."""
        return self.rights.get(device_id, ALL_RIGHTS)

    def judge(self, device_id: str, identity: Identity | None, now: float) -> Verdict:
        """Judge a device that sends ID; identity is None in plain text.

        Raises Refusal: denied, key-required.
        """
        if device_id in self.refused:
            raise Refusal(BadReason.DENIED, "this device is kept out")
        if identity is not None:
            key = self.keys.get(identity.device_id, b"")
            same = hmac.compare_digest(identity.key, key)
            if not key or not same or identity.device_id != device_id:
                raise Refusal(BadReason.DENIED, "ID must be the identity of the key")
            return Verdict.ALLOW
        if device_id in self.keys or self.mode is AccessMode.KEY:
            raise key_required()
        if self.mode is AccessMode.OPEN or device_id in self.known:
            return Verdict.ALLOW
        return Verdict.ALLOW_AND_REMEMBER if self.is_permitting(now) else Verdict.ASK

    def is_permitting(self, now: float) -> bool:
        """Tell whether the permit window is open; now is of the monotonic clock, in seconds."""
        return now < self.permit_until and self.permit_left > 0


def key_required() -> Refusal:
    """Return the refusal of a device that comes in plain text and must not."""
    return Refusal(BadReason.KEY_REQUIRED, "connect by TLS with this device's key")
