"""The way of a publish: from one client to all who want it (protocol A2, B3, B4, B6)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from ..protocol import names, wire
from ..protocol.reasons import BadReason, Refusal
from .access import ALL_RIGHTS, Rights
from .changes import Changes
from .definition_sets import DefinitionSets
from .devices import Devices
from .limits import Limits
from .observers import Observer, Observers, Publication, Teller, Watcher
from .outbox import Outbox
from .owners import Owners
from .secrets import Secrets
from .subscriptions import FULL, Subscriptions
from .traffic import Traffic
from .variables import SYSTEM, Variable, Variables, full_form

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

    __slots__ = ("full_receivers", "generation", "receivers", "variable", "watchers")

    def __init__(self, variable: Variable) -> None:
        """Make a route that is to be found at the first publish."""
        self.variable = variable
        self.generation = -1
        self.receivers: tuple[Outbox, ...] = ()
        self.full_receivers: tuple[Outbox, ...] = ()
        """Those that want the full form (protocol B3)."""
        self.watchers: tuple[Watcher, ...] = ()


class Router:
    """Publishes, deletes, describes, finds; knows who wants what."""

    def __init__(
        self,
        variables: Variables,
        devices: Devices,
        owners: Owners,
        sets: DefinitionSets,
        changes: Changes,
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
        self._devices = devices
        self._owners = owners
        self._sets = sets
        self._changes = changes
        self._changed = changes.names
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
        self.secrets = Secrets()
        """What is never stored or told to everyone."""

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

    def subscribe(self, pattern: str, subscriber: Subscriber, wishes: int) -> None:
        """Deliver a valid name or filter, with the wishes of the subscriber."""
        self._subscriptions.add(pattern, subscriber, wishes)
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

    def readers(self, name: str) -> dict[Subscriber, int]:
        """Find who gets a variable, each with its wishes."""
        return {
            subscriber: wishes
            for subscriber, wishes in self._subscriptions.match(name).items()
            if subscriber.rights is ALL_RIGHTS or subscriber.rights.may_read(name)
        }

    def refresh(self, route: Route) -> None:
        """Find who gets a variable, where the subscriptions have changed."""
        if route.generation == self._generation:
            return
        route.generation = self._generation
        name = route.variable.name
        readers = self.readers(name)
        route.full_receivers = tuple(
            reader.outbox for reader, wishes in readers.items() if wishes & FULL
        )
        route.receivers = tuple(
            reader.outbox for reader, wishes in readers.items() if not wishes & FULL
        )
        route.watchers = tuple(self._watches.match(name))

    def tells_in_full(self, name: str, outbox: Outbox) -> bool:
        """Tell whether a subscriber gets a variable in the full form (protocol B3)."""
        route = self._routes.get(name)
        if route is None:
            return False
        self.refresh(route)
        return outbox in route.full_receivers

    def write_full(self, variable: Variable) -> bytes:
        """Write a value in the full form of now."""
        return variable.delivery(self._now())

    # Publishing

    def check_writable(self, name: str) -> None:
        """Raise Refusal (bad-name, read-only) where no client can publish to name."""
        names.check_variable_name(name)
        if name.startswith(SYSTEM):
            raise Refusal(
                BadReason.READ_ONLY, f"{SYSTEM} begins the broker's own names"
            )

    def publish(
        self,
        name: str,
        value: str,
        *,
        device: str,
        retain: bool = True,
        will: bool = False,
    ) -> None:
        """Publish a value (wire form) to any variable from a device ID, as its will or itself.

        Raises Refusal: bad-name, read-only, limit.
        """
        self.check_writable(name)
        if self.secrets.hides(name) and name not in self.secrets.commands:
            return
        if not retain or name in self.secrets.commands:
            self._publish_event(name, value, device, will=will)
            return
        route = self._routes.get(name) or self.add(name, device)
        added = route.variable.is_new
        self.publish_known(route, value, device, self._now(), will=will, added=added)

    def publish_known(
        self,
        route: Route,
        value: str,
        device: str,
        now: float,
        *,
        will: bool = False,
        added: bool = False,
    ) -> None:
        """Publish a value to a variable that there is; observers hear of a new one before watchers do."""
        previous = self.store(route, value, device, now)
        variable = route.variable
        variable.will = will
        if route.receivers:
            self.deliver(route, variable.delivery(), 1)
        if route.full_receivers:
            self.deliver_full(route, variable.delivery(now), 1)
        if added:
            self._observers.notify(Observer.variable_added, variable)
        if route.watchers:
            self.teller.tell(
                route.watchers,
                Publication(variable.name, value, previous, now, device, True, will),
            )

    def store(self, route: Route, value: str, device: str, now: float) -> str | None:
        """Give a variable its next value, and its route to who gets it; returns the value before."""
        if route.generation != self._generation:
            self.refresh(route)
        variable = route.variable
        previous = variable.value
        variable.value = value
        variable.time = now
        variable.will = False
        if variable.device != device:
            variable.device = device
            self._owners.published(variable)
        if not variable.dirty:
            variable.dirty = True
            self._changed[variable.name] = None
        return previous

    def deliver(self, route: Route, blob: bytes, count: int) -> None:
        """Hand messages of a variable to its subscribers."""
        name = route.variable.name
        self._traffic.sent += count * len(route.receivers)
        for outbox in route.receivers:
            outbox.deliver(name, blob)

    def deliver_full(self, route: Route, blob: bytes, count: int) -> None:
        """Hand the full form of the same to those that want it."""
        name = route.variable.name
        self._traffic.sent += count * len(route.full_receivers)
        for outbox in route.full_receivers:
            outbox.deliver(name, blob, full=True)

    def replay(self, name: str) -> None:
        """Tell the subscribers of a variable that there is its value, as one from before (protocol B3)."""
        route = self._routes[name]
        self.refresh(route)
        variable = route.variable
        if variable.value is None:
            return
        if route.receivers:
            self.deliver(route, variable.replay(), 1)
        if route.full_receivers:
            self.deliver_full(route, self.write_full(variable), 1)

    def _publish_event(self, name: str, value: str, device: str, *, will: bool) -> None:
        route = self._event_route(name)
        now = self._now()
        receivers, full_receivers = route.receivers, route.full_receivers
        watchers = route.watchers
        if name in self.secrets.commands:
            only = self._owner_of_secret(name)
            receivers = tuple(one for one in receivers if one is only)
            full_receivers = tuple(one for one in full_receivers if one is only)
            watchers = ()
        variable = route.variable
        line = f"{variable.prefix}{value}"
        self._deliver_event(name, line, receivers)
        if full_receivers:
            more = full_form(now, 0, device, variable.owner, will=will)
            self._deliver_event(name, f"{line}{more} | RETAIN=NO", full_receivers)
        if watchers:
            self.teller.tell(
                watchers,
                Publication(name, value, variable.value, now, device, False, will),
            )

    def _deliver_event(self, name: str, line: str, receivers: Sequence[Outbox]) -> None:
        blob = f"{line}{wire.END}\n".encode("ascii")
        self._traffic.sent += len(receivers)
        for outbox in receivers:
            outbox.deliver_event(name, blob)

    def _owner_of_secret(self, name: str) -> Outbox | None:
        """Find who alone gets what is published to a name."""
        owner = self._devices.get(self.secrets.commands[name].owner)
        return owner.session.outbox if owner and owner.session else None

    def _event_route(self, name: str) -> Route:
        route = self._routes.get(name) or self._unretained.get(name)
        if route is None:
            if len(self._unretained) >= _MAX_UNRETAINED_ROUTES:
                del self._unretained[next(iter(self._unretained))]
            route = self._unretained[name] = Route(Variable(name))
        self.refresh(route)
        return route

    # Variables

    def restore(self, variables: Iterable[Variable]) -> None:
        """Take variables as they were, whatever bounds they are beyond."""
        for variable in variables:
            self._enter(variable)

    def find(self, name: str) -> Route | None:
        """Return the route of a variable that there is."""
        return self._routes.get(name)

    def add(self, name: str, account: str) -> Route:
        """Make a variable that counts towards an account. Raises Refusal (limit)."""
        limits = self._limits
        if len(self._variables) >= limits.variables:
            raise Refusal(
                BadReason.LIMIT, f"there are {limits.variables} variables already"
            )
        if self._variables.count(account) >= limits.variables_per_client:
            raise Refusal(
                BadReason.LIMIT,
                f"{limits.variables_per_client} variables belong to this client already",
            )
        return self._enter(Variable(name, account))

    def _enter(self, variable: Variable) -> Route:
        self._unretained.pop(variable.name, None)
        self._variables.add(variable)
        route = self._routes[variable.name] = Route(variable)
        self._open_fast_path(route)
        return route

    def _open_fast_path(self, route: Route) -> None:
        """Let canonical lines publish to a variable, where nothing is to be looked at."""
        name = route.variable.name
        prefix = wire.publish_prefix(name)
        if self.secrets.holds(name) or not names.is_variable_name(name):
            self.by_publish_prefix.pop(prefix, None)
        elif not name.startswith(SYSTEM):
            self.by_publish_prefix[prefix] = route

    def add_own(self, name: str) -> Route:
        """Add a variable of the broker itself, which is never saved (protocol B5, B9)."""
        variable = Variable(name)
        variable.dirty = True
        return self._enter(variable)

    def remove_own(self, route: Route) -> None:
        """Delete a variable of the broker itself."""
        self._remove(route)

    def delete(self, name: str) -> None:
        """Delete a variable, its value and its description.

        Raises Refusal: bad-name, read-only, no-such-variable.
        """
        route = self._routes.get(name)
        if route is None or name.startswith(SYSTEM):
            self.check_writable(name)
            raise names.no_such_variable(name)
        self._changed[name] = None
        self._remove(route)
        self._observers.notify(Observer.variable_deleted, route.variable)

    def _remove(self, route: Route) -> None:
        variable = route.variable
        name = variable.name
        del self._routes[name]
        self.by_publish_prefix.pop(wire.publish_prefix(name), None)
        self._variables.remove(variable)
        self._sets.leave(variable)
        variable.value = variable.definition = None
        self.follow_secrets(variable)
        self.refresh(route)
        blob = wire.encode_message("DEL", {"VARIABLE": name})
        for receivers in (route.receivers, route.full_receivers):
            self._traffic.sent += len(receivers)
            for outbox in receivers:
                outbox.deliver_deletion(name, blob)

    def search(self, pattern: str) -> Iterator[Variable | None]:
        """Find what a name or filter matches; None is a step without a find.

        Raises Refusal (bad-name).
        """
        if pattern not in self._routes:
            names.check_filter(pattern)
        return self._variables.search(pattern)

    # Secrets

    def follow_secrets(self, variable: Variable) -> None:
        """Follow the description of a variable: what must not be kept goes (protocol B6)."""
        for name in self.secrets.describe(variable):
            if (route := self._routes.get(name)) is not None:
                self._open_fast_path(route)
                if self.secrets.holds(name):
                    self._forget_value(route.variable)

    def _forget_value(self, variable: Variable) -> None:
        if variable.definition is None:
            self.delete(variable.name)
        elif variable.value is not None:
            variable.value = None
            variable.dirty = True
            self._changes.add_urgent(variable.name)
