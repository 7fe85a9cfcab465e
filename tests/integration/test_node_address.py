"""The address that is shown for nodes."""

import socket

import pytest

from custom_components.textmq.hub.node_address import async_node_address
from homeassistant.components import network
from homeassistant.core import HomeAssistant


@pytest.mark.parametrize(
    ("bound", "internal", "announced", "name", "shown"),
    [
        pytest.param(
            "192.0.2.1", "http://ha:8123", ["192.0.2.9"], "ha", "192.0.2.1", id="bound"
        ),
        pytest.param(
            "127.0.0.1", "http://ha:8123", [], "ha", "127.0.0.1", id="bound here"
        ),
        pytest.param(
            None, "http://ha.lan:8123", ["192.0.2.9"], "ha", "ha.lan", id="internal URL"
        ),
        pytest.param(
            "0.0.0.0",
            "http://192.0.2.2:8123",
            ["192.0.2.9"],
            "ha",
            "192.0.2.2",
            id="internal address",
        ),
        pytest.param(
            "::",
            "https://[2001:db8::1]:8123",
            ["192.0.2.9"],
            "ha",
            "192.0.2.9",
            id="internal IPv6",
        ),
        pytest.param(
            None,
            "http://localhost:8123",
            ["192.0.2.9"],
            "ha",
            "192.0.2.9",
            id="internal localhost",
        ),
        pytest.param(
            None,
            "http://127.0.0.1:8123",
            ["192.0.2.9"],
            "ha",
            "192.0.2.9",
            id="internal loopback",
        ),
        pytest.param(
            "2001:db8::1",
            None,
            ["2001:db8::1", "192.0.2.9"],
            "ha",
            "192.0.2.9",
            id="announced",
        ),
        pytest.param(
            None,
            None,
            ["127.0.0.1", "169.254.1.1"],
            "homeassistant",
            "homeassistant.local",
            id="name",
        ),
        pytest.param(None, None, [], "nas.lan", "nas.local", id="other name"),
    ],
)
async def test_address(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    bound: str | None,
    internal: str | None,
    announced: list[str],
    name: str,
    shown: str,
) -> None:
    """It is one at which other machines find the broker, an IPv4 address or a name."""

    async def addresses(_hass: HomeAssistant) -> list[str]:
        return announced

    monkeypatch.setattr(network, "async_get_announce_addresses", addresses)
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    await hass.config.async_update(internal_url=internal)
    assert await async_node_address(hass, bound) == shown
