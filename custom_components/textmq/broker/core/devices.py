"""Devices: who is or was here under an ID, and the messages that wait for them (protocol B5)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Self

from ..protocol import wire

if TYPE_CHECKING:
    from .outbox import Outbox
    from .session import Session


class DeviceState(StrEnum):
    """Where a device is."""

    CONNECTED = "connected"
    ASLEEP = "asleep"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class DeviceInfo:
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


class Queued(NamedTuple):
    """A MSG that waits for its device until a time of the monotonic clock."""

    line: bytes
    until: float


class Device:
    """One device; times are seconds, those of the wall clock since 1970."""

    __slots__ = (
        "address",
        "asleep_until",
        "connected_at",
        "connects",
        "id",
        "info",
        "last_seen",
        "queue",
        "session",
        "violations",
        "will",
    )

    def __init__(self, device_id: str) -> None:
        """Make a device that has not been here yet."""
        self.id = device_id
        self.info = DeviceInfo()
        self.session: Session | None = None
        self.address = ""
        self.connected_at: float | None = None
        self.last_seen: float | None = None
        self.asleep_until: float | None = None
        """End of the announced sleep, in seconds of the monotonic clock; None where awake."""
        self.will: Will | None = None
        """The will of a sleeper, published when it does not come back in time."""
        self.queue: list[Queued] = []
        self.connects: list[float] = []
        """Times of the latest connects, of the monotonic clock."""
        self.violations = 0
        """How often the device tried what its rights do not allow."""

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

    def __init__(self, limit: int) -> None:
        """Remember at most limit devices: of those not here the longest gone is forgotten."""
        self._by_id: dict[str, Device] = {}
        self._limit = limit
        self.queued = 0
        """Bytes of all messages that wait."""
        self.heads: dict[str, Outbox] = {}
        """Connected devices by the beginning of a canonical MSG to them."""

    def __len__(self) -> int:
        """Count the devices."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[Device]:
        """Iterate over the devices, in the order of their last connects."""
        return iter(self._by_id.values())

    def get(self, device_id: str) -> Device | None:
        """Return a device by ID."""
        return self._by_id.get(device_id)

    def enter(self, device_id: str) -> Device:
        """Return the device of an ID, made where it is new, as the latest of all."""
        device = self._by_id.pop(device_id, None) or Device(device_id)
        self._by_id[device_id] = device
        if len(self._by_id) > self._limit:
            gone = next((one for one in self if one.session is None), None)
            if gone:
                self.forget(gone.id)
        return device

    def queue(self, device: Device, message: Queued) -> None:
        """Let a message wait for a device."""
        device.queue.append(message)
        self.queued += len(message.line)

    def take_queue(self, device: Device, now: float) -> list[bytes]:
        """Take what waits for a device and has not expired, now being of the monotonic clock."""
        self.expire(device, now)
        lines = [message.line for message in device.queue]
        self._clear_queue(device)
        return lines

    def expire(self, device: Device, now: float) -> None:
        """Drop the messages for a device whose time has passed."""
        left = [message for message in device.queue if message.until > now]
        if len(left) < len(device.queue):
            self._clear_queue(device)
            for message in left:
                self.queue(device, message)

    def _clear_queue(self, device: Device) -> None:
        self.queued -= sum(len(message.line) for message in device.queue)
        device.queue.clear()

    def attach(self, device: Device, session: "Session") -> None:
        """Connect a device with the session that speaks for it."""
        device.session = session
        self.heads[f"START | COMMAND=MSG | DEVICE={device.id}"] = session.output

    def detach(self, device: Device) -> None:
        """Part a device from its session."""
        device.session = None
        del self.heads[f"START | COMMAND=MSG | DEVICE={device.id}"]

    def forget(self, device_id: str) -> None:
        """Remove a device that is not connected, and what waits for it."""
        if device := self._by_id.pop(device_id, None):
            self._clear_queue(device)
