"""Makes the broker importable as it runs alone, without Home Assistant."""

from pathlib import Path
import sys

# At the end: the modules beside the broker (select.py, ...) must hide none of the standard library.
sys.path.append(
    str(Path(__file__).parent.parent.parent / "custom_components" / "textmq")
)
