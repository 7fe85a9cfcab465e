"""What the program around the broker does and hears: Home Assistant's side of it."""

import asyncio
import errno
import gc
import logging
import socket
import time
from typing import Any, override

import pytest

from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.broker import Broker
from custom_components.textmq.broker.core.devices import DeviceState
from custom_components.textmq.broker.core.mailbox import Delivery
from custom_components.textmq.broker.core.observers import Observer, Publication
from custom_components.textmq.broker.core.variables import Variable
from custom_components.textmq.broker.protocol.reasons import BadReason, Refusal
from custom_components.textmq.broker.server.listener import Listener, bind

from .inprocess import Clock, Peer, make_broker

ACCEPT_PAUSE = 0.9
"""Seconds for which the port would rest where the system has no socket left."""
OBSERVED = {name for name in vars(Observer) if not name.startswith("_")}
OBSERVED.remove("stored_changed")


class Recorder(Observer):
    """Keeps what it is told: the method's name and the name or ID of what it is about."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.told: list[tuple[str, str]] = []

    @override
    def __getattribute__(self, name: str) -> Any:
        """Record calls of every method of an observer."""
        if name not in OBSERVED:
            return super().__getattribute__(name)

        def record(about: Any, *_: object) -> None:
            subject = getattr(about, "id", None) or getattr(about, "name", about)
            self.told.append((name, subject))

        return record

    def take(self) -> list[tuple[str, str]]:
        """Return what it was told since the last time."""
        told, self.told = self.told, []
        return told


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def broker(clock: Clock) -> Broker:
    """Return a broker that asks about unknown devices and knows `lamp`."""
    return make_broker(AccessMode.APPROVE, "lamp", clock=clock)


@pytest.fixture
def recorder(broker: Broker) -> Recorder:
    """Return an observer of the broker."""
    recorder = Recorder()
    broker.observe(recorder)
    return recorder


def test_a_person_approves(broker: Broker, recorder: Recorder) -> None:
    """The ID that waits gets its OK on the connection that waits, and is known from then on."""
    peer = Peer(broker)
    assert peer.ask("COMMAND=ID | ID=new | SEQ=7", "COMMAND=SUB | VARIABLE=x") == [
        "COMMAND=BAD | REASON=not-authorized | DETAIL=wait for the OK of ID"
    ]
    assert recorder.take() == [("device_waiting", "new")]
    broker.approve("new")
    (answer,) = peer.take()
    assert answer.startswith("COMMAND=OK | SEQ=7 | KEEPALIVE=30 | TIME=")
    assert recorder.take() == [("device_left", "new"), ("device_connected", "new")]
    peer.send("COMMAND=CLOSE")
    assert recorder.take() == [("device_disconnected", "new")]
    Peer(broker, "new")
    assert recorder.take() == [("device_connected", "new")]


def test_a_person_refuses(broker: Broker, recorder: Recorder) -> None:
    """The ID that waits is refused and closed, and later tries are refused at once."""
    peer = Peer(broker, "new")
    recorder.take()
    broker.refuse("new")
    assert peer.take() == [
        "COMMAND=BAD | REASON=denied | DETAIL=this device is kept out",
        "COMMAND=CLOSE | REASON=denied",
    ]
    assert peer.sink.closed
    assert recorder.take() == [("device_left", "new")]
    again = Peer(broker, "new")
    assert again.take()[-1] == "COMMAND=CLOSE | REASON=denied"
    assert recorder.take() == [("device_refused", "new")]


def test_who_waits_and_goes_is_told(broker: Broker, recorder: Recorder) -> None:
    """A card can be taken away when its device leaves, and the newest connection of an ID waits."""
    first = Peer(broker, "new")
    second = Peer(broker, "new")
    assert first.take() == ["COMMAND=CLOSE | REASON=taken-over"]
    second.session.lost()
    assert recorder.take() == [
        ("device_waiting", "new"),
        ("device_waiting", "new"),
        ("device_left", "new"),
    ]
    assert not broker.waiting


def test_permit_window(broker: Broker, recorder: Recorder, clock: Clock) -> None:
    """New devices come in while the window is open, those that wait at once, none after it."""
    waiting = Peer(broker, "early")
    broker.permit(60)
    assert waiting.take()[0].startswith("COMMAND=OK")
    Peer(broker, "late")
    admitted = [about for what, about in recorder.take() if what == "device_admitted"]
    assert admitted == ["early", "late"]
    assert broker.access.known == {"lamp", "early", "late"}
    clock.time += 61
    Peer(broker, "too-late")
    assert list(broker.waiting) == ["too-late"]


def test_permit_window_closed_early(broker: Broker) -> None:
    """A window of no length closes the one that is open."""
    broker.permit(60)
    broker.permit(0)
    Peer(broker, "new")
    assert list(broker.waiting) == ["new"]


def test_disconnect(broker: Broker, recorder: Recorder) -> None:
    """A device is closed by hand and may come back."""
    assert not broker.disconnect("lamp")
    lamp = Peer(broker, "lamp")
    assert broker.disconnect("lamp")
    assert lamp.take()[-1] == "COMMAND=CLOSE | REASON=disconnected"
    assert recorder.take() == [
        ("device_connected", "lamp"),
        ("device_disconnected", "lamp"),
    ]
    assert Peer(broker, "lamp").take()[0].startswith("COMMAND=OK")


@pytest.mark.parametrize("delete", [False, True])
def test_revoke(broker: Broker, delete: bool) -> None:
    """Nothing is left of a revoked device: connection, subscriptions, will, messages; variables if asked for."""
    lamp = Peer(broker, "lamp")
    lamp.send(
        "COMMAND=SUB | VARIABLE=#",
        "COMMAND=WILL | VARIABLE=lamp/there | VALUE=no",
        "COMMAND=PUB | VARIABLE=lamp/on | VALUE=1",
    )
    broker.publish("other", "1", device="homeassistant")
    broker.flush()
    assert lamp.take()[-1] == "COMMAND=SUB | VARIABLE=other | VALUE=1"
    broker.revoke("lamp", delete_variables=delete)
    assert lamp.take() == ["COMMAND=CLOSE | REASON=revoked"]
    broker.publish("other", "2", device="homeassistant")
    broker.flush()
    assert lamp.take() == []
    assert {variable.name for variable in broker.variables} == (
        {"other"} if delete else {"other", "lamp/on"}
    )
    with pytest.raises(Refusal, match="no-such-device"):
        broker.send("homeassistant", "lamp", "hello", ttl=60)
    Peer(broker, "lamp")
    assert list(broker.waiting) == ["lamp"]


def test_variables_are_told(broker: Broker, recorder: Recorder) -> None:
    """A variable is told when it is new, described and gone, not at every publish; a description each time."""
    lamp = Peer(broker, "lamp")
    recorder.take()
    lamp.send(
        "COMMAND=PUB | VARIABLE=v | VALUE=1",
        "COMMAND=PUB | VARIABLE=v | VALUE=2",
        "COMMAND=DEF | VARIABLE=v | TYPE=sensor",
        "COMMAND=DEF | VARIABLE=v | TYPE=sensor",
        "COMMAND=DEF | VARIABLE=v",
        "COMMAND=DEF | VARIABLE=button | TYPE=button",
        "COMMAND=DEF | VARIABLE=button",
        "COMMAND=DEL | VARIABLE=v",
    )
    assert recorder.take() == [
        ("variable_added", "v"),
        ("variable_described", "v"),
        ("description_accepted", "lamp"),
        ("description_accepted", "lamp"),
        ("variable_described", "v"),
        ("description_accepted", "lamp"),
        ("variable_added", "button"),
        ("description_accepted", "lamp"),
        ("variable_deleted", "button"),
        ("description_accepted", "lamp"),
        ("variable_deleted", "v"),
    ]


def test_watching(broker: Broker) -> None:
    """A watcher gets every publish of its filter with the value before it, until it has enough."""
    seen: list[tuple[str, str, str | None, str, bool]] = []

    def watcher(publication: Publication) -> None:
        seen.append(
            (
                publication.name,
                publication.text,
                publication.previous,
                publication.device,
                publication.retain,
            )
        )

    unwatch = broker.watch("a/#", watcher)
    lamp = Peer(broker, "lamp")
    lamp.send(
        "COMMAND=PUB | VARIABLE=a/b | VALUE=21 \\u00b0C",
        "COMMAND=PUB | VARIABLE=a/b | VALUE=22",
        "COMMAND=PUB | VARIABLE=a/b | VALUE=now | RETAIN=NO",
        "COMMAND=PUB | VARIABLE=b | VALUE=1",
    )
    unwatch()
    lamp.send("COMMAND=PUB | VARIABLE=a/b | VALUE=23")
    assert seen == [
        ("a/b", "21 °C", None, "lamp", True),
        ("a/b", "22", "21 \\u00b0C", "lamp", True),
        ("a/b", "now", "22", "lamp", False),
    ]
    with pytest.raises(Refusal) as refused:
        broker.watch("a/#/b", watcher)
    assert refused.value.reason is BadReason.BAD_NAME


def test_who_listens_may_fail(
    broker: Broker, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """An error in an observer, a watcher or the judgement of access stops nobody else."""

    class Failing(Observer):
        @override
        def variable_added(self, variable: Variable) -> None:
            raise RuntimeError("observer")

    def fail(_: object) -> None:
        raise RuntimeError("watcher")

    recorder_first = broker.observe(Failing())
    broker.watch("v", fail)
    late = Recorder()
    broker.observe(late)
    lamp = Peer(broker, "lamp")
    assert lamp.ask("COMMAND=PUB | VARIABLE=v | VALUE=1") == ["COMMAND=OK"]
    assert ("variable_added", "v") in late.take()
    recorder_first()
    broker.access.known = None  # type: ignore[assignment]
    assert Peer(broker, "lamp").take()[0].startswith("COMMAND=BAD | REASON=denied")
    failed = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert len(failed) == 3


def test_messages_to_home_assistant(broker: Broker) -> None:
    """They reach who takes them, under any spelling of the name; before that nobody is there."""
    lamp = Peer(broker, "lamp")
    message = "COMMAND=MSG | DEVICE=HomeAssistant | VALUE=dark"
    (refused,) = lamp.ask(message)
    assert refused.startswith("COMMAND=BAD | REASON=no-such-device")
    got: list[tuple[str, str]] = []
    broker.home_assistant = lambda sender, value: got.append((sender, value))
    assert lamp.ask(message) == ["COMMAND=OK"]
    assert got == [("lamp", "dark")]


def test_messages_from_home_assistant(broker: Broker) -> None:
    """They are delivered, or wait for a known device that is not there."""
    assert broker.send("homeassistant", "lamp", "1", ttl=60) is Delivery.QUEUED
    lamp = Peer(broker, "lamp")
    assert broker.send("homeassistant", "lamp", "2") is Delivery.DELIVERED
    broker.flush()
    assert [line.rpartition("=")[2] for line in lamp.take()[1:]] == ["1", "2"]


def test_devices_are_restored(broker: Broker, recorder: Recorder, clock: Clock) -> None:
    """A sleeper sleeps on after a restart, and is lost when it does not come in time."""
    broker.archive.restore_device("lamp", address="192.0.2.7", last_seen=5.0, sleep=30)
    broker.archive.restore_device("old", address="192.0.2.8", last_seen=4.0)
    lamp, old = broker.devices.get("lamp"), broker.devices.get("old")
    assert lamp is not None
    assert old is not None
    assert lamp.state is DeviceState.ASLEEP
    assert old.state is DeviceState.DISCONNECTED
    assert (old.address, old.last_seen) == ("192.0.2.8", 4.0)
    clock.time += 31
    broker.tick()
    assert {device.state for device in broker.devices} == {DeviceState.DISCONNECTED}
    assert recorder.take() == [("device_lost", "lamp")]


def test_a_failed_key_is_told(broker: Broker, recorder: Recorder) -> None:
    """An identity that can be an ID is told; anything else is nobody."""
    broker.key_failed("lamp", "192.0.2.1")
    broker.key_failed("../lamp", "192.0.2.1")
    broker.key_failed(None, "192.0.2.1")
    assert recorder.take() == [("device_key_failed", "lamp")]


def test_what_is_too_long_for_a_line(broker: Broker) -> None:
    """The program is told before it publishes what no client could take."""
    room = 4096 - len("START | COMMAND=PUB | VARIABLE=v | VALUE= | END")
    broker.check_length("PUB", "v", "x" * room)
    with pytest.raises(Refusal, match="too-long"):
        broker.check_length("PUB", "v", "x" * (room + 1))


def test_the_longest_gone_is_forgotten(clock: Clock) -> None:
    """In open mode, where anyone may come, devices are remembered up to a number."""
    broker = make_broker(AccessMode.OPEN, clock=clock)
    for number in range(broker.limits.devices + 1):
        Peer(broker, f"d{number}").send("COMMAND=CLOSE")
    assert len(broker.devices) == broker.limits.devices
    assert broker.devices.get("d0") is None
    assert broker.devices.get("d1") is not None


async def test_small_messages_do_not_wait_for_acknowledgements() -> None:
    """Nagle's algorithm is off on every connection: an answer to an answer would take 40 ms."""
    listener = Listener(make_broker(AccessMode.OPEN), "127.0.0.1", 0)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"START | COMMAND=HELLO? | END\n")
    assert await reader.readline() == b"START | COMMAND=HELLO! | END\n"
    ends = (listener.port, writer.get_extra_info("sockname")[1])
    (accepted,) = (
        one
        for one in gc.get_objects()
        if isinstance(one, socket.socket) and _ports(one) == ends
    )
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
    await listener.stop()
    assert (await reader.readline()).startswith(b"START | COMMAND=CLOSE")
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    assert listener.port == 0


@pytest.mark.parametrize("dual_stack", [True, False])
def test_all_addresses(monkeypatch: pytest.MonkeyPatch, dual_stack: bool) -> None:
    """Without an address IPv4 and IPv6 are listened on, where the system can do both with one socket."""
    asked: list[tuple[Any, dict[str, Any]]] = []
    create_server = socket.create_server

    def create(address: Any, **options: Any) -> socket.socket:
        asked.append((address, options))
        return create_server(("127.0.0.1", 0))

    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: dual_stack)
    monkeypatch.setattr(socket, "create_server", create)
    bind(None, 7883).close()
    ((address, options),) = asked
    assert address == ("", 7883)
    assert options.get("dualstack_ipv6", False) is dual_stack


@pytest.mark.parametrize(
    "error",
    ["ECONNABORTED", "EPROTO", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EPERM"],
)
async def test_accept_errors_of_one_peer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    """What accept says of one connection that is gone stops neither the port nor the next connection."""
    listener = Listener(make_broker(AccessMode.OPEN), "127.0.0.1", 0)
    await listener.start()
    accept, failures = socket.socket.accept, 2

    def accept_next(server: socket.socket) -> tuple[socket.socket, Any]:
        nonlocal failures
        if failures:
            failures -= 1
            number = getattr(errno, error)
            raise OSError(number, error)
        return accept(server)

    monkeypatch.setattr(socket.socket, "accept", accept_next)
    started = time.monotonic()
    await _is_served(listener)
    assert time.monotonic() - started < ACCEPT_PAUSE
    assert failures == 0
    assert not caplog.records
    await listener.stop()


async def _is_served(listener: Listener) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"START | COMMAND=HELLO? | END\n")
    assert await reader.readline() == b"START | COMMAND=HELLO! | END\n"
    writer.close()
    await writer.wait_closed()


def _ports(connection: socket.socket) -> tuple[int, int] | None:
    """Return the ports of a connection's ends, its own first; None for any other socket."""
    try:
        return connection.getsockname()[1], connection.getpeername()[1]
    except OSError, IndexError:
        return None
