"""Section A1: how bytes become messages."""

from functools import cache
import random
import sys
from typing import Any

import pytest

from custom_components.textmq.broker.protocol import wire
from custom_components.textmq.broker.protocol.framing import Framer
from custom_components.textmq.broker.protocol.reasons import Refusal

from .client import Client, Message, line, message
from .conftest import Connect
from .process import BrokerProcess
from .reference import VECTORS

LONGEST_LINE = 4096


@cache
def _answer(command: str) -> tuple[str | None, str | None]:
    """Return command and reason of what a broker answers to a command of the vectors."""
    return {
        "HELLO!": (None, None),
        "HELLO?": ("HELLO!", None),
        "GOT": (None, None),
        "DEFS": ("BAD", "not-authorized"),
        "OK": ("BAD", "unknown-command"),
        "BAD": ("BAD", "unknown-command"),
        "MSG": ("BAD", "no-such-device"),
    }.get(command, ("OK", None))


@pytest.mark.parametrize(
    "case",
    VECTORS["framing_and_parsing"],
    ids=[c["name"] for c in VECTORS["framing_and_parsing"]],
)
def test_vectors(client: Client, case: dict[str, Any]) -> None:
    """Every case of the shared vectors is understood over the wire, chunk by chunk."""
    client.fence()
    for chunk in case["chunks"]:
        client.send_bytes(chunk.encode("latin-1"))
    for expected in case["expect"]:
        command, reason = (
            ("BAD", expected["error"])
            if "error" in expected
            else _answer(expected["command"])
        )
        if command is not None:
            answered = client.answer()
            assert (answered.command, answered.params.get("REASON")) == (
                command,
                reason,
            )
    assert all(delivered.command == "SUB" for delivered in client.fence())


@pytest.mark.parametrize(
    "sent",
    [
        b"START | COMMAND=PUB | VARIABLE=%s | VALUE=a b | END\n",
        b"START|COMMAND=PUB|VARIABLE=%s|VALUE=a b|END\n",
        b"START | COMMAND= PUB | VARIABLE= %s | VALUE= a b | END\n",
        b"\t START\t|\tCOMMAND \t= PUB |  VARIABLE=%s | VALUE = a b\t| END \t\n",
        b"START | COMMAND=PUB | VARIABLE=%s | VALUE=a b | END\r\n",
        b"start | Command=pub | variable=%s | vAlue=a b | End\n",
        b"\r\n\n \t\nSTART | COMMAND=PUB | VARIABLE=%s | VALUE=a b | END\n\n",
        b"START | COMMAND=PUB | VARIABLE=%s | VALUE=a b | END",
        b"START | COMMAND=PUB | VALUE=a b | VARIABLE=%s | COLOUR=red | END\n",
    ],
)
def test_every_spelling_of_a_message(
    client: Client, other: Client, name: str, sent: bytes
) -> None:
    """Spaces, tabs, case, order, line ends and unknown parameters change nothing."""
    other.ok("SUB", VARIABLE=name)
    client.send_bytes(sent % name.encode())
    assert client.answer() == message("OK")
    assert other.fence() == [message("SUB", VARIABLE=name, VALUE="a b")]


def test_the_broker_writes_the_spaced_form(client: Client, name: str) -> None:
    """What the broker sends is exact to the byte, the command first, then the rest in order."""
    client.send_bytes(f"START|COMMAND=SUB|VARIABLE={name}|END\n".encode())
    assert client.receive_line() == b"START | COMMAND=OK | END\n"
    client.send_bytes(b"START|COMMAND=BLINK|END\n")
    refused = client.receive_line()
    assert refused is not None
    assert refused.startswith(b"START | COMMAND=BAD | REASON=unknown-command | ")
    with Client(client.socket.getpeername()) as publisher:
        publisher.ok("PUB", VARIABLE=name, VALUE="21.5")
    expected = f"START | COMMAND=SUB | VARIABLE={name} | VALUE=21.5 | END\n"
    assert client.receive_line() == expected.encode()
    client.send("HELLO?")
    assert client.receive_line() == b"START | COMMAND=HELLO! | END\n"


def test_one_byte_at_a_time(client: Client, name: str) -> None:
    """A message may come in pieces as small as a byte each."""
    sent = (
        line("SUB", VARIABLE=name)
        + line("PUB", VARIABLE=name, VALUE=1)
        + line("HELLO?")
    )
    for position in range(len(sent)):
        client.send_bytes(sent[position : position + 1])
    assert client.answers(3) == [message("OK"), message("OK"), message("HELLO!")]
    assert list(client.deliveries) == [message("SUB", VARIABLE=name, VALUE=1)]


def test_every_split_point(client: Client, name: str) -> None:
    """A message may come in two parts, wherever it is cut."""
    whole = line("PUB", VARIABLE=name, VALUE="21.5", SEQ="s").replace(b"\n", b"\r\n")
    for position in range(1, len(whole)):
        client.send_bytes(whole[:position])
        client.send_bytes(whole[position:])
    assert client.answers(len(whole) - 1) == [message("OK", SEQ="s")] * (len(whole) - 1)
    assert client.fence() == []


def test_many_messages_in_one_packet(client: Client, name: str) -> None:
    """Fifty commands in one write get fifty answers."""
    client.send_bytes(
        b"".join(line("PUB", VARIABLE=name, VALUE=i, SEQ=i) for i in range(50))
    )
    assert client.answers(50) == [message("OK", SEQ=i) for i in range(50)]


def test_messages_without_line_feeds(client: Client, name: str) -> None:
    """A sender may leave the line feeds out."""
    client.send_bytes(line("SUB", VARIABLE=name)[:-1])
    assert client.answer() == message("OK")
    client.send_bytes(
        line("UNSUBALL")[:-1] + line("HELLO?")[:-1] + line("UNSUBALL")[:-1]
    )
    assert client.answers(3) == [message("OK"), message("HELLO!"), message("OK")]
    client.send_bytes(line("HELLO?"))
    assert client.answer() == message("HELLO!")


def test_a_line_feed_that_comes_late_is_no_message(client: Client) -> None:
    """The line end that follows a message already taken is passed over."""
    client.send_bytes(line("HELLO?")[:-1])
    assert client.answer() == message("HELLO!")
    client.send_bytes(b"\r\n")
    assert client.fence() == []


@pytest.mark.parametrize(
    ("value", "delivered"),
    [
        ("END", "END"),
        ("START", "START"),
        ("a=b=c", "a=b=c"),
        ("=", "="),
        ("START VARIABLE=x END", "START VARIABLE=x END"),
        ("", ""),
        ("turn  it on", "turn  it on"),
        ("  padded\t", "padded"),
    ],
)
def test_words_of_the_framing_in_a_value(
    client: Client, name: str, value: str, delivered: str
) -> None:
    """START, END and equals signs are text inside a value; spaces at its ends are not."""
    client.ok("SUB", VARIABLE=name)
    for _ in ("made", "written again"):
        client.ok("PUB", VARIABLE=name, VALUE=value)
        assert client.fence() == [message("SUB", VARIABLE=name, VALUE=delivered)]


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\n",
        b"START\n",
        b"START | END\n",
        b"START | COMMAND=HELLO?\n",
        b"COMMAND=HELLO? | END\n",
        b"START | COMMAND=HELLO? END\n",
        b"START COMMAND=HELLO? | END\n",
        b"START | | COMMAND=HELLO? | END\n",
        b"START | VARIABLE=x | COMMAND=SUB | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE=1 | VALUE=2 | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE=1 | value=2 | END\n",
        b"START | COMMAND=PUB | COMMAND=DEL | VARIABLE=x | VALUE=1 | END\n",
        b"START | COMMAND=PUB | =x | VALUE=1 | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE=a|b | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE=a\x00b | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE=a\x1b[31mb | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE=a\x7fb | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE=21\xc2\xb0 | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE=\xe2\x80\xaeabc | END\n",
        b"START | COMMAND=PUB | VARIABLE=x | VALUE=\xff | END\n",
        b"START | COMMAND=HELLO? | END of it\n",
        b"STARTLE | COMMAND=HELLO? | END\n",
        b"\xff\xfe\x00\x01\x02\n",
    ],
)
def test_malformed_lines(client: Client, name: str, sent: bytes) -> None:
    """A line that breaks the rules gets one BAD, does nothing, and the next one is taken."""
    client.ok("PUB", VARIABLE="x", VALUE="kept")
    client.ok("SUB", VARIABLE="x", REPLAY="NO")
    client.send_bytes(sent)
    client.refused("malformed")
    assert client.fence() == []


def test_a_carriage_return_ends_a_line(
    client: Client, other: Client, name: str
) -> None:
    """A terminal that sends nothing but carriage returns is understood."""
    other.ok("SUB", VARIABLE=name)
    client.send_bytes(
        f"START | COMMAND=PUB | VARIABLE={name} | VALUE=1 | END\r".encode() * 2
    )
    assert client.answers(2) == [message("OK"), message("OK")]
    client.send_bytes(f"START | COMMAND=PUB | VARIABLE={name} | VALUE=2\r".encode())
    client.refused("malformed")
    assert client.fence() == []
    assert other.fence() == [message("SUB", VARIABLE=name, VALUE=1)] * 2


def test_carriage_return_and_line_feed_in_two_segments(
    client: Client, name: str
) -> None:
    """They are one end, whichever of the two ways the lines before and behind it are read."""
    publish = line("PUB", VARIABLE=name, VALUE=1)
    client.ok("PUB", VARIABLE=name, VALUE=0)
    for _ in range(50):
        client.send_bytes(publish[:-1] + b"\r")
        client.send_bytes(b"\n" + publish)
    assert client.answers(100) == [message("OK")] * 100
    assert client.fence() == []


def test_nuls_around_lines(client: Client, name: str) -> None:
    """A C program that sends the zero behind its strings is understood."""
    client.ok("PUB", VARIABLE=name, VALUE=0)
    sent = line("PUB", VARIABLE=name, VALUE=1)
    client.send_bytes(sent + b"\0" + sent[:-1] + b"\0" + sent[:-1] + b"\0\n")
    client.send_bytes(b"\0" + sent[:-1] + b"\0\0")
    assert client.answers(4) == [message("OK")] * 4
    client.send_bytes(sent[:-1] + b"\0")
    assert client.answer() == message("OK")


def _publish_of(length: int, name: str) -> bytes:
    """Return a publish whose line has so many bytes, the line feed not counted."""
    frame = len(line("PUB", VARIABLE=name, VALUE="")) - 1
    return line("PUB", VARIABLE=name, VALUE="v" * (length - frame))


def test_the_longest_line(client: Client, other: Client, name: str) -> None:
    """A line of 4,096 bytes is taken, and what it says reaches subscribers whole."""
    other.ok("SUB", VARIABLE=name)
    sent = _publish_of(LONGEST_LINE, name)
    client.send_bytes(sent)
    assert client.answer() == message("OK")
    (delivered,) = other.fence()
    assert delivered["VALUE"].encode() in sent
    assert len(delivered["VALUE"]) == sent.count(b"v")


def test_the_longest_line_in_a_short_spelling(client: Client, name: str) -> None:
    """The value of a compact line at the limit is replayed whole too, with its time."""
    frame = len(f"START|COMMAND=PUB|VARIABLE={name}|VALUE=|END")
    value = "w" * (LONGEST_LINE - frame)
    client.send_bytes(
        f"START|COMMAND=PUB|VARIABLE={name}|VALUE={value}|END\r\n".encode()
    )
    assert client.answer() == message("OK")
    stored = client.get(name)
    assert stored is not None
    assert stored["VALUE"] == value


@pytest.mark.parametrize("length", [LONGEST_LINE + 1, LONGEST_LINE + 2, 100_000])
def test_a_longer_line(client: Client, name: str, length: int) -> None:
    """A longer line gets one BAD and does nothing; its rest is passed over up to the line feed."""
    client.send_bytes(_publish_of(length, name))
    client.refused("too-long")
    assert client.get(name) is None
    client.ok("PUB", VARIABLE=name, VALUE="kept")
    client.send_bytes(_publish_of(length, name))
    client.refused("too-long")
    stored = client.get(name)
    assert stored is not None
    assert stored["VALUE"] == "kept"


def test_the_rest_of_a_longer_line_is_never_a_message(
    client: Client, name: str
) -> None:
    """Nothing behind the limit is taken for a message, though it looks like one."""
    client.fence()
    hidden = line("PUB", VARIABLE=name, VALUE=1)[:-1]
    client.send_bytes(
        b"x" * LONGEST_LINE
        + (b"|END" + hidden + b"\r" + hidden + b" " * 9000 + hidden + b"\r" + hidden)
        + b"\n"
    )
    client.refused("too-long")
    assert client.get(name) is None


def test_a_message_behind_spaces_at_the_limit(client: Client) -> None:
    """Spaces count: a line is as long as its bytes, whatever they mean."""
    sent = line("HELLO?")[:-1]
    client.send_bytes(b" " * (LONGEST_LINE - len(sent)) + sent + b"\n")
    assert client.answer() == message("HELLO!")
    client.send_bytes(b" " * (LONGEST_LINE + 1 - len(sent)) + sent + b"\n")
    client.refused("too-long")


def test_half_a_line_and_gone(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """Half a message is never carried out, however the connection ends."""
    half = line("PUB", VARIABLE=name, VALUE="1")[: -len("| END\n")]
    leaving = connect(open_broker)
    leaving.send_bytes(half)
    leaving.half_close()
    assert [answered.command for answered in leaving.until_closed()] in ([], ["BAD"])
    resetting = connect(open_broker)
    resetting.send_bytes(half)
    resetting.reset()
    assert connect(open_broker).get(name) is None


def test_a_message_without_line_feed_and_gone(
    open_broker: BrokerProcess, connect: Connect, name: str
) -> None:
    """A message is complete at END, so `printf … | nc` needs no line feed and gets its answer."""
    publisher = connect(open_broker)
    publisher.send_bytes(line("PUB", VARIABLE=name, VALUE="1")[:-1])
    publisher.half_close()
    assert publisher.until_closed() == [Message("OK")]
    stored = connect(open_broker).get(name)
    assert stored is not None
    assert stored["VALUE"] == "1"


# The framer alone

CANONICAL = b"START | COMMAND=PUB | VARIABLE=x | VALUE=1 | END\n"
ITEM = CANONICAL.removesuffix(b" | END\n").decode()


def _fed(data: bytes, longest: int = LONGEST_LINE) -> Framer:
    framer = Framer(longest)
    framer.feed(data)
    return framer


def _all(framer: Framer) -> list[str]:
    """Take all that waits, one by one: VALUE of messages, the reason of what is none."""
    found: list[str] = []
    while framer.pending:
        try:
            if taken := framer.next():
                found.append(taken.params.get("VALUE", taken.command))
        except Refusal as refusal:
            found.append(str(refusal.reason))
    assert framer.next() is None
    return found


def test_canonical_lines_are_taken_at_once() -> None:
    """All whole lines up to the last line feed; what is behind it waits for its end."""
    framer = _fed(CANONICAL * 3 + CANONICAL[:20])
    assert framer.take_canonical() == [ITEM] * 3
    assert not framer.pending
    assert framer.take_canonical() == []
    framer.feed(CANONICAL[20:])
    assert framer.take_canonical() == [ITEM]
    assert framer.next() is None


def test_a_window_bounds_what_is_taken_at_once() -> None:
    """What is more than 16 KiB comes in several calls, each of them of whole lines."""
    framer = _fed(CANONICAL * 2000)
    taken: list[int] = []
    while items := framer.take_canonical():
        assert set(items) == {ITEM}
        taken.append(len(items))
    assert sum(taken) == 2000
    assert max(taken) * len(CANONICAL) <= 32_768


@pytest.mark.parametrize(
    "other",
    [
        CANONICAL.replace(b" | ", b"|"),
        CANONICAL[:-1] + b"\r\n",
        CANONICAL[:-1] + b" \n",
        b"\0" + CANONICAL,
        b"\n",
        CANONICAL.lower(),
        CANONICAL.replace(b"1", b"\xb0"),
        CANONICAL.replace(b"1", b"\0"),
        CANONICAL.replace(b"1", b"1\r"),
        CANONICAL.replace(b"1", b"v" * LONGEST_LINE),
    ],
)
def test_other_lines_are_not_canonical(other: bytes) -> None:
    """They come out one by one, and the canonical lines around them, too."""
    whole = CANONICAL * 2 + other + CANONICAL * 2
    framer, same = _fed(whole), _fed(whole)
    taken: list[str] = []
    while framer.pending:
        items = framer.take_canonical()
        if set(items) == {ITEM}:
            taken += ["1"] * len(items)
            continue
        framer.unread(items)
        try:
            if found := framer.next():
                taken.append(found.params.get("VALUE", found.params.get("value", "")))
        except Refusal as refusal:
            taken.append(str(refusal.reason))
    assert taken == _all(same)
    assert len(taken) >= 4


def test_unread() -> None:
    """What is given back comes again, by either way, in its place."""
    lines = [CANONICAL.replace(b"1", b"%d" % number) for number in range(500)]
    framer = _fed(b"".join(lines))
    source = random.Random(7883)
    found: list[str] = []
    while framer.pending:
        items = framer.take_canonical()
        keep = source.randrange(len(items) + 1)
        found += [item.rpartition("=")[2] for item in items[:keep]]
        framer.unread(items[keep:])
        if source.random() < 0.5 and (taken := framer.next()):
            found.append(taken.params["VALUE"])
    assert found == [str(number) for number in range(500)]


def test_unread_before_more_is_received() -> None:
    """What is given back waits in front of what comes later."""
    framer = _fed(CANONICAL * 3 + CANONICAL[:9])
    framer.unread(framer.take_canonical()[1:])
    framer.feed(CANONICAL[9:] + CANONICAL[:-1].replace(b"1", b"last"))
    assert _all(framer) == ["1", "1", "1", "last"]


def test_pending() -> None:
    """It is said beforehand whether `next` has something to do."""
    for sent, pending in (
        (b"", False),
        (b"START | COMMAND=A", False),
        (b"START | COMMAND=A | END", True),
        (b"START | COMMAND=A | END\0 ", True),
        (b"START | COMMAND=A | ENDS", False),
        (b"hello\r", True),
        (b"x" * LONGEST_LINE, False),
        (b"x" * LONGEST_LINE + b"x", True),
    ):
        assert _fed(sent).pending is pending, sent


def test_a_line_that_is_too_long_ends_at_its_line_feed_only() -> None:
    """However it comes, the lines behind carriage returns in it are not carried out."""
    hidden = CANONICAL.replace(b"\n", b"\r")
    sent = b"x" * 41 + hidden * 3 + b"\0" + hidden + b"\n" + CANONICAL[:-1]
    for size in (1, 2, 7, 41, 42, len(sent)):
        framer = Framer(len(CANONICAL))
        framer.feed(b"x" * (len(CANONICAL) - 40))
        found: list[str] = []
        for place in range(0, len(sent), size):
            framer.feed(sent[place : place + size])
            found += _all(framer)
        assert found == ["too-long", "1"], size


def _memory(framer: Framer) -> int:
    return sum(
        sys.getsizeof(getattr(framer, name))
        for name in Framer.__slots__
        if isinstance(getattr(framer, name), bytes)
    )


def test_nothing_is_kept_of_what_was_taken() -> None:
    """A framer whose client is silent holds no memory, nor while a line that is too long goes on."""
    framer = _fed(CANONICAL * 1000)
    assert _memory(framer) > 1000 * len(CANONICAL)
    while framer.next():
        pass
    assert _memory(framer) < 100
    for _ in range(3):
        framer.feed(b"x" * 60_000)
        assert _all(framer) in ([], ["too-long"])
        framer.feed(b"x" * 60_000)
        assert _memory(framer) < 100


def test_prefixes_spell_what_is_sent() -> None:
    """What lines are looked up by, and begin with, is what a message in the spaced form says."""
    sent = wire.encode_message("PUB", {"VARIABLE": "a/b", "VALUE": "1"}).decode()
    assert sent == f"{wire.publish_prefix('a/b')} | VALUE=1{wire.END}\n"
    sent = wire.encode_message("MSG", {"DEVICE": "d", "VALUE": "1"}).decode()
    assert sent == f"{wire.message_prefix('d')} | VALUE=1{wire.END}\n"
    assert sent == f"{wire.message_head('d')}1{wire.END}\n"
    sent = wire.encode_message("SUB", {"VARIABLE": "a/b", "VALUE": "1"}).decode()
    assert sent == f"{wire.delivery_prefix('a/b')}1{wire.END}\n"
