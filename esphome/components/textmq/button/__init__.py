"""A button that publishes a value when it is pressed."""

import esphome.codegen as cg
from esphome.components import button
import esphome.config_validation as cv
from esphome.const import CONF_VALUE
from esphome.types import ConfigType

from .. import CONF_TEXTMQ_ID, CONF_VARIABLE, TextMQClient, names, textmq_ns

DEPENDENCIES = ["textmq"]

TextMQButton = textmq_ns.class_("TextMQButton", button.Button, cg.Component)

CONFIG_SCHEMA = (
    button.button_schema(TextMQButton)
    .extend(
        {
            cv.GenerateID(CONF_TEXTMQ_ID): cv.use_id(TextMQClient),
            cv.Required(CONF_VARIABLE): names.writable_variable,
            cv.Optional(CONF_VALUE, default="PRESS"): cv.string,
        }
    )
    .extend(cv.COMPONENT_SCHEMA)
)


async def to_code(config: ConfigType) -> None:
    client = await cg.get_variable(config[CONF_TEXTMQ_ID])
    var = await button.new_button(
        config, client, config[CONF_VARIABLE], config[CONF_VALUE]
    )
    await cg.register_component(var, config)
