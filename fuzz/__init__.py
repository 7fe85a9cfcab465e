"""Searches for inputs that break the broker or the wire code of the ESPHome component."""

# Makes the broker importable without the integration around it, which needs Home Assistant.
import tests.broker  # noqa: F401
