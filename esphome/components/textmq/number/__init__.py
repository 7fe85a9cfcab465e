"""A number that follows a variable and writes it."""

import esphome.codegen as cg
from esphome.components import number
import esphome.config_validation as cv
from esphome.const import CONF_MAX_VALUE, CONF_MIN_VALUE, CONF_STEP
from esphome.types import ConfigType

from .. import CONTROL_SCHEMA, VariableControl, new_control, textmq_ns

DEPENDENCIES = ["textmq"]

TextMQNumber = textmq_ns.class_(
    "TextMQNumber", number.Number, cg.Component, VariableControl
)


def _validate_range(config: ConfigType) -> ConfigType:
    if config[CONF_MIN_VALUE] >= config[CONF_MAX_VALUE]:
        raise cv.Invalid(f"{CONF_MAX_VALUE} must be greater than {CONF_MIN_VALUE}")
    return config


CONFIG_SCHEMA = cv.All(
    number.number_schema(TextMQNumber)
    .extend(CONTROL_SCHEMA)
    .extend(
        {
            cv.Required(CONF_MIN_VALUE): cv.float_,
            cv.Required(CONF_MAX_VALUE): cv.float_,
            cv.Required(CONF_STEP): cv.positive_not_null_float,
        }
    )
    .extend(cv.COMPONENT_SCHEMA),
    _validate_range,
)


async def to_code(config: ConfigType) -> None:
    var = await new_control(config)
    await number.register_number(
        var,
        config,
        min_value=config[CONF_MIN_VALUE],
        max_value=config[CONF_MAX_VALUE],
        step=config[CONF_STEP],
    )
