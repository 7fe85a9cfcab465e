"""A binary_sensor that shows the value of a variable."""

import esphome.codegen as cg
from esphome.components import binary_sensor
import esphome.config_validation as cv
from esphome.const import CONF_TIMEOUT
from esphome.types import ConfigType

from .. import CONF_VARIABLE, FOLLOW_SCHEMA, Subscription, setup_follower, textmq_ns

DEPENDENCIES = ["textmq"]

TextMQBinarySensor = textmq_ns.class_(
    "TextMQBinarySensor", binary_sensor.BinarySensor, cg.Component, Subscription
)

CONFIG_SCHEMA = (
    binary_sensor.binary_sensor_schema(TextMQBinarySensor)
    .extend(FOLLOW_SCHEMA)
    .extend({cv.Optional(CONF_TIMEOUT): cv.positive_time_period_milliseconds})
    .extend(cv.COMPONENT_SCHEMA)
)


async def to_code(config: ConfigType) -> None:
    var = await binary_sensor.new_binary_sensor(config, config[CONF_VARIABLE])
    await setup_follower(var, config)
