"""Tests of the broker, without Home Assistant."""

from importlib.machinery import ModuleSpec
from pathlib import Path
import sys
from types import ModuleType

INTEGRATION = "custom_components.textmq"

# The broker's package is to be imported, the integration around it is not: it needs Home Assistant.
if INTEGRATION not in sys.modules:
    package = ModuleType(INTEGRATION)
    package.__path__ = [str(Path(__file__).parents[2] / INTEGRATION.replace(".", "/"))]
    package.__spec__ = ModuleSpec(INTEGRATION, None, is_package=True)
    sys.modules[INTEGRATION] = package
