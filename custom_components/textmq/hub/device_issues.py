"""Repair issues of single devices: told once each, until they are settled."""

from collections import Counter
from collections.abc import Collection
from enum import StrEnum
from itertools import islice
from typing import Final, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ..broker import BadReason, Device, DeviceState, Observer, Variable
from ..const import ATTR_DEVICE, DOMAIN, REFRESH
from .broker_api import BrokerApi
from .issues import create_issue
from .sanitize import escape_markdown


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


ENDED_BY_KEY: Final = (Trouble.WRONG_KEY, Trouble.NO_KEY, Trouble.DAMAGED_KEY)
"""Put right by entering the device's key."""

ENDED_BY_CONNECTING: Final = frozenset(
    {Trouble.PLAIN_TEXT, Trouble.OTHER_ID, *ENDED_BY_KEY}
)
"""Put right where the device is connected."""

VIOLATIONS: Final = 10
"""What a device may try in vain before it is told of: once is no habit."""

_MOST_NAMES: Final = 10
"""Variables that are named at most."""
_MOST: Final = 8
"""Devices that are told of for each trouble: more are an attack, or one broken network."""


class DeviceIssues(Observer):
    """The devices that are told of."""

    def __init__(self, hass: HomeAssistant, entry_id: str, broker: BrokerApi) -> None:
        """Tell of the devices of a broker, for its config entry."""
        self._hass = hass
        self._entry_id = entry_id
        self._broker = broker
        self._told: dict[tuple[Trouble, str], float] = {}
        """When each was last so, by the broker's monotonic clock."""
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
        """Tell of a device, once until it is settled; the placeholders may be any text.

        Of stale variables the latest is told.
        """
        key = (trouble, device_id)
        is_new = key not in self._told
        if is_new and sum(other is trouble for other, _ in self._told) >= _MOST:
            return
        if is_new or trouble is Trouble.STALE:
            fixable = trouble in ENDED_BY_KEY or trouble is Trouble.STALE
            placeholders[ATTR_DEVICE] = device_id
            create_issue(
                self._hass,
                self._entry_id,
                f"{trouble}_{device_id}",
                data={ATTR_DEVICE: device_id} if fixable else None,
                is_fixable=fixable,
                severity=ir.IssueSeverity.WARNING,
                translation_key=trouble,
                translation_placeholders={
                    name: escape_markdown(text) for name, text in placeholders.items()
                },
            )
        self._told[key] = self._broker.clock()

    @callback
    def forget(self, device_id: str, troubles: Collection[Trouble] = Trouble) -> None:
        """Tell no more of a device's troubles."""
        if Trouble.FORBIDDEN in troubles:
            self._violations.pop(device_id, None)
        for trouble, other in tuple(self._told):
            if other == device_id and trouble in troubles:
                self._delete(trouble, device_id)

    @callback
    def refresh(self) -> None:
        """Tell no more of the devices that are in and have made no trouble for a while."""
        quiet = self._broker.clock() - REFRESH.total_seconds()
        for (trouble, device_id), last in tuple(self._told.items()):
            connected = self._broker.state(device_id) is DeviceState.CONNECTED
            if last <= quiet and connected and trouble is not Trouble.STALE:
                self._delete(trouble, device_id)
        for device_id in self._violations.keys() - self._violated:
            if (Trouble.FORBIDDEN, device_id) not in self._told:
                del self._violations[device_id]
        self._violated.clear()

    @callback
    def stop(self) -> None:
        """Tell of nobody any more: what goes on is told anew after the next start."""
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
    def device_connected(self, device: Device) -> None:
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

    @override
    def variable_moved(self, variable: Variable, former: str) -> None:
        self._follow_stale(variable)

    @override
    def variable_deleted(self, variable: Variable) -> None:
        self._follow_stale(variable)

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
