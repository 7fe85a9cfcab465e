"""What actions refuse, and what they say of it."""

import probatio
import pytest

from custom_components.textmq.const import DOMAIN
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError


async def test_a_message_waits_a_week_at_most(
    hass: HomeAssistant, rooms: RuntimeData
) -> None:
    """Longer is a mistake, not a limit that could be raised in the options."""
    data = {"device": "garden", "message": ""}
    for ttl in ({"days": 7}, 604800):
        await hass.services.async_call(
            DOMAIN, "send_message", {**data, "ttl": ttl}, blocking=True
        )
    with pytest.raises(probatio.Invalid, match="at most 7 days"):
        await hass.services.async_call(
            DOMAIN, "send_message", {**data, "ttl": {"days": 8}}, blocking=True
        )


@pytest.mark.parametrize("options", [{"limits": {"variables": 1}}])
async def test_a_limit(hass: HomeAssistant, rooms: RuntimeData) -> None:
    """What the options limit is said to be in the options."""
    data = {"variable": "a", "value": "1"}
    await hass.services.async_call(DOMAIN, "publish", data, blocking=True)
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call(
            DOMAIN, "publish", {**data, "variable": "b"}, blocking=True
        )
    assert caught.value.translation_key == "limit"


@pytest.mark.parametrize("pattern", ["a/#/b", "a+", "", "#/a"])
async def test_a_wrong_filter(
    hass: HomeAssistant, rooms: RuntimeData, pattern: str
) -> None:
    """What is said of it is of filters, which may have what names may not."""
    with pytest.raises(ServiceValidationError) as caught:
        await hass.services.async_call(
            DOMAIN,
            "list_variables",
            {"variable": pattern},
            blocking=True,
            return_response=True,
        )
    assert caught.value.translation_key == "bad_filter"
