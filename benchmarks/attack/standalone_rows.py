"""The rows for the broker on its own, with its default limits."""

from dataclasses import replace
import itertools
from typing import Final

from benchmarks.client_side import line

from . import attacks
from .newer_rows import NEWER_ROWS
from .roles import Flood, Returning, Script, Storm
from .rows import Bound, Row, one, subscribers
from .wire import identify

_TABLE: Final = (
    # The table of the first review, in its order.
    Row(
        "get-deep",
        "GET +/+/… as deep as may be, all 5,000 match",
        attacks.deep_get(),
        attacks.fill_deep,
    ),
    Row(
        "sub-deep",
        "SUB a/+/+/… REPLAY=NO, as deep as may be",
        attacks.sub_deep,
        attacks.fill_deep,
    ),
    Row(
        "get-deep-none",
        "GET +/…/x, as deep as may be, no match",
        attacks.deep_get("x"),
        attacks.fill_deep,
    ),
    Row(
        "get-all-4k",
        "GET # of 5,000 variables of 4 KB",
        one(attacks.GET_ALL, receive_buffer=attacks.READS_ALL),
        attacks.fill_long,
    ),
    Row(
        "sub-all",
        "SUB # of 5,000, again and again",
        one(line("SUB", VARIABLE="#")),
        attacks.fill,
    ),
    Row("get-all", "GET # of 5,000", one(attacks.GET_ALL), attacks.fill),
    Row(
        "pub-deep-foreign",
        "PUB RETAIN=NO deep, 10 others with 31 deep filters each",
        attacks.pub_deep,
        crowd=attacks.foreign_filters,
    ),
    Row(
        "def-deep-own",
        "DEF deep, 31 deep filters of its own",
        attacks.own_filters(attacks.define_deep),
    ),
    Row(
        "pub-deep-own",
        "PUB RETAIN=NO deep, 31 deep filters of its own",
        attacks.own_filters(attacks.publish_deep),
    ),
    Row(
        "sub-pub-own",
        "SUB q and PUB deep in turn, 31 deep filters of its own",
        attacks.own_filters(attacks.subscribe_and_publish),
    ),
    Row(
        "msg-all-4k",
        "MSG DEVICE=* of 4 KB to 400 devices",
        one(line("MSG", DEVICE="*", VALUE=attacks.LONG_VALUE)),
        crowd=attacks.IDLE_CROWD,
    ),
    Row(
        "msg-all",
        "MSG DEVICE=* to 400 devices",
        one(attacks.MESSAGE_ALL),
        crowd=attacks.IDLE_CROWD,
    ),
    Row("def-class", "DEF with a wrong CLASS", one(attacks.WRONG_CLASS)),
    Row(
        "pub-turn-400",
        "PUB x and y in turn, 400 subscribers",
        one(*attacks.X_AND_Y),
        crowd=subscribers(attacks.CROWD, "x", "y"),
    ),
    Row(
        "pub-known",
        "PUB of a known variable, as fast as it may",
        one(attacks.KNOWN),
        attacks.know_x,
    ),
    # Searches and replays.
    Row(
        "sub-all-4k",
        "SUB # of 5,000 variables of 4 KB",
        one(line("SUB", VARIABLE="#"), receive_buffer=attacks.READS_ALL),
        attacks.fill_long,
    ),
    Row(
        "sub-all-no-replay",
        "SUB # REPLAY=NO of 5,000",
        one(line("SUB", VARIABLE="#", REPLAY="NO")),
        attacks.fill,
    ),
    Row(
        "sub-all-def",
        "SUB # REPLAY=NO DEF=YES of 5,000",
        one(line("SUB", VARIABLE="#", REPLAY="NO", DEF="YES")),
        attacks.fill,
    ),
    Row(
        "get-none",
        "GET +/x/+, no match among 5,000",
        one(line("GET", VARIABLE="+/x/+")),
        attacks.fill,
    ),
    Row("get-sys", "GET $SYS/#", one(line("GET", VARIABLE="$SYS/#"))),
    Row(
        "get-one-4k",
        "GET of one variable of 4 KB",
        one(
            line("GET", VARIABLE="x"),
            opening=(line("PUB", VARIABLE="x", VALUE=attacks.LONG_VALUE),),
        ),
    ),
    Row(
        "deepest",
        "GET, SUB, PUB with 122 levels, allowed or not",
        attacks.deepest,
        attacks.fill,
    ),
    # Routes.
    Row(
        "pub-deep-churn",
        "PUB of a deep name, another SUB and UNSUB of a filter, 10 others with 31 deep filters each",
        attacks.pub_deep_known,
        crowd=attacks.foreign_filters,
        bound=Bound.NONE,
    ),
    Row("pub-new", "PUB RETAIN=NO to ever new names", attacks.new_names),
    Row(
        "pub-del-2000",
        "PUB of 2,000 new variables, DEL of all, in turn",
        attacks.new_variables,
    ),
    Row(
        "pub-del",
        "PUB and DEL of one variable in turn, 400 subscribers",
        one(attacks.KNOWN, line("DEL", VARIABLE="x")),
        crowd=subscribers(attacks.CROWD, "x"),
    ),
    Row("sub-1000", "1,000 SUB, UNSUBALL, over and over", attacks.subscribe_many),
    Row("filters-500", "500 filters, UNSUBALL, over and over", attacks.filters_in_turn),
    Row(
        "sub-unsub-all",
        "SUB # and UNSUB # in turn",
        one(line("SUB", VARIABLE="#"), line("UNSUB", VARIABLE="#")),
        attacks.fill,
    ),
    # Fan-outs.
    Row(
        "pub-400",
        "PUB of one variable, 400 subscribers",
        one(attacks.KNOWN),
        crowd=subscribers(attacks.CROWD, "x"),
    ),
    Row(
        "pub-400-4k",
        "PUB of 4 KB, 400 subscribers",
        one(line("PUB", VARIABLE="x", VALUE=attacks.LONG_VALUE)),
        crowd=subscribers(attacks.CROWD, "x"),
    ),
    Row(
        "event-400",
        "PUB RETAIN=NO, 400 subscribers",
        one(line("PUB", VARIABLE="x", VALUE=1, RETAIN="NO")),
        crowd=subscribers(attacks.CROWD, "x"),
    ),
    Row(
        "def-400",
        "DEF with ever new names, 400 readers of definitions",
        attacks.definitions,
        crowd=attacks.definition_readers,
    ),
    Row("msg-self", "MSG to itself", one(line("MSG", DEVICE="mallory", VALUE=1))),
    Row(
        "msg-wait",
        "MSG TTL to a device that is away",
        one(line("MSG", DEVICE="absent", VALUE=1, TTL=60)),
        attacks.meet,
    ),
    # Many at once.
    Row(
        "get-all-100",
        "100 clients, GET # of 5,000 each",
        attacks.many(100, attacks.GET_ALL),
        attacks.fill,
        bound=Bound.NONE,
    ),
    Row(
        "pub-100",
        "100 clients, PUB as fast as they may",
        attacks.many(100, attacks.KNOWN),
        attacks.know_x,
        bound=Bound.NONE,
    ),
    Row(
        "sub-all-100",
        "100 clients, SUB # of 5,000 each",
        attacks.many(100, line("SUB", VARIABLE="#")),
        attacks.fill,
        bound=Bound.NONE,
    ),
    Row(
        "def-class-100",
        "100 clients, DEF with a wrong CLASS",
        attacks.many(100, attacks.WRONG_CLASS),
        bound=Bound.NONE,
    ),
    Row(
        "dribble",
        "50 clients that send byte by byte",
        attacks.dribble,
        attacks.know_x,
        bound=Bound.NONE,
    ),
    # Readers.
    Row(
        "slow-reader",
        "one that reads nothing of 5,000 variables, another that changes them",
        attacks.slow_reader,
        attacks.fill,
        bound=Bound.NONE,
    ),
    Row(
        "slow-readers",
        "100 that ask for 5,000 variables and read nothing",
        attacks.slow_readers,
        attacks.fill,
        bound=Bound.NONE,
    ),
    # Identities and connections.
    Row(
        "id-same",
        "the same ID again and again on one connection",
        one(identify("mallory")),
    ),
    Row("id-changing", "ever new IDs on one connection", attacks.id_changing),
    Row(
        "will",
        "connect, WILL, SUB #, gone, over and over",
        lambda _: Returning(attacks.will, 3, aborts=True),
        attacks.know_x,
        bound=Bound.NONE,
    ),
    Row(
        "brief",
        "connect, ID, CLOSE, over and over",
        lambda _: Returning(attacks.brief, 1),
        bound=Bound.NONE,
    ),
    Row(
        "leave-100",
        "100 with 30 filters and a will, gone together, over and over",
        lambda _: Returning(attacks.mass_leave, 32, width=100, aborts=True),
        attacks.know_x,
        crowd=subscribers(100, "x"),
        bound=Bound.NONE,
    ),
    # Bytes.
    Row("empty-lines", "64 KiB of empty lines", attacks.raw(b"\n" * attacks.BLOCK)),
    Row(
        "bars",
        "64 KiB of bars in lines of 4,000",
        attacks.raw((b"|" * 4000 + b"\n") * 16),
    ),
    Row("no-lf", "64 KiB without an end of line", attacks.raw(b"x" * attacks.BLOCK)),
    Row(
        "no-lf-start",
        "64 KiB of START without an end of line",
        attacks.raw(b"START | " * (attacks.BLOCK // 8)),
    ),
    Row(
        "joined",
        "messages without line ends",
        attacks.raw(b"START | COMMAND=PUB | VARIABLE=x | VALUE=1 | END" * 1000),
        attacks.know_x,
    ),
    Row(
        "parameters",
        "lines of 600 parameters",
        attacks.raw(
            (
                b"START|COMMAND=HELLO?|"
                + b"|".join(b"K%d=" % n for n in range(600))
                + b"|END\n"
            )
            * 16
        ),
    ),
    Row(
        "malformed-15",
        "15 malformed lines, then a good one",
        attacks.raw((attacks.BAD_LINE * 15 + attacks.KNOWN) * 50),
    ),
    Row(
        "too-long",
        "lines of 64 KiB",
        attacks.raw(
            b"START | COMMAND=PUB | VARIABLE=x | VALUE="
            + b"x" * attacks.BLOCK
            + b" | END\n"
            + attacks.KNOWN
        ),
    ),
    Row(
        "spaced",
        "PUB of a known variable, in another form than the broker's",
        one(b"start|command = pub|value=1|variable=x|end\r\n"),
        attacks.know_x,
    ),
    Row("hello", "HELLO? again and again", one(line("HELLO?"))),
    Row("unknown", "unknown commands", one(line("WHAT"))),
    # Strangers.
    Row(
        "strangers-id",
        "31 strangers, the same ID again and again",
        attacks.stranger_ids(change=False),
        options=attacks.DOOR,
        bound=Bound.STRANGERS,
    ),
    Row(
        "strangers-ids",
        "31 strangers, ever new IDs",
        attacks.stranger_ids(change=True),
        options=attacks.DOOR,
        bound=Bound.STRANGERS,
    ),
    Row(
        "strangers-pub",
        "31 strangers, PUB",
        attacks.strangers(attacks.KNOWN),
        options=attacks.DOOR,
        bound=Bound.STRANGERS,
    ),
    Row(
        "strangers-hello",
        "31 strangers, HELLO?",
        attacks.strangers(line("HELLO?")),
        options=attacks.DOOR,
        bound=Bound.STRANGERS,
    ),
    Row(
        "strangers-garbage",
        "31 strangers, malformed lines",
        attacks.strangers(attacks.BAD_LINE, opening=line("HELLO?")),
        options=attacks.DOOR,
        bound=Bound.STRANGERS,
    ),
    Row(
        "strangers-bytes",
        "31 strangers, bytes without an end of line",
        attacks.strangers(b"x" * attacks.BLOCK, opening=line("HELLO?")),
        options=attacks.DOOR,
        bound=Bound.STRANGERS,
    ),
    Row(
        "strangers-lines",
        "31 strangers, empty lines",
        attacks.strangers(b"\n" * attacks.BLOCK),
        options=attacks.DOOR,
        bound=Bound.STRANGERS,
    ),
    # TLS.
    Row(
        "tls-get-all",
        "TLS: GET # of 5,000",
        attacks.tls(attacks.GET_ALL),
        attacks.fill,
        options=attacks.KEYED,
    ),
    Row(
        "tls-pub-known",
        "TLS: PUB of a known variable, as fast as it may",
        attacks.tls(attacks.KNOWN),
        attacks.know_x,
        options=attacks.KEYED,
    ),
    Row(
        "tls-garbage",
        "connect, bytes that look like TLS, gone, over and over",
        attacks.wrong_key,
        options=attacks.KEYED,
        bound=Bound.NONE,
    ),
)

_PACED: Final = ("pub-known", "get-all", "msg-all", "pub-400")

REFERENCE: Final = Row(
    "reference",
    "reference: one harmless client, PUB of a known variable 100 times a second",
    lambda _: Flood(
        Script(
            identify("harmless"), 1, lambda: itertools.repeat(attacks.KNOWN), pause=0.01
        )
    ),
    attacks.know_x,
    harmless=True,
)

ROWS: Final[tuple[Row, ...]] = (
    REFERENCE,
    *_TABLE,
    *NEWER_ROWS,
    *(
        replace(
            row,
            name=f"minute-{row.name}",
            title=f"for a minute: {row.title}",
            paced=True,
        )
        for row in _TABLE
        if row.name in _PACED
    ),
)


STORMS: Final = {
    "storm-silent": ("3,000 connects in 3 s, silent", b""),
    "storm-id": ("3,000 connects in 3 s, each with an ID", identify("stranger")),
    "storm-http": (
        "3,000 connects in 3 s, each with an HTTP request",
        b"GET / HTTP/1.1\r\n\r\n",
    ),
    "storm-garbage": (
        "3,000 connects in 3 s, each with a line that is none",
        b"hello\n",
    ),
}
"""Connections of strangers, told of in a table of their own: title and what each sends."""


def storm(name: str, seconds: float) -> Storm:
    """Return the clients of a storm: 1,000 connects a second."""
    return Storm(1000, seconds, STORMS[name][1])


STORM_OPTIONS: Final = attacks.DOOR
