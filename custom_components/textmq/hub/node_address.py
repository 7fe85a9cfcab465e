"""Under which address nodes find the broker."""

from contextlib import suppress
from ipaddress import IPv4Address, ip_address
import socket
from typing import Final
from urllib.parse import urlsplit

from homeassistant.components import network
from homeassistant.core import HomeAssistant

_LOCAL: Final = ".local"


async def async_node_address(hass: HomeAssistant, host: str | None) -> str:
    """Return what to enter in a node as the host; host is what the broker is bound to, None for all.

    That is an IPv4 address or a name, as not every node can do with IPv6: the address that the
    broker is bound to, or else the one by which a person says that Home Assistant is reached at
    home, the one that is announced on the network, or at last the name of this machine.
    """
    bound = host and ip_address(host)
    if isinstance(bound, IPv4Address) and not bound.is_unspecified:
        return str(bound)
    internal = urlsplit(hass.config.internal_url or "").hostname
    if internal and _is_reachable(internal):
        return internal
    for address in await network.async_get_announce_addresses(hass):
        if _is_reachable(address):
            return address
    return f"{socket.gethostname().split('.')[0]}{_LOCAL}"


def _is_reachable(host: str) -> bool:
    """Tell whether an address is one for other machines; a name is, unless it means this one."""
    with suppress(ValueError):
        address = ip_address(host)
        return address.version == 4 and not (
            address.is_loopback or address.is_unspecified or address.is_link_local
        )
    return host != "localhost"
