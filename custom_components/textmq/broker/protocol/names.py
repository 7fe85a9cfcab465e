"""Names of variables, filters over them, device IDs (protocol A5, B3)."""

from typing import Final

from .reasons import BadReason, Refusal

RESERVED_DEVICES: Final = frozenset({"homeassistant", "*"})
HOME_ASSISTANT: Final = "homeassistant"
EVERYONE: Final = "*"

MAX_VARIABLE: Final = 255
MAX_LEVELS: Final = 16
MAX_STORED_LEVELS: Final = (MAX_VARIABLE + 1) // 2
"""As many as fit: what is on file from before there was a bound stays usable."""
MAX_DEVICE: Final = 64
MAX_TOKEN: Final = 32
"""Characters of what a client means something by: SEQ, RE, TOKEN, DEFS."""


def is_variable_name(name: str, max_levels: int = MAX_LEVELS) -> bool:
    """Tell whether name can be a variable's (protocol A5)."""
    return (
        0 < len(name) <= MAX_VARIABLE
        and name.count("/") < max_levels
        and _is_plain(name)
        and "+" not in name
        and "#" not in name
        and "" not in name.split("/")
    )


def is_device_id(device_id: str) -> bool:
    """Tell whether device_id can be a client's (protocol A5): reserved ones can't."""
    return (
        0 < len(device_id) <= MAX_DEVICE
        and _is_plain(device_id)
        and not set("+#/") & set(device_id)
        and device_id.lower() not in RESERVED_DEVICES
    )


def _is_plain(name: str) -> bool:
    return (
        name.isascii()
        and name.isprintable()
        and "|" not in name
        and "\\" not in name
        and name[0] != " " != name[-1]
    )


def is_filter(text: str, max_levels: int = MAX_LEVELS) -> bool:
    """Tell whether text is a variable's name or a filter over names (protocol A5, B3)."""
    if (
        not 0 < len(text) <= MAX_VARIABLE
        or text.count("/") >= max_levels
        or not _is_plain(text)
    ):
        return False
    *above, last = text.split("/")
    return all(_is_level(level) for level in above) and (last == "#" or _is_level(last))


def _is_level(level: str) -> bool:
    return level == "+" or (level != "" and "+" not in level and "#" not in level)


def check_variable_name(name: str) -> None:
    """Raise Refusal (bad-name) where name can't be a variable's."""
    _check_levels(name)
    check_stored_name(name)


def check_stored_name(name: str) -> None:
    """Raise Refusal (bad-name) where name can't be that of a variable on file.

    It may have more than 16 levels, as names could before (protocol A5).
    """
    if not is_variable_name(name, MAX_STORED_LEVELS):
        raise Refusal(
            BadReason.BAD_NAME,
            f"a variable's name has 1 to {MAX_VARIABLE} characters, none of | + # \\,"
            " no space at its ends and nothing empty between slashes",
        )


def _check_levels(text: str) -> None:
    if text.count("/") >= MAX_LEVELS:
        raise Refusal(
            BadReason.BAD_NAME, f"a name or filter has at most {MAX_LEVELS} levels"
        )


def check_filter(text: str) -> None:
    """Raise Refusal (bad-name) where text is neither a variable's name nor a filter."""
    _check_levels(text)
    if not is_filter(text):
        raise Refusal(
            BadReason.BAD_NAME,
            "in a filter + stands for one level and # at the end for all below,"
            " each alone between slashes",
        )


def check_device_id(device_id: str) -> None:
    """Raise Refusal (bad-name) where device_id can't be a client's."""
    if not is_device_id(device_id):
        raise Refusal(
            BadReason.BAD_NAME,
            f"an ID has 1 to {MAX_DEVICE} characters, none of / | + # \\, no space at"
            " its ends, and is neither homeassistant nor *",
        )


def renamed(name: str, old: str, new: str) -> str:
    """Return a name or filter of a device's own, under its new ID; one that does not begin with the old ID stays."""
    if name == old or name.startswith(f"{old}/"):
        return new + name.removeprefix(old)
    return name


def is_token(text: str) -> bool:
    """Tell whether text can be a token (protocol B2, B5, B6)."""
    return 1 <= len(text) <= MAX_TOKEN and text.isprintable()


def check_token(key: str, text: str) -> None:
    """Raise Refusal (malformed) where the text of a key can't be a token."""
    if not is_token(text):
        raise Refusal(
            BadReason.MALFORMED, f"{key} has 1 to {MAX_TOKEN} printable characters"
        )


def no_such_variable(name: str) -> Refusal:
    """Return the refusal for a variable that does not exist."""
    return Refusal(BadReason.NO_SUCH_VARIABLE, f"{name} has no value")


def is_wildcard(text: str) -> bool:
    """Tell whether a valid filter can match more than the name that it spells."""
    return "+" in text or "#" in text


def filter_matches(text: str, name: str) -> bool:
    """Tell whether a filter matches a name (protocol B3): linear in their lengths."""
    if name.startswith("$") and text[0] in "+#":
        return False
    levels = name.split("/")
    wanted = text.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        if len(levels) < len(wanted):
            return False
        levels = levels[: len(wanted)]
    return len(levels) == len(wanted) and all(
        want in ("+", level) for want, level in zip(wanted, levels, strict=True)
    )
