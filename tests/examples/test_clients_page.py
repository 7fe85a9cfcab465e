"""docs/clients.md: what it shows works as it stands there, with a real broker."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.broker.client import Client
from tests.broker.encryption import key_of, key_options
from tests.broker.process import PATIENCE, ROOT, BrokerProcess
from tests.broker.reference import VECTORS

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CONVERSATIONS = [text for language, text in BLOCKS if not language]
SHELL = [text for language, text in BLOCKS if language == "sh"]
PYTHON = [text for language, text in BLOCKS if language == "python"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z|(?<=AGE=)\d+")
ID = "START | COMMAND=ID | ID=garden | END\n"
CLOSE = "START | COMMAND=CLOSE | END\n"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A broker that knows the page's device."""
    broker = BrokerProcess(tmp_path / "data", "--allow", "garden")
    yield broker
    broker.check()
    assert broker.stop() == 0


@pytest.fixture
def strict_broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """The same, where the device has a key."""
    broker = BrokerProcess(tmp_path / "data", *key_options("garden"))
    yield broker
    broker.check()
    assert broker.stop() == 0


def _here(text: str, broker: BrokerProcess) -> str:
    """Return code of the page for this broker and this key."""
    host, port = broker.address
    key = b64encode(key_of("garden")).decode("ascii")
    return (
        text.replace("homeassistant.local", host)
        .replace("7883", str(port))
        .replace("the key in base64", key)
    )


def _receive(client: Client) -> str:
    received = client.receive_line()
    assert received is not None
    return TIME.sub("…", received.decode("ascii").rstrip("\n"))


@pytest.mark.parametrize("text", CONVERSATIONS, ids=range(len(CONVERSATIONS)))
def test_conversation(text: str, broker: BrokerProcess) -> None:
    """The broker answers what the page says, but for times."""
    with Client(broker.address) as client:
        for turn in text.removeprefix("> ").split("\n> "):
            said, *answers = turn.splitlines()
            client.send_bytes(f"{said}\n".encode("ascii"))
            # A delivery may stand before the answer or after it.
            told = sorted(_receive(client) for _ in answers)
            assert told == sorted(TIME.sub("…", line) for line in answers)
        assert client.fence() == []


def test_there_are_conversations() -> None:
    """The page has what is tested here."""
    assert (len(CONVERSATIONS), len(SHELL), len(PYTHON)) == (4, 2, 2)


def _run(*command: str, says: str = "") -> str:
    return subprocess.run(
        command,
        input=says,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


def test_shell(broker: BrokerProcess) -> None:
    """The smallest client of all is let in."""
    told = _run("bash", "-c", _here(SHELL[0], broker))
    assert told.startswith("START | COMMAND=OK | KEEPALIVE=30 | TIME=")


def test_openssl(strict_broker: BrokerProcess) -> None:
    """A key in base64 becomes one that openssl takes, and it is the right one."""
    told = _run("bash", "-c", _here(SHELL[1], strict_broker), says=ID + CLOSE)
    assert told.startswith("START | COMMAND=OK | KEEPALIVE=30 | TIME=")


def test_python_with_a_key(strict_broker: BrokerProcess) -> None:
    """Python's own TLS does the same."""
    told = _run(sys.executable, "-c", _here(PYTHON[1], strict_broker))
    assert told.startswith("START | COMMAND=OK | KEEPALIVE=30 | TIME=")


def _escaping() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(PYTHON[0], "docs/clients.md", "exec"), names)  # noqa: S102 (our own page)
    return names


@pytest.mark.parametrize("case", VECTORS["encode_value"], ids=lambda case: case["raw"])
def test_escape(case: dict[str, str]) -> None:
    """What is written is read as the same text by every implementation."""
    escaped = _escaping()["escape"](case["text"])
    assert _escaping()["unescape"](escaped) == case["text"]
    assert escaped.isascii()
    assert "|" not in escaped
    assert escaped == escaped.strip()


@pytest.mark.parametrize("case", VECTORS["decode_value"], ids=lambda case: case["raw"])
def test_unescape(case: dict[str, str]) -> None:
    """Values of every implementation are read."""
    assert _escaping()["unescape"](case["raw"]) == case["text"]


def test_what_it_names_is_there() -> None:
    """Each file and each section that the page links to exists."""
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
