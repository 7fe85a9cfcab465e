"""What a hostile or broken peer may send: closed or answered, and no one else is disturbed."""

import random

import pytest

from .client import Client, line
from .conftest import Connect, NextName, StartBroker
from .process import BrokerProcess, wait_for
from .reference import documented

MEGABYTE = 1_000_000


def _evil(variable: str) -> bytes:
    return line("PUB", VARIABLE=variable, VALUE="evil")


def _http(request_line: str, variable: str) -> bytes:
    body = _evil(variable) * 3
    headers = (
        "Host: homeassistant.local:7883\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    return f"{request_line}\r\n{headers}\r\n".encode() + body


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"]
)
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_http_requests(
    open_broker: BrokerProcess, connect: Connect, name: str, method: str, version: str
) -> None:
    """An HTTP request closes the connection with no answer; its body is not carried out."""
    browser = connect(open_broker)
    browser.send_bytes(_http(f"{method} /{name} {version}", name))
    browser.closed()
    assert connect(open_broker).get(name) is None


@pytest.mark.parametrize(
    "target",
    [
        "/" + "a" * 4200,
        "/" + "a" * 100_000,
        "/?q=|END{evil}",
        "/|END{evil}{evil}",
        "/?|END {evil} {evil}",
        "/\t|\tEND{evil}",
        "http://homeassistant.local:7883/x",
        "*",
    ],
    ids=lambda target: target[:16],
)
def test_http_requests_with_odd_targets(
    open_broker: BrokerProcess, connect: Connect, name: str, target: str
) -> None:
    """No address that a page can make up gets a message through: too long, or shaped like one."""
    evil = f"START|COMMAND=PUB|VARIABLE={name}|VALUE=evil|END"
    browser = connect(open_broker)
    browser.send_bytes(_http(f"POST {target.replace('{evil}', evil)} HTTP/1.1", name))
    browser.closed()
    assert connect(open_broker).get(name) is None


def test_http_request_in_pieces(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """A request that comes byte by byte is recognized as well."""
    browser = connect(open_broker)
    request = _http("POST / HTTP/1.1", name)
    try:
        for position in range(len(request)):
            browser.send_bytes(request[position : position + 1])
    except OSError:
        pass
    browser.closed()
    assert connect(open_broker).get(name) is None


def test_http_requests_in_approve_mode(
    approving_broker: BrokerProcess, connect: Connect, name: str, known: NextName
) -> None:
    """A page that knows a device's ID still can't speak in its name."""
    browser = connect(approving_broker)
    device = known()
    body = line("ID", ID=device) + _evil(name)
    browser.send_bytes(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + body)
    browser.closed()
    assert connect(approving_broker, device).get(name) is None


@pytest.mark.parametrize(
    "greeting",
    [
        bytes.fromhex("101000044d5154540402003c0004746573740a"),
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        bytes.fromhex("16030100c8010000c40303") + bytes(189) + b"\n",
        b"\x00\x00\x00\x00\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"EHLO mail.example.org\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x05\x01\x00\n",
        b"\xff\xfb\x01\xff\xfb\x03\n",
        b"{}\n",
        b"<policy-file-request/>\x00\n",
    ],
    ids=[
        "mqtt",
        "ssh",
        "tls",
        "nul",
        "redis",
        "smtp",
        "http2",
        "socks",
        "telnet",
        "json",
        "flash",
    ],
)
def test_other_protocols(
    open_broker: BrokerProcess, connect: Connect, greeting: bytes
) -> None:
    """Other protocols get one BAD, or nothing, and are closed."""
    stranger = connect(open_broker)
    stranger.send_bytes(greeting)
    stranger.half_close()
    received = stranger.until_closed()
    assert [one.command for one in received] in ([], ["BAD", "CLOSE"])
    assert {one["REASON"] for one in received} <= {"malformed"}
    assert connect(open_broker).fence() == []


@pytest.mark.parametrize(
    "letter", [b"x", b" ", b"\0", b"\xff", b"|", b"START|COMMAND=PUB|V"]
)
def test_ten_megabytes_without_a_line_feed(
    open_broker: BrokerProcess, connect: Connect, letter: bytes
) -> None:
    """An endless line costs no memory and one BAD; after its line feed all is well again."""
    endless = connect(open_broker)
    endless.fence()
    before = open_broker.memory()
    for _ in range(10):
        endless.send_bytes((letter * MEGABYTE)[:MEGABYTE])
    assert connect(open_broker).fence() == []
    endless.send_bytes(b"\n")
    endless.refused("too-long")
    assert endless.fence() == []
    assert open_broker.memory() - before < 5 * MEGABYTE


def test_many_endless_lines(open_broker: BrokerProcess, connect: Connect) -> None:
    """A hundred peers with an endless line each cost little."""
    before = open_broker.memory()
    peers = [connect(open_broker) for _ in range(100)]
    for peer in peers:
        peer.fence()
        peer.send_bytes(b"x" * 500_000)
    for peer in peers:
        peer.send_bytes(b"\n")
        peer.refused("too-long")
    assert open_broker.memory() - before < 10 * MEGABYTE


def test_ten_megabytes_of_empty_lines(
    open_broker: BrokerProcess, connect: Connect
) -> None:
    """Empty lines are passed over, however many."""
    client = connect(open_broker)
    for _ in range(10):
        client.send_bytes(b"\r\n" * (MEGABYTE // 2))
    assert client.fence() == []


def _noise(random_: random.Random) -> bytes:
    """Return a line that is damaged, or well-formed nonsense."""
    fields = [
        "START",
        f"COMMAND={random_.choice(['PUB', 'SUB', 'GET', 'DEF', 'WILL', 'MSG', 'X'])}",
    ]
    fields += random_.choices(
        [
            "VARIABLE=fuzz/a",
            "VARIABLE=fuzz/#",
            "VARIABLE=$SYS/x",
            "VALUE=1",
            "VALUE=",
            "DEVICE=*",
            "DEVICE=nobody",
            "TYPE=sensor",
            "TYPE=x",
            "MIN=1",
            "MAX=nan",
            "TTL=-1",
            "RETAIN=NO",
            "DEF=YES",
            "ACK=NO",
            "SEQ=1",
            "=",
            "",
            "x",
        ],
        k=random_.randrange(6),
    )
    data = bytearray(" | ".join([*fields, "END"]).encode())
    for _ in range(random_.choice([0, 0, 1, 3])):
        data[random_.randrange(len(data))] = random_.randrange(256)
    if random_.random() < 0.05:
        del data[random_.randrange(len(data)) :]
    return bytes(data).replace(b"CLOSE", b"") + random_.choice([b"\n", b"\r\n"])


@pytest.mark.parametrize("seed", range(4))
def test_random_lines(open_broker: BrokerProcess, connect: Connect, seed: int) -> None:
    """Damaged and senseless lines get documented answers, and the broker lives."""
    random_ = random.Random(seed)
    reasons = documented("### B1: Reasons")
    for _ in range(20):
        client = connect(open_broker)
        client.send_bytes(b"".join(_noise(random_) for _ in range(150)) + b"\n")
        client.half_close()
        for received in client.until_closed():
            if received.command == "BAD":
                assert received["REASON"] in reasons
            elif received.command == "CLOSE":
                assert received["REASON"] == "malformed"
            else:
                assert received.command in (
                    "OK",
                    "SUB",
                    "MSG",
                    "DEL",
                    "DEF",
                    "HELLO!",
                    "HELLO?",
                )
    assert connect(open_broker).fence() == []


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(open_broker: BrokerProcess, connect: Connect, seed: int) -> None:
    """Bytes without any sense do nothing but get BAD and, in the end, CLOSE."""
    random_ = random.Random(seed)
    for _ in range(10):
        client = connect(open_broker)
        client.send_bytes(random_.randbytes(20_000) + b"\n")
        client.half_close()
        assert {received.command for received in client.until_closed()} <= {
            "BAD",
            "CLOSE",
        }
    assert connect(open_broker).fence() == []


def test_connections_that_come_and_go(
    start_broker: StartBroker, connect: Connect
) -> None:
    """Six thousand connections in every state, ended in every way, leave nothing behind."""
    broker = start_broker("--access", "open")
    watcher = connect(broker)
    watcher.ok("SUB", VARIABLE="v")

    def rounds(count: int) -> None:
        for number in range(count):
            with Client(broker.address) as client:
                if number % 5:
                    client.ok("SUB", VARIABLE="v")
                if number % 4 == 1:
                    client.ok("ID", ID=f"d{number}")
                    client.ok("WILL", VARIABLE="w", VALUE="1")
                if number % 3 == 0:
                    client.send_bytes(b"START | COMM")
                if number % 2:
                    client.reset()

    rounds(100)
    wait_for(lambda: _clients(watcher) == 1, "the connections to go")
    descriptors, memory = broker.descriptors(), broker.memory()
    rounds(6000)
    wait_for(lambda: _clients(watcher) == 1, "the connections to go")
    assert broker.descriptors() <= descriptors
    assert broker.memory() - memory < 4 * MEGABYTE


def _clients(client: Client) -> int:
    stored = client.get("$SYS/clients")
    assert stored is not None
    return int(stored["VALUE"])


def test_reset_in_the_middle_of_everything(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """Subscribers that are torn off while messages are on their way disturb no one."""
    good = connect(open_broker)
    good.ok("SUB", VARIABLE=name)
    victims = [connect(open_broker, receive_buffer=4096) for _ in range(20)]
    for victim in victims:
        victim.ok("SUB", VARIABLE=name)
    publisher = connect(open_broker)
    for number in range(400):
        publisher.ok("PUB", VARIABLE=name, VALUE=f"{number} " + "v" * 2000)
        assert good.receive()["VALUE"].startswith(f"{number} ")
        if number % 20 == 10:
            victims.pop().reset()


def test_peers_that_are_gone_when_they_are_closed(start_broker: StartBroker) -> None:
    """A peer that resets the connection just as the broker closes it makes no error."""
    broker = start_broker("--access", "open")
    reasons = (
        b"nonsense\n" * 16,
        line("CLOSE"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03",
    )
    for number in range(800):
        with Client(broker.address) as peer:
            peer.send_bytes(reasons[number % len(reasons)])
            if number % 3:
                peer.reset()
    broker.check()


def test_the_log_is_short_and_clean(
    start_broker: StartBroker, connect: Connect
) -> None:
    """Hostile peers can't fill the log, nor put control characters into it."""
    broker = start_broker("--access", "open")
    for number in range(100):
        with Client(broker.address) as client:
            client.send_bytes(
                b"\x1b[31mred \xe2\x80\xae \x07 fake\r line %d\n" % number * 16
            )
            client.until_closed()
        with Client(broker.address) as client:
            client.send_bytes(b"GET /\x1b[2J HTTP/1.1\r\n\r\n")
            client.until_closed()
    for number in range(100):
        with Client(broker.address) as client:
            client.ok("ID", ID=f"flapping{number % 10}", NAME="\\u001b[31m\\n")
    broker.check()
    assert len(broker.log) < 30, broker.text
    assert "\x1b" not in broker.text
    assert all(text.isprintable() for text in broker.log)


def test_hostile_peers_do_not_disturb_devices(
    start_broker: StartBroker, connect: Connect
) -> None:
    """While others attack, two devices talk as ever."""
    broker = start_broker("--access", "open")
    a, b = connect(broker, "a"), connect(broker, "b")
    b.ok("SUB", VARIABLE="v")
    attacks = [
        b"\xff" * 4000,
        b"nonsense\n" * 16,
        b"x" * 500_000,
        _http("GET / HTTP/1.1", "e"),
    ]
    for number in range(100):
        with Client(broker.address) as peer:
            peer.send_bytes(attacks[number % len(attacks)])
            a.ok("PUB", VARIABLE="v", VALUE=number)
            b.expect("SUB", VARIABLE="v", VALUE=number)
            a.ok("MSG", DEVICE="b", VALUE=number)
            b.expect("MSG", DEVICE="a", VALUE=number)
    assert a.get("e") is None
