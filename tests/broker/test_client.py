"""The client for asyncio on a real broker: it stays connected, whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
import socket
import struct
import time
from typing import Final

import pytest

from custom_components.textmq.broker import (
    Client,
    ConnectionLost,
    Deletion,
    Description,
    MessageReceived,
    Phase,
    Refused,
    Status,
    Value,
)
from custom_components.textmq.broker.client.delivery_queue import DeliveryQueue
from custom_components.textmq.broker.client.reconnect import (
    LEAST_DELAY,
    PHASE_TRANSITIONS,
    TLS_FAILED,
    UNREACHABLE,
    Backoff,
    PhaseStep,
)

from .client import Client as StrictClient, line
from .conftest import Connect, StartBroker
from .encryption import key_of, key_options
from .process import PATIENCE, BrokerProcess

DESCRIPTIONS: Final[Mapping[str, Mapping[str, str | list[str]]]] = {
    "node/t": {"TYPE": "sensor", "NAME": "Küche", "UNIT": "°C", "CLASS": "temperature"},
    "node/mode": {"TYPE": "select", "OPTIONS": ["a", "b"]},
}


async def soon(seconds: float) -> None:
    """Sleep as a client in a hurry does."""
    await asyncio.sleep(min(seconds, 0.02))


@asynccontextmanager
async def client_of(
    broker: BrokerProcess, device: str = "node", **options: object
) -> AsyncIterator[Client]:
    """Connect a client that comes back at once."""
    options = {"sleep": soon, **options}
    client = Client(*broker.address, device, **options)  # type: ignore[arg-type]
    async with client:
        yield client


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what comes by itself."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)
    assert condition(), what


async def within[T](waited: Awaitable[T]) -> T:
    """Wait for something, but not for ever."""
    async with asyncio.timeout(PATIENCE):
        return await waited


def is_backing_off(client: Client) -> bool:
    """Tell whether a client waits for its next try."""
    return client.status.phase is Phase.BACKING_OFF


@pytest.fixture
def broker(start_broker: StartBroker) -> BrokerProcess:
    """A broker that lets everyone in."""
    return start_broker("--access", "open")


async def test_all_that_a_client_does(broker: BrokerProcess) -> None:
    """Each command does what it says, each delivery arrives as what it is."""
    async with client_of(broker, name="Küche", details={"MODEL": "x|y"}) as client:
        await within(client.connected())
        assert client.granted.keepalive == 30
        assert abs((client.granted.time or 0) - time.time()) < PATIENCE
        await client.describe(DESCRIPTIONS)
        await client.publish("node/t", "21.5")
        await client.subscribe("node/#", definitions=True)
        await client.publish("node/t", " ü|\n")
        await client.publish("node/t/set", "on", retain=False, ack=False)
        await client.send("node", "to me")
        await client.delete("node/t")
        async with asyncio.timeout(PATIENCE):
            came = [await anext(client) for _ in range(7)]
        kinds = [type(one) for one in came]
        assert kinds.count(Description) == 2
        values = [one for one in came if isinstance(one, Value)]
        assert [(one.variable, one.value) for one in values] == [
            ("node/t", "21.5"),
            ("node/t", " ü|\n"),
            ("node/t/set", "on"),
        ]
        assert [one.time is None for one in values] == [False, True, True]
        assert MessageReceived("node", "to me") in came
        assert came[-1] == Deletion("node/t")
        await client.publish("node/a", "1")
        await client.publish("node/b", "2")
        found = await client.get("node/+")
        assert {one.variable: one.value for one in found} == {
            "node/a": "1",
            "node/b": "2",
        }
        assert [one.value for one in await client.get("node/a")] == ["1"]
        for refused, reason in (
            (client.get("node/none"), "no-such-variable"),
            (client.delete("node/none"), "no-such-variable"),
            (client.publish("$SYS/x", "1"), "read-only"),
            (client.publish("a//b", "1"), "bad-name"),
            (client.send("nobody", "x"), "no-such-device"),
            (client.describe({"a": {"TYPE": "select"}}), "bad-definition"),
        ):
            with pytest.raises(Refused) as caught:
                await within(refused)
            assert caught.value.reason == reason
        await client.unsubscribe("node/#")
        await client.publish("node/a", "unheard")
    with pytest.raises(ConnectionLost):
        await client.publish("node/a", "1")
    assert [one async for one in client if isinstance(one, Value)] == [
        Value("node/a", "1"),
        Value("node/b", "2"),
    ]


async def test_a_client_without_an_id(broker: BrokerProcess) -> None:
    """A program without an ID uses a broker that lets everyone in."""
    async with client_of(broker, "") as client:
        await within(client.connected())
        await client.publish("x", "1")
        assert [one.value for one in await client.get("x")] == ["1"]


@pytest.mark.parametrize("kill", [False, True])
async def test_it_comes_back(
    start_broker: StartBroker, connect: Connect, *, kill: bool
) -> None:
    """After a stop and after SIGKILL the client has its subscriptions, its will, its descriptions again."""
    broker = start_broker("--access", "open")
    port = broker.address[1]
    told: list[Status] = []
    refused: list[object] = []
    async with client_of(
        broker, on_status=told.append, on_refused=lambda *one: refused.append(one)
    ) as client:
        await client.will("node/alive", "lost")
        await client.subscribe("node/#", definitions=True)
        await client.describe(DESCRIPTIONS)
        await within(client.connected())
        with pytest.raises(Refused):
            await client.subscribe("a/#/b")
        if kill:
            broker.kill()
        else:
            await asyncio.to_thread(broker.stop)
        await until(lambda: client.status.phase is not Phase.CONNECTED, "it is noticed")
        with pytest.raises(ConnectionLost):
            await client.publish("node/t", "1")
        again = await asyncio.to_thread(
            start_broker, "--access", "open", data=broker.data.parent / "new", port=port
        )
        await within(client.connected())
        await client.publish("node/t", "2")
        came: list[object] = []
        async with asyncio.timeout(PATIENCE):
            while Value("node/t", "2") not in came:
                came.append(await anext(client))
        assert {one.variable for one in came if isinstance(one, Description)} == set(
            DESCRIPTIONS
        )
        with await asyncio.to_thread(connect, again) as watcher:
            watcher.ok("SUB", VARIABLE="node/alive")
            # Without CLOSE: what the broker then publishes is the will.
            connection = client._life.usable  # noqa: SLF001
            assert connection is not None
            connection.abort("test")
            message = await asyncio.to_thread(watcher.receive)
            assert (message.command, message["VALUE"]) == ("SUB", "lost")
        await until(lambda: client.status.phase is Phase.CONNECTED, "it is back")
    assert refused == []
    reasons = {one.reason for one in told}
    assert {"lost" if kill else "shutdown", UNREACHABLE, "client-close"} <= reasons
    assert all(
        one.retry_in is not None for one in told if one.phase is Phase.BACKING_OFF
    )
    assert told[-1].phase is Phase.STOPPED


async def test_what_was_not_answered_fails() -> None:
    """A broker that dies with the commands in its hands: each of them raises ConnectionLost."""
    async with (
        fake_broker() as (address, connections),
        Client(*address, sleep=soon) as client,
    ):
        await within(client.connected())
        tasks = [
            asyncio.create_task(client.publish("a", str(number)))
            for number in range(2000)
        ]
        _, writer = await connections()
        await asyncio.sleep(0.05)
        writer.transport.abort()
        results = await within(asyncio.gather(*tasks, return_exceptions=True))
        assert {type(one) for one in results} == {ConnectionLost}


@asynccontextmanager
async def fake_broker() -> AsyncIterator[
    tuple[
        tuple[str, int],
        Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
    ]
]:
    """Listen, and hand out connections that the test answers, or does not."""
    came: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
        asyncio.Queue()
    )
    writers: list[asyncio.StreamWriter] = []

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        came.put_nowait((reader, writer))

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield (host, port), lambda: within(came.get())
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


class FastClock:
    """A clock that sleeping moves, without any time that passes."""

    def __init__(self) -> None:
        """Start somewhere."""
        self.time = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0.005)


async def test_a_broker_that_is_silent_is_given_up() -> None:
    """A broker that accepts and never says a word is asked, then left."""
    clock = FastClock()
    told: list[Status] = []
    async with (
        fake_broker() as (address, _),
        Client(
            *address, "node", clock=clock, sleep=clock.sleep, on_status=told.append
        ) as client,
    ):
        await until(
            lambda: any(one.phase is Phase.BACKING_OFF for one in told), "given up"
        )
        with pytest.raises(ConnectionLost):
            await client.publish("a", "1")
    ended = next(one for one in told if one.phase is Phase.BACKING_OFF)
    assert (ended.reason, ended.detail) == ("lost", "the broker is silent")
    assert clock.slept[0] == 10


async def test_a_broker_that_falls_silent_is_asked_and_given_up() -> None:
    """After keep-alive and its time-out HELLO? goes out; without an answer the connection ends."""
    clock = FastClock()
    told: list[Status] = []
    async with (
        fake_broker() as (address, connections),
        Client(*address, clock=clock, sleep=clock.sleep, on_status=told.append),
    ):
        reader, writer = await connections()
        assert await within(reader.readline()) == line("HELLO?")
        assert clock.time >= 40
        writer.write(line("HELLO!"))
        assert await within(reader.readline()) == line("HELLO?")
        assert await within(reader.read()) == b""
    assert any(one.detail == "the broker is silent" for one in told)


async def test_garbage_is_a_clear_end() -> None:
    """What is no broker is left, and tried again later with the reason told."""
    told: list[Status] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0.01)

    async with (
        fake_broker() as (address, connections),
        Client(
            *address, "node", sleep=sleep, on_status=told.append, random=lambda: 1.0
        ),
    ):
        _, writer = await connections()
        writer.write(b"220 mail.example ESMTP\r\n")
        await connections()
    ended = next(one for one in told if one.phase is Phase.BACKING_OFF)
    assert ended.reason == "protocol-violation"
    assert ended.retry_in == LEAST_DELAY["protocol-violation"]
    assert ended.retry_in in slept


async def test_tls(start_broker: StartBroker) -> None:
    """With its key a device is let in; with another, or with none, it is told why not."""
    broker = start_broker("--access", "key", *key_options("node"))
    async with client_of(broker, key=key_of("node")) as client:
        await within(client.connected())
        await client.publish("node/x", "1" * 4000)
        assert [one.value for one in await client.get("node/x")] == ["1" * 4000]
    for key, reason in ((key_of("other"), TLS_FAILED), (None, "key-required")):
        async with client_of(broker, key=key) as client:
            await until(partial(is_backing_off, client), reason)
            assert client.status.reason == reason
            assert client.status.retry_in is not None
            assert client.status.retry_in >= LEAST_DELAY[reason] / 2


async def test_a_key_needs_an_id() -> None:
    """A key without an ID is a mistake of the program."""
    with pytest.raises(ValueError, match="ID"):
        Client("127.0.0.1", key=b"x" * 32)


async def test_a_person_decides(start_broker: StartBroker) -> None:
    """A device that nobody knows waits, and says so; it can be closed while it waits."""
    broker = start_broker("--allow", "known")
    async with client_of(broker, "unknown") as client:
        await until(lambda: client.status.phase is Phase.WAITING, "it waits")
        with pytest.raises(ConnectionLost):
            await client.publish("a", "1")
    assert client.status.phase is Phase.STOPPED
    with pytest.raises(ConnectionLost):
        await client.connected()
    async with client_of(broker, "known") as client:
        await within(client.connected())


async def test_a_take_over(broker: BrokerProcess) -> None:
    """The client that is taken over waits long enough to throw nobody out at once."""
    never = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await never.wait()

    async with client_of(broker, sleep=sleep) as first:
        await within(first.connected())
        async with client_of(broker) as second:
            await within(second.connected())
            await until(lambda: first.status.phase is Phase.BACKING_OFF, "taken over")
            assert first.status.reason == "taken-over"
            assert (first.status.retry_in or 0) >= 30
            await second.publish("a", "1")


async def test_a_slow_application(broker: BrokerProcess) -> None:
    """Events that nobody takes hold up the socket, not the commands; no message is lost."""
    async with (
        client_of(broker, "slow", max_waiting=50) as slow,
        client_of(broker, "quick") as quick,
    ):
        await within(slow.connected())
        await within(quick.connected())
        await slow.subscribe("v/#")
        for number in range(20):
            await quick.send("slow", str(number))
        for number in range(5000):
            await quick.publish("v/x", str(number), ack=False)
        await quick.publish("v/x", "last")
        # Answers come through although the application takes nothing.
        assert await within(slow.get("nothing/#")) == []
        messages: list[str] = []
        last = ""
        async with asyncio.timeout(PATIENCE):
            while last != "last" or len(messages) < 20:
                delivery = await anext(slow)
                if isinstance(delivery, MessageReceived):
                    messages.append(delivery.value)
                elif isinstance(delivery, Value):
                    last = delivery.value
        assert messages == [str(number) for number in range(20)]


async def test_an_application_that_takes_nothing_is_bounded() -> None:
    """A broker that floods fills the queue and then the network; the client's memory stays small."""
    async with (
        fake_broker() as (address, connections),
        Client(*address, sleep=soon, max_waiting=100) as client,
    ):
        _, writer = await connections()
        await within(client.connected())
        told = line("SUB", VARIABLE="v", VALUE="x" * 1000)
        writer.write(told * 20_000)
        await asyncio.sleep(0.2)
        assert len(client._queue) < 100 + 300  # noqa: SLF001
        # All of it is there for an application that takes it.
        async with asyncio.timeout(PATIENCE):
            for _ in range(20_000):
                await anext(client)


async def test_a_command_that_is_cancelled(broker: BrokerProcess) -> None:
    """The answers of others find their commands although one is not waited for any more."""
    async with client_of(broker) as client:
        await within(client.connected())
        for number in range(200):
            task = asyncio.create_task(client.publish("v/x", str(number)))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await client.publish(f"v/{number}", str(number))
        assert len(await client.get("v/#")) >= 200
        with pytest.raises(Refused) as caught:
            await client.get("none")
        assert caught.value.reason == "no-such-variable"


async def test_thousands_at_once(broker: BrokerProcess) -> None:
    """Many tasks publish in the order in which they came, within the bound of what may be unanswered."""
    async with client_of(broker, max_unanswered=100, max_waiting=10_000) as client:
        await within(client.connected())
        await client.subscribe("v")
        await within(
            asyncio.gather(
                *(client.publish("v", str(number)) for number in range(5000))
            )
        )
        for number in range(5000):
            delivery = await within(anext(client))
            assert isinstance(delivery, Value)
            assert delivery.value == str(number)
        for number in range(5000):
            await client.publish(f"w/{number % 50}", str(number), ack=False)
        assert len(await client.get("w/#")) == 50


async def test_refusals_that_nobody_awaits(broker: BrokerProcess) -> None:
    """Without ack, a refusal is told with its command."""
    refused: list[tuple[str, str]] = []
    async with client_of(
        broker,
        on_refused=lambda command, error: refused.append(
            (command.params["VARIABLE"], error.reason)
        ),
    ) as client:
        await within(client.connected())
        await client.publish("ok", "1", ack=False)
        await client.publish("$SYS/x", "1", ack=False)
        await client.publish("ok", "2", ack=False)
        await client.get("ok")
        assert refused == [("$SYS/x", "read-only")]


async def test_a_mistake_ends_the_client(caplog: pytest.LogCaptureFixture) -> None:
    """A port that can't be one: nothing waits for ever, and the log says why."""
    async with Client("127.0.0.1", 99_999, "node") as client:
        with pytest.raises(ConnectionLost):
            await within(client.connected())
        assert [one async for one in client] == []
        assert client.status.reason == "failed"
    assert "The client has failed" in caplog.text


async def test_callbacks_that_raise_stop_nothing(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """What on_status and on_refused raise is logged."""

    def fail(*_: object) -> None:
        raise RuntimeError("of the application")

    async with client_of(broker, on_status=fail, on_refused=fail) as client:
        await within(client.connected())
        await client.publish("$SYS/x", "1", ack=False)
        await client.publish("x", "1")
    assert "A status was not dealt with" in caplog.text
    assert "A refusal was not dealt with" in caplog.text


async def test_a_callback_takes_what_comes(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """Instead of iterating; one that raises is told in the log, and the client goes on."""
    came: list[object] = []

    def take(delivery: object) -> None:
        came.append(delivery)
        if delivery == Value("v", "bad"):
            raise RuntimeError("of the application")

    async with client_of(broker, on_delivery=take) as client:
        await within(client.connected())
        await client.subscribe("v")
        await client.publish("v", "bad")
        await client.publish("v", "good")
        await until(lambda: Value("v", "good") in came, "it goes on")
    assert "of the application" in caplog.text


async def test_it_says_how_long_it_sleeps(
    broker: BrokerProcess, connect: Connect
) -> None:
    """Closing with sleep publishes no will; the connection ends by the broker."""
    watcher = await asyncio.to_thread(connect, broker)
    watcher.ok("SUB", VARIABLE="node/alive")
    async with client_of(broker) as client:
        await client.will("node/alive", "lost")
        await within(client.connected())
        await client.close(60)
    assert watcher.fence() == []


async def test_receipts() -> None:
    """A message is acknowledged when the next delivery is asked for, also over a reconnect."""
    async with (
        fake_broker() as (address, connections),
        Client(*address, "node", sleep=soon) as client,
    ):
        reader, writer = await connections()
        assert b"RECEIPTS=YES" in await within(reader.readline())
        assert await within(reader.readline()) == line("HELLO?")
        told = line("MSG", DEVICE="a", VALUE="x", RECEIPT=1)
        writer.write(line("OK", SEQ=1) + line("HELLO!") + told)
        assert await within(anext(client)) == MessageReceived("a", "x", receipt=1)
        writer.transport.abort()
        reader, writer = await connections()
        await within(reader.readline())
        await within(reader.readline())
        writer.write(line("OK", SEQ=1) + line("HELLO!") + told)
        waiting = asyncio.create_task(anext(client))
        assert await within(reader.readline()) == line("GOT", RECEIPT=1)
        writer.write(told)
        assert await within(reader.readline()) == line("GOT", RECEIPT=1)
        writer.write(line("MSG", DEVICE="a", VALUE="y", RECEIPT=2))
        assert await within(waiting) == MessageReceived("a", "y", receipt=2)
        client.acknowledge(MessageReceived("a", "y", receipt=2))
        assert await within(reader.readline()) == line("GOT", RECEIPT=2)


async def test_descriptions_that_are_known_are_not_sent() -> None:
    """The token of the set goes with ID; DEFS=KNOWN saves the rest, else DEFS ends it (protocol B6)."""
    async with fake_broker() as (address, connections):
        client = Client(*address, "node", sleep=soon)
        await client.describe(DESCRIPTIONS)
        async with client:
            reader, writer = await connections()
            identity = (await within(reader.readline())).decode()
            token = identity.partition("DEFS=")[2].partition(" ")[0]
            assert len(token) == 32
            await within(reader.readline())
            writer.write(line("OK", SEQ=1, CAN="defs") + line("HELLO!"))
            described = [await within(reader.readline()) for _ in range(3)]
            assert described[0].startswith(b"START | COMMAND=DEF | VARIABLE=node/t |")
            assert described[2] == line("DEFS", TOKEN=token, COUNT=2)
            writer.write(line("OK") * 3)
            await within(client.connected())
            writer.transport.abort()
            reader, writer = await connections()
            assert f"DEFS={token} " in (await within(reader.readline())).decode()
            await within(reader.readline())
            writer.write(line("OK", SEQ=1, CAN="defs", DEFS="KNOWN") + line("HELLO!"))
            await within(client.connected())
            publishing = asyncio.create_task(client.publish("node/t", "1"))
            assert b"COMMAND=PUB" in await within(reader.readline())
            writer.write(line("OK"))
            await within(publishing)


async def test_the_loop_is_not_blocked_by_a_name_that_is_not_found() -> None:
    """A port where nobody listens is told as unreachable."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
    async with Client(host, port, "node", sleep=soon) as client:
        await until(lambda: client.status.reason == UNREACHABLE, "unreachable")


async def test_an_application_that_never_takes_while_it_asks_is_told() -> None:
    """A broker that floods with new variables while an answer is awaited: the command fails, memory stays bounded."""
    async with (
        fake_broker() as (address, connections),
        Client(*address, sleep=soon, max_waiting=10) as client,
    ):
        _, writer = await connections()
        await within(client.connected())
        asking = asyncio.create_task(client.get("x"))
        await asyncio.sleep(0.01)
        writer.write(
            b"".join(
                line("SUB", VARIABLE=f"v{number}", VALUE=1) for number in range(500)
            )
        )
        with pytest.raises(ConnectionLost, match="takes too little"):
            await within(asking)


async def test_the_queue_keeps_what_matters() -> None:
    """The newest of a stored value; events in order with those that were missed; every message."""
    queue = DeliveryQueue(20)
    for number in range(10):
        queue.put(Value("stored", str(number), retain=True))
        queue.put(Value("event", str(number)))
    assert len(queue) == 11
    queue.pressed = True
    for number in range(10, 110):
        queue.put(Value("stored", str(number), retain=True))
        queue.put(Value("event", str(number)))
        queue.put(MessageReceived("a", str(number)))
    queue.put(Deletion("event"))
    queue.put(Value("event", "after"))
    queue.end()
    came: list[object] = []
    while (delivery := await queue.get()) is not None:
        came.append(delivery)
    assert came[0] == Value("stored", "109", retain=True)
    assert [one.value for one in came if isinstance(one, MessageReceived)] == [
        str(number) for number in range(10, 110)
    ]
    events = [one for one in came if isinstance(one, Value) and one.variable == "event"]
    assert sum(one.missed + 1 for one in events) == 111
    assert [one.value for one in events[-2:]] == ["109", "after"]
    assert len(events) <= 9
    assert len(queue) == 0


def test_the_phases_are_a_table() -> None:
    """Every step is taken from somewhere, and nothing leaves the end."""
    assert {step for _, step in PHASE_TRANSITIONS} == set(PhaseStep)
    assert {
        phase for phase, step in PHASE_TRANSITIONS if step is not PhaseStep.STOP
    } == set(Phase) - {Phase.STOPPED}


def test_it_waits_longer_each_time() -> None:
    """Longer after each failure, with chance, up to a bound; a connection that held begins again."""
    backoff = Backoff(lambda: 1.0)
    delays = [backoff.delay("lost", 0) for _ in range(12)]
    assert delays == sorted(delays)
    assert delays[0] == 1
    assert delays[-1] == delays[-2] == 60
    assert backoff.delay("lost", 3600) == 1
    assert Backoff(lambda: 0.0).delay("lost", 0) == 0.5
    assert Backoff(lambda: 1.0).delay("denied", 0) == 300


async def test_strict_reader_takes_what_the_client_sends(
    broker: BrokerProcess, connect: Connect
) -> None:
    """What the client publishes arrives at another client in the exact form, escaped."""
    reader: StrictClient = await asyncio.to_thread(connect, broker)
    reader.ok("SUB", VARIABLE="v")
    async with client_of(broker) as client:
        await within(client.connected())
        await client.publish("v", " a|b\\c\nü\U0001f600 ")
    message = await asyncio.to_thread(reader.receive)
    assert message["VALUE"] == r"\u0020a\u007cb\\c\n\u00fc\ud83d\ude00\u0020"


async def test_what_can_not_be_brought_back(broker: BrokerProcess) -> None:
    """It is told once, all else is there, and it is not tried again."""
    refused: list[str] = []
    client = Client(
        *broker.address,
        "node",
        sleep=soon,
        on_refused=lambda command, error: refused.append(
            f"{command.name} {error.reason}"
        ),
    )
    await client.will("$SYS/version", "x")
    await client.subscribe("a")
    async with client:
        await within(client.connected())
        await client.publish("a", "1")
        assert isinstance(await within(anext(client)), Value)
        assert refused == ["WILL read-only"]


async def test_an_acknowledgement_without_a_connection(broker: BrokerProcess) -> None:
    """It is remembered, and the repeated message is not told again."""
    client = Client(*broker.address, "node", sleep=soon)
    message = MessageReceived("a", "x", receipt=7)
    client.acknowledge(message)
    client.acknowledge(message)
    client.acknowledge(MessageReceived("a", "without a number"))
    async with client:
        await within(client.connected())
        client.acknowledge(message)
        await client.publish("a", "1")


async def test_a_broker_that_does_not_read_for_a_while() -> None:
    """The client waits with what it has to say, and goes on."""
    async with fake_broker() as (address, connections), Client(*address) as client:
        await within(client.connected())
        reader, writer = await connections()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        tasks = [
            asyncio.create_task(client.publish("a", "x" * 4000, ack=False))
            for _ in range(2000)
        ]
        await asyncio.sleep(0.2)
        assert not all(one.done() for one in tasks)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        got = 0
        while got < 2000:
            data = await within(reader.readline())
            got += data.startswith(b"START | COMMAND=PUB ")
            if data == line("HELLO?"):
                writer.write(line("HELLO!"))
        await within(asyncio.gather(*tasks))


async def test_a_connection_that_is_reset() -> None:
    """The status says so, in the system's words."""
    told: list[Status] = []
    async with (
        fake_broker() as (address, connections),
        Client(*address, sleep=soon, on_status=told.append) as client,
    ):
        await within(client.connected())
        _, writer = await connections()
        taken = writer.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await until(lambda: any(one.detail for one in told), "the end")
    assert any("reset" in one.detail for one in told)


async def test_a_connection_that_ends_while_all_is_brought_back() -> None:
    """What was not brought back then is with the next one."""
    async with fake_broker() as (address, connections):
        client = Client(*address, sleep=soon)
        await client.subscribe("a")
        async with client:
            reader, writer = await connections()
            assert await within(reader.readline()) == line("SUB", VARIABLE="a")
            writer.transport.abort()
            reader, writer = await connections()
            assert await within(reader.readline()) == line("SUB", VARIABLE="a")
            writer.write(line("OK"))
            await within(client.connected())
