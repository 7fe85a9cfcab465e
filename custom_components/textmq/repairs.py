"""Repairs that a person can do on the spot."""

from contextlib import suppress
from typing import Any, override

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow
from homeassistant.components.repairs.models import RepairsFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .broker import AccessMode, Refusal
from .const import ATTR_DEVICE, CONF_ACCESS, CONF_KEY, DOMAIN
from .device_flow import KEY_SCHEMA, check_key
from .hub.device_issues import Trouble
from .hub.runtime_data import async_get_entry, async_get_runtime_data


class OpenAccessFlow(ConfirmRepairFlow):
    """Lets new devices in only after a person's approval from now on."""

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        entry = async_get_entry(self.hass)
        if user_input is not None and entry is not None:
            data = {**entry.data, CONF_ACCESS: str(AccessMode.APPROVE)}
            self.hass.config_entries.async_update_entry(entry, data=data)
        return await super().async_step_confirm(user_input)


class DeviceKeyFlow(RepairsFlow):
    """Takes the key that a device has."""

    def __init__(self, device_id: str) -> None:
        """Ask for the key of a device."""
        self._device_id = device_id

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Begin with the one question that there is."""
        return await self.async_step_key()

    async def async_step_key(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask for the key, and use it from now on."""
        data = async_get_runtime_data(self.hass)
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        if data is None or issue is None:
            return self.async_abort(reason="settled")
        errors = check_key(user_input) if user_input is not None else {}
        if user_input is not None and not errors:
            key = user_input[CONF_KEY].strip()
            if not await data.approved.set_key(self._device_id, key):
                return self.async_abort(reason="settled")
            return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="key",
            data_schema=KEY_SCHEMA,
            description_placeholders=issue.translation_placeholders,
            errors=errors,
        )


class StaleVariablesFlow(ConfirmRepairFlow):
    """Deletes the variables that a device does not describe any more."""

    def __init__(self, device_id: str) -> None:
        """Delete variables of a device."""
        self._device_id = device_id

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        data = async_get_runtime_data(self.hass)
        if user_input is not None and data is not None:
            stale = data.issues.stale(self._device_id)
            data.issues.forget(self._device_id, (Trouble.STALE,))
            for variable in stale:
                with suppress(Refusal):
                    await data.broker.delete(variable.name)
        return await super().async_step_confirm(user_input)


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, Any] | None
) -> RepairsFlow:
    """Return the flow that repairs an issue."""
    if not data:
        return OpenAccessFlow()
    device_id = data[ATTR_DEVICE]
    if issue_id.startswith(Trouble.STALE):
        return StaleVariablesFlow(device_id)
    return DeviceKeyFlow(device_id)
