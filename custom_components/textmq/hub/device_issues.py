"""Repair issues of single devices: created once each, until they are settled."""

from collections import Counter
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import partial
from itertools import islice
import logging
from typing import Final, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ..broker import BadReason, Device, DeviceState, Observer, Variable
from ..const import ATTR_DEVICE, DOMAIN, REFRESH
from .broker_api import BrokerApi
from .issues import create_issue
from .mistake_list import MistakeList
from .sanitize import escape_markdown, single_line
from .warn_once import WarnOnce


class Trouble(StrEnum):
    """What a person has to put right."""

    FLAPPING = "device_flapping"
    WRONG_KEY = "device_wrong_key"
    NO_KEY = "device_without_key"
    DAMAGED_KEY = "device_damaged_key"
    PLAIN_TEXT = "device_plain_text"
    OTHER_ID = "device_other_id"
    FORBIDDEN = "device_forbidden"
    STALE = "device_stale"
    DESCRIPTION_ADJUSTED = "device_description_adjusted"
    DESCRIPTION_REFUSED = "device_description_refused"
    COMMAND_REFUSED = "device_command_refused"


ENDED_BY_KEY: Final = (Trouble.WRONG_KEY, Trouble.NO_KEY, Trouble.DAMAGED_KEY)
"""Put right by entering the device's key."""

ENDED_BY_CONNECTING: Final = frozenset(
    (*ENDED_BY_KEY, Trouble.PLAIN_TEXT, Trouble.OTHER_ID)
)
"""Put right where the device is connected."""
ENDED_BY_SETTINGS: Final = frozenset(
    (*ENDED_BY_CONNECTING, Trouble.FORBIDDEN, Trouble.FLAPPING)
)
"""May be put right by another key, or other rights."""
_LASTING: Final = frozenset(
    (Trouble.STALE, Trouble.DESCRIPTION_ADJUSTED, Trouble.DESCRIPTION_REFUSED)
)
"""Not put right by being quiet: what a device says once when it connects stays so."""
_ANSWERS: Final = frozenset(
    (BadReason.NO_SUCH_VARIABLE, BadReason.NO_SUCH_DEVICE, BadReason.DEVICE_BUSY)
)
"""Refusals that are no mistakes of the device: it has asked."""

VIOLATIONS: Final = 10
"""What a device may try in vain before it is told of: once is no habit."""

_MISTAKES: Final[Mapping[Trouble, str]] = {
    Trouble.DESCRIPTION_ADJUSTED: "is described with something that can't be shown",
    Trouble.DESCRIPTION_REFUSED: "is described wrongly",
    Trouble.COMMAND_REFUSED: "was refused",
}
"""Troubles that are lists of mistakes, as the log calls them; their subjects stand before it."""
PROTOCOL_URL: Final = "https://github.com/textmq/textmq/blob/main/docs/protocol.md"
"""How lines and descriptions are written."""
_MOST_NAMES: Final = 10
"""Variables that are named at most."""
_MOST: Final = 8
"""Devices for which there are issues of one trouble: more are an attack, or one broken network."""
_MOST_TIMES: Final = 10
"""Issues of one trouble of a device that are created between two refreshes."""
_MOST_CHANGES: Final = 200
"""Changes of one list of mistakes that show at once between two refreshes."""


class DeviceIssues(Observer):
    """The issues of devices."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        broker: BrokerApi,
        warn_once: WarnOnce,
    ) -> None:
        """Create issues of the devices of a broker, for its config entry."""
        self._hass = hass
        self._entry_id = entry_id
        self._broker = broker
        self._warn_once = warn_once
        self._told: dict[tuple[Trouble, str], float] = {}
        """When each was last so, by the broker's monotonic clock."""
        self._times: Counter[tuple[Trouble, str]] = Counter()
        """How many times each was created since the last refresh."""
        self._changes: Counter[tuple[Trouble, str]] = Counter()
        """How many times each list of mistakes has changed since the last refresh."""
        self._mistakes: dict[tuple[Trouble, str], MistakeList] = {}
        self._connected: dict[str, tuple[float | None, float]] = {}
        """When devices last connected, as they say themselves and by the broker's monotonic clock."""
        self._violations: Counter[str] = Counter()
        self._violated: set[str] = set()
        """Devices that have tried what they may not since the last refresh."""
        self._stale: dict[str, dict[Variable, str]] = {}
        """Variables that devices do not describe any more, with their sets' tokens, by device ID."""
        self.key_failures = 0
        """How many times a device tried with a key that fits nothing here."""
        self.refusals: Counter[BadReason] = Counter()
        """How many times devices were refused, by reason."""

    @callback
    def create(self, trouble: Trouble, device_id: str, **placeholders: str) -> None:
        """Create an issue of a device, once until it is settled; the placeholders may be any text.

        Where something is added to a list of variables or mistakes, the issue follows; where a
        list never stops changing, at the next refresh.
        """
        key = (trouble, device_id)
        if key not in self._told:
            if sum(other is trouble for other, _ in self._told) >= _MOST:
                return
            self._times[key] += 1
            if self._times[key] > _MOST_TIMES:
                return
        elif trouble not in (Trouble.STALE, *_MISTAKES):
            self._told[key] = self._broker.clock()
            return
        elif trouble in _MISTAKES:
            self._changes[key] += 1
            if self._changes[key] > _MOST_CHANGES:
                return
        fixable = trouble in ENDED_BY_KEY or trouble is Trouble.STALE
        placeholders[ATTR_DEVICE] = device_id
        texts = {name: escape_markdown(text) for name, text in placeholders.items()}
        # A title is no Markdown.
        texts["name"] = single_line(self._name_of(device_id))
        if (mistakes := self._mistakes.get(key)) is not None:
            texts["mistakes"] = mistakes.markdown
        create_issue(
            self._hass,
            self._entry_id,
            f"{trouble}_{device_id}",
            data={ATTR_DEVICE: device_id} if fixable else None,
            is_fixable=fixable,
            learn_more_url=PROTOCOL_URL if mistakes else None,
            severity=ir.IssueSeverity.WARNING,
            translation_key=trouble,
            translation_placeholders=texts,
        )
        self._told[key] = self._broker.clock()

    def _name_of(self, device_id: str) -> str:
        """Return what a person calls a device, its ID where nobody has named it."""
        entry = self._hass.config_entries.async_get_known_entry(self._entry_id)
        return next(
            (
                subentry.title
                for subentry in entry.subentries.values()
                if subentry.unique_id == device_id
            ),
            device_id,
        )

    @callback
    def forget(self, device_id: str, troubles: Collection[Trouble] = Trouble) -> None:
        """Delete the issues of a device's troubles."""
        if Trouble.FORBIDDEN in troubles:
            self._violations.pop(device_id, None)
        if troubles is Trouble:
            self._connected.pop(device_id, None)
        for trouble, other in tuple(self._told):
            if other == device_id and trouble in troubles:
                self._delete(trouble, device_id)

    @callback
    def refresh(self) -> None:
        """Delete the issues of devices that are in and have made no trouble for a while."""
        self._times.clear()
        late = [key for key, times in self._changes.items() if times > _MOST_CHANGES]
        self._changes.clear()
        quiet = self._broker.clock() - REFRESH.total_seconds()
        for (trouble, device_id), last in tuple(self._told.items()):
            connected = self._broker.state(device_id) is DeviceState.CONNECTED
            if last <= quiet and connected and trouble not in _LASTING:
                self._delete(trouble, device_id)
        for (trouble, device_id), mistakes in tuple(self._mistakes.items()):
            if mistakes.drop_where(partial(self._is_over, trouble, device_id, quiet)):
                self._show_mistakes(trouble, device_id)
        for trouble, device_id in late:
            if (trouble, device_id) in self._mistakes:
                self._show_mistakes(trouble, device_id)
        for device_id in self._violations.keys() - self._violated:
            if (Trouble.FORBIDDEN, device_id) not in self._told:
                del self._violations[device_id]
        self._violated.clear()

    @callback
    def stop(self) -> None:
        """Delete all issues: what goes on shows again after the next start."""
        for trouble, device_id in tuple(self._told):
            self._delete(trouble, device_id)

    @callback
    def stale(self, device_id: str) -> list[Variable]:
        """Return the variables that the repair of a device deletes."""
        stale = self._stale.get(device_id, {})
        return [one for one in stale if _is_stale(one, device_id, stale)]

    def _delete(self, trouble: Trouble, device_id: str) -> None:
        del self._told[trouble, device_id]
        if trouble is Trouble.FORBIDDEN:
            self._violations.pop(device_id, None)
        elif trouble is Trouble.STALE:
            del self._stale[device_id]
        self._mistakes.pop((trouble, device_id), None)
        ir.async_delete_issue(self._hass, DOMAIN, f"{trouble}_{device_id}")

    # What the broker tells

    @override
    def device_flapping(self, device_id: str, address: str) -> None:
        self.create(Trouble.FLAPPING, device_id, address=address)

    @override
    def device_refused(self, device_id: str, address: str, reason: BadReason) -> None:
        self.refusals[reason] += 1
        known = self._broker.knows(device_id)
        if reason is BadReason.KEY_REQUIRED and known:
            self.create(Trouble.PLAIN_TEXT, device_id, address=address)

    @override
    def device_key_failed(self, device_id: str, address: str) -> None:
        self.key_failures += 1
        if self._broker.has_key(device_id):
            self.create(Trouble.WRONG_KEY, device_id, address=address)
        elif (
            self._broker.knows(device_id)
            and (Trouble.DAMAGED_KEY, device_id) not in self._told
        ):
            self.create(Trouble.NO_KEY, device_id, address=address)

    @override
    def device_misidentified(self, identity: str, device_id: str, address: str) -> None:
        if self._broker.knows(identity):
            self.create(Trouble.OTHER_ID, identity, address=address, other=device_id)

    @override
    def device_violated(self, device: Device, detail: str) -> None:
        self._violations[device.id] += 1
        self._violated.add(device.id)
        if self._violations[device.id] >= VIOLATIONS:
            self.create(Trouble.FORBIDDEN, device.id, detail=detail)

    @override
    def command_refused(
        self,
        device: Device,
        command: str,
        variable: str,
        reason: BadReason,
        detail: str,
    ) -> None:
        if reason in _ANSWERS:
            return
        if command == "DEF" and reason is not BadReason.LIMIT:
            trouble = Trouble.DESCRIPTION_REFUSED
            subject = variable or command
        elif (
            Trouble.DESCRIPTION_REFUSED,
            device.id,
        ) in self._told and command == "DEFS":
            # It is what follows.
            return
        else:
            trouble = Trouble.COMMAND_REFUSED
            subject = f"{command} {variable}".strip() or str(reason)
        text = detail if subject == reason else f"{reason}: {detail}".removesuffix(": ")
        self._note_mistake(trouble, device.id, subject, text, logging.WARNING)

    @override
    def description_adjusted(self, device: Device, variable: str, detail: str) -> None:
        self._end_mistake(Trouble.DESCRIPTION_REFUSED, device.id, variable)
        trouble = Trouble.DESCRIPTION_ADJUSTED
        self._note_mistake(trouble, device.id, variable, detail, logging.INFO)

    @override
    def description_accepted(self, device: Device, variable: str) -> None:
        self._end_mistake(Trouble.DESCRIPTION_REFUSED, device.id, variable)
        self._end_mistake(Trouble.DESCRIPTION_ADJUSTED, device.id, variable)

    def _note_mistake(
        self, trouble: Trouble, device_id: str, subject: str, detail: str, level: int
    ) -> None:
        key = trouble, device_id
        mistakes = self._mistakes.setdefault(key, MistakeList())
        if mistakes.note(subject, detail, self._broker.clock()):
            self.create(trouble, device_id)
            self._warn_once(device_id, _MISTAKES[trouble], subject, detail, level)
        if key in self._told:
            self._told[key] = self._broker.clock()
        else:
            del self._mistakes[key]

    def _end_mistake(self, trouble: Trouble, device_id: str, subject: str) -> None:
        mistakes = self._mistakes.get((trouble, device_id))
        if mistakes is not None and mistakes.drop(subject):
            self._show_mistakes(trouble, device_id)

    def _show_mistakes(self, trouble: Trouble, device_id: str) -> None:
        """Show those that are left, after some were put right."""
        if self._mistakes[trouble, device_id]:
            self.create(trouble, device_id)
        else:
            self._delete(trouble, device_id)

    def _describes(self, device_id: str, name: str) -> bool:
        """Tell whether a variable has its description by a device."""
        variable = self._broker.variables.get(name)
        return (
            variable is not None
            and variable.definition is not None
            and variable.described_by == device_id
        )

    def _is_over(
        self, trouble: Trouble, device_id: str, quiet: float, subject: str, last: float
    ) -> bool:
        """Tell whether a mistake, last made at a time, is settled.

        One that a device makes when it connects is, after it has connected without it.
        """
        if trouble is Trouble.DESCRIPTION_ADJUSTED:
            return not self._describes(device_id, subject)
        _, connected = self._connected.get(device_id, (None, 0.0))
        return last < connected and last <= quiet

    def _follow_mistakes(self, variable: Variable) -> None:
        """End what was said of a description that is not there any more, or not by that device."""
        for trouble, device_id in tuple(self._mistakes):
            if trouble is Trouble.DESCRIPTION_ADJUSTED and not self._describes(
                device_id, variable.name
            ):
                self._end_mistake(trouble, device_id, variable.name)

    @override
    def device_connected(self, device: Device) -> None:
        said, _ = self._connected.get(device.id, (None, 0.0))
        if said is not None and said == device.connected_at:
            # It has told more of itself.
            return
        self._connected[device.id] = device.connected_at, self._broker.clock()
        self.forget(device.id, ENDED_BY_CONNECTING)

    @override
    def descriptions_complete(
        self, device_id: str, stale: Collection[Variable]
    ) -> None:
        found = {variable: variable.set_token for variable in stale}
        if found.keys() - self._stale.get(device_id, {}).keys():
            # A person who ignores the repair did not mean these.
            self._settle_stale(device_id)
        self._tell_stale(device_id, found)

    @override
    def variable_described(self, variable: Variable) -> None:
        self._follow_stale(variable)
        self._follow_mistakes(variable)

    @override
    def variable_moved(self, variable: Variable, former: str) -> None:
        self._follow_stale(variable)

    @override
    def variable_deleted(self, variable: Variable) -> None:
        self._follow_stale(variable)
        self._follow_mistakes(variable)

    def _follow_stale(self, variable: Variable) -> None:
        """Take a variable out of the repair if it is gone, or was described differently."""
        for device_id, stale in tuple(self._stale.items()):
            if variable in stale and not _is_stale(variable, device_id, stale):
                del stale[variable]
                self._tell_stale(device_id, stale)

    def _settle_stale(self, device_id: str) -> None:
        if device_id in self._stale:
            self._delete(Trouble.STALE, device_id)

    def _tell_stale(self, device_id: str, stale: dict[Variable, str]) -> None:
        if not stale:
            self._settle_stale(device_id)
            return
        names = [one.name for one in islice(stale, _MOST_NAMES)]
        if len(stale) > _MOST_NAMES:
            names.append("…")
        self.create(Trouble.STALE, device_id, names=", ".join(names))
        if (Trouble.STALE, device_id) in self._told:
            self._stale[device_id] = stale


def _is_stale(variable: Variable, device_id: str, stale: dict[Variable, str]) -> bool:
    """Tell whether a variable still carries the token of a device that it had when it was stale.

    The token goes with every change of the description, and with the variable (protocol B6).
    """
    return variable.set_token == stale[variable] and variable.described_by == device_id
