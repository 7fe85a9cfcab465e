"""What is remembered of devices over a restart: where they were last seen, whether they were here, until when they sleep."""

from collections.abc import Callable
from contextlib import suppress
import json
from pathlib import Path
from typing import Any, Final, override

import probatio

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from ..broker import CloseReason, Device, DeviceState, Observer
from ..const import DOMAIN, LOGGER
from .broker_api import BrokerApi, RememberedDevice

_VERSION: Final = 1
_DELAY: Final = 60
"""Seconds until a change is written, however many follow it."""

_LATEST: Final = 1 << 33
"""Seconds since 1970 in the year 2242: what is later is no time."""
_UNREADABLE: Final = (probatio.Invalid, TypeError)


def _seconds(value: object) -> float:
    seconds = float(str(value))
    if not 0 <= seconds <= _LATEST:
        raise probatio.Invalid("no time")
    return seconds


_TIME: Final = probatio.Any(None, _seconds)
_DEVICE: Final = probatio.Schema(
    {
        probatio.Required("address", default=""): str,
        probatio.Required("last_seen", default=None): _TIME,
        probatio.Required("asleep_until", default=None): _TIME,
        # Of an earlier version nothing else tells: only what sleeps was surely here.
        probatio.Required("present", default=False): bool,
    },
    extra=probatio.REMOVE_EXTRA,
)


class DeviceStore(Observer):
    """The file of devices, in Home Assistant's own storage."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Use the storage of the configuration folder."""
        self._hass = hass
        self._store = Store[dict[str, Any]](
            hass, _VERSION, f"{DOMAIN}.devices", atomic_writes=True
        )
        self._broker: BrokerApi | None = None
        self._is_there: Callable[[str], bool] = lambda device_id: False
        self._scheduled = False

    async def async_load(self) -> dict[str, RememberedDevice]:
        """Return the devices by ID; what can't be read is passed over."""
        remembered = {}
        unreadable = 0
        devices: object = await self._store.async_load() or {}
        if not isinstance(devices, dict):
            devices, unreadable = {}, 1
        for device_id, stored in devices.items():
            try:
                remembered[device_id] = RememberedDevice(**_DEVICE(stored))
            except _UNREADABLE:
                unreadable += 1
        if unreadable:
            LOGGER.warning(
                "What was remembered of devices can't be read: %s", unreadable
            )
        return remembered

    @callback
    def follow(self, broker: BrokerApi, is_there: Callable[[str], bool]) -> None:
        """Remember the devices of a broker from now on, which knows all that was loaded."""
        self._broker = broker
        self._is_there = is_there

    async def async_save(self) -> bool:
        """Write the devices now; returns whether they are in the file.

        While Home Assistant stops they are written a little later. Nothing is written before all
        that was remembered is known.
        """
        if self._broker is None:
            return False
        devices = self._snapshot()
        await self._store.async_save(devices)
        return await self._hass.async_add_executor_job(self._holds, devices)

    def _holds(self, devices: dict[str, dict[str, Any]]) -> bool:
        # Home Assistant's storage logs what it can't write, and tells nobody.
        with suppress(OSError, ValueError):
            stored = json.loads(Path(self._store.path).read_bytes())
            return bool(stored["data"] == devices)
        return False

    async def async_remove(self) -> None:
        """Remove the file."""
        await self._store.async_remove()

    @callback
    def _snapshot(self) -> dict[str, dict[str, Any]]:
        self._scheduled = False
        assert self._broker is not None
        return snapshot(self._broker, self._is_there)

    @callback
    def _save_soon(self) -> None:
        # Each call would put off the write that is scheduled already.
        if not self._scheduled and self._broker is not None:
            self._scheduled = True
            self._store.async_delay_save(self._snapshot, _DELAY)

    # What the broker tells

    @override
    def device_connected(self, device: Device) -> None:
        self._save_soon()

    @override
    def device_disconnected(self, device: Device, reason: CloseReason) -> None:
        self._save_soon()

    @override
    def device_lost(self, device: Device) -> None:
        self._save_soon()


def snapshot(
    broker: BrokerApi, is_there: Callable[[str], bool]
) -> dict[str, dict[str, Any]]:
    """Return what is to be remembered of the devices of a broker."""
    now = broker.now()
    since = now - broker.clock()
    return {
        device.id: RememberedDevice(
            device.address,
            now if device.state is DeviceState.CONNECTED else device.last_seen,
            device.asleep_until and device.asleep_until + since,
            present=is_there(device.id),
        )._asdict()
        for device in broker.devices
    }
