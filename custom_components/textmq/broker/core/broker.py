"""The broker: publish, delete, describe, send, register; and those who listen (protocol parts A, B)."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
import logging
import time
from typing import Final

from ..protocol import names, wire
from ..protocol.definitions import Definition, Rules
from ..protocol.reasons import BadReason, CloseReason, Refusal
from .access import ALL_RIGHTS, Access, Rights, Verdict, key_required
from .devices import Device, DeviceInfo, Devices, Queued, Will
from .flusher import Flusher
from .limits import Limits
from .outbox import Outbox
from .session import WITHOUT_WILL, Session, State
from .subscriptions import Subscriptions
from .variables import SYSTEM, Variable, Variables

_LOGGER = logging.getLogger(__name__)

_FLAPPING_WINDOW: Final = 60.0
"""Seconds in which the connects of an ID are counted."""
_UNSTORED: Final = 1000
"""Names without a value whose subscribers are kept."""
_NAMED: Final = 10
"""How many devices an answer names at most."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One publish, as watchers see it; values in wire form, device "" for a client without ID."""

    name: str
    value: str
    previous: str | None
    time: float
    device: str
    retain: bool

    @property
    def text(self) -> str:
        """The value decoded."""
        return wire.decode(self.value)


type Watcher = Callable[[Publication], None]
"""A subscriber inside this process."""


class Delivery(Enum):
    """What became of a message that was accepted."""

    DELIVERED = "delivered"
    QUEUED = "queued"


class Observer:
    """What the broker tells; every method does nothing until overridden."""

    def device_waiting(self, device_id: str, info: DeviceInfo, address: str) -> None:
        """An unknown device asks to be let in: answer by `approve` or `refuse`, at any time."""

    def device_left(self, device_id: str) -> None:
        """A device that asked to be let in is gone, or has its answer."""

    def device_refused(self, device_id: str, address: str, reason: BadReason) -> None:
        """A device was refused."""

    def device_key_failed(self, device_id: str, address: str) -> None:
        """A device tried TLS with a key that is not its, or without being known to have one."""

    def device_misidentified(self, identity: str, device_id: str, address: str) -> None:
        """A device that came by its own key (identity) said that it is another one."""

    def device_violated(self, device: Device, detail: str) -> None:
        """A device tried what its rights do not allow."""

    def device_flapping(self, device_id: str, address: str) -> None:
        """An ID connects too often, or two clients use it: it is refused for a while."""

    def device_admitted(self, device: Device) -> None:
        """An unknown device was let in through the permit window and is known from now on."""

    def device_connected(self, device: Device) -> None:
        """A device has come, or has come again over a new connection, or has told more of itself."""

    def device_disconnected(self, device: Device, reason: CloseReason) -> None:
        """A device has gone; its state tells whether it sleeps."""

    def device_lost(self, device: Device) -> None:
        """A sleeper has not come back within its time."""

    def variable_added(self, variable: Variable) -> None:
        """A variable is new, with its first value or description."""

    def variable_described(self, variable: Variable) -> None:
        """A variable's description has changed or gone."""

    def variable_deleted(self, variable: Variable) -> None:
        """A variable is gone."""


class Broker:
    """All state of the broker. Not thread-safe: everything runs in one event loop."""

    def __init__(
        self,
        *,
        access: Access | None = None,
        limits: Limits | None = None,
        rules: Rules | None = None,
        version: str = "",
        call_soon: Callable[[Callable[[], None]], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make a broker with injected clocks, in seconds: clock is monotonic, now is the wall's.

        call_soon runs a function in the next turn of the event loop; without it, at once.
        """
        self.access = access or Access()
        self.limits = limits or Limits()
        self.rules = rules or Rules()
        self.version = version
        self.clock = clock
        self.now = now
        self.variables = Variables()
        self.devices = Devices(self.limits.devices)
        self.sessions: dict[Session, None] = {}
        """Every open session, the oldest first."""
        self.waiting: dict[str, Session] = {}
        """Sessions that a person is to decide on, by the device ID they asked for."""
        self.flusher = Flusher(call_soon or (lambda callback: callback()))
        self.changed: dict[str, None] = {}
        """Names of the variables that are to be saved."""
        self.generation = 0
        """Changes with every subscription, so that who keeps a match knows when it is old."""
        self.received = 0
        self.sent = 0
        self.closes: Counter[CloseReason] = Counter()
        self.home_assistant: Callable[[str, str], None] | None = None
        """Takes the messages to Home Assistant: the sender's ID ("" without one), the value."""
        self._subscriptions = Subscriptions[Session]()
        self._watches = Subscriptions[Watcher]()
        self._observers: list[Observer] = []
        self._strangers: dict[Session, None] = {}
        self._unstored: dict[str, Variable] = {}
        """Names that have no value, only publishes with RETAIN=NO, with who gets them."""
        self._run: list[str] = []
        self._run_target: Variable | Outbox | None = None
        self._started = clock()
        self._system_at = clock()
        for name in SYSTEM_VALUES:
            variable = Variable(name)
            variable.dirty = True
            self.variables.add(variable)

    # Who listens

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell an observer what happens; returns a function that ends it."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def watch(self, text: str, watcher: Watcher) -> Callable[[], None]:
        """Call watcher with each publication of a name or filter; returns a function that ends it.

        Raises Refusal (bad-name).
        """
        names.check_filter(text)

        def watching(publication: Publication) -> None:
            watcher(publication)

        def unwatch() -> None:
            self._watches.remove(text, watching)
            self.generation += 1

        self._watches.add(text, watching)
        self.generation += 1
        return unwatch

    def subscribe(self, session: Session, text: str, *, definitions: bool) -> None:
        """Deliver a valid name or filter to a session, descriptions too if it wants them."""
        self.end_run()
        self._subscriptions.add(text, session, definitions=definitions)
        self.generation += 1

    def unsubscribe(self, session: Session, text: str) -> None:
        """Take back a subscription."""
        self.end_run()
        self._subscriptions.remove(text, session)
        self.generation += 1

    def _notify[*Args](
        self, method: Callable[[Observer, *Args], None], *args: *Args
    ) -> None:
        for observer in tuple(self._observers):
            try:
                getattr(observer, method.__name__)(*args)
            except Exception:
                _LOGGER.exception("An observer failed in %s", method.__name__)

    def _tell(self, watchers: Iterable[Watcher], publication: Publication) -> None:
        for watcher in watchers:
            try:
                watcher(publication)
            except Exception:
                _LOGGER.exception("A watcher of a variable failed")

    # Variables

    def _readers(self, name: str) -> dict[Session, bool]:
        """Find who gets a variable, each with whether it wants descriptions."""
        return {
            session: definitions
            for session, definitions in self._subscriptions.match(name).items()
            if session.rights is ALL_RIGHTS or session.rights.may_read(name)
        }

    def check_writable(self, name: str) -> None:
        """Raise Refusal (bad-name, read-only) where no client can publish to name."""
        names.check_variable_name(name)
        if name.startswith(SYSTEM):
            raise Refusal(
                BadReason.READ_ONLY, f"{SYSTEM} begins the broker's own names"
            )

    def check_length(self, command: str, name: str, value: str) -> None:
        """Raise Refusal (too-long) where a client could not take the message of a command."""
        line = f"START | COMMAND={command} | VARIABLE={name} | VALUE={value} | END"
        if len(line) > self.limits.line:
            raise Refusal(
                BadReason.TOO_LONG, f"a line has at most {self.limits.line} bytes"
            )

    def publish(
        self, name: str, value: str, *, device: str, retain: bool = True
    ) -> None:
        """Publish a value (wire form) to any variable from a device ID.

        Raises Refusal: bad-name, read-only, limit.
        """
        self.check_writable(name)
        if not retain:
            self._publish_live(name, value, device)
            return
        variable = self.variables.get(name) or self._add(name, device)
        added = variable.value is None and variable.definition is None
        self.update(variable, value, device, self.now())
        self.end_run()
        if added:
            self._notify(Observer.variable_added, variable)

    def update(self, variable: Variable, value: str, device: str, now: float) -> None:
        """Give a variable its next value: the way of every publish that is stored."""
        if variable.generation != self.generation:
            self._route(variable)
        previous = variable.value
        variable.value = value
        variable.time = now
        variable.device = device
        if not variable.dirty:
            variable.dirty = True
            self.changed[variable.name] = None
        if variable.receivers:
            if variable is not self._run_target:
                self.end_run()
                self._run_target = variable
            self._run.append(f"{variable.head}{value} | END\n")
        if variable.watchers:
            publication = Publication(variable.name, value, previous, now, device, True)
            self._tell(variable.watchers, publication)

    def pass_on(self, output: Outbox, line: str) -> bool:
        """Take a MSG for a connected device; False, and nothing is taken, while it does not read."""
        if output is not self._run_target:
            self.end_run()
            if output.paused:
                return False
            self._run_target = output
        self._run.append(line)
        return True

    def end_run(self) -> None:
        """Hand over, joined, what was collected for one variable's subscribers or one device."""
        target = self._run_target
        if target is None:
            return
        blob = "".join(self._run).encode("ascii")
        count = len(self._run)
        self._run_target = None
        self._run.clear()
        if isinstance(target, Variable):
            self.sent += count * len(target.receivers)
            for output in target.receivers:
                output.deliver(target.name, blob, None)
        else:
            self.sent += count
            target.push(blob)

    def _route(self, variable: Variable) -> None:
        """Find who gets a variable, until the subscriptions change."""
        variable.generation = self.generation
        readers = self._readers(variable.name)
        variable.receivers = tuple(session.output for session in readers)
        variable.watchers = tuple(self._watches.match(variable.name))

    def _publish_live(self, name: str, value: str, device: str) -> None:
        variable = self.variables.get(name) or self._unstored.get(name)
        if variable is None:
            if len(self._unstored) >= _UNSTORED:
                self._unstored.clear()
            variable = self._unstored[name] = Variable(name)
        if variable.generation != self.generation:
            self._route(variable)
        self.end_run()
        blob = f"{variable.head}{value}{wire.END}\n".encode("ascii")
        self._deliver(name, variable.receivers, blob)
        if variable.watchers:
            publication = Publication(
                name, value, variable.value, self.now(), device, False
            )
            self._tell(variable.watchers, publication)

    def _deliver(self, name: str, receivers: Iterable[Outbox], blob: bytes) -> None:
        """Hand a message that the table does not hold to subscribers."""
        for output in receivers:
            self.sent += 1
            output.deliver(name, blob, blob)

    def delete(self, name: str) -> None:
        """Delete a variable, its value and its description.

        Raises Refusal: bad-name, read-only, no-such-variable.
        """
        self.check_writable(name)
        variable = self.variables.get(name)
        if variable is None:
            raise names.no_such_variable(name)
        self.end_run()
        self.variables.remove(variable)
        self.changed[name] = None
        variable.value = variable.definition = None
        blob = wire.encode_message("DEL", {"VARIABLE": name})
        receivers = [session.output for session in self._readers(name)]
        self._deliver(name, receivers, blob)
        self._notify(Observer.variable_deleted, variable)

    def define(self, name: str, definition: Definition | None, *, device: str) -> None:
        """Describe a variable; None takes its description away.

        Raises Refusal: bad-name, read-only, limit.
        """
        self.check_writable(name)
        variable = self.variables.get(name)
        if variable is None:
            if definition is None:
                return
            variable = self._add(name, device)
        if definition == variable.definition:
            return
        if definition is None and variable.value is None:
            self.delete(name)
            return
        added = variable.value is None and variable.definition is None
        variable.definition = definition
        variable.device = variable.device or device
        variable.dirty = True
        self.changed[name] = None
        self.end_run()
        for session, wanted in self._readers(name).items():
            if wanted:
                session.output.deliver_definition(variable)
        self._notify(
            Observer.variable_added if added else Observer.variable_described, variable
        )

    def read(self, text: str) -> list[Variable]:
        """Return the variables that a name or filter matches, with or without a value.

        Raises Refusal (bad-name).
        """
        names.check_filter(text)
        if text.startswith(SYSTEM):
            self._refresh_system()
        self.end_run()
        return self.variables.matching(text)

    def restore(self, variables: Iterable[Variable]) -> None:
        """Take stored variables as they were, before any client is let in."""
        for variable in variables:
            self.variables.add(variable)

    def _add(self, name: str, owner: str) -> Variable:
        limits = self.limits
        if len(self.variables) >= limits.variables:
            raise Refusal(
                BadReason.LIMIT, f"there are {limits.variables} variables already"
            )
        if self.variables.owned(owner) >= limits.variables_per_client:
            raise Refusal(
                BadReason.LIMIT,
                f"this client has made {limits.variables_per_client} variables already",
            )
        variable = Variable(name, owner)
        self.variables.add(variable)
        return variable

    def _refresh_system(self) -> None:
        now = self.now()
        for name, read in SYSTEM_VALUES.items():
            value = str(read(self))
            variable = self.variables.get(name)
            if variable and variable.value != value:
                self.update(variable, value, "", now)

    @property
    def uptime(self) -> float:
        """Seconds since the broker was made."""
        return self.clock() - self._started

    @property
    def messages_received(self) -> int:
        """Messages received so far, from all clients."""
        return self.received + sum(session.received for session in self.sessions)

    # Messages

    def send(
        self, sender: str, target: str, value: str, *, ttl: float | None = None
    ) -> Delivery:
        """Send a message (value in wire form) from a device ID to a device ID, `*` or homeassistant.

        Raises Refusal: bad-name, no-such-device, device-busy, limit.
        """
        self.end_run()
        blob = f"{wire.message_head(sender)}{value} | END\n".encode("ascii")
        if target == names.EVERYONE:
            return self._send_to_everyone(sender, blob)
        if target.lower() == names.HOME_ASSISTANT:
            if self.home_assistant is None:
                raise _no_such_device(target)
            try:
                self.home_assistant(sender, value)
            except Exception:
                _LOGGER.exception("A message to Home Assistant failed")
            return Delivery.DELIVERED
        names.check_device_id(target)
        device = self.devices.get(target)
        if device is not None and device.session is not None:
            if not device.session.output.deliver_message(blob):
                raise _busy(target)
            self.sent += 1
            return Delivery.DELIVERED
        if ttl is None or not self._is_known(target):
            raise _no_such_device(target)
        self._queue(device or self.devices.enter(target), blob, ttl)
        return Delivery.QUEUED

    def _send_to_everyone(self, sender: str, blob: bytes) -> Delivery:
        busy = []
        for device in tuple(self.devices):
            if device.session is not None and device.id != sender:
                if device.session.output.deliver_message(blob):
                    self.sent += 1
                else:
                    busy.append(device.id)
        if busy:
            raise _busy(", ".join(busy[:_NAMED]))
        return Delivery.DELIVERED

    def _queue(self, device: Device, blob: bytes, ttl: float) -> None:
        limits = self.limits
        if ttl > limits.message_ttl:
            raise Refusal(
                BadReason.LIMIT, f"TTL is at most {limits.message_ttl:g} seconds"
            )
        now = self.clock()
        self.devices.expire(device, now)
        full = self.devices.queued + len(blob) > limits.queued
        if full or len(device.queue) >= limits.messages:
            raise _busy(device.id)
        self.devices.queue(device, Queued(blob, now + ttl))

    def _is_known(self, device_id: str) -> bool:
        access = self.access
        return (
            device_id in access.known
            or device_id in access.keys
            or self.devices.get(device_id) is not None
        )

    # Devices

    def open(self, session: Session) -> None:
        """Take a new session; it is closed at once where there are too many."""
        self.sessions[session] = None
        if len(self.sessions) > self.limits.clients:
            silent = next(one for one in self.sessions if not one.received)
            silent.close(CloseReason.LIMIT)
            if silent is session:
                return
        if session.state is State.STRANGER:
            self._strangers[session] = None
            if len(self._strangers) > self.limits.strangers:
                self._close_a_stranger()

    def _close_a_stranger(self) -> None:
        """Close the oldest stranger of the address that has the most of them."""
        crowds = Counter(session.address for session in self._strangers)
        ((address, _),) = crowds.most_common(1)
        oldest = next(one for one in self._strangers if one.address == address)
        oldest.close(CloseReason.LIMIT)

    def ask(self, session: Session) -> bool:
        """Judge the ID that a session asked for; returns whether it must wait for a person.

        Raises Refusal (denied, key-required). An error in the judgement is a refusal too.
        """
        device_id = session.requested
        try:
            verdict = self.access.judge(device_id, session.identity, self.clock())
        except Refusal as refusal:
            self._notify(
                Observer.device_refused, device_id, session.address, refusal.reason
            )
            identity = session.identity
            if identity is not None and identity.device_id != device_id:
                self._notify(
                    Observer.device_misidentified,
                    identity.device_id,
                    device_id,
                    session.address,
                )
            raise
        except Exception as err:
            _LOGGER.exception("Access could not be judged, so it is refused")
            raise Refusal(BadReason.DENIED, "try again later") from err
        if verdict is Verdict.ASK:
            if other := self.waiting.pop(device_id, None):
                other.close(CloseReason.TAKEN_OVER)
            self.waiting[device_id] = session
            self._notify(
                Observer.device_waiting,
                device_id,
                session.requested_info,
                session.address,
            )
            return True
        if self._is_flapping(session):
            self._notify(Observer.device_flapping, device_id, session.address)
            raise Refusal(BadReason.LIMIT, "this ID connects too often, wait a minute")
        self._let_in(session, admit=verdict is Verdict.ADMIT)
        return False

    def _is_flapping(self, session: Session) -> bool:
        """Tell whether an ID has connected too often of late; a repeated ID is no connect."""
        device = self.devices.get(session.requested)
        if device is None or device.session is session:
            return False
        earliest = self.clock() - _FLAPPING_WINDOW
        device.connects = [time for time in device.connects if time > earliest]
        return len(device.connects) >= self.limits.connects

    def key_failed(self, identity: str | None, address: str) -> None:
        """Note that TLS failed for an identity, None where it did not come that far."""
        if identity is not None and names.is_device_id(identity):
            self._notify(Observer.device_key_failed, identity, address)

    def violated(self, session: Session, detail: str) -> None:
        """Note that a device tried what its rights do not allow."""
        if session.device is not None:
            session.device.violations += 1
            self._notify(Observer.device_violated, session.device, detail)

    def set_rights(self, device_id: str, rights: Rights) -> None:
        """Change what a device may do, at once."""
        self.end_run()
        self.access.rights[device_id] = rights
        self.generation += 1
        device = self.devices.get(device_id)
        if device is not None and device.session is not None:
            device.session.rights = rights

    def set_key(self, device_id: str, key: bytes | None) -> None:
        """Change a device's key (32 bytes), or take it away.

        Who came by the old one is closed; who waits in plain text is refused where there is a new one.
        """
        if key is None:
            self.access.keys.pop(device_id, None)
        else:
            self.access.keys[device_id] = key
            if session := self.waiting.get(device_id):
                session.refused(key_required())
        self._close_device(device_id, CloseReason.DISCONNECTED)
        self.flusher.schedule()

    def approve(self, device_id: str) -> None:
        """Let a device in from now on, at once if it waits."""
        self.access.refused.discard(device_id)
        self.access.known.add(device_id)
        if session := self.waiting.get(device_id):
            self._let_in(session)
            self.flusher.schedule()

    def refuse(self, device_id: str) -> None:
        """Keep a device out from now on; one that waits is told so, one that is in is closed."""
        self.access.known.discard(device_id)
        self.access.refused.add(device_id)
        if session := self.waiting.get(device_id):
            session.refused(Refusal(BadReason.DENIED, "this device is kept out"))
        self._close_device(device_id, CloseReason.DENIED)

    def permit(self, seconds: float) -> None:
        """Let new devices in for a time, those that wait at once; 0 ends it."""
        self.access.permit_until = self.clock() + seconds
        if seconds:
            for session in tuple(self.waiting.values()):
                self._let_in(session, admit=True)
            self.flusher.schedule()

    def disconnect(self, device_id: str) -> bool:
        """Close a device's connection; returns whether there was one. It may come back."""
        return self._close_device(device_id, CloseReason.DISCONNECTED)

    def revoke(self, device_id: str, *, delete_variables: bool = False) -> None:
        """Forget a device: it is not known any more, its connection, messages and, if asked for, variables are gone."""
        self.access.known.discard(device_id)
        self.access.keys.pop(device_id, None)
        self.access.rights.pop(device_id, None)
        self._close_device(device_id, CloseReason.REVOKED)
        self.devices.forget(device_id)
        if delete_variables:
            for variable in [one for one in self.variables if one.owner == device_id]:
                self.delete(variable.name)
            self.flusher.schedule()

    def shutdown(self) -> None:
        """Close every session."""
        for session in tuple(self.sessions):
            session.close(CloseReason.SHUTDOWN)

    def leave(self, session: Session, reason: CloseReason, sleep: float | None) -> None:
        """Part with a session that has ended."""
        self.end_run()
        self.closes[reason] += 1
        self.received += session.received
        del self.sessions[session]
        self._strangers.pop(session, None)
        self.stop_waiting(session)
        for text in session.filters:
            self._subscriptions.remove(text, session)
        self.generation += 1
        device = session.device
        will = session.will
        if device is not None and device.session is session:
            self.devices.detach(device)
            device.last_seen = self.now()
            if sleep is not None:
                device.asleep_until = self.clock() + sleep
                device.will = will
            self._notify(Observer.device_disconnected, device, reason)
        if will is not None and reason not in WITHOUT_WILL:
            self._publish_will(will, session.device_id)
        self.flusher.schedule()

    def restore_device(
        self,
        device_id: str,
        *,
        address: str,
        last_seen: float | None,
        sleep: float | None = None,
    ) -> None:
        """Take a device as it was before a restart; sleep is what is left of it, in seconds."""
        device = self.devices.enter(device_id)
        device.address = address
        device.last_seen = last_seen
        if sleep is not None:
            device.asleep_until = self.clock() + sleep

    def flush(self) -> None:
        """Hand out what was published and sent from inside this process."""
        self.end_run()
        self.flusher.schedule()

    def tick(self) -> None:
        """Look after all that has its time; called about once a second."""
        now = self.clock()
        for session in tuple(self.sessions):
            session.tick(now)
        for device in tuple(self.devices):
            if device.asleep_until is not None and device.asleep_until <= now:
                self._lose_sleeper(device)
        if now - self._system_at >= self.limits.system_interval:
            self._system_at = now
            self._refresh_system()
            self.end_run()
        self.flusher.schedule()

    def _let_in(self, session: Session, *, admit: bool = False) -> None:
        device_id = session.requested
        self._strangers.pop(session, None)
        self.stop_waiting(session)
        old = session.device
        if old is not None and old.id != device_id and old.session is session:
            self.devices.detach(old)
            self._notify(Observer.device_disconnected, old, CloseReason.CLIENT_CLOSE)
        device = self.devices.enter(device_id)
        previous = device.session
        if previous is not session:
            if previous is not None:
                self.devices.detach(device)
            device.connected_at = self.now()
            device.connects.append(self.clock())
            self.devices.attach(device, session)
        device.info = session.requested_info
        device.address = session.address
        device.last_seen = self.now()
        device.asleep_until = device.will = None
        if previous is not None and previous is not session:
            previous.close(CloseReason.TAKEN_OVER)
        self.end_run()
        self.generation += 1
        session.rights = self.access.rights.get(device_id, ALL_RIGHTS)
        session.let_in(device)
        for line in self.devices.take_queue(device, self.clock()):
            session.output.deliver_message(line)
        if admit:
            self.access.known.add(device_id)
            self._notify(Observer.device_admitted, device)
        self._notify(Observer.device_connected, device)

    def stop_waiting(self, session: Session) -> None:
        """Let nobody decide on a session any more."""
        if self.waiting.get(session.requested) is session:
            del self.waiting[session.requested]
            self._notify(Observer.device_left, session.requested)

    def _close_device(self, device_id: str, reason: CloseReason) -> bool:
        device = self.devices.get(device_id)
        if device is None or device.session is None:
            return False
        device.session.close(reason)
        return True

    def _lose_sleeper(self, device: Device) -> None:
        will, device.will, device.asleep_until = device.will, None, None
        if will is not None:
            self._publish_will(will, device.id)
        self._notify(Observer.device_lost, device)

    def _publish_will(self, will: Will, device: str) -> None:
        rights = self.access.rights.get(device, ALL_RIGHTS)
        if not rights.may_write(will.name):
            return
        try:
            self.publish(will.name, will.value, device=device, retain=will.retain)
        except Refusal as refusal:
            _LOGGER.debug("A will could not be published: %s", refusal)
        self.end_run()


def _no_such_device(device_id: str) -> Refusal:
    return Refusal(BadReason.NO_SUCH_DEVICE, f"{device_id} is not connected")


def _busy(device_id: str) -> Refusal:
    return Refusal(BadReason.DEVICE_BUSY, f"too many messages wait for {device_id}")


SYSTEM_VALUES: Final[Mapping[str, Callable[[Broker], object]]] = {
    "$SYS/version": lambda broker: broker.version,
    "$SYS/uptime": lambda broker: int(broker.uptime),
    "$SYS/clients": lambda broker: len(broker.sessions),
    "$SYS/variables": lambda broker: len(broker.variables),
    "$SYS/messages/received": lambda broker: broker.messages_received,
    "$SYS/messages/sent": lambda broker: broker.sent,
}
"""The broker's own variables (protocol B9)."""
