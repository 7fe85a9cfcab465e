"""Every byte that a client gets is the one that an earlier version of the broker sent it, see recordings/."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .recording import Part, Recording, Stage, replay

FOLDER = Path(__file__).parent / "recordings"
PARTS = [
    pytest.param(part, id=f"{path.stem}: {part.title}")
    for path in sorted(FOLDER.glob("*.txt"))
    for part in Recording.read(path).parts
]

CHANGED = {
    "DETAIL=this client has made 2000 variables already": "DETAIL=2000 variables belong to this client already",
}
"""What the broker says otherwise on purpose since a recording was made: sentences for people."""


@pytest.fixture
def stage(part: Part, tmp_path: Path) -> Iterator[Stage]:
    """The broker that a part is played with."""
    stage = Stage(part, tmp_path / "data")
    yield stage
    stage.close()


@pytest.mark.parametrize("part", PARTS)
def test_recording(part: Part, stage: Stage) -> None:
    """A client that knows no more than it did then gets what it got then."""
    for scene in part.scenes:
        replay(stage, scene, CHANGED)


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem
)
def test_form(path: Path, tmp_path: Path) -> None:
    """Recordings are in the one form that the recorder writes."""
    Recording.read(path).write(tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_text() == path.read_text()


@pytest.mark.parametrize("text", CHANGED)
def test_what_has_changed_was_recorded(text: str) -> None:
    """The list of what has changed holds nothing that no recording has."""
    assert any(
        text in path.read_text(encoding="ascii") for path in FOLDER.glob("*.txt")
    )


def test_every_row_of_the_protocol_is_recorded() -> None:
    """Each command that a client sends, each that the broker sends, stands in a recording."""
    text = (FOLDER / "base.txt").read_text(encoding="ascii")
    for command in (
        "HELLO!",
        "SUB",
        "UNSUB",
        "UNSUBALL",
        "PUB",
        "DEL",
        "MSG",
        "ID",
        "CLOSE",
        "GET",
        "DEF",
        "WILL",
        "HELLO?",
    ):
        assert f" > START | COMMAND={command} |" in text, command
    for command in (
        "HELLO?",
        "OK",
        "BAD",
        "SUB",
        "MSG",
        "CLOSE",
        "DEL",
        "DEF",
        "HELLO!",
    ):
        assert f" < START | COMMAND={command} |" in text, command
