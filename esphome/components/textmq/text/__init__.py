"""A text that follows a variable and writes it."""

import esphome.codegen as cg
from esphome.components import text
import esphome.config_validation as cv
from esphome.const import CONF_MAX_LENGTH, CONF_MIN_LENGTH
from esphome.types import ConfigType

from .. import CONTROL_SCHEMA, VariableControl, new_control, textmq_ns

DEPENDENCIES = ["textmq"]

TextMQText = textmq_ns.class_("TextMQText", text.Text, cg.Component, VariableControl)

CONFIG_SCHEMA = (
    text.text_schema(TextMQText, mode="TEXT")
    .extend(CONTROL_SCHEMA)
    .extend(
        {
            cv.Optional(CONF_MIN_LENGTH, default=0): cv.int_range(0, 255),
            cv.Optional(CONF_MAX_LENGTH, default=255): cv.int_range(0, 255),
        }
    )
    .extend(cv.COMPONENT_SCHEMA)
)


async def to_code(config: ConfigType) -> None:
    var = await new_control(config)
    await text.register_text(
        var,
        config,
        min_length=config[CONF_MIN_LENGTH],
        max_length=config[CONF_MAX_LENGTH],
    )
