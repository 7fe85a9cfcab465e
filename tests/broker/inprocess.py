"""The broker in this process, with clients that have no sockets and clocks that the tests move."""

from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import override

from custom_components.textmq.broker.core.access import Access, AccessMode, Identity
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.core.stored import (
    Stored,
    StoredClock,
    StoredDevice,
    StoredMessage,
)


@dataclass
class Sink:
    """The connection under a session: keeps what is written."""

    written: list[bytes] = field(default_factory=list)
    closed: bool = False
    reading: bool = True
    unsent: int = 0
    """Bytes that the system does not take, the last ones."""
    bytes_written: int = 0
    wake_at: float | None = None
    worker: Peer | None = None

    def write(self, data: bytes) -> None:
        """Keep what is sent."""
        self.written.append(data)
        self.bytes_written += len(data)

    @property
    def bytes_taken(self) -> int:
        """Bytes that the system has taken."""
        return self.bytes_written - self.unsent

    def close(self) -> None:
        """Note the end."""
        self.closed = True

    def set_reading(self, *, reading: bool) -> None:
        """Note whether something may be received."""
        self.reading = reading

    def work_after(self, seconds: float) -> None:
        """Note when the session wants to go on."""
        self.wake_at = seconds

    def work_soon(self) -> None:
        """Let the session work when it is its turn."""
        assert self.worker is not None
        self.worker.go_on()


class Peer:
    """A client of the broker."""

    def __init__(
        self,
        broker: Broker,
        device_id: str = "",
        identity: Identity | None = None,
        address: str = "192.0.2.1",
    ) -> None:
        """Connect, and ask to be let in under an ID."""
        self.sink = Sink(worker=self)
        self.scheduled = False
        self._broker = broker
        self.session = broker.session(self.sink, address, identity)
        self.quota = self.session.quota
        broker.open(self.session)
        if device_id:
            self.send(f"COMMAND=ID | ID={device_id}")

    def send(self, *messages: str) -> None:
        """Send messages, each without START and END."""
        lines = "".join(f"START | {message} | END\n" for message in messages)
        self.send_bytes(lines.encode("ascii"))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.session.receive(data)
        self.go_on()

    def go_on(self) -> None:
        """Let the session work, as its connection does."""
        self._broker.scheduler.ready(self)

    def work(self) -> bool:
        """Take a turn."""
        return self.session.work()

    def take(self) -> list[str]:
        """Return the messages received since the last time, each without START and END."""
        lines = b"".join(self.sink.written).decode("ascii").splitlines()
        self.sink.written.clear()
        return [line.removeprefix("START | ").removesuffix(" | END") for line in lines]

    def ask(self, *messages: str) -> list[str]:
        """Send messages and return what comes back."""
        self.take()
        self.send(*messages)
        return self.take()


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self) -> None:
        """Start somewhere."""
        self.time = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.time


class RunningClock(Clock):
    """A clock that goes on a little with each look at it, as time does with work."""

    def __init__(self, step: float) -> None:
        """Go on by step seconds a look."""
        super().__init__()
        self.step = step

    @override
    def __call__(self) -> float:
        """Return the time in seconds."""
        self.time += self.step
        return self.time


class Loop:
    """An event loop that turns when it is told to."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._callbacks: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call back in the next turn."""
        self._callbacks.append(callback)

    def turn(self) -> bool:
        """Turn once; return whether there was something to do."""
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()
        return bool(callbacks)

    def run(self, turns: int = 100_000) -> None:
        """Turn until nothing is left to do."""
        for _ in range(turns):
            if not self.turn():
                return
        raise AssertionError(f"there is something to do after {turns} turns")


def make_broker(
    mode: AccessMode = AccessMode.APPROVE,
    *known: str,
    clock: Clock | None = None,
    limits: Limits | None = None,
    loop: Loop | None = None,
    cpu_time: Clock | None = None,
    now: Callable[[], float] = time.time,
    version: str = "test",
) -> Broker:
    """Make a broker that writes at once, or in the turns of a loop; all that it does is work unless cpu_time tells."""
    clock = clock or Clock()
    return Broker(
        access=Access(mode, known),
        limits=limits,
        clock=clock,
        now=now,
        cpu_time=cpu_time or clock,
        version=version,
        call_soon=loop.call_soon if loop else None,
    )


@dataclass
class House:
    """A broker with clocks that move together, and what it leaves behind at a restart."""

    known: tuple[str, ...] = ()
    mode: AccessMode = AccessMode.APPROVE
    clock: Clock = field(default_factory=Clock)
    wall: Clock = field(default_factory=Clock)
    broker: Broker = field(init=False)
    version: str = "test"
    files: dict[str, Stored] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start at 2027-01-15T08:00:00Z."""
        self.wall.time = 1_800_000_000.0
        self._start()

    def _start(self) -> None:
        self.broker = make_broker(
            self.mode,
            *self.known,
            clock=self.clock,
            now=self.wall,
            version=self.version,
        )

    def peer(self, device_id: str = "", **asks: object) -> Peer:
        """Connect, and say who it is with what it asks for."""
        peer = Peer(self.broker)
        if device_id:
            more = "".join(f" | {key}={value}" for key, value in asks.items())
            peer.send(f"COMMAND=ID | ID={device_id}{more}")
        return peer

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.time += seconds
        self.wall.time += seconds
        self.broker.tick()

    def restart(self, *, away: float = 0, killed: bool = False) -> None:
        """Stop, or kill, the broker, and start one with what it has left on file, after a time in seconds."""
        broker = self.broker
        if not killed:
            broker.shutdown()
        for name in broker.changed:
            if name.startswith("$"):
                stored = broker.archive.stored(name)
                self.files.pop(name, None)
                if stored is not None:
                    self.files[name] = stored
        stop = StoredClock(self.wall.time, stopped=not killed)
        variables = list(broker.variables)
        self.clock.time += away
        self.wall.time += away
        self._start()
        self.broker.access.rights = broker.access.rights
        self.broker.restore(
            variables,
            [one for one in self.files.values() if isinstance(one, StoredDevice)],
            [one for one in self.files.values() if isinstance(one, StoredMessage)],
            stop,
        )
