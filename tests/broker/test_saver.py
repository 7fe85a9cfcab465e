"""Section A6: when variables are written, what is not written for nothing, and what happens at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
import shutil
import threading
from typing import override

import pytest

from custom_components.textmq.broker import Broker, Saver, Store
from custom_components.textmq.broker.core.stored import CLOCK
from custom_components.textmq.broker.server import saver as saver_module
from custom_components.textmq.broker.server.folder import Contents, Outcome
from custom_components.textmq.broker.server.saver import BATCH

from .client import line
from .conftest import Connect, StartBroker
from .process import PATIENCE, wait_for

AT_STOP = ("--access", "open", "--save-interval", "3600")
OFTEN = ("--access", "open", "--save-interval", "0.1")


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and text in path.read_text()


def _stored(variable: str, value: str, age: timedelta) -> str:
    time = datetime.now(UTC) - age
    return line(
        "PUB",
        VARIABLE=variable,
        VALUE=value,
        TIME=f"{time:%Y-%m-%dT%H:%M:%S}.000Z",
        DEVICE="",
    ).decode()


# The real process


def test_a_stop_saves_what_came_during_a_save(
    start_broker: StartBroker, connect: Connect
) -> None:
    """A value that was answered with OK while files are written is on disk after a clean stop."""
    broker = start_broker("--access", "open", "--save-interval", "1", "--no-limits")
    client = connect(broker)
    client.ok("PUB", VARIABLE="a/last", VALUE="first")
    for i in range(2000):
        client.send("PUB", VARIABLE=f"v/{i}", VALUE=i, ACK="NO")
    assert client.fence() == []
    wait_for(lambda: list(broker.data.glob("v*")), "a save to be under way")
    client.ok("PUB", VARIABLE="a/last", VALUE="final")
    client.ok("DEL", VARIABLE="v/1999")
    client.ok("PUB", VARIABLE="v/0", VALUE="final")
    assert broker.stop(client) == 0
    files = broker.files()
    assert len(files) == 2000
    assert "VALUE=final |" in files["a%2Flast.txt"]
    assert "VALUE=final |" in files["v%2F0.txt"]


def test_what_can_not_be_written_does_not_hold_up_the_rest(
    start_broker: StartBroker, connect: Connect
) -> None:
    """A folder where a file or an unfinished one should be costs that variable alone, for that time."""
    broker = start_broker(*OFTEN)
    client = connect(broker)
    client.ok("PUB", VARIABLE="first", VALUE="1")
    wait_for((broker.data / "first.txt").exists, "the folder to be used")
    lines = len(broker.log)
    (broker.data / "a.txt").mkdir()
    (broker.data / "b.txt.tmp").mkdir()
    for variable in ("a", "b", "c", "d"):
        client.ok("PUB", VARIABLE=variable, VALUE="1")
    for variable in ("c", "d"):
        wait_for((broker.data / f"{variable}.txt").is_file, "the others")
    wait_for(lambda: len(broker.log) > lines, "a word about it")
    for value in range(2, 5):
        client.ok("PUB", VARIABLE="c", VALUE=value)
        wait_for(
            partial(_holds, broker.data / "c.txt", f"VALUE={value} |"), "later saves"
        )
    assert len(broker.log) == lines + 1
    (broker.data / "a.txt").rmdir()
    (broker.data / "b.txt.tmp").rmdir()
    for variable in ("a", "b"):
        path = broker.data / f"{variable}.txt"
        wait_for(partial(_holds, path, "VALUE=1 |"), "what could not be written")
    wait_for(lambda: len(broker.log) == lines + 2, "a word about the end of it")
    assert "saved again" in broker.log[-1]


def test_a_deletion_writes_nothing_else(
    start_broker: StartBroker, connect: Connect
) -> None:
    """However often a device publishes and deletes, other variables wait for their time."""
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("PUB", VARIABLE="old", VALUE="1")
    client.ok("PUB", VARIABLE="kept", VALUE="1")
    broker.stop(client)
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    for i in range(300):
        client.ok("PUB", VARIABLE=f"sensor/{i}", VALUE=i)
        client.ok("PUB", VARIABLE="loop", VALUE=i)
        client.ok("DEL", VARIABLE="loop")
    client.ok("PUB", VARIABLE="kept", VALUE="2")
    client.ok("DEL", VARIABLE="old")
    wait_for(lambda: not (broker.data / "old.txt").exists(), "the deletion")
    assert list(broker.files()) == ["kept.txt"]
    assert "VALUE=1 |" in broker.files()["kept.txt"]
    broker.stop(client)
    assert len(broker.files()) == 301


def test_a_deleted_value_does_not_come_back(
    start_broker: StartBroker, connect: Connect
) -> None:
    """The old value is gone from the disk soon, although the variable was published again."""
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="before")
    broker.stop(client)
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("DEL", VARIABLE="a")
    client.ok("PUB", VARIABLE="a", VALUE="after")
    wait_for(lambda: not broker.files(), "the old file to go")
    broker.kill()
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    assert client.get("a") is None
    client.ok("PUB", VARIABLE="a", VALUE="before")
    client.ok("DEL", VARIABLE="a")
    client.ok("PUB", VARIABLE="a", VALUE="after")
    broker.stop(client)
    assert "VALUE=after |" in broker.files()["a.txt"]


def test_an_unchanged_value_is_not_written_for_its_time_alone(
    start_broker: StartBroker, connect: Connect, tmp_path: Path
) -> None:
    """Its TIME in the file may be 15 minutes old; at a clean stop it is exact."""
    data = tmp_path / "data"
    data.mkdir()
    young = _stored("young", "1", timedelta(minutes=10))
    (data / "young.txt").write_text(young)
    (data / "old.txt").write_text(_stored("old", "1", timedelta(minutes=20)))
    (data / "sender.txt").write_text(_stored("sender", "1", timedelta(minutes=1)))
    broker = start_broker(*OFTEN)
    client = connect(broker, "node1")
    other = connect(broker)
    for variable in ("young", "old"):
        other.ok("PUB", VARIABLE=variable, VALUE="1")
    client.ok("PUB", VARIABLE="sender", VALUE="1")
    times = {}
    for variable in ("young", "old", "sender"):
        stored = client.get(variable)
        assert stored is not None
        times[variable] = stored["TIME"]
    for variable in ("old", "sender"):
        path = data / f"{variable}.txt"
        wait_for(partial(_holds, path, times[variable]), "what is worth a write")
    other.ok("PUB", VARIABLE="later", VALUE="1")
    wait_for((data / "later.txt").exists, "another save")
    assert (data / "young.txt").read_text() == young
    other.ok("PUB", VARIABLE="young", VALUE="2")
    wait_for(partial(_holds, data / "young.txt", "VALUE=2 |"), "a changed value")
    other.ok("PUB", VARIABLE="old", VALUE="1")
    stored = client.get("old")
    assert stored is not None
    broker.stop(client, other)
    assert stored["TIME"] in (data / "old.txt").read_text()


def test_a_stop_that_can_not_save_ends(
    start_broker: StartBroker, connect: Connect
) -> None:
    """Where nothing can be written at the end, the broker says so and stops all the same."""
    broker = start_broker(*AT_STOP)
    client = connect(broker)
    client.ok("PUB", VARIABLE="a", VALUE="1")
    wait_for((broker.data / "saved").exists, "the start to be noted")
    shutil.rmtree(broker.data)
    broker.data.write_text("in the way")
    assert broker.stop(client) == 0
    assert any("2 files could not be saved" in text for text in broker.log)
    assert "Traceback" not in broker.text


# In this process: what can't be seen from outside


class ScriptedStore(Store):
    """A store that notes what it is asked, and can be made to fail or to hang."""

    def __init__(self, folder: Path) -> None:
        """Keep the files in a folder."""
        super().__init__(folder)
        self.batches: list[list[str]] = []
        self.error: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()

    @override
    def save(self, contents: Contents, *, exact: bool = False) -> Outcome:
        self.batches.append(list(contents))
        if self.error is not None:
            raise self.error
        assert self.go_on.wait(PATIENCE)
        return super().save(contents, exact=exact)


@asynccontextmanager
async def running(
    broker: Broker, store: Store, interval: float = 3600
) -> AsyncIterator[tuple[Saver, list[dict[str, str]]]]:
    """Run a saver, with what it tells."""
    told: list[dict[str, str]] = []
    broker.restore(*store.load())
    saver = Saver(broker, store, interval, lambda reasons: told.append(dict(reasons)))
    saver.start()
    yield saver, told
    await saver.stop()


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition to become true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.txt"))


def test_many_variables_are_saved_in_small_batches(tmp_path: Path) -> None:
    """The loop never takes more than a batch of snapshots at once, and goes on between."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            for i in range(2500):
                broker.publish(f"v/{i % 50}/{i}", "1", device=f"d{i % 2}")
            saving = asyncio.ensure_future(saver.save())
            await until(lambda: len(store.batches) > 2)
            broker.publish("v/0/0", "2", device="d0")
            broker.publish("v/49/2499", "2", device="d0")
            broker.delete("v/0/50")
            assert await saving == {}
            assert len(store.batches) >= 2500 / BATCH

    asyncio.run(main())
    assert max(map(len, store.batches)) <= BATCH
    found = {one.name: one.value for one in Store(tmp_path).load().variables}
    assert len(found) == 2499
    assert found["v/0/0"] == found["v/49/2499"] == "2"


def test_a_new_interval_counts_at_once(tmp_path: Path) -> None:
    """The same saver goes on with another interval."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            broker.publish("a", "1", device="")
            saver.interval = 0.05
            await until(partial(_holds, tmp_path / "a.txt", "VALUE=1 |"))
            broker.publish("a", "2", device="")
            await until(partial(_holds, tmp_path / "a.txt", "VALUE=2 |"))
            saver.interval = 3600
            assert saver.interval == 3600
            broker.publish("a", "3", device="")
            await asyncio.sleep(0.2)
            assert "VALUE=2 |" in (tmp_path / "a.txt").read_text()

    asyncio.run(main())
    assert "VALUE=3 |" in (tmp_path / "a.txt").read_text()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError(5, "Input/output")])
def test_no_exception_ends_the_saving(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Whatever the store raises is told once for each reason, and what failed is saved later."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store, 0.02) as (_, told):
            await until(lambda: store.batches == [[CLOCK]])
            store.error = error
            broker.publish("a", "1", device="")
            await until(lambda: len(store.batches) > 3)
            broker.publish("b", "1", device="")
            broker.publish("c", "1", device="")
            broker.delete("c")
            await until(lambda: any("c" in batch for batch in store.batches))
            assert [list(reasons.values()) for reasons in told] == [["a"]]
            store.error = ValueError("another reason")
            await until(lambda: len(told) == 2)
            assert "ValueError: another reason" in told[-1]
            store.error = None
            await until(lambda: len(told) == 3)
            assert told[-1] == {}
            assert sorted(path.name for path in tmp_path.iterdir()) == [
                "a.txt",
                "b.txt",
                "saved",
            ]

    asyncio.run(main())
    assert sum("can't be saved" in text for text in caplog.messages) == 2


def test_a_listener_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of who is told of failures stops neither the saving nor the end."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    def fail(reasons: Mapping[str, str]) -> None:
        raise RuntimeError("no ear for that")

    async def main() -> None:
        saver = Saver(broker, store, 0.02, fail)
        saver.start()
        store.error = OSError(5, "Input/output")
        broker.publish("a", "1", device="")
        await until(lambda: len(store.batches) > 2)
        store.error = None
        await saver.stop()
        await saver.stop()

    asyncio.run(main())
    assert (tmp_path / "a.txt").exists()
    assert any("listener" in text for text in caplog.messages)


def test_a_stop_does_not_wait_for_ever(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disk that answers nothing any more does not keep the broker from ending."""
    monkeypatch.setattr(saver_module, "STOP_TIMEOUT", 0.2)
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store, 0.02):
            store.go_on.clear()
            broker.publish("a", "1", device="")
            await until(lambda: store.batches)
        store.go_on.set()

    asyncio.run(main())
    assert any("too slow" in text for text in caplog.messages)


def test_a_save_that_is_given_up_loses_nothing(tmp_path: Path) -> None:
    """Whoever waits for a save may stop waiting; it is written in the right order all the same."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            for i in range(BATCH * 2):
                broker.publish(f"v{i}", "1", device="")
            store.go_on.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await saver.save()
            broker.publish("v0", "2", device="")
            broker.delete("v1")
            store.go_on.set()

    asyncio.run(main())
    found = {one.name: one.value for one in Store(tmp_path).load().variables}
    assert len(found) == BATCH * 2 - 1
    assert found["v0"] == "2"


def test_a_pause(tmp_path: Path) -> None:
    """While files must stay as they are only what is asked for is written; a pause ends by itself."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store, 0.02) as (saver, _):
            broker.publish("a", "1", device="")
            broker.publish("b", "1", device="")
            await saver.save()
            saver.pause(3600)
            broker.publish("a", "2", device="")
            broker.delete("b")
            count = len(store.batches)
            await asyncio.sleep(0.8)
            assert len(store.batches) == count
            saver.resume()
            await until(lambda: not (tmp_path / "b.txt").exists())
            await until(partial(_holds, tmp_path / "a.txt", "VALUE=2 |"))
            saver.pause(0.1)
            broker.publish("a", "3", device="")
            await until(partial(_holds, tmp_path / "a.txt", "VALUE=3 |"))
            saver.pause(3600)
            broker.publish("a", "4", device="")

    asyncio.run(main())
    assert "VALUE=4 |" in (tmp_path / "a.txt").read_text()


def test_names_do_not_pile_up_in_a_pause(tmp_path: Path) -> None:
    """What has come and gone meanwhile needs nothing; the files of the others go afterwards."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            for name in ("gone", "again"):
                broker.publish(name, "1", device="")
            await saver.save()
            store.batches.clear()
            saver.pause(3600)
            for i in range(1000):
                broker.publish(f"v{i}", "1", device="")
                broker.delete(f"v{i}")
            for name in ("gone", "again"):
                broker.delete(name)
            broker.publish("again", "2", device="")
            assert broker.changed.keys() == {"gone", "again"}
            saver.resume()
            await until(lambda: _files(tmp_path) == [])
            assert [sorted(batch) for batch in store.batches] == [["again", "gone"]]

    asyncio.run(main())
    assert _files(tmp_path) == ["again.txt"]


def test_what_comes_and_goes_during_a_save_in_a_pause(tmp_path: Path) -> None:
    """A file that such a save still writes is removed after all."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            await saver.save()
            saver.pause(3600)
            broker.publish("v", "1", device="")
            store.go_on.clear()
            saving = asyncio.ensure_future(saver.save())
            await until(lambda: any("v" in batch for batch in store.batches))
            broker.delete("v")
            store.go_on.set()
            await saving
            assert _files(tmp_path) == ["v.txt"]
            saver.resume()
            await until(lambda: _files(tmp_path) == [])

    asyncio.run(main())


def test_a_variable_that_is_to_be_saved_soon(tmp_path: Path) -> None:
    """As it is then, within a second, also where it was deleted before; the others wait."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            for name in ("v", "w", "x"):
                broker.publish(name, "1", device="")
            await saver.save()
            for name in ("v", "w", "x"):
                broker.publish(name, "2", device="")
            saver.stored_changed("v")
            await until(partial(_holds, tmp_path / "v.txt", "VALUE=2 |"))
            broker.delete("w")
            broker.publish("w", "3", device="")
            saver.stored_changed("w")
            await until(partial(_holds, tmp_path / "w.txt", "VALUE=3 |"))
            saver.stored_changed("x")
            broker.delete("x")
            await until(lambda: _files(tmp_path) == ["v.txt", "w.txt"])
            broker.publish("v", "4", device="")
            await asyncio.sleep(0.7)
            assert "VALUE=2 |" in (tmp_path / "v.txt").read_text()
            assert not broker.changed.keys() - {"v"}

    asyncio.run(main())


def test_a_save_that_is_given_up_leaves_what_is_to_be_saved_soon(
    tmp_path: Path,
) -> None:
    """It is written as it is, not removed, within its time."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            broker.publish("v", "1", device="")
            await saver.save()
            broker.publish("v", "2", device="")
            saver.stored_changed("v")
            store.go_on.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await saver.save()
            broker.publish("v", "3", device="")
            store.go_on.set()
            await until(partial(_holds, tmp_path / "v.txt", "VALUE=3 |"))

    asyncio.run(main())


def test_unsaved_deletions_do_not_pile_up(tmp_path: Path) -> None:
    """Where nothing can be written, names that come and go leave nothing behind."""
    data = tmp_path / "data"
    broker, store = Broker(), ScriptedStore(data)

    async def main() -> None:
        async with running(broker, store) as (saver, told):
            broker.publish("on-file", "1", device="")
            await saver.save()
            data.rename(tmp_path / "away")
            data.write_text("in the way")
            for i in range(1000):
                broker.publish(f"v{i}", "1", device="")
                broker.delete(f"v{i}")
            broker.delete("on-file")
            assert (await saver.save()).keys() == {"on-file", CLOCK}
            assert len(told) == 1
            data.unlink()
            (tmp_path / "away").rename(data)

    asyncio.run(main())
    assert [path.name for path in data.iterdir()] == ["saved"]


def test_a_save_that_was_given_up_does_not_write_last(tmp_path: Path) -> None:
    """It goes on in its thread: the next one waits for it, so that the newer value stays."""
    broker, store = Broker(), ScriptedStore(tmp_path)

    async def main() -> None:
        async with running(broker, store) as (saver, _):
            await saver.save()
            broker.publish("x", "1", device="a")
            store.go_on.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await saver.save()
            broker.publish("x", "2", device="a")
            count = len(store.batches)
            later = asyncio.create_task(saver.save())
            await asyncio.sleep(0.1)
            assert len(store.batches) == count
            store.go_on.set()
            await later
            assert "VALUE=2 " in (tmp_path / "x.txt").read_text()

    asyncio.run(main())
