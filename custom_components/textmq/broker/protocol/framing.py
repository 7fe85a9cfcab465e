"""Cuts a stream of bytes into messages (protocol A1)."""

from enum import Enum, auto
import re
from typing import Final

from .reasons import BadReason, Refusal
from .wire import END, Message, parse, split_canonical

FIRST_LINE_DETAIL: Final = "the first line begins with START | COMMAND="
"""The DETAIL of the BAD for a connection that speaks something else."""

_LARGEST_WINDOW: Final = 32_768
"""Bytes that `take_canonical` looks at in one call: a bound of its work."""
_SMALLEST_WINDOW: Final = 256
"""The same after it was of no use: looking again for each line must cost little."""

_PADDING: Final = b" \t\0"
_EMPTY_LINES: Final = re.compile(rb"[ \t\0\r\n]*+")
_PREAMBLE: Final = re.compile(rb"(?:[ \t\0\r\n]++|\xef\xbb\xbf|\xff[\s\S]{2})*+")
_TELNET: Final = 0xFF
_TELNET_LENGTH: Final = 3
_OPENING: Final = re.compile(
    rb"START[ \t]*+\|[ \t]*+COMMAND[ \t]*+=",
    re.IGNORECASE,
)
_HTTP: Final = re.compile(
    rb"\A(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) | HTTP/[0-9]",
    re.IGNORECASE,
)
_END_START: Final = re.compile(rb"\|[ \t]*END[ \t\0]*(?=START[ \t]*\|)", re.IGNORECASE)


class Opening(Enum):
    """What the first line that is not empty says of a connection (protocol A1)."""

    UNDECIDED = auto()
    """Too little of it has come."""
    MESSAGE = auto()
    """It begins as a message does, whatever becomes of it."""
    FOREIGN = auto()
    """Another protocol, or text: nothing on this connection is ever carried out."""
    HTTP = auto()
    """A request of a browser or its like: the same, and no answer."""


class Framer:
    """Cuts a byte stream into messages (protocol A1).

    Bytes go in by `feed`; messages come out one at a time by `next`, or many at once by
    `take_canonical`, so that a session can stop anywhere and go on later. No call looks at
    more than one line, one window, or one run of empty lines.
    """

    __slots__ = (
        "_at",
        "_buffer",
        "_max",
        "_opening",
        "_searched",
        "_skipping",
        "_window",
    )

    def __init__(self, max_line: int) -> None:
        """Bound a message to max_line bytes, the end of its line not counted."""
        self._max = max_line
        self._buffer = b""
        self._at = 0
        """Where in the buffer the next line begins."""
        self._searched = 0
        """No message that another one follows without a line end ends before this place."""
        self._skipping = False
        """The rest of a line that was too long is still to come; the buffer is empty."""
        self._window = _LARGEST_WINDOW
        self._opening = Opening.UNDECIDED

    def feed(self, data: bytes) -> None:
        """Take received bytes."""
        if self._skipping:
            end = data.find(b"\n") + 1
            if not end:
                return
            self._skipping = False
            data = data[end:]
        at = self._at
        if at < len(self._buffer):
            data = self._buffer[at:] + data
        self._buffer = data
        self._searched -= at
        self._at = 0

    def judge_opening(self, *, final: bool = False) -> Opening:
        """Tell what the connection speaks, by the first line that is not empty.

        Undecided before the end of that line or max_line bytes of it, unless it is certain
        to begin as a message does. With final nothing more is waited for: what has come is
        judged as it is, and only nothing at all leaves it undecided.
        What may stand before the first message (NUL bytes, blanks, a byte order mark, the
        negotiation of a telnet client) is passed over here, and does not count as a part of
        its line.
        """
        if self._opening is Opening.UNDECIDED:
            preamble = _PREAMBLE.match(self._buffer, self._at)
            assert preamble is not None
            self._at = preamble.end()
            self._opening = self._judge(final=final)
        return self._opening

    def _judge(self, *, final: bool) -> Opening:
        buffer, at = self._buffer, self._at
        come = len(buffer) - at
        if not come:
            return Opening.UNDECIDED
        if buffer[at] == _TELNET and come < _TELNET_LENGTH and not final:
            return Opening.UNDECIDED
        end = self._line_end()
        line = buffer[at : at + self._max if end is None else end]
        if _OPENING.match(line):
            return Opening.MESSAGE
        if end is None and come < self._max and not final:
            return Opening.UNDECIDED
        return Opening.HTTP if _HTTP.search(line) else Opening.FOREIGN

    def is_empty(self) -> bool:
        """Tell whether nothing waits, not even a part of a line."""
        return self._at == len(self._buffer)

    @property
    def pending(self) -> bool:
        """Whether `next` has something to do without more bytes."""
        return self._at < len(self._buffer) and self._message_edge() is not None

    def take_canonical(self) -> list[str]:
        """Return the next messages at once, each without its ` | END`, where all are canonical.

        Looks at a window of at most 32 KiB; returns nothing where a line in it is not
        canonical: then take one by `next`. No line over the bound is among them.
        The caller must still look for a bar in what it takes for a value.
        """
        buffer, at = self._buffer, self._at
        end = buffer.rfind(b"\n", at, at + self._window) + 1
        if self._window < _LARGEST_WINDOW:
            self._window *= 2
        if not end:
            return []
        whole = buffer[at:end]
        items = split_canonical(whole)
        if not items or (
            len(whole) > self._max and len(max(items, key=len)) + len(END) > self._max
        ):
            self._window = _SMALLEST_WINDOW
            return []
        self._at = end
        return items

    def unread(self, items: list[str]) -> None:
        """Give back the last messages of `take_canonical`, before anything else is taken."""
        self._at -= sum(map(len, items)) + len(items) * (len(END) + 1)
        self._window = _SMALLEST_WINDOW

    def next(self) -> Message | None:
        """Return the next message, None where there is no whole one.

        Raises Refusal (malformed, too-long) for a line that is none; call again to go on.
        """
        if self._buffer[self._at : self._at + 1] <= b" ":
            self._pass_over_empty_lines()
        edge = self._message_edge()
        if edge is None:
            return None
        at, (end, self._at) = self._at, edge
        if end - at > self._max:
            self._pass_over_long_line(at)
            raise Refusal(BadReason.TOO_LONG, f"a line has at most {self._max} bytes")
        return parse(self._buffer[at:end].strip(_PADDING))

    def _pass_over_empty_lines(self) -> None:
        """Pass over lines without text, but none that is too long."""
        buffer, at = self._buffer, self._at
        while at < len(buffer) and buffer[at] <= 0x20:
            run = _EMPTY_LINES.match(buffer, at, at + self._max + 1)
            assert run is not None
            last_end = max(
                buffer.rfind(b"\n", at, run.end()), buffer.rfind(b"\r", at, run.end())
            )
            if last_end < 0:
                break
            at = last_end + 1
        if at == len(buffer):
            self._buffer = b""
            self._searched = at = 0
        self._at = at

    def _line_end(self) -> int | None:
        """Return where the next line has its line end, if it is not too long."""
        at = self._at
        stop = at + self._max + 1
        line_feed = self._buffer.find(b"\n", at, stop)
        end = self._buffer.find(b"\r", at, stop if line_feed < 0 else line_feed)
        end = line_feed if end < 0 else end
        return None if end < 0 else end

    def _message_edge(self) -> tuple[int, int] | None:
        """Return where the next message ends and where the one behind it begins.

        None where it goes on with what is yet to come. For one that is too long both are
        anywhere behind the bound.
        """
        buffer, at = self._buffer, self._at
        end = self._line_end()
        followed = _END_START.search(
            buffer, max(self._searched, at), at + 2 * self._max if end is None else end
        )
        if followed:
            return followed.end(), followed.end()
        if end is not None:
            return end, end + (2 if buffer.startswith(b"\r\n", end) else 1)
        if len(buffer) - at > self._max:
            return at + self._max + 1, at + self._max + 1
        if self._has_end_mark():
            return len(buffer), len(buffer)
        self._searched = max(at, buffer.rfind(b"|", at))
        return None

    def _has_end_mark(self) -> bool:
        """Tell whether what was received so far ends with a bar and END."""
        text = self._buffer[self._at :].rstrip(_PADDING)
        return text[-3:].upper() == b"END" and text[:-3].rstrip(b" \t").endswith(b"|")

    def _pass_over_long_line(self, at: int) -> None:
        """Go on behind the next line feed: nothing else ends a line that is too long."""
        line_feed = self._buffer.find(b"\n", at)
        self._skipping = line_feed < 0
        self._at = len(self._buffer) if self._skipping else line_feed + 1
