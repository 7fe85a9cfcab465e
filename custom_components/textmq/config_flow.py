"""How a person adds the broker, changes it, and approves devices."""

from collections.abc import Mapping
import errno
from ipaddress import ip_address
from typing import Any, Final, override

import probatio

from homeassistant.components import network
from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    FlowType,
    OptionsFlow,
    SubentryFlowContext,
)
from homeassistant.const import CONF_HOST, CONF_NAME, CONF_PORT, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers.selector import (
    AreaSelector,
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
)
from homeassistant.helpers.typing import DiscoveryInfoType

from .broker import AccessMode, Broker, Listener, names
from .const import (
    ALL_INTERFACES,
    ATTR_DEVICE,
    BROKER,
    CONF_ACCESS,
    CONF_AREA,
    CONF_DELETE_VARIABLES,
    CONF_EXCLUDE,
    CONF_INCLUDE,
    CONF_KEEPALIVE,
    CONF_KEEPALIVE_TIMEOUT,
    CONF_KEY,
    CONF_LIMITS,
    CONF_SAVE_INTERVAL,
    DEFAULT_PORT,
    DEFAULT_SAVE_INTERVAL,
    DOMAIN,
    EVERYTHING,
    MINOR_VERSION,
    NAME,
    SUBENTRY_DEVICE,
)
from .device_flow import KEY_SCHEMA, DeviceSubentryFlow, check_key, similar_id
from .flow_steps import unless_removed
from .hub.runtime_data import RuntimeData, async_get_runtime_data
from .hub.sanitize import escape_markdown, single_line
from .hub.settings import ADJUSTABLE_LIMITS, DEFAULT_LIMITS, address, default_limit

_LOOPBACK: Final = "127.0.0.1"
_LOOPBACK_IPV6: Final = "::1"
_PORT_ERRORS: Final[Mapping[int, str]] = {
    errno.EADDRINUSE: "port_in_use",
    errno.EACCES: "port_forbidden",
}


def _number(least: int, most: int, unit: str | None = None) -> NumberSelector:
    config = NumberSelectorConfig(min=least, max=most, mode=NumberSelectorMode.BOX)
    if unit:
        config["unit_of_measurement"] = unit
    return NumberSelector(config)


def _whole(least: int, most: int, unit: str | None = None) -> probatio.All[Any]:
    return probatio.All(_number(least, most, unit), probatio.Coerce(int))


OPTIONS_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(
            CONF_KEEPALIVE, default=int(DEFAULT_LIMITS.keepalive)
        ): _whole(5, 3600, UnitOfTime.SECONDS),
        probatio.Required(
            CONF_KEEPALIVE_TIMEOUT, default=int(DEFAULT_LIMITS.keepalive_timeout)
        ): _whole(1, 600, UnitOfTime.SECONDS),
        probatio.Required(CONF_SAVE_INTERVAL, default=DEFAULT_SAVE_INTERVAL): _whole(
            1, 3600, UnitOfTime.SECONDS
        ),
        probatio.Optional(CONF_INCLUDE, default=[EVERYTHING]): TextSelector(
            TextSelectorConfig(multiple=True)
        ),
        probatio.Optional(CONF_EXCLUDE, default=[]): TextSelector(
            TextSelectorConfig(multiple=True)
        ),
        probatio.Required(CONF_DELETE_VARIABLES, default=True): BooleanSelector(),
        probatio.Required(CONF_LIMITS): section(
            probatio.Schema(
                {
                    probatio.Required(name, default=default_limit(name)): _whole(
                        least, most
                    )
                    for name, (least, most) in ADJUSTABLE_LIMITS.items()
                }
            ),
            {"collapsed": True},
        ),
    }
)

_APPROVE_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_NAME): TextSelector(),
        probatio.Optional(CONF_AREA): AreaSelector(),
    }
)
_APPROVE_ENCRYPTED_SCHEMA: Final = KEY_SCHEMA.extend(_APPROVE_SCHEMA.schema)


async def _broker_schema(hass: HomeAssistant) -> probatio.Schema:
    """Return the form of what can't be changed without closing the port."""
    addresses = [
        ipv4["address"]
        for adapter in await network.async_get_adapters(hass)
        if adapter["enabled"]
        for ipv4 in adapter["ipv4"]
    ]
    hosts = dict.fromkeys((ALL_INTERFACES, *addresses, _LOOPBACK))
    return probatio.Schema(
        {
            probatio.Required(CONF_PORT, default=DEFAULT_PORT): _whole(1, 65535),
            probatio.Required(CONF_HOST, default=ALL_INTERFACES): SelectSelector(
                SelectSelectorConfig(
                    options=list(hosts),
                    translation_key=CONF_HOST,
                    mode=SelectSelectorMode.DROPDOWN,
                    custom_value=True,
                )
            ),
            probatio.Required(CONF_ACCESS, default=AccessMode.APPROVE): SelectSelector(
                SelectSelectorConfig(
                    options=list(AccessMode),
                    translation_key=CONF_ACCESS,
                )
            ),
        }
    )


async def _try_to_listen(host: str, port: int) -> dict[str, str]:
    """Listen for a moment; return the errors of the form, none where it works."""
    listener = Listener(Broker(), address(host), port)
    try:
        if host != ALL_INTERFACES:
            ip_address(host)
        await listener.start()
    except ValueError:
        return {CONF_HOST: "address_not_available"}
    except OSError as err:
        if error := _PORT_ERRORS.get(err.errno or 0):
            return {CONF_PORT: error}
        return {CONF_HOST: "address_not_available"}
    await listener.stop()
    return {}


async def _covered(hass: HomeAssistant, host: str) -> set[str]:
    """Return the addresses of this machine on which a broker that is bound to host listens."""
    bound = None if host == ALL_INTERFACES else ip_address(host)
    if bound is not None and not bound.is_unspecified:
        return {str(bound)}
    own = {_LOOPBACK, _LOOPBACK_IPV6}
    for adapter in await network.async_get_adapters(hass):
        own |= {ipv4["address"] for ipv4 in adapter["ipv4"]}
        own |= {ipv6["address"] for ipv6 in adapter["ipv6"]}
    return {
        one
        for one in own
        # An address that needs a scope can't be bound without it.
        if not ip_address(one).is_link_local
        and (bound is None or ip_address(one).version == bound.version)
    }


async def _try_to_change(
    hass: HomeAssistant, old: ConfigEntry[Any], host: str, port: int
) -> dict[str, str]:
    """Listen for a moment where a broker that runs does not listen yet; return the errors of the form."""
    if port != old.data[CONF_PORT]:
        return await _try_to_listen(host, port)
    if host == old.data[CONF_HOST]:
        return {}
    # Any port proves the address as a whole, the broker's own one is taken by itself.
    if errors := await _try_to_listen(host, 0):
        return errors
    held = await _covered(hass, old.data[CONF_HOST])
    for one in await _covered(hass, host) - held:
        errors = await _try_to_listen(one, port)
        if CONF_PORT in errors:
            return errors
    return {}


class TextMqConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds the broker, and approves devices that ask for it."""

    VERSION = 1
    MINOR_VERSION = MINOR_VERSION

    def __init__(self) -> None:
        """Begin with no device."""
        self._device_id = ""

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> TextMqOptionsFlow:
        return TextMqOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        return {SUBENTRY_DEVICE: DeviceSubentryFlow}

    # The broker

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where to listen and which devices may connect; there is one broker."""
        await self.async_set_unique_id(BROKER)
        self._abort_if_unique_id_configured()
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = await _try_to_listen(user_input[CONF_HOST], user_input[CONF_PORT])
            if not errors:
                return self.async_create_entry(title=NAME, data=user_input)
        return await self._async_broker_form("user", user_input, errors)

    @override
    async def async_on_create_entry(self, result: ConfigFlowResult) -> ConfigFlowResult:
        """Lead to the first device, after the broker was added: a device that is ignored ends here as well."""
        if self.source != SOURCE_USER:
            return result
        added = await self.hass.config_entries.subentries.async_init(
            (result["result"].entry_id, SUBENTRY_DEVICE),
            context=SubentryFlowContext(source=SOURCE_USER),
        )
        result["next_flow"] = (FlowType.CONFIG_SUBENTRIES_FLOW, added["flow_id"])
        return result

    @unless_removed
    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask the same again."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            host, port = user_input[CONF_HOST], user_input[CONF_PORT]
            if entry.state is ConfigEntryState.LOADED:
                errors = await _try_to_change(self.hass, entry, host, port)
            else:
                errors = await _try_to_listen(host, port)
            # It may have been removed while it was tried.
            entry = self._get_reconfigure_entry()
            if not errors:
                return self._reconfigured(entry, user_input)
        return await self._async_broker_form(
            "reconfigure", user_input or entry.data, errors
        )

    @callback
    def _reconfigured(
        self, entry: ConfigEntry[Any], data: dict[str, Any]
    ) -> ConfigFlowResult:
        """Store the changes, and see to it that they take effect."""
        if entry.disabled_by is not None:
            return self.async_update_and_abort(
                entry, data_updates=data, reason="reconfigured_disabled"
            )
        if entry.state is ConfigEntryState.LOADED:
            # A broker that runs follows on its own.
            return self.async_update_and_abort(entry, data_updates=data)
        return self.async_update_reload_and_abort(entry, data_updates=data)

    async def _async_broker_form(
        self, step_id: str, data: Mapping[str, Any] | None, errors: dict[str, str]
    ) -> ConfigFlowResult:
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                await _broker_schema(self.hass), data
            ),
            errors=errors,
        )

    # Devices

    @override
    async def async_step_integration_discovery(
        self, discovery_info: DiscoveryInfoType
    ) -> ConfigFlowResult:
        """Begin the card of a device that asks to be let in."""
        self._device_id = discovery_info[ATTR_DEVICE]
        await self.async_set_unique_id(self._device_id)
        # This is what keeps a device away that was ignored.
        self._abort_if_unique_id_configured()
        data = async_get_runtime_data(self.hass)
        if data is not None and self._device_id in data.discovery.encrypted:
            self.context["title_placeholders"] = {CONF_NAME: f"🔒 {self._device_id}"}
            return await self.async_step_approve_encrypted()
        if data is not None and self._device_id in data.broker.waiting:
            info = data.broker.waiting[self._device_id].details
            name = single_line(info.name or "") or self._device_id
            self.context["title_placeholders"] = {CONF_NAME: name}
        return await self.async_step_approve()

    async def async_step_approve(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for name and area, and approve the device."""
        data = async_get_runtime_data(self.hass)
        waiting = data.broker.waiting.get(self._device_id) if data else None
        if data is None or waiting is None:
            return self._nothing_to_approve(data)
        if user_input is not None:
            return await self._async_approve(data, user_input, "device_approved")
        info = waiting.details
        area = ar.async_get(self.hass).async_get_area_by_name(info.area or "")
        suggested = {CONF_NAME: single_line(info.name or "") or self._device_id}
        if area is not None:
            suggested[CONF_AREA] = area.id
        similar, errors = self._warning(data)
        return self.async_show_form(
            step_id="approve",
            data_schema=self.add_suggested_values_to_schema(_APPROVE_SCHEMA, suggested),
            description_placeholders={
                ATTR_DEVICE: escape_markdown(self._device_id),
                "address": escape_markdown(waiting.address),
                "model": escape_markdown(info.model or "?"),
                "similar": similar,
            },
            errors=errors,
        )

    async def async_step_approve_encrypted(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the key of a device, besides name and area; it can connect at its next try."""
        data = async_get_runtime_data(self.hass)
        tried = data.discovery.encrypted.get(self._device_id) if data else None
        if data is None or tried is None:
            return self._nothing_to_approve(data)
        similar, errors = self._warning(data)
        if user_input is not None:
            errors = check_key(user_input)
            if not errors:
                return await self._async_approve(data, user_input, "device_expected")
        return self.async_show_form(
            step_id="approve_encrypted",
            data_schema=self.add_suggested_values_to_schema(
                _APPROVE_ENCRYPTED_SCHEMA,
                user_input or {CONF_NAME: self._device_id},
            ),
            description_placeholders={
                ATTR_DEVICE: escape_markdown(self._device_id),
                "address": escape_markdown(tried.address),
                "similar": similar,
            },
            errors=errors,
        )

    def _nothing_to_approve(self, data: RuntimeData | None) -> ConfigFlowResult:
        """End the card of a device that does not wait any more."""
        if data is None:
            return self.async_abort(reason="not_running")
        if self._device_id in data.approved.ids:
            return self.async_abort(reason="approved_already")
        return self.async_abort(reason="device_gone")

    def _warning(self, data: RuntimeData) -> tuple[str, dict[str, str]]:
        """Return the ID of an approved device that differs by case alone, with what the form says of it."""
        similar = similar_id(self._device_id, data.approved.ids)
        return escape_markdown(similar), {"base": "similar_id"} if similar else {}

    async def _async_approve(
        self, data: RuntimeData, user_input: dict[str, Any], reason: str
    ) -> ConfigFlowResult:
        name = single_line(user_input[CONF_NAME]) or self._device_id
        key = user_input.get(CONF_KEY)
        await data.approved.approve(
            self._device_id, name, user_input.get(CONF_AREA), key and key.strip()
        )
        if not data.broker.available:
            reason = "device_stored"
        return self.async_abort(
            reason=reason, description_placeholders={CONF_NAME: escape_markdown(name)}
        )


class TextMqOptionsFlow(OptionsFlow):
    """Changes what can be changed while clients stay connected."""

    @unless_removed
    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for everything at once."""
        entry = self.config_entry
        errors: dict[str, str] = {}
        if user_input is not None:
            for key in (CONF_INCLUDE, CONF_EXCLUDE):
                if not all(names.is_filter(text) for text in user_input[key]):
                    errors[key] = "bad_filter"
            if not errors:
                return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                OPTIONS_SCHEMA, user_input or entry.options
            ),
            errors=errors,
        )
