"""A switch that follows a variable and writes it."""

import esphome.codegen as cg
from esphome.components import switch
import esphome.config_validation as cv
from esphome.types import ConfigType

from .. import CONTROL_SCHEMA, VariableControl, new_control, textmq_ns

DEPENDENCIES = ["textmq"]

TextMQSwitch = textmq_ns.class_(
    "TextMQSwitch", switch.Switch, cg.Component, VariableControl
)

# Its state is the variable's: nothing is restored.
CONFIG_SCHEMA = (
    switch.switch_schema(TextMQSwitch, default_restore_mode="DISABLED")
    .extend(CONTROL_SCHEMA)
    .extend(cv.COMPONENT_SCHEMA)
)


async def to_code(config: ConfigType) -> None:
    var = await new_control(config)
    await switch.register_switch(var, config)
