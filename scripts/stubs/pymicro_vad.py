"""Stands in for a speech package that has no wheel for Python 3.14 and that nothing here uses."""


class MicroVad:
    """Imported by Home Assistant's Assist; never made."""
