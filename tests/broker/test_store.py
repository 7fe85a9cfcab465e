"""Section A6: one text file for each variable."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
import re
import stat
import threading

import pytest

from .client import Client, Message, line, message
from .conftest import Connect, StartBroker
from .process import BrokerProcess, wait_for

AT_STOP = ("--access", "open", "--save-interval", "3600")
OFTEN = ("--access", "open", "--save-interval", "0.1")
FLOODED = 20
_FILE = re.compile(
    r"START \| COMMAND=PUB \| VARIABLE=(?P<variable>[^|]+) \| VALUE=(?P<value>[^|]*?) \| "
    r"TIME=(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) \| DEVICE=(?P<device>[^|]*?) \| END\n"
    r"(?:START \| COMMAND=DEF \| VARIABLE=(?P=variable) \| TYPE=[^\n]* \| END\n)?"
)


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
    assert list(broker.data.iterdir()) == []
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
    assert all(path.suffix == ".txt" for path in broker.data.iterdir())


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
    "bad name": _text(WHOLE.replace("good", "bro//ken")),
    "own name": _text(WHOLE.replace("good", "$SYS/clients")),
    "huge": _text(b"x" * 20_000_000),
    "link to nowhere": _broken_link,
    "folder": _folder_instead,
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
        "START | COMMAND=DEF | VARIABLE=good | TYPE=toaster | END\n",
        "START | COMMAND=DEF | VARIABLE=good | TYPE=sensor | CLASS=temperature | UNIT=kg | END\n",
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
    assert sorted(path.name for path in data.iterdir()) == [
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
    assert len(files) == len(list(broker.data.iterdir())) == len(HARD_NAMES)
    assert len({file.lower() for file in files}) == len(HARD_NAMES)
    for file, content in files.items():
        assert re.fullmatch(r"[A-Za-z0-9%._ ~=,;@!'()&^$\[\]{}`-]+\.txt", file), file
        assert len(file) <= 255 - len(".bad")
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
