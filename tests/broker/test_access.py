"""Section A4: who may come in, take-over, and the reasons of CLOSE that come with it."""

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
import time

import pytest

from .client import Client, is_timestamp, line, message
from .conftest import Connect, NextName, StartBroker
from .process import BrokerProcess

COMMANDS = [
    ("SUB", {"VARIABLE": "a"}),
    ("UNSUB", {"VARIABLE": "a"}),
    ("UNSUBALL", {}),
    ("PUB", {"VARIABLE": "a", "VALUE": "1"}),
    ("DEL", {"VARIABLE": "a"}),
    ("GET", {"VARIABLE": "$SYS/version"}),
    ("MSG", {"DEVICE": "alpha", "VALUE": "1"}),
    ("WILL", {"VARIABLE": "a", "VALUE": "1"}),
    ("DEF", {"VARIABLE": "a", "TYPE": "sensor"}),
]


def test_a_known_device_is_let_in(
    approving_broker: BrokerProcess, connect: Connect, name: str, known: NextName
) -> None:
    """ID of a known device is OK at once, and then all commands work."""
    device = connect(approving_broker, known())
    device.ok("PUB", VARIABLE=name, VALUE="1")


@pytest.mark.parametrize(("command", "params"), COMMANDS)
def test_no_command_before_id(
    approving_broker: BrokerProcess,
    connect: Connect,
    command: str,
    params: dict[str, str],
) -> None:
    """Before it is let in, a client can do nothing: each command gets BAD."""
    stranger = connect(approving_broker)
    answered = stranger.bad("not-authorized", command, **params, SEQ="5")
    assert answered["SEQ"] == "5"
    assert stranger.fence() == []


@pytest.mark.parametrize(("command", "params"), COMMANDS)
def test_no_command_while_a_person_decides(
    approving_broker: BrokerProcess,
    connect: Connect,
    name: str,
    command: str,
    params: dict[str, str],
) -> None:
    """An unknown ID has no answer yet; other commands get BAD at once meanwhile."""
    stranger = connect(approving_broker)
    stranger.send("ID", ID=name)
    stranger.bad("not-authorized", command, **params)
    assert stranger.fence() == []


def test_nothing_of_a_stranger_is_stored_or_heard(
    approving_broker: BrokerProcess, connect: Connect, name: str, known: NextName
) -> None:
    """What a stranger tries has no effect, and nothing reaches it, whatever it knows."""
    device = known()
    watcher = connect(approving_broker, device)
    watcher.ok("PUB", VARIABLE=f"{name}/a", VALUE="mine")
    watcher.ok("SUB", VARIABLE=f"{name}/#", REPLAY="NO")
    tries = [
        line("SUB", VARIABLE=f"{name}/a"),
        line("GET", VARIABLE=f"{name}/a"),
        line("PUB", VARIABLE=f"{name}/a", VALUE="evil"),
        line("PUB", VARIABLE=f"{name}/b", VALUE="evil"),
        line("MSG", DEVICE=device, VALUE="evil"),
        line("DEL", VARIABLE=f"{name}/a"),
        line("WILL", VARIABLE=f"{name}/a", VALUE="evil"),
        line("DEF", VARIABLE=f"{name}/a", TYPE="sensor"),
    ]
    for first in (line("HELLO!"), line("ID", ID=name)):
        stranger = connect(approving_broker)
        stranger.send_bytes(first)
        stranger.fence()
        for tried in tries:
            stranger.send_bytes(tried)
            stranger.refused("not-authorized")
        stranger.send_bytes(b"".join(tries))
        for _ in tries:
            stranger.refused("not-authorized")
        watcher.bad("no-such-device", "MSG", DEVICE=name, VALUE="1")
        watcher.ok("PUB", VARIABLE=f"{name}/a", VALUE="2")
        watcher.ok("MSG", DEVICE="*", VALUE="3")
        assert stranger.fence() == []
        stranger.reset()
        assert watcher.fence() == [message("SUB", VARIABLE=f"{name}/a", VALUE="2")]


def test_a_stranger_may_leave(
    approving_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """CLOSE works before and while a person decides."""
    for params in ({}, {"ID": name}):
        stranger = connect(approving_broker)
        if params:
            stranger.send("ID", **params)
        stranger.send("CLOSE")
        stranger.closed()


def test_reserved_and_bad_ids_of_strangers(
    approving_broker: BrokerProcess, connect: Connect
) -> None:
    """A name that can't be an ID is refused at once, in approve mode too."""
    for device in ("homeassistant", "HomeAssistant", "*", "", "a/b", "x" * 65):
        connect(approving_broker).bad("bad-name", "ID", ID=device)


def test_ids_are_case_sensitive(
    approving_broker: BrokerProcess, connect: Connect
) -> None:
    """`Known1` is not the known device `known1`."""
    stranger = connect(approving_broker)
    stranger.send("ID", ID="Known1")
    assert stranger.fence() == []
    stranger.bad("not-authorized", "UNSUBALL")


def test_waiting_goes_on_with_keep_alive(
    start_broker: StartBroker, connect: Connect
) -> None:
    """A device that waits for a person stays connected as long as it answers HELLO?."""
    broker = start_broker("--keepalive", "1", "--keepalive-timeout", "5")
    stranger = connect(broker)
    stranger.send("ID", ID="stranger")
    for _ in range(3):
        stranger.expect("HELLO?")
        stranger.send("HELLO!")
    stranger.bad("not-authorized", "SUB", VARIABLE="a")


def test_identify_timeout(start_broker: StartBroker, connect: Connect) -> None:
    """A client that does not send an ID within ten seconds is let go, whatever else it sends."""
    broker = start_broker("--allow", "alpha")
    began = time.monotonic()
    silent = connect(broker)
    dribbling = connect(broker)
    chatting = connect(broker)
    waiting = connect(broker)
    waiting.send("ID", ID="stranger")
    known = connect(broker, "alpha")
    dribbling.send_bytes(b"START | COMMAND=")
    for byte in b"HELLO? |":
        dribbling.send_bytes(bytes([byte]))
        time.sleep(0.1)
        chatting.bad("not-authorized", "UNSUBALL")
    with ThreadPoolExecutor() as pool:
        for future in [
            pool.submit(client.closed, "identify-timeout")
            for client in (silent, dribbling, chatting)
        ]:
            future.result()
    assert time.monotonic() - began > 5
    assert waiting.fence() == []
    assert known.fence() == []


def test_open_access_needs_no_id(client: Client, other: Client, name: str) -> None:
    """In the open mode SUB, UNSUB, PUB, DEL and MSG work without an ID."""
    other.ok("ID", ID=name)
    client.ok("SUB", VARIABLE=name)
    client.ok("PUB", VARIABLE=name, VALUE="1")
    client.ok("DEL", VARIABLE=name)
    client.ok("UNSUB", VARIABLE=name)
    client.ok("MSG", DEVICE=name, VALUE="1")


def test_key_access_refuses_plain_text(
    start_broker: StartBroker, connect: Connect
) -> None:
    """In the key mode no one comes in over plain text: BAD with the reason, then CLOSE."""
    broker = start_broker("--access", "key", "--allow", "alpha")
    for device in ("alpha", "stranger"):
        refused = connect(broker)
        refused.bad("not-authorized", "PUB", VARIABLE="a", VALUE="1")
        refused.bad("key-required", "ID", ID=device)
        refused.closed("denied")


def test_a_device_with_a_key_is_refused_in_plain_text(
    start_broker: StartBroker, connect: Connect
) -> None:
    """Who has a key has to use it, in every access mode, known or not (B7)."""
    key = b64encode(bytes(32)).decode()
    for access in ("approve", "open"):
        broker = start_broker(
            "--access", access, "--key", f"alpha={key}", "--allow", "alpha"
        )
        refused = connect(broker)
        refused.bad("key-required", "ID", ID="alpha")
        refused.closed("denied")


def test_ok_of_id_tells_keep_alive_and_time(client: Client, name: str) -> None:
    """The OK of ID carries the keep-alive time in seconds and the time of day (B5)."""
    answered = client.ok("ID", ID=name, SEQ="1")
    assert set(answered.params) == {"SEQ", "KEEPALIVE", "TIME"}
    assert answered["KEEPALIVE"] == "30"
    assert is_timestamp(answered["TIME"])


# Take-over


def test_take_over(open_broker: BrokerProcess, connect: Connect, name: str) -> None:
    """A second connection under the same ID takes over; the first gets CLOSE."""
    first = connect(open_broker, name)
    first.ok("SUB", VARIABLE=f"{name}/v")
    second = connect(open_broker, name)
    first.closed("taken-over")
    second.ok("MSG", DEVICE=name, VALUE="1")
    second.ok("PUB", VARIABLE=f"{name}/v", VALUE="1")
    assert second.fence() == [message("MSG", DEVICE=name, VALUE="1")]


def test_take_over_leaves_no_will(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """The will of the older connection is not published, nor inherited by the newer one."""
    watcher = connect(open_broker)
    watcher.ok("SUB", VARIABLE=f"{name}/#")
    first = connect(open_broker, name)
    first.ok("WILL", VARIABLE=f"{name}/state", VALUE="lost")
    second = connect(open_broker, name)
    first.closed("taken-over")
    assert watcher.fence() == []
    second.reset()
    _await_absence(watcher, name)
    assert watcher.fence() == []


def _await_absence(client: Client, device: str) -> None:
    """Wait until a device is no longer connected."""
    deadline = time.monotonic() + 15
    while client.do("MSG", DEVICE=device, VALUE="?").command == "OK":
        assert time.monotonic() < deadline, "the broker did not notice the loss"


def test_take_over_by_id_again(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """A client that changes to the ID of another connection takes that one over."""
    first = connect(open_broker, name)
    second = connect(open_broker, f"{name}b")
    second.ok("ID", ID=name)
    first.closed("taken-over")
    second.bad("no-such-device", "MSG", DEVICE=f"{name}b", VALUE="1")


def test_an_id_that_is_fought_over(
    open_broker: BrokerProcess, connect: Connect, name: str, client: Client
) -> None:
    """Twenty connects of one ID within a minute are enough: who is there then stays."""
    latest = connect(open_broker, name)
    for _ in range(19):
        former, latest = latest, connect(open_broker, name)
        former.closed("taken-over")
    for _ in range(3):
        refused = connect(open_broker)
        refused.bad("limit", "ID", ID=name)
        refused.closed("limit")
    latest.ok("ID", ID=name)
    client.ok("MSG", DEVICE=name, VALUE="1")
    assert latest.fence() == [message("MSG", DEVICE="", VALUE="1")]


def test_id_again_with_the_same_id(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """The same ID again updates what the device says about itself and keeps the connection."""
    device = connect(open_broker, name)
    device.ok("SUB", VARIABLE=name)
    device.ok("ID", ID=name, SW="2.0")
    device.ok("PUB", VARIABLE=name, VALUE="1")
    device.ok("MSG", DEVICE=name, VALUE="1")
    assert {delivered.command for delivered in device.fence()} == {"SUB", "MSG"}


def test_id_again_with_another_id(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """A new ID replaces the old one; subscriptions stay."""
    device = connect(open_broker, f"{name}a")
    device.ok("SUB", VARIABLE=name)
    device.ok("ID", ID=f"{name}b")
    client.bad("no-such-device", "MSG", DEVICE=f"{name}a", VALUE="1")
    client.ok("MSG", DEVICE=f"{name}b", VALUE="2")
    client.ok("PUB", VARIABLE=name, VALUE="3")
    assert device.fence() == [
        message("MSG", DEVICE="", VALUE="2"),
        message("SUB", VARIABLE=name, VALUE="3"),
    ]


def test_a_bad_id_keeps_the_old_one(
    open_broker: BrokerProcess, connect: Connect, client: Client, name: str
) -> None:
    """An ID that is refused for its name changes nothing."""
    device = connect(open_broker, name)
    device.bad("bad-name", "ID", ID="homeassistant")
    client.ok("MSG", DEVICE=name, VALUE="1")
    assert device.fence() == [message("MSG", DEVICE="", VALUE="1")]


def test_an_unknown_new_id_has_to_be_let_in(
    approving_broker: BrokerProcess, connect: Connect, name: str, known: NextName
) -> None:
    """Under a new ID that is not known a device has no rights until a person lets it in."""
    device = connect(approving_broker, known())
    device.send("ID", ID=name)
    device.bad("not-authorized", "PUB", VARIABLE=name, VALUE="1")
    connect(approving_broker, known()).bad(
        "no-such-device", "MSG", DEVICE=name, VALUE="1"
    )


@pytest.mark.parametrize("device", ["alpha", "stranger"])
def test_denied_again_and_again(
    start_broker: StartBroker, connect: Connect, device: str
) -> None:
    """A storm of refused connections costs the broker nothing that stays."""
    broker = start_broker("--access", "key")
    for _ in range(50):
        refused = connect(broker)
        refused.bad("key-required", "ID", ID=device)
        refused.closed("denied")
    assert len(broker.log) < 60
