"""The check that every other test is under: nothing is logged at warning or above that was not announced."""

import logging

import pytest

from .announced import Announced, faults


@pytest.mark.parametrize(
    ("lines", "announced", "sometimes", "found"),
    [
        ([], [], [], []),
        (["WARNING a: b"], ["a: b"], [], []),
        (["WARNING a: b", "WARNING a: b"], ["^WARNING a: b$"], [], []),
        (["WARNING a: b"], [], ["a: b"], []),
        ([], [], ["a: b"], []),
        (["WARNING a: b"], [], [], ["not announced: WARNING a: b"]),
        ([], ["a: b"], [], ["announced, and did not come: a: b"]),
        (
            ["ERROR a: b"],
            ["c"],
            ["d"],
            ["not announced: ERROR a: b", "announced, and did not come: c"],
        ),
    ],
)
def test_what_is_wrong(
    lines: list[str], announced: Announced, sometimes: Announced, found: list[str]
) -> None:
    """A line that nobody has announced, or one that was and did not come."""
    assert faults(lines, announced, sometimes) == found


@pytest.mark.announced_warnings("^WARNING any: said beforehand$")
def test_by_marker() -> None:
    """Known when the test is written."""
    logging.getLogger("any").warning("said %s", "beforehand")


def test_by_fixture(announced_warnings: Announced) -> None:
    """Known when the test runs; an exception is part of its line."""
    announced_warnings.append(r"^ERROR any: it failed \(ValueError\('why'\)\)$")
    logging.getLogger("any").error("it failed", exc_info=ValueError("why"))


def test_of_others() -> None:
    """How fast the machine is says nothing of us."""
    logging.getLogger("asyncio").warning("Executing <Handle> took 0.5 seconds")
