"""One client: its state and its commands (protocol A2 to A4, B1 to B6, B8). No sockets, no clock of its own."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from ..protocol import framing, names, wire
from ..protocol.definitions import Definition
from ..protocol.reasons import BadReason, CloseReason, Refusal
from .access import ALL_RIGHTS, Identity, Rights
from .devices import Device, DeviceInfo, Will
from .outbox import Outbox, Writer
from .variables import Variable

if TYPE_CHECKING:
    from .broker import Broker

_OK: Final = wire.encode_message("OK")
_HELLO: Final = wire.encode_message("HELLO?")
_VALUE: Final = " | VALUE="
_SEQ_LENGTH: Final = 32
_SECONDS_DIGITS: Final = 9
_YES_NO: Final = {"YES": True, "NO": False}
_WORK: Final = 20
"""Steps of a search that take as long as one command."""


class State(Enum):
    """Where a session stands (protocol A4)."""

    STRANGER = "has not said who it is, and must"
    GUEST = "has not said who it is, and need not"
    WAITING = "waits for a person's decision"
    MEMBER = "is let in under an ID"
    CLOSED = "is over"


class Step(Enum):
    """What moves a session on."""

    ASKED = "a person must decide"
    LET_IN = "the ID is accepted"
    CLOSED = "the connection ends"


TRANSITIONS: Final[Mapping[tuple[State, Step], State]] = {
    (State.STRANGER, Step.ASKED): State.WAITING,
    (State.STRANGER, Step.LET_IN): State.MEMBER,
    (State.STRANGER, Step.CLOSED): State.CLOSED,
    (State.GUEST, Step.LET_IN): State.MEMBER,
    (State.GUEST, Step.CLOSED): State.CLOSED,
    (State.WAITING, Step.ASKED): State.WAITING,
    (State.WAITING, Step.LET_IN): State.MEMBER,
    (State.WAITING, Step.CLOSED): State.CLOSED,
    (State.MEMBER, Step.ASKED): State.WAITING,
    (State.MEMBER, Step.LET_IN): State.MEMBER,
    (State.MEMBER, Step.CLOSED): State.CLOSED,
}

NOT_IN: Final = frozenset({State.STRANGER, State.WAITING})
"""States in which only ID, HELLO?, HELLO! and CLOSE are taken."""
ALWAYS: Final = frozenset({"ID", "HELLO?", "HELLO!", "CLOSE"})

WITHOUT_WILL: Final = frozenset(
    {
        CloseReason.CLIENT_CLOSE,
        CloseReason.SLEEP,
        CloseReason.TAKEN_OVER,
        CloseReason.REVOKED,
        CloseReason.SHUTDOWN,
    }
)
"""Ends that are no loss of the client (protocol B4, B5)."""
WITHOUT_CLOSE: Final = frozenset({CloseReason.HTTP, CloseReason.TLS})
"""Ends of connections that speak another protocol: they get no answer."""


class Sink(Writer, Protocol):
    """The connection under a session."""

    def close(self) -> None:
        """End the connection after what was written has been sent."""

    def pause_reading(self) -> None:
        """Receive nothing more for now."""

    def resume_reading(self) -> None:
        """Receive again."""

    @property
    def unsent(self) -> int:
        """Bytes that were written and not yet sent."""

    def wake_after(self, seconds: float) -> None:
        """Call the session's `wake` after a time."""


class Session:
    """A client of the broker, from its first byte to its last."""

    __slots__ = (
        "_alive",
        "_asked_at",
        "_broker",
        "_filter_levels",
        "_framer",
        "_id_answer",
        "_malformed",
        "_reading",
        "_refilled_at",
        "_sender",
        "_silent_since",
        "_sink",
        "_tokens",
        "_unsent",
        "_waking",
        "address",
        "device",
        "filters",
        "identity",
        "opened_at",
        "output",
        "received",
        "requested",
        "requested_info",
        "rights",
        "state",
        "will",
    )

    def __init__(
        self,
        broker: "Broker",
        sink: Sink,
        address: str,
        identity: Identity | None = None,
    ) -> None:
        """Begin a session from an address; identity is what a key has proved, None in plain text."""
        now = broker.clock()
        self._broker = broker
        self._sink = sink
        self.address = address
        self.identity = identity
        self.state = State.GUEST if broker.access.guests else State.STRANGER
        self.device: Device | None = None
        self.requested = ""
        self.requested_info = DeviceInfo()
        self.rights: Rights = ALL_RIGHTS
        self.filters: dict[str, None] = {}
        self._filter_levels = 0
        self.opened_at = now
        self.received = 0
        self._framer = framing.Framer(broker.limits.line)
        self._sender = wire.message_head("")
        self.will: Will | None = None
        self._id_answer: Mapping[str, str] = {}
        self._malformed = 0
        self.output = Outbox(
            sink, broker.flusher, broker.limits, self._look_up, self._overflow
        )
        self._unsent = 0
        self._reading = True
        self._tokens = broker.limits.burst
        self._refilled_at = now
        self._waking = False
        self._alive = False
        self._silent_since = now
        self._asked_at: float | None = None

    @property
    def device_id(self) -> str:
        """The ID that the client was let in under, empty where it has none."""
        return self.device.id if self.device else ""

    # Input

    def receive(self, data: bytes) -> None:
        """Take received bytes and carry out the commands in them."""
        if self.state is State.CLOSED:
            return
        framer = self._framer
        if not self.received:
            framer.feed(data)
            if framing.is_http(framer.start):
                self.close(CloseReason.HTTP)
                return
        elif self.state in NOT_IN or self.rights is not ALL_RIGHTS or self.output.busy:
            framer.feed(data)
        elif items := framer.take_canonical(data):
            done = self._receive_canonical(items)
            if done == len(items) and self._tokens >= 0 and not framer.pending:
                self._broker.flusher.batch_done(self.output)
                return
            framer.give_back(items[done:])
        self.work()

    def _receive_canonical(self, items: list[str]) -> int:
        """Carry out publishes to known variables and messages to connected devices.

        Stops at whatever is something else, and returns how many it has carried out.
        """
        broker = self._broker
        variables = broker.variables.heads
        devices = broker.devices.heads
        update = broker.update
        pass_on = broker.pass_on
        sender = self._sender
        device_id = self.device_id
        now = broker.now()
        done = 0
        for item in items:
            head, found, value = item.partition(_VALUE)
            if not found or "|" in value:
                break
            if variable := variables.get(head):
                update(variable, value.strip(), device_id, now)
            elif target := devices.get(head):
                if not pass_on(target, f"{sender}{value.strip()} | END\n"):
                    break
            else:
                break
            done += 1
        if done:
            self._alive = True
            self._malformed = 0
            self._tokens -= done
            self.received += done
            broker.end_run()
            self._answer(_OK * done, done)
        return done

    def work(self) -> None:
        """Carry out what was received, as far as output and pace allow."""
        blocked = self._blocked
        while not blocked:
            try:
                message = self._framer.next()
            except Refusal as refusal:
                self._count_malformed(refusal)
            else:
                if message is None:
                    break
                self._execute(message)
            blocked = self._blocked
        if self.state is not State.CLOSED:
            self._set_reading(not blocked)
        self._broker.end_run()
        self._broker.flusher.batch_done(self.output)

    @property
    def _blocked(self) -> bool:
        return (
            self.output.busy
            or (self._tokens < 0 and not self._refill())
            or self.state is State.CLOSED
        )

    def _refill(self) -> bool:
        limits = self._broker.limits
        now = self._broker.clock()
        earned = (now - self._refilled_at) * limits.rate
        self._tokens = min(limits.burst, self._tokens + earned)
        self._refilled_at = now
        if self._tokens >= 0:
            return True
        if not self._waking:
            self._waking = True
            self._sink.wake_after(-self._tokens / limits.rate)
        return False

    def wake(self) -> None:
        """Go on after a time that the pace of the client has asked for."""
        self._waking = False
        self.work()

    def _set_reading(self, reading: bool) -> None:
        if reading is not self._reading:
            self._reading = reading
            if reading:
                self._sink.resume_reading()
            else:
                self._sink.pause_reading()

    def _count_malformed(self, refusal: Refusal) -> None:
        self.received += 1
        self._tokens -= 1
        self._malformed += 1
        self._refuse(refusal)
        if self._malformed >= self._broker.limits.malformed:
            self.close(CloseReason.MALFORMED)

    def _execute(self, message: wire.Message) -> None:
        self.received += 1
        self._tokens -= 1
        self._alive = True
        self._malformed = 0
        try:
            self._handler(message)(self, message.params)
        except Refusal as refusal:
            self._refuse(refusal, message.params)

    def _handler(
        self, message: wire.Message
    ) -> Callable[["Session", Mapping[str, str]], None]:
        """Find who carries out a command. Raises Refusal where it may not be carried out."""
        command, params = message
        seq = params.get("SEQ", "-")
        if not 1 <= len(seq) <= _SEQ_LENGTH or not seq.isprintable():
            del params["SEQ"]
            raise Refusal(
                BadReason.MALFORMED, f"SEQ has 1 to {_SEQ_LENGTH} printable characters"
            )
        _flag(params, "ACK", default=True)
        handler = self._HANDLERS.get(command)
        if handler is None:
            known = ", ".join(self._HANDLERS)
            raise Refusal(BadReason.UNKNOWN_COMMAND, f"known are {known}")
        if self.state in NOT_IN and command not in ALWAYS:
            waits = self.state is State.WAITING
            advice = "wait for the OK of ID" if waits else "send ID first"
            raise Refusal(BadReason.NOT_AUTHORIZED, advice)
        return handler

    # Commands: each gives its own OK, where it belongs

    def _hello(self, params: Mapping[str, str]) -> None:
        self._answer(wire.encode_message("HELLO!"))

    def _hello_answered(self, params: Mapping[str, str]) -> None:
        """HELLO! needs no answer: that it came is enough."""

    def _identify(self, params: Mapping[str, str]) -> None:
        device_id = _required(params, "ID")
        names.check_device_id(device_id)
        if self.state is State.WAITING:
            self._broker.stop_waiting(self)
            self._refuse(
                Refusal(BadReason.NOT_AUTHORIZED, "another ID came after it"),
                self._id_answer,
            )
        self.requested = device_id
        self.requested_info = DeviceInfo.parse(params)
        self._id_answer = params
        try:
            waits = self._broker.ask(self)
        except Refusal as refusal:
            self.refused(refusal)
            return
        if waits:
            self._move(Step.ASKED)

    def let_in(self, device: Device) -> None:
        """Accept the ID that was sent: called by the broker, at once or when a person has decided."""
        self._move(Step.LET_IN)
        self.device = device
        self._sender = wire.message_head(device.id)
        self._ok(
            self._id_answer,
            KEEPALIVE=f"{self._broker.limits.keepalive:g}",
            TIME=wire.encode_time(self._broker.now()),
        )
        self.output.enter_flusher()

    def refused(self, refusal: Refusal) -> None:
        """Refuse the ID that was sent, and close."""
        self._refuse(refusal, self._id_answer)
        limited = refusal.reason is BadReason.LIMIT
        self.close(CloseReason.LIMIT if limited else CloseReason.DENIED)

    def _subscribe(self, params: Mapping[str, str]) -> None:
        text = _required(params, "VARIABLE")
        replay = _flag(params, "REPLAY", default=True)
        definitions = _flag(params, "DEF", default=False)
        if text not in self.filters:
            self._check_filters(text)
        found = self._read(text)
        self._broker.subscribe(self, text, definitions=definitions)
        if text not in self.filters:
            self.filters[text] = None
            self._filter_levels += _levels(text)
        self._charge(text)
        self._ok(params)
        self._stream(_replay(found, values=replay, definitions=definitions))

    def _check_filters(self, text: str) -> None:
        limits = self._broker.limits
        if len(self.filters) >= limits.subscriptions:
            raise Refusal(
                BadReason.LIMIT,
                f"a client has at most {limits.subscriptions} subscriptions",
            )
        if self._filter_levels + _levels(text) > limits.filter_levels:
            raise Refusal(
                BadReason.LIMIT,
                f"the filters of a client have at most {limits.filter_levels} levels",
            )

    def _unsubscribe(self, params: Mapping[str, str]) -> None:
        text = _required(params, "VARIABLE")
        names.check_filter(text)
        if text in self.filters:
            self._tokens -= self._filter_levels / _WORK
            del self.filters[text]
            self._filter_levels -= _levels(text)
            self._broker.unsubscribe(self, text)
        self._ok(params)

    def _unsubscribe_all(self, params: Mapping[str, str]) -> None:
        for text in self.filters:
            self._broker.unsubscribe(self, text)
        self.filters.clear()
        self._tokens -= self._filter_levels / _WORK
        self._filter_levels = 0
        self._ok(params)

    def _get(self, params: Mapping[str, str]) -> None:
        text = _required(params, "VARIABLE")
        found = [v for v in self._read(text) if v.value is not None]
        if not found and not names.is_wildcard(text):
            raise names.no_such_variable(text)
        self._charge(text)
        self._stream(chain(_replay(found), self._ok_line(params)))

    def _read(self, text: str) -> list[Variable]:
        """Find what a name or filter matches and this client may read."""
        found = self._broker.read(text)
        if self.rights is ALL_RIGHTS:
            return found
        if not names.is_wildcard(text) and not self.rights.may_read(text):
            raise self._forbidden(f"this device may not read {text}")
        return [variable for variable in found if self.rights.may_read(variable.name)]

    def _check_write(self, name: str) -> None:
        if self.rights is ALL_RIGHTS:
            return
        self._broker.check_writable(name)
        if not self.rights.may_write(name):
            raise self._forbidden(f"this device may not write {name}")

    def _forbidden(self, detail: str) -> Refusal:
        self._broker.violated(self, detail)
        return Refusal(BadReason.FORBIDDEN, detail)

    def _charge(self, text: str) -> None:
        """Make a search over all variables cost as many commands as it takes time."""
        if names.is_wildcard(text):
            self._tokens -= len(self._broker.variables) / _WORK

    def _publish(self, params: Mapping[str, str]) -> None:
        name, value = _required(params, "VARIABLE"), _required(params, "VALUE")
        retain = _flag(params, "RETAIN", default=True)
        self._check_write(name)
        self._broker.publish(name, value, device=self.device_id, retain=retain)
        self._ok(params)

    def _delete(self, params: Mapping[str, str]) -> None:
        name = _required(params, "VARIABLE")
        self._check_write(name)
        self._broker.delete(name)
        self._ok(params)

    def _define(self, params: Mapping[str, str]) -> None:
        name = _required(params, "VARIABLE")
        definition = (
            Definition.parse(params, self._broker.rules) if "TYPE" in params else None
        )
        self._check_write(name)
        if definition is not None and definition.set is not None:
            self._check_write(definition.set)
        self._broker.define(name, definition, device=self.device_id)
        self._ok(params)

    def _set_will(self, params: Mapping[str, str]) -> None:
        name = _required(params, "VARIABLE")
        self._broker.check_writable(name)
        self._check_write(name)
        retain = _flag(params, "RETAIN", default=True)
        value = params.get("VALUE")
        self.will = None if value is None else Will(name, value, retain)
        self._ok(params)

    def _send(self, params: Mapping[str, str]) -> None:
        target, value = _required(params, "DEVICE"), _required(params, "VALUE")
        if not self.rights.message and target.lower() != names.HOME_ASSISTANT:
            raise self._forbidden("this device may not send messages")
        self._broker.send(self.device_id, target, value, ttl=_seconds(params, "TTL"))
        self._ok(params)

    def _close(self, params: Mapping[str, str]) -> None:
        try:
            sleep = _seconds(params, "SLEEP") or None
        except Refusal:
            sleep = None
        self._end(CloseReason.SLEEP if sleep else CloseReason.CLIENT_CLOSE, sleep)

    _HANDLERS: ClassVar[
        Mapping[str, Callable[["Session", Mapping[str, str]], None]]
    ] = {
        "HELLO?": _hello,
        "HELLO!": _hello_answered,
        "ID": _identify,
        "SUB": _subscribe,
        "UNSUB": _unsubscribe,
        "UNSUBALL": _unsubscribe_all,
        "GET": _get,
        "PUB": _publish,
        "DEL": _delete,
        "DEF": _define,
        "WILL": _set_will,
        "MSG": _send,
        "CLOSE": _close,
    }

    # Output

    def _answer(self, lines: bytes, count: int = 1) -> None:
        self.output.answer(lines)
        self._broker.sent += count

    def _stream(self, lines: Iterator[bytes]) -> None:
        self.output.stream(self._counted(lines))

    def _counted(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._broker.sent += 1
            yield line

    def _ok_line(self, params: Mapping[str, str], **more: str) -> tuple[bytes, ...]:
        if not _flag(params, "ACK", default=True):
            return ()
        if "SEQ" not in params and not more:
            return (_OK,)
        seq = {"SEQ": params["SEQ"]} if "SEQ" in params else {}
        return (wire.encode_message("OK", seq | more),)

    def _ok(self, params: Mapping[str, str], **more: str) -> None:
        for line in self._ok_line(params, **more):
            self._answer(line)

    def _refuse(
        self, refusal: Refusal, params: Mapping[str, str] | None = None
    ) -> None:
        answer: dict[str, str] = {}
        if params and "SEQ" in params:
            answer["SEQ"] = params["SEQ"]
        answer["REASON"] = refusal.reason
        if refusal.detail:
            answer["DETAIL"] = wire.encode(refusal.detail)
        self._answer(wire.encode_message("BAD", answer))

    def pause(self) -> None:
        """The client does not read."""
        self.output.pause()

    def resume(self) -> None:
        """The client reads again: go on where it was waited for."""
        if self.state is not State.CLOSED:
            self.output.resume()
            self.work()

    def _overflow(self) -> None:
        self.close(CloseReason.SLOW_READER)

    def _look_up(self, name: str) -> Variable | None:
        variable = self._broker.variables.get(name)
        return variable if self.rights.may_read(name) else None

    # Life

    def tick(self, now: float) -> None:
        """Look after keep-alive and the time to identify; now is of the monotonic clock (A4)."""
        limits = self._broker.limits
        if (
            self.state is State.STRANGER
            and now - self.opened_at >= limits.identify_timeout
        ):
            self.close(CloseReason.IDENTIFY_TIMEOUT)
            return
        if self.output.paused:
            unsent = self._sink.unsent
            self._alive = self._alive or unsent < self._unsent
            self._unsent = unsent
        if self._alive or self._tokens < 0:
            self._alive = False
            self._silent_since = now
            self._asked_at = None
            if self.device:
                self.device.last_seen = self._broker.now()
        elif self._asked_at is None:
            if now - self._silent_since >= limits.keepalive:
                self._asked_at = now
                self._answer(_HELLO)
                self.output.flush()
        elif now - self._asked_at >= limits.keepalive_timeout:
            self.close(CloseReason.KEEP_ALIVE)

    def close(self, reason: CloseReason) -> None:
        """Close from the broker's side, with CLOSE unless the other side speaks something else."""
        if self.state is State.CLOSED:
            return
        if reason not in WITHOUT_CLOSE:
            self._answer(wire.encode_message("CLOSE", {"REASON": reason}))
        self._end(reason)

    def lost(self) -> None:
        """The connection has ended."""
        if self.state is not State.CLOSED:
            self._end(CloseReason.LOST)

    def _end(self, reason: CloseReason, sleep: float | None = None) -> None:
        self.output.end()
        self._move(Step.CLOSED)
        self._broker.leave(self, reason, sleep)
        self._sink.close()

    def _move(self, step: Step) -> None:
        self.state = TRANSITIONS[self.state, step]


def _replay(
    variables: list[Variable], *, values: bool = True, definitions: bool = False
) -> Iterator[bytes]:
    for variable in variables:
        if definitions and variable.definition:
            yield variable.describe()
        if values and variable.value is not None:
            yield variable.replay()


def _levels(text: str) -> int:
    """Count the levels of a filter that is to be searched, none for a plain name."""
    return text.count("/") + 1 if names.is_wildcard(text) else 0


def _required(params: Mapping[str, str], key: str) -> str:
    if key not in params:
        raise Refusal(BadReason.MISSING_PARAMETER, key)
    return params[key]


def _flag(params: Mapping[str, str], key: str, *, default: bool) -> bool:
    value = params.get(key)
    if value is None:
        return default
    if value not in _YES_NO:
        raise Refusal(BadReason.MALFORMED, f"{key} is YES or NO")
    return _YES_NO[value]


def _seconds(params: Mapping[str, str], key: str) -> float | None:
    value = params.get(key)
    if value is None:
        return None
    if not value.isdecimal() or len(value) > _SECONDS_DIGITS:
        raise Refusal(BadReason.MALFORMED, f"{key} is a whole number of seconds")
    return float(value)
