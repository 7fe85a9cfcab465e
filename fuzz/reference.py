"""Slow and plain: how things are defined, to compare with how they are done."""


def matches(text: str, name: str) -> bool:
    """Tell whether a filter matches a name, level by level (protocol B3)."""
    if name.startswith("$") and not text.startswith("$"):
        return False
    return _matches(text.split("/"), name.split("/"))


def _matches(wanted: list[str], levels: list[str]) -> bool:
    if wanted == ["#"]:
        return True
    if not wanted or not levels:
        return not wanted and not levels
    if wanted[0] not in ("+", levels[0]):
        return False
    return _matches(wanted[1:], levels[1:])
