"""Descriptions: taken, told, and what follows from them (protocol B6)."""

from collections.abc import Iterable

from ..protocol.definitions import Definition
from ..protocol.reasons import BadReason, Refusal
from .definition_sets import DefinitionSets
from .observers import Observer, Observers
from .owners import Owners
from .router import Router
from .subscriptions import DEFINITIONS, FULL
from .traffic import Traffic
from .variables import Variable, may_own


class Descriptions:
    """Describes variables."""

    def __init__(
        self,
        router: Router,
        owners: Owners,
        sets: DefinitionSets,
        observers: Observers,
        traffic: Traffic,
    ) -> None:
        """Keep descriptions with the variables of router."""
        self._router = router
        self._owners = owners
        self._sets = sets
        self._observers = observers
        self._traffic = traffic

    def define(self, name: str, definition: Definition | None, *, device: str) -> None:
        """Describe a variable; None takes its description away.

        Raises Refusal: bad-name, read-only, limit; forbidden where it is secret and another's.
        """
        router = self._router
        router.check_writable(name)
        route = router.find(name)
        if route is None:
            if definition is None:
                return
            route = router.add(name, device)
        variable = route.variable
        self._check_secret(variable, device)
        by = device if definition is not None else ""
        if definition == variable.definition and by == variable.described_by:
            return
        if definition is None and variable.value is None:
            router.delete(name)
            return
        added = variable.is_new
        changed = definition != variable.definition
        taken = variable.described_by != by and may_own(variable.described_by)
        self._sets.leave(variable)
        variable.definition, variable.described_by = definition, by
        self._owners.described(variable, taken=taken)
        router.follow_secrets(variable)
        router.save(variable)
        self._tell(variable, changed=changed)
        if added:
            self._observers.notify(Observer.variable_added, variable)
        elif changed:
            self._observers.notify(Observer.variable_described, variable)

    def _check_secret(self, variable: Variable, device: str) -> None:
        definition = variable.definition
        if (
            definition is not None
            and definition.secret
            and device != variable.owner
            and self._owners.is_there(variable)
        ):
            raise Refusal(
                BadReason.FORBIDDEN,
                f"{variable.name} is secret, and {variable.owner} has described it",
            )

    def _tell(self, variable: Variable, *, changed: bool) -> None:
        """Tell those that want descriptions; one with the same text says more only in the full form."""
        for reader, wishes in self._router.readers(variable.name).items():
            full = bool(wishes & FULL)
            if wishes & DEFINITIONS and (changed or full):
                self._traffic.sent += 1
                reader.outbox.deliver_definition(variable, full=full)

    def restore(self, variables: Iterable[Variable]) -> None:
        """Follow the descriptions of stored variables."""
        for variable in variables:
            if variable.definition is not None:
                self._sets.restored(variable)
                self._router.follow_secrets(variable)

    def disown(self, variable: Variable, device_id: str) -> None:
        """Forget a device in a variable that it owns, described or published."""
        if variable.described_by == device_id:
            self._sets.leave(variable)
            variable.described_by = ""
        if variable.device == device_id:
            variable.device = ""
        if variable.owner == device_id:
            self._owners.forget(variable)
        self._owners.published(variable)
        self._router.save(variable)
        if variable.definition is not None:
            self._tell(variable, changed=False)
