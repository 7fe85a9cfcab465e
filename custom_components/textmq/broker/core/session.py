"""One client, from its first byte to its last: its states, its input, its end (protocol A1 to A4, B1, B8)."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from ..protocol import wire
from ..protocol.framing import FIRST_LINE_DETAIL, Framer, Opening
from ..protocol.reasons import SILENT_CLOSES, BadReason, CloseReason, Refusal
from .access import ALL_RIGHTS, Identity, Rights
from .answers import HELLO, OK, bad_line, ok_lines
from .definition_sets import Described
from .devices import Device, Will
from .greeting import Greeting
from .keepalive import KeepAlive, Life
from .limits import MINUTE, Limits
from .outbox import Outbox, Sink
from .parameters import Params
from .quota import Allowance, Quota, Scheduler
from .request import Request
from .states import TRANSITIONS, UNAUTHORIZED_STATES, State, Step
from .traffic import Traffic
from .variables import Variable

_SECOND_REQUEST: Final = 9
"""Commands that an ID counts for, besides itself, while another one waits for a person."""


class Commands(Protocol):
    """What carries out a command that has been read."""

    def execute(self, session: "Session", message: wire.Message) -> None:
        """Carry out a command and answer it. Raises Refusal where it can't be."""

    def unreadable(self, session: "Session", refusal: Refusal) -> None:
        """Note that a line can't be read."""


class Canonical(Protocol):
    """What carries out lines in the form that the broker writes, many at a time."""

    def carry_out(self, items: list[str], device: str, head: str) -> int:
        """Carry out lines until there is something else; returns how many."""


class Register(Protocol):
    """What knows all sessions."""

    def session_closed(
        self, session: "Session", reason: CloseReason, sleep: float | None
    ) -> None:
        """Part with a session that has ended."""


class Session:
    """A client of the broker. No sockets, no clock of its own."""

    __slots__ = (
        "_clock",
        "_commands",
        "_delayed",
        "_fast_path",
        "_framer",
        "_greeting",
        "_head",
        "_id_changes",
        "_limits",
        "_malformed",
        "_now",
        "_opened",
        "_reading",
        "_register",
        "_scheduler",
        "_sink",
        "_traffic",
        "address",
        "admitted",
        "described",
        "device",
        "filter_levels",
        "guest",
        "identity",
        "idle",
        "keepalive",
        "opened_at",
        "outbox",
        "patterns",
        "quota",
        "received",
        "request",
        "rights",
        "state",
        "unauthorized",
        "wants_full",
        "will",
    )

    def __init__(
        self,
        sink: Sink,
        address: str,
        identity: Identity | None,
        *,
        guest: bool,
        commands: Commands,
        fast_path: Canonical,
        greeting: Greeting,
        register: Register,
        scheduler: Scheduler,
        strangers: Allowance,
        look_up: Callable[[str], Variable | None],
        limits: Limits,
        traffic: Traffic,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """Begin a session from an address; identity is what a key has proved, None in plain text.

        A guest may use all commands. strangers is what all that may not share; look_up finds a
        variable by name; clock is monotonic, now the wall's, both in seconds.
        """
        self._sink = sink
        self._commands = commands
        self._fast_path = fast_path
        self._greeting = greeting
        self._register = register
        self._scheduler = scheduler
        self._limits = limits
        self._traffic = traffic
        self._clock = clock
        self._now = now
        self.address = address
        self.identity = identity
        self.state = State.GUEST if guest else State.STRANGER
        self.unauthorized = not guest
        """It is not let in yet, and must be."""
        self.device: Device | None = None
        self.request = Request()
        """The latest ID."""
        self.described = Described()
        self.rights: Rights = ALL_RIGHTS
        self.admitted = False
        self.patterns: dict[str, None] = {}
        self.wants_full = False
        """It has asked for the full form of something."""
        self.filter_levels = 0
        self.will: Will | None = None
        self.received = 0
        self.opened_at = clock()
        self.keepalive = KeepAlive(limits, self.opened_at)
        self._opened = False
        self._framer = Framer(limits.max_line)
        self._head = wire.message_head("")
        changes = limits.max_id_changes_per_minute
        self._id_changes = Allowance(changes / MINUTE, changes, self.opened_at)
        self._malformed = 0
        self.outbox = Outbox(
            sink,
            scheduler,
            limits,
            look_up,
            self.may_read,
            lambda: self.close(CloseReason.SLOW_READER),
            now,
        )
        self.guest = guest
        """It need not say who it is."""
        self.quota = Quota(limits, self.opened_at, None if guest else strangers)
        self.idle = False
        """Nothing waits to be worked on: it may receive."""
        self._reading = True
        self._delayed = False

    @property
    def device_id(self) -> str:
        """The ID that the client was let in under, empty where it has none."""
        return self.device.id if self.device else ""

    def may_read(self, name: str) -> bool:
        """Tell whether the client may get a variable's values."""
        return self.rights is ALL_RIGHTS or self.rights.may_read(name)

    # What it may use

    def limits_changed(self) -> None:
        """Take the allowances that are due to it now."""
        if not self.unauthorized:
            self.quota.renew(self._clock())

    # Input

    @property
    def has_work(self) -> bool:
        """Something that was received, or is to be sent, waits to be worked on."""
        return self.outbox.holding or (self._opened and self._framer.pending)

    def receive(self, data: bytes) -> None:
        """Take received bytes; `work` carries out the commands in them."""
        self._framer.feed(data)

    def work(self) -> bool:
        """Carry out what was received, as far as slice, output and quota allow.

        Returns whether something is left that can go on at once.
        """
        left = self._work()
        if self.state is State.CLOSED:
            return False
        reading = left or not (self.outbox.paused or self._delayed)
        if reading is not self._reading:
            self._set_reading(reading)
        self.idle = reading and self._opened and self._framer.is_empty() and not left
        self._scheduler.batch_done(self.outbox)
        return left

    def _work(self) -> bool:
        if not self._opened and not self._open():
            return False
        outbox, framer = self.outbox, self._framer
        while self.state is not State.CLOSED and not self.is_delayed():
            if outbox.holding:
                if outbox.pump():
                    return True
                if self.outbox.holding:
                    return False
            elif framer.is_empty() or not self._carry_out():
                return False
            if not (outbox.holding or framer.pending):
                return False
            if self._scheduler.is_over():
                return not outbox.paused
        return False

    def _open(self, *, final: bool = False) -> bool:
        """Look at the first line: only a message opens a connection (protocol A1)."""
        opening = self._framer.judge_opening(final=final)
        if opening is Opening.MESSAGE:
            self._opened = True
        elif opening is Opening.HTTP:
            self.close(CloseReason.HTTP)
        elif opening is Opening.FOREIGN:
            self.answer_refusal(Refusal(BadReason.MALFORMED, FIRST_LINE_DETAIL))
            self.close(CloseReason.MALFORMED)
        return self._opened

    def is_delayed(self) -> bool:
        """Tell whether the client has used up its quota: `work_after` is called for when it goes on."""
        if self._delayed or not self.quota.used_up:
            return self._delayed
        if seconds := self.quota.wait(self._clock()):
            self._delayed = True
            self._sink.work_after(seconds)
        return self._delayed

    def resume_work(self) -> None:
        """Go on after a time that the quota has asked for."""
        self._delayed = False
        if not self._reading and not self.outbox.paused:
            self._set_reading(True)

    def _set_reading(self, reading: bool) -> None:
        self._reading = reading
        self._sink.set_reading(reading=reading)

    def _carry_out(self) -> bool:
        """Carry out what comes next: many lines where they are canonical, otherwise one.

        Returns False where there is no whole one.
        """
        framer = self._framer
        if self.rights is ALL_RIGHTS and not self.unauthorized:
            if items := framer.take_canonical():
                done = self._fast_path.carry_out(items, self.device_id, self._head)
                if done < len(items):
                    framer.unread(items[done:])
                if done:
                    self._count(done)
                    self.answer(OK * done, done)
                    return True
        try:
            message = framer.next()
        except Refusal as refusal:
            self._count_malformed(refusal)
            return True
        if message is not None:
            self._execute(message)
        return message is not None

    def _count(self, commands: int) -> None:
        self.keepalive.alive = True
        self._malformed = 0
        self.quota.command(commands)
        self.received += commands

    def _count_malformed(self, refusal: Refusal) -> None:
        self.received += 1
        self.quota.command()
        self._malformed += 1
        self._commands.unreadable(self, refusal)
        self.answer_refusal(refusal)
        if self._malformed >= self._limits.malformed:
            self.close(CloseReason.MALFORMED)

    def _execute(self, message: wire.Message) -> None:
        self._count(1)
        try:
            self._commands.execute(self, message)
        except Refusal as refusal:
            self.answer_refusal(refusal, message.params)

    # Being let in

    def check_id_change(self, device_id: str) -> None:
        """Count a change of the ID. Raises Refusal (limit) where there were too many of late."""
        if self.request.device_id in ("", device_id):
            return
        if self._id_changes.wait(self._clock()):
            raise Refusal(BadReason.LIMIT, "this connection changes its ID too often")
        self._id_changes.balance -= 1

    def ask(self, request: Request) -> None:
        """Note what an ID asks for."""
        if self.state is State.WAITING:
            self.quota.command(_SECOND_REQUEST)
            self.answer_refusal(
                Refusal(BadReason.NOT_AUTHORIZED, "another ID came after it"),
                self.request.params,
            )
        self.request = request
        if request.keepalive is not None:
            self.keepalive.wanted = request.keepalive

    def await_decision(self) -> None:
        """Wait for a person."""
        self._move(Step.ASKED)

    def allow(self, device: Device) -> None:
        """Accept the ID that was asked for: at once, or when a person has decided."""
        first = self.device is None
        self._move(Step.ALLOWED)
        self.keepalive.begin(self._clock())
        if first and not self.guest:
            self.limits_changed()
            if device.seconds is not None:
                self.quota.inherit(device.seconds, self._clock())
        device.seconds = self.quota.seconds
        self.device = device
        self.described = Described()
        self._head = wire.message_head(device.id)
        answer = self._greeting.answer(self.request, self.keepalive.interval)
        self.ok(self.request.params, **answer)
        self.outbox.write_soon()
        self._scheduler.flush()

    def refuse(self, refusal: Refusal) -> None:
        """Refuse the ID that was asked for, and close."""
        self.answer_refusal(refusal, self.request.params)
        limited = refusal.reason is BadReason.LIMIT
        self.close(CloseReason.LIMIT if limited else CloseReason.DENIED)

    # Output

    def answer(self, lines: bytes, count: int = 1) -> None:
        """Send messages after all answers before."""
        self.outbox.answer(lines)
        self._traffic.sent += count

    def stream(self, lines: Iterator[bytes | None]) -> None:
        """Send messages as fast as the client takes them; None is a step without one."""
        self.outbox.stream(self._traffic.count(lines))

    def ok(self, params: Params, **more: str) -> None:
        """Answer OK to a command with these parameters, where it wants an answer (protocol B2)."""
        for line in ok_lines(params, **more):
            self.answer(line)

    def answer_refusal(self, refusal: Refusal, params: Params | None = None) -> None:
        """Answer BAD to a command with these parameters."""
        self.answer(bad_line(refusal, params))

    def pause(self) -> None:
        """The client does not read."""
        self.idle = False
        self.outbox.pause()

    def resume(self) -> None:
        """The client reads again: go on where it was waited for."""
        if self.state is not State.CLOSED:
            self.outbox.resume()
            self._sink.work_soon()

    # Life

    def tick(self, now: float) -> None:
        """Look after keep-alive and the time to identify; now is of the monotonic clock (A4)."""
        self.outbox.settle()
        if self.state is State.STRANGER:
            if now - self.opened_at >= self._limits.identify_timeout:
                if not self._opened:
                    self._open(final=True)
                self.close(CloseReason.IDENTIFY_TIMEOUT)
            return
        verdict = self.keepalive.look(
            now,
            # It can't give a sign of life while it is not read.
            excused=self._delayed and not self.outbox.paused,
            unsent=self._sink.unsent,
            patient=self.state is State.WAITING,
        )
        if verdict is Life.ALIVE:
            if self.device:
                self.device.last_seen = self._now()
        elif verdict is Life.ASK:
            self.answer(HELLO)
            self.outbox.flush()
        elif verdict is Life.LOST:
            self.close(CloseReason.KEEP_ALIVE)

    def close(self, reason: CloseReason) -> None:
        """Close from the broker's side, with CLOSE unless the other side speaks something else."""
        if self.state is State.CLOSED:
            return
        if reason not in SILENT_CLOSES:
            self.answer(wire.encode_message("CLOSE", {"REASON": reason}))
        self.end(reason)

    def finished(self) -> None:
        """The client has said all: what is only the beginning of a first line is judged as it is."""
        if not self._opened:
            self._open(final=True)
        self.lost()

    def lost(self) -> None:
        """The connection has ended."""
        if self.state is not State.CLOSED:
            self.end(CloseReason.LOST)

    def end(self, reason: CloseReason, sleep: float | None = None) -> None:
        """End the session; sleep is the time for which the device will be away, in seconds."""
        self.outbox.end()
        self._move(Step.ENDED)
        self._register.session_closed(self, reason, sleep)
        self._scheduler.flush()
        self._sink.close()

    def _move(self, step: Step) -> None:
        self.state = TRANSITIONS[self.state, step]
        self.unauthorized = self.state in UNAUTHORIZED_STATES
