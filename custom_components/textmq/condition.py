"""Conditions: a device is connected, a variable has a value."""

from typing import Any, ClassVar, Final, Unpack, override

import probatio

from homeassistant.const import ATTR_DEVICE_ID, CONF_OPTIONS
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.condition import (
    ATTR_BEHAVIOR,
    BEHAVIOR_ALL,
    BEHAVIOR_ANY,
    Condition,
    ConditionCheckParams,
    ConditionConfig,
)
from homeassistant.helpers.typing import ConfigType

from .broker import DeviceState, names
from .const import ATTR_VALUE, ATTR_VARIABLE
from .hub.runtime_data import async_get_runtime_data
from .yaml_values import WANTED, is_wanted


def _variable_name(value: Any) -> str:
    """Validate the name of a variable that is not the broker's own. Raises Invalid."""
    text = cv.string(value)
    if not names.is_variable_name(text) or text.startswith("$"):
        raise probatio.Invalid("the name of one variable, which is no filter")
    return text


_CONNECTED_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_OPTIONS): {
            probatio.Required(ATTR_DEVICE_ID): probatio.All(
                probatio.EnsureList(), [cv.string]
            ),
            probatio.Required(ATTR_BEHAVIOR, default=BEHAVIOR_ANY): probatio.In(
                [BEHAVIOR_ANY, BEHAVIOR_ALL]
            ),
        }
    }
)
_VARIABLE_SCHEMA: Final = probatio.Schema(
    {
        probatio.Required(CONF_OPTIONS): {
            probatio.Required(ATTR_VARIABLE): _variable_name,
            probatio.Required(ATTR_VALUE): WANTED,
        }
    }
)


class _Condition(Condition):
    """What all conditions of ours have in common."""

    schema: ClassVar[probatio.Schema]

    @classmethod
    @override
    async def async_validate_config(
        cls, hass: HomeAssistant, config: ConfigType
    ) -> ConfigType:
        validated: ConfigType = cls.schema(config)
        return validated

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Keep the options."""
        super().__init__(hass, config)
        self.options = config.options or {}


class DeviceIsConnectedCondition(_Condition):
    """One or more devices are connected."""

    schema = _CONNECTED_SCHEMA

    @override
    def _async_check(self, **kwargs: Unpack[ConditionCheckParams]) -> bool:
        if (data := async_get_runtime_data(self._hass)) is None:
            return False
        combine = all if self.options[ATTR_BEHAVIOR] == BEHAVIOR_ALL else any
        connected = {
            device.registry_id
            for device in data.devices
            if data.broker.state(device.id) is DeviceState.CONNECTED
        }
        return combine(one in connected for one in self.options[ATTR_DEVICE_ID])


class VariableIsCondition(_Condition):
    """A variable has a value."""

    schema = _VARIABLE_SCHEMA

    @override
    def _async_check(self, **kwargs: Unpack[ConditionCheckParams]) -> bool:
        if (data := async_get_runtime_data(self._hass)) is None:
            return False
        variable = data.broker.variables.get(self.options[ATTR_VARIABLE])
        text = variable.text if variable is not None else None
        return text is not None and is_wanted(text, self.options[ATTR_VALUE])


CONDITIONS: Final[dict[str, type[Condition]]] = {
    "device_is_connected": DeviceIsConnectedCondition,
    "variable_is": VariableIsCondition,
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions."""
    return CONDITIONS
