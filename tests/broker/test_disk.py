"""Section A6: a disk that is full, read-only, gone or not ours; the broker goes on in memory."""

from collections.abc import Callable, Iterator
from functools import partial
import os
from pathlib import Path
import shutil
import subprocess

import pytest

from .conftest import Connect, StartBroker
from .process import BrokerProcess, wait_for

OFTEN = ("--access", "open", "--save-interval", "0.1")

type Mount = Callable[..., Path]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a small file system of the test's own; skips where that is not permitted."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
        if done.returncode:
            pytest.skip(f"this user can't mount: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        assert not _run("umount", "--lazy", str(folder)).returncode


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and text in path.read_text()


def _complaints(broker: BrokerProcess) -> int:
    return sum("can't be saved" in text for text in broker.log)


def _is_well_again(broker: BrokerProcess) -> bool:
    return bool(broker.log) and "saved again" in broker.log[-1]


def test_disk_full(start_broker: StartBroker, connect: Connect, mount: Mount) -> None:
    """What does not fit waits in memory, what does is saved; with room again, all is."""
    data = mount("size=128k")
    (data / "ballast").write_bytes(bytes(100 * 1024))
    broker = start_broker(*OFTEN, data=data)
    client = connect(broker)
    client.ok("PUB", VARIABLE="small", VALUE="1")
    wait_for((data / "small.txt").exists, "a file that fits")
    for i in range(20):
        client.ok("PUB", VARIABLE=f"v{i}", VALUE=f"{i}:{'x' * 3900}")
    wait_for(partial(_complaints, broker), "a word about it")
    for i in range(20):
        client.ok("PUB", VARIABLE=f"v{i}", VALUE=f"{i}:{'y' * 3900}")
        assert client.get(f"v{i}") is not None
    # Deleting makes room: it must work where nothing else does.
    client.ok("DEL", VARIABLE="small")
    wait_for(lambda: not (data / "small.txt").exists(), "the deletion")
    assert _complaints(broker) == 1
    (data / "ballast").unlink()
    wait_for(partial(_is_well_again, broker), "all to be saved")
    assert len(broker.files()) == 20
    assert len(list(data.iterdir())) == 21
    assert all("y" * 3900 in content for content in broker.files().values())
    broker.check()


def test_disk_full_keeps_the_old_values(
    start_broker: StartBroker, connect: Connect, mount: Mount
) -> None:
    """A value that can't be written leaves the older one whole: it is there after a kill."""
    data = mount("size=64k")
    broker = start_broker(*OFTEN, data=data)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="old")
    wait_for((data / "a.txt").exists, "the first file")
    with (data / "ballast").open("wb", buffering=0) as ballast:
        while True:
            try:
                ballast.write(bytes(4096))
            except OSError:
                break
    client.ok("PUB", VARIABLE="a", VALUE="new")
    wait_for(partial(_complaints, broker), "a word about it")
    broker.kill()
    assert "VALUE=old |" in broker.files()["a.txt"]
    broker = start_broker(*OFTEN, data=data)
    stored = connect(broker).get("a")
    assert stored is not None
    assert stored["VALUE"] == "old"
    (data / "ballast").unlink()


def test_read_only(start_broker: StartBroker, connect: Connect, mount: Mount) -> None:
    """A file system that became read-only, as a failing card does, is used again when it is not."""
    data = mount("size=1m")
    broker = start_broker(*OFTEN, data=data)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="1")
    client.ok("PUB", VARIABLE="gone", VALUE="1")
    wait_for((data / "a.txt").exists, "the first file")
    wait_for((data / "gone.txt").exists, "the second file")
    assert not _run("mount", "-o", "remount,ro", str(data)).returncode
    client.ok("PUB", VARIABLE="a", VALUE="2")
    client.ok("PUB", VARIABLE="b", VALUE="2")
    client.ok("DEL", VARIABLE="gone")
    wait_for(partial(_complaints, broker), "a word about it")
    client.ok("PUB", VARIABLE="b", VALUE="3")
    assert not _run("mount", "-o", "remount,rw", str(data)).returncode
    wait_for(partial(_is_well_again, broker), "all to be saved")
    assert broker.files().keys() == {"a.txt", "b.txt"}
    assert "VALUE=2 |" in broker.files()["a.txt"]
    assert "VALUE=3 |" in broker.files()["b.txt"]
    assert _complaints(broker) == 1
    assert not _run("mount", "-o", "remount,ro", str(data)).returncode
    client.ok("PUB", VARIABLE="a", VALUE="4")
    assert broker.stop(client) == 0
    broker = start_broker(*OFTEN, data=data)
    stored = connect(broker).get("a")
    assert stored is not None
    assert stored["VALUE"] == "2"


def test_a_start_on_a_read_only_disk(
    start_broker: StartBroker, connect: Connect, mount: Mount
) -> None:
    """What is there is served, a torn file is told of and stays, and so does one with an old name."""
    data = mount("size=1m")
    whole = (
        "START | COMMAND=PUB | VARIABLE={} | VALUE=1 | TIME=2026-11-22T19:50:00.123Z"
        " | DEVICE= | END\n"
    )
    (data / "good.txt").write_text(whole.format("good"))
    (data / f"{'v' * 150}.txt").write_text(whole.format("v" * 150))
    (data / "torn.txt").write_text("START | COMM")
    (data / "torn.txt.tmp").write_text("START | COMM")
    before = {path.name: path.read_text() for path in data.iterdir()}
    assert not _run("mount", "-o", "remount,ro", str(data)).returncode
    broker = start_broker(*OFTEN, data=data)
    client = connect(broker)
    for variable in ("good", "v" * 150):
        assert client.get(variable) is not None
    assert sum("could not be renamed" in text for text in broker.log) == 1
    wait_for(partial(_complaints, broker), "a word about the old name")
    assert broker.stop(client) == 0
    assert {path.name: path.read_text() for path in data.iterdir()} == before


def test_folder_gone(start_broker: StartBroker, connect: Connect) -> None:
    """A folder that was removed is made again, with all variables, the unchanged ones too."""
    broker = start_broker(*OFTEN)
    client = connect(broker)
    for i in range(250):
        client.ok("PUB", VARIABLE=f"v{i}", VALUE="1")
    wait_for(lambda: len(broker.files()) == 250, "the files")
    shutil.rmtree(broker.data)
    client.ok("PUB", VARIABLE="v7", VALUE="2")
    wait_for(broker.data.exists, "the folder")
    wait_for(lambda: len(broker.files()) == 250, "all files")
    assert "VALUE=2 |" in broker.files()["v7.txt"]
    assert "VALUE=1 |" in broker.files()["v249.txt"]
    broker.stop(client)
    assert not _complaints(broker)


def test_another_disk_in_the_folder(
    start_broker: StartBroker, connect: Connect, mount: Mount
) -> None:
    """A disk that is mounted over the folder, or goes from it, gets all variables."""
    data = mount("size=1m")
    broker = start_broker(*OFTEN, data=data)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="1")
    client.ok("PUB", VARIABLE="b", VALUE="1")
    wait_for(lambda: len(broker.files()) == 2, "the files")
    assert not _run("mount", "-t", "tmpfs", "tmpfs", str(data)).returncode
    client.ok("PUB", VARIABLE="b", VALUE="2")
    wait_for(lambda: len(broker.files()) == 2, "all files on the other disk")
    assert not _run("umount", "--lazy", str(data)).returncode
    client.ok("PUB", VARIABLE="a", VALUE="3")
    wait_for(
        partial(_holds, data / "b.txt", "VALUE=2 |"), "all files on the first disk"
    )
    wait_for(
        partial(_holds, data / "a.txt", "VALUE=3 |"), "all files on the first disk"
    )


def test_files_of_another_user(
    start_broker: StartBroker, connect: Connect, tmp_path: Path
) -> None:
    """Whoever owns a file, finished or not: it is replaced."""
    if os.geteuid():
        pytest.skip("only root can give a file to another user")
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a.txt", "a.txt.tmp"):
        (data / name).write_text("foreign")
        (data / name).chmod(0o400)
        os.chown(data / name, 12345, 12345)
    broker = start_broker(*OFTEN)
    (data / "a.txt.tmp").write_text("left over")
    os.chown(data / "a.txt.tmp", 12345, 12345)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="1")
    wait_for(partial(_holds, data / "a.txt", "VALUE=1 |"), "the file")
    assert (data / "a.txt").stat().st_uid == os.geteuid()


def test_a_file_that_can_not_be_replaced(
    start_broker: StartBroker, connect: Connect
) -> None:
    """An immutable file costs its variable alone, for that time."""
    broker = start_broker(*OFTEN)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="1")
    path = broker.data / "a.txt"
    wait_for(path.exists, "the file")
    if (done := _run("chattr", "+i", str(path))).returncode:
        pytest.skip(f"no file can be made immutable here: {done.stderr.strip()}")
    try:
        client.ok("PUB", VARIABLE="a", VALUE="2")
        client.ok("PUB", VARIABLE="b", VALUE="2")
        wait_for((broker.data / "b.txt").exists, "the other file")
        wait_for(partial(_complaints, broker), "a word about it")
        client.ok("DEL", VARIABLE="a")
        client.ok("PUB", VARIABLE="b", VALUE="3")
        wait_for(partial(_holds, broker.data / "b.txt", "VALUE=3 |"), "another save")
    finally:
        _run("chattr", "-i", str(path))
    wait_for(partial(_is_well_again, broker), "the deletion after all")
    assert broker.files().keys() == {"b.txt"}
    assert _complaints(broker) == 1
