"""An event entity: each value that is published to the variable is an event."""

import esphome.codegen as cg
from esphome.components import event
import esphome.config_validation as cv
from esphome.const import CONF_EVENT_TYPES, CONF_ID
from esphome.types import ConfigType

from .. import CONF_VARIABLE, FOLLOW_SCHEMA, Subscription, setup_follower, textmq_ns

DEPENDENCIES = ["textmq"]

TextMQEvent = textmq_ns.class_("TextMQEvent", event.Event, cg.Component, Subscription)

CONFIG_SCHEMA = (
    event.event_schema(TextMQEvent)
    .extend(FOLLOW_SCHEMA)
    .extend(
        {
            cv.Required(CONF_EVENT_TYPES): cv.All(
                cv.ensure_list(cv.string_strict), cv.Length(min=1)
            )
        }
    )
    .extend(cv.COMPONENT_SCHEMA)
)


async def to_code(config: ConfigType) -> None:
    var = cg.new_Pvariable(config[CONF_ID], config[CONF_VARIABLE])
    await event.register_event(var, config, event_types=config[CONF_EVENT_TYPES])
    await setup_follower(var, config)
