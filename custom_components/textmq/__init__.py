"""TextMQ: a message broker with a readable text protocol, inside Home Assistant."""

import errno
from typing import Any

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.const import CONF_DEVICE_ID, EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.typing import ConfigType

from .const import CONF_RIGHTS, DOMAIN, MINOR_VERSION, PLATFORMS
from .hub import issues
from .hub.device_registry import device_id_of, is_part
from .hub.device_store import DeviceStore
from .hub.hub import Hub
from .hub.runtime_data import TextMqConfigEntry, async_get_runtime_data
from .hub.settings import Settings, migrated_rights
from .services import async_setup_services

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions."""
    async_setup_services(hass)

    @callback
    def entry_changed(change: ConfigEntryChange, entry: ConfigEntry[Any]) -> None:
        if entry.domain == DOMAIN and entry.disabled_by is not None:
            # Nobody wants the port now, and nothing else would end the issue.
            issues.async_delete_port_in_use(hass)

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, entry_changed)
    return True


async def async_migrate_entry(hass: HomeAssistant, entry: TextMqConfigEntry) -> bool:
    """Bring what an earlier version has stored up to date; a later one's minor versions can be read."""
    if entry.version > 1:
        return False
    if entry.minor_version < MINOR_VERSION:
        for subentry in tuple(entry.subentries.values()):
            rights = migrated_rights(subentry.data)
            if rights is not None:
                data = {**subentry.data, CONF_RIGHTS: rights}
                hass.config_entries.async_update_subentry(entry, subentry, data=data)
        hass.config_entries.async_update_entry(entry, minor_version=MINOR_VERSION)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: TextMqConfigEntry) -> bool:
    """Start the broker: the port is held from the beginning, and served when everything listens."""
    hub = Hub(hass, entry)
    # Before the port: what fails later must not leave it taken.
    entry.async_on_unload(hub.async_stop)

    async def stop(_event: Event) -> None:
        await hub.async_stop()

    entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, stop))
    port = Settings.read(entry).port
    try:
        await hub.async_open()
    except OSError as err:
        in_use = err.errno == errno.EADDRINUSE
        if in_use:
            issues.async_port_in_use(hass, entry.entry_id, port)
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="port_in_use" if in_use else "cannot_start",
            translation_placeholders={
                "port": str(port),
                "error": err.strerror or str(err),
            },
        ) from err
    issues.async_delete_port_in_use(hass)
    entry.runtime_data = hub.runtime_data

    async def update(_hass: HomeAssistant, _entry: TextMqConfigEntry) -> None:
        await hub.async_update()

    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(entry.add_update_listener(update))
    _announce(hass, entry)
    try:
        await hub.async_serve()
    except Exception:
        # Home Assistant would not set them up again.
        await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
        raise
    return True


def _announce(hass: HomeAssistant, entry: TextMqConfigEntry) -> None:
    """Tell the network where the broker is."""
    host = Settings.read(entry).host
    if "zeroconf" not in hass.config.components or issues.is_local(host):
        return
    # Not before it is known that its package is installed.
    from .hub.mdns import async_announce  # noqa: PLC0415

    entry.async_create_background_task(
        hass,
        async_announce(hass, host, entry.runtime_data.broker.port),
        "textmq announcement",
    )


async def async_unload_entry(hass: HomeAssistant, entry: TextMqConfigEntry) -> bool:
    """Stop the broker, then remove the entities: nothing that they should show is accepted without them."""
    await entry.runtime_data.stop()
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: TextMqConfigEntry) -> None:
    """Remove what is remembered of the devices; the variables stay in their folder."""
    issues.async_delete_all(hass)
    await DeviceStore(hass).async_remove()


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: TextMqConfigEntry, device: dr.AnyDeviceEntry
) -> bool:
    """Revoke a device that a person removes.

    The broker itself can't be removed, nor can a part of a device: it goes with its last variable.
    """
    device_id = device_id_of(device)
    if device_id is None or is_part(device):
        return False
    for subentry in entry.subentries.values():
        if subentry.data.get(CONF_DEVICE_ID) == device_id:
            hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
            return True
    if (data := async_get_runtime_data(hass)) is not None:
        await data.approved.revoke(device_id)
    return True
