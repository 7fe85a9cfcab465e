"""The clock of the node, set by the broker."""

import esphome.codegen as cg
from esphome.components import time as time_
import esphome.config_validation as cv
from esphome.const import CONF_ID, CONF_UPDATE_INTERVAL
from esphome.types import ConfigType

from .. import CONF_TEXTMQ_ID, TextMQClient, textmq_ns

DEPENDENCIES = ["textmq"]

TextMQTime = textmq_ns.class_("TextMQTime", time_.RealTimeClock)

CONFIG_SCHEMA = time_.TIME_SCHEMA.extend(
    {
        cv.GenerateID(): cv.declare_id(TextMQTime),
        cv.GenerateID(CONF_TEXTMQ_ID): cv.use_id(TextMQClient),
        # Every connection sets the clock; in between it only drifts.
        cv.Optional(CONF_UPDATE_INTERVAL, default="6h"): cv.update_interval,
    }
).extend(cv.COMPONENT_SCHEMA)


async def to_code(config: ConfigType) -> None:
    cg.add_define("USE_TEXTMQ_TIME")
    client = await cg.get_variable(config[CONF_TEXTMQ_ID])
    var = cg.new_Pvariable(config[CONF_ID], client)
    await time_.register_time(var, config)
    await cg.register_component(var, config)
