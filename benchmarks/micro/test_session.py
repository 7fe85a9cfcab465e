"""What a command costs from its bytes to those of its answer and deliveries, without sockets."""

from collections.abc import Callable

from broker import Access, AccessMode, Broker
from broker.core.limits import no_limits
from broker.core.session import Session
from pytest_benchmark.fixture import BenchmarkFixture

_OK = b"START | COMMAND=OK | END\n"
_BATCH = 256


class Wire:
    """The connection under a session: keeps what is written."""

    def __init__(self) -> None:
        """Begin with nothing written."""
        self.written: list[bytes] = []

    unsent = 0
    bytes_written = 0
    bytes_taken = 0

    def write(self, data: bytes) -> None:
        """Keep bytes."""
        self.written.append(data)

    def close(self) -> None:
        """The end needs nothing done."""

    def set_reading(self, *, reading: bool) -> None:
        """Nothing is received by itself."""

    def work_after(self, seconds: float) -> None:
        """Without a quota nobody waits."""

    def work_soon(self) -> None:
        """Nobody stops reading."""


class Client:
    """A client without a socket: what the scheduler gives its turns to."""

    def __init__(self, broker: Broker) -> None:
        """Connect."""
        self.sink = Wire()
        self.scheduled = False
        self._scheduler = broker.scheduler
        self.session: Session = broker.session(self.sink, "127.0.0.1")
        self.quota = self.session.quota
        broker.open(self.session)

    def receive(self, data: bytes) -> None:
        """Receive bytes, as the connection does."""
        self.session.receive(data)
        self._scheduler.ready(self)

    def work(self) -> bool:
        """Take a turn."""
        return self.session.work()


class House:
    """A broker and its clients."""

    def __init__(self) -> None:
        """Start without clients; what is to be done in the next turns of the loop waits in `turns`."""
        self.turns: list[Callable[[], None]] = []
        self.broker = Broker(
            access=Access(AccessMode.OPEN),
            limits=no_limits(),
            call_soon=self.turns.append,
        )

    def work_off(self) -> None:
        """Turn the loop until nothing is left to do."""
        while self.turns:
            self.turns.pop(0)()

    def client(self, name: str, *commands: str) -> tuple[Client, Wire]:
        """Connect a client, give its ID and some commands."""
        client = Client(self.broker)
        for command in (f"ID | ID={name}", *commands):
            client.receive(_line(command))
        self.work_off()
        client.sink.written.clear()
        return client, client.sink


def _line(command: str) -> bytes:
    return f"START | COMMAND={command} | END\n".encode()


def _publish(name: str, value: str = "21.5", more: str = "") -> bytes:
    return _line(f"PUB | VARIABLE={name} | VALUE={value}{more}")


def test_publish(benchmark: BenchmarkFixture) -> None:
    """One publish, as an idle house sends it."""
    house = House()
    client, sink = house.client("node", "PUB | VARIABLE=v | VALUE=0")
    line = _publish("v")

    def publish() -> list[bytes]:
        sink.written.clear()
        client.receive(line)
        house.work_off()
        return sink.written

    assert benchmark(publish) == [_OK]


def test_publish_batch(benchmark: BenchmarkFixture) -> None:
    """256 publishes received at once."""
    house = House()
    client, sink = house.client("node", "PUB | VARIABLE=v | VALUE=0")
    lines = _publish("v") * _BATCH

    def publish() -> list[bytes]:
        sink.written.clear()
        client.receive(lines)
        house.work_off()
        return sink.written

    assert b"".join(benchmark(publish)) == _OK * _BATCH


def test_publish_general_way(benchmark: BenchmarkFixture) -> None:
    """256 publishes that carry SEQ, which takes the general way."""
    house = House()
    client, sink = house.client("node", "PUB | VARIABLE=v | VALUE=0")
    lines = _publish("v", more=" | SEQ=7") * _BATCH

    def publish() -> list[bytes]:
        sink.written.clear()
        client.receive(lines)
        house.work_off()
        return sink.written

    assert b"".join(benchmark(publish)) == _line("OK | SEQ=7") * _BATCH


def test_fan_out(benchmark: BenchmarkFixture) -> None:
    """16 publishes received at once, delivered to 100 subscribers."""
    house = House()
    client, _ = house.client("node", "PUB | VARIABLE=v | VALUE=0")
    sinks = [house.client(f"s{i}", "SUB | VARIABLE=v")[1] for i in range(100)]
    lines = _publish("v") * 16

    def publish() -> None:
        for sink in sinks:
            sink.written.clear()
        client.receive(lines)
        house.work_off()

    benchmark(publish)
    delivered = _line("SUB | VARIABLE=v | VALUE=21.5") * 16
    assert all(b"".join(sink.written) == delivered for sink in sinks)


def test_message(benchmark: BenchmarkFixture) -> None:
    """One message from device to device."""
    house = House()
    client, _ = house.client("one")
    _, sink = house.client("two")
    line = _line("MSG | DEVICE=two | VALUE=on")

    def send() -> list[bytes]:
        sink.written.clear()
        client.receive(line)
        house.work_off()
        return sink.written

    assert benchmark(send) == [_line("MSG | DEVICE=one | VALUE=on")]


def test_match_after_subscription(benchmark: BenchmarkFixture) -> None:
    """A publish whose subscribers must be found anew, beside 100 filters and 10,000 names."""
    house = House()
    client, _ = house.client("node", "PUB | VARIABLE=room7/sensor3 | VALUE=0")
    house.client(
        "exact",
        *(f"SUB | VARIABLE=room{r}/sensor{s}" for r in range(100) for s in range(100)),
    )
    _, sink = house.client(
        "filters", *(f"SUB | VARIABLE=room{r}/+" for r in range(100))
    )
    line = _publish("room7/sensor3")

    def publish() -> list[bytes]:
        sink.written.clear()
        house.broker._router.renew_routes()  # noqa: SLF001
        client.receive(line)
        house.work_off()
        return sink.written

    assert benchmark(publish) == [_line("SUB | VARIABLE=room7/sensor3 | VALUE=21.5")]


def test_replay(benchmark: BenchmarkFixture) -> None:
    """A subscription to everything: 5,000 values replayed."""
    house = House()
    house.client("node", *(f"PUB | VARIABLE=v{i} | VALUE=1" for i in range(5000)))
    client, sink = house.client("reader")
    lines = _line("SUB | VARIABLE=#") + _line("UNSUB | VARIABLE=#")

    def replay() -> list[bytes]:
        sink.written.clear()
        client.receive(lines)
        house.work_off()
        return sink.written

    assert b"".join(benchmark(replay)).count(b"\n") == 5000 + 2
