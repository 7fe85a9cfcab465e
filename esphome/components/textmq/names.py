"""Validators of names, with texts that say what to write instead (docs/protocol.md, A5 and B3)."""

import re
import unicodedata

from esphome.components import socket
import esphome.config_validation as cv

MAX_VARIABLE_LENGTH = 255
MAX_DEVICE_ID_LENGTH = 64
#: What is published to this, behind the name of an entity's variable, is a command to the entity.
SET_SUFFIX = "/set"

_EXAMPLE_VARIABLE = "kitchen/temperature"
_EXAMPLE_DEVICE = "garden-node"
_RESERVED_DEVICES = ("homeassistant", "*")


def _problem(name: str, max_length: int, forbidden: str) -> str | None:
    if not name:
        return "it is empty"
    if len(name) > max_length:
        return f"it has {len(name)} characters, {max_length} are allowed"
    if wrong := sorted({c for c in name if not " " <= c <= "~" or c in forbidden}):
        return "it contains " + " and ".join(
            repr(c) if c.isprintable() else f"U+{ord(c):04X}" for c in wrong
        )
    if name != name.strip(" "):
        return "it begins or ends with a space"
    return None


def _path_problem(name: str, forbidden: str) -> str | None:
    if problem := _problem(name, MAX_VARIABLE_LENGTH, forbidden):
        return problem
    if "" in name.split("/"):
        return "a level of it is empty (it begins or ends with '/', or has '//')"
    return None


def _suggest(name: str, max_length: int, example: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"[^ -~]|[|+#\\]", "_", plain.strip())
    levels = [level.strip() for level in plain.split("/")]
    return (
        "/".join(level for level in levels if level.strip("_"))[:max_length] or example
    )


def _refuse(what: str, name: str, problem: str, instead: str) -> cv.Invalid:
    return cv.Invalid(
        f"'{name}' can't be {what}: {problem}. Write for example '{instead}'"
    )


def variable_name(value: object) -> str:
    """Validate the name of a variable."""
    value = cv.string_strict(value)
    if problem := _path_problem(value, "|+#\\"):
        raise _refuse(
            "the name of a variable",
            value,
            problem,
            _suggest(value, MAX_VARIABLE_LENGTH, _EXAMPLE_VARIABLE),
        )
    return value


def writable_variable(value: object) -> str:
    """Validate the name of a variable that this node writes."""
    value = variable_name(value)
    if value.startswith("$"):
        raise _refuse(
            "a variable to write",
            value,
            "names that begin with '$' are the broker's own and can only be read",
            value.lstrip("$") or _EXAMPLE_VARIABLE,
        )
    return value


def entity_variable(value: object) -> str:
    """Validate the name of an entity's variable: there is room for the suffix of its commands."""
    value = writable_variable(value)
    longest = MAX_VARIABLE_LENGTH - len(SET_SUFFIX)
    if len(value) > longest:
        raise _refuse(
            "the variable of an entity",
            value,
            f"it has {len(value)} characters, {longest} are allowed",
            value[:longest].rstrip("/ "),
        )
    return value


def variable_filter(value: object) -> str:
    """Validate the name of a variable, or a filter that stands for several."""
    value = cv.string_strict(value)
    if not (problem := _path_problem(value, "|\\")):
        *above, last = value.split("/")
        if "#" in above:
            problem = "'#' stands for all levels below and can only come last"
        elif any(c in level for level in above for c in "+#" if level != "+") or (
            last not in ("+", "#") and any(c in last for c in "+#")
        ):
            problem = "'+' and '#' stand for whole levels"
    if problem:
        levels = [
            level if level in ("+", "#") else _suggest(level, MAX_VARIABLE_LENGTH, "+")
            for level in value.split("/")
            if level
        ]
        if "#" in levels:
            levels = levels[: levels.index("#") + 1]
        instead = "/".join(levels)[:MAX_VARIABLE_LENGTH] or "kitchen/+"
        raise _refuse("a variable or a filter", value, problem, instead)
    return value


def device_id(value: object) -> str:
    """Validate the ID of a device."""
    value = cv.string_strict(value)
    if not (problem := _problem(value, MAX_DEVICE_ID_LENGTH, "|+#\\/")) and (
        value.lower() in _RESERVED_DEVICES
    ):
        problem = "it is reserved"
    if problem:
        instead = _suggest(
            value.replace("/", "-").strip("-"), MAX_DEVICE_ID_LENGTH, _EXAMPLE_DEVICE
        )
        if instead.lower() in _RESERVED_DEVICES:
            instead = _EXAMPLE_DEVICE
        raise _refuse("the ID of a device", value, problem, instead)
    return value


def recipient(value: object) -> str:
    """Validate who gets a message: a device, all of them (`*`) or Home Assistant."""
    value = cv.string_strict(value)
    return value if value.lower() in _RESERVED_DEVICES else device_id(value)


def encoded_length(text: str) -> int:
    """Return how many bytes a text takes on the wire, escapes included (A5)."""
    length = 0
    for index, c in enumerate(text):
        at_edge = index in (0, len(text) - 1)
        if c in "\\\n\r\t":
            length += 2
        elif c > "\uffff":
            length += 12
        elif not " " <= c <= "~" or c == "|" or (c == " " and at_edge):
            length += 6
        else:
            length += 1
    return length


def broker_host(value: object) -> str:
    """Validate the name or the IPv4 address of the broker's host."""
    value = cv.string_strict(value)
    if found := re.fullmatch(r"(?:\w+://)?([^/:\[\]]+)(?::(\d+))?(?:/.*)?", value):
        host, port = found.groups()
        if host != value:
            instead = f"host: {host}" + (f" and port: {port}" if port else "")
            raise cv.Invalid(f"'{value}' is more than a host. Write {instead}")
    try:
        return socket.ipv4_host(value)
    except cv.Invalid as err:
        raise cv.Invalid(
            f"'{value}' is not a host: {err}. Write a name like homeassistant.local "
            "or an IPv4 address like 192.168.1.10"
        ) from err
