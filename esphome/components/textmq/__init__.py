"""TextMQ: connects the node to the message broker in Home Assistant."""

from collections.abc import Iterator
from dataclasses import dataclass
import logging

from esphome import automation
import esphome.codegen as cg
from esphome.components import socket
from esphome.components.const import CONF_HOST
from esphome.components.logger import (
    LOG_LEVEL_SEVERITY,
    is_log_level,
    request_log_listener,
)
from esphome.components.noise import decode_encryption_key, validate_encryption_key
from esphome.config import iter_ids
from esphome.config_helpers import filter_source_files_from_defines
import esphome.config_validation as cv
from esphome.const import (
    CONF_DEVICE,
    CONF_DEVICE_ID,
    CONF_ENABLE_ON_BOOT,
    CONF_ENCRYPTION,
    CONF_ESPHOME,
    CONF_ID,
    CONF_KEEPALIVE,
    CONF_KEY,
    CONF_LEVEL,
    CONF_LOGS,
    CONF_NAME,
    CONF_ON_CONNECT,
    CONF_ON_DISCONNECT,
    CONF_ON_MESSAGE,
    CONF_PLATFORM,
    CONF_PORT,
    CONF_PROJECT,
    CONF_REBOOT_TIMEOUT,
    CONF_RETAIN,
    CONF_RX_BUFFER_SIZE,
    CONF_SLEEP_DURATION,
    CONF_THEN,
    CONF_TIMEOUT,
    CONF_TX_BUFFER_SIZE,
    CONF_VALUE,
    CONF_VARIABLES,
    CONF_VERSION,
    __version__,
)
from esphome.core import CORE, CoroPriority, coroutine_with_priority
from esphome.core.entity_helpers import get_base_entity_object_id
from esphome.cpp_generator import MockObj, MockObjClass
import esphome.final_validate as fv
from esphome.types import ConfigType, EntityMetadata, SafeExpType

from . import names

_LOGGER = logging.getLogger(__name__)

CODEOWNERS = ["@textmq"]
DEPENDENCIES = ["network"]
AUTO_LOAD = ["socket"]

DOMAIN = "textmq"
DEFAULT_PORT = 7883
#: The kinds of entity that publish_entities publishes.
PUBLISHED_KINDS = (
    "sensor",
    "binary_sensor",
    "text_sensor",
    "switch",
    "number",
    "select",
    "text",
    "button",
    "event",
)
#: A node that wakes up needs some time to be back: to boot, and to find its network.
SLEEP_MARGIN_SECONDS = 60

#: What the send buffer keeps for urgent lines (Outbox::URGENT_SIZE).
URGENT_SIZE = 384
#: `START | COMMAND=MSG | DEVICE=... | TTL=4294967295 | VALUE=... | END` and its line feed, without device and value; a PUB
#: has less.
LONGEST_LINE_WITHOUT_TEXTS = 62

CONF_COMMAND_VARIABLE = "command_variable"
CONF_ENTITIES_ID = "entities_id"
CONF_EXCLUDE = "exclude"
CONF_INCLUDE = "include"
CONF_MAX = "max"
CONF_MIN = "min"
CONF_ON_REFUSED = "on_refused"
CONF_ON_VARIABLE = "on_variable"
CONF_PREFIX = "prefix"
CONF_PUBLISH_ENTITIES = "publish_entities"
CONF_RECONNECT = "reconnect"
CONF_REPLAY = "replay"
CONF_TEXTMQ_ID = "textmq_id"
CONF_TTL = "ttl"
CONF_VARIABLE = "variable"

textmq_ns = cg.esphome_ns.namespace("textmq")
TextMQClient = textmq_ns.class_("TextMQClient", cg.Component)
EntityPublisher = textmq_ns.class_("EntityPublisher")
Subscription = textmq_ns.class_("Subscription")
VariableControl = textmq_ns.class_("VariableControl", Subscription)
VariableTrigger = textmq_ns.class_("VariableTrigger", automation.Trigger, Subscription)


@dataclass
class _Counts:
    """What is counted while code is generated, for buffers of a fixed size."""

    subscriptions: int = 0
    rules: int = 0


def _counts() -> _Counts:
    return CORE.data.setdefault(DOMAIN, _Counts())


# ---- schema


def _validate_reconnect(config: ConfigType) -> ConfigType:
    if config[CONF_MIN] > config[CONF_MAX]:
        raise cv.Invalid(f"{CONF_MIN} is longer than {CONF_MAX}: exchange them")
    return config


def _validate_encryption(config: ConfigType) -> ConfigType:
    if not (CORE.is_esp32 or CORE.is_host):
        raise cv.Invalid(
            f"Encryption is there for the ESP32 alone, not for {CORE.target_platform}: leave "
            f"{CONF_ENCRYPTION} out, and the key of this device in Home Assistant empty"
        )
    return config


def _validate_listed(config: ConfigType) -> ConfigType:
    if CONF_INCLUDE in config and CONF_EXCLUDE in config:
        raise cv.Invalid(
            f"{CONF_INCLUDE} already says which entities are published: leave {CONF_EXCLUDE} out"
        )
    seen: set[str] = set()
    listed = [
        *config.get(CONF_EXCLUDE, []),
        *(item[CONF_ID] for item in config[CONF_VARIABLES]),
    ]
    for id_ in listed:
        if id_.id in seen:
            raise cv.Invalid(
                f"'{id_.id}' is listed twice: an entity has one variable, or is excluded"
            )
        seen.add(id_.id)
    return config


def _entity_list(value: object) -> list:
    return cv.ensure_list(cv.use_id(cg.EntityBase))(value)


_PUBLISH_ENTITIES_SCHEMA = cv.All(
    cv.Schema(
        {
            cv.Optional(CONF_PREFIX): names.entity_variable,
            cv.Optional(CONF_INCLUDE): _entity_list,
            cv.Optional(CONF_EXCLUDE): _entity_list,
            cv.Optional(CONF_VARIABLES, default=[]): cv.ensure_list(
                cv.Schema(
                    {
                        cv.Required(CONF_ID): cv.use_id(cg.EntityBase),
                        cv.Required(CONF_VARIABLE): names.entity_variable,
                    }
                )
            ),
        }
    ),
    _validate_listed,
)


def _publish_entities(value: object) -> ConfigType | None:
    """Turn `true` into the settings it stands for, and `false` into none."""
    if isinstance(value, dict):
        return _PUBLISH_ENTITIES_SCHEMA(value)
    return _PUBLISH_ENTITIES_SCHEMA({}) if cv.boolean(value) else None


CONFIG_SCHEMA = cv.All(
    cv.Schema(
        {
            cv.GenerateID(): cv.declare_id(TextMQClient),
            cv.GenerateID(CONF_ENTITIES_ID): cv.declare_id(EntityPublisher),
            cv.Required(CONF_HOST): names.broker_host,
            cv.Optional(CONF_PORT, default=DEFAULT_PORT): cv.port,
            cv.Optional(CONF_DEVICE_ID): names.device_id,
            cv.Optional(CONF_ENCRYPTION): cv.All(
                cv.Schema(
                    {cv.Required(CONF_KEY): cv.sensitive(validate_encryption_key)}
                ),
                _validate_encryption,
            ),
            cv.Optional(CONF_ENABLE_ON_BOOT, default=True): cv.boolean,
            cv.Optional(CONF_KEEPALIVE, default="30s"): cv.All(
                cv.positive_time_period_milliseconds,
                cv.Range(
                    min=cv.TimePeriod(seconds=10),
                    max=cv.TimePeriod(hours=1),
                    msg="with Wi-Fi power saving, less than 10s drops healthy connections; "
                    "with more than 1h a lost one goes unnoticed. Write for example 30s",
                ),
            ),
            cv.Optional(CONF_RECONNECT, default={}): cv.All(
                cv.Schema(
                    {
                        cv.Optional(CONF_MIN, default="500ms"): cv.All(
                            cv.positive_time_period_milliseconds,
                            cv.Range(min=cv.TimePeriod(milliseconds=100)),
                        ),
                        cv.Optional(CONF_MAX, default="60s"): cv.All(
                            cv.positive_time_period_milliseconds,
                            cv.Range(max=cv.TimePeriod(days=1)),
                        ),
                    }
                ),
                _validate_reconnect,
            ),
            cv.Optional(
                CONF_REBOOT_TIMEOUT, default="0s"
            ): cv.positive_time_period_milliseconds,
            cv.Optional(CONF_SLEEP_DURATION): cv.positive_time_period_seconds,
            cv.Optional(CONF_RX_BUFFER_SIZE, default=1024): cv.int_range(256, 65535),
            cv.Optional(CONF_TX_BUFFER_SIZE, default=2048): cv.int_range(1024, 65535),
            cv.Optional(CONF_PUBLISH_ENTITIES, default=True): _publish_entities,
            cv.Optional(CONF_LOGS): cv.Schema(
                {
                    cv.Required(CONF_VARIABLE): names.writable_variable,
                    cv.Optional(CONF_LEVEL, default="WARN"): is_log_level,
                }
            ),
            cv.Optional(CONF_ON_CONNECT): automation.validate_automation({}),
            cv.Optional(CONF_ON_DISCONNECT): automation.validate_automation({}),
            cv.Optional(CONF_ON_REFUSED): automation.validate_automation({}),
            cv.Optional(CONF_ON_MESSAGE): automation.validate_automation({}),
            cv.Optional(CONF_ON_VARIABLE): automation.validate_automation(
                {
                    cv.GenerateID(): cv.declare_id(VariableTrigger),
                    cv.Required(CONF_VARIABLE): names.variable_filter,
                    cv.Optional(CONF_REPLAY, default=True): cv.boolean,
                }
            ),
        }
    ).extend(cv.COMPONENT_SCHEMA),
    socket.consume_sockets(1, DOMAIN),
)


FOLLOW_SCHEMA = cv.Schema(
    {
        cv.GenerateID(CONF_TEXTMQ_ID): cv.use_id(TextMQClient),
        cv.Required(CONF_VARIABLE): names.variable_name,
    }
)

CONTROL_SCHEMA = cv.Schema(
    {
        cv.GenerateID(CONF_TEXTMQ_ID): cv.use_id(TextMQClient),
        cv.Required(CONF_VARIABLE): names.writable_variable,
        cv.Optional(CONF_COMMAND_VARIABLE): names.writable_variable,
    }
)


# ---- final validation


def _own_entities(config: ConfigType) -> set[str]:
    """Return the IDs of the entities of this component's platforms: they follow variables of others."""
    return {
        item[CONF_ID].id
        for kind in PUBLISHED_KINDS
        for item in config.get(kind, [])
        if item[CONF_PLATFORM] == DOMAIN
    }


def _variable_of(entity: EntityMetadata, prefix: str, given: dict[str, str]) -> str:
    if entity["entity_id"] in given:
        return given[entity["entity_id"]]
    object_id = get_base_entity_object_id(
        entity["name"], CORE.friendly_name, entity["device_id"] or None
    )
    return f"{prefix}/{object_id}"


def _validate_unique_variables(config: ConfigType, full_config: ConfigType) -> None:
    """Two entities of different kinds may have the same name, but not the same variable."""
    if (publish := config[CONF_PUBLISH_ENTITIES]) is None:
        return
    given = {item[CONF_ID].id: item[CONF_VARIABLE] for item in publish[CONF_VARIABLES]}
    included = {id_.id for id_ in publish.get(CONF_INCLUDE, [])}
    excluded = {id_.id for id_ in publish.get(CONF_EXCLUDE, [])}
    excluded |= _own_entities(full_config) - included - given.keys()
    prefix = publish.get(CONF_PREFIX) or config.get(CONF_DEVICE_ID) or CORE.name
    if prefix.startswith("$"):
        raise cv.Invalid(
            f"'{prefix}/...' would be variables of the broker, since '$' begins their names. Give "
            f"{CONF_PUBLISH_ENTITIES} a {CONF_PREFIX} of its own",
            path=[CONF_PUBLISH_ENTITIES],
        )
    seen: dict[str, EntityMetadata] = {}
    for entity in CORE.unique_ids.values():
        id_ = entity["entity_id"]
        if (
            entity["platform"] not in PUBLISHED_KINDS
            or id_ in excluded
            or (CONF_INCLUDE in publish and id_ not in included | given.keys())
        ):
            continue
        variable = _variable_of(entity, prefix, given)
        if other := seen.get(variable):
            raise cv.Invalid(
                f"{other['platform']} '{other['name']}' and {entity['platform']} '{entity['name']}' would "
                f"both be the variable '{variable}'. Give one of them an id, and another variable:\n"
                f"  {CONF_PUBLISH_ENTITIES}:\n    {CONF_VARIABLES}:\n      - id: the_id\n"
                f"        {CONF_VARIABLE}: {variable}_{entity['platform']}",
                path=[CONF_PUBLISH_ENTITIES],
            )
        seen[variable] = entity


def _sent_constants(node: object) -> Iterator[tuple[str, str, str]]:
    """Find the actions that send a constant text: what they do, to whom, and the text."""
    if isinstance(node, dict):
        for action, key in (
            ("textmq.publish", CONF_VARIABLE),
            ("textmq.send", CONF_DEVICE),
        ):
            settings = node.get(action)
            if isinstance(settings, dict) and isinstance(settings.get(CONF_VALUE), str):
                yield action, str(settings[key]), settings[CONF_VALUE]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _sent_constants(item)


def _validate_line_lengths(config: ConfigType, full_config: ConfigType) -> None:
    room = config[CONF_TX_BUFFER_SIZE] - URGENT_SIZE - LONGEST_LINE_WITHOUT_TEXTS
    for action, name, text in _sent_constants(full_config):
        length = len(name) + names.encoded_length(text)
        if length > room:
            raise cv.Invalid(
                f"What {action} sends to '{name}' is too long for a line: it takes {length} bytes, "
                f"{room} are there. Raise {CONF_TX_BUFFER_SIZE} by {length - room}, or send less",
                path=[CONF_TX_BUFFER_SIZE],
            )


def _validate_sleep(config: ConfigType, full_config: ConfigType) -> None:
    sleep = full_config.get("deep_sleep")
    if sleep and CONF_SLEEP_DURATION not in config and CONF_SLEEP_DURATION not in sleep:
        _LOGGER.warning(
            "The node sleeps, but nothing says how long, so it will count as lost and not as asleep. "
            "Write the longest time under textmq:, for example sleep_duration: 24h"
        )


def _final_validate(config: ConfigType) -> ConfigType:
    full_config = fv.full_config.get()
    _validate_unique_variables(config, full_config)
    _validate_line_lengths(config, full_config)
    _validate_sleep(config, full_config)
    return config


FINAL_VALIDATE_SCHEMA = _final_validate


# ---- code


def _identity() -> tuple[str, str, str]:
    """Return manufacturer, model and version, as the ESPHome integration of Home Assistant shows them."""
    version = f"ESPHome {__version__}"
    if project := CORE.config[CONF_ESPHOME].get(CONF_PROJECT):
        manufacturer, _, model = project[CONF_NAME].partition(".")
        return manufacturer, model, f"{project[CONF_VERSION]} ({version})"
    if CORE.is_esp32:
        from esphome.components.esp32 import get_board

        return "Espressif", get_board(), version
    return "", CORE.target_platform, version


def _sleep_seconds(config: ConfigType) -> int:
    duration = config.get(CONF_SLEEP_DURATION) or CORE.config.get("deep_sleep", {}).get(
        CONF_SLEEP_DURATION
    )
    return 0 if duration is None else int(duration.total_seconds) + SLEEP_MARGIN_SECONDS


def _encrypt(var: MockObj, key: str) -> None:
    cg.add_define("USE_TEXTMQ_TLS")
    cg.add(
        var.set_key(
            cg.shared_progmem_array(
                "textmq_key", cg.uint8, list(decode_encryption_key(key))
            )
        )
    )
    if CORE.is_esp32:
        from esphome.components.esp32 import (
            add_idf_sdkconfig_option,
            require_mbedtls_tls,
        )

        require_mbedtls_tls()
        for option in (
            "CONFIG_MBEDTLS_PSK_MODES",
            "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_PSK",
            "CONFIG_MBEDTLS_CHACHA20_C",
            "CONFIG_MBEDTLS_POLY1305_C",
            "CONFIG_MBEDTLS_CHACHAPOLY_C",
            "CONFIG_MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH",
        ):
            add_idf_sdkconfig_option(option, True)
    else:
        # One flag, since flags are sorted and the linker needs this order.
        cg.add_build_flag("-lmbedtls -lmbedx509 -lmbedcrypto")


async def _publish(client: MockObj, config: ConfigType, publish: ConfigType) -> None:
    cg.add_define("USE_TEXTMQ_ENTITIES")
    var = cg.new_Pvariable(config[CONF_ENTITIES_ID], client)
    cg.add(client.set_entities(var))
    CORE.register_controller(var)
    if CONF_PREFIX in publish:
        cg.add(var.set_prefix(publish[CONF_PREFIX]))
    if CONF_INCLUDE in publish:
        cg.add(var.set_only_listed(True))
    # What a sleeper does not know yet it has told before it went to sleep.
    if "deep_sleep" in CORE.config:
        cg.add(var.set_publish_unknown(False))
    rules: dict[str, SafeExpType] = dict.fromkeys(
        _own_entities(CORE.config), cg.nullptr
    )
    rules |= {id_.id: cg.nullptr for id_ in publish.get(CONF_EXCLUDE, [])}
    rules |= {id_.id: "" for id_ in publish.get(CONF_INCLUDE, [])}
    rules |= {item[CONF_ID].id: item[CONF_VARIABLE] for item in publish[CONF_VARIABLES]}
    ids = {id_.id: id_ for id_, _ in iter_ids(CORE.config)}
    for id_, variable in sorted(rules.items()):
        _counts().rules += 1
        cg.add(var.add_rule(await cg.get_variable(ids[id_]), variable))


def _text_type(config: ConfigType) -> MockObj:
    """Return the type of a trigger's texts: views, or copies where an action runs after the call."""
    if automation.has_non_synchronous_actions(config[CONF_THEN]):
        return cg.std_string
    return cg.StringRef


def _subscribe(var: MockObj, client: MockObj) -> None:
    _counts().subscriptions += 1
    cg.add(client.add_subscription(var))


async def setup_follower(var: MockObj, config: ConfigType) -> None:
    """Set up an entity that follows a variable (FOLLOW_SCHEMA)."""
    await cg.register_component(var, config)
    if CONF_TIMEOUT in config:
        cg.add(var.set_value_timeout(config[CONF_TIMEOUT]))
    _subscribe(var, await cg.get_variable(config[CONF_TEXTMQ_ID]))


async def new_control(config: ConfigType) -> MockObj:
    """Make an entity that follows a variable and writes it (CONTROL_SCHEMA)."""
    client = await cg.get_variable(config[CONF_TEXTMQ_ID])
    var = cg.new_Pvariable(config[CONF_ID], client, config[CONF_VARIABLE])
    if CONF_COMMAND_VARIABLE in config:
        cg.add(var.set_command_variable(config[CONF_COMMAND_VARIABLE]))
    await setup_follower(var, config)
    return var


@coroutine_with_priority(CoroPriority.FINAL)
async def _add_counts() -> None:
    counts = _counts()
    cg.add_define("ESPHOME_TEXTMQ_SUBSCRIPTION_COUNT", counts.subscriptions)
    cg.add_define("ESPHOME_TEXTMQ_ENTITY_RULE_COUNT", counts.rules)


_TEXT_TRIGGERS = (
    (CONF_ON_DISCONNECT, "add_on_disconnect_callback", ("reason",)),
    (CONF_ON_REFUSED, "add_on_refused_callback", ("reason",)),
    (CONF_ON_MESSAGE, "add_on_message_callback", ("device", "x")),
)


async def _build_automations(var: MockObj, config: ConfigType) -> None:
    for conf in config.get(CONF_ON_CONNECT, []):
        await automation.build_callback_automation(
            var, "add_on_connect_callback", [], conf
        )
    for key, callback, arguments in _TEXT_TRIGGERS:
        for conf in config.get(key, []):
            type_ = _text_type(conf)
            await automation.build_callback_automation(
                var, callback, [(type_, name) for name in arguments], conf
            )
    for conf in config.get(CONF_ON_VARIABLE, []):
        type_ = _text_type(conf)
        trigger = cg.new_Pvariable(
            conf[CONF_ID], cg.TemplateArguments(type_), conf[CONF_VARIABLE]
        )
        if not conf[CONF_REPLAY]:
            cg.add(trigger.set_replay(False))
        _subscribe(trigger, var)
        await automation.build_automation(
            trigger, [(type_, "variable"), (type_, "x")], conf
        )


@coroutine_with_priority(CoroPriority.WEB)
async def to_code(config: ConfigType) -> None:
    cg.add_define("USE_TEXTMQ")
    cg.add_define("ESPHOME_TEXTMQ_RX_BUFFER_SIZE", config[CONF_RX_BUFFER_SIZE])
    cg.add_define("ESPHOME_TEXTMQ_TX_BUFFER_SIZE", config[CONF_TX_BUFFER_SIZE])
    socket.require_ipv4_resolve()
    var = cg.new_Pvariable(config[CONF_ID])
    await cg.register_component(var, config)
    cg.add(var.set_host(config[CONF_HOST]))
    cg.add(var.set_port(config[CONF_PORT]))
    if CONF_DEVICE_ID in config:
        cg.add(var.set_device_id(config[CONF_DEVICE_ID]))
    manufacturer, model, version = _identity()
    cg.add(var.set_manufacturer(manufacturer))
    cg.add(var.set_model(model))
    cg.add(var.set_version(version))
    cg.add(var.set_enable_on_boot(config[CONF_ENABLE_ON_BOOT]))
    cg.add(var.set_keepalive(config[CONF_KEEPALIVE]))
    reconnect = config[CONF_RECONNECT]
    cg.add(var.set_reconnect(reconnect[CONF_MIN], reconnect[CONF_MAX]))
    cg.add(var.set_reboot_timeout(config[CONF_REBOOT_TIMEOUT]))
    if seconds := _sleep_seconds(config):
        cg.add(var.set_sleep_duration(seconds))
    if CONF_ENCRYPTION in config:
        _encrypt(var, config[CONF_ENCRYPTION][CONF_KEY])
    if CONF_LOGS in config:
        cg.add_define("USE_TEXTMQ_LOGS")
        request_log_listener()
        logs = config[CONF_LOGS]
        cg.add(
            var.set_logs(
                logs[CONF_VARIABLE], LOG_LEVEL_SEVERITY.index(logs[CONF_LEVEL])
            )
        )
    await _build_automations(var, config)
    CORE.add_job(_add_counts)
    if (publish := config[CONF_PUBLISH_ENTITIES]) is not None:
        await _publish(var, config, publish)


FILTER_SOURCE_FILES = filter_source_files_from_defines(
    {"entities.cpp": "USE_TEXTMQ_ENTITIES", "tls_psk.cpp": "USE_TEXTMQ_TLS"}
)


# ---- actions and conditions


_TEXT = "::esphome::textmq::to_view({})"
_CLIENT_SCHEMA = cv.Schema({cv.GenerateID(): cv.use_id(TextMQClient)})


def _text(key: str) -> tuple[str, MockObjClass, object]:
    return key, cg.std_string, automation.literal_with_length


automation.register_apply_action(
    "textmq.publish",
    _CLIENT_SCHEMA.extend(
        {
            cv.Required(CONF_VARIABLE): cv.templatable(names.writable_variable),
            cv.Required(CONF_VALUE): cv.templatable(cv.string),
            cv.Optional(CONF_RETAIN, default=True): cv.templatable(cv.boolean),
        }
    ),
    automation.ApplyCall(
        f"publish({_TEXT}, {_TEXT}, {{}})",
        (_text(CONF_VARIABLE), _text(CONF_VALUE), (CONF_RETAIN, cg.bool_)),
    ),
)

automation.register_apply_action(
    "textmq.delete",
    automation.maybe_conf(
        CONF_VARIABLE,
        _CLIENT_SCHEMA.extend(
            {cv.Required(CONF_VARIABLE): cv.templatable(names.writable_variable)}
        ),
    ),
    automation.ApplyCall(f"remove({_TEXT})", (_text(CONF_VARIABLE),)),
)

automation.register_apply_action(
    "textmq.send",
    _CLIENT_SCHEMA.extend(
        {
            cv.Required(CONF_DEVICE): cv.templatable(names.recipient),
            cv.Required(CONF_VALUE): cv.templatable(cv.string),
            cv.Optional(CONF_TTL, default="0s"): cv.templatable(
                cv.positive_time_period_seconds
            ),
        }
    ),
    automation.ApplyCall(
        f"send({_TEXT}, {_TEXT}, {{}})",
        (_text(CONF_DEVICE), _text(CONF_VALUE), (CONF_TTL, cg.uint32)),
    ),
)

for _action, _method in (
    ("textmq.enable", "enable()"),
    ("textmq.disable", "disable()"),
):
    automation.register_apply_action(
        _action,
        automation.maybe_simple_id(_CLIENT_SCHEMA),
        automation.ApplyCall(_method),
    )

for _condition, _check in (
    ("textmq.connected", "is_connected()"),
    ("textmq.flushed", "is_flushed()"),
):
    automation.register_apply_condition(
        _condition, automation.maybe_simple_id(_CLIENT_SCHEMA), _check
    )
