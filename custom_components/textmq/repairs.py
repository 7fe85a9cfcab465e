"""Repairs that a person can do on the spot. Each looks again when it is submitted: what is settled stays."""

from contextlib import suppress
from typing import Any, Final

import probatio

from homeassistant.components.repairs import RepairsFlow
from homeassistant.components.repairs.models import RepairsFlowResult
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .broker import AccessMode, Refusal
from .const import ATTR_DEVICE, BROKER, CONF_ACCESS, CONF_KEY, DOMAIN
from .device_flow import KEY_SCHEMA, check_key
from .hub.broker_api import BrokerGone
from .hub.device_issues import Trouble
from .hub.runtime_data import async_get_runtime_data
from .hub.sanitize import escape_markdown

_CONFIRM: Final = probatio.Schema({})
_MOST_NAMES: Final = 50
"""Variables that are named at most."""


class OpenAccessFlow(RepairsFlow):
    """Connects new devices only after a person's approval from now on."""

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Begin with the one question that there is."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Change the access, once a person agrees."""
        # Also of a broker that does not run: it must not be open when it starts.
        entry: ConfigEntry[Any] | None
        entry = self.hass.config_entries.async_entry_for_domain_unique_id(
            DOMAIN, BROKER
        )
        if entry is None or entry.data[CONF_ACCESS] != AccessMode.OPEN:
            return self.async_abort(reason="settled")
        if user_input is not None:
            data = {**entry.data, CONF_ACCESS: str(AccessMode.APPROVE)}
            self.hass.config_entries.async_update_entry(entry, data=data)
            return self.async_create_entry(data={})
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return self.async_show_form(
            step_id="confirm",
            data_schema=_CONFIRM,
            description_placeholders=issue.translation_placeholders if issue else None,
        )


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
        if data is None:
            return self.async_abort(reason="not_running")
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        if issue is None:
            return self.async_abort(reason="settled")
        errors = {}
        if user_input is not None and not (errors := check_key(user_input)):
            key = user_input[CONF_KEY].strip()
            if data.approved.has_key(self._device_id, key):
                errors = {CONF_KEY: "same_key"}
            elif not await data.approved.set_key(self._device_id, key):
                return self.async_abort(reason="settled")
            else:
                return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="key",
            data_schema=KEY_SCHEMA,
            description_placeholders=issue.translation_placeholders,
            errors=errors,
        )


class StaleVariablesFlow(RepairsFlow):
    """Deletes the variables that a device does not describe any more."""

    def __init__(self, device_id: str) -> None:
        """Delete variables of a device."""
        self._device_id = device_id
        self._shown: set[str] = set()
        """The names that a person has seen."""

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Begin with the one question that there is."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Delete what has been shown, once a person agrees; what has come to it is shown first."""
        data = async_get_runtime_data(self.hass)
        if data is None or not data.broker.available:
            return self.async_abort(reason="not_running")
        names = [one.name for one in data.issues.stale(self._device_id)]
        if not names:
            return self.async_abort(reason="settled")
        if user_input is None or not self._shown.issuperset(names):
            self._shown = set(names)
            shown = [escape_markdown(name) for name in names[:_MOST_NAMES]]
            if len(names) > _MOST_NAMES:
                shown.append("…")
            return self.async_show_form(
                step_id="confirm",
                data_schema=_CONFIRM,
                description_placeholders={"names": ", ".join(shown)},
            )
        # Before they go, one by one: each would tell of those that are left.
        data.issues.forget(self._device_id, (Trouble.STALE,))
        try:
            for name in names:
                with suppress(Refusal):
                    await data.broker.delete(name)
        except BrokerGone:
            return self.async_abort(reason="not_running")
        return self.async_create_entry(data={})


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
