"""Tells the network by mDNS where the broker is, as _textmq._tcp."""

import asyncio
from typing import Final

from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceInfo

from homeassistant.components import network, zeroconf
from homeassistant.core import HomeAssistant
from homeassistant.helpers import instance_id

from ..const import LOGGER

_TYPE: Final = "_textmq._tcp.local."
_MAX_LABEL: Final = 63
"""Bytes of the name of a service (RFC 1035)."""


async def async_announce(hass: HomeAssistant, host: str | None, port: int) -> None:
    """Announce the broker until the task is cancelled: when Home Assistant stops or the entry unloads.

    host is the address that it is bound to, None for all.
    """
    addresses = [host] if host else await network.async_get_announce_addresses(hass)
    name = hass.config.location_name.replace(".", " ").encode()[:_MAX_LABEL]
    info = AsyncServiceInfo(
        _TYPE,
        name=f"{name.decode(errors='ignore')}.{_TYPE}",
        server=f"{await instance_id.async_get(hass)}.local.",
        parsed_addresses=addresses,
        port=port,
        properties={"version": "1"},
    )
    instance = await zeroconf.async_get_async_instance(hass)
    try:
        await instance.async_register_service(info, allow_name_change=True)
    except ZeroconfError as err:
        LOGGER.warning("The broker can't be announced by mDNS: %r", err)
        return
    try:
        await asyncio.Event().wait()
    finally:
        await instance.async_unregister_service(info)
