"""Sets of descriptions that devices name by a token, so that they need not tell them again (protocol B6)."""

from collections.abc import Callable, Iterator, Mapping, Set as AbstractSet
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


class DefinitionSet:
    """The descriptions of one device that carry one token."""

    __slots__ = ("_is_whole", "count", "members", "rules")

    def __init__(self, count: int, rules: str) -> None:
        """Begin without any of count descriptions, which were accepted by rules (a fingerprint)."""
        self.members: dict[str, Variable] = {}
        self.complete(count, rules)

    def complete(self, count: int, rules: str) -> None:
        """Say what all its members carry."""
        self.count = count
        self.rules = rules
        self._is_whole = True

    def add(self, variable: Variable) -> None:
        """Take a description; one with another mark shows that the set was told more than once, and not whole."""
        self.members[variable.name] = variable
        if (variable.set_count, variable.set_rules) != (self.count, self.rules):
            self._is_whole = False

    def is_known(self, rules: str) -> bool:
        """Tell whether all its descriptions are here, and would be accepted by the rules of now."""
        return (
            self._is_whole and self.rules == rules and len(self.members) == self.count
        )


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
        self._sets: dict[str, dict[str, DefinitionSet]] = {}
        """By device ID and token."""

    def is_known(self, device_id: str, token: str) -> bool:
        """Tell whether all descriptions that a device means by a token are here as it told them."""
        found = self._sets.get(device_id, {}).get(token)
        return found is not None and found.is_known(self._rules_of(device_id))

    def complete(
        self, device_id: str, token: str, count: int, described: Described
    ) -> Iterator[None]:
        """Give the descriptions of a session to the set of a token, step by step.

        Raises Refusal (bad-definition) where one was refused, or where they are not count.
        """
        if described.refused:
            described.refused = False
            raise Refusal(BadReason.BAD_DEFINITION, "a description was refused")
        variables = []
        for name in tuple(described.variables):
            variable = self._look_up(name)
            if variable is not None and self._is_by(variable, device_id):
                variables.append(variable)
            yield
        if len(variables) != count:
            raise Refusal(
                BadReason.BAD_DEFINITION,
                f"{len(variables)} variables were described since ID, not {count}",
            )
        rules = self._rules_of(device_id)
        former = self._sets.get(device_id, {}).get(token)
        for variable in tuple(former.members.values()) if former else ():
            if variable.name not in described.variables:
                self._mark(variable, "", 0, "")
            yield
        for variable in variables:
            if self._is_by(variable, device_id):
                self._mark(variable, token, count, rules)
            yield
        if (found := self._sets.get(device_id, {}).get(token)) is not None:
            found.complete(count, rules)
        self.tell_stale(device_id, token)

    def _is_by(self, variable: Variable, device_id: str) -> bool:
        return variable.definition is not None and variable.described_by == device_id

    def _mark(self, variable: Variable, token: str, count: int, rules: str) -> None:
        mark = token, count, rules
        if mark == (variable.set_token, variable.set_count, variable.set_rules):
            return
        self.leave(variable)
        variable.set_token, variable.set_count, variable.set_rules = mark
        self.restored(variable)
        self._changes.add(variable)

    def members(self, device_id: str, token: str) -> list[Variable]:
        """Return the variables that a set describes."""
        found = self._sets.get(device_id, {}).get(token)
        return list(found.members.values()) if found else []

    def tell_stale(self, device_id: str, token: str) -> None:
        """Tell observers that the set of a token is here, and what a device has described in earlier ones only."""
        sets = self._sets.get(device_id, {})
        stale = [
            variable
            for other, found in sets.items()
            if other != token
            for variable in found.members.values()
        ]
        self._observers.notify(Observer.descriptions_complete, device_id, stale)

    def restored(self, variable: Variable) -> None:
        """Take the description of a stored variable."""
        token = variable.set_token
        if not token:
            return
        sets = self._sets.setdefault(variable.described_by, {})
        if token not in sets:
            sets[token] = DefinitionSet(variable.set_count, variable.set_rules)
        sets[token].add(variable)

    def forget(self, device_id: str) -> None:
        """Know none of the sets of a device any more."""
        self._sets.pop(device_id, None)

    def leave(self, variable: Variable) -> None:
        """Take a description out of its set, since it has changed or gone."""
        token = variable.set_token
        if not token:
            return
        sets = self._sets.get(variable.described_by, {})
        if (found := sets.get(token)) is not None:
            found.members.pop(variable.name, None)
            if not found.members:
                del sets[token]
            if not sets:
                del self._sets[variable.described_by]
        variable.set_token, variable.set_count, variable.set_rules = "", 0, ""
