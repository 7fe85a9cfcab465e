"""Laws of the wire that hold for any bytes and any text."""

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
    rb"\|[ \t]*END[ \t\r]*(?:S|ST|STA|STAR|START[ \t]*)?\Z", re.IGNORECASE
)
"""A cut here counts: where the received bytes end with END the message is complete (protocol A1), and what belongs to it is
not known before the START behind it is, which may make it too long meanwhile."""

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
        if not AMBIGUOUS.search(whole[:place].rpartition(b"\n")[2])
    ]
    edges = [0, *cuts, len(whole)]
    return whole, [whole[one:two] for one, two in pairwise(edges)]


def _framed(chunks: list[bytes], longest: int) -> list[object]:
    framer = framing.Framer(longest)
    found: list[object] = []
    for chunk in chunks:
        framer.feed(chunk)
        while True:
            try:
                message = framer.next()
            except reasons.Refusal as refusal:
                found.append(refusal.reason)
            else:
                if message is None:
                    break
                found.append(message)
    return found


@settings(max_examples=3000, deadline=None)
@given(stream=streams(), longest=st.sampled_from([40, 64, 100, 4096]))
@example(stream=(b"x" * 40 + b"\r\n", [b"x" * 40 + b"\r", b"\n"]), longest=40)
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
