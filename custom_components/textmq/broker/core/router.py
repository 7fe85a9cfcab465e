"""The way of a publish: from one client to all who want it (protocol A2, B3, B4, B6)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from ..protocol import names, wire
from ..protocol.definitions import Definition
from ..protocol.reasons import BadReason, Refusal
from .access import ALL_RIGHTS, Rights
from .limits import Limits
from .observers import Observer, Observers, Publication, Teller, Watcher
from .outbox import Outbox
from .subscriptions import Subscriptions
from .traffic import Traffic
from .variables import SYSTEM, Variable, Variables

_MAX_UNRETAINED_ROUTES: Final = 1000
"""Names without a value whose subscribers are kept."""


class Subscriber(Protocol):
    """A session that wants variables."""

    @property
    def rights(self) -> Rights:
        """What it may read."""

    @property
    def outbox(self) -> Outbox:
        """What is to be sent to it."""


class Route:
    """Who gets a variable, until the subscriptions change."""

    __slots__ = ("generation", "receivers", "variable", "watchers")

    def __init__(self, variable: Variable) -> None:
        """Make a route that is to be found at the first publish."""
        self.variable = variable
        self.generation = -1
        self.receivers: tuple[Outbox, ...] = ()
        self.watchers: tuple[Watcher, ...] = ()


class Router:
    """Publishes, deletes, describes, finds; knows who wants what."""

    def __init__(
        self,
        variables: Variables,
        limits: Limits,
        observers: Observers,
        teller: Teller,
        traffic: Traffic,
        now: Callable[[], float],
    ) -> None:
        """Keep the values in variables; now is the wall's clock, seconds since 1970."""
        self.teller = teller
        """Tells watchers of publishes."""
        self._variables = variables
        self._limits = limits
        self._observers = observers
        self._traffic = traffic
        self._now = now
        self._subscriptions = Subscriptions[Subscriber]()
        self._watches = Subscriptions[Watcher]()
        self._routes: dict[str, Route] = {}
        self._unretained: dict[str, Route] = {}
        """Routes of names that have no value, only publishes with RETAIN=NO."""
        self._generation = 0
        """Changes with every filter, so that every route knows when it is old."""
        self.by_publish_prefix: dict[str, Route] = {}
        """Routes by the beginning of a canonical PUB: what clients may write."""
        self.changed: dict[str, None] = {}
        """Names of the variables that are to be saved."""

    # Who wants what

    def watch(self, pattern: str, watcher: Watcher) -> Callable[[], None]:
        """Call watcher with each publication of a name or filter; returns a function that ends it.

        Raises Refusal (bad-name).
        """
        names.check_filter(pattern)

        def watching(publication: Publication) -> None:
            watcher(publication)

        def unwatch() -> None:
            self._watches.remove(pattern, watching)
            self._renew(pattern)

        self._watches.add(pattern, watching)
        self._renew(pattern)
        return unwatch

    def check_room(self, pattern: str) -> None:
        """Raise Refusal (limit) where the subscriptions of all clients leave no room for a new one."""
        limits, subscriptions = self._limits, self._subscriptions
        if subscriptions.bytes >= limits.subscription_bytes or (
            names.is_wildcard(pattern)
            and subscriptions.nodes >= limits.filter_levels_total
        ):
            raise Refusal(
                BadReason.LIMIT, "the subscriptions of all clients take too much"
            )

    def subscribe(
        self, pattern: str, subscriber: Subscriber, *, definitions: bool
    ) -> None:
        """Deliver a valid name or filter, descriptions too if they are wanted."""
        self._subscriptions.add(pattern, subscriber, definitions=definitions)
        self._renew(pattern)

    def unsubscribe(self, pattern: str, subscriber: Subscriber) -> None:
        """Take back a subscription."""
        self._subscriptions.remove(pattern, subscriber)
        self._renew(pattern)

    def renew_routes(self) -> None:
        """Find all routes again, each at its next publish, since rights have changed."""
        self._generation += 1

    def _renew(self, pattern: str) -> None:
        if names.is_wildcard(pattern):
            self._generation += 1
        elif route := self._routes.get(pattern) or self._unretained.get(pattern):
            route.generation = -1

    def _readers(self, name: str) -> dict[Subscriber, bool]:
        """Find who gets a variable, each with whether it wants descriptions."""
        return {
            subscriber: definitions
            for subscriber, definitions in self._subscriptions.match(name).items()
            if subscriber.rights is ALL_RIGHTS or subscriber.rights.may_read(name)
        }

    def refresh(self, route: Route) -> None:
        """Find who gets a variable, where the subscriptions have changed."""
        if route.generation == self._generation:
            return
        route.generation = self._generation
        name = route.variable.name
        route.receivers = tuple(reader.outbox for reader in self._readers(name))
        route.watchers = tuple(self._watches.match(name))

    # Publishing

    def check_writable(self, name: str) -> None:
        """Raise Refusal (bad-name, read-only) where no client can publish to name."""
        names.check_variable_name(name)
        if name.startswith(SYSTEM):
            raise Refusal(
                BadReason.READ_ONLY, f"{SYSTEM} begins the broker's own names"
            )

    def publish(
        self, name: str, value: str, *, device: str, retain: bool = True
    ) -> None:
        """Publish a value (wire form) to any variable from a device ID.

        Raises Refusal: bad-name, read-only, limit.
        """
        self.check_writable(name)
        if not retain:
            self._publish_event(name, value, device)
            return
        route = self._routes.get(name) or self._add(name, device)
        added = route.variable.is_new
        self.publish_known(route, value, device, self._now())
        if added:
            self._observers.notify(Observer.variable_added, route.variable)

    def publish_known(self, route: Route, value: str, device: str, now: float) -> None:
        """Publish a value to a variable that there is."""
        previous = self.store(route, value, device, now)
        variable = route.variable
        if route.receivers:
            blob = f"{variable.prefix}{value}{wire.END}\n".encode("ascii")
            self.deliver(route, blob, 1)
        if route.watchers:
            self.teller.tell(
                route.watchers,
                Publication(variable.name, value, previous, now, device, True),
            )

    def store(self, route: Route, value: str, device: str, now: float) -> str | None:
        """Give a variable its next value, and its route to who gets it; returns the value before."""
        if route.generation != self._generation:
            self.refresh(route)
        variable = route.variable
        previous = variable.value
        variable.value = value
        variable.time = now
        variable.device = device
        if not variable.dirty:
            variable.dirty = True
            self.changed[variable.name] = None
        return previous

    def deliver(self, route: Route, blob: bytes, count: int) -> None:
        """Hand messages of a variable to its subscribers."""
        name = route.variable.name
        self._traffic.sent += count * len(route.receivers)
        for outbox in route.receivers:
            outbox.deliver(name, blob)

    def _publish_event(self, name: str, value: str, device: str) -> None:
        route = self._routes.get(name) or self._unretained.get(name)
        if route is None:
            if len(self._unretained) >= _MAX_UNRETAINED_ROUTES:
                del self._unretained[next(iter(self._unretained))]
            route = self._unretained[name] = Route(Variable(name))
        self.refresh(route)
        variable = route.variable
        blob = f"{variable.prefix}{value}{wire.END}\n".encode("ascii")
        self._traffic.sent += len(route.receivers)
        for outbox in route.receivers:
            outbox.deliver_event(name, blob)
        if route.watchers:
            self.teller.tell(
                route.watchers,
                Publication(name, value, variable.value, self._now(), device, False),
            )

    # Variables

    def restore(self, variables: Iterable[Variable]) -> None:
        """Take stored variables as they were, before any client is let in."""
        for variable in variables:
            self._enter(variable)

    def _add(self, name: str, owner: str) -> Route:
        limits = self._limits
        if len(self._variables) >= limits.variables:
            raise Refusal(
                BadReason.LIMIT, f"there are {limits.variables} variables already"
            )
        if self._variables.owned(owner) >= limits.variables_per_client:
            raise Refusal(
                BadReason.LIMIT,
                f"this client has made {limits.variables_per_client} variables already",
            )
        self._unretained.pop(name, None)
        return self._enter(Variable(name, owner))

    def _enter(self, variable: Variable) -> Route:
        self._variables.add(variable)
        route = self._routes[variable.name] = Route(variable)
        if names.is_variable_name(variable.name) and variable.name[0] != SYSTEM:
            self.by_publish_prefix[wire.publish_prefix(variable.name)] = route
        return route

    def add_own(self, name: str) -> Route:
        """Add a variable of the broker itself, which is never saved (protocol B9)."""
        variable = Variable(name)
        variable.dirty = True
        return self._enter(variable)

    def delete(self, name: str) -> None:
        """Delete a variable, its value and its description.

        Raises Refusal: bad-name, read-only, no-such-variable.
        """
        route = self._routes.get(name)
        if route is None or name.startswith(SYSTEM):
            self.check_writable(name)
            raise names.no_such_variable(name)
        variable = route.variable
        del self._routes[name]
        self.by_publish_prefix.pop(wire.publish_prefix(name), None)
        self._variables.remove(variable)
        self.changed[name] = None
        variable.value = variable.definition = None
        self.refresh(route)
        blob = wire.encode_message("DEL", {"VARIABLE": name})
        self._traffic.sent += len(route.receivers)
        for outbox in route.receivers:
            outbox.deliver_deletion(name, blob)
        self._observers.notify(Observer.variable_deleted, variable)

    def define(self, name: str, definition: Definition | None, *, device: str) -> None:
        """Describe a variable; None takes its description away.

        Raises Refusal: bad-name, read-only, limit.
        """
        self.check_writable(name)
        route = self._routes.get(name)
        if route is None:
            if definition is None:
                return
            route = self._add(name, device)
        variable = route.variable
        if definition == variable.definition:
            return
        if definition is None and variable.value is None:
            self.delete(name)
            return
        added = variable.is_new
        variable.definition = definition
        variable.device = variable.device or device
        variable.dirty = True
        self.changed[name] = None
        for reader, definitions in self._readers(name).items():
            if definitions:
                self._traffic.sent += 1
                reader.outbox.deliver_definition(variable)
        self._observers.notify(
            Observer.variable_added if added else Observer.variable_described, variable
        )

    def search(self, pattern: str) -> Iterator[Variable | None]:
        """Find what a name or filter matches; None is a step without a find.

        Raises Refusal (bad-name).
        """
        if pattern not in self._routes:
            names.check_filter(pattern)
        return self._variables.search(pattern)
