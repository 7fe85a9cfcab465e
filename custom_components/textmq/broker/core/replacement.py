"""A new device takes the place of an old one, with its variables and its messages (protocol B6)."""

from collections.abc import Iterator
from dataclasses import replace

from ..protocol import names, wire
from ..protocol.definitions import Definition
from ..protocol.reasons import BadReason, Refusal
from .approval import Approval
from .changes import Changes
from .definition_sets import DefinitionSets
from .descriptions import Descriptions
from .observers import Observer, Observers
from .owners import Owners
from .quota import Scheduler
from .router import Router
from .variables import Variable, Variables


class Replacement:
    """Moves what belongs to a device, one variable after the other."""

    def __init__(
        self,
        variables: Variables,
        owners: Owners,
        sets: DefinitionSets,
        router: Router,
        descriptions: Descriptions,
        approval: Approval,
        changes: Changes,
        observers: Observers,
        scheduler: Scheduler,
    ) -> None:
        """Move the variables of router; scheduler writes what their subscribers are told."""
        self._variables = variables
        self._owners = owners
        self._sets = sets
        self._router = router
        self._descriptions = descriptions
        self._approval = approval
        self._changes = changes
        self._observers = observers
        self._scheduler = scheduler

    def replace(self, old: str, new: str) -> Iterator[None]:
        """Put a device in the place of another one, step by step; each step leaves all of it usable.

        Where it ends before the last step, what is left stays with the old ID, and another call
        goes on with it. Raises Refusal (bad-name) at once.
        """
        for device_id in (old, new):
            names.check_device_id(device_id)
        if old == new:
            raise Refusal(BadReason.BAD_NAME, "a device can't replace itself")
        return self._replace(old, new)

    def _replace(self, old: str, new: str) -> Iterator[None]:
        self._approval.replace(old, new)
        self._scheduler.flush()
        yield
        for variable in self._variables:
            if self._variables.get(variable.name) is variable:
                self._follow(variable, old, new)
            yield

    def _follow(self, variable: Variable, old: str, new: str) -> None:
        name = names.renamed(variable.name, old, new)
        if name != variable.name and names.is_variable_name(name):
            self._rename(variable, name, old, new)
        elif old in (variable.owner, variable.described_by, variable.device):
            self._reassign(variable, old, new)
        else:
            return
        self._scheduler.flush()

    def _rename(self, variable: Variable, name: str, old: str, new: str) -> None:
        """Let a variable go on under another name; one that there is already stays as it is."""
        if self._router.find(name) is None:
            self._add(_renamed(variable, name, old, new))
        self._router.delete(variable.name)

    def _add(self, variable: Variable) -> None:
        self._router.restore((variable,))
        if variable.definition is not None:
            self._router.follow_secrets(variable)
            self._descriptions.tell(variable, changed=True)
        self._router.replay(variable.name)
        self._save(variable)
        self._observers.notify(Observer.variable_added, variable)

    def _reassign(self, variable: Variable, old: str, new: str) -> None:
        """Let a variable that has a name of its own belong to the new device."""
        definition = variable.definition
        if variable.described_by == old:
            self._sets.leave(variable)
            variable.described_by = new
            variable.definition = _definition(definition, old, new)
        variable.device = _id(variable.device, old, new)
        if variable.owner == old:
            self._owners.hand_over(variable, new)
        self._save(variable)
        if definition is not None:
            changed = variable.definition != definition
            self._descriptions.tell(variable, changed=changed)
            if changed:
                self._observers.notify(Observer.variable_described, variable)

    def _save(self, variable: Variable) -> None:
        """Put it on file as soon as what it was before goes."""
        variable.dirty = True
        self._changes.add_urgent(variable.name)


def _id(device_id: str, old: str, new: str) -> str:
    return new if device_id == old else device_id


def _definition(definition: Definition | None, old: str, new: str) -> Definition | None:
    """Return a description whose commands go to the new device's names."""
    if definition is None or definition.set is None:
        return definition
    name = names.renamed(definition.set, old, new)
    if name == definition.set or not names.is_variable_name(name):
        return definition
    params = {**definition.params, "SET": wire.encode(name)}
    return replace(definition, set=name, params=params)


def _renamed(variable: Variable, name: str, old: str, new: str) -> Variable:
    """Return a variable of another name; its description belongs to no set, so that it is told again."""
    renamed = Variable(name, _id(variable.account, old, new))
    renamed.value, renamed.time = variable.value, variable.time
    renamed.device = _id(variable.device, old, new)
    renamed.will = variable.will
    renamed.described_by = _id(variable.described_by, old, new)
    renamed.definition = _definition(variable.definition, old, new)
    return renamed
