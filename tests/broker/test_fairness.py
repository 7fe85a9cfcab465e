"""What one client may cost the others: slices, turns, allowances, and who pays (protocol, Limits)."""

from contextlib import suppress
import socket
import threading
import time

import pytest

from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.limits import Limits
from custom_components.textmq.broker.core.quota import Allowance, Quota

from .client import line
from .conftest import Connect, StartBroker
from .encryption import EncryptedClient, client_context, key_options
from .inprocess import Clock, Loop, Peer, RunningClock, make_broker

OK = "COMMAND=OK"
MEGABYTE = 1_000_000


# A client that is not let in


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b"START | COMMAND=HELLO? | " + b"x" * 64 * MEGABYTE, id="a line"),
        pytest.param(line("HELLO?") + b"\n" * 64 * MEGABYTE, id="empty lines"),
        pytest.param(b" " * 64 * MEGABYTE, id="blanks"),
        pytest.param(b"\x16\x03\x01\xff\xff" + bytes(64 * MEGABYTE), id="TLS"),
    ],
)
def test_a_stranger_pays_for_bytes_without_a_message(
    start_broker: StartBroker, connect: Connect, flood: bytes
) -> None:
    """What is passed over costs time too: it is read no faster than the stranger's allowance lets it."""
    broker = start_broker("--allow", "alpha")
    stranger = connect(broker)
    stranger.socket.settimeout(3)
    with pytest.raises((TimeoutError, ConnectionError)):
        stranger.send_bytes(flood)
    assert connect(broker, "alpha").fence() == []


def _quota(
    limits: Limits, strangers: Allowance | None, now: float = 0
) -> tuple[Quota, Allowance, Allowance]:
    commands = Allowance(limits.rate, limits.burst, now)
    seconds = Allowance(limits.unauthorized_share, limits.unauthorized_share_burst, now)
    return Quota(commands, seconds, strangers), commands, seconds


def test_a_stranger_is_heard_until_its_first_burst_is_used_up() -> None:
    """However much others have used of what strangers share: a handshake and an ID come through, no more."""
    limits = Limits()
    shared = Allowance(0.03, 0.25, 0)
    shared.balance = -1
    quota, _, seconds = _quota(limits, shared)
    quota.charge(0.9 * seconds.burst)
    assert quota.wait(0) == 0
    quota.charge(0.2 * seconds.burst)
    assert quota.wait(0) > 0
    assert quota.wait(10) > 10
    assert quota.wait(100) == 0


def test_a_pause_of_the_process_does_not_lock_a_stranger_out() -> None:
    """A slice of a second, the garbage collector's perhaps, is waited for like a burst."""
    limits = Limits()
    quota, _, seconds = _quota(limits, Allowance(0.03, 0.25, 0))
    quota.charge(1.0)
    assert 0 < quota.wait(0) <= seconds.burst / limits.unauthorized_share
    member = Quota(Allowance(1000, 5000, 0), Allowance(0.1, 0.5, 0), None)
    member.charge(1.0)
    assert member.wait(0) == pytest.approx(5, abs=0.1)


def test_a_device_with_a_key_gets_in_while_strangers_flood(
    start_broker: StartBroker,
) -> None:
    """What all strangers share is used up; the handshake and ID of a device go on all the same."""
    broker = start_broker(*key_options("lamp"))
    flood = line("ID", ID="x") * 20_000
    stop = threading.Event()

    def attack() -> None:
        while not stop.is_set():
            with suppress(OSError), socket.socket() as stranger:
                stranger.bind(("127.0.0.2", 0))
                stranger.settimeout(1)
                stranger.connect(broker.address)
                stranger.sendall(flood)

    attackers = [threading.Thread(target=attack) for _ in range(31)]
    for attacker in attackers:
        attacker.start()
    try:
        time.sleep(1)
        for _ in range(3):
            with EncryptedClient(broker.address, client_context("lamp")) as device:
                device.ok("ID", ID="lamp")
                assert device.fence() == []
    finally:
        stop.set()
        for attacker in attackers:
            attacker.join()


def test_an_id_too_many_leaves_the_request_before_it() -> None:
    """A stranger that changes its ID too often is refused the new one; the one that waits can still be approved."""
    clock = Clock()
    broker = make_broker(
        AccessMode.APPROVE,
        clock=clock,
        limits=Limits(unauthorized_rate=1e9, unauthorized_burst=1e9),
    )
    peer = Peer(broker)
    for number in range(21):
        peer.send(f"COMMAND=ID | ID=new{number}")
    peer.take()
    (answer,) = peer.ask("COMMAND=ID | ID=new21")
    assert answer.startswith("COMMAND=BAD | REASON=limit")
    assert list(broker.waiting) == ["new20"]
    broker.approve("new20")
    (answer,) = peer.take()
    assert answer.startswith(OK)
    clock.time += 61
    assert peer.ask("COMMAND=ID | ID=new22") == []
    assert list(broker.waiting) == ["new22"]
