"""What Home Assistant needs of a broker, wherever that runs.

What is read is a mirror: synchronous, never awaited. What changes something, or asks the broker,
is a coroutine, and raises Refusal where the broker refuses it, BrokerGone where it can't be
reached.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..broker import (
    CloseReason,
    Delivery,
    Device,
    DeviceDetails,
    DeviceState,
    Limits,
    Observer,
    Publication,
    Rights,
    Variable,
)

type Unlisten = Callable[[], None]


class BrokerGone(Exception):
    """The broker can't be reached now."""


class Approval(NamedTuple):
    """What an approved device comes by, and what it may do."""

    key: bytes | None
    rights: Rights


@dataclass(frozen=True, slots=True)
class Waiting:
    """A device that asks to be approved."""

    address: str
    details: DeviceDetails


class RememberedDevice(NamedTuple):
    """What is remembered of a device over a restart; times in seconds since 1970."""

    address: str
    last_seen: float | None
    asleep_until: float | None
    present: bool
    """It was connected, or asleep within its time."""


class VariableTable(Protocol):
    """The variables, the broker's own not included."""

    def __len__(self) -> int:
        """Count them."""

    def __iter__(self) -> Iterator[Variable]:
        """Iterate over those of now."""

    def get(self, name: str) -> Variable | None:
        """Return one by its name."""


class DeviceTable(Protocol):
    """The devices that are, or were, here."""

    def __iter__(self) -> Iterator[Device]:
        """Iterate over those of now."""

    def get(self, device_id: str) -> Device | None:
        """Return one by its ID."""


class BrokerApi(Protocol):
    """A broker."""

    # The mirror

    @property
    def available(self) -> bool:
        """Whether the broker can be reached: what the mirror shows is true."""

    @property
    def port(self) -> int:
        """The port that clients connect to."""

    @property
    def variables(self) -> VariableTable:
        """All variables."""

    @property
    def devices(self) -> DeviceTable:
        """All devices."""

    @property
    def waiting(self) -> Mapping[str, Waiting]:
        """The devices that ask to be approved, by their IDs."""

    @property
    def limits(self) -> Limits:
        """The bounds of the broker."""

    @property
    def secrets(self) -> Collection[str]:
        """Names of variables whose values are not to be shown (protocol B6)."""

    @property
    def uptime(self) -> float:
        """Seconds since the broker was started."""

    @property
    def connections(self) -> int:
        """How many clients are connected."""

    @property
    def messages_received(self) -> int:
        """Messages received so far, from all clients."""

    @property
    def messages_sent(self) -> int:
        """Messages sent so far, to all clients."""

    @property
    def closes(self) -> Mapping[CloseReason, int]:
        """How many connections have ended, by reason."""

    @property
    def clock_behind(self) -> float:
        """Seconds that the clock is behind the last save before the start (protocol B3)."""

    def state(self, device_id: str) -> DeviceState:
        """Return where a device is."""

    def was_here(self, device_id: str) -> bool:
        """Tell whether an approved device is connected or asleep within its time, or was when the broker stopped."""

    def knows(self, device_id: str) -> bool:
        """Tell whether a device is approved."""

    def has_key(self, device_id: str) -> bool:
        """Tell whether a device has a key that fits something."""

    def refuses(self, device_id: str) -> bool:
        """Tell whether a device is kept out."""

    def messages_waiting(self, device_id: str) -> int:
        """Count the messages that wait for a device that is away."""

    def now(self) -> float:
        """Return the time in seconds since 1970, by which values are dated."""

    def clock(self) -> float:
        """Return the time in seconds of a clock that never goes back."""

    # Listening

    def observe(self, observer: Observer) -> Unlisten:
        """Tell an observer what happens; returns a function that ends it."""

    def watch(self, pattern: str, watcher: Callable[[Publication], None]) -> Unlisten:
        """Call watcher with each publication of a name or filter; returns a function that ends it."""

    def listen_available(self, listener: Callable[[], None]) -> Unlisten:
        """Call listener when the broker is gone, or back; returns a function that ends it."""

    def receive_messages(self, receiver: Callable[[str, str], None] | None) -> None:
        """Give the messages to Home Assistant to receiver: the sender's ID ("" without one), the value."""

    # Life

    async def open(self, remembered: Mapping[str, RememberedDevice]) -> None:
        """Take what Home Assistant remembers of devices, then what is stored, and hold the port.

        Nobody is served yet. Raises OSError where the folder or the port can't be had.
        """

    def serve(self) -> None:
        """Accept clients from now on."""

    async def close(self) -> None:
        """Close every connection and save; the port is free when this returns."""

    async def set_limits(self, limits: Limits) -> None:
        """Change the bounds, at once and for the clients that are here too."""

    async def set_save_interval(self, seconds: float) -> None:
        """Change how often variables are saved."""

    async def set_time_zone(self, time_zone: str) -> None:
        """Tell devices the time in another zone, an IANA name."""

    async def save(self) -> str | None:
        """Save everything now; returns the reason where not everything could be."""

    def pause_saving(self, seconds: float) -> None:
        """Leave the files as they are until `resume_saving`, seconds at most."""

    def resume_saving(self) -> None:
        """Write files again."""

    # Variables and messages

    async def publish(self, name: str, value: str, *, retain: bool = True) -> None:
        """Publish a value (wire form) for Home Assistant."""

    async def delete(self, name: str) -> None:
        """Delete a variable, its value and its description."""

    async def read(self, pattern: str) -> list[Variable]:
        """Return the variables that a name or filter matches, with or without a value."""

    async def send(
        self, device_id: str, value: str, *, ttl: float | None = None
    ) -> Delivery:
        """Send a message (value in wire form) to a device, or to all with `*`; ttl in seconds."""

    # Devices

    async def approve(self, devices: Mapping[str, Approval]) -> None:
        """Know devices from now on, with these keys and rights, at once where they wait."""

    async def refuse(self, device_id: str) -> None:
        """Keep a device out from now on."""

    async def stop_refusing(self, device_id: str) -> None:
        """Let a device ask again."""

    async def revoke(self, device_id: str, *, delete_variables: bool) -> None:
        """Forget a device: it is not approved any more, its connection and its messages go."""

    async def replace_device(self, old: str, new: str) -> None:
        """Let a device take over the variables and messages of another, which is forgotten."""

    async def permit(self, seconds: float) -> None:
        """Approve new devices for a time, those that wait at once; 0 ends it."""

    async def disconnect(self, device_id: str) -> bool:
        """Close a device's connection; returns whether there was one. It may come back."""
