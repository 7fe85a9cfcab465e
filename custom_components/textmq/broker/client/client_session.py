"""A client's session: bytes in, events out; commands in, bytes out (protocol A1 to A4, B2 to B6).

No sockets, no clock. Everything that it keeps is bounded, whatever the broker sends.
"""

from collections.abc import Mapping
from itertools import count
from typing import Final

from ..protocol import names, wire
from ..protocol.framing import Framer
from ..protocol.reasons import BadReason, Refusal
from . import deliveries, outgoing
from .deliveries import (
    CLIENT_CLOSE,
    LOST,
    VIOLATION,
    Answer,
    Closed,
    MessageReceived,
    SessionEvent,
    Value,
)
from .errors import NotAllowedNow, Refused, TooManyUnanswered
from .outgoing import Command, Expected
from .pairing import Mispaired, Unanswered
from .receipt_ledger import ReceiptLedger
from .session_states import SESSION_TRANSITIONS, SessionState, SessionStep

MAX_UNANSWERED: Final = 1000
MAX_SENT_LINE: Final = 4096
"""Bytes of a line that every broker takes unless it was configured otherwise (protocol A1)."""
MAX_RECEIVED_LINE: Final = 65_536 + 256
"""Bytes of the longest line that any broker may send (protocol A1)."""
MAX_UNSENT: Final = 8_388_608
MAX_FOUND: Final = 67_108_864
"""Bytes of the values that one GET may find: three times what a broker keeps by default."""

_STEP_OF: Final = {"ID": SessionStep.IDENTIFY, "CLOSE": SessionStep.CLOSE}
_ANY_TIME: Final = frozenset({"HELLO?", "ID", "CLOSE"})
_OPEN: Final = frozenset(SessionState) - {SessionState.CLOSING, SessionState.CLOSED}


class ClientSession:
    """One connection to a broker, seen from the client."""

    def __init__(
        self,
        *,
        guest: bool = False,
        receipts: ReceiptLedger | None = None,
        max_unanswered: int = MAX_UNANSWERED,
    ) -> None:
        """Begin with a connection that was just made.

        A guest has no ID and may send at once, which a broker in the mode `open` allows.
        receipts is what an earlier session of the same client has left behind.
        """
        self.state = SessionState.CONNECTED if guest else SessionState.UNIDENTIFIED
        self.max_line = MAX_SENT_LINE
        """Bytes of a line that may be sent, line end not counted."""
        self._receipts = receipts or ReceiptLedger()
        self._framer = Framer(MAX_RECEIVED_LINE)
        self._unanswered = Unanswered(max_unanswered)
        self._identifying: tuple[Command, str] | None = None
        """ID that is not answered yet, and its SEQ."""
        self._probe: Command | None = None
        """HELLO? behind it: answered before it is, it tells that a person must decide."""
        self._numbers = count(1)
        self._output = bytearray()
        self._hello_due = False
        self._got_due: dict[int, None] = {}
        self._replaying = False
        """What comes may belong to a SUB: nothing with an answer was sent after it."""
        self._full_patterns: dict[str, None] = {}
        self._found: dict[str, Value] = {}
        self._found_bytes = 0

    # Commands in, bytes out

    @property
    def full(self) -> bool:
        """Whether `send` would raise TooManyUnanswered."""
        return self._unanswered.full or len(self._output) > MAX_UNSENT

    @property
    def over(self) -> bool:
        """Whether nothing more comes and goes."""
        return self.state is SessionState.CLOSED

    @property
    def unsent(self) -> int:
        """Bytes of commands that `take_output` has not taken yet."""
        return len(self._output)

    @property
    def unanswered(self) -> list[Command]:
        """The commands that are not settled, the oldest first."""
        waiting = list(self._unanswered)
        return [self._identifying[0], *waiting] if self._identifying else waiting

    @property
    def awaits_hello(self) -> bool:
        """Whether a HELLO? is not answered yet: the broker owes a sign of life."""
        return self._unanswered.hellos > 0

    def send(self, command: Command) -> None:
        """Send a command; `take_output` has its bytes.

        Raises NotAllowedNow, TooManyUnanswered, and Refused (too-long) for what the broker does not take.
        """
        if command.name in _STEP_OF:
            moved = SESSION_TRANSITIONS.get((self.state, _STEP_OF[command.name]))
            if moved is None:
                raise NotAllowedNow(f"{command.name}: the client {self.state.value}")
        elif self.state not in _OPEN or (
            self.state is not SessionState.CONNECTED and command.name not in _ANY_TIME
        ):
            raise NotAllowedNow(f"{command.name}: the client {self.state.value}")
        else:
            moved = self.state
        if self.full and command.name not in _ANY_TIME:
            raise TooManyUnanswered(f"{command.name} has to wait")
        seq = self._seq_of(command)
        line = self._encode(command, seq)
        if command.name == "GET" and self._replaying:
            # What replays a SUB looks like what a GET finds; HELLO! stands between them.
            self._queue(outgoing.hello())
        self.state = moved
        self._queue(command, line, seq)
        if command.name == "ID":
            self._probe = outgoing.hello()
            self._queue(self._probe)
        elif self._unanswered.needs_fence:
            self._queue(outgoing.hello())

    def _seq_of(self, command: Command) -> str:
        """Return a SEQ for what is not answered in its turn."""
        apart = command.name == "ID" or command.expected is Expected.REFUSAL_ONLY
        return str(next(self._numbers)) if apart else ""

    def _encode(self, command: Command, seq: str) -> bytes:
        params = dict(command.params)
        if seq:
            params["SEQ"] = seq
        if command.expected is Expected.REFUSAL_ONLY:
            params["ACK"] = "NO"
        line = wire.encode_message(command.name, params)
        if len(line) - 1 > self.max_line:
            raise Refused(
                BadReason.TOO_LONG, f"a line has at most {self.max_line} bytes"
            )
        return line

    def _queue(self, command: Command, line: bytes = b"", seq: str = "") -> None:
        self._output += line or self._encode(command, seq)
        if command.name == "ID":
            self._identifying = (command, seq)
        elif command.expected is not Expected.NOTHING:
            self._unanswered.add(command, seq)
        if command.name == "SUB":
            self._replaying = True
            if command.params.get("FULL") == "YES":
                self._full_patterns[command.params["VARIABLE"]] = None
            else:
                self._full_patterns.pop(command.params["VARIABLE"], None)
        elif command.name == "UNSUB":
            self._full_patterns.pop(command.params["VARIABLE"], None)
        if command.name not in ("SUB", "ID") and command.expected in (
            Expected.OK,
            Expected.HELLO,
        ):
            self._replaying = False

    def acknowledge(self, message: MessageReceived) -> None:
        """Tell the broker that a message was dealt with; it does not send it again (protocol B5).

        Without a receipt, and after the end, it does nothing but remember.
        """
        if message.receipt is None:
            return
        self._receipts.finish(message)
        if self.state is SessionState.CONNECTED:
            self._got_due[message.receipt] = None

    def take_output(self) -> bytes:
        """Take the bytes that are to be sent."""
        if self._hello_due:
            self._hello_due = False
            self._output += wire.encode_message("HELLO!")
        for number in self._got_due:
            self._output += wire.encode_message("GOT", {"RECEIPT": str(number)})
        self._got_due.clear()
        taken = bytes(self._output)
        self._output.clear()
        return taken

    # Bytes in, events out

    def receive(self, data: bytes) -> list[SessionEvent]:
        """Take received bytes; return what they mean, however they were cut.

        What breaks the protocol ends the session, with a Closed of the reason VIOLATION.
        """
        events: list[SessionEvent] = []
        if not self.over:
            self._framer.feed(data)
        try:
            while not self.over and (message := self._framer.next()) is not None:
                self._take(message, events)
        except (Refusal, Mispaired) as error:
            self._end(Closed(VIOLATION, str(error)), events)
        return events

    def receive_end(self) -> list[SessionEvent]:
        """Take the end of the stream."""
        events: list[SessionEvent] = []
        asked_for = self.state is SessionState.CLOSING
        if not self.over:
            self._end(Closed(CLIENT_CLOSE if asked_for else LOST), events)
        return events

    def _end(self, closed: Closed, events: list[SessionEvent]) -> None:
        self.state = SESSION_TRANSITIONS[self.state, SessionStep.ENDED]
        # What could not be sent any more has no use.
        self._output.clear()
        self._got_due.clear()
        self._hello_due = False
        self._found.clear()
        events.append(closed)

    def _take(self, message: wire.Message, events: list[SessionEvent]) -> None:
        command, params = message
        match command:
            case "SUB":
                self._take_value(deliveries.read_value(params), events)
            case "OK":
                self._take_ok(params, events)
            case "BAD":
                self._take_bad(params, events)
            case "HELLO?":
                self._hello_due = self.state is not SessionState.CLOSING
            case "HELLO!":
                self._take_hello(events)
            case "MSG":
                self._take_message(deliveries.read_message(params), events)
            case "DEL":
                events.append(deliveries.read_deletion(params))
            case "DEF":
                events.append(deliveries.read_description(params))
            case "CLOSE":
                self._end(deliveries.read_closed(params), events)
            case _:
                """A newer broker may tell more: what is not known is passed over."""

    def _take_value(self, value: Value, events: list[SessionEvent]) -> None:
        asked = self._unanswered.next_answered
        if (
            asked is None
            or asked.name != "GET"
            or value.time is None
            or value.retain is False
            or not names.filter_matches(asked.params["VARIABLE"], value.variable)
        ):
            events.append(value)
            return
        self._found[value.variable] = value
        self._found_bytes += len(value.variable) + len(value.value)
        if self._found_bytes > MAX_FOUND:
            raise Mispaired("a GET finds more than any broker keeps")
        # In the full form a live value can't be told from a found one: it is told as both.
        if any(
            names.filter_matches(pattern, value.variable)
            for pattern in self._full_patterns
        ):
            events.append(value)

    def _take_ok(self, params: Mapping[str, str], events: list[SessionEvent]) -> None:
        if self._answers_id(params):
            connected = deliveries.read_connected(params)
            self.max_line = connected.max_line or self.max_line
            self._answer_id(SessionStep.ALLOWED, params, None, events)
            events.append(connected)
            return
        *settled, command = self._unanswered.settle(Expected.OK)
        events += map(Answer, settled)
        events.append(Answer(command, params, values=self._take_found()))

    def _take_found(self) -> tuple[Value, ...]:
        found = tuple(self._found.values())
        self._found.clear()
        self._found_bytes = 0
        return found

    def _take_bad(self, params: Mapping[str, str], events: list[SessionEvent]) -> None:
        refusal = deliveries.read_refusal(params)
        if self._answers_id(params):
            self._answer_id(SessionStep.REFUSED, params, refusal, events)
            return
        *settled, command = self._unanswered.refuse(params.get("SEQ", ""))
        self._take_found()
        events += map(Answer, settled)
        events.append(Answer(command, refusal=refusal))

    def _answers_id(self, params: Mapping[str, str]) -> bool:
        return (
            self._identifying is not None and params.get("SEQ") == self._identifying[1]
        )

    def _answer_id(
        self,
        step: SessionStep,
        params: Mapping[str, str],
        refusal: Refused | None,
        events: list[SessionEvent],
    ) -> None:
        assert self._identifying is not None
        command, _ = self._identifying
        self._identifying = None
        # After a CLOSE of its own the client takes answers, but goes nowhere by them.
        if self.state is not SessionState.CLOSING:
            self.state = SESSION_TRANSITIONS[self.state, step]
        events.append(Answer(command, params, refusal))

    def _take_hello(self, events: list[SessionEvent]) -> None:
        settled = self._unanswered.settle(Expected.HELLO)
        events += map(Answer, settled)
        if self.state is SessionState.IDENTIFYING and settled[-1] is self._probe:
            self.state = SESSION_TRANSITIONS[self.state, SessionStep.DELAYED]
            events.append(deliveries.Waiting())

    def _take_message(
        self, message: MessageReceived, events: list[SessionEvent]
    ) -> None:
        if message.receipt is None or self._receipts.is_new(message):
            events.append(message)
        elif self._receipts.is_done(message):
            self._got_due[message.receipt] = None
