"""Fails a test that logs a warning or an error which it has not announced, or that announces one which does not come."""

from collections.abc import Iterator
import logging
import re
from typing import Final, override

import pytest

FOREIGN: Final[dict[str, str]] = {
    # Said once a process, where two libraries of Home Assistant's are missing, which make it faster.
    "aiohttp_fast_zlib": r"^zlib_ng and isal are not available",
    # Home Assistant says so of every custom integration.
    "homeassistant.loader": r"^We found a custom integration \w+ which has not been tested",
    # How fast this machine is: Home Assistant's tests run with asyncio's debug mode.
    "asyncio": r"^Executing .* took \d",
}
"""Lines that say nothing of TextMQ: expressions for the loggers that write them."""

type Announced = list[str]
"""Expressions, one or more for each line that is expected; each is found in a line."""


class _Lines(logging.Handler):
    """Keeps what is logged at warning or above."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        foreign = FOREIGN.get(record.name)
        if foreign is None or not re.search(foreign, message):
            if record.exc_info and record.exc_info[1] is not None:
                message = f"{message} ({record.exc_info[1]!r})"
            self.lines.append(f"{record.levelname} {record.name}: {message}")


def faults(lines: list[str], announced: Announced, sometimes: Announced) -> list[str]:
    """Return what was logged and not announced, and what was announced and not logged."""
    wrong = [
        f"not announced: {line}"
        for line in lines
        if not any(re.search(one, line) for one in (*announced, *sometimes))
    ]
    missing = [
        f"announced, and did not come: {one}"
        for one in announced
        if not any(re.search(one, line) for line in lines)
    ]
    return wrong + missing


@pytest.fixture(autouse=True)
def announced_warnings(request: pytest.FixtureRequest) -> Iterator[Announced]:
    """Return the expressions of the lines that the test expects, which may add to them.

    Those that are known beforehand are arguments of the marker of the same name; where a table
    of cases decides which of them come, they are its argument `sometimes`. A line is its level,
    its logger and its message.
    """
    markers = list(request.node.iter_markers("announced_warnings"))
    announced = [str(one) for marker in markers for one in marker.args]
    sometimes = [
        str(one) for marker in markers for one in marker.kwargs.get("sometimes", ())
    ]
    handler = _Lines()
    root = logging.getLogger()
    root.addHandler(handler)
    yield announced
    root.removeHandler(handler)
    if wrong := faults(handler.lines, announced, sometimes):
        pytest.fail("\n".join(wrong), pytrace=False)
