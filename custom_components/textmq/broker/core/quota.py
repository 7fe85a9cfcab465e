"""Who may use the event loop for how long: allowances, and turns of clients (protocol, Limits).

Clients are served in slices, and all of them together only for a part of each turn of the
event loop. What a client causes is charged to it as the time that it took, its own
deliveries to others included. What is left goes on in the next turn, clients taking turns.

With several publishers at work the output of a whole turn is joined, one write for each
client. With a single one nothing can be joined, so it is written at once, the deliveries
before the publisher's own answers. Every so often a write is put off to see which of the two
is at hand.
"""

from collections import deque
from collections.abc import Callable, Iterator
import logging
import time
from typing import Final, Protocol

from .limits import Limits

_LOGGER = logging.getLogger(__name__)

_COARSE: Final = 0.0002
"""Seconds from which the system is asked for the CPU time: it takes half a microsecond to tell."""
_STALE: Final = 0.001
"""Seconds after which the CPU time is read again before a slice: what may be charged wrongly at most."""
_HEARD_AT_ONCE: Final = 4
"""Looks at what a stranger has sent that wait for no others: as many as a handshake and an ID take."""
_PROBE_EVERY: Final = 16
"""Writes at once before one is put off."""


class Allowance:
    """An amount that comes back with time: so much a second, up to so much at once."""

    __slots__ = ("_rate", "_refilled_at", "balance", "burst")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """Begin with all of burst; now is of the monotonic clock, as everywhere here."""
        self._rate = rate
        self._refilled_at = now
        self.burst = burst
        self.balance = burst
        """What is left; it may be spent below 0."""

    def used(self, now: float) -> float:
        """Return what has been spent and has not come back yet."""
        self._refill(now)
        return self.burst - self.balance

    def wait(self, now: float) -> float:
        """Return the seconds until something may be spent again, 0 where it may be now."""
        if self.balance > 0:
            return 0
        self._refill(now)
        return 0 if self.balance > 0 else -self.balance / self._rate + _COARSE

    def _refill(self, now: float) -> None:
        earned = (now - self._refilled_at) * self._rate
        self._refilled_at = now
        self.balance = min(self.burst, self.balance + earned)


class Quota:
    """What one client may use: commands, and time of the event loop."""

    __slots__ = (
        "_commands",
        "_limits",
        "_strangers",
        "_unheard",
        "inherited",
        "seconds",
    )

    def __init__(self, limits: Limits, now: float, strangers: Allowance | None) -> None:
        """Begin with all of it; of a stranger strangers is what all of them share, None for others."""
        self._limits = limits
        self._strangers = strangers
        self._unheard = _HEARD_AT_ONCE
        self._commands = Allowance(
            limits.unauthorized_rate, limits.unauthorized_burst, now
        )
        self.seconds = Allowance(
            limits.unauthorized_share, limits.unauthorized_share_burst, now
        )
        self.inherited = 0.0
        """Seconds that a former connection of the same client had used when it came."""
        if strangers is None:
            self.renew(now)

    def renew(self, now: float) -> None:
        """Begin again with all that is due to a client that is let in."""
        limits = self._limits
        self._strangers = None
        self._commands = Allowance(limits.rate, limits.burst, now)
        self.seconds = Allowance(limits.share, limits.share_burst, now)

    def inherit(self, former: Allowance, now: float) -> None:
        """Go on with what was left of a former connection of the same client: to come again gives no more."""
        self.inherited = former.used(now)
        self.seconds.balance -= self.inherited

    def command(self, count: float = 1) -> None:
        """Count commands."""
        self._commands.balance -= count

    def charge(self, seconds: float) -> None:
        """Charge what the client has cost.

        Of a stranger no more at once than its burst: what fell into its slice, a run of the garbage
        collector say, is not to keep a device out for minutes.
        """
        if self._strangers is not None:
            seconds = min(seconds, self.seconds.burst)
            self._strangers.balance -= seconds
        self.seconds.balance -= seconds

    def wait(self, now: float) -> float:
        """Return the seconds until the client is to be served again.

        A stranger is heard at first, however many others there are: it may be the device that
        belongs here.
        """
        wait = max(self._commands.wait(now), self.seconds.wait(now))
        if wait or self._strangers is None:
            return wait
        if self._unheard:
            self._unheard -= 1
            return 0
        return self._strangers.wait(now)

    @property
    def used_up(self) -> bool:
        """Something of it may be used up: then `wait` tells for how long."""
        return (
            self._commands.balance <= 0
            or self.seconds.balance <= 0
            or self._strangers is not None
        )


class Worker(Protocol):
    """A client, as the scheduler sees it."""

    scheduled: bool
    """It waits for its turn."""

    @property
    def quota(self) -> Quota:
        """What it may use, and is charged."""

    def work(self) -> bool:
        """Work until the slice is over; return whether something is left that can go on at once."""


class Writable(Protocol):
    """What is to be sent to one client."""

    queued: bool
    """It waits to be written."""
    cause: Worker | None
    """Whom the write is charged to; None where it is the broker's or Home Assistant's."""

    def flush(self) -> None:
        """Write the output."""


class Scheduler:
    """Gives the clients their turns, and the output its time to be written."""

    def __init__(
        self,
        limits: Limits,
        call_soon: Callable[[Callable[[], None]], object],
        clock: Callable[[], float] = time.monotonic,
        cpu_time: Callable[[], float] = time.thread_time,
    ) -> None:
        """Use call_soon to get called in the next turn of the event loop; the clocks count seconds.

        clock is monotonic, cpu_time is the time that this thread has used of its processor.
        """
        self._limits = limits
        self._call_soon = call_soon
        self._clock = clock
        self._cpu_time = cpu_time
        self._fresh: deque[Worker] = deque()
        """Clients that have cost next to nothing of late, and were idle: they go first."""
        self._light: deque[Worker] = deque()
        """Clients that have cost little of late: they go before the rest."""
        self._heavy: deque[Worker] = deque()
        self._outboxes: deque[Writable] = deque()
        self._chores: deque[Iterator[object]] = deque()
        self._current: Worker | None = None
        self.look: Callable[[], None] = lambda: None
        """Reports the clients that have become ready, before others go on."""
        self._turn_planned = False
        self._behind = False
        """The last turn had no time for all that was to be written, or for all that cost much."""
        self._spent = 0.0
        """Seconds in this turn of the event loop, or since the last one that was planned."""
        self._lap_at = clock()
        self._cpu_at = cpu_time()
        self._cpu_read_at = self._lap_at
        self._until = 0.0
        self._batches = 0
        self._direct = 0

    # Time

    def is_over(self) -> bool:
        """Tell whether the slice is over. Asked of the clock, which runs no slower than the processor's time."""
        return self._clock() >= self._until

    def is_exhausted(self) -> bool:
        """Tell whether the clients have had their part of this turn of the event loop."""
        return self._spent >= self._limits.turn

    def begin(self, most: float | None = None) -> None:
        """Begin a slice; most is its length in seconds, where it is to be a shorter one than usual."""
        limits = self._limits
        self._lap_at = now = self._clock()
        left = limits.turn - self._spent
        length = most or limits.slice
        self._until = now + (min(left, length))
        if now - self._cpu_read_at > _STALE:
            # What others have used meanwhile is not this client's.
            self._read_cpu_time(now)

    def end_slice(self) -> None:
        """Let the slice be over: what was done in it is to be written before there is more."""
        self._until = 0

    def lap(self) -> float:
        """Return the seconds of processor time since the slice began, or since the last lap of it.

        Short times are taken from the clock, which costs a tenth of asking the system.
        """
        now = self._clock()
        seconds = now - self._lap_at
        self._lap_at = now
        if seconds >= _COARSE:
            seconds = min(seconds, self._read_cpu_time(now))
        self._spent += seconds
        if self._spent > self._limits.slice:
            self._plan_turn()
        return seconds

    def _read_cpu_time(self, now: float) -> float:
        """Return the seconds of processor time since it was read before."""
        before, self._cpu_at = self._cpu_at, self._cpu_time()
        self._cpu_read_at = now
        return self._cpu_at - before

    # Clients

    def ready(self, worker: Worker) -> None:
        """Serve a client that has something to do, now or when it is its turn; one that is served goes on anyway."""
        if worker.scheduled or worker is self._current:
            return
        if self._waiting or self._spent >= self._limits.turn:
            self._enqueue(worker)
        else:
            self._serve(worker)

    @property
    def _waiting(self) -> bool:
        return bool(self._fresh or self._light or self._heavy)

    def _enqueue(self, worker: Worker, *, begun: bool = False) -> None:
        """Let a client wait for its turn; begun means that it has had a slice and wants more."""
        worker.scheduled = True
        used = worker.quota.seconds.used(self._clock())
        if used < self._limits.fresh and not begun:
            self._fresh.append(worker)
        elif used < self._limits.light:
            self._light.append(worker)
        else:
            self._heavy.append(worker)
        self._plan_turn()

    def _serve(self, worker: Worker, most: float | None = None) -> None:
        self.begin(most)
        self._current = worker
        try:
            left = worker.work()
        finally:
            self._current = None
            worker.quota.charge(self.lap() + self._limits.wake)
        if left:
            self._enqueue(worker, begun=True)

    # Output

    def add(self, outbox: Writable) -> None:
        """Write an outbox in this turn of the event loop; once only until it is written."""
        if not outbox.queued:
            outbox.queued = True
            outbox.cause = self._current
            self._outboxes.append(outbox)

    def flush(self) -> None:
        """See to it that everything is written in the next turn of the event loop."""
        if self._outboxes:
            self._plan_turn()

    def batch_done(self, outbox: Writable) -> None:
        """Write after a batch of received commands; outbox is that of the client that sent them."""
        self._batches += 1
        if self._direct and not self._turn_planned and self._outboxes:
            self._direct -= 1
            self._write()
        outbox.flush()
        if self._outboxes:
            self._plan_turn()

    def _write(self) -> None:
        """Write what waits, until the slice is over; each is charged to who caused it."""
        outboxes = self._outboxes
        cause = self._current
        while outboxes:
            outbox = outboxes.popleft()
            if outbox.cause is not cause:
                if cause is not None:
                    cause.quota.charge(self.lap())
                else:
                    self.lap()
                cause = outbox.cause
            outbox.queued = False
            outbox.flush()
            if self.is_over():
                break
        if cause is not None:
            cause.quota.charge(self.lap())

    # What the broker itself has to do

    def later(self, chore: Iterator[object]) -> None:
        """Carry out a long piece of work step by step, in the turns to come."""
        self._chores.append(chore)
        self._plan_turn()

    # Turns

    def _plan_turn(self) -> None:
        if not self._turn_planned:
            self._turn_planned = True
            self._batches = 0
            self._call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_planned = False
        if not self._batches:
            self._direct = _PROBE_EVERY - 1
        self._spent = 0
        if self._waiting:
            self.look()
        limits, heavy = self._limits, len(self._heavy)
        # Those that go first leave time to the others where it was not enough for all.
        share = limits.turn / 2 if self._behind else limits.turn
        light = len(self._light)
        # A short look at each: the ones that want little have it before a crowd that wants much.
        self._serve_some(self._fresh, len(self._fresh), share, limits.fresh)
        self._serve_some(self._light, light, share)
        if self._outboxes and not self.is_exhausted():
            self.begin()
            self._write()
        if not self._outboxes:
            # The heavy ones wait until what they have caused is written.
            self._serve_some(self._heavy, heavy, limits.turn)
        self._behind = bool(self._outboxes or self._heavy)
        if self._chores and not self.is_exhausted():
            self._do_chores()
        if self._waiting or self._outboxes or self._chores:
            self._plan_turn()

    def _serve_some(
        self,
        workers: deque[Worker],
        count: int,
        until: float,
        most: float | None = None,
    ) -> None:
        """Serve those that stand first, each once, until so many seconds of the turn are spent."""
        for _ in range(count):
            if self._spent >= until:
                break
            worker = workers.popleft()
            worker.scheduled = False
            self._serve(worker, most)

    def _do_chores(self) -> None:
        self.begin()
        while self._chores and not self.is_over():
            chore = self._chores.popleft()
            try:
                for _ in chore:
                    if self.is_over():
                        self._chores.appendleft(chore)
                        break
            except Exception:
                _LOGGER.exception("A piece of work failed")
        self.lap()
