"""Whom a variable belongs to (protocol B6)."""

from collections.abc import Callable

from .observers import Observer, Observers
from .variables import NOBODY, Variable, Variables, may_own


class Owners:
    """Gives variables to the devices that described, or else published, them last."""

    def __init__(
        self,
        variables: Variables,
        is_there: Callable[[str], bool],
        observers: Observers,
    ) -> None:
        """Keep the accounts of variables; is_there tells whether a device is, or may be, there."""
        self._variables = variables
        self._is_there = is_there
        self._observers = observers

    def published(self, variable: Variable) -> None:
        """Follow another publisher than before."""
        if not may_own(variable.described_by) and may_own(variable.device):
            self._give(variable, variable.device)

    def described(self, variable: Variable, *, contested: bool) -> None:
        """Follow another description than before; contested where another device had described it, and owns it.

        Its owner keeps the variable as long as it is there.
        """
        by = variable.described_by
        if may_own(by) and not (contested and self.is_there(variable)):
            self._give(variable, by)
        self.published(variable)

    def claimed(self, variable: Variable) -> bool:
        """Give a variable to the device that has described it before, where its owner is away."""
        by = variable.described_by
        if not may_own(by) or by == variable.owner or self.is_there(variable):
            return False
        self._give(variable, by)
        return True

    def hand_over(self, variable: Variable, device_id: str) -> None:
        """Give a variable to another device, whoever has described or published it."""
        self._give(variable, device_id)

    def forget(self, variable: Variable) -> None:
        """Let a variable belong to no device."""
        self._give(variable, NOBODY)

    def is_there(self, variable: Variable) -> bool:
        """Tell whether the owner of a variable is connected, or asleep within its time."""
        return self._is_there(variable.owner)

    def _give(self, variable: Variable, device_id: str) -> None:
        former = variable.owner
        if variable.account == device_id:
            return
        self._variables.move(variable, device_id)
        if not variable.is_new:
            self._observers.notify(Observer.variable_moved, variable, former)
