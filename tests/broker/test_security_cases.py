"""docs/security-cases.md: every case has its tests, and they are there."""

import re

import pytest

from .process import ROOT

CASES = 55
ROWS = re.findall(
    r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$",
    (ROOT / "docs" / "security-cases.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_every_case_is_listed() -> None:
    """The cases are numbered from 1, none is missing."""
    assert [int(number) for number, _ in ROWS] == list(range(1, CASES + 1))


@pytest.mark.parametrize(("number", "tests"), ROWS)
def test_the_tests_are_there(number: str, tests: str) -> None:
    """Each named test is a function of the named file."""
    for test in tests.split(", "):
        if test == "fuzz":
            assert (ROOT / "fuzz" / "README.md").is_file()
            continue
        path, _, name = test.partition("::")
        source = (ROOT / "tests" / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), test
