"""Secrets in lines that are shown (protocol B6): they never are."""

from contextlib import suppress
import logging
import random
import re
from typing import Any, Final

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.textmq.broker.protocol.blanking import (
    BLANK,
    blank,
    names_made_secret,
)
from custom_components.textmq.broker.protocol.framing import Framer
from custom_components.textmq.broker.protocol.reasons import Refusal
from custom_components.textmq.broker.protocol.wire import parse
from custom_components.textmq.broker.server.trace import Trace

from .inprocess import Sink, make_broker
from .reference import VECTORS

SECRET: Final = "swordfish"
NAME: Final = "wifi/password"
SECRETS: Final = (f"{NAME}/set", NAME, "hall/lock/set")
KEY: Final = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
_BETWEEN: Final = re.compile(rb"(?<=END)[ \t\0]*(?=START)", re.IGNORECASE)
LINES: Final = (
    f"START | COMMAND=PUB | VARIABLE={NAME} | VALUE={SECRET} | RETAIN=NO | END",
    f"START|COMMAND=SUB|VARIABLE={NAME}|VALUE={SECRET}|END\r",
    f"start | command=pub | value = {SECRET}\t| variable={NAME}|end",
    f"START | COMMAND=PUB | VARIABLE={NAME} | VALUE=a = {SECRET}\\u007c | SEQ=1 | END",
    f"START|COMMAND=HELLO?|END START|COMMAND=PUB|VARIABLE={NAME}|VALUE={SECRET}|END",
)


@pytest.mark.parametrize("case", VECTORS["blanked"], ids=lambda case: str(case["name"]))
def test_vectors(case: dict[str, Any]) -> None:
    """Every case of the shared vectors."""
    assert blank(case["line"].encode(), case["secrets"]).decode() == case["shown"]


def check(line: bytes) -> None:
    """Check that the secret does not show, unless the broker itself would take it for another variable's."""
    shown = blank(line, SECRETS)
    if SECRET.encode() not in shown:
        return
    # Cut as the broker does it, and between END and START as a line is for showing it.
    for piece in (line, *_BETWEEN.split(line)):
        framer = Framer(4096)
        framer.feed(piece + b"\n")
        while framer.pending:
            with suppress(Refusal):
                message = framer.next()
                if message is None or SECRET not in str(message).lower():
                    continue
                if message.params.get("VARIABLE") not in SECRETS:
                    return
    raise AssertionError(shown)


@pytest.mark.parametrize("text", LINES)
def test_every_small_change_of_a_line(text: str) -> None:
    """Whatever byte is lost, added or changed, and wherever the line is cut."""
    line = text.encode()
    for at in range(len(line) + 1):
        check(line[:at])
        check(line[at:])
        check(line[:at] + line[at + 1 :])
        for byte in b"|= \t\0\\xEND\x80":
            check(line[:at] + bytes((byte,)) + line[at:])
            check(line[:at] + bytes((byte,)) + line[at + 1 :])


@settings(max_examples=2000, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(LINES), st.integers(1, 12))
def test_many_changes_of_a_line(chance: random.Random, text: str, changes: int) -> None:
    """The same for many changes at once: pieces lost, bytes and marks thrown in."""
    line = text.encode()
    for _ in range(changes):
        ends = chance.randrange(len(line) + 1), chance.randrange(len(line) + 1)
        start, end = sorted(ends)
        thrown_in = chance.choice(
            (b"", bytes((chance.randrange(256),)), b"|", b" | END ", b"START|", b"=")
        )
        line = line[:start] + thrown_in + line[start if thrown_in else end :]
    check(line)


@pytest.mark.parametrize(
    "text",
    [
        f"START | COMMAND=ADMIT | DEVICE=a | KEY={KEY} | NAME=A | END",
        f"start|command=admit|key\t= {KEY}|end",
    ],
)
@pytest.mark.parametrize("secrets", [(), SECRETS])
def test_a_key_is_blanked_whatever_becomes_of_the_line(
    text: str, secrets: tuple[str, ...]
) -> None:
    """A key is not shown, wherever its line is cut, and whatever byte is changed outside of it."""
    line = text.encode()
    first, last = line.index(KEY.encode()), line.index(KEY.encode()) + len(KEY)
    for at in [*range(first), *range(last, len(line) + 1)]:
        for changed in (
            line[at:],
            line[:at],
            line[:at] + line[at + 1 :],
            *(
                line[:at] + bytes((byte,)) + line[at + skip :]
                for byte in b"|= \t\0\\x\x80"
                for skip in (0, 1)
            ),
        ):
            shown = blank(changed, secrets)
            if KEY.encode() in shown:
                # Another key of a whole message: nobody takes it for a device's.
                assert "KEY" not in parse(shown.strip(b" \t\0")).params


def test_what_is_no_secret_is_shown_as_it_came() -> None:
    """Nothing of other messages is changed, and without secrets nothing of what is none."""
    for text in (b"START | COMMAND=PUB | VARIABLE=a | VALUE=1 | END", b"\xff\0|", b""):
        assert blank(text, ()) == text
    other = b" START|COMMAND=PUB|VARIABLE=wifi/passwords|VALUE=x |END\r"
    assert blank(other, SECRETS) == other


class _Session:
    """What a trace needs of a session."""

    device_id = "garden"
    address = "127.0.0.1"


@pytest.mark.parametrize("text", LINES)
def test_a_trace_of_cut_lines(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """However the bytes come, the trace shows whole lines, and no secret."""
    caplog.set_level(logging.DEBUG, "textmq.wire")
    data = text.encode() + b"\nSTART | COMMAND=HELLO? | END\n"
    whole = [
        "garden < " + blank(one, SECRETS).decode().strip()
        for one in data.splitlines()
        if one
    ]
    for at in range(len(data)):
        for second in (at + 1, at + 5):
            caplog.clear()
            trace = Trace(_Session(), lambda: SECRETS)  # type: ignore[arg-type]
            for chunk in (data[:at], data[at:second], data[second:]):
                trace.received(chunk)
            trace.end()
            shown = [one.getMessage() for one in caplog.records]
            assert SECRET not in "".join(shown)
            assert BLANK in "".join(shown)
            assert len(shown) >= len(whole)
            assert shown[-1] == whole[-1]


def test_a_trace_of_an_endless_line(caplog: pytest.LogCaptureFixture) -> None:
    """Of a line without end only the beginning is shown, and the next line as ever."""
    caplog.set_level(logging.DEBUG, "textmq.wire")
    trace = Trace(_Session(), tuple[str, ...])  # type: ignore[arg-type]
    for _ in range(100):
        trace.sent(b"x " * 500)
    trace.sent(b"y\nSTART | COMMAND=OK | END\n")
    first, second = [one.getMessage() for one in caplog.records]
    assert first.startswith("garden > x x x")
    assert second == "garden > START | COMMAND=OK | END"


def test_what_a_line_makes_secret() -> None:
    """Descriptions with a code or of a password, however they are spelt; nothing else."""
    assert names_made_secret(
        b"START|COMMAND=DEF|VARIABLE=a|TYPE=lock|CODE=TEXT|END"
    ) == (
        "a",
        "a/set",
    )
    assert names_made_secret(
        rb"start | command=def | mode=p\u0061ssword | variable=b | type=text | end"
    ) == ("b", "b/set")
    for line in (
        b"START | COMMAND=PUB | VARIABLE=a | VALUE=CODE=1 | END",
        b"CODE=",
        b"",
    ):
        assert names_made_secret(line) == ()


def test_the_trace_of_a_description_and_what_follows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What comes in one piece with its description is blanked, though the broker has not come to that yet."""
    caplog.set_level(logging.DEBUG, "textmq.wire")
    trace = Trace(make_broker().session(Sink(), "192.0.2.1"), set)
    trace.received(
        b"START | COMMAND=DEF | VARIABLE=wifi | TYPE=text | MODE=password | END\n"
        b"START | COMMAND=PUB | VARIABLE=wifi | VALUE=hunter2 | END\n"
        b"START | COMMAND=PUB | VARIABLE=wifi/set | VALUE=hunter2 | END\n"
    )
    trace.received(b"START | COMMAND=PUB | VARIABLE=wifi | VALUE=hunter2 | END\n")
    assert len(caplog.messages) == 4
    assert "hunter2" not in caplog.text
