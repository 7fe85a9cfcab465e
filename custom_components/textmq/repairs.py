"""Repairs that need no more than a person's consent."""

from typing import Any, override

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow
from homeassistant.components.repairs.models import RepairsFlowResult
from homeassistant.core import HomeAssistant

from .broker import AccessMode
from .const import CONF_ACCESS
from .hub import async_get_hub


class OpenAccessFlow(ConfirmRepairFlow):
    """Lets new devices in only after a person's approval from now on."""

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        hub = async_get_hub(self.hass)
        if user_input is not None and hub is not None:
            data = {**hub.entry.data, CONF_ACCESS: str(AccessMode.APPROVE)}
            self.hass.config_entries.async_update_entry(hub.entry, data=data)
        return await super().async_step_confirm(user_input)


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, Any] | None
) -> RepairsFlow:
    """Return the flow for the one issue that can be repaired here."""
    return OpenAccessFlow()
