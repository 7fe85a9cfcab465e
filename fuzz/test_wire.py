"""Laws of the wire that hold for any bytes and any text."""

from collections.abc import Callable
from itertools import pairwise
import re

from hypothesis import example, given, settings, strategies as st

from custom_components.textmq.broker.core.access import AccessMode
from custom_components.textmq.broker.core.subscriptions import Subscriptions
from custom_components.textmq.broker.protocol import framing, names, reasons, wire
from tests.broker.inprocess import Peer, make_broker

from .reference import matches

PIECES = [
    *(b"START", b"END", b"|", b" | ", b"=", b"\n", b"\r", b"\r\n", b" ", b"\t"),
    *(
        b" | END\n",
        b" | END\r\n",
        b" | END",
        b"START | ",
        b"|END",
        b" | END\r",
        b"start|command=b|end",
    ),
    *(
        b"START | COMMAND=PUB | VARIABLE=a/b",
        b" | VALUE=1",
        b"COMMAND=C",
        b"key",
        b"K=v",
    ),
    *(b"STARTED", b"ENDING", b"END=1", b"v" * 50, b"\x00", b"\xff"),
    b"START | COMMAND=PUB | VARIABLE=a | VALUE=1 | END\n",
    b"START | COMMAND=SUB | VARIABLE=a | END\n",
]
AMBIGUOUS = re.compile(
    rb"\|[ \t]*END[ \t\0]*(?:S|ST|STA|STAR|START[ \t]*)?\Z", re.IGNORECASE
)
"""A cut here counts: where the received bytes end with END the message is complete (protocol A1), and what belongs to it is
not known before the START behind it is, which may make it too long meanwhile."""

OPENINGS = [
    *(b"START", b"start", b"|", b"COMMAND", b"=", b" ", b"\t", b"\n", b"\r", b"\0"),
    *(b"\xef\xbb\xbf", b"\xef", b"\xff\xfb\x01", b"\xff", b"\n\n", b"x" * 20, b"X"),
    *(b"POST ", b"GET /", b" HTTP/1.1\r\n", b"START|COMMAND", b"START | COMMAND="),
]

SPLIT = re.compile(r"\|[ \t]*END", re.IGNORECASE)
"""Where a line may be more than one message: the caller of `take_canonical` looks for a bar in a value."""

LEVELS = st.sampled_from(["a", "b", "ab", "$x", "a b"])
NAMES = st.lists(LEVELS, min_size=1, max_size=5).map("/".join)
FILTERS = st.builds(
    lambda levels, end: "/".join([*levels, *end]),
    st.lists(LEVELS | st.just("+"), max_size=5),
    st.sampled_from([["#"], ["+"], ["a"], ["$x"]]),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Draw a stream, whole and cut where a cut may not matter."""
    whole = b"".join(draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=16)))
    places = draw(st.sets(st.integers(1, len(whole)), max_size=6))
    cuts = [
        place
        for place in sorted(places)
        if not AMBIGUOUS.search(re.split(rb"[\r\n]", whole[:place])[-1])
    ]
    edges = [0, *cuts, len(whole)]
    return whole, [whole[one:two] for one, two in pairwise(edges)]


def _take_one(framer: framing.Framer, found: list[object]) -> bool:
    pending = framer.pending
    try:
        message = framer.next()
    except reasons.Refusal as refusal:
        message = None
        found.append(refusal.reason)
    else:
        if message is None:
            return False
        found.append(message)
    assert pending
    return True


def _framed(chunks: list[bytes], longest: int) -> list[object]:
    framer = framing.Framer(longest)
    found: list[object] = []
    for chunk in chunks:
        framer.feed(chunk)
        while _take_one(framer, found):
            pass
        assert not framer.pending
    return found


def _framed_in_both_ways(
    chunks: list[bytes], longest: int, keep: Callable[[int], int]
) -> list[object]:
    """Take canonical lines at once; `keep` says how many of them, the others are given back."""
    framer = framing.Framer(longest)
    found: list[object] = []
    for chunk in chunks:
        framer.feed(chunk)
        going_on = True
        while going_on:
            items = framer.take_canonical()
            kept = 0
            for item in items[: keep(len(items))]:
                assert len(item) + len(wire.END) <= longest
                if SPLIT.search(item):
                    break
                try:
                    found.append(wire.parse(f"{item}{wire.END}".encode()))
                except reasons.Refusal as refusal:
                    found.append(refusal.reason)
                kept += 1
            framer.unread(items[kept:])
            going_on = _take_one(framer, found) or kept > 0
    return found


@settings(max_examples=3000, deadline=None)
@given(stream=streams(), longest=st.sampled_from([40, 64, 100, 4096]), data=st.data())
def test_the_two_ways_are_one(
    stream: tuple[bytes, list[bytes]], longest: int, data: st.DataObject
) -> None:
    """Canonical lines are the same messages whether they are taken at once or one by one."""
    whole, chunks = stream

    def keep(count: int) -> int:
        return data.draw(st.integers(0, count))

    assert _framed_in_both_ways(chunks, longest, keep) == _framed([whole], longest)


@settings(max_examples=3000, deadline=None)
@given(
    pieces=st.lists(st.sampled_from(OPENINGS), min_size=1, max_size=8),
    places=st.sets(st.integers(1, 60), max_size=8),
    final=st.booleans(),
)
def test_cuts_do_not_matter_to_the_first_line(
    pieces: list[bytes], places: set[int], final: bool
) -> None:
    """What speaks on a connection does not hang on how its first bytes were cut."""
    whole = b"".join(pieces)
    edges = [0, *(place for place in sorted(places) if place < len(whole)), len(whole)]
    found: list[framing.Opening] = []
    for chunks in ([whole], [whole[one:two] for one, two in pairwise(edges)]):
        framer = framing.Framer(40)
        for chunk in chunks:
            framer.feed(chunk)
            framer.judge_opening()
        found.append(framer.judge_opening(final=final))
    assert found[0] is found[1]
    if found[0] is framing.Opening.MESSAGE:
        assert b"=" in whole


@settings(max_examples=3000, deadline=None)
@given(stream=streams(), longest=st.sampled_from([40, 64, 100, 4096]))
@example(stream=(b"x" * 40 + b"\r\n", [b"x" * 40 + b"\r", b"\n"]), longest=40)
@example(stream=(b"x" * 41 + b"\r\n", [b"x" * 41 + b"\r", b"\n"]), longest=40)
def test_cuts_do_not_matter(stream: tuple[bytes, list[bytes]], longest: int) -> None:
    """However a stream is cut into packets, the messages and errors are the same."""
    whole, chunks = stream
    assert _framed(chunks, longest) == _framed([whole], longest)


@settings(max_examples=1000, deadline=None)
@given(stream=streams())
def test_cuts_do_not_matter_to_a_session(stream: tuple[bytes, list[bytes]]) -> None:
    """Nor does it matter to what is carried out, on the fast way or the slow one."""
    whole, chunks = stream
    received: list[list[str]] = []
    for pieces in ([whole], chunks):
        peer = Peer(make_broker(AccessMode.OPEN))
        peer.session.receive(b"START | COMMAND=HELLO? | END\n")
        for piece in pieces:
            peer.session.receive(piece)
        received.append([line.partition(" | TIME=")[0] for line in peer.take()])
    assert received[0] == received[1]


@settings(max_examples=2000, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_a_value(text: str) -> None:
    """Whatever text goes into a message comes out of it, and stays one value of one line."""
    value = wire.encode(text)
    framer = framing.Framer(1 << 20)
    framer.feed(wire.encode_message("PUB", {"VALUE": value, "LAST": "1"}))
    message = framer.next()
    assert message == wire.Message("PUB", {"VALUE": value, "LAST": "1"})
    assert framer.next() is None
    assert wire.decode(message.params["VALUE"]) == text


@settings(max_examples=2000, deadline=None)
@given(
    value=st.from_regex(
        r"(?:\\(?:u[0-9a-fA-F]{0,4})?|[ -\[\]-{}~]){0,20}", fullmatch=True
    )
)
def test_any_value_is_a_text(value: str) -> None:
    """Whatever stands in a value is a text, and that text says the same when it is written anew."""
    text = wire.decode(value)
    assert wire.decode(wire.encode(text)) == text
    text.encode()


@settings(max_examples=3000, deadline=None)
@given(text=FILTERS, name=NAMES)
def test_filters_match_as_defined(text: str, name: str) -> None:
    """The two ways in which filters are matched do what the protocol says."""
    assert names.is_filter(text)
    assert names.filter_matches(text, name) is matches(text, name)


@settings(max_examples=1000, deadline=None)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 2), FILTERS), max_size=30),
    names=st.lists(NAMES, min_size=1, max_size=5),
)
def test_subscriptions_match_as_defined(
    steps: list[tuple[bool, int, str]], names: list[str]
) -> None:
    """The table of subscriptions finds whom the definition finds, after any number of changes."""
    table = Subscriptions[int]()
    model: set[tuple[int, str]] = set()
    for add, who, text in steps:
        if add:
            table.add(text, who)
            model.add((who, text))
        elif (who, text) in model:
            table.remove(text, who)
            model.discard((who, text))
    for name in names:
        assert set(table.match(name)) == {
            who for who, text in model if matches(text, name)
        }
