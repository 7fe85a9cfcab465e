"""Device classes, the units and the state classes that fit them, as of Home Assistant 2026.10 (sensor developer documentation).

The standalone broker checks descriptions by these tables; inside Home Assistant the running
version's own take their place.
"""

from collections.abc import Mapping
from typing import Final

type Units = frozenset[str | None] | None
"""Units of a class: None among them is no unit at all; None instead of them is any unit."""

_NONE: Final[Units] = frozenset({None})
_ANY: Final[Units] = None

_ALIASES: Final[Mapping[str, str]] = {
    "\u00b5S/cm": "\u03bcS/cm",
    "\u00b5V": "\u03bcV",
    "\u00b5g": "\u03bcg",
    "\u00b5g/m³": "\u03bcg/m³",
    "\u00b5s": "\u03bcs",
    "VAr": "var",
    "kVAr": "kvar",
    "mVAr": "mvar",
    "VArh": "varh",
    "kVArh": "kvarh",
}
"""Other spellings that Home Assistant takes: micro as a sign of its own (U+00B5) and as a Greek letter."""


def _with_aliases(classes: Mapping[str, Units]) -> Mapping[str, Units]:
    return {
        name: units
        and units.union(alias for alias, unit in _ALIASES.items() if unit in units)
        for name, units in classes.items()
    }


_UNITS: Final[Mapping[str, Units]] = {
    "absolute_humidity": frozenset({"g/m³", "mg/m³"}),
    "apparent_power": frozenset({"VA", "kVA", "mVA"}),
    "aqi": _NONE,
    "area": frozenset(
        {"ac", "cm²", "ft²", "ha", "in²", "km²", "mi²", "mm²", "m²", "yd²"}
    ),
    "atmospheric_pressure": frozenset(
        {
            "Pa",
            "atm",
            "bar",
            "cbar",
            "hPa",
            "inHg",
            "inH₂O",
            "kPa",
            "mPa",
            "mbar",
            "mmHg",
            "psi",
        }
    ),
    "battery": frozenset({"%"}),
    "blood_glucose_concentration": frozenset({"mg/dL", "mmol/L"}),
    "carbon_dioxide": frozenset({"ppm"}),
    "carbon_monoxide": frozenset({"mg/m³", "ppb", "ppm", "μg/m³"}),
    "conductivity": frozenset({"S/cm", "mS/cm", "μS/cm"}),
    "current": frozenset({"A", "mA", "μA"}),
    "data_rate": frozenset(
        {
            "B/s",
            "GB/s",
            "Gbit/s",
            "GiB/s",
            "KiB/s",
            "MB/s",
            "Mbit/s",
            "MiB/s",
            "bit/s",
            "kB/s",
            "kbit/s",
        }
    ),
    "data_size": frozenset(
        {
            "B",
            "EB",
            "EiB",
            "GB",
            "Gbit",
            "GiB",
            "KiB",
            "MB",
            "Mbit",
            "MiB",
            "PB",
            "PiB",
            "TB",
            "TiB",
            "YB",
            "YiB",
            "ZB",
            "ZiB",
            "bit",
            "kB",
            "kbit",
        }
    ),
    "distance": frozenset({"cm", "ft", "in", "km", "m", "mi", "mm", "nmi", "yd"}),
    "duration": frozenset({"d", "h", "min", "ms", "s", "μs"}),
    "energy": frozenset(
        {
            "GJ",
            "GWh",
            "Gcal",
            "J",
            "MJ",
            "MWh",
            "Mcal",
            "TWh",
            "Wh",
            "cal",
            "kJ",
            "kWh",
            "kcal",
            "mWh",
            "thm",
        }
    ),
    "energy_distance": frozenset({"Wh/km", "kWh/100km", "km/kWh", "mi/kWh"}),
    "energy_storage": frozenset(
        {
            "GJ",
            "GWh",
            "Gcal",
            "J",
            "MJ",
            "MWh",
            "Mcal",
            "TWh",
            "Wh",
            "cal",
            "kJ",
            "kWh",
            "kcal",
            "mWh",
            "thm",
        }
    ),
    "frequency": frozenset({"GHz", "Hz", "MHz", "kHz", "mHz"}),
    "gas": frozenset({"CCF", "L", "MCF", "ft³", "m³"}),
    "humidity": frozenset({"%"}),
    "illuminance": frozenset({"lx"}),
    "irradiance": frozenset({"BTU/(h⋅ft²)", "W/m²"}),
    "moisture": frozenset({"%"}),
    "nitrogen_dioxide": frozenset({"ppb", "ppm", "μg/m³"}),
    "nitrogen_monoxide": frozenset({"ppb", "μg/m³"}),
    "nitrous_oxide": frozenset({"μg/m³"}),
    "ozone": frozenset({"ppb", "ppm", "μg/m³"}),
    "ph": _NONE,
    "pm1": frozenset({"μg/m³"}),
    "pm10": frozenset({"μg/m³"}),
    "pm25": frozenset({"μg/m³"}),
    "pm4": frozenset({"μg/m³"}),
    "power": frozenset({"GW", "MW", "TW", "W", "kW", "mW"}),
    "power_factor": frozenset({None, "%"}),
    "precipitation": frozenset({"cm", "in", "mm"}),
    "precipitation_intensity": frozenset({"in/d", "in/h", "mm/d", "mm/h"}),
    "pressure": frozenset(
        {
            "Pa",
            "atm",
            "bar",
            "cbar",
            "hPa",
            "inHg",
            "inH₂O",
            "kPa",
            "mPa",
            "mbar",
            "mmHg",
            "psi",
        }
    ),
    "radon": frozenset({"Bq/m³", "pCi/L"}),
    "reactive_energy": frozenset({"kvarh", "varh"}),
    "reactive_power": frozenset({"kvar", "mvar", "var"}),
    "signal_strength": frozenset({"dB", "dBm"}),
    "sound_pressure": frozenset({"dB", "dBA"}),
    "speed": frozenset(
        {
            "Beaufort",
            "ft/s",
            "in/d",
            "in/h",
            "in/s",
            "km/h",
            "kn",
            "m/min",
            "m/s",
            "mm/d",
            "mm/h",
            "mm/s",
            "mph",
        }
    ),
    "sulphur_dioxide": frozenset({"ppb", "μg/m³"}),
    "temperature": frozenset({"K", "°C", "°F"}),
    "temperature_delta": frozenset({"K", "°C", "°F"}),
    "volatile_organic_compounds": frozenset({"mg/m³", "μg/m³"}),
    "volatile_organic_compounds_parts": frozenset({"ppb", "ppm"}),
    "voltage": frozenset({"MV", "V", "kV", "mV", "μV"}),
    "volume": frozenset({"CCF", "L", "MCF", "fl. oz.", "ft³", "gal", "mL", "m³"}),
    "volume_flow_rate": frozenset(
        {
            "L/h",
            "L/min",
            "L/s",
            "ft³/min",
            "gal/d",
            "gal/h",
            "gal/min",
            "mL/s",
            "m³/h",
            "m³/min",
            "m³/s",
        }
    ),
    "volume_storage": frozenset(
        {"CCF", "L", "MCF", "fl. oz.", "ft³", "gal", "mL", "m³"}
    ),
    "water": frozenset({"CCF", "L", "MCF", "ft³", "gal", "m³"}),
    "weight": frozenset({"g", "kg", "lb", "mg", "oz", "st", "μg"}),
    "wind_direction": frozenset({"°"}),
    "wind_speed": frozenset(
        {"Beaufort", "ft/s", "in/s", "km/h", "kn", "m/min", "m/s", "mm/s", "mph"}
    ),
    "monetary": _ANY,
}

_MEASURED: Final = _with_aliases(_UNITS)

UNITS: Final[Mapping[str, Mapping[str, Units]]] = {
    "sensor": {
        **_MEASURED,
        "date": _NONE,
        "enum": _NONE,
        "timestamp": _NONE,
        "uptime": _NONE,
    },
    "number": _MEASURED,
    "binary_sensor": dict.fromkeys(
        (
            "battery",
            "battery_charging",
            "carbon_monoxide",
            "cold",
            "connectivity",
            "door",
            "garage_door",
            "gas",
            "glass_break",
            "heat",
            "light",
            "lock",
            "moisture",
            "motion",
            "moving",
            "occupancy",
            "opening",
            "plug",
            "power",
            "presence",
            "problem",
            "running",
            "safety",
            "smoke",
            "sound",
            "tamper",
            "update",
            "vibration",
            "window",
        ),
        _ANY,
    ),
    "switch": dict.fromkeys(("outlet", "switch"), _ANY),
    "button": dict.fromkeys(("identify", "restart", "update"), _ANY),
    "event": dict.fromkeys(("button", "doorbell", "motion"), _ANY),
}

_MEASUREMENT: Final = frozenset({"measurement"})
_TOTALS: Final = frozenset({"total", "total_increasing"})

STATE_CLASSES: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(_MEASURED, _MEASUREMENT),
    **dict.fromkeys(("date", "enum", "timestamp", "uptime"), frozenset()),
    **dict.fromkeys(
        ("area", "data_size", "distance", "duration", "precipitation"),
        _MEASUREMENT | _TOTALS | {"measurement_angle"},
    ),
    **dict.fromkeys(
        ("energy", "gas", "reactive_energy", "volume", "water"),
        _TOTALS,
    ),
    "monetary": frozenset({"total"}),
    "weight": _MEASUREMENT | _TOTALS,
    "wind_direction": frozenset({"measurement_angle"}),
}
"""State classes of each class of a sensor; one without any is no number."""
