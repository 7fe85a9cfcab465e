"""Section A1, the first line: it decides what speaks on a connection, and nothing else is ever carried out."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import pytest

from custom_components.textmq.broker.protocol import wire
from custom_components.textmq.broker.protocol.framing import (
    FIRST_LINE_DETAIL,
    Framer,
    Opening,
)

from .client import line, message
from .conftest import Connect, NextName
from .process import BrokerProcess
from .reference import VECTORS

LONGEST_LINE = 4096
HOST = b"Host: homeassistant.local:7883\r\nContent-Type: text/plain\r\n\r\n"
MESSAGES = [
    b"START | COMMAND=PUB | VARIABLE={name} | VALUE=evil | END\n" * 3,
    b"START|COMMAND=PUB|VARIABLE={name}|VALUE=evil|END" * 3,
    b"\rSTART | COMMAND=PUB | VARIABLE={name} | VALUE=evil | END\r",
]
"""What an attacker wants to be carried out."""

METHODS = [
    *(b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE"),
    *(b"PATCH", b"PRI", b"get", b"Post", b"PROPFIND", b"M-SEARCH", b"X"),
    *(b"START", b"start", b"STARTED", b"START|", b"START|COMMAND", b"start|command"),
    *(b"START|COMMAND|", b"|", b"||START|COMMAND|END", b"START|X", b"COMMAND"),
    *(b"|COMMAND", b"START'COMMAND", b"START.COMMAND", b"START|COMMAND!", b"END"),
]
"""Methods that HTTP allows, so that a page may choose them: there is no `=` in any."""
TARGETS = [
    *(b"/", b"*", b"/?a|b", b"/=", b"/|COMMAND=PUB|VARIABLE={name}|VALUE=evil|END"),
    b"/?=|COMMAND=PUB|END START|COMMAND=PUB|VARIABLE={name}|VALUE=evil|END",
    b"/%7C%20COMMAND=PUB%0d%0aSTART|COMMAND=PUB|VARIABLE={name}|VALUE=evil|END",
    b"/|END START | COMMAND=PUB | VARIABLE={name} | VALUE=evil | END",
    b"/\t|\tCOMMAND\t=",
    b"http://homeassistant.local:7883/|COMMAND=PUB",
    b"homeassistant.local:7883",
]
VERSIONS = [b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b" http/1.1"]
LEADING = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b"\r\n\r\n \n\0\r", b"\xef\xbb\xbf"),
    *(b"\xff\xfb\x01", b"\xff\xfd\n\r\n", b"\xef\xbb\xbf\r\n\0"),
]
REQUESTS = [
    *(
        method + b" " + target + version + b"\r\n" + HOST
        for method, target, version in product(METHODS, TARGETS, VERSIONS[:1])
    ),
    *(b"START|COMMAND /" + version + b"\r\n" + HOST for version in VERSIONS),
    *(leading + b"START /=|b HTTP/1.1\r\n" + HOST for leading in LEADING),
    *(leading + b"POST / HTTP/1.1\r\n" + HOST for leading in LEADING),
    *(b"START|COMMAND /= HTTP/1.1" + end + HOST for end in (b"\n", b"\r", b"\n\r")),
    *(method + b" /|COMMAND=PUB\r\n" for method in METHODS[:10]),
    b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"OPTIONS rtsp://homeassistant.local RTSP/1.0\r\n\r\n",
    b"POST /" + b"a" * 2 * LONGEST_LINE + b" HTTP/1.1\r\n" + HOST,
]
OTHERS = [
    *(b"hello\n", b"hello\r", b"hello\0\n", b"x" * LONGEST_LINE, b"|" * LONGEST_LINE),
    *(b"\xff\xff\xff?\n", b"\xefSTART|COMMAND=X\n", b"\xef\xbbSTART|COMMAND=X\n"),
    *(b"\xfe\xffSTART | COMMAND=X\n", b"\xff\xfeS\0T\0A\0R\0T\0 \0|\0\n"),
    *(method + b" /|COMMAND=PUB\r\n" for method in METHODS[12:]),
    *(b"| COMMAND=PUB\n", b"COMMAND=PUB | END\n", b"START COMMAND=PUB | END\n"),
    *(b"START\n", b"START|\n", b"START | COMMAND\n", b"START\n| COMMAND=PUB | END\n"),
    *(b"START\r|COMMAND=X\n", b"START | COMM\rAND=X\n", b"START\0| COMMAND=X\n"),
    *(b"START | COMMAND =\xa0\n".replace(b"=", b"\xff="), b"S TART | COMMAND=X\n"),
    *(b"START | VARIABLE=x | COMMAND=PUB | END\n", b"START || COMMAND=PUB | END\n"),
    *(b"STARTS | COMMAND=X\n", b'"START | COMMAND=X\n', b"> START | COMMAND=X\n"),
    b"START" + b" " * LONGEST_LINE + b"| COMMAND=PUB | END\n",
    b"START |" + b"\t" * LONGEST_LINE + b"COMMAND=PUB | END\n",
    # Other protocols: mail, files, gopher, memcached, Redis, MQTT, SSH, SOCKS, SIP, proxies, AMQP, JSON, Flash, TLS
    b"EHLO mail.example.org\r\nDATA\r\n",
    b"USER anonymous\r\nPASS x\r\n",
    b"/|COMMAND=PUB\r\n",
    b"set START 0 0 80\r\n",
    b"*1\r\n$60\r\n",
    bytes.fromhex("101000044d5154540402003c0004746573740a"),
    b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    b"\x05\x01\x00\n",
    b"INVITE sip:x@y SIP/2.0\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 7883\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\n",
    b"AMQP\0\0\x09\x01\n",
    b"{}\n",
    b"<policy-file-request/>\0\n",
    bytes.fromhex("16030100c8010000c40303") + b"START|COMMAND=PUB\n" + bytes(64),
]
GREETINGS = [
    b"START | COMMAND=",
    b"START|COMMAND=",
    b"start|command=",
    b"Start\t|  Command\t =",
    *(leading + b"START | COMMAND=" for leading in LEADING),
    b"\xef\xbb\xbf\xef\xbb\xbf \xff\xfd\x03\xff\xfb\x18\0\r\nSTART|COMMAND=",
    b"\xff\xff\xff START | COMMAND=",
    b"\xff|\rSTART | COMMAND=",
    b"\r\n" * 40_000 + b"START|COMMAND=",
    b" " * 40_000 + b"START|COMMAND=",
    b"\xff\xfb\x01" * 4000 + b"START | COMMAND=",
]
"""How a first line may begin: what is typed, what editors and telnet add, what a port leaves behind."""


def _judge(chunks: Iterable[bytes], max_line: int = LONGEST_LINE) -> Opening:
    framer = Framer(max_line)
    for chunk in chunks:
        framer.feed(chunk)
        if framer.judge_opening() is not Opening.UNDECIDED:
            break
    return framer.judge_opening()


def _cuts(data: bytes) -> Iterable[Sequence[bytes]]:
    """Cut data in two at its first and last places, and in single bytes."""
    yield [data]
    places = range(1, len(data))
    for place in {*places[:80], *places[-20:]}:
        yield [data[:place], data[place:]]
    if len(data) < 2 * LONGEST_LINE:
        yield [bytes([byte]) for byte in data]


def _label(data: bytes) -> str:
    return repr(data[:40])


@pytest.mark.parametrize(
    "case", VECTORS["first_line"], ids=[case["name"] for case in VECTORS["first_line"]]
)
def test_vectors(case: dict[str, Any]) -> None:
    """Every case of the shared vectors, as it is cut there and otherwise."""
    wanted = Opening[case["opening"].upper()]
    assert _judge(chunk.encode("latin-1") for chunk in case["chunks"]) is wanted
    for chunks in _cuts("".join(case["chunks"]).encode("latin-1")):
        assert _judge(chunks) is wanted, chunks


@pytest.mark.parametrize("request_", REQUESTS, ids=_label)
def test_requests_are_known(request_: bytes) -> None:
    """What HTTP sends first is known as such, however the bytes were cut, and never a message."""
    for chunks in _cuts(request_ + MESSAGES[0]):
        assert _judge(chunks) is Opening.HTTP, chunks


@pytest.mark.parametrize("sent", OTHERS, ids=_label)
def test_other_text_is_foreign(sent: bytes) -> None:
    """So is everything else."""
    for chunks in _cuts(sent + MESSAGES[0]):
        assert _judge(chunks) is Opening.FOREIGN, chunks


@pytest.mark.parametrize("greeting", GREETINGS, ids=_label)
def test_messages_are_known(greeting: bytes) -> None:
    """A message is known at its first equals sign, not earlier, and is then read as any other."""
    for chunks in _cuts(greeting):
        assert _judge(chunks) is Opening.MESSAGE, chunks
    assert _judge([greeting[:-1]]) is Opening.UNDECIDED
    framer = Framer(LONGEST_LINE)
    framer.feed(greeting + b"HELLO? | END\r\n")
    assert framer.judge_opening() is Opening.MESSAGE
    assert framer.next() == wire.Message("HELLO?", {})


@pytest.mark.parametrize(
    ("sent", "opening"),
    [
        (b"", Opening.UNDECIDED),
        (b"\r\n\0 \n", Opening.UNDECIDED),
        (b"\xff", Opening.FOREIGN),
        (b"\xef\xbb", Opening.FOREIGN),
        (b"START | COMMAND", Opening.FOREIGN),
        (b"START | COMMAND=", Opening.MESSAGE),
        (b"GET /", Opening.HTTP),
        (b"START|COMMAND / HTTP/1", Opening.HTTP),
    ],
)
def test_judged_at_the_end(sent: bytes, opening: Opening) -> None:
    """Where nothing more is waited for, what has come is judged as it is."""
    framer = Framer(LONGEST_LINE)
    framer.feed(sent)
    assert framer.judge_opening(final=True) is opening


@pytest.mark.parametrize("length", [LONGEST_LINE - 1, LONGEST_LINE])
def test_judged_at_the_longest_line(length: int) -> None:
    """A line without an end is waited for up to the bound."""
    over = length == LONGEST_LINE
    assert (_judge([b"x" * length]) is Opening.FOREIGN) is over
    assert (_judge([b"GET " + b"x" * (length - 4)]) is Opening.HTTP) is over


# Over sockets


@pytest.mark.parametrize("evil", MESSAGES, ids=["lines", "no line feeds", "CR"])
@pytest.mark.parametrize(
    "request_", [*REQUESTS[:: len(TARGETS)], *REQUESTS[-40:]], ids=_label
)
def test_requests_get_silence(
    open_broker: BrokerProcess,
    connect: Connect,
    name: str,
    request_: bytes,
    evil: bytes,
) -> None:
    """A request is closed without a word, and nothing behind it is carried out."""
    browser = connect(open_broker)
    browser.send_bytes((request_ + evil).replace(b"{name}", name.encode()))
    browser.closed()
    assert connect(open_broker).get(name) is None


@pytest.mark.parametrize("evil", MESSAGES, ids=["lines", "no line feeds", "CR"])
@pytest.mark.parametrize("sent", OTHERS[:-1], ids=_label)
def test_other_text_gets_bad_and_close(
    open_broker: BrokerProcess, connect: Connect, name: str, sent: bytes, evil: bytes
) -> None:
    """Other text gets one BAD that says how to begin, then CLOSE; nothing is carried out."""
    stranger = connect(open_broker)
    stranger.send_bytes((sent + evil).replace(b"{name}", name.encode()))
    assert stranger.until_closed() == [
        message("BAD", REASON="malformed", DETAIL=wire.encode(FIRST_LINE_DETAIL)),
        message("CLOSE", REASON="malformed"),
    ]
    assert connect(open_broker).get(name) is None


def test_a_request_byte_by_byte(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """A request that dribbles in is closed as well, though its method is START."""
    browser = connect(open_broker)
    sent = b"\r\nSTART|COMMAND /?a=|b HTTP/1.1\r\n" + HOST + line("PUB", VARIABLE=name)
    try:
        for byte in sent:
            browser.send_bytes(bytes([byte]))
    except OSError:
        pass
    browser.closed()
    assert connect(open_broker).get(name) is None


def test_nobody_comes_in_behind_other_text(
    approving_broker: BrokerProcess, connect: Connect, known: NextName, name: str
) -> None:
    """Nor does the ID of a known device help where people decide who may come in."""
    device = known()
    for first in (b"hello\n", b"START / HTTP/1.1\r\n", b"\r\nPOST / HTTP/1.1\r\n\r\n"):
        stranger = connect(approving_broker)
        stranger.send_bytes(
            first + line("ID", ID=device) + line("PUB", VARIABLE=name, VALUE="evil")
        )
        assert all(got.command != "OK" for got in stranger.until_closed())
    assert connect(approving_broker, device).get(name) is None


@pytest.mark.parametrize("greeting", GREETINGS[:-3], ids=_label)
@pytest.mark.parametrize("typed", [False, True], ids=["at once", "byte by byte"])
def test_harmless_beginners(
    open_broker: BrokerProcess, connect: Connect, greeting: bytes, typed: bool
) -> None:
    """What people, editors and telnet put before or into the first message does no harm."""
    client = connect(open_broker)
    sent = greeting + b"HELLO? | END\r\n"
    for chunk in [bytes([byte]) for byte in sent] if typed else [sent]:
        client.send_bytes(chunk)
    assert client.answer() == message("HELLO!")
    assert client.fence() == []


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (
            "START | COMMAND=PUB | VARIABLE=x | VALUE=21 °C | END\n".encode(),
            "malformed",
        ),
        (b"\xef\xbb\xbfstart|command=\n", "malformed"),
        (b"START | COMMAND=PUB | VARIABLE=x | VALUE=1\r\n", "malformed"),
        (b"START | COMMAND=HELLO? | END HTTP/1.1\r\n", "malformed"),
        (b"START | COMMAND=" + b"x" * LONGEST_LINE + b"\n", "too-long"),
        (b"START | COMMAND=BLINK | END\n", "unknown-command"),
    ],
)
def test_a_first_line_that_begins_rightly(
    open_broker: BrokerProcess, connect: Connect, sent: bytes, reason: str
) -> None:
    """A first line that begins as a message does and is none gets its BAD as every other; the next is taken."""
    client = connect(open_broker)
    client.send_bytes(sent)
    client.refused(reason)
    assert client.fence() == []


def test_only_the_first_line_decides(
    open_broker: BrokerProcess, connect: Connect
) -> None:
    """Later a line of any kind is a malformed line, no more."""
    client = connect(open_broker)
    client.fence()
    for sent in (b"GET / HTTP/1.1\n", b"hello\n", b"\xef\xbb\xbf" + line("HELLO?")):
        client.send_bytes(sent)
        client.refused("malformed")
        assert client.fence() == []
