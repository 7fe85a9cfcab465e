"""Discovery cards: an unknown device asks to be let in, a person decides."""

from collections import Counter
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypedDict, override

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    SOURCE_IGNORE,
    SOURCE_INTEGRATION_DISCOVERY,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.discovery_flow import DiscoveryKey, async_create_flow
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .broker import Broker, DeviceDetails, Observer
from .const import DOMAIN

PER_MINUTE: Final = 32
"""New cards in a minute: someone who connects under ever new IDs gets no more."""
MOST_ENCRYPTED: Final = 16
"""Cards of devices whose keys are unknown: a house adds few at once."""
RETRY: Final = timedelta(minutes=10)
"""For how long a device counts as there after its last try: nodes try again after a minute at most."""


class Discovered(TypedDict):
    """The data of a discovery flow: the same for the same device."""

    device: str


class Attempt(NamedTuple):
    """The last try of a device with a key that is not known here."""

    address: str
    time: float
    """Of the broker's monotonic clock."""


class Cards(Observer):
    """The cards of the devices that wait to be let in, and the devices that a person ignores.

    A device with a key can't wait on its connection: it is there as long as it keeps trying.
    """

    def __init__(self, hass: HomeAssistant, broker: Broker) -> None:
        """Show cards for the devices that wait at a broker."""
        self._hass = hass
        self._broker = broker
        self.encrypted: dict[str, Attempt] = {}
        """Devices that want to join by a key, which a person has to enter, by their IDs."""
        self._offered: set[str] = set()
        self._budget = PER_MINUTE

    @callback
    def refuse_ignored(self) -> CALLBACK_TYPE:
        """Keep out the devices that are ignored, now and from now on; returns a function that ends it."""
        self._broker.access.refused.update(
            entry.unique_id
            for entry in self._hass.config_entries.async_entries(DOMAIN)
            if entry.source == SOURCE_IGNORE and entry.unique_id
        )
        return async_dispatcher_connect(
            self._hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed
        )

    @callback
    def refill(self) -> None:
        """Show the cards that had to wait, and no more those of devices that try no more; called once a minute."""
        self._budget = PER_MINUTE
        earliest = self._broker.clock() - RETRY.total_seconds()
        for device_id, attempt in tuple(self.encrypted.items()):
            if attempt.time < earliest:
                self.end_attempts(device_id)
        self.offer_all()

    @callback
    def offer_all(self) -> None:
        """Show a card for each device that waits."""
        for device_id in (*self._broker.waiting, *self.encrypted):
            self._offer(device_id)

    @override
    def device_waiting(
        self, device_id: str, details: DeviceDetails, address: str
    ) -> None:
        self._offer(device_id)

    @override
    def device_left(self, device_id: str) -> None:
        if device_id not in self.encrypted:
            self._withdraw(device_id)

    @override
    def device_key_failed(self, device_id: str, address: str) -> None:
        access = self._broker.access
        if any(
            device_id in those for those in (access.keys, access.known, access.refused)
        ):
            return
        self.encrypted.pop(device_id, None)
        self.encrypted[device_id] = Attempt(address, self._broker.clock())
        if len(self.encrypted) > MOST_ENCRYPTED:
            self._end_one()
        self._offer(device_id)

    def _end_one(self) -> None:
        """Give up the oldest of the address that has the most cards: others keep theirs."""
        crowds = Counter(attempt.address for attempt in self.encrypted.values())
        ((crowd, _),) = crowds.most_common(1)
        self.end_attempts(
            next(
                device_id
                for device_id, attempt in self.encrypted.items()
                if attempt.address == crowd
            )
        )

    @callback
    def end_attempts(self, device_id: str) -> None:
        """Ask for the key of a device no more."""
        if (
            self.encrypted.pop(device_id, None)
            and device_id not in self._broker.waiting
        ):
            self._withdraw(device_id)

    def _offer(self, device_id: str) -> None:
        if device_id in self._offered or self._budget == 0:
            return
        self._budget -= 1
        self._offered.add(device_id)
        async_create_flow(
            self._hass,
            DOMAIN,
            context={"source": SOURCE_INTEGRATION_DISCOVERY},
            data=Discovered(device=device_id),
            discovery_key=DiscoveryKey(domain=DOMAIN, key=device_id, version=1),
        )

    @callback
    def forget(self, device_id: str) -> None:
        """Leave the card of a device to the flow that has just let it in."""
        self._offered.discard(device_id)
        self.encrypted.pop(device_id, None)

    def _withdraw(self, device_id: str) -> None:
        if device_id not in self._offered:
            return
        self._offered.remove(device_id)
        flows = self._hass.config_entries.flow
        for flow in flows.async_progress_by_handler(
            DOMAIN,
            include_uninitialized=True,
            match_context={
                "source": SOURCE_INTEGRATION_DISCOVERY,
                "unique_id": device_id,
            },
        ):
            flows.async_abort(flow["flow_id"])

    @callback
    def withdraw_all(self) -> None:
        """Take all cards away."""
        for device_id in tuple(self._offered):
            self._withdraw(device_id)

    @callback
    def _entry_changed(
        self, change: ConfigEntryChange, entry: ConfigEntry[Any]
    ) -> None:
        if entry.domain != DOMAIN or entry.source != SOURCE_IGNORE:
            return
        if (device_id := entry.unique_id) is None:
            return
        if change is ConfigEntryChange.ADDED:
            self._broker.refuse(device_id)
            self.end_attempts(device_id)
        elif change is ConfigEntryChange.REMOVED:
            self._broker.access.refused.discard(device_id)
