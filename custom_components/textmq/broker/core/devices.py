"""Devices: the ones that are or were here under an ID (protocol B5)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, Self

from ..protocol import wire
from ..protocol.reasons import BadReason, CloseReason, Refusal
from .access import Identity, Rights
from .outbox import Outbox
from .quota import Allowance
from .receipts import Receipts


class DeviceState(StrEnum):
    """Where a device is."""

    CONNECTED = "connected"
    ASLEEP = "asleep"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class DeviceDetails:
    """What a device says of itself with its ID (protocol B5); decoded texts, None where not said."""

    name: str | None = None
    model: str | None = None
    manufacturer: str | None = None
    sw: str | None = None
    mac: str | None = None
    area: str | None = None

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """Read the parameters of ID."""
        return cls(
            **{
                field: wire.decode(value)
                for field in cls.__slots__
                if (value := params.get(field.upper()))
            }
        )


class Will(NamedTuple):
    """What the broker publishes when a client is lost (protocol B4)."""

    name: str
    value: str
    retain: bool


class Peer(Protocol):
    """The session that speaks for a device."""

    rights: Rights
    identity: Identity | None

    @property
    def outbox(self) -> Outbox:
        """What is to be sent to it."""

    @property
    def patterns(self) -> Mapping[str, None]:
        """The names and filters that it subscribed to."""

    def close(self, reason: CloseReason) -> None:
        """End the session."""


class Device:
    """One device; times are seconds, those of the wall clock since 1970."""

    __slots__ = (
        "address",
        "asleep_until",
        "connected_at",
        "connects",
        "details",
        "id",
        "last_seen",
        "receipts",
        "seconds",
        "session",
        "violations",
        "wants_receipts",
        "will",
    )

    def __init__(self, device_id: str) -> None:
        """Make a device that has not been here yet."""
        self.id = device_id
        self.details = DeviceDetails()
        self.session: Peer | None = None
        self.address = ""
        self.connected_at: float | None = None
        self.last_seen: float | None = None
        self.asleep_until: float | None = None
        """End of the announced sleep, in seconds of the monotonic clock; None where awake."""
        self.will: Will | None = None
        """The will of a sleeper, published when it does not come back in time."""
        self.connects: list[float] = []
        """Times of the latest connects, of the monotonic clock."""
        self.seconds: Allowance | None = None
        """What it may cost, over all its connections; None where it has not been here."""
        self.receipts = Receipts()
        self.wants_receipts = False
        """It acknowledges messages, over the connection of now."""
        self.violations = 0
        """How often the device tried what its rights do not allow."""

    @property
    def uses_receipts(self) -> bool:
        """It acknowledges messages, or has done so: its messages get numbers before they are told."""
        return self.wants_receipts or self.receipts.is_used

    @property
    def state(self) -> DeviceState:
        """Where the device is."""
        if self.session is not None:
            return DeviceState.CONNECTED
        if self.asleep_until is not None:
            return DeviceState.ASLEEP
        return DeviceState.DISCONNECTED


class Devices:
    """The table of devices."""

    def __init__(self) -> None:
        """Make an empty table."""
        self._by_id: dict[str, Device] = {}
        self.by_message_prefix: dict[str, Outbox] = {}
        """Outboxes of connected devices by the beginning of a canonical MSG to them."""

    def __len__(self) -> int:
        """Count the devices."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[Device]:
        """Iterate over the devices, in the order of their last connects."""
        return iter(self._by_id.values())

    def get(self, device_id: str) -> Device | None:
        """Return a device by ID."""
        return self._by_id.get(device_id)

    def is_there(self, device_id: str) -> bool:
        """Tell whether a device is connected, or asleep within its time."""
        device = self._by_id.get(device_id)
        return device is not None and device.state is not DeviceState.DISCONNECTED

    def make_room(
        self, device_id: str, limit: int, may_forget: Callable[[Device], bool]
    ) -> Device | None:
        """Forget the longest gone that may be forgotten, where a new ID would be one too many; return it.

        Raises Refusal (limit) where there is none.
        """
        if device_id in self._by_id or len(self._by_id) < limit:
            return None
        gone = next((one for one in self if may_forget(one)), None)
        if gone is None:
            raise Refusal(BadReason.LIMIT, "there are too many devices already")
        return self._by_id.pop(gone.id)

    def enter(self, device_id: str) -> Device:
        """Return the device of an ID, made where it is new, as the latest of all."""
        device = self._by_id.pop(device_id, None) or Device(device_id)
        self._by_id[device_id] = device
        return device

    def attach(self, device: Device, session: Peer) -> None:
        """Connect a device with the session that speaks for it."""
        device.session = session
        self.by_message_prefix[wire.message_prefix(device.id)] = session.outbox

    def detach(self, device: Device) -> None:
        """Part a device from its session."""
        device.session = None
        del self.by_message_prefix[wire.message_prefix(device.id)]

    def forget(self, device_id: str) -> None:
        """Remove a device that is not connected."""
        self._by_id.pop(device_id, None)
