"""Descriptions of variables: DEF, checked and kept (protocol B6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from typing import Final, Self

from . import names, reasons, wire
from .units import UNITS, Units

TYPES: Final = (
    "sensor",
    "binary_sensor",
    "switch",
    "number",
    "select",
    "text",
    "button",
    "event",
    "light",
    "cover",
    "fan",
    "lock",
    "valve",
    "climate",
)
STATE_CLASSES: Final = ("measurement", "total", "total_increasing")
CATEGORIES: Final = ("config", "diagnostic")
MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "sensor": ("text",),
    "number": ("auto", "box", "slider"),
    "text": ("text", "password"),
}
KEYS: Final = (
    "TYPE",
    "NAME",
    "UNIT",
    "CLASS",
    "STATE",
    "ICON",
    "CATEGORY",
    "PRECISION",
    "OPTIONS",
    "MIN",
    "MAX",
    "STEP",
    "MODE",
    "EXPIRE",
    "HIDDEN",
    "SET",
)
MAX_PRECISION: Final = 10
_RING: Final = "ring"
"""What every doorbell can tell (Home Assistant's DoorbellEventType.RING)."""
_SHOWN: Final = 40
"""Characters of a wrong value that a refusal repeats."""
MAX_EXPIRE: Final = 366 * 86400


@dataclass(frozen=True, slots=True)
class Rules:
    """What a reader of descriptions knows: for each TYPE its device classes and their units.

    A TYPE that is not listed has no rules.
    """

    classes: Mapping[str, Mapping[str, Units]] = field(default_factory=lambda: UNITS)


def _brief(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."


def _refuse(detail: str) -> reasons.Refusal:
    return reasons.Refusal(reasons.BadReason.BAD_DEFINITION, detail)


def _one_of(key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        value = _brief(value)
        near = get_close_matches(value, known, n=1)
        hint = f"perhaps {near[0]}; " if near else ""
        raise _refuse(f"{key}={value} is not known: {hint}one of {', '.join(known)}")
    return value


def _number(key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number) or "_" in value:
        raise _refuse(f"{key}={_brief(value)} is not a number")
    return number


def _in_range(key: str, value: str, least: float, most: float) -> float:
    number = _number(key, value)
    if not least <= number <= most:
        raise _refuse(f"{key}={_brief(value)} is not within {least:g} and {most:g}")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a variable is; texts are decoded, `params` is DEF as it came."""

    type: str
    name: str | None = None
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = None
    icon: str | None = None
    category: str | None = None
    precision: int | None = None
    options: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    step: float | None = None
    mode: str | None = None
    expire: float | None = None
    hidden: bool = False
    set: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    secret: bool = False
    hides_value: bool = False

    @classmethod
    def parse(cls, given: Mapping[str, str], rules: Rules, name: str = "") -> Self:
        """Check the parameters of a DEF that has a TYPE; an empty one counts as not given.

        Raises Refusal (bad-definition) whose detail names what would be right.
        """
        params = {key: given[key] for key in KEYS if given.get(key)}
        text = {key: wire.decode(value) for key, value in params.items()}
        kind = _one_of("TYPE", text.get("TYPE", ""), TYPES)
        definition = cls(
            type=kind,
            name=text.get("NAME"),
            unit=text.get("UNIT"),
            device_class=text.get("CLASS"),
            state_class=_one_of("STATE", text["STATE"], STATE_CLASSES)
            if "STATE" in text
            else None,
            icon=text.get("ICON"),
            category=_one_of("CATEGORY", text["CATEGORY"], CATEGORIES)
            if "CATEGORY" in text
            else None,
            precision=int(_in_range("PRECISION", text["PRECISION"], 0, MAX_PRECISION))
            if "PRECISION" in text
            else None,
            options=tuple(
                wire.decode(option.strip())
                for option in params.get("OPTIONS", "").split(",")
                if option.strip()
            ),
            min=_number("MIN", text["MIN"]) if "MIN" in text else None,
            max=_number("MAX", text["MAX"]) if "MAX" in text else None,
            step=_number("STEP", text["STEP"]) if "STEP" in text else None,
            mode=_one_of("MODE", text["MODE"], MODES[kind])
            if "MODE" in text and kind in MODES
            else text.get("MODE"),
            expire=_in_range("EXPIRE", text["EXPIRE"], 1, MAX_EXPIRE)
            if "EXPIRE" in text
            else None,
            hidden=_one_of("HIDDEN", text["HIDDEN"], ("YES", "NO")) == "YES"
            if "HIDDEN" in text
            else False,
            set=text.get("SET"),
            params=params,
        )
        definition._check(rules)
        return definition

    def _check(self, rules: Rules) -> None:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise _refuse(f"MIN={self.min:g} is above MAX={self.max:g}")
        if self.step is not None and self.step <= 0:
            raise _refuse(f"STEP={self.step:g} is not above 0")
        if len(set(self.options)) < len(self.options):
            raise _refuse("OPTIONS names an option twice")
        if self.type in ("select", "event") and not self.options:
            raise _refuse(f"TYPE={self.type} needs OPTIONS, separated by commas")
        if (
            self.type == "event"
            and self.device_class == "doorbell"
            and _RING not in self.options
        ):
            raise _refuse(f"CLASS=doorbell needs {_RING} among its OPTIONS")
        if self.set is not None and (
            not names.is_variable_name(self.set) or self.set.startswith("$")
        ):
            raise _refuse(f"SET={_brief(self.set)} is not a variable's name")
        if self.icon is not None and ":" not in self.icon:
            raise _refuse(
                f"ICON={_brief(self.icon)} is not written like mdi:thermometer"
            )
        self._check_class(rules)

    def _check_class(self, rules: Rules) -> None:
        if self.device_class is None or self.type not in rules.classes:
            return
        classes = rules.classes[self.type]
        units = classes[_one_of("CLASS", self.device_class, tuple(classes))]
        if units is None or self.unit in units:
            return
        fitting = sorted(unit for unit in units if unit is not None)
        if None in units:
            fitting.append("no UNIT")
        raise _refuse(
            f"UNIT={_brief(self.unit or '')} does not fit CLASS={self.device_class}:"
            f" {' or '.join(fitting)} would"
        )
