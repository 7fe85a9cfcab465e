"""How a person adds the broker, changes it, and lets devices in."""

from collections.abc import Mapping
import errno
from ipaddress import ip_address
from typing import Any, Final, override

import probatio

from homeassistant.components import network
from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlow,
    SubentryFlowResult,
)
from homeassistant.const import (
    CONF_DEVICE_ID,
    CONF_HOST,
    CONF_NAME,
    CONF_PORT,
    UnitOfTime,
)
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

from .broker import AccessMode, Broker, Listener, wire
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
    CONF_LIMITS,
    CONF_SAVE_INTERVAL,
    DEFAULT_PORT,
    DEFAULT_SAVE_INTERVAL,
    DOMAIN,
    EVERYTHING,
    NAME,
    SUBENTRY_DEVICE,
)
from .hub import async_get_hub
from .safe import markdown, plain
from .settings import ADJUSTABLE_LIMITS, DEFAULT_LIMITS, address

_LOOPBACK: Final = "127.0.0.1"
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
                    probatio.Required(
                        name, default=int(getattr(DEFAULT_LIMITS, name))
                    ): _whole(least, most)
                    for name, (least, most) in ADJUSTABLE_LIMITS.items()
                }
            ),
            {"collapsed": True},
        ),
    }
)


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
                    options=[AccessMode.APPROVE, AccessMode.OPEN],
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


class TextMqConfigFlow(ConfigFlow, domain=DOMAIN):
    """Adds the broker, and lets in devices that ask for it."""

    VERSION = 1

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
        """Ask where to listen and who may come in; there is one broker."""
        await self.async_set_unique_id(BROKER)
        self._abort_if_unique_id_configured()
        return await self._async_broker_form("user", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask the same again."""
        return await self._async_broker_form("reconfigure", user_input)

    async def _async_broker_form(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        old = (
            self._get_reconfigure_entry() if self.source == SOURCE_RECONFIGURE else None
        )
        errors: dict[str, str] = {}
        if user_input is not None:
            port = user_input[CONF_PORT]
            if (
                old
                and old.state is ConfigEntryState.LOADED
                and port == old.data[CONF_PORT]
            ):
                # The port is ours already: any other proves the address as well.
                port = 0
            errors = await _try_to_listen(user_input[CONF_HOST], port)
            if old and not errors:
                # A broker that runs follows by itself.
                if old.state is ConfigEntryState.LOADED:
                    return self.async_update_and_abort(old, data_updates=user_input)
                return self.async_update_reload_and_abort(old, data_updates=user_input)
            if not errors:
                return self.async_create_entry(title=NAME, data=user_input)
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(
                await _broker_schema(self.hass),
                user_input or (old.data if old else None),
            ),
            errors=errors,
        )

    # Devices

    @override
    async def async_step_integration_discovery(
        self, discovery_info: DiscoveryInfoType
    ) -> ConfigFlowResult:
        """Begin the card of a device that waits to be let in."""
        self._device_id = discovery_info[ATTR_DEVICE]
        await self.async_set_unique_id(self._device_id)
        # This is what keeps a device away that was ignored.
        self._abort_if_unique_id_configured()
        hub = async_get_hub(self.hass)
        if hub is None or (session := hub.broker.waiting.get(self._device_id)) is None:
            return self.async_abort(reason="device_gone")
        name = plain(session.requested_info.name or "") or self._device_id
        self.context["title_placeholders"] = {CONF_NAME: name}
        return await self.async_step_approve()

    async def async_step_approve(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for name and area, and let the device in."""
        hub = async_get_hub(self.hass)
        if hub is None or (session := hub.broker.waiting.get(self._device_id)) is None:
            return self.async_abort(reason="device_gone")
        if user_input is not None:
            name = user_input[CONF_NAME]
            hub.approve(self._device_id, name, user_input.get(CONF_AREA))
            return self.async_abort(
                reason="device_approved",
                description_placeholders={CONF_NAME: markdown(name)},
            )
        info = session.requested_info
        area = ar.async_get(self.hass).async_get_area_by_name(info.area or "")
        schema = probatio.Schema(
            {
                probatio.Required(CONF_NAME): TextSelector(),
                probatio.Optional(CONF_AREA): AreaSelector(),
            }
        )
        suggested = {CONF_NAME: plain(info.name or "") or self._device_id}
        if area is not None:
            suggested[CONF_AREA] = area.id
        return self.async_show_form(
            step_id="approve",
            data_schema=self.add_suggested_values_to_schema(schema, suggested),
            description_placeholders={
                ATTR_DEVICE: markdown(self._device_id),
                "address": markdown(session.address),
                "model": markdown(info.model or "?"),
            },
        )


class TextMqOptionsFlow(OptionsFlow):
    """Changes what can be changed while clients stay connected."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for everything at once."""
        errors: dict[str, str] = {}
        if user_input is not None:
            for key in (CONF_INCLUDE, CONF_EXCLUDE):
                if not all(wire.is_filter(text) for text in user_input[key]):
                    errors[key] = "bad_filter"
            if not errors:
                return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                OPTIONS_SCHEMA, user_input or self.config_entry.options
            ),
            errors=errors,
        )


class DeviceSubentryFlow(ConfigSubentryFlow):
    """Lets in a device by its ID, before it comes."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the ID, and what to call the device."""
        errors: dict[str, str] = {}
        if user_input is not None:
            device_id = user_input[CONF_DEVICE_ID]
            known = {one.unique_id for one in self._get_entry().subentries.values()}
            if not wire.is_device_id(device_id):
                errors[CONF_DEVICE_ID] = "bad_device_id"
            elif device_id in known:
                errors[CONF_DEVICE_ID] = "device_known"
            else:
                await self._async_stop_ignoring(device_id)
                return self.async_create_entry(
                    title=plain(user_input.get(CONF_NAME, "")) or device_id,
                    data={CONF_DEVICE_ID: device_id},
                    unique_id=device_id,
                )
        schema = probatio.Schema(
            {
                probatio.Required(CONF_DEVICE_ID): TextSelector(),
                probatio.Optional(CONF_NAME): TextSelector(),
            }
        )
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
            errors=errors,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what to call the device."""
        subentry = self._get_reconfigure_subentry()
        if user_input is not None:
            name = plain(user_input[CONF_NAME]) or subentry.data[CONF_DEVICE_ID]
            return self.async_update_and_abort(self._get_entry(), subentry, title=name)
        schema = probatio.Schema(
            {probatio.Required(CONF_NAME, default=subentry.title): TextSelector()}
        )
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=schema,
            description_placeholders={
                ATTR_DEVICE: markdown(subentry.data[CONF_DEVICE_ID])
            },
        )

    async def _async_stop_ignoring(self, device_id: str) -> None:
        for entry in self.hass.config_entries.async_entries(DOMAIN):
            if entry.source == SOURCE_IGNORE and entry.unique_id == device_id:
                await self.hass.config_entries.async_remove(entry.entry_id)
