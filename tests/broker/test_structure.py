"""The layout of the broker and of the integration around it: who may import whom, no circles, short files, distinct names."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
import sys

import pytest

from .process import INTEGRATION

BROKER = INTEGRATION / "broker"
FLOORS = {"protocol": 0, "core": 1, "server": 2, "client": 2, "bridges": 2, "": 3}
"""Rooms, the lowest first; "" is what stands beside them. Rooms of one floor don't know each other."""
PURE = ("protocol", "core")
BELOW_HUB = ("broker", "const", "kinds", "values")
"""What the hub of the integration may know, besides itself."""
IMPURE_MODULES = {
    "asyncio",
    "multiprocessing",
    "os",
    "pathlib",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
}
MOST_LINES = 450
TABLES = {"protocol/units.py", "broker/protocol/units.py"}
"""Files of data, as long as the data is."""
EVERYWHERE = {"__init__", "__main__"}


def _modules(root: Path) -> dict[str, Path]:
    """Return the files of a package by their dotted names below it; a package is called by its folder."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Find what a file imports anywhere in it, TYPE_CHECKING included: level of dots and dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                yield node.level, f"{module}.{alias.name}" if module else alias.name


def _arrows(root: Path) -> dict[str, set[str]]:
    """Return which modules of a package each of its modules imports."""
    modules = _modules(root)
    arrows: dict[str, set[str]] = {}
    for name, path in modules.items():
        arrows[name] = set()
        here = path.relative_to(root).parent.parts
        for level, imported in _imports(path):
            if not level:
                continue
            assert level <= len(here) + 1, f"{name} imports from above the broker"
            parts = [*here[: len(here) + 1 - level], *imported.split(".")]
            while ".".join(parts) not in modules:
                parts.pop()
            if (target := ".".join(parts)) != name:
                arrows[name].add(target)
    return arrows


def _room(name: str) -> str:
    room = name.partition(".")[0]
    return room if room in FLOORS else ""


def _wrong_arrows(root: Path) -> list[str]:
    return [
        f"{name} -> {target}"
        for name, targets in _arrows(root).items()
        for target in targets
        if _room(name) != _room(target) and FLOORS[_room(name)] <= FLOORS[_room(target)]
    ]


def _circles(root: Path) -> list[str]:
    """Return the modules that reach themselves."""
    arrows = _arrows(root)

    def reached(name: str) -> set[str]:
        seen: set[str] = set()
        todo = list(arrows[name])
        while todo:
            if (one := todo.pop()) not in seen:
                seen.add(one)
                todo += arrows[one]
        return seen

    return [name for name in arrows if name in reached(name)]


def _impure(root: Path) -> list[str]:
    return [
        f"{name}: {imported}"
        for name, path in _modules(root).items()
        if _room(name) in PURE
        for level, imported in _imports(path)
        if not level and imported.partition(".")[0] in IMPURE_MODULES
    ]


def _foreign(root: Path) -> list[str]:
    """Return what is neither the broker's own nor the standard library's; bridges may have their library."""
    return [
        f"{name}: {imported}"
        for name, path in _modules(root).items()
        if _room(name) != "bridges"
        for level, imported in _imports(path)
        if not level and imported.partition(".")[0] not in sys.stdlib_module_names
    ]


def _long(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}: {lines}"
        for path in _modules(root).values()
        if (lines := path.read_text(encoding="utf-8").count("\n")) > MOST_LINES
        and path.relative_to(root).as_posix() not in TABLES
    ]


def _same_names(root: Path) -> list[str]:
    names = Counter(path.stem for path in _modules(root).values())
    return [
        name for name, count in names.items() if count > 1 and name not in EVERYWHERE
    ]


def _doors(root: Path) -> list[str]:
    """Return arrows from the hub up to what stands before it; tables and names may be anywhere's."""
    return [
        f"{name} -> {target}"
        for name, targets in _arrows(root).items()
        for target in targets
        if _is_hub(name) and not _is_hub(target) and not _is_below_hub(target)
    ]


def _is_hub(name: str) -> bool:
    return name.partition(".")[0] == "hub"


def _is_below_hub(name: str) -> bool:
    return name.partition(".")[0] in BELOW_HUB


CHECKS = {
    "arrows go down only": _wrong_arrows,
    "no circle": _circles,
    "no system in protocol and core": _impure,
    "the standard library only": _foreign,
    "no file over 450 lines": _long,
    "no two modules of the same name": _same_names,
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_broker_is_built_as_it_should_be(check: str) -> None:
    """Nothing breaks the rule."""
    assert CHECKS[check](BROKER) == []


INTEGRATION_CHECKS = {
    "no circle": _circles,
    "no file over 450 lines": _long,
    "no two modules of the same name": _same_names,
    "the hub knows no door": _doors,
}


@pytest.mark.parametrize("check", INTEGRATION_CHECKS)
def test_the_integration_is_built_as_it_should_be(check: str) -> None:
    """Nothing breaks the rule, in the broker, the hub and the doors before it."""
    assert INTEGRATION_CHECKS[check](INTEGRATION) == []


def test_the_integration_is_looked_at() -> None:
    """The way from a door to the broker is found."""
    arrows = _arrows(INTEGRATION)
    assert "hub.hub" in arrows[""]
    assert "hub.local" in arrows["hub.hub"]
    assert "hub.runtime_data" in arrows["entity"]
    assert "broker" in arrows["hub.local"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("hub/a.py", "from ..sensor import x"),
        ("hub/a.py", "from .. import entity"),
        (
            "hub/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..sensor import x",
        ),
    ],
)
def test_a_hub_that_knows_a_door_is_found(tmp_path: Path, file: str, text: str) -> None:
    """What stands before the hub may know it, not the other way round."""
    for name, content in {
        "__init__.py": "from .hub.a import x",
        "const.py": "",
        "entity.py": "",
        "sensor.py": "from .entity import x\nfrom .hub import a",
        "hub/__init__.py": "",
        "hub/a.py": "from ..const import x\nfrom ..broker.core import y",
        "broker/__init__.py": "",
        "broker/core.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    assert all(one(tmp_path) == [] for one in INTEGRATION_CHECKS.values())
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert _doors(tmp_path) != []


def test_there_is_something_to_look_at() -> None:
    """All rooms are there, and the way from the top to the bottom is found."""
    arrows = _arrows(BROKER)
    assert {_room(name) for name in arrows} == set(FLOORS)
    assert "core.session" in arrows["core.broker"]
    assert "protocol.wire" in arrows["core.session"]
    assert "core.broker" in arrows["server.connection"]
    assert "core.limits" in arrows["__main__"]


@pytest.mark.parametrize(
    ("check", "file", "text"),
    [
        ("arrows go down only", "protocol/a.py", "from ..core import b"),
        ("arrows go down only", "core/a.py", "from ..server.c import x"),
        ("arrows go down only", "server/a.py", "from .. import __main__"),
        ("arrows go down only", "client/a.py", "from ..server import c"),
        (
            "arrows go down only",
            "core/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..server.c import x",
        ),
        ("no circle", "core/a.py", "from . import b"),
        ("no circle", "core/a.py", "def late():\n    from .b import x"),
        ("no system in protocol and core", "core/a.py", "import asyncio.events"),
        ("no system in protocol and core", "protocol/a.py", "from os import path"),
        ("the standard library only", "server/a.py", "import aiohttp"),
        ("no file over 450 lines", "core/a.py", "x = 1\n" * 451),
        ("no two modules of the same name", "server/b.py", "x = 1"),
    ],
)
def test_what_breaks_a_rule_is_found(
    tmp_path: Path, check: str, file: str, text: str
) -> None:
    """Each rule finds what breaks it, in a small broker that is right but for that."""
    for name, content in {
        "__init__.py": "from .core.b import x",
        "__main__.py": "from . import x",
        "protocol/__init__.py": "",
        "protocol/z.py": "import re",
        "core/__init__.py": "",
        "core/a.py": "x = 1",
        "core/b.py": "from ..protocol import z\nfrom .a import x",
        "server/__init__.py": "",
        "server/c.py": "import asyncio\nfrom ..core.b import x",
        "client/__init__.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    assert all(one(tmp_path) == [] for one in CHECKS.values())
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert CHECKS[check](tmp_path) != []
