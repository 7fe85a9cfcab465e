"""docs/protocol.md says what the broker does: its lists are those of the code."""

from dataclasses import asdict
import re
import runpy
from typing import Any

import pytest

from .process import INTEGRATION, ROOT
from .reference import documented

NEVER_ON_THE_WIRE = {"client-close", "sleep", "lost", "http", "tls"}
"""Ends of a connection that the broker does not announce with CLOSE."""


def _module(path: str) -> dict[str, Any]:
    return runpy.run_path(str(INTEGRATION / "broker" / f"{path}.py"))


def test_reasons_of_bad() -> None:
    """Every code of BAD is documented, and no other."""
    assert set(documented("### B1: Reasons")) == set(
        _module("protocol/reasons")["BadReason"]
    )


def test_reasons_of_close() -> None:
    """Every reason that CLOSE can carry is documented, and no other."""
    reasons = set(_module("protocol/reasons")["CloseReason"])
    assert reasons >= NEVER_ON_THE_WIRE
    assert set(documented("### Reasons of CLOSE")) == reasons - NEVER_ON_THE_WIRE


LIMITS: dict[str, float] = asdict(_module("core/limits")["Limits"]())
CLOCKWORK = {"slice", "turn", "wake", "system_interval"}
"""Times of the broker's own, which no client can reach."""


@pytest.mark.parametrize(("limit", "text"), documented("## Limits").items())
def test_limits(limit: str, text: str) -> None:
    """Every documented default is the one of the code."""
    (number, *_) = re.findall(r"[\d,.]*\d", text)
    assert float(number.replace(",", "")) == LIMITS[limit]


def test_every_limit_is_documented() -> None:
    """What a client can meet stands in the table; the inner clockwork does not."""
    assert set(documented("## Limits")) == set(LIMITS) - CLOCKWORK


def test_states_of_a_session() -> None:
    """The picture of the states is the table of the code, and the words beside it are the code's."""
    states = _module("core/states")
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert re.findall(r"^  (\w+) --> (\w+): (\w+)$", page, re.MULTILINE) == [
        (before.name, after.name, step.name)
        for (before, step), after in states["TRANSITIONS"].items()
    ]
    for state in states["State"]:
        assert f"| {state.name} | {state.value}" in page
