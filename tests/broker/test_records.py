"""Section A6: the files of devices, of messages that wait, and of the time of the last save."""

import asyncio
from collections.abc import Callable
from functools import partial
import os
from pathlib import Path
import re
import shutil
import stat

import pytest

from custom_components.textmq.broker import Broker, Store
from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.receipts import RESERVE
from custom_components.textmq.broker.core.stored import (
    CLOCK,
    StoredClock,
    StoredDevice,
    StoredMessage,
    StoredWill,
)
from custom_components.textmq.broker.server import saver as saver_module
from custom_components.textmq.broker.server.folder import Content
from custom_components.textmq.broker.server.saver import BATCH
from custom_components.textmq.broker.server.store import Archived

from .client import message
from .conftest import Connect, StartBroker
from .inprocess import Peer, make_broker
from .process import wait_for
from .test_saver import ScriptedStore, running, until

AT_STOP = ("--allow", "a", "--allow", "b", "--save-interval", "3600")
TIME = 1_800_000_000.123
DEVICE = StoredDevice(
    "a", "CONNECTED SINCE=2027-01-15T08:00:00Z", TIME, 1000, StoredWill("v", "x", True)
)
MESSAGE = StoredMessage(7, "a", "b", "one \\u007c two", TIME, 60, 3, "re 1")
A = (
    "START | COMMAND=PUB | VARIABLE=$DEVICES/a | VALUE=CONNECTED SINCE=2027-01-15T08:00:00Z"
    " | TIME=2027-01-15T08:00:00.123Z | RECEIPTS=1000 | END\n"
    "START | COMMAND=WILL | VARIABLE=v | VALUE=x | END\n"
)
SEVEN = (
    "START | COMMAND=MSG | DEVICE=a | SENDER=b | VALUE=one \\u007c two"
    " | UNTIL=2027-01-15T08:00:00.123Z | TTL=60 | RECEIPT=3 | RE=re 1 | END\n"
)
SAVED = (
    "START | COMMAND=PUB | VARIABLE=$SYS/saved | VALUE=RUNNING"
    " | TIME=2027-01-15T08:00:00.123Z | END\n"
)


def _put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _messages(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "messages").glob("*"))


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and text in path.read_text()


# What is in them


def test_what_is_written(tmp_path: Path) -> None:
    """Each in its folder, for its owner only, in the one strict form."""
    store = Store(tmp_path / "data")
    bare = StoredDevice("CON", "", TIME, will=StoredWill("v", "", False))
    plain = StoredMessage(8, "homeassistant", "", "", TIME, 0.5)
    clock = StoredClock(TIME, stopped=True)
    records = (DEVICE, bare, MESSAGE, plain, clock)
    outcome = store.save({one.name: one for one in records})
    assert not (outcome.failed or outcome.lost)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert {
        str(one.relative_to(tmp_path / "data")): one.read_text() for one in files
    } == {
        "devices/a.txt": A,
        "devices/%43%4F%4E.txt": (
            "START | COMMAND=PUB | VARIABLE=$DEVICES/CON | VALUE="
            " | TIME=2027-01-15T08:00:00.123Z | END\n"
            "START | COMMAND=WILL | VARIABLE=v | VALUE= | RETAIN=NO | END\n"
        ),
        "messages/7.txt": SEVEN,
        "messages/8.txt": (
            "START | COMMAND=MSG | DEVICE=homeassistant | SENDER= | VALUE="
            " | UNTIL=2027-01-15T08:00:00.123Z | TTL=0.5 | END\n"
        ),
        "saved": SAVED.replace("RUNNING", "STOPPED"),
    }
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    found = Store(tmp_path / "data").load()
    assert sorted(found.devices) == [bare, DEVICE]
    assert found.messages == [MESSAGE, plain]
    assert found.clock == clock
    store.save({one.name: None for one in records[:4]})
    assert [one.name for one in (tmp_path / "data").rglob("*") if one.is_file()] == [
        "saved"
    ]


def test_earlier_versions_see_nothing_new(tmp_path: Path) -> None:
    """They look at files in the folder itself that end in .txt, and at those with .txt.bad."""
    Store(tmp_path).save(
        {one.name: one for one in (DEVICE, MESSAGE, StoredClock(1, False))}
    )
    assert not [path for path in tmp_path.iterdir() if ".txt" in path.name]


def test_messages_come_in_their_order(tmp_path: Path) -> None:
    """By number, whatever their files are called in which order."""
    numbers = [*range(1, 120, 7), 999_999_999_999]
    Store(tmp_path).save(
        {f"$MESSAGES/{n}": MESSAGE._replace(serial=n) for n in numbers[::-1]}
    )
    assert [one.serial for one in Store(tmp_path).load().messages] == numbers


FORMS: dict[str, Callable[[str], bytes]] = {
    "CR LF": lambda text: text.replace("\n", "\r\n").encode(),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "compact": lambda text: text.replace(" | ", "|").encode(),
    "blank lines": lambda text: ("\n \n" + text.replace("\n", "\n\n")).encode(),
    "zeros behind": lambda text: text.encode() + b"\0" * 2000,
    "lower case": lambda text: (
        re.sub(
            r"(?:START|COMMAND|PUB|MSG|WILL|[A-Z]+(?==)|END)(?!/)",
            lambda found: found.group().lower(),
            text.replace("SINCE=", "\1"),
        )
        .replace("\1", "SINCE=")
        .encode()
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_files_are_read_as_leniently_as_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    """However they were edited or copied."""
    _put(tmp_path / "devices/a.txt", FORMS[form](A))
    _put(tmp_path / "messages/7.txt", FORMS[form](SEVEN))
    _put(tmp_path / "saved", FORMS[form](SAVED))
    found = Store(tmp_path).load()
    clock = StoredClock(TIME, stopped=False)
    assert found == Archived([], [DEVICE], [MESSAGE], clock, MESSAGE.serial)
    assert not caplog.messages


# What is not as it should be

TORN = {
    "devices/a.txt": [
        "",
        "STA",
        A[:100],
        A.replace("$DEVICES/a", "a"),
        A.replace("$DEVICES/a", "$DEVICES/b"),
        A.replace("$DEVICES/a", "$DEVICES/a/b"),
        A.replace("$DEVICES/a", "$SYS/a"),
        A.replace("PUB", "DEF"),
        A.replace("TIME", "TIM"),
        A.replace("2027-01-15T08:00:00.123Z", "yesterday"),
        A.replace("RECEIPTS=1000", "RECEIPTS=-1"),
        A.replace("RECEIPTS=1000", "RECEIPTS="),
        A.replace("RECEIPTS=1000", "RECEIPTS=" + "9" * 15),
        A.replace("RECEIPTS=1000", "RECEIPTS=" + "9" * 5000),
    ],
    "messages/7.txt": [
        "",
        SEVEN[:60],
        SEVEN.replace("MSG", "PUB"),
        SEVEN.replace("DEVICE=a", "DEVICE="),
        SEVEN.replace("DEVICE=a", "DEVICE=*"),
        SEVEN.replace(" | SENDER=b", ""),
        SEVEN.replace("TTL=60", "TTL=nan"),
        SEVEN.replace("TTL=60", "TTL=0"),
        SEVEN.replace("TTL=60", "TTL=inf"),
        SEVEN.replace("UNTIL=2027", "UNTIL=99999"),
        SEVEN.replace("RECEIPT=3", "RECEIPT=three"),
        SEVEN.replace("RECEIPT=3", "RECEIPT=" + "9" * 15),
        "x" * 300_000,
    ],
    "messages/x.txt": [SEVEN],
    "messages/0.txt": [SEVEN],
    "messages/07.txt": [SEVEN],
    "messages/-7.txt": [SEVEN],
    "saved": [
        "",
        "STA",
        SAVED.replace("RUNNING", "WALKING"),
        SAVED.replace("saved", "x"),
    ],
}


@pytest.mark.parametrize(
    ("file", "content"),
    [(file, content) for file, contents in TORN.items() for content in contents],
    ids=lambda text: text[:20].replace("\n", ""),
)
def test_torn_files_are_kept_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, content: str
) -> None:
    """They are renamed, reported once, and stop nothing; a new file takes their place."""
    _put(tmp_path / "devices/b.txt", A.replace("$DEVICES/a", "$DEVICES/b"))
    _put(tmp_path / "messages/9.txt", SEVEN)
    path = _put(tmp_path / file, content)
    store = Store(tmp_path)
    found = store.load()
    assert [one.id for one in found.devices] == ["b"]
    assert [one.serial for one in found.messages] == [9]
    assert found.clock is None
    assert not path.exists()
    assert path.with_name(f"{path.name}.bad").read_text() == content
    assert len(caplog.messages) == 1
    store.save({DEVICE.name: DEVICE, MESSAGE.name: MESSAGE})
    found = Store(tmp_path).load()
    assert DEVICE in found.devices
    assert MESSAGE in found.messages
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("file", "content", "left"),
    [
        ("devices/a.txt", A[:-9], DEVICE._replace(will=None)),
        ("devices/a.txt", A.replace("=WILL", "=DEF"), DEVICE._replace(will=None)),
        ("devices/a.txt", A.replace("=v ", "=v//v "), DEVICE._replace(will=None)),
        ("devices/a.txt", A.replace("=v ", "=$SYS/x "), DEVICE._replace(will=None)),
        (
            "devices/a.txt",
            A.replace("=x ", f"={'x' * 4096} "),
            DEVICE._replace(will=None),
        ),
        ("devices/a.txt", A + "torn", DEVICE),
        ("messages/7.txt", SEVEN + "torn", MESSAGE),
        ("messages/7.txt", SEVEN.replace("re 1", "r" * 33), MESSAGE._replace(re="")),
    ],
)
def test_what_is_not_right_is_left_out(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    file: str,
    content: str,
    left: StoredDevice | StoredMessage,
) -> None:
    """A torn will does not take its device with it, nor a torn end its message."""
    _put(tmp_path / file, content)
    found = Store(tmp_path).load()
    assert [*found.devices, *found.messages] == [left]
    (told,) = caplog.messages
    assert "left out" in told


def test_a_sender_that_can_not_be(tmp_path: Path) -> None:
    """It is no reason to lose a message."""
    _put(tmp_path / "messages/7.txt", SEVEN.replace("SENDER=b", "SENDER=b/b"))
    assert Store(tmp_path).load().messages == [MESSAGE._replace(sender="")]


def test_what_was_put_aside_comes_back(tmp_path: Path) -> None:
    """A later version may read it; it gets its name at the next save, unless there is a newer one."""
    _put(tmp_path / "devices/a.txt.bad", A)
    _put(tmp_path / "messages/7.txt.2.bad", SEVEN)
    store = Store(tmp_path)
    found = store.load()
    assert (found.devices, found.messages) == ([DEVICE], [MESSAGE])
    assert sorted(store.outdated) == [DEVICE.name, MESSAGE.name]
    store.save({DEVICE.name: DEVICE, MESSAGE.name: MESSAGE})
    assert [path.name for path in (tmp_path / "devices").iterdir()] == ["a.txt"]
    assert _messages(tmp_path) == ["7.txt"]
    newer = A.replace("RECEIPTS=1000", "RECEIPTS=2000").replace("00.123", "01.123")
    _put(tmp_path / "devices/a.txt", newer)
    _put(tmp_path / "devices/a.txt.bad", A)
    assert [one.receipts for one in Store(tmp_path).load().devices] == [2000]


def test_what_can_not_be_read_now_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported once for each kind, and is there at a later start."""
    for file in ("devices/a.txt", "messages/7.txt", "saved"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).symlink_to("/proc/self/mem")
    store = Store(tmp_path)
    assert store.load() == Archived([], [], [], None, MESSAGE.serial)
    assert len(caplog.messages) == 3
    store.save({"$MESSAGES/8": MESSAGE._replace(serial=8)})
    assert _messages(tmp_path) == ["7.txt", "8.txt"]
    assert (tmp_path / "messages/7.txt").is_symlink()
    store.save({DEVICE.name: DEVICE, MESSAGE.name: None})
    assert _messages(tmp_path) == ["8.txt"]
    assert (tmp_path / "devices/a.txt").read_text() == A


def test_too_long_for_the_limits_of_now(tmp_path: Path) -> None:
    """A message that was accepted under a higher limit waits for that limit to come back."""
    path = _put(tmp_path / "messages/7.txt", SEVEN.replace("one", "x" * 4096))
    assert Store(tmp_path).load().messages == []
    assert path.exists()
    assert len(Store(tmp_path, max_line=8192).load().messages) == 1


def test_numbers_of_files_put_aside_are_not_used_again(tmp_path: Path) -> None:
    """Torn or not: a message of the same number would be in the way of one that comes back."""
    _put(tmp_path / "messages/7.txt", "torn")
    _put(tmp_path / "messages/9.txt.bad", "torn")
    _put(tmp_path / "messages/12.txt.2.bad", "torn")
    assert Store(tmp_path).load().last_serial == 12
    (tmp_path / "messages/12.txt.2.bad").unlink()
    broker = _house("a", "b")
    broker.restore(*Store(tmp_path).load())
    _send(Peer(broker, "b"), "new")
    assert "$MESSAGES/10" in broker.changed


def test_two_messages_of_one_number(tmp_path: Path) -> None:
    """The one that was put aside takes no other's place, however long its time is."""
    _put(tmp_path / "messages/7.txt", SEVEN)
    _put(tmp_path / "messages/7.txt.bad", SEVEN.replace("UNTIL=2027", "UNTIL=2028"))
    store = Store(tmp_path)
    assert store.load().messages == [MESSAGE]
    store.save({MESSAGE.name: MESSAGE})
    assert _messages(tmp_path) == ["7.txt"]
    assert Store(tmp_path).load().messages == [MESSAGE]


LARGE = "9" * 15


@pytest.mark.parametrize("file", [LARGE, "1" + "0" * 15, "9" * 200])
def test_a_number_that_can_not_be_counted_on_from(tmp_path: Path, file: str) -> None:
    """It is kept aside, and the numbers go on after the others."""
    _put(tmp_path / f"messages/{file}.txt", SEVEN)
    _put(tmp_path / f"messages/{LARGE[1:]}.txt", SEVEN)
    broker = _house("a", "b")
    store = Store(tmp_path)
    broker.restore(*store.load())
    _send(Peer(broker, "b"), "new")
    (name,) = [name for name in broker.changed if name.startswith("$MESSAGES/")]
    store.save({name: broker.archive.stored(name)})
    found = Store(tmp_path).load()
    assert [one.value for one in found.messages] == [MESSAGE.value, "new"]
    assert found.last_serial == int(LARGE[1:]) + 1
    assert f"{file}.txt.bad" in _messages(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "folder"])
def test_the_clock_is_no_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """It is not waited for; it is kept aside, and written again."""
    if kind == "folder":
        (tmp_path / "saved").mkdir()
    else:
        os.mkfifo(tmp_path / ("saved" if kind == "pipe" else "pipe"))
    if kind == "link to a pipe":
        (tmp_path / "saved").symlink_to("pipe")
    store = Store(tmp_path)
    assert store.load().clock is None
    assert len(caplog.messages) == 1
    assert (tmp_path / "saved.bad").exists()
    clock = StoredClock(TIME, stopped=True)
    assert not store.save({CLOCK: clock}).failed
    assert Store(tmp_path).load().clock == clock


@pytest.mark.parametrize("folder", ["devices", "messages"])
def test_a_folder_that_can_not_be_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, folder: str
) -> None:
    """It costs what belongs into it, for that time; the start and all else go on."""
    _put(tmp_path / folder, "in the way")
    store = Store(tmp_path)
    assert store.load() == Archived([], [], [], None, 0)
    assert len(caplog.messages) == 1
    records: dict[str, Content | None] = {DEVICE.name: DEVICE, MESSAGE.name: MESSAGE}
    records[CLOCK] = StoredClock(TIME, stopped=False)
    outcome = store.save(records)
    (failed,) = outcome.failed
    assert failed == (DEVICE.name if folder == "devices" else MESSAGE.name)
    (tmp_path / folder).unlink()
    assert not store.save(records).failed
    found = Store(tmp_path).load()
    assert (found.devices, found.messages) == ([DEVICE], [MESSAGE])


def test_folders_are_made_when_they_are_needed(tmp_path: Path) -> None:
    """Not in order to remove something from them."""
    store = Store(tmp_path)
    store.load()
    assert not store.save({DEVICE.name: None, MESSAGE.name: None}).failed
    assert list(tmp_path.iterdir()) == []


# When they are written


def _house(*known: str) -> Broker:
    return make_broker(AccessMode.APPROVE, *known)


def _send(peer: Peer, value: object, more: str = "") -> None:
    answers = peer.ask(f"COMMAND=MSG | DEVICE=a | VALUE={value} | TTL=600{more}")
    assert answers[-1:] == ["COMMAND=OK"]


def _urgent(store: ScriptedStore) -> list[str]:
    return [name for batch in store.batches for name in batch if "MESSAGES" in name]


def test_a_thousand_messages_at_once(tmp_path: Path) -> None:
    """They are written in their order, in small batches, long before the interval is over."""
    broker, store = _house(*(f"d{i}" for i in range(40)), "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store):
            b = Peer(broker, "b")
            for i in range(1000):
                b.send(f"COMMAND=MSG | DEVICE=d{i % 40} | VALUE={i} | TTL=60")
            await until(
                lambda: len(list((tmp_path / "messages").glob("*.txt"))) == 1000
            )
            assert max(map(len, store.batches)) <= BATCH
            names = _urgent(store)
            assert names == [f"$MESSAGES/{i}" for i in range(1, 1001)]

    asyncio.run(main())
    found = Store(tmp_path).load().messages
    assert [int(one.value) for one in found] == list(range(1000))


def test_what_has_come_and_gone_costs_nothing(tmp_path: Path) -> None:
    """A message that its device got before it was written reaches the disk in no way."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            a, b = Peer(broker, "a"), Peer(broker, "b")
            await saver.save()
            store.batches.clear()
            saver.pause(3600)
            for i in range(500):
                _send(b, i)
            a.take()
            assert broker.messages_waiting("a") == 0
            assert not broker.changed
            saver.resume()
            await asyncio.sleep(0.7)
            assert _urgent(store) == []

    asyncio.run(main())
    assert not (tmp_path / "messages").exists()


def test_a_message_that_was_delivered_is_removed_soon(tmp_path: Path) -> None:
    """Whatever the interval is: a restart must not tell it again."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store):
            b = Peer(broker, "b")
            for i in range(3):
                _send(b, i)
            await until(lambda: _messages(tmp_path) == ["1.txt", "2.txt", "3.txt"])
            Peer(broker, "a")
            await until(lambda: _messages(tmp_path) == [])

    asyncio.run(main())


def test_numbers_wait_for_the_disk(tmp_path: Path) -> None:
    """The device gets its messages when its reserve is on file, and their numbers are on file soon."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store):
            a, b = Peer(broker), Peer(broker, "b")
            a.send("COMMAND=ID | ID=a | RECEIPTS=YES")
            a.take()
            _send(b, "x", " | RE=r")
            assert a.take() == []
            await until(lambda: a.sink.written)
            (line,) = a.take()
            assert line.endswith("VALUE=x | RE=r | RECEIPT=1")
            path = tmp_path / "devices/a.txt"
            assert f"RECEIPTS={RESERVE} " in path.read_text()
            await until(partial(_holds, tmp_path / "messages/1.txt", "RECEIPT=1 "))
            a.send("COMMAND=GOT | RECEIPT=1")
            await until(lambda: _messages(tmp_path) == [])

    asyncio.run(main())


def test_numbers_do_not_wait_for_a_disk_that_fails(tmp_path: Path) -> None:
    """Messages are told all the same, and the trouble once."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (_, told):
            await until(lambda: store.batches)
            a, b = Peer(broker), Peer(broker, "b")
            a.send("COMMAND=ID | ID=a | RECEIPTS=YES")
            a.take()
            store.error = OSError(5, "Input/output")
            for i in range(3):
                _send(b, i)
            await until(lambda: b"".join(a.sink.written).count(b"=MSG |") == 3)
            assert len(told) == 1
            store.error = None

    asyncio.run(main())


def test_urgent_writes_do_not_hold_up_the_others(tmp_path: Path) -> None:
    """However many come all the time, values are saved in their interval."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store, 0.5) as (saver, _):
            flooding = True

            async def flood() -> None:
                b, count = Peer(broker, "b"), 0
                while flooding:
                    count += 1
                    b.send(f"COMMAND=MSG | DEVICE=a | VALUE={count} | TTL=600")
                    if broker.messages_waiting("a") >= 16:
                        Peer(broker, "a").session.lost()
                    await asyncio.sleep(0)

            task = asyncio.ensure_future(flood())
            broker.publish("v", "1", device="")
            await until(partial(_holds, tmp_path / "v.txt", "VALUE=1 |"))
            broker.publish("v", "2", device="")
            assert await saver.save() == {}
            assert "VALUE=2 |" in (tmp_path / "v.txt").read_text()
            flooding = False
            await task

    asyncio.run(main())


def test_a_pause_holds_them(tmp_path: Path) -> None:
    """While files must stay as they are nothing is written or removed; then all is."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            b = Peer(broker, "b")
            _send(b, "kept")
            await saver.save()
            saver.pause(3600)
            Peer(broker, "a").session.lost()
            _send(b, "new")
            count = len(store.batches)
            await asyncio.sleep(0.8)
            assert len(store.batches) == count
            assert _messages(tmp_path) == ["1.txt"]
            saver.resume()
            await until(lambda: _messages(tmp_path) == ["2.txt"])

    asyncio.run(main())


@pytest.mark.parametrize("given_up", [False, True])
def test_numbers_go_on_in_a_pause(tmp_path: Path, given_up: bool) -> None:
    """As they do where the disk fails: devices get their messages, and the files stay as they are."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            a, b = Peer(broker), Peer(broker, "b")
            await saver.save()
            saver.pause(3600)
            a.send("COMMAND=ID | ID=a | RECEIPTS=YES")
            a.take()
            for i in range(3):
                _send(b, i)
            assert a.take() == []
            if given_up:
                store.go_on.clear()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await saver.save()
            count = len(store.batches)
            await until(lambda: b"".join(a.sink.written).count(b"RECEIPT=") == 3)
            assert len(store.batches) == count
            for number in (1, 2):
                a.send(f"COMMAND=GOT | RECEIPT={number}")
            store.go_on.set()
            saver.resume()
            path = tmp_path / "devices/a.txt"
            await until(partial(_holds, path, f"RECEIPTS={RESERVE} "))
            await until(partial(_holds, tmp_path / "messages/3.txt", "RECEIPT=3 "))
            await until(lambda: _messages(tmp_path) == ["3.txt"])

    asyncio.run(main())


def test_messages_do_not_pile_up_in_a_pause(tmp_path: Path) -> None:
    """What was never on file needs nothing, however long it was there; what is on file goes afterwards."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            b = Peer(broker, "b")
            _send(b, "on file")
            await saver.save()
            saver.pause(3600)
            for i in range(20):
                _send(b, i)
            await asyncio.sleep(0.7)
            Peer(broker, "a")
            await until(lambda: "$MESSAGES/21" not in broker.changed)
            assert [n for n in broker.changed if "MESSAGES" in n] == ["$MESSAGES/1"]
            saver.resume()
            await until(lambda: _messages(tmp_path) == [])

    asyncio.run(main())


def test_a_save_that_is_given_up_loses_nothing(tmp_path: Path) -> None:
    """What was in it is written within its time, not at the next interval."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            await until(lambda: store.batches)
            b = Peer(broker, "b")
            for i in range(20):
                _send(b, i)
            store.go_on.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await saver.save()
            for i in range(10):
                _send(b, i)
            Peer(broker, "a").session.lost()
            store.go_on.set()
            await until(lambda: len(_urgent(store)) >= 20)
            await until(lambda: _messages(tmp_path) == [])

    asyncio.run(main())


def test_an_error_of_the_broker_costs_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the content of one is not to be had, the others are saved."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)
    stored = broker.archive.stored

    def fail(name: str) -> object:
        if name == "$MESSAGES/2":
            raise RuntimeError("a bug")
        return stored(name)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            monkeypatch.setattr(broker.archive, "stored", fail)
            b = Peer(broker, "b")
            for i in range(3):
                _send(b, i)
            await until(lambda: _messages(tmp_path) == ["1.txt", "3.txt"])
            broker.publish("v", "1", device="")
            assert (await saver.save()).keys() == {"$MESSAGES/2"}
            assert "VALUE=1 |" in (tmp_path / "v.txt").read_text()
            monkeypatch.undo()

    asyncio.run(main())
    assert _messages(tmp_path) == ["1.txt", "2.txt", "3.txt"]
    assert any("a bug" in text for text in caplog.messages)


def test_a_folder_that_has_gone(tmp_path: Path) -> None:
    """It is made again with all that was in it."""
    broker, store = _house("a", "b"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store, 0.1) as (saver, _):
            b = Peer(broker, "b")
            for i in range(3):
                _send(b, i)
            await saver.save()
            shutil.rmtree(tmp_path / "messages")
            _send(b, "more")
            await until(lambda: len(_messages(tmp_path)) == 4)

    asyncio.run(main())


def test_another_folder_in_its_place(tmp_path: Path) -> None:
    """Whatever kind has changed: all that there is comes into the new one."""
    data = tmp_path / "data"
    broker, store = _house("a", "b"), ScriptedStore(data)

    async def main() -> None:
        async with running(broker, store, 0.1) as (saver, _):
            _send(Peer(broker, "b"), "x")
            broker.publish("v", "1", device="")
            await saver.save()
            data.rename(tmp_path / "away")
            broker.publish("w", "1", device="")
            for file in ("v.txt", "w.txt", "devices/b.txt", "messages/1.txt", "saved"):
                await until((data / file).exists)

    asyncio.run(main())


@pytest.mark.parametrize("sent", [False, True])
def test_the_folder_has_gone_before_the_end(tmp_path: Path, sent: bool) -> None:
    """A clean stop leaves everything on file, whatever of it has changed, in a folder for its owner only."""
    data = tmp_path / "data"
    broker, store = _house("a", "b"), ScriptedStore(data)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            b = Peer(broker, "b")
            _send(b, 1)
            broker.publish("v", "1", device="")
            broker.publish("w", "1", device="")
            await saver.save()
            shutil.rmtree(data)
            if sent:
                _send(b, 2)

    asyncio.run(main())
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    found = Store(data).load()
    assert sorted(one.name for one in found.variables) == ["v", "w"]
    assert sorted(one.id for one in found.devices) == ["a", "b"]
    assert [one.value for one in found.messages] == ["1", "2"][: 1 + sent]
    assert found.clock is not None
    assert found.clock.stopped


def test_all_is_lost_with_the_folder_of_all(tmp_path: Path) -> None:
    """Whatever is saved first: the others are known to be lost, too."""
    data = tmp_path / "data"
    store = Store(data)
    assert not store.save({one.name: one for one in (DEVICE, MESSAGE)}).failed
    shutil.rmtree(data)
    outcome = store.save({MESSAGE.name: MESSAGE})
    assert sorted(outcome.lost) == [DEVICE.name, MESSAGE.name]
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert Store(data).load().messages == [MESSAGE]
    shutil.rmtree(data)
    data.write_text("in the way")
    outcome = store.save({MESSAGE.name: None, DEVICE.name: None})
    assert outcome.failed.keys() == {MESSAGE.name}


# The time of the last save


def _clock(data: Path) -> StoredClock:
    clock = Store(data).load().clock
    assert clock is not None
    return clock


def test_the_clock(start_broker: StartBroker, connect: Connect) -> None:
    """It says whether the broker was stopped, and goes on where nothing changes."""
    broker = start_broker("--access", "open", "--save-interval", "0.1")
    path = broker.data / "saved"
    wait_for(path.exists, "the start")
    first = path.read_text()
    assert "VALUE=RUNNING |" in first
    wait_for(lambda: path.read_text() != first, "the next save")
    assert broker.stop() == 0
    stopped = _clock(broker.data)
    assert stopped.stopped
    broker = start_broker("--access", "open", "--save-interval", "3600")
    wait_for(partial(_holds, path, "VALUE=RUNNING |"), "the next start")
    assert _clock(broker.data).time >= stopped.time
    broker.kill()
    assert not _clock(broker.data).stopped


def test_the_end_is_the_last_that_is_written(tmp_path: Path) -> None:
    """After everything else, and in this order: no crash between leaves a stop that was none."""
    broker, store = _house("a"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store):
            for i in range(2 * BATCH):
                broker.publish(f"v{i}", "1", device="")

    asyncio.run(main())
    assert store.batches[-1] == [CLOCK]
    assert _clock(tmp_path).stopped
    assert sum(map(len, store.batches[1:-1])) >= 2 * BATCH


def test_a_disk_that_hangs_leaves_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop that was given up was none."""
    monkeypatch.setattr(saver_module, "STOP_TIMEOUT", 0.2)
    broker, store = _house("a"), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            await saver.save()
            store.go_on.clear()
            broker.publish("v", "1", device="")
        store.go_on.set()

    asyncio.run(main())
    assert not _clock(tmp_path).stopped


# The real process


def test_over_a_restart(start_broker: StartBroker, connect: Connect) -> None:
    """Messages, their numbers and their order, presence and wills come back, from a kill too."""
    broker = start_broker(*AT_STOP)
    a, b = connect(broker, "a"), connect(broker, "b")
    a.ok("WILL", VARIABLE="a/state", VALUE="gone")
    a.send("CLOSE", SLEEP=3600)
    a.until_closed()
    for i in range(5):
        b.ok("MSG", DEVICE="a", VALUE=i, TTL=3600, RE=f"r{i}")
    wait_for(lambda: len(_messages(broker.data)) == 5, "the messages")
    wait_for(partial(_holds, broker.data / "devices/a.txt", "COMMAND=WILL"), "the will")
    broker.kill()
    broker = start_broker(*AT_STOP)
    b = connect(broker, "b")
    presence = b.get("$DEVICES/a")
    assert presence is not None
    assert presence["VALUE"].startswith("ASLEEP UNTIL=")
    a = connect(broker)
    a.ok("ID", ID="a", RECEIPTS="YES")
    for i in range(5):
        a.expect("MSG", DEVICE="b", VALUE=i, RE=f"r{i}", RECEIPT=i + 1)
    a.send("GOT", RECEIPT=2)
    a.fence()
    broker.stop(a, b)
    assert _messages(broker.data) == ["1.txt", "3.txt", "4.txt", "5.txt"]
    a = connect(start_broker(*AT_STOP))
    a.ok("ID", ID="a", RECEIPTS="YES")
    assert a.fence() == [
        message("MSG", DEVICE="b", VALUE=i, RE=f"r{i}", RECEIPT=i + 1)
        for i in (0, 2, 3, 4)
    ]


def test_files_of_nobody(start_broker: StartBroker, tmp_path: Path) -> None:
    """Whatever stands in the folders, the broker starts, and leaves alone what is not its own."""
    data = tmp_path / "data"
    _put(data / "devices/README.md", "mine")
    _put(data / "messages/old/7.txt", SEVEN)
    os.mkfifo(data / "messages/1.txt")
    (data / "devices/a.txt").mkdir()
    broker = start_broker(*AT_STOP)
    assert sum("kept aside" in text for text in broker.log) == 2
    assert broker.stop() == 0
    assert (data / "devices/README.md").read_text() == "mine"
    assert (data / "messages/old/7.txt").read_text() == SEVEN
