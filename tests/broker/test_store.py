"""Section A6: one text file for each variable, what is in it, and how it is read."""

from collections.abc import Callable
from functools import partial
import json
import os
from pathlib import Path
import re
import stat
import threading

import pytest

from custom_components.textmq.broker import Store, Variable, wire
from custom_components.textmq.broker.server.file_format import Snapshot
from custom_components.textmq.broker.server.folder import Content, Outcome

from .client import Client, Message, line, message
from .conftest import Connect, StartBroker
from .process import BrokerProcess, wait_for

AT_STOP = ("--access", "open", "--save-interval", "3600")
OFTEN = ("--access", "open", "--save-interval", "0.1")
FLOODED = 20
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
_FILE = re.compile(
    r"START \| COMMAND=PUB \| VARIABLE=(?P<variable>[^|]+) \| VALUE=(?P<value>[^|]*?) \| "
    r"TIME=(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) \| DEVICE=(?P<device>[^|]*?) \| END\n"
    r"(?:START \| COMMAND=DEF \| VARIABLE=(?P=variable) \| TYPE=[^\n]* \| END\n)?"
)


def _paths(data: Path) -> list[Path]:
    """Return what is in a folder, but for the time of the last save."""
    return sorted(path for path in data.iterdir() if path.name != "saved")


def _names(data: Path) -> list[str]:
    return [path.name for path in _paths(data)]


def test_content_name_and_mode(start_broker: StartBroker, connect: Connect) -> None:
    """The file holds the last publish as a message with its time and sender, for its owner only."""
    broker = start_broker(*OFTEN)
    device = connect(broker, "node1")
    device.ok("PUB", VARIABLE="kitchen/temperature", VALUE="20")
    device.ok("PUB", VARIABLE="kitchen/temperature", VALUE="21.5 \\u00b0C")
    stored = device.get("kitchen/temperature")
    assert stored is not None
    path = broker.data / "kitchen%2Ftemperature.txt"
    expected = (
        "START | COMMAND=PUB | VARIABLE=kitchen/temperature | VALUE=21.5 \\u00b0C"
        f" | TIME={stored['TIME']} | DEVICE=node1 | END\n"
    )
    wait_for(lambda: path.exists() and path.read_text() == expected, "the file")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(broker.data.stat().st_mode) & 0o022 == 0


def test_publisher_without_id(start_broker: StartBroker, connect: Connect) -> None:
    """A publisher without an ID is an empty DEVICE."""
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("PUB", VARIABLE="x", VALUE="")
    broker.stop(client)
    found = _FILE.fullmatch((broker.data / "x.txt").read_text())
    assert found is not None
    assert (found["device"], found["value"]) == ("", "")


def test_restart_keeps_values_and_times(
    start_broker: StartBroker, connect: Connect
) -> None:
    """After a restart every value is there with the time at which it was published."""
    broker = start_broker(*AT_STOP)
    client = connect(broker, "node1")
    values = {"a": "1", "a/b": "two words", "c": "\\u007c\\n", "d": "", "e": "x" * 3900}
    for variable, value in values.items():
        client.ok("PUB", VARIABLE=variable, VALUE=value)
    client.ok("GET", VARIABLE="#")
    before = sorted(client.fence(), key=lambda received: received["VARIABLE"])
    assert broker.stop(client) == 0
    client = connect(start_broker(*AT_STOP))
    client.ok("SUB", VARIABLE="#")
    after = sorted(client.fence(), key=lambda received: received["VARIABLE"])
    assert after == before
    assert {received["VARIABLE"]: received["VALUE"] for received in after} == values


def test_a_second_restart_changes_no_file(
    start_broker: StartBroker, connect: Connect
) -> None:
    """What was only loaded is not written again; the sender is kept."""
    broker = start_broker(*AT_STOP)
    client = connect(broker, "node1")
    client.ok("PUB", VARIABLE="a", VALUE="1")
    broker.stop(client)
    path = broker.data / "a.txt"
    before = path.read_text(), path.stat().st_ino, path.stat().st_mtime_ns
    for _ in range(2):
        again = start_broker(*AT_STOP)
        client = connect(again)
        assert client.get("a") is not None
        again.stop(client)
    assert (path.read_text(), path.stat().st_ino, path.stat().st_mtime_ns) == before


def test_the_longest_values(start_broker: StartBroker, connect: Connect) -> None:
    """A value from a line at the limit comes back whole, though its file holds a longer one."""
    broker = start_broker(*AT_STOP)
    frame = len("START|COMMAND=PUB|VARIABLE=v|VALUE=|END")
    value = "w" * (4096 - frame)
    client = connect(broker, "x" * 64)
    client.send_bytes(f"START|COMMAND=PUB|VARIABLE=v|VALUE={value}|END\n".encode())
    assert client.answer() == Message("OK")
    broker.stop(client)
    stored = connect(start_broker(*AT_STOP)).get("v")
    assert stored is not None
    assert stored["VALUE"] == value


def test_definition_is_the_second_line(
    start_broker: StartBroker, connect: Connect
) -> None:
    """A description is stored beside the value and served after a restart."""
    broker = start_broker(*AT_STOP)
    client = connect(broker, "node1")
    client.ok("PUB", VARIABLE="v", VALUE="21.5")
    client.ok("DEF", VARIABLE="v", TYPE="sensor", UNIT="\\u00b0C", CLASS="temperature")
    broker.stop(client)
    first, second = (broker.data / "v.txt").read_text().splitlines()
    assert first.startswith("START | COMMAND=PUB | VARIABLE=v | VALUE=21.5 | TIME=")
    definition = "TYPE=sensor | UNIT=\\u00b0C | CLASS=temperature"
    assert second == f"START | COMMAND=DEF | VARIABLE=v | {definition} | END"
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.send("SUB", VARIABLE="v", DEF="YES")
    client.expect("OK")
    client.expect(
        "DEF", VARIABLE="v", TYPE="sensor", UNIT="\\u00b0C", CLASS="temperature"
    )
    client.expect("SUB", VARIABLE="v", VALUE="21.5", TIME=...)
    client.ok("DEF", VARIABLE="v")
    broker.stop(client)
    assert len((broker.data / "v.txt").read_text().splitlines()) == 1


def test_delete_removes_the_file_at_once(
    start_broker: StartBroker, connect: Connect
) -> None:
    """DEL does not wait for the save interval, and the value does not come back."""
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="1")
    broker.stop(client)
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("DEL", VARIABLE="a")
    wait_for(lambda: not (broker.data / "a.txt").exists(), "the file to go")
    broker.stop(client)
    assert broker.files() == {}
    assert connect(start_broker(*AT_STOP)).get("a") is None


def test_delete_and_publish_again(start_broker: StartBroker, connect: Connect) -> None:
    """However writing and deleting cross, the last word is what stays."""
    broker = start_broker(*OFTEN)
    client = connect(broker)
    for i in range(200):
        client.send("PUB", VARIABLE="a", VALUE=i)
        client.send("DEL", VARIABLE="a")
        client.send("PUB", VARIABLE="b", VALUE=i)
        client.send("DEL", VARIABLE="b")
        client.send("PUB", VARIABLE="b", VALUE=i)
    assert {answered.command for answered in client.answers(1000)} == {"OK"}
    broker.stop(client)
    assert list(broker.files()) == ["b.txt"]
    assert "VALUE=199 |" in broker.files()["b.txt"]


def test_retain_no_is_not_stored(start_broker: StartBroker, connect: Connect) -> None:
    """What is not a stored value makes no file, a will with RETAIN=NO neither."""
    broker = start_broker(*AT_STOP)
    watcher = connect(broker)
    watcher.ok("SUB", VARIABLE="#")
    device = connect(broker, "node1")
    device.ok("PUB", VARIABLE="a", VALUE="1", RETAIN="NO")
    device.ok("WILL", VARIABLE="b", VALUE="1", RETAIN="NO")
    device.reset()
    watcher.expect("SUB", VARIABLE="a", VALUE="1")
    watcher.expect("SUB", VARIABLE="b", VALUE="1")
    broker.stop(watcher)
    assert broker.files() == {}


def test_a_burst_is_written_once(start_broker: StartBroker, connect: Connect) -> None:
    """Publishing costs no disk write; the last value is written at the stop."""
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    for i in range(2000):
        client.send("PUB", VARIABLE="a", VALUE=i)
    client.answers(2000)
    assert _names(broker.data) == []
    broker.stop(client)
    assert list(broker.files()) == ["a.txt"]
    assert "VALUE=1999 |" in broker.files()["a.txt"]


def test_only_what_changed_is_written(
    start_broker: StartBroker, connect: Connect
) -> None:
    """Saving one variable does not touch the files of the others."""
    broker = start_broker(*OFTEN)
    client = connect(broker)
    client.ok("PUB", VARIABLE="still", VALUE="1")
    still, busy = broker.data / "still.txt", broker.data / "busy.txt"
    wait_for(still.exists, "the first file")
    before = still.stat().st_ino, still.stat().st_mtime_ns
    for i in range(3):
        client.ok("PUB", VARIABLE="busy", VALUE=i)
        written = f"VALUE={i} |"
        wait_for(partial(_holds, busy, written), "the other file")
    assert (still.stat().st_ino, still.stat().st_mtime_ns) == before


def _holds(path: Path, text: str) -> bool:
    return path.exists() and text in path.read_text()


def _saved_anew(broker: BrokerProcess, former: dict[str, str]) -> bool:
    files = broker.files()
    return len(files) == FLOODED and files != former


def _flood(client: Client, stop: threading.Event) -> None:
    """Publish ever-changing values until told to stop or cut off."""
    number = 0
    while not stop.is_set():
        number += 1
        lines = [
            line("PUB", VARIABLE=f"v/{i}", VALUE=f"{number:06}" * 400, ACK="NO")
            for i in range(FLOODED)
        ]
        try:
            client.send_bytes(b"".join(lines) + line("HELLO?"))
            client.answer()
        except OSError, AssertionError:
            return


def test_kill_leaves_whole_files(start_broker: StartBroker, connect: Connect) -> None:
    """Cut off in the middle of saving, the broker leaves each file whole, old or new."""
    for _ in range(4):
        broker = start_broker(
            "--access", "open", "--save-interval", "0.01", "--no-limits"
        )
        assert ".bad" not in broker.text
        client = connect(broker)
        client.ok("GET", VARIABLE="#")
        stop = threading.Event()
        writer = threading.Thread(target=_flood, args=(connect(broker), stop))
        writer.start()
        try:
            former = broker.files()
            wait_for(partial(_saved_anew, broker, former), "saving")
        finally:
            broker.kill()
            stop.set()
            writer.join()
        files = broker.files()
        assert len(files) == FLOODED
        for content in files.values():
            found = _FILE.fullmatch(content)
            assert found is not None, content
            assert found["value"] == found["value"][:6] * 400
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("GET", VARIABLE="v/+")
    assert len(client.fence()) == FLOODED
    broker.stop(client)
    assert all(path.suffix == ".txt" for path in _paths(broker.data))


# Files that are not as they should be

WHOLE = (
    "START | COMMAND=PUB | VARIABLE=good | VALUE=1 | TIME=2026-11-22T19:50:00.123Z"
    " | DEVICE=node1 | END\n"
)


def _folder_instead(path: Path) -> None:
    path.mkdir()


def _broken_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _text(content: str | bytes) -> Callable[[Path], object]:
    data = content.encode("latin-1") if isinstance(content, str) else content
    return lambda path: path.write_bytes(data)


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": _text(""),
    "torn": _text(WHOLE.replace("good", "broken")[:-6]),
    "torn early": _text("STA"),
    "foreign": _text("Dear diary,\nthe broker is nice.\n"),
    "binary": _text(bytes(range(256))),
    "zeros": _text(b"\0" * 4096),
    "other command": _text("START | COMMAND=DEL | VARIABLE=broken | END\n"),
    "no time": _text("START | COMMAND=PUB | VARIABLE=broken | VALUE=1 | END\n"),
    "bad time": _text(
        WHOLE.replace("good", "broken").replace("2026-11-22T", "yesterday ")
    ),
    "time before all time": _text(
        WHOLE.replace("good", "broken").replace(
            "2026-11-22T19:50:00.123Z", "0001-01-01T00:00:00+14:00"
        )
    ),
    "time after all time": _text(
        WHOLE.replace("good", "broken").replace(
            "2026-11-22T19:50:00.123Z", "9999-12-31T23:59:59-14:00"
        )
    ),
    "zeros inside": _text(
        WHOLE.replace("good", "broken").replace("VALUE=1", "VALUE=\0\0\0\0")
    ),
    "bad name": _text(WHOLE.replace("good", "bro//ken")),
    "own name": _text(WHOLE.replace("good", "$SYS/clients")),
    "huge": _text(b"x" * 20_000_000),
    "link to nowhere": _broken_link,
    "folder": _folder_instead,
    "pipe": os.mkfifo,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_kept_aside(
    start_broker: StartBroker, connect: Connect, tmp_path: Path, kind: str
) -> None:
    """What is no whole file of a variable is renamed, reported once, and stops nothing."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "good.txt").write_text(WHOLE)
    BROKEN[kind](data / "broken.txt")
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("GET", VARIABLE="#")
    time = "2026-11-22T19:50:00.123Z"
    assert client.fence() == [message("SUB", VARIABLE="good", VALUE="1", TIME=time)]
    assert sum("broken.txt" in text for text in broker.log) == 1
    assert not (data / "broken.txt").exists()
    assert "broken.txt.bad" in [path.name for path in data.iterdir()]
    client.ok("PUB", VARIABLE="broken", VALUE="mended")
    broker.stop(client)
    assert "VALUE=mended |" in (data / "broken.txt").read_text()
    broker = start_broker(*AT_STOP)
    assert connect(broker).get("broken") is not None
    assert "broken" not in broker.text


@pytest.mark.parametrize(
    "second",
    [
        "START | COMMAND=DEF | VARIABLE=good | TYPE=sen",
        "START | COMMAND=DEF | VARIABLE=good | TYPE=select | END\n",
        "START | COMMAND=DEF | VARIABLE=other | TYPE=sensor | END\n",
        "START | COMMAND=DEF | VARIABLE=good | TYPE=sensor | CLASS=bananas | END\n",
        "START | COMMAND=DEF | VARIABLE=good | TYPE=number | MIN=2 | MAX=1 | END\n",
    ],
)
def test_a_bad_description_keeps_the_value(
    start_broker: StartBroker, connect: Connect, tmp_path: Path, second: str
) -> None:
    """A description that is torn, or not right any more, does not take the value with it."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "good.txt").write_text(WHOLE + second)
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    stored = client.get("good")
    assert stored is not None
    client.ok("PUB", VARIABLE="good", VALUE="2")
    broker.stop(client)
    assert len((data / "good.txt").read_text().splitlines()) == 1


SET = "START | COMMAND=DEFS | TOKEN=abc | COUNT=2 | RULES=0123 | END\n"


@pytest.mark.parametrize("value", [WHOLE, ""], ids=["value", "no value"])
@pytest.mark.parametrize(
    ("third", "belongs"),
    [
        (SET, True),
        (SET.replace(" | ", "|").lower().replace("abc", "abc") + "\0\0", True),
        (SET[:-7], False),
        (SET[:12], False),
        (SET.replace("DEFS", "SET"), False),
        (SET.replace("TOKEN", "TOK"), False),
        (SET.replace("abc", ""), False),
        (SET.replace("abc", "x" * 33), False),
        (SET.replace("COUNT=2", "COUNT=0"), False),
        (SET.replace("COUNT=2", "COUNT=-2"), False),
        (SET.replace("COUNT=2", "COUNT=" + "9" * 5000), False),
        (SET.replace(" | COUNT=2", ""), False),
        (SET.replace("0123", ""), False),
        (SET + "torn", False),
        (SET + SET, False),
        ("", False),
    ],
)
def test_the_set_of_a_description(
    tmp_path: Path, value: str, third: str, belongs: bool
) -> None:
    """Where its line is not as it should be, value and description stay, and belong to no set."""
    described = "START | COMMAND=DEF | VARIABLE=good | TYPE=sensor | DEVICE=n | END\n"
    (tmp_path / "good.txt").write_text(value + described + third)
    (one,) = _loaded(tmp_path)
    assert one["value"] == ("1" if value else None)
    assert one["definition"] == {"TYPE": "sensor"}
    assert one["described_by"] == "n"
    assert one["set"] == (["abc", 2, "0123"] if belongs else ["", 0, ""])


@pytest.mark.parametrize("value", [WHOLE, ""], ids=["a value", "no value"])
def test_a_secret_that_names_its_commands(tmp_path: Path, value: str) -> None:
    """It stays a secret over a restart."""
    described = "START | COMMAND=DEF | VARIABLE=good | TYPE=lock | SET=good/set | CODE=TEXT | DEVICE=n | END\n"
    (tmp_path / "good.txt").write_text(value + described)
    (one,) = _loaded(tmp_path)
    assert one["definition"] == {"TYPE": "lock", "SET": "good/set", "CODE": "TEXT"}


@pytest.mark.parametrize(
    "second", ["", "START | COMMAND=DEF | VARIABLE=good | TYPE=sen\n"]
)
def test_no_set_without_a_description(tmp_path: Path, second: str) -> None:
    """A set is never whole by a line that stands alone, or behind a torn description."""
    (tmp_path / "good.txt").write_text(WHOLE + second + SET)
    (one,) = _loaded(tmp_path)
    assert one["definition"] is None
    assert one["set"] == ["", 0, ""]


@pytest.mark.parametrize(
    ("publisher", "owner", "describer", "account", "described_by"),
    [
        ("a", None, None, "a", "a"),
        ("a", "b", None, "b", "b"),
        ("a", "b", "c", "b", "c"),
        ("a", "b", "", "a", ""),
        ("a", "b", "homeassistant", "a", "homeassistant"),
        ("", "b", "", "b", ""),
        ("homeassistant", "b", "", "b", ""),
        ("", None, "c", "", "c"),
        ("a", "b", "no/id", "a", ""),
    ],
)
def test_whose_a_variable_is(
    tmp_path: Path,
    publisher: str,
    owner: str | None,
    describer: str | None,
    account: str,
    described_by: str,
) -> None:
    """Who described it is its owner where the file says nothing else; else who published it."""
    content = WHOLE.replace("node1", publisher)
    if owner is not None:
        content = content.replace(" | END", f" | OWNER={owner} | END")
    by = "" if describer is None else f" | DEVICE={describer}"
    content += f"START | COMMAND=DEF | VARIABLE=good | TYPE=sensor{by} | END\n"
    (tmp_path / "good.txt").write_text(content)
    (one,) = _loaded(tmp_path)
    assert (one["account"], one["described_by"]) == (account, described_by)
    assert "DEVICE" not in str(one["definition"])


def test_a_will_is_marked_over_a_restart(
    start_broker: StartBroker, connect: Connect
) -> None:
    """Until the next publish, of the same value too."""
    broker = start_broker(*AT_STOP)
    client, device = connect(broker), connect(broker, "node1")
    client.ok("SUB", VARIABLE="a")
    device.ok("WILL", VARIABLE="a", VALUE="lost")
    device.reset()
    client.expect("SUB", VARIABLE="a", VALUE="lost")
    broker.stop(client)
    assert "WILL=YES" in broker.files()["a.txt"]
    broker = start_broker(*AT_STOP)
    client = connect(broker, "node1")
    client.ok("GET", VARIABLE="a", FULL="YES")
    (received,) = client.fence()
    assert (received["WILL"], received["DEVICE"]) == ("YES", "node1")
    client.ok("PUB", VARIABLE="a", VALUE="lost")
    broker.stop(client)
    assert "WILL" not in broker.files()["a.txt"]


def test_a_description_without_a_value(
    start_broker: StartBroker, connect: Connect
) -> None:
    """A variable that was only described is described after a restart, and still has no value."""
    broker = start_broker(*AT_STOP)
    client = connect(broker, "node1")
    client.ok("DEF", VARIABLE="v", TYPE="switch", NAME="Pump")
    broker.stop(client)
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("SUB", VARIABLE="v", DEF="YES")
    assert client.fence() == [message("DEF", VARIABLE="v", TYPE="switch", NAME="Pump")]
    assert client.get("v") is None


def test_other_files_are_left_alone(
    start_broker: StartBroker, connect: Connect, tmp_path: Path
) -> None:
    """The broker touches nothing in its folder that is no `.txt`."""
    data = tmp_path / "data"
    (data / "folder").mkdir(parents=True)
    (data / "README.md").write_text("mine")
    (data / "old.txt.bad").write_text("kept")
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="1")
    broker.stop(client)
    assert _names(data) == [
        "README.md",
        "a.txt",
        "folder",
        "old.txt.bad",
    ]


HARD_NAMES = [
    ".",
    "..",
    "../x",
    "../../etc/passwd",
    "a/../b",
    "~",
    "a b",
    "a%2Fb",
    "a/b",
    "%",
    "con",
    "CON",
    "nul",
    "com1",
    "lpt9",
    "con.x",
    "aux/x",
    "x.",
    ".hidden",
    "x.txt",
    "Kitchen",
    "kitchen",
    "KITCHEN",
    'a"b',
    "a:b",
    "a*b",
    "a?b",
    "a<b>c",
    "a;rm -rf .",
    "x" * 255,
    "X" * 255,
    "x" * 254 + "y",
    "/".join("ab" * 8),
    "/".join(["ab" * 7] * 16),
    " ".join("x" * 120),
]
_RESERVED_ON_WINDOWS = {"con", "prn", "aux", "nul"} | {
    f"{port}{i}" for port in ("com", "lpt") for i in range(10)
}


def test_hard_names(start_broker: StartBroker, connect: Connect) -> None:
    """Each name has a file of its own, safe on every file system, inside the folder."""
    broker = start_broker(*AT_STOP)
    beside = set(broker.data.parent.iterdir())
    client = connect(broker)
    for number, variable in enumerate(HARD_NAMES):
        client.ok("PUB", VARIABLE=variable, VALUE=number)
    broker.stop(client)
    assert set(broker.data.parent.iterdir()) == beside
    files = broker.files()
    assert len(files) == len(_names(broker.data)) == len(HARD_NAMES)
    assert len({file.lower() for file in files}) == len(HARD_NAMES)
    for file, content in files.items():
        assert re.fullmatch(r"[A-Za-z0-9%._ ~=,;@!'()&^$\[\]{}`-]+\.txt", file), file
        assert len(file + ".2.bad") < 140
        assert not file.startswith(".")
        assert file.split(".")[0].lower() not in _RESERVED_ON_WINDOWS
        assert _FILE.fullmatch(content), content
    client = connect(start_broker(*AT_STOP))
    for number, variable in enumerate(HARD_NAMES):
        stored = client.get(variable)
        assert stored is not None, variable
        assert stored["VALUE"] == str(number)
        client.ok("DEL", VARIABLE=variable)


def test_five_thousand_variables(start_broker: StartBroker, connect: Connect) -> None:
    """A full broker comes back complete."""
    broker = start_broker(*AT_STOP)
    clients = [connect(broker, f"node{part}") for part in range(5)]
    for part, client in enumerate(clients):
        for i in range(1000):
            client.send("PUB", VARIABLE=f"p{part}/v{i}", VALUE=i, ACK="NO")
        assert client.fence() == []
    broker.stop(*clients)
    assert len(broker.files()) == 5000
    client = connect(start_broker(*AT_STOP))
    client.ok("GET", VARIABLE="#")
    assert len(client.deliveries) == 5000


def test_a_folder_that_can_not_be_written(
    start_broker: StartBroker, tmp_path: Path
) -> None:
    """Where the data folder can't be used the broker says so and does not start."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RuntimeError) as caught:
        BrokerProcess(tmp_path / "file" / "data")
    assert "file" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_writing_fails_for_a_while(start_broker: StartBroker, connect: Connect) -> None:
    """Where a file can't be written the broker says so, goes on, and writes it later."""
    broker = start_broker(*OFTEN)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="1")
    path = broker.data / "a.txt"
    wait_for(path.exists, "the file")
    away = broker.data.with_name("away")
    broker.data.rename(away)
    broker.data.write_text("in the way")
    lines = len(broker.log)
    client.ok("PUB", VARIABLE="a", VALUE="2")
    wait_for(lambda: len(broker.log) > lines, "a word about it")
    broker.data.unlink()
    away.rename(broker.data)
    client.ok("PUB", VARIABLE="b", VALUE="3")
    wait_for(partial(_holds, path, "VALUE=2 |"), "the file to be written after all")
    assert len(broker.log) < lines + 10


# Files as others have written them


def _shown(variable: Variable) -> dict[str, object]:
    definition, value = variable.definition, variable.value
    return {
        "name": variable.name,
        "value": value,
        "time": None if value is None else wire.encode_time(variable.time),
        "device": variable.device,
        "account": variable.account,
        "will": variable.will,
        "definition": None if definition is None else dict(definition.params),
        "described_by": variable.described_by,
        "set": [variable.set_token, variable.set_count, variable.set_rules],
    }


def _loaded(data: Path) -> list[dict[str, object]]:
    variables = sorted(Store(data).load().variables, key=lambda variable: variable.name)
    return [_shown(variable) for variable in variables]


def shown(data: Path) -> dict[str, object]:
    """Return all that is on file, as the samples have it."""
    found = Store(data).load()
    plain = {
        "devices": sorted(found.devices),
        "messages": found.messages,
        "clock": found.clock,
    }
    others: dict[str, object] = json.loads(json.dumps(plain))
    return {"variables": _loaded(data)} | others


def _put(data: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(content)


def _is_secret(one: dict[str, dict[str, str] | None]) -> bool:
    return (one["definition"] or {}).get("MODE") == "password"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_samples_of_every_format(
    start_broker: StartBroker, connect: Connect, tmp_path: Path, sample: Path
) -> None:
    """What any version has written is read, and has the names of now after the next save."""
    found = json.loads(sample.read_text())
    data = tmp_path / "data"
    _put(data, found.pop("files"))
    assert shown(data) == found
    broker = start_broker(*AT_STOP)
    assert "WARNING" not in broker.text
    client = connect(broker)
    client.ok("GET", VARIABLE="#")
    assert {received["VARIABLE"]: received["VALUE"] for received in client.fence()} == {
        one["name"]: one["value"]
        for one in found["variables"]
        if one["value"] is not None and not _is_secret(one)
    }
    broker.stop(client)
    assert len(broker.files()) == len(found["variables"])
    assert max(map(len, _names(data))) < 130
    # What an earlier version stored of a password has gone.
    gone: dict[str, object] = {"value": None, "time": None, "device": ""}
    assert _loaded(data) == [
        one | gone if _is_secret(one) else one for one in found["variables"]
    ]


def test_what_is_read_is_written_as_it_was(tmp_path: Path) -> None:
    """The latest sample is in the strict form: the same bytes, mode and folders come back."""
    files = json.loads(SAMPLES[-1].read_text())["files"]
    _put(tmp_path / "read", files)
    found = Store(tmp_path / "read").load()
    assert found.clock is not None
    contents: dict[str, Content | None] = {
        one.name: Snapshot.take(one) for one in found.variables
    }
    contents |= {one.name: one for one in found.devices}
    contents |= {one.name: one for one in found.messages}
    contents[found.clock.name] = found.clock
    outcome = Store(tmp_path / "written").save(contents)
    assert outcome == Outcome()
    written = [path for path in (tmp_path / "written").rglob("*") if path.is_file()]
    assert {
        str(path.relative_to(tmp_path / "written")): path.read_text()
        for path in written
    } == files
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    for folder in ("", "devices", "messages"):
        path = tmp_path / "written" / folder
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_file_names_of_now_are_among_the_samples(
    start_broker: StartBroker, connect: Connect
) -> None:
    """A change of the rule for names needs a new sample: the latest one has the names of now."""
    found = json.loads(SAMPLES[-1].read_text())
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    for one in found["variables"]:
        if one["name"].count("/") < 16:
            client.ok("PUB", VARIABLE=one["name"], VALUE="1")
    broker.stop(client)
    assert broker.files().keys() <= found["files"].keys()


DESCRIBED = (
    WHOLE + "START | COMMAND=DEF | VARIABLE=good | TYPE=sensor | NAME=Good one | END\n"
)
FORMS: dict[str, bytes] = {
    "CR LF": DESCRIBED.replace("\n", "\r\n").encode(),
    "CR alone": DESCRIBED.replace("\n", "\r").encode(),
    "byte order mark": b"\xef\xbb\xbf" + DESCRIBED.encode(),
    "compact": DESCRIBED.replace(" | ", "|").encode(),
    "lower case": re.sub(
        r"(?:START|COMMAND|PUB|DEF|[A-Z]+(?==)|END)",
        lambda found: found.group().lower(),
        DESCRIBED,
    ).encode(),
    "no line feed at the end": DESCRIBED.rstrip("\n").encode(),
    "blank lines": ("\n \n" + DESCRIBED.replace("\n", "\n\n\t\n")).encode(),
    "zeros behind": DESCRIBED.encode() + b"\0" * 2000,
    "zeros around": b"\0" + DESCRIBED.encode().replace(b"\n", b"\0\n\0"),
    "blanks": DESCRIBED.replace(" | ", "  \t|   ").encode(),
    "one line": DESCRIBED.replace("\n", " ", 1).encode(),
    "another zone": DESCRIBED.replace(
        "2026-11-22T19:50:00.123Z", "2026-11-22T20:50:00.123+01:00"
    ).encode(),
    "more than is known": DESCRIBED.replace(
        " | DEVICE=node1", " | DEVICE=node1 | WILL=YES | COLOUR=blue"
    ).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_files_are_read_as_leniently_as_lines(
    start_broker: StartBroker, connect: Connect, tmp_path: Path, form: str
) -> None:
    """A file that was edited or copied somehow is read, and written in the strict form."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "good.txt").write_bytes(FORMS[form])
    (shown,) = _loaded(data)
    assert shown == {
        "name": "good",
        "value": "1",
        "time": "2026-11-22T19:50:00.123Z",
        "device": "node1",
        "account": "node1",
        "will": form == "more than is known",
        "definition": {"TYPE": "sensor", "NAME": "Good one"},
        "described_by": "node1",
        "set": ["", 0, ""],
    }
    broker = start_broker(*AT_STOP)
    assert "WARNING" not in broker.text
    client = connect(broker, "node1")
    client.ok("PUB", VARIABLE="good", VALUE="2")
    stored = client.get("good")
    assert stored is not None
    broker.stop(client)
    written = WHOLE.replace("VALUE=1", "VALUE=2").replace(
        "2026-11-22T19:50:00.123Z", stored["TIME"]
    )
    assert (data / "good.txt").read_text() == DESCRIBED.replace(WHOLE, written)


def test_a_publisher_that_can_not_be(tmp_path: Path) -> None:
    """A value is not lost for a DEVICE that is missing, or that no device can have."""
    for number, device in enumerate(["", " | DEVICE=a/b", " | DEVICE=" + "x" * 65]):
        content = WHOLE.replace("good", f"v{number}").replace(" | DEVICE=node1", device)
        (tmp_path / f"v{number}.txt").write_text(content)
    assert [(one["value"], one["device"]) for one in _loaded(tmp_path)] == [
        ("1", "")
    ] * 3


def _read_error(path: Path) -> None:
    """Put a file in place whose reading fails (EIO), and only that."""
    path.symlink_to("/proc/self/mem")


def test_a_read_error_passes(
    start_broker: StartBroker, connect: Connect, tmp_path: Path
) -> None:
    """What can't be read for now stays where it is, is told of once, and comes with a later start."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "good.txt").write_text(WHOLE)
    _read_error(data / "other.txt")
    broker = start_broker(*AT_STOP)
    assert sum("other.txt" in text for text in broker.log) == 1
    client = connect(broker)
    assert client.get("good") is not None
    assert client.get("other") is None
    client.bad("no-such-variable", "DEL", VARIABLE="other")
    broker.stop(client)
    assert _names(data) == ["good.txt", "other.txt"]
    assert (data / "other.txt").is_symlink()
    (data / "other.txt").unlink()
    (data / "other.txt").write_text(WHOLE.replace("good", "other"))
    assert connect(start_broker(*AT_STOP)).get("other") is not None


@pytest.mark.parametrize("variable", ["v", "v" * 150])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_new_value_wins_over_what_could_not_be_read(
    start_broker: StartBroker,
    connect: Connect,
    tmp_path: Path,
    variable: str,
    deleted: bool,
) -> None:
    """A value that is published meanwhile takes the place of an unread file, a DEL removes it."""
    data = tmp_path / "data"
    data.mkdir()
    _read_error(data / f"{variable}.txt")
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("PUB", VARIABLE=variable, VALUE="new")
    if deleted:
        client.ok("DEL", VARIABLE=variable)
    broker.stop(client)
    assert len(_names(data)) == (0 if deleted else 1)
    assert all("VALUE=new |" in content for content in broker.files().values())


def test_an_older_file_does_not_replace_one_that_could_not_be_read(
    start_broker: StartBroker, connect: Connect, tmp_path: Path
) -> None:
    """Where two files of a variable are there, and the one of now can't be read, both stay."""
    data = tmp_path / "data"
    data.mkdir()
    _read_error(data / "good.txt")
    (data / "good.txt.bad").write_text(WHOLE)
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    assert client.get("good") is not None
    client.ok("PUB", VARIABLE="other", VALUE="1")
    broker.stop(client)
    assert (data / "good.txt").is_symlink()
    assert (data / "good.txt.bad").read_text() == WHOLE
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("DEL", VARIABLE="good")
    broker.stop(client)
    assert _names(data) == ["other.txt"]


def test_too_long_for_the_limits_of_now(
    start_broker: StartBroker, connect: Connect, tmp_path: Path
) -> None:
    """What was accepted under a higher limit stays on file; it is not served, nor put aside."""
    data = tmp_path / "data"
    data.mkdir()
    frame = len("START|COMMAND=PUB|VARIABLE=good|VALUE=|END")
    fits = WHOLE.replace("VALUE=1", "VALUE=" + "x" * (4096 - frame))
    (data / "good.txt").write_text(fits)
    long = fits.replace("good", "long")
    (data / "long.txt").write_text(long.replace("VALUE=x", "VALUE=xx"))
    described = WHOLE.replace("good", "described") + (
        "START | COMMAND=DEF | VARIABLE=described | TYPE=sensor"
        f" | OPTIONS={','.join(map(str, range(1200)))} | END\n"
    )
    (data / "described.txt").write_text(described)
    before = {path.name: path.read_text() for path in data.iterdir()}
    broker = start_broker(*AT_STOP)
    assert sum("long.txt" in text for text in broker.log) == 1
    client = connect(broker)
    client.ok("GET", VARIABLE="#")
    assert [received["VARIABLE"] for received in client.fence()] == ["good"]
    broker.stop(client)
    assert broker.files() == before
    assert len(Store(data, max_line=65536).load().variables) == 3


@pytest.mark.parametrize(
    ("current", "earlier", "stays"), [(1, 2, 2), (2, 1, 2), (1, 1, 1), (None, 1, 1)]
)
def test_two_files_of_one_variable(
    start_broker: StartBroker,
    connect: Connect,
    tmp_path: Path,
    current: int | None,
    earlier: int,
    stays: int,
) -> None:
    """The newer TIME stays, under the name of now; the other file goes."""
    data = tmp_path / "data"
    variable = "v" * 150
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("PUB", VARIABLE=variable, VALUE="0")
    broker.stop(client)
    (path,) = _paths(data)

    def content(second: int) -> str:
        text = WHOLE.replace("good", variable).replace("VALUE=1", f"VALUE={second}")
        return text.replace("19:50:00", f"19:50:0{second}")

    path.unlink()
    if current is not None:
        path.write_text(content(current))
    (data / f"{variable}.txt").write_text(content(earlier))
    for _ in range(2):
        broker = start_broker(*AT_STOP)
        client = connect(broker)
        stored = client.get(variable)
        assert stored is not None
        assert stored["VALUE"] == str(stays)
        broker.stop(client)
        assert broker.files() == {path.name: content(stays)}


def test_what_an_earlier_version_put_aside_comes_back(
    start_broker: StartBroker, connect: Connect, tmp_path: Path
) -> None:
    """A whole file that an earlier version renamed, for its name or a passing error, is taken back."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "good.txt.bad").write_text(WHOLE)
    (data / "torn.txt.bad").write_text(WHOLE.replace("good", "torn")[:-9])
    (data / "copy.txt.bad").write_text(WHOLE)
    broker = start_broker(*AT_STOP)
    assert "WARNING" not in broker.text
    client = connect(broker)
    client.ok("GET", VARIABLE="#")
    assert [received["VARIABLE"] for received in client.fence()] == ["good"]
    broker.stop(client)
    assert _names(data) == [
        "copy.txt.bad",
        "good.txt",
        "torn.txt.bad",
    ]


def test_nothing_kept_aside_is_overwritten(
    start_broker: StartBroker, connect: Connect, tmp_path: Path
) -> None:
    """A second torn file of one variable has a place of its own."""
    data = tmp_path / "data"
    data.mkdir()
    for number in range(3):
        (data / "a.txt").write_text(f"torn {number}")
        broker = start_broker(*AT_STOP)
        broker.stop()
    assert sorted(path.read_text() for path in _paths(data)) == [
        "torn 0",
        "torn 1",
        "torn 2",
    ]


def test_own_names_are_not_restored(
    start_broker: StartBroker, connect: Connect, tmp_path: Path
) -> None:
    """A file can't give a value to a variable of the broker's own."""
    data = tmp_path / "data"
    data.mkdir()
    path = data / "%24%53%59%53%2Fclients.txt"
    path.write_text(WHOLE.replace("good", "$SYS/clients"))
    client = connect(start_broker(*AT_STOP))
    stored = client.get("$SYS/clients")
    assert stored is not None
    assert stored["VALUE"] == "1"
    assert not path.exists()
