"""A select that follows a variable and writes it."""

import esphome.codegen as cg
from esphome.components import select
import esphome.config_validation as cv
from esphome.const import CONF_OPTIONS
from esphome.types import ConfigType

from .. import CONTROL_SCHEMA, VariableControl, new_control, textmq_ns

DEPENDENCIES = ["textmq"]

TextMQSelect = textmq_ns.class_(
    "TextMQSelect", select.Select, cg.Component, VariableControl
)

CONFIG_SCHEMA = (
    select.select_schema(TextMQSelect)
    .extend(CONTROL_SCHEMA)
    .extend(
        {
            cv.Required(CONF_OPTIONS): cv.All(
                cv.ensure_list(cv.string_strict), cv.Length(min=1)
            )
        }
    )
    .extend(cv.COMPONENT_SCHEMA)
)


async def to_code(config: ConfigType) -> None:
    var = await new_control(config)
    await select.register_select(var, config, options=config[CONF_OPTIONS])
