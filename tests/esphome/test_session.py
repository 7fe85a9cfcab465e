"""The node's connection: let in, kept alive, lost and found again."""

import time

from tests.broker.client import Client, Message
from tests.broker.process import BrokerProcess, wait_for

from .conftest import Connect, StartBroker, StartNode
from .peer import Peer, Proxy


def test_identity(peer: Peer, start_node: StartNode) -> None:
    """ID tells what the node is, with every character that its names have."""
    start_node(peer)
    identity = peer.let_in()
    version = identity.params.pop("SW")
    mac = identity.params.pop("MAC")
    assert identity.params == {
        "ID": "test-node",
        "NAME": r"K\u00fcche \u007c Test",
        "MODEL": "tester",
        "MANUFACTURER": "acme",
        "AREA": "Garden",
    }
    assert version.startswith("1.2 (ESPHome 20")
    assert len(mac.split(":")) == 6


def test_nothing_is_told_before_the_node_is_let_in(
    peer: Peer, start_node: StartNode
) -> None:
    """While a person has to decide, only the keep-alive goes on; then all is told, the oldest first."""
    node = start_node(peer, "patient")
    assert node.done("publish", "kept/early", "1")
    peer.accept()
    peer.expect("ID")
    node.wait_for_log("Waiting to be let in: add the discovered device 'patient'")
    for _ in range(3):
        peer.send("HELLO?")
        peer.expect("HELLO!")
    peer.send("OK")
    assert peer.expect("PUB").params == {"VARIABLE": "kept/early", "VALUE": "1"}
    assert not node.logged("ON_REFUSED")


def test_approval(start_broker: StartBroker, start_node: StartNode) -> None:
    """A stranger waits; once it is allowed it is in."""
    broker = start_broker("--access", "approve")
    node = start_node(broker, "stranger")
    node.wait_for_log("Waiting to be let in")
    assert not node.logged("ON_CONNECT")
    assert broker.stop() == 0
    start_broker("--allow", "stranger", port=broker.address[1])
    node.wait_connected()
    node.wait_flushed()


def test_refusal(peer: Peer, start_node: StartNode) -> None:
    """A refused node says why and what to do, and asks again after longer and longer waits."""
    node = start_node(peer, "unwanted", reconnect_min_ms=50, reconnect_max_ms=200)
    for _ in range(20):
        peer.accept()
        peer.expect("ID")
        peer.send("BAD", REASON="denied", DETAIL="no such luck")
        peer.send("CLOSE", REASON="denied")
        assert peer.receive() is None
    node.wait_for_log("ON_REFUSED denied", count=20)
    said = node.logged("The broker refuses 'unwanted': denied no such luck")
    assert len(said) == 5  # the 1st, 2nd, 4th, 8th and 16th time
    assert "let it in there" in node.text
    assert not node.logged("ON_CONNECT")


def test_waits_grow_and_are_reset_by_a_good_session(
    peer: Peer, start_node: StartNode
) -> None:
    """Half a second becomes a minute (here: faster), with jitter, and starts over only after a session that lasted."""
    node = start_node(peer, "waiting", reconnect_min_ms=100, reconnect_max_ms=600_000)
    started = time.monotonic()
    waits = []
    for _ in range(7):
        peer.accept()
        waits.append(time.monotonic() - started)
        started = time.monotonic()
        peer.cut()
    least = [0.8 * 0.1 * 2**number for number in range(6)]
    assert all(wait >= low for wait, low in zip(waits[1:], least, strict=True)), waits
    # A session that breaks at once changes nothing: the next wait is the longest yet.
    peer.let_in()
    started = time.monotonic()
    peer.cut()
    peer.let_in()
    assert time.monotonic() - started >= 0.8 * 12.8
    # One that lasts does: this would have taken 20 seconds.
    end = time.monotonic() + 6
    while time.monotonic() < end:
        peer.answer_what_comes()
        time.sleep(0.01)
    started = time.monotonic()
    peer.cut()
    peer.accept()
    assert time.monotonic() - started < 15
    assert node.logged("Disconnected: lost")


def test_refused_command_is_named(
    broker: BrokerProcess, start_node: StartNode, client: Client, name: str
) -> None:
    """A BAD is paired with its command, and the answers after it with theirs."""
    node = start_node(broker, name)
    node.wait_connected()
    node.wait_flushed()
    for value in ("1", "2"):
        assert node.done("publish", f"{name}/x", value)
        assert node.done("publish", "$SYS/mine", value)
    node.wait_flushed()
    node.wait_for_log(r"The broker refuses PUB \| VARIABLE=\$SYS/mine: read-only")
    got = client.get(f"{name}/x")
    assert got is not None
    assert got["VALUE"] == "2"


def test_wrong_names_never_leave_the_node(
    broker: BrokerProcess, start_node: StartNode, name: str
) -> None:
    """What a lambda makes up is checked where it is known who made it up."""
    node = start_node(broker, name)
    node.wait_connected()
    assert not node.done("publish", "a//b", "1")
    assert not node.done("send", "a/b", "1")
    assert not node.done("delete", "+")
    node.wait_for_log("'a//b' is no name that can be used here")
    node.wait_flushed()


def test_broker_restart(
    start_broker: StartBroker, start_node: StartNode, connect: Connect, name: str
) -> None:
    """After a restart the states are told again, the newest of what was published meanwhile, and no event of then."""
    broker = start_broker("--access", "open")
    node = start_node(broker, name)
    node.wait_connected()
    node.wait_flushed()
    assert broker.stop() == 0
    node.wait_for_log("ON_DISCONNECT (shutdown|lost)")
    for value in ("1", "2", "3"):
        assert node.done("publish", f"{name}/kept", value)
        node.do("sensor", "temperature", value)
    assert not node.done("event!", f"{name}/event", "late")
    assert not node.done("send", "somebody", "late")
    broker = start_broker("--access", "open", port=broker.address[1])
    watcher = connect(broker)
    watcher.ok("SUB", VARIABLE=f"{name}/#")
    node.wait_connected(count=2)
    node.wait_flushed()
    delivered = [
        (message["VARIABLE"], message["VALUE"])
        for message in watcher.fence()
        if "TIME" not in message.params
    ]
    assert delivered.count((f"{name}/kept", "3")) == 1
    assert delivered.count((f"{name}/temperature", "3.0")) == 1
    assert delivered.count((f"{name}/pump", "OFF")) == 1
    assert len(delivered) == len(set(delivered))
    assert not [value for _, value in delivered if value in ("1", "2", "late")]


def test_unanswered_value_is_sent_again(peer: Peer, start_node: StartNode) -> None:
    """A value that the broker has not acknowledged counts as not sent; an event or a message is not repeated."""
    node = start_node(peer, "careful")
    peer.let_in()
    node.wait_flushed(peer)
    assert node.done("event!", "bell", "press")
    assert node.done("send", "friend", "hello")
    assert node.done("publish", "counter", "41")
    for command in ("PUB", "MSG", "PUB"):
        peer.expect(command)
    peer.let_in()
    first = peer.expect("PUB")
    assert first.params == {"VARIABLE": "counter", "VALUE": "41"}
    peer.send("OK")
    told: list[Message] = []
    node.wait_flushed(peer, told)
    assert len(told) > 50
    assert "MSG" not in {message.command for message in told}
    assert not {"bell", "counter"} & {message["VARIABLE"] for message in told}


def test_keep_alive_of_the_broker(
    start_broker: StartBroker, start_node: StartNode, connect: Connect, name: str
) -> None:
    """A quiet node answers HELLO? and stays; one that hangs is dropped, and comes back when it goes on."""
    broker = start_broker(
        "--access", "open", "--keepalive", "0.3", "--keepalive-timeout", "1"
    )
    node = start_node(broker, name)
    node.wait_connected()
    node.wait_flushed()
    watcher = connect(broker)
    # Ten times the silence that the broker allows.
    end = time.monotonic() + 3
    while time.monotonic() < end:
        watcher.fence()
        time.sleep(0.1)
    assert not node.logged("ON_DISCONNECT")
    node.suspend()
    try:
        wait_for(lambda: _is_gone(watcher, name), "the broker to drop the node")
    finally:
        node.resume()
    node.wait_connected(count=2)


def _is_gone(watcher: Client, device: str) -> bool:
    watcher.fence()
    return watcher.do("MSG", DEVICE=device, VALUE="there?").command == "BAD"


def test_keep_alive_of_the_node(peer: Peer, start_node: StartNode) -> None:
    """The node asks a silent broker, and leaves one that does not answer."""
    node = start_node(peer, "listener", keepalive_ms=300)
    peer.let_in()
    peer.answer_until("HELLO?")
    peer.expect("HELLO?")
    node.wait_for_log("ON_DISCONNECT keep-alive")
    assert peer.receive() is None
    peer.let_in()


def test_broker_that_answers_nothing_but_hello(
    peer: Peer, start_node: StartNode
) -> None:
    """A connection on which commands are not answered any more is given up, though it is alive."""
    node = start_node(peer, "ignored", keepalive_ms=500)
    peer.let_in()
    while (message := peer.receive()) is not None:
        if message.command == "HELLO?":
            peer.send("HELLO!")
    node.wait_for_log("ON_DISCONNECT no-answer")


def test_half_open_link(
    proxy: Proxy,
    broker: BrokerProcess,
    start_node: StartNode,
    client: Client,
    name: str,
) -> None:
    """When nothing comes through any more though no end was told, the node makes a new connection and tells all again."""
    node = start_node(proxy, name, keepalive_ms=300)
    node.wait_connected()
    node.wait_flushed()
    proxy.freeze()
    node.do("sensor", "temperature", "21.5")
    node.wait_for_log("ON_DISCONNECT keep-alive")
    node.wait_connected(count=2)
    node.wait_flushed()
    got = client.get(f"{name}/temperature")
    assert got is not None
    assert got["VALUE"] == "21.5"


def test_slow_link_carries_the_newest_values(
    proxy: Proxy, start_node: StartNode, client: Client, name: str
) -> None:
    """What a slow link can't carry is replaced by what is newer: nothing grows, and the last value arrives."""
    node = start_node(proxy, name)
    node.wait_connected()
    node.wait_flushed()
    client.ok("SUB", VARIABLE=f"{name}/#", REPLAY="NO")
    proxy.freeze()
    for number in range(500):
        assert node.done("publish", f"{name}/counter", str(number))
        node.do("sensor", "temperature", str(number))
    proxy.thaw()
    node.wait_flushed()
    delivered = [(m["VARIABLE"], m["VALUE"]) for m in client.fence()]
    for variable, last in ((f"{name}/counter", 499), (f"{name}/temperature", 499.0)):
        values = [float(value) for of, value in delivered if of == variable]
        assert values[-1] == last
        assert values == sorted(set(values))
        assert len(values) < 100


def test_more_than_the_buffer_holds(
    broker: BrokerProcess, start_node: StartNode, client: Client, name: str
) -> None:
    """Values of more variables than fit are dropped with one warning; entities are told all the same."""
    node = start_node(broker, name, enabled=0)
    taken = [
        node.done("publish", f"{name}/v{number}", "x" * 50) for number in range(60)
    ]
    assert taken[0]
    assert not taken[-1]
    # A newer value of what waits already needs no room.
    assert node.done("publish", f"{name}/v0", "newer")
    node.do("sensor", "temperature", "1.5")
    assert len(node.logged("too much waits to be sent already")) == 1
    node.do("enable")
    node.wait_connected()
    node.wait_flushed()
    kept = [client.get(f"{name}/v{number}") for number in range(60)]
    assert [value is not None for value in kept] == taken
    assert kept[0] is not None
    assert kept[0]["VALUE"] == "newer"
    temperature = client.get(f"{name}/temperature")
    assert temperature is not None
    assert temperature["VALUE"] == "1.5"
    assert not node.done("publish", f"{name}/long", "x" * 5000)


def test_taken_over(broker: BrokerProcess, start_node: StartNode, name: str) -> None:
    """Two nodes with one ID do not throw each other out for ever: who was thrown out waits the longest time."""
    first = start_node(broker, name, reconnect_max_ms=60_000)
    first.wait_connected()
    second = start_node(broker, name, reconnect_max_ms=60_000)
    second.wait_connected()
    first.wait_for_log("ON_DISCONNECT taken-over")
    first.wait_for_log(f"Another device has connected as '{name}'")
    second.wait_flushed()
    assert not second.logged("ON_DISCONNECT")


def test_garbage_from_the_broker(peer: Peer, start_node: StartNode) -> None:
    """Lines that are no messages, that are too long, or that nobody knows are passed over, and fill no log."""
    node = start_node(peer, "stoic")
    peer.let_in()
    node.wait_flushed(peer)
    for _ in range(50):
        peer.send_bytes(b"\x00\xff garbage\nSTART | END\nSTART|COMMAND=SUB|END\n")
        peer.send_bytes(
            b"START | COMMAND=SUB | VARIABLE=follow/text_sensor | VALUE="
            + b"x" * 5000
            + b" | END\n"
        )
        peer.send_bytes(b"START | COMMAND=FUTURE | VALUE=1 | END\n")
        peer.send("SUB", VARIABLE="//", VALUE="x")
        peer.send("SUB", VARIABLE="follow/text_sensor")
        peer.send("DEL", VARIABLE="")
        peer.send("MSG", VALUE="from nobody")
    peer.send("SUB", VARIABLE="follow/text_sensor", VALUE="still here")
    node.wait_state("text_sensor.followed_text_sensor", "still here")
    warnings = node.logged(r"\[W\]\[textmq:")
    assert 1 <= len(warnings) <= 5, warnings
    assert not node.logged("ON_DISCONNECT")


def test_answer_that_nobody_asked_for(peer: Peer, start_node: StartNode) -> None:
    """When answers and commands are out of step, the node starts over."""
    node = start_node(peer, "strict")
    peer.let_in()
    node.wait_flushed(peer)
    peer.send("OK")
    node.wait_for_log("ON_DISCONNECT unexpected-answer")
    peer.let_in()


def test_every_split_of_a_delivery(peer: Peer, start_node: StartNode) -> None:
    """A delivery is understood wherever the network cuts it."""
    node = start_node(peer, "patchwork")
    peer.let_in()
    node.wait_flushed(peer)
    wanted = "21.5 °C | 😀\n"
    text = b"START | COMMAND=SUB | VARIABLE=watched/x | VALUE=21.5 \\u00b0C \\u007c \\ud83d\\ude00\\n%d | END\n"
    for at in range(1, len(text)):
        data = text % at
        peer.send_bytes(data[:at])
        time.sleep(0.001)
        peer.send_bytes(data[at:])
    last = "".join(
        f"%{byte:02X}" if not 0x20 < byte < 0x7F else chr(byte)
        for byte in wanted.encode()
    )
    node.wait_for_log(f"ON_VARIABLE watched/x .*%0A{len(text) - 1}$")
    got = node.logged("ON_VARIABLE watched/x")
    assert [line.split("ON_VARIABLE watched/x ")[1] for line in got] == [
        f"{last}{at}" for at in range(1, len(text))
    ]


def test_disable_and_enable(
    broker: BrokerProcess, start_node: StartNode, client: Client, name: str
) -> None:
    """A disabled node says goodbye and stays away until it is enabled."""
    node = start_node(broker, name, enabled=0)
    assert node.done("publish", f"{name}/before", "1")
    node.do("enable")
    node.wait_connected()
    node.wait_flushed()
    assert client.get(f"{name}/before") is not None
    node.do("disable")
    node.wait_for_log("ON_DISCONNECT closed")
    client.bad("no-such-device", "MSG", DEVICE=name, VALUE="x")
    node.do("enable")
    node.wait_connected(count=2)
    node.do("disable")
    node.do("disable")
    node.do("enable")
    node.wait_connected(count=3)


def test_no_reboot_unless_asked(start_node: StartNode, peer: Peer) -> None:
    """Without a broker a node goes on; with reboot_timeout it starts anew."""
    address = peer.address
    peer.close()
    steady = start_node(address, "steady")
    restless = start_node(address, "restless", reboot_timeout_ms=500)
    restless.wait_for_log(
        "Not connected for reboot_timeout: rebooting|Forcing a reboot"
    )
    assert restless.wait() == 0
    steady.wait_for_log("No connection to .*: refused: nothing listens there")
    assert steady.running


def test_unknown_host(start_node: StartNode) -> None:
    """A name that can't be found is said, and tried again."""
    node = start_node(
        ("no-such-host.invalid", 7883), "lost", reconnect_min_ms=10, reconnect_max_ms=20
    )
    node.wait_for_log(r"attempt 4\): the name of the host can't be found")


def test_ten_nodes_of_one_program(
    broker: BrokerProcess, start_node: StartNode, name: str
) -> None:
    """Nodes share variables and send each other messages, with nothing in between but the broker."""
    nodes = [start_node(broker, f"{name}-{number}") for number in range(10)]
    for node in nodes:
        node.wait_connected()
        node.wait_flushed()
    text = "line one\nline | two: 21 °C 😀 \\n"
    assert nodes[0].done("publish", "watched/shared", text)
    for node in nodes:
        node.wait_for_log(
            "ON_VARIABLE watched/shared line%20one%0Aline%20|%20two:%2021%20%C2%B0C%20%F0%9F%98%80%20\\\\n".replace(
                "|", r"\|"
            )
        )
    assert nodes[3].done("send", f"{name}-7", "ping")
    nodes[7].wait_for_log(f"ON_MESSAGE {name}-3 ping")
    nodes[3].wait_for_log(f"ON_MESSAGE {name}-7 pong")
    assert nodes[5].done("send", "*", text)
    for node in nodes[:5] + nodes[6:]:
        node.wait_for_log(f"ON_MESSAGE {name}-5 line")
    assert not nodes[5].logged(f"ON_MESSAGE {name}-5")
    # A value follows the variable, and is its owner's again: no echo, no loop.
    assert nodes[1].done("sensor", "temperature", "20")
    nodes[1].wait_flushed()


def test_time(broker: BrokerProcess, start_node: StartNode, name: str) -> None:
    """The broker's time sets the clock at each connection and on request, on the same connection."""
    node = start_node(broker, name)
    node.wait_for_log("TIME_SYNC")
    node.wait_flushed()
    node.do("request_time")
    node.wait_for_log("TIME_SYNC", count=2)
    assert not node.logged("ON_DISCONNECT")
    assert len(node.logged("ON_CONNECT")) == 1


def test_logs(
    broker: BrokerProcess, start_node: StartNode, client: Client, name: str
) -> None:
    """Warnings go to the variable of the logs, as events without the colours of a terminal."""
    client.ok("SUB", VARIABLE="logs/test-node")
    node = start_node(broker, name)
    node.wait_connected()
    node.wait_flushed()
    node.do("log", "attention: 100%, a|b")
    node.wait_for_log("attention")
    node.wait_flushed()
    texts = [message["VALUE"] for message in client.fence()]
    assert len(texts) == 1
    assert texts[0].startswith("[")
    assert texts[0].endswith(r"attention: 100%, a\u007cb")
    assert client.get("logs/test-node") is None


def test_logs_that_nobody_takes(peer: Peer, start_node: StartNode) -> None:
    """A log that the broker refuses is said once, and does not make new log lines for ever."""
    node = start_node(peer, "chatty")
    peer.let_in()
    node.wait_flushed(peer)
    node.do("log", "attention")
    assert peer.expect("PUB")["VARIABLE"] == "logs/test-node"
    peer.send("BAD", REASON="forbidden", DETAIL=r"not \u001b[31myours")
    node.wait_for_log(
        r"The broker refuses PUB \| VARIABLE=logs/test-node: forbidden not \\u001b\[31myours"
    )
    node.do("log", "attention, please")
    node.wait_for_log("attention, please")
    assert node.done("publish", "last", "words")
    assert peer.expect("PUB")["VARIABLE"] == "last"
