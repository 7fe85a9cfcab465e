"""What is remembered of devices over a restart: when and where they were last seen, till when they sleep."""

from collections.abc import Iterable
from contextlib import suppress
import json
from pathlib import Path
from typing import Final, TypedDict

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .broker import Broker, Device
from .const import DOMAIN

_VERSION: Final = 1
_DELAY: Final = 60
"""Seconds until a change is written."""


class Remembered(TypedDict):
    """One device; times are seconds since 1970."""

    address: str
    last_seen: float | None
    asleep_until: float | None


class Memory:
    """The file of devices, in Home Assistant's own storage."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Use the storage of the configuration folder."""
        self._hass = hass
        self._store = Store[dict[str, Remembered]](
            hass, _VERSION, f"{DOMAIN}.devices", atomic_writes=True
        )

    async def async_load(self) -> dict[str, Remembered]:
        """Return the devices by ID."""
        return await self._store.async_load() or {}

    @callback
    def save_later(self, broker: Broker) -> None:
        """Write the devices of the broker after a while."""
        self._store.async_delay_save(lambda: snapshot(broker), _DELAY)

    async def async_save(self, broker: Broker) -> bool:
        """Write the devices of the broker now; returns whether they are in the file.

        While Home Assistant stops they are written a little later.
        """
        devices = snapshot(broker)
        await self._store.async_save(devices)
        return await self._hass.async_add_executor_job(self._holds, devices)

    def _holds(self, devices: dict[str, Remembered]) -> bool:
        # Home Assistant's storage logs what it can't write, and tells nobody.
        with suppress(OSError, ValueError):
            stored = json.loads(Path(self._store.path).read_bytes())
            return bool(stored["data"] == devices)
        return False

    async def async_remove(self) -> None:
        """Remove the file."""
        await self._store.async_remove()


def snapshot(broker: Broker) -> dict[str, Remembered]:
    """Return what is to be remembered of the devices of a broker."""
    since = broker.now() - broker.clock()
    devices: Iterable[Device] = broker.devices
    return {
        device.id: {
            "address": device.address,
            "last_seen": device.last_seen,
            "asleep_until": device.asleep_until and device.asleep_until + since,
        }
        for device in devices
    }


@callback
def restore(broker: Broker, remembered: dict[str, Remembered]) -> None:
    """Give a broker the devices that were remembered, before any client is let in."""
    now = broker.now()
    for device_id, device in remembered.items():
        until = device["asleep_until"]
        broker.archive.restore_device(
            device_id,
            address=device["address"],
            last_seen=device["last_seen"],
            sleep=max(until - now, 0) if until else None,
        )
