"""What the tests measure by: the shared vectors and the tables of the protocol's page."""

import json
import re
from typing import Any, Final

from .process import ROOT

VECTORS: Final[dict[str, list[Any]]] = json.loads(
    (ROOT / "tests" / "vectors.json").read_text(encoding="utf-8")
)
_PROTOCOL: Final = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def documented(section: str) -> dict[str, str]:
    """Return first and second column of the table in a section of docs/protocol.md."""
    part = _PROTOCOL.split(f"\n{section}\n", 1)[1].split("\n#", 1)[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*?) \|", part, re.MULTILINE))
