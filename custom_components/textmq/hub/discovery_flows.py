"""Discovery cards: an unknown device asks to be let in, a person decides."""

import asyncio
from collections import Counter
from contextlib import suppress
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

from ..broker import DeviceDetails, Observer
from ..const import DOMAIN
from .broker_api import BrokerApi, BrokerGone

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


class DiscoveryFlows(Observer):
    """The cards of the devices that wait to be let in, and the devices that a person ignores.

    A device with a key can't wait on its connection: it is there as long as it keeps trying.
    """

    def __init__(self, hass: HomeAssistant, broker: BrokerApi) -> None:
        """Show cards for the devices that wait at a broker."""
        self._hass = hass
        self._broker = broker
        self.encrypted: dict[str, Attempt] = {}
        """Devices that want to join by a key, which a person has to enter, by their IDs."""
        self._started: set[str] = set()
        self._ignored: set[str] = set()
        """Devices that the broker keeps out, as far as it was told."""
        self._telling = asyncio.Lock()
        self._quota = PER_MINUTE

    async def tell_ignored(self) -> None:
        """Let the broker keep out the devices that are ignored, and no others.

        A broker that is gone is told when it is back.
        """
        async with self._telling:
            ignored = {
                entry.unique_id
                for entry in self._hass.config_entries.async_entries(DOMAIN)
                if entry.source == SOURCE_IGNORE and entry.unique_id
            }
            with suppress(BrokerGone):
                for device_id in ignored - self._ignored:
                    await self._broker.refuse(device_id)
                    self._ignored.add(device_id)
                for device_id in self._ignored - ignored:
                    await self._broker.stop_refusing(device_id)
                    self._ignored.discard(device_id)

    @callback
    def follow_ignored(self) -> CALLBACK_TYPE:
        """Follow which devices are ignored; returns a function that ends it."""
        return async_dispatcher_connect(
            self._hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed
        )

    @callback
    def replenish_quota(self) -> None:
        """Start the flows that had to wait, and end those of devices that try no more; called once a minute."""
        self._quota = PER_MINUTE
        earliest = self._broker.clock() - RETRY.total_seconds()
        for device_id, attempt in tuple(self.encrypted.items()):
            if attempt.time < earliest:
                self.forget_attempts(device_id)
        # A flow may have ended without a decision: then the device is still to be shown.
        self._started &= {
            flow["context"].get("unique_id")
            for flow in self._hass.config_entries.flow.async_progress_by_handler(
                DOMAIN, include_uninitialized=True
            )
        }
        for device_id in (*self._broker.waiting, *self.encrypted):
            self._start(device_id)

    @override
    def device_waiting(
        self, device_id: str, details: DeviceDetails, address: str
    ) -> None:
        self._start(device_id)

    @override
    def device_left(self, device_id: str) -> None:
        if device_id not in self.encrypted:
            self._abort(device_id)

    @override
    def device_key_failed(self, device_id: str, address: str) -> None:
        broker = self._broker
        if broker.knows(device_id) or broker.refuses(device_id):
            return
        self.encrypted.pop(device_id, None)
        self.encrypted[device_id] = Attempt(address, self._broker.clock())
        if len(self.encrypted) > MOST_ENCRYPTED:
            self._end_one()
        self._start(device_id)

    def _end_one(self) -> None:
        """Give up the oldest of the address that has the most cards: others keep theirs."""
        crowds = Counter(attempt.address for attempt in self.encrypted.values())
        ((crowd, _),) = crowds.most_common(1)
        self.forget_attempts(
            next(
                device_id
                for device_id, attempt in self.encrypted.items()
                if attempt.address == crowd
            )
        )

    @callback
    def forget_attempts(self, device_id: str) -> None:
        """Ask for the key of a device no more."""
        if (
            self.encrypted.pop(device_id, None)
            and device_id not in self._broker.waiting
        ):
            self._abort(device_id)

    def _start(self, device_id: str) -> None:
        if device_id in self._started or self._quota == 0:
            return
        self._quota -= 1
        self._started.add(device_id)
        async_create_flow(
            self._hass,
            DOMAIN,
            context={"source": SOURCE_INTEGRATION_DISCOVERY},
            data=Discovered(device=device_id),
            discovery_key=DiscoveryKey(domain=DOMAIN, key=device_id, version=1),
        )

    @callback
    def approved(self, device_id: str) -> None:
        """Leave the card of a device to the flow that has just approved it."""
        self._started.discard(device_id)
        self.encrypted.pop(device_id, None)

    def _abort(self, device_id: str) -> None:
        if device_id not in self._started:
            return
        self._started.remove(device_id)
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
    def abort_all(self) -> None:
        """Take all cards away."""
        for device_id in tuple(self._started):
            self._abort(device_id)

    @callback
    def _entry_changed(
        self, change: ConfigEntryChange, entry: ConfigEntry[Any]
    ) -> None:
        if entry.domain != DOMAIN or entry.source != SOURCE_IGNORE:
            return
        if (device_id := entry.unique_id) is None:
            return
        if change is ConfigEntryChange.ADDED:
            self.forget_attempts(device_id)
        self._hass.async_create_task(self.tell_ignored(), "textmq ignored devices")
