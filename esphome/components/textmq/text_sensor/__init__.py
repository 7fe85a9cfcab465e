"""A text_sensor that shows the value of a variable."""

import esphome.codegen as cg
from esphome.components import text_sensor
import esphome.config_validation as cv
from esphome.const import CONF_TIMEOUT
from esphome.types import ConfigType

from .. import CONF_VARIABLE, FOLLOW_SCHEMA, Subscription, setup_follower, textmq_ns

DEPENDENCIES = ["textmq"]

TextMQTextSensor = textmq_ns.class_(
    "TextMQTextSensor", text_sensor.TextSensor, cg.Component, Subscription
)

CONFIG_SCHEMA = (
    text_sensor.text_sensor_schema(TextMQTextSensor)
    .extend(FOLLOW_SCHEMA)
    .extend({cv.Optional(CONF_TIMEOUT): cv.positive_time_period_milliseconds})
    .extend(cv.COMPONENT_SCHEMA)
)


async def to_code(config: ConfigType) -> None:
    var = await text_sensor.new_text_sensor(config, config[CONF_VARIABLE])
    await setup_follower(var, config)
