"""Sets of descriptions that devices name by a token, so that they need not tell them again (protocol B6)."""

from collections.abc import Callable, Mapping, Set as AbstractSet
from dataclasses import fields, is_dataclass
import hashlib
from typing import Final

from ..protocol.reasons import BadReason, Refusal
from .changes import Changes
from .observers import Observer, Observers
from .variables import Variable

_FINGERPRINT: Final = 16
"""Characters of a fingerprint."""


def fingerprint(*parts: object) -> str:
    """Return a short text that is the same, over restarts too, as long as all parts are."""
    text = "\n".join(_canonical(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT]


def _canonical(value: object) -> str:
    if is_dataclass(value):
        value = {one.name: getattr(value, one.name) for one in fields(value)}
    if isinstance(value, Mapping):
        items = sorted(f"{key!r}: {_canonical(one)}" for key, one in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, AbstractSet):
        return f"{{{', '.join(sorted(map(repr, value)))}}}"
    return repr(value)


class Described:
    """What one session has described since its ID."""

    __slots__ = ("refused", "variables")

    def __init__(self) -> None:
        """Begin without any."""
        self.variables: dict[str, None] = {}
        self.refused = False
        """A description was refused, or there were too many."""

    def add(self, name: str, most: int) -> None:
        """Note a description that was accepted."""
        self.variables[name] = None
        if len(self.variables) > most:
            self.variables.clear()
            self.refused = True


class DefinitionSets:
    """Knows which descriptions carry which token of which device.

    A description leaves its set with every change: the set is not whole then.
    """

    def __init__(
        self,
        look_up: Callable[[str], Variable | None],
        changes: Changes,
        observers: Observers,
        rules_of: Callable[[str], str],
    ) -> None:
        """Find variables by look_up; rules_of gives the fingerprint of what a device's descriptions are judged by."""
        self._look_up = look_up
        self._changes = changes
        self._observers = observers
        self._rules_of = rules_of
        self._sets: dict[str, dict[str, dict[str, Variable]]] = {}
        """Variables by device ID, token and name."""

    def is_known(self, device_id: str, token: str) -> bool:
        """Tell whether all descriptions that a device means by a token are here as it told them."""
        members = self._sets.get(device_id, {}).get(token, {})
        mark = len(members), self._rules_of(device_id)
        return bool(members) and all(
            (one.set_count, one.set_rules) == mark for one in members.values()
        )

    def complete(
        self, device_id: str, token: str, count: int, described: Described
    ) -> None:
        """Give the descriptions of a session to the set of a token.

        Raises Refusal (bad-definition) where one was refused, or where they are not count.
        """
        if described.refused:
            raise Refusal(BadReason.BAD_DEFINITION, "a description was refused")
        variables = [
            variable
            for name in described.variables
            if (variable := self._look_up(name)) is not None
            and variable.definition is not None
            and variable.described_by == device_id
        ]
        if len(variables) != count:
            raise Refusal(
                BadReason.BAD_DEFINITION,
                f"{len(variables)} variables were described since ID, not {count}",
            )
        former = self._sets.get(device_id, {}).get(token, {})
        for variable in [*former.values()]:
            if variable.name not in described.variables:
                self.leave(variable)
                self._save(variable)
        rules = self._rules_of(device_id)
        for variable in variables:
            mark = token, count, rules
            if mark != (variable.set_token, variable.set_count, variable.set_rules):
                self.leave(variable)
                variable.set_token, variable.set_count, variable.set_rules = mark
                self._enter(variable)
                self._save(variable)

    def tell_stale(self, device_id: str, token: str) -> None:
        """Tell observers that the set of a token is here, and what a device has described in earlier ones only."""
        sets = self._sets.get(device_id, {})
        stale = [
            variable
            for other, members in sets.items()
            if other != token
            for variable in members.values()
        ]
        self._observers.notify(Observer.descriptions_complete, device_id, stale)

    def restored(self, variable: Variable) -> None:
        """Take the description of a stored variable."""
        if variable.set_token:
            self._enter(variable)

    def leave(self, variable: Variable) -> None:
        """Take a description out of its set, since it has changed or gone."""
        if not variable.set_token:
            return
        sets = self._sets[variable.described_by]
        del sets[variable.set_token][variable.name]
        if not sets[variable.set_token]:
            del sets[variable.set_token]
        if not sets:
            del self._sets[variable.described_by]
        variable.set_token, variable.set_count, variable.set_rules = "", 0, ""

    def _enter(self, variable: Variable) -> None:
        sets = self._sets.setdefault(variable.described_by, {})
        sets.setdefault(variable.set_token, {})[variable.name] = variable

    def _save(self, variable: Variable) -> None:
        variable.dirty = True
        self._changes.names[variable.name] = None
