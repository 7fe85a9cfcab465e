"""Descriptions: taken, told, and what follows from them (protocol B6)."""

from collections.abc import Iterable

from ..protocol.definitions import Definition
from ..protocol.reasons import BadReason, Refusal
from .changes import Changes
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
        changes: Changes,
        observers: Observers,
        traffic: Traffic,
    ) -> None:
        """Keep descriptions with the variables of router."""
        self._router = router
        self._owners = owners
        self._sets = sets
        self._changes = changes
        self._observers = observers
        self._traffic = traffic

    def define(self, name: str, definition: Definition | None, *, device: str) -> None:
        """Describe a variable; None takes its description away.

        Raises Refusal: bad-name, read-only, limit; forbidden where it is secret and another's.
        """
        router = self._router
        router.check_writable(name)
        self.check_secrets(name, definition, device)
        route = router.find(name)
        if route is None:
            if definition is None:
                return
            route = router.add(name, device)
        variable = route.variable
        by = device if definition is not None else ""
        if definition == variable.definition and by == variable.described_by:
            self.claim(variable)
            return
        if definition is None and variable.value is None:
            router.delete(name)
            return
        added = variable.is_new
        changed = definition != variable.definition
        former = variable.described_by
        contested = may_own(former) and variable.owner != by
        self._sets.leave(variable)
        variable.definition, variable.described_by = definition, by
        self._owners.described(variable, contested=contested)
        router.follow_secrets(variable)
        self._changes.add(variable)
        self.tell(variable, changed=changed)
        if added:
            self._observers.notify(Observer.variable_added, variable)
        elif changed or by != former:
            self._observers.notify(Observer.variable_described, variable)

    def check_secrets(
        self, name: str, definition: Definition | None, device: str
    ) -> None:
        """Raise Refusal (forbidden) where a device would take what is secret from another one that is there.

        That is a variable with a secret description, the name of its commands, and a variable that
        a secret description would take out of sight.
        """
        route = self._router.find(name)
        variables = [route.variable] if route else []
        if command := self._router.secrets.commands.get(name):
            variables.append(command)
        for variable in variables:
            secret = variable.definition is not None and variable.definition.secret
            # What nobody has described is anybody's to describe.
            wanted = variable.definition is not None and (
                definition is not None and definition.secret
            )
            if (
                (secret or wanted)
                and variable.owner not in ("", device)
                and self._owners.is_there(variable)
            ):
                raise Refusal(
                    BadReason.FORBIDDEN,
                    f"{variable.name} belongs to {variable.owner}, and is or would be secret",
                )

    def claim(self, variable: Variable) -> None:
        """Let a variable belong to the device that has described it, where its owner is away."""
        if self._owners.claimed(variable):
            self._changes.add(variable)
            self.tell(variable, changed=False)

    def tell(self, variable: Variable, *, changed: bool) -> None:
        """Tell those that want descriptions; one with the same text says more only in the full form."""
        blobs = {full: variable.describe(full=full) for full in (False, True)}
        for reader, wishes in self._router.readers(variable.name).items():
            full = bool(wishes & FULL)
            if wishes & DEFINITIONS and (changed or full):
                self._traffic.sent += 1
                reader.outbox.deliver_definition(variable.name, blobs[full], full=full)

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
        self._changes.add(variable)
        if variable.definition is not None:
            self.tell(variable, changed=False)
