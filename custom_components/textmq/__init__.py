"""TextMQ: a message broker with a readable text protocol, inside Home Assistant."""

import errno

from homeassistant.const import CONF_DEVICE_ID, EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.typing import ConfigType

from . import issues
from .const import CONF_RIGHTS, DOMAIN, MINOR_VERSION, PLATFORMS
from .devices import device_id_of, is_part
from .hub import Hub, TextMqConfigEntry, async_get_hub
from .memory import Memory
from .services import async_setup_services
from .settings import migrated_rights

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions."""
    async_setup_services(hass)
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
    """Start the broker."""
    hub = Hub(hass, entry)
    try:
        await hub.async_start()
    except OSError as err:
        await hub.async_stop()
        in_use = err.errno == errno.EADDRINUSE
        if in_use:
            issues.async_port_in_use(hass, hub.settings.port)
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="port_in_use" if in_use else "cannot_start",
            translation_placeholders={
                "port": str(hub.settings.port),
                "error": err.strerror or str(err),
            },
        ) from err
    entry.runtime_data = hub
    entry.async_on_unload(hub.async_stop)

    async def stop(_event: Event) -> None:
        await hub.async_stop()

    entry.async_on_unload(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop))
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    await hub.async_run()
    if "zeroconf" in hass.config.components and not issues.is_local(hub.settings.host):
        # Not before it is known that its package is installed.
        from .announce import async_announce  # noqa: PLC0415

        entry.async_create_background_task(
            hass, async_announce(hass, entry), "textmq announcement"
        )
    entry.async_on_unload(entry.add_update_listener(_async_updated))
    return True


async def _async_updated(hass: HomeAssistant, entry: TextMqConfigEntry) -> None:
    await entry.runtime_data.async_update()


async def async_unload_entry(hass: HomeAssistant, entry: TextMqConfigEntry) -> bool:
    """Stop the broker."""
    await entry.runtime_data.async_stop()
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: TextMqConfigEntry) -> None:
    """Remove what is remembered of the devices; the variables stay in their folder."""
    issues.async_delete_all(hass)
    await Memory(hass).async_remove()


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
    if (hub := async_get_hub(hass)) is not None:
        hub.devices.revoke(device_id)
    return True
