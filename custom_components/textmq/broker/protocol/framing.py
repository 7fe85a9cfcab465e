"""Cuts a stream of bytes into messages (protocol A1)."""

from itertools import pairwise
import re
from typing import Final

from .reasons import BadReason, Refusal
from .wire import END, Message, parse, split_canonical

_TAIL_END: Final = re.compile(rb"\|[ \t]*END[ \t\r]*\Z", re.IGNORECASE)
_END_START: Final = re.compile(rb"\|[ \t]*END[ \t]*(?=START[ \t]*\|)", re.IGNORECASE)
_HTTP: Final = re.compile(
    rb"(?:(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) |[^\n|]* HTTP/[0-9])",
    re.IGNORECASE,
)


class Framer:
    """Cuts a byte stream into messages (protocol A1).

    Bytes go in by `feed`, messages come out one at a time by `next`, so that a session can
    stop in the middle of what was received and go on later.
    """

    __slots__ = ("_lines", "_max", "_skipping", "_tail")

    def __init__(self, max_line: int) -> None:
        """Bound a message to max_line bytes, its line feed not counted."""
        self._max = max_line
        self._lines: list[bytes] = []
        """Whole lines, the next one last."""
        self._tail = b""
        self._skipping = False

    @property
    def pending(self) -> bool:
        """Whole lines wait to be taken by `next`."""
        return bool(self._lines)

    @property
    def start(self) -> bytes:
        """The first line that waits, or what has come of it."""
        return self._lines[-1] if self._lines else self._tail

    def take_canonical(self, data: bytes) -> list[str]:
        """Take received bytes; return their messages at once where all are canonical lines.

        Each comes without its ` | END`. Otherwise returns nothing, and all waits for `next`.
        The caller must still look for a bar in what it takes for a value.
        """
        end = 0 if self._lines or self._skipping else data.rfind(b"\n") + 1
        if not end:
            self.feed(data)
            return []
        whole = self._tail + data[:end]
        items = split_canonical(whole)
        if not items or (
            len(whole) > self._max and len(max(items, key=len)) + len(END) > self._max
        ):
            self.feed(data)
            return []
        self._tail = b""
        if end < len(data):
            self.feed(data[end:])
        return items

    def feed(self, data: bytes) -> None:
        """Take received bytes."""
        *lines, tail = (self._tail + data).split(b"\n")
        if lines and self._skipping:
            del lines[0]
            self._skipping = False
        if self._skipping:
            tail = b""
        ends = [found.end() for found in _END_START.finditer(tail)]
        if _TAIL_END.search(tail):
            ends.append(len(tail))
        if ends:
            lines.append(tail[: ends[-1]])
            tail = tail[ends[-1] :]
            self._skipping = self._is_any_long(0, *ends)
        if not self._skipping and len(tail.removesuffix(b"\r")) > self._max:
            lines.append(tail)
            self._skipping = True
        self._tail = b"" if self._skipping else tail
        self._lines[:0] = reversed(lines)

    def _is_any_long(self, *ends: int) -> bool:
        return any(end - start > self._max for start, end in pairwise(ends))

    def give_back(self, items: list[str]) -> None:
        """Let messages of `take_canonical` wait for `next`, in front of all others."""
        self._lines.extend(f"{item}{END}".encode("ascii") for item in reversed(items))

    def next(self) -> Message | None:
        """Return the next message, None where there is no whole one.

        Raises Refusal (malformed, too-long) for a line that is none; call again to go on.
        """
        while self._lines:
            line, rest = self._lines.pop(), b""
            if found := _END_START.search(line):
                line, rest = line[: found.end()], line[found.end() :]
            line = line.removesuffix(b"\r")
            if len(line) > self._max:
                raise Refusal(
                    BadReason.TOO_LONG, f"a line has at most {self._max} bytes"
                )
            if rest:
                self._lines.append(rest)
            if line.strip():
                return parse(line)
        return None


def is_http(first_line: bytes) -> bool:
    """Tell whether a connection's first line, or its beginning, is an HTTP request."""
    return _HTTP.match(first_line) is not None
