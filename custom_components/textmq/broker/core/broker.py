"""The broker: what Home Assistant and the server need of its rooms."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
import time

from ..protocol.definitions import Definition, Rules
from ..protocol.reasons import BadReason, CloseReason, Refusal
from .access import Access, Identity, Rights
from .approval import Applicant
from .limits import Limits
from .mailbox import Delivery
from .observers import Observer, Watcher
from .outbox import Sink
from .rooms import Rooms
from .session import Session
from .stored import StoredClock, StoredDevice, StoredMessage
from .variables import SYSTEM, Variable


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
        cpu_time: Callable[[], float] = time.thread_time,
    ) -> None:
        """Make a broker with injected clocks, in seconds.

        clock is monotonic, now is the wall's, cpu_time is what this thread has used of its
        processor. call_soon runs a function in the next turn of the event loop; without it, at once.
        """
        rooms = Rooms(
            access or Access(),
            limits or Limits(),
            rules or Rules(),
            version,
            call_soon or (lambda callback: callback()),
            clock,
            now,
            cpu_time,
        )
        self.clock = clock
        self.now = now
        self.access = rooms.access
        self.limits = rooms.limits
        self.variables = rooms.variables
        self.devices = rooms.devices
        self.scheduler = rooms.scheduler
        self.archive = rooms.archive
        self.greeting = rooms.greeting
        self._traffic = rooms.traffic
        self._observers = rooms.observers
        self._changes = rooms.changes
        self._router = rooms.router
        self._descriptions = rooms.descriptions
        self._mailbox = rooms.mailbox
        self._presence = rooms.presence
        self._records = rooms.records
        self._approval = rooms.approval
        self._replacement = rooms.replacement
        self._sys_tree = rooms.sys_tree
        self._commands = rooms.commands
        self._fast_path = rooms.fast_path
        self._strangers = rooms.strangers
        self._life = rooms.life
        self._started = clock()

    # What there is

    @property
    def sessions(self) -> dict[Applicant, None]:
        """Every open session, the oldest first."""
        return self._approval.sessions

    @property
    def waiting(self) -> dict[str, Applicant]:
        """Sessions that a person is to decide on, by the device ID they asked for."""
        return self._approval.waiting

    @property
    def closes(self) -> Counter[CloseReason]:
        """How many sessions have ended, by reason."""
        return self._approval.closes

    @property
    def changed(self) -> dict[str, None]:
        """Names of what is to be saved: variables, and what core/stored.py names."""
        return self._changes.names

    def take_changed(self) -> dict[str, None]:
        """Take these names: they are not to be saved again until they change again."""
        return self._changes.take()

    @property
    def secrets(self) -> Collection[str]:
        """Names of variables whose values are not to be shown (protocol B6)."""
        return self._router.secrets.names

    @property
    def uptime(self) -> float:
        """Seconds since the broker was made."""
        return self.clock() - self._started

    @property
    def messages_received(self) -> int:
        """Messages received so far, from all clients."""
        return self._approval.messages_received

    @property
    def messages_sent(self) -> int:
        """Messages sent so far, to all clients."""
        return self._traffic.sent

    def messages_waiting(self, device_id: str) -> int:
        """Count the messages that wait for a device that is away."""
        return self._mailbox.waiting_for(device_id)

    @property
    def home_assistant(self) -> Callable[[str, str], None] | None:
        """Takes the messages to Home Assistant: the sender's ID ("" without one), the value."""
        return self._mailbox.home_assistant

    @home_assistant.setter
    def home_assistant(self, receive: Callable[[str, str], None] | None) -> None:
        self._mailbox.home_assistant = receive

    # Clients

    def set_limits(self, limits: Limits) -> None:
        """Change the bounds, at once and for the clients that are here too."""
        self.limits.update(limits)
        for session in self.sessions:
            session.limits_changed()

    def session(
        self, sink: Sink, address: str, identity: Identity | None = None
    ) -> Session:
        """Make the session of a connection; identity is what a key has proved, None in plain text."""
        return Session(
            sink,
            address,
            identity,
            guest=self.access.guests,
            commands=self._commands,
            fast_path=self._fast_path,
            greeting=self.greeting,
            register=self._approval,
            scheduler=self.scheduler,
            strangers=self._strangers,
            look_up=self.variables.get,
            limits=self.limits,
            traffic=self._traffic,
            clock=self.clock,
            now=self.now,
        )

    def open(self, session: Session) -> None:
        """Begin a session; it is closed at once where there are too many."""
        self._approval.session_opened(session)

    def key_failed(self, identity: str | None, address: str) -> None:
        """Note that TLS failed for an identity, None where it did not come that far."""
        self._approval.key_failed(identity, address)

    # Listening

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell an observer what happens; returns a function that ends it."""
        return self._observers.add(observer)

    def watch(self, pattern: str, watcher: Watcher) -> Callable[[], None]:
        """Call watcher with each publication of a name or filter; returns a function that ends it.

        Raises Refusal (bad-name).
        """
        return self._router.watch(pattern, watcher)

    # Variables

    def check_length(self, command: str, name: str, value: str) -> None:
        """Raise Refusal (too-long) where a client could not take the message of a command."""
        line = f"START | COMMAND={command} | VARIABLE={name} | VALUE={value} | END"
        if len(line) > self.limits.max_line:
            raise Refusal(
                BadReason.TOO_LONG, f"a line has at most {self.limits.max_line} bytes"
            )

    def publish(
        self, name: str, value: str, *, device: str, retain: bool = True
    ) -> None:
        """Publish a value (wire form) to any variable from a device ID.

        Raises Refusal: bad-name, read-only, limit.
        """
        self._router.publish(name, value, device=device, retain=retain)

    def delete(self, name: str) -> None:
        """Delete a variable, its value and its description.

        Raises Refusal: bad-name, read-only, no-such-variable.
        """
        self._router.delete(name)

    def define(self, name: str, definition: Definition | None, *, device: str) -> None:
        """Describe a variable; None takes its description away.

        Raises Refusal: bad-name, read-only, limit, forbidden.
        """
        self._descriptions.define(name, definition, device=device)

    def read(self, pattern: str) -> list[Variable]:
        """Return the variables that a name or filter matches, with or without a value.

        Raises Refusal (bad-name).
        """
        found = self._router.search(pattern)
        if pattern.startswith(SYSTEM):
            self._sys_tree.refresh()
        return [variable for variable in found if variable is not None]

    # Messages

    def send(
        self,
        sender: str,
        target: str,
        value: str,
        *,
        ttl: float | None = None,
        re: str = "",
    ) -> Delivery:
        """Send a message (value in wire form) from a device ID to a device ID, `*` or homeassistant.

        Raises Refusal: bad-name, malformed, no-such-device, device-busy, limit.
        """
        return self._mailbox.send(sender, target, value, ttl=ttl, re=re)

    # Devices

    def approve(self, device_id: str) -> None:
        """Let a device in from now on, at once if it waits."""
        self._approval.approve(device_id)
        self.flush()

    def refuse(self, device_id: str) -> None:
        """Keep a device out from now on; one that waits is told so, one that is in is closed."""
        self._approval.refuse(device_id)
        self.flush()

    def permit(self, seconds: float) -> None:
        """Let new devices in for a time, those that wait at once; 0 ends it."""
        self._approval.permit(seconds)
        self.flush()

    def set_rights(self, device_id: str, rights: Rights) -> None:
        """Change what a device may do, at once."""
        self._approval.set_rights(device_id, rights)

    def set_key(self, device_id: str, key: bytes | None) -> None:
        """Change a device's key (32 bytes), or take it away.

        A session that came by the old one is closed; one that waits in plain text is refused
        where there is a new one.
        """
        self._approval.set_key(device_id, key)
        self.flush()

    def disconnect(self, device_id: str) -> bool:
        """Close a device's connection; returns whether there was one. It may come back."""
        return self._approval.disconnect(device_id)

    def may_be_there(self, device_id: str) -> bool:
        """Tell whether a device is connected, asleep in time, or was so before the start and may come yet.

        It may for a while after `begin` (protocol B5).
        """
        return self._presence.may_be_there(device_id)

    def revoke(self, device_id: str, *, delete_variables: bool = False) -> None:
        """Forget a device: it is not known any more, its connection, messages and, if asked for, variables go."""
        self._approval.revoke(device_id)
        self.scheduler.later(
            self._records.forget_variables(device_id, delete=delete_variables)
        )
        self.flush()

    def replace_device(self, old: str, new: str) -> Iterator[None]:
        """Put a device in the place of another one, which is forgotten: variables and messages become its own.

        The caller drives it, one short step after the other (protocol B6). Who is known, and by
        which key, is the caller's to say. Raises Refusal (bad-name) at once.
        """
        return self._replacement.replace(old, new)

    def know(self, device_ids: Iterable[str]) -> None:
        """Know devices from now on; those that wait are not let in by it."""
        self.access.known.update(device_ids)
        self._presence.follow_access()

    # On file

    def restore(
        self,
        variables: Iterable[Variable] = (),
        devices: Iterable[StoredDevice] = (),
        messages: Iterable[StoredMessage] = (),
        clock: StoredClock | None = None,
        last_serial: int = 0,
    ) -> None:
        """Take all as it was, before any client is let in (core/archive.py)."""
        self.archive.restore(variables, devices, messages, clock, last_serial)

    # Life

    def flush(self) -> None:
        """Write in the next turn of the event loop what was published and sent from inside this process."""
        self.scheduler.flush()

    def begin(self) -> None:
        """From now on clients can come: the time that devices of before the start have to come back begins."""
        self._life.begin()

    def tick(self) -> None:
        """Look after all that has its time; called about once a second."""
        self._life.tick()

    def shutdown(self) -> None:
        """Close every session."""
        self._life.end()
