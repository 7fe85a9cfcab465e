"""Descriptions of variables: DEF, checked and kept (protocol B6)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
import re
from typing import Final, Self
import unicodedata

from . import names
from .definition_reader import DefinitionReader, brief, listed, one_of, perhaps, refuse
from .units import STATE_CLASSES as CLASS_STATES, UNITS, Units

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
_MEANT: Final[Mapping[str, str]] = {
    "blind": "cover",
    "contact": "binary_sensor",
    "lamp": "light",
    "outlet": "switch",
    "relay": "switch",
    "shutter": "cover",
    "text_sensor": "sensor",
    "thermostat": "climate",
}
"""What is meant by words that are no TYPE."""
STATE_CLASSES: Final = (
    "measurement",
    "measurement_angle",
    "total",
    "total_increasing",
)
STATE_UNITS: Final[Mapping[str, str]] = {"measurement_angle": "°"}
"""The unit that a state class needs."""
CATEGORIES: Final = ("config", "diagnostic")
MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "sensor": ("text",),
    "number": ("auto", "box", "slider"),
    "text": ("text", "password"),
}
CODES: Final = ("NUMBER", "TEXT")
MAX_PRECISION: Final = 10
MAX_EXPIRE: Final = 366 * 86400
MAX_UNIT: Final = 64
"""Characters of a unit."""
MAX_TEXT: Final = 255
"""Characters that Home Assistant shows of a text: of a value, and of an option."""
MAX_NAME: Final = 255
"""Characters of what people call something; Home Assistant shows fewer."""
MAX_RANGE: Final = 1e15
"""The largest number that a number can be set to: beyond it whole numbers are not exact, and conversions overflow."""

_READ_ONLY: Final = ("sensor", "binary_sensor")
"""What is only read: Home Assistant has no settings among them."""
_WITHOUT_COMMANDS: Final = (*_READ_ONLY, "event")
_NAMES: Final = ("NAME", "PART_NAME", "PART_AREA")
_MEASURED: Final = ("sensor", "number")
"""What has a unit."""
_RING: Final = "ring"
"""What every doorbell can tell (Home Assistant's DoorbellEventType.RING)."""
_LINE_BREAKING: Final = frozenset({"Cc", "Zl", "Zp"})
"""Categories of control characters and of line ends."""
_ICON: Final = re.compile(r"[A-Za-z0-9_-]+:[A-Za-z0-9_.-]+", re.ASCII)
_MAX_ICON: Final = 100


@dataclass(frozen=True, slots=True)
class Rules:
    """What a reader of descriptions knows: for each TYPE its device classes and their units.

    A TYPE that is not listed has no rules. Of a sensor's classes it knows the state classes,
    too: one without any is no number.
    """

    classes: Mapping[str, Mapping[str, Units]] = field(default_factory=lambda: UNITS)
    state_classes: Mapping[str, Collection[str]] = field(
        default_factory=lambda: CLASS_STATES
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a variable is; texts are decoded, `params` is DEF as it came, without what was left out."""

    type: str
    name: str | None = None
    """Empty where the entity has the device's name."""
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
    force: bool = False
    hidden: bool = False
    set: str | None = None
    part: str | None = None
    part_name: str | None = None
    part_area: str | None = None
    code: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What the device should know of its description: sentences for the DETAIL of its OK."""

    @property
    def shown_as(self) -> str:
        """The TYPE that it is shown as."""
        return self.type if self.type in TYPES else "sensor"

    @property
    def hides_value(self) -> bool:
        """Whether the value itself is secret: it is neither stored nor shown."""
        return self.type == "text" and self.mode == "password"

    @property
    def secret(self) -> bool:
        """Whether commands are secret: they go to the variable's owner alone."""
        return self.code is not None or self.hides_value

    @classmethod
    def parse(
        cls, given: Mapping[str, str], rules: Rules, name: str | None = None
    ) -> Self:
        """Check the parameters of a DEF that has a TYPE, of the variable of this name or of its VARIABLE.

        What Home Assistant would refuse and can do without is left out. Raises Refusal
        (bad-definition) whose detail names what would be right.
        """
        params = DefinitionReader(given)
        name = given.get("VARIABLE", "") if name is None else name
        kind = _read_type(params)
        _leave_out_misfits(params, kind, rules)
        _note_missing_commands(params, kind, name)
        precision = params.number("PRECISION")
        definition = cls(
            type=kind,
            name=params.text("NAME"),
            unit=params.text("UNIT"),
            device_class=params.text("CLASS"),
            state_class=params.choice("STATE", STATE_CLASSES),
            icon=params.text("ICON"),
            category=params.choice("CATEGORY", CATEGORIES),
            precision=None if precision is None else int(precision),
            options=params.options(),
            min=params.number("MIN"),
            max=params.number("MAX"),
            step=params.number("STEP"),
            mode=params.choice("MODE", MODES[kind])
            if kind in MODES
            else params.text("MODE"),
            expire=params.number("EXPIRE"),
            force=params.flag("FORCE"),
            hidden=params.flag("HIDDEN"),
            set=params.text("SET"),
            part=params.text("PART"),
            part_name=params.text("PART_NAME"),
            part_area=params.text("PART_AREA"),
            code=params.choice("CODE", CODES),
            params=params.params,
            notes=tuple(params.notes),
        )
        definition._check(name)
        return definition

    def _check(self, name: str) -> None:
        """Raise Refusal where no entity, or one that is not safe, would come of it."""
        if self.min is not None and self.max is not None and self.min > self.max:
            raise refuse(f"MIN={self.min:g} is above MAX={self.max:g}")
        if self.step is not None and self.step <= 0:
            raise refuse(f"STEP={self.step:g} is not above 0")
        if self.expire is not None and not 1 <= self.expire <= MAX_EXPIRE:
            raise refuse(f"EXPIRE={self.expire:g} is not within 1 and {MAX_EXPIRE}")
        self._check_options()
        if self.part is not None and not names.is_device_id(self.part):
            raise refuse(f"PART={brief(self.part)} is not written like a device ID")
        if self.set is None:
            return
        if not names.is_variable_name(self.set) or self.set.startswith("$"):
            raise refuse(f"SET={brief(self.set)} is not a variable's name")
        if self.secret and self.set != f"{name}/set":
            raise refuse(
                f"SET={brief(self.set)} can't be: secret commands go to {brief(name)}/set"
            )

    def _check_options(self) -> None:
        for option in self.options:
            if len(option) > MAX_TEXT or not _is_one_line(option):
                raise refuse(
                    f"an option of OPTIONS has at most {MAX_TEXT} characters in one"
                    f" line, not {brief(option)}"
                )
        if len(set(self.options)) < len(self.options):
            raise refuse("OPTIONS names an option twice")
        if self.type in ("select", "event") and not self.options:
            raise refuse(f"TYPE={self.type} needs OPTIONS, separated by commas")
        if (
            self.type == "event"
            and self.device_class == "doorbell"
            and _RING not in self.options
        ):
            raise refuse(f"CLASS=doorbell needs {_RING} among its OPTIONS")


def _read_type(params: DefinitionReader) -> str:
    """Read TYPE: one that is not known is kept. Raises Refusal where there is none."""
    kind = params.text("TYPE")
    if not kind:
        return one_of("TYPE", "", TYPES)
    if kind not in TYPES:
        meant = _MEANT.get(kind.lower())
        hint = f"perhaps {meant}; " if meant else perhaps(kind.lower(), TYPES)
        params.notes.append(f"TYPE={brief(kind)} is not known: {hint}shown as a sensor")
    return kind


def _leave_out_misfits(params: DefinitionReader, kind: str, rules: Rules) -> None:
    """Leave out what Home Assistant would refuse and can do without. Raises Refusal."""
    if kind in _READ_ONLY and params.text("CATEGORY") == "config":
        params.leave_out("CATEGORY", f"is not for TYPE={kind}, which sets nothing")
    _leave_out_misspelt(params)
    if kind == "number":
        for key in ("MIN", "MAX", "STEP"):
            params.leave_out_unless(
                key, lambda number: abs(number) <= MAX_RANGE, "is too large"
            )
    if kind == "text":
        params.leave_out_unless(
            "MIN",
            lambda number: number.is_integer() and 0 <= number <= MAX_TEXT,
            f"is not a whole number from 0 to {MAX_TEXT}",
        )
        params.leave_out_unless(
            "MAX",
            lambda number: number.is_integer() and number >= 1,
            "is not a whole number above 0",
        )
    device_class = params.text("CLASS")
    if device_class is not None and kind in rules.classes:
        one_of("CLASS", device_class, rules.classes[kind])
    if kind in _MEASURED:
        _leave_out_measures(params, kind, rules)


def _note_missing_commands(params: DefinitionReader, kind: str, name: str) -> None:
    """Say where the name to which commands would go can't be a variable's."""
    if kind not in TYPES or kind in _WITHOUT_COMMANDS or params.text("SET"):
        return
    if names.is_variable_name(name) and not names.is_variable_name(f"{name}/set"):
        params.notes.append(
            f"{brief(name)}/set is too long for a variable's name: commands need a SET"
        )


def _is_one_line(text: str) -> bool:
    """Tell whether there is no control character in a text."""
    return all(unicodedata.category(one) not in _LINE_BREAKING for one in text)


def _leave_out_misspelt(params: DefinitionReader) -> None:
    for key in _NAMES:
        if len(params.text(key) or "") > MAX_NAME:
            params.leave_out(key, f"has more than {MAX_NAME} characters")
    icon, unit, precision = map(params.text, ("ICON", "UNIT", "PRECISION"))
    if icon is not None and (len(icon) > _MAX_ICON or not _ICON.fullmatch(icon)):
        params.leave_out("ICON", "is not written like mdi:thermometer")
    if unit is not None and (
        len(unit) > MAX_UNIT or not unit.isprintable() or unit != unit.strip()
    ):
        params.leave_out(
            "UNIT",
            f"has not 1 to {MAX_UNIT} printable characters, no space at its ends",
        )
    if precision is not None and not (
        precision.isdecimal()
        and len(precision) <= 2
        and int(precision) <= MAX_PRECISION
    ):
        params.leave_out(
            "PRECISION", f"is not a whole number from 0 to {MAX_PRECISION}"
        )


def _leave_out_measures(params: DefinitionReader, kind: str, rules: Rules) -> None:
    """Leave out what does not fit together of CLASS, UNIT and STATE."""
    state = params.choice("STATE", STATE_CLASSES)
    device_class = params.text("CLASS")
    if kind == "sensor" and params.text("MODE") == "text":
        for key in ("UNIT", "STATE", "PRECISION"):
            if params.text(key) is not None:
                params.leave_out(key, "is not for MODE=text")
        if device_class is not None and rules.state_classes.get(device_class):
            params.leave_out("CLASS", "is not for MODE=text")
        return
    if device_class is not None and kind in rules.classes:
        _fit_unit(params, device_class, rules.classes[kind][device_class])
    if state is None or kind != "sensor":
        return
    states = rules.state_classes.get(params.text("CLASS") or "", STATE_CLASSES)
    unit = STATE_UNITS.get(state)
    if state not in states:
        would = f", {' or '.join(sorted(states))} would" if states else ""
        params.leave_out("STATE", f"does not fit CLASS={device_class}{would}")
    elif unit is not None and params.text("UNIT") != unit:
        params.leave_out("STATE", f"needs UNIT={unit}")


def _fit_unit(params: DefinitionReader, device_class: str, units: Units) -> None:
    """Leave out a unit that the class does not have, and the class where it can't be without one."""
    unit = params.text("UNIT")
    if units is None or unit in units:
        return
    fitting = sorted(one for one in units if one is not None)
    if unit is not None:
        would = [*fitting, "no UNIT"] if None in units else fitting
        params.leave_out(
            "UNIT", f"does not fit CLASS={device_class}, {listed(would, 'or')} would"
        )
    if None not in units:
        params.leave_out("CLASS", f"needs its UNIT, {listed(fitting, 'or')}")
