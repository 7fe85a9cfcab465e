"""How a person adds a device by hand, and changes its name, its rights and its key."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

import probatio

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_DEVICE_ID, CONF_HOST, CONF_NAME, CONF_PORT
from homeassistant.helpers.selector import (
    BooleanSelector,
    QrCodeSelector,
    QrCodeSelectorConfig,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.util import yaml as yaml_util

from .broker import AccessMode, names
from .const import (
    ATTR_DEVICE,
    CONF_ENCRYPTED,
    CONF_KEY,
    CONF_MESSAGE,
    CONF_QR_CODE,
    CONF_READ,
    CONF_RIGHTS,
    CONF_WRITE,
    DEFAULT_PORT,
    DOMAIN,
)
from .hub.keys import make_key, read_key
from .hub.sanitize import escape_markdown, single_line
from .hub.settings import EVERY_RIGHT, Settings, stored_rights

KEY_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_KEY): TextSelector(
            TextSelectorConfig(type=TextSelectorType.PASSWORD)
        )
    }
)
_FILTERS: Final = TextSelector(TextSelectorConfig(multiple=True))
_USUAL_HOST: Final = "homeassistant.local"


def check_key(user_input: Mapping[str, Any]) -> dict[str, str]:
    """Return the errors of a form in which a key was entered, none where it is one."""
    try:
        read_key(user_input[CONF_KEY])
    except ValueError:
        return {CONF_KEY: "bad_key"}
    return {}


def node_yaml(settings: Settings, device_id: str, key: str) -> str:
    """Return what a node with ESPHome needs to come in by a key."""
    host = _USUAL_HOST
    if settings.host is not None:
        bound = ip_address(settings.host)
        if bound.version == 4 and not bound.is_unspecified:
            host = settings.host
    node: dict[str, Any] = {CONF_HOST: host}
    if settings.port != DEFAULT_PORT:
        node[CONF_PORT] = settings.port
    node |= {CONF_DEVICE_ID: device_id, "encryption": {CONF_KEY: key}}
    return yaml_util.dump({DOMAIN: node}).strip()


class DeviceSubentryFlow(ConfigSubentryFlow):
    """Lets in a device by its ID before it comes, and changes one that is let in."""

    def __init__(self) -> None:
        """Make the key that is shown if one is asked for."""
        self._key = make_key()
        self._device_id = ""
        self._name = ""

    # Add

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the ID, what to call the device, and whether it has a key."""
        errors: dict[str, str] = {}
        if user_input is not None:
            device_id = user_input[CONF_DEVICE_ID]
            known = {one.unique_id for one in self._get_entry().subentries.values()}
            if not names.is_device_id(device_id):
                errors[CONF_DEVICE_ID] = "bad_device_id"
            elif device_id in known:
                errors[CONF_DEVICE_ID] = "device_known"
            elif self._needs_key and not user_input[CONF_ENCRYPTED]:
                errors[CONF_ENCRYPTED] = "key_needed"
            else:
                self._device_id = device_id
                self._name = single_line(user_input.get(CONF_NAME, "")) or device_id
                if user_input[CONF_ENCRYPTED]:
                    return await self.async_step_add_key()
                return await self._async_add({CONF_DEVICE_ID: device_id})
        schema = probatio.Schema(
            {
                probatio.Required(CONF_DEVICE_ID): TextSelector(),
                probatio.Optional(CONF_NAME): TextSelector(),
                probatio.Required(CONF_ENCRYPTED, default=True): BooleanSelector(),
            }
        )
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
            errors=errors,
        )

    async def async_step_add_key(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show the key of the new device, and add it."""
        if user_input is None:
            return self._show_key("add_key", self._device_id)
        return await self._async_add(
            {CONF_DEVICE_ID: self._device_id, CONF_KEY: self._key}
        )

    async def _async_add(self, data: dict[str, Any]) -> SubentryFlowResult:
        """Let the device in; it is ignored no more."""
        for entry in self.hass.config_entries.async_entries(DOMAIN):
            if entry.source == SOURCE_IGNORE and entry.unique_id == self._device_id:
                await self.hass.config_entries.async_remove(entry.entry_id)
        return self.async_create_entry(
            title=self._name, data=data, unique_id=self._device_id
        )

    # Change

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what is to be changed."""
        options = ["settings", "new_key", "enter_key"]
        if CONF_KEY in self._subentry.data and not self._needs_key:
            options.append("remove_key")
        return self.async_show_menu(
            step_id="reconfigure",
            menu_options=options,
            description_placeholders=self._placeholders,
        )

    async def async_step_settings(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what to call the device, and what it may do."""
        stored = self._subentry.data
        errors: dict[str, str] = {}
        if user_input is not None:
            rights: dict[str, Any] = {CONF_MESSAGE: user_input[CONF_MESSAGE]}
            for key in (CONF_WRITE, CONF_READ):
                # A list that was emptied may be left out: it allows nothing.
                texts = [text.strip() for text in user_input.get(key, ())]
                rights[key] = [text for text in texts if text]
                if not all(map(names.is_filter, rights[key])):
                    errors[key] = "bad_filter"
            if not errors:
                name = single_line(user_input[CONF_NAME]) or stored[CONF_DEVICE_ID]
                all_rights = rights == EVERY_RIGHT
                return self._update(
                    {CONF_RIGHTS: None if all_rights else rights}, title=name
                )
        schema = probatio.Schema(
            {
                probatio.Required(CONF_NAME): TextSelector(),
                probatio.Optional(CONF_WRITE): _FILTERS,
                probatio.Optional(CONF_READ): _FILTERS,
                probatio.Required(CONF_MESSAGE): BooleanSelector(),
            }
        )
        suggested = user_input or {
            CONF_NAME: self._subentry.title,
            **stored_rights(stored),
        }
        return self.async_show_form(
            step_id="settings",
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            description_placeholders=self._placeholders,
            errors=errors,
        )

    async def async_step_new_key(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show a new key, and use it from now on."""
        if user_input is None:
            return self._show_key("new_key", self._subentry.data[CONF_DEVICE_ID])
        return self._update({CONF_KEY: self._key})

    async def async_step_enter_key(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the key that the device has."""
        errors = check_key(user_input) if user_input is not None else {}
        if user_input is not None and not errors:
            return self._update({CONF_KEY: user_input[CONF_KEY].strip()})
        return self.async_show_form(
            step_id="enter_key",
            data_schema=KEY_SCHEMA,
            description_placeholders=self._placeholders,
            errors=errors,
        )

    async def async_step_remove_key(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Let the device in by its ID alone from now on, once a person agrees."""
        if user_input is not None:
            return self._update({CONF_KEY: None})
        return self.async_show_form(
            step_id="remove_key",
            data_schema=probatio.Schema({}),
            description_placeholders=self._placeholders,
        )

    def _show_key(self, step_id: str, device_id: str) -> SubentryFlowResult:
        text = node_yaml(Settings.read(self._get_entry()), device_id, self._key)
        qr_code = QrCodeSelector(QrCodeSelectorConfig(data=text, scale=4))
        return self.async_show_form(
            step_id=step_id,
            data_schema=probatio.Schema({probatio.Optional(CONF_QR_CODE): qr_code}),
            description_placeholders={
                ATTR_DEVICE: escape_markdown(device_id),
                CONF_KEY: self._key,
                "yaml": text,
            },
        )

    def _update(
        self, changes: Mapping[str, Any], title: str | None = None
    ) -> SubentryFlowResult:
        """Change the subentry and end the flow; what becomes None is taken out."""
        data = {**self._subentry.data, **changes}
        self.hass.config_entries.async_update_subentry(
            self._get_entry(),
            self._subentry,
            title=self._subentry.title if title is None else title,
            data={key: value for key, value in data.items() if value is not None},
        )
        return self.async_abort(reason="device_changed")

    @property
    def _subentry(self) -> ConfigSubentry:
        return self._get_reconfigure_subentry()

    @property
    def _placeholders(self) -> dict[str, str]:
        return {ATTR_DEVICE: escape_markdown(self._subentry.data[CONF_DEVICE_ID])}

    @property
    def _needs_key(self) -> bool:
        return Settings.read(self._get_entry()).access is AccessMode.KEY
