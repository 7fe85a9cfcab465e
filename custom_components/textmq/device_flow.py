"""How a person adds a device by hand, changes its name, its rights and its key, and replaces its board."""

from collections.abc import Iterable, Mapping
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
    CONF_REPLACES,
    CONF_RIGHTS,
    CONF_WRITE,
    DEFAULT_PORT,
    DOMAIN,
)
from .flow_steps import unless_removed
from .hub.keys import make_key, read_key
from .hub.node_address import async_node_address
from .hub.runtime_data import async_get_runtime_data
from .hub.sanitize import escape_markdown, single_line
from .hub.settings import EVERY_RIGHT, NO_RIGHT, Settings, stored_rights

KEY_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_KEY): TextSelector(
            TextSelectorConfig(type=TextSelectorType.PASSWORD)
        )
    }
)
_FILTERS: Final = TextSelector(TextSelectorConfig(multiple=True))


def similar_id(device_id: str, ids: Iterable[str]) -> str:
    """Return the ID among others that differs by case alone, empty where none does."""
    wanted = device_id.casefold()
    return next(
        (one for one in ids if one != device_id and one.casefold() == wanted), ""
    )


def check_key(user_input: Mapping[str, Any]) -> dict[str, str]:
    """Return the errors of a form in which a key was entered, none where it is one."""
    try:
        read_key(user_input[CONF_KEY])
    except ValueError:
        return {CONF_KEY: "bad_key"}
    return {}


def node_yaml(host: str, port: int, device_id: str, key: str) -> str:
    """Return what a node with ESPHome needs to connect by a key."""
    node: dict[str, Any] = {CONF_HOST: host}
    if port != DEFAULT_PORT:
        node[CONF_PORT] = port
    node |= {CONF_DEVICE_ID: device_id, "encryption": {CONF_KEY: key}}
    return yaml_util.dump({DOMAIN: node}).strip()


class DeviceSubentryFlow(ConfigSubentryFlow):
    """Approves a device by its ID before it connects, and changes one that is approved."""

    def __init__(self) -> None:
        """Make the key that is shown if one is asked for."""
        self._key = make_key()
        self._device_id = ""
        self._old_id = ""
        """The ID of the device that is replaced, as a person has seen it."""
        self._shown_settings: Mapping[str, Any] = {}
        """Name and rights as a person has seen them."""
        self._name = ""
        self._warned_of = ""
        """The ID that a person was asked about, since another one differs by case alone."""

    # Add

    @unless_removed
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the ID, what to call the device, and whether it has a key."""
        errors: dict[str, str] = {}
        similar = ""
        if user_input is not None:
            device_id = user_input[CONF_DEVICE_ID]
            errors = self._check_id(device_id) or self._check_encrypted(user_input)
            similar = self._similar_id(device_id)
            if similar and not errors and device_id != self._warned_of:
                self._warned_of = device_id
                errors[CONF_DEVICE_ID] = "similar_id"
            if not errors:
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
        settings = Settings.read(self._get_entry())
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
            description_placeholders={
                "similar": escape_markdown(similar),
                CONF_HOST: await async_node_address(self.hass, settings.host),
                CONF_PORT: str(settings.port),
            },
            errors=errors,
        )

    @unless_removed
    async def async_step_add_key(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show the key of the new device, and add it."""
        if user_input is None:
            return await self._async_show_key("add_key", self._device_id)
        return await self._async_add(
            {CONF_DEVICE_ID: self._device_id, CONF_KEY: self._key}
        )

    async def _async_add(self, data: dict[str, Any]) -> SubentryFlowResult:
        """Approve the device."""
        self._get_entry()
        await self._async_ignore_no_more()
        return self.async_create_entry(
            title=self._name, data=data, unique_id=self._device_id
        )

    async def _async_ignore_no_more(self) -> None:
        for entry in self.hass.config_entries.async_entries(DOMAIN):
            if entry.source == SOURCE_IGNORE and entry.unique_id == self._device_id:
                await self.hass.config_entries.async_remove(entry.entry_id)

    # Change

    @unless_removed
    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what is to be changed."""
        options = ["settings", "new_key", "enter_key"]
        if CONF_KEY in self._subentry.data and not self._needs_key:
            options.append("remove_key")
        options.append("replace")
        return self.async_show_menu(
            step_id="reconfigure",
            menu_options=options,
            description_placeholders=self._placeholders,
        )

    @unless_removed
    async def async_step_settings(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what to call the device, and what it may do."""
        stored = self._subentry.data
        now = {CONF_NAME: self._subentry.title, **stored_rights(stored)}
        errors: dict[str, str] = {}
        if user_input is not None and now != self._shown_settings:
            # What was done in another window is not to be undone unseen.
            user_input, errors["base"] = None, "changed"
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
        self._shown_settings = now
        return self.async_show_form(
            step_id="settings",
            data_schema=self.add_suggested_values_to_schema(schema, user_input or now),
            description_placeholders=self._placeholders,
            errors=errors,
        )

    @unless_removed
    async def async_step_new_key(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show a new key, and use it from now on."""
        device_id = self._subentry.data[CONF_DEVICE_ID]
        if user_input is None or device_id != self._device_id:
            # It may have been replaced since: what is shown has its ID.
            self._device_id = device_id
            return await self._async_show_key("new_key", device_id)
        return self._update({CONF_KEY: self._key})

    @unless_removed
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

    @unless_removed
    async def async_step_remove_key(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Let the device connect by its ID alone from now on, once a person agrees."""
        if self._needs_key:
            return self.async_abort(reason="key_needed")
        if user_input is not None:
            return self._update({CONF_KEY: None})
        return self.async_show_form(
            step_id="remove_key",
            data_schema=probatio.Schema({}),
            description_placeholders=self._placeholders,
        )

    # Replace

    @unless_removed
    async def async_step_replace(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the ID of the new board, which may be the same, and whether it has a key."""
        old = self._subentry.data[CONF_DEVICE_ID]
        if CONF_REPLACES in self._subentry.data:
            return self.async_abort(reason="replacing")
        errors: dict[str, str] = {}
        if user_input is not None and old == self._old_id:
            device_id = user_input[CONF_DEVICE_ID]
            errors = self._check_encrypted(user_input)
            if device_id != old:
                errors = self._check_id(device_id, known="id_taken") or errors
            elif not user_input[CONF_ENCRYPTED] and CONF_KEY not in self._subentry.data:
                # Nothing would keep the old board out.
                errors = errors or {CONF_DEVICE_ID: "nothing_to_replace"}
            if not errors:
                self._device_id = device_id
                if user_input[CONF_ENCRYPTED]:
                    return await self.async_step_replace_key()
                return await self._async_replace(None)
        self._old_id = old
        schema = probatio.Schema(
            {
                probatio.Required(CONF_DEVICE_ID): TextSelector(),
                probatio.Required(CONF_ENCRYPTED, default=True): BooleanSelector(),
            }
        )
        return self.async_show_form(
            step_id="replace",
            data_schema=self.add_suggested_values_to_schema(
                schema, user_input or {CONF_DEVICE_ID: old}
            ),
            description_placeholders=self._placeholders,
            errors=errors,
        )

    @unless_removed
    async def async_step_replace_key(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show the key of the new board, and let it take over."""
        if user_input is None:
            return await self._async_show_key("replace_key", self._device_id)
        return await self._async_replace(self._key)

    async def _async_replace(self, key: str | None) -> SubentryFlowResult:
        """Let a board take over all that belongs to the one before."""
        subentry, new = self._subentry, self._device_id
        old = subentry.data[CONF_DEVICE_ID]
        if old != self._old_id or CONF_REPLACES in subentry.data:
            # It has been replaced since: that is shown first.
            return await self.async_step_replace()
        if new != old and new in self._known_ids:
            return self.async_abort(reason="id_taken")
        changes: dict[str, Any] = {CONF_DEVICE_ID: new, CONF_KEY: key}
        if new != old:
            await self._async_ignore_no_more()
            changes[CONF_REPLACES] = old
            rights = stored_rights(subentry.data)
            if CONF_RIGHTS in subentry.data and rights is not NO_RIGHT:
                changes[CONF_RIGHTS] = {
                    **rights,
                    **{
                        what: [names.renamed(one, old, new) for one in rights[what]]
                        for what in (CONF_WRITE, CONF_READ)
                    },
                }
        title = new if subentry.title == old else subentry.title
        return self._update(changes, title, unique_id=new, reason="device_replaced")

    # What the steps have in common

    def _check_id(self, device_id: str, known: str = "device_known") -> dict[str, str]:
        """Return the errors of a form in which the ID of another device was entered."""
        if not names.is_device_id(device_id):
            return {CONF_DEVICE_ID: "bad_device_id"}
        if device_id in self._known_ids:
            return {CONF_DEVICE_ID: known}
        return {}

    def _check_encrypted(self, user_input: Mapping[str, Any]) -> dict[str, str]:
        if self._needs_key and not user_input[CONF_ENCRYPTED]:
            return {CONF_ENCRYPTED: "key_needed"}
        return {}

    def _similar_id(self, device_id: str) -> str:
        """Return the ID of a device that is known, or asks, and differs by case alone; empty for none."""
        rooms = async_get_runtime_data(self.hass)
        waiting = rooms.broker.waiting if rooms else ()
        return similar_id(device_id, (*sorted(self._known_ids), *waiting))

    async def _async_show_key(self, step_id: str, device_id: str) -> SubentryFlowResult:
        settings = Settings.read(self._get_entry())
        host = await async_node_address(self.hass, settings.host)
        text = node_yaml(host, settings.port, device_id, self._key)
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
        self,
        changes: Mapping[str, Any],
        title: str | None = None,
        *,
        unique_id: str | None = None,
        reason: str = "device_changed",
    ) -> SubentryFlowResult:
        """Change the subentry and end the flow; what becomes None is taken out."""
        subentry = self._subentry
        data = {**subentry.data, **changes}
        self.hass.config_entries.async_update_subentry(
            self._get_entry(),
            subentry,
            title=subentry.title if title is None else title,
            data={key: value for key, value in data.items() if value is not None},
            unique_id=subentry.unique_id if unique_id is None else unique_id,
        )
        rooms = async_get_runtime_data(self.hass)
        if rooms is None or not rooms.broker.available:
            reason = "device_stored"
        return self.async_abort(reason=reason)

    @property
    def _known_ids(self) -> set[str]:
        return {
            one.data[CONF_DEVICE_ID] for one in self._get_entry().subentries.values()
        }

    @property
    def _subentry(self) -> ConfigSubentry:
        return self._get_reconfigure_subentry()

    @property
    def _placeholders(self) -> dict[str, str]:
        return {ATTR_DEVICE: escape_markdown(self._subentry.data[CONF_DEVICE_ID])}

    @property
    def _needs_key(self) -> bool:
        return Settings.read(self._get_entry()).access is AccessMode.KEY
