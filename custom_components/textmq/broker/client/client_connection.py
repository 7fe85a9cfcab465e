"""One connection of a client in an event loop: a transport on one side, a session on the other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, override

from .client_session import MAX_UNANSWERED, ClientSession
from .deliveries import (
    LOST,
    Answer,
    Closed,
    Connected as ConnectedEvent,
    Delivery,
    SessionEvent,
    Waiting,
)
from .delivery_queue import DeliveryQueue
from .errors import ClientError, ConnectionLost, Refused
from .outgoing import Command, hello

KEEPALIVE: Final = 30.0
"""Seconds of silence after which the broker asks, where OK has not said otherwise (protocol A4)."""
KEEPALIVE_TIMEOUT: Final = 10.0
"""Seconds that an answer to HELLO? may take."""
_WRITE_AT_ONCE: Final = 65_536
"""Bytes that do not wait for the end of the loop's turn."""

type Connector = Callable[
    [Callable[[], asyncio.Protocol]], Awaitable[asyncio.BaseTransport]
]
"""Opens a transport for the protocol that the factory makes. Raises OSError, ssl.SSLError among them."""


class ClientConnection(asyncio.Protocol):
    """Moves bytes between a transport and a session, and gives each command its answer."""

    def __init__(
        self,
        session: ClientSession,
        *,
        deliver: Callable[[Delivery], None],
        refused: Callable[[Command, Refused], None],
        changed: Callable[[Waiting | ConnectedEvent], None],
        queue: DeliveryQueue,
        clock: Callable[[], float],
        max_unanswered: int = MAX_UNANSWERED,
    ) -> None:
        """Give deliveries to deliver, what waits or is let in to changed, BADs that nobody awaits to refused.

        queue is where the application has its deliveries from: nothing is read while it is crowded.
        max_unanswered is at most that of the session. clock is monotonic, in seconds.
        """
        self._session = session
        self._deliver = deliver
        self._refused = refused
        self._changed = changed
        self._queue = queue
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._answers: dict[Command, asyncio.Future[Answer] | None] = {}
        self._awaited = 0
        self._slots = asyncio.Semaphore(max_unanswered)
        self._turn = asyncio.Lock()
        """Those that want to send do so in the order in which they came."""
        self._writable = asyncio.Event()
        self._reading = True
        self._flushing = False
        self._heard = clock()
        self.refusal: Refused | None = None
        """Why ID was refused."""
        self.closed: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        """Done when the connection has ended."""
        self._end: Closed | None = None

    # Of the transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._heard = self._clock()
        self._writable.set()

    @override
    def data_received(self, data: bytes) -> None:
        """Take what the broker sends."""
        self._heard = self._clock()
        self._handle(self._session.receive(data))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end: what is not answered never will be."""
        self._handle(self._session.receive_end())
        closed = self._end or Closed(LOST)
        if exc is not None and closed.reason == LOST and not closed.detail:
            closed = Closed(LOST, str(exc))
        error = ConnectionLost(
            f"{closed.reason}: {closed.detail}" if closed.detail else closed.reason
        )
        self._transport = None
        for future in self._answers.values():
            if future is not None and not future.done():
                future.set_exception(error)
                # Whoever was cancelled meanwhile does not ask any more.
                future.exception()
        self._answers.clear()
        self._awaited = 0
        self._queue.pressed = False
        self._writable.set()
        self._slots.release()
        if not self.closed.done():
            self.closed.set_result(closed)

    @override
    def pause_writing(self) -> None:
        """Send nothing more for now."""
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        """Go on sending."""
        self._writable.set()
        self._flush_soon()

    # Of the session

    def _handle(self, events: list[SessionEvent]) -> None:
        for event in events:
            if isinstance(event, Answer):
                self._settle(event)
            elif isinstance(event, Closed):
                self._end = self._end or event
                if self._transport is not None:
                    self._transport.close()
            elif isinstance(event, Waiting | ConnectedEvent):
                self._changed(event)
            else:
                self._deliver(event)
        self._flush_soon()
        self.regulate()

    def _settle(self, answer: Answer) -> None:
        if answer.command.name == "ID":
            self.refusal = answer.refusal
        if answer.command not in self._answers:
            return
        future = self._answers.pop(answer.command)
        self._slots.release()
        if future is not None:
            self._awaited -= 1
            if not future.done():
                future.set_result(answer)
        elif answer.refusal is not None:
            self._refused(answer.command, answer.refusal)

    def regulate(self) -> None:
        """Read, or not, as the application takes what comes; for an answer that it awaits it is read on."""
        self._queue.pressed = self._awaited > 0
        if self._transport is None or self._transport.is_closing():
            return
        if self._awaited and self._queue.overflowing:
            self.abort("the application takes too little of what comes")
            return
        reading = self._awaited > 0 or not self._queue.crowded
        if reading is self._reading:
            return
        self._reading = reading
        self._heard = self._clock()
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _flush_soon(self) -> None:
        """Write at the end of this turn of the loop, all at once."""
        if not self._flushing and self._transport is not None:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if (
            self._transport is not None
            and self._writable.is_set()
            and not self._transport.is_closing()
            and (output := self._session.take_output())
        ):
            self._transport.write(output)

    # Of the client

    @property
    def open(self) -> bool:
        """Whether the connection is there."""
        return self._transport is not None and not self._transport.is_closing()

    def send_now(self, command: Command) -> None:
        """Send what waits for no turn: ID, CLOSE. Raises ClientError."""
        self._session.send(command)
        self._flush_soon()

    def flush(self) -> None:
        """Have what the session has to say, an acknowledgement, sent soon."""
        self._flush_soon()

    async def request(self, command: Command) -> Answer:
        """Send a command in its turn and wait for its answer.

        Raises Refused; ConnectionLost where the connection ends before.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        await self._send(command, future)
        answer = await future
        if answer.refusal is not None:
            raise answer.refusal
        return answer

    async def post(self, command: Command) -> None:
        """Send a command in its turn; only its refusal is told, to `refused`. Raises ConnectionLost."""
        await self._send(command, None)

    async def _send(
        self, command: Command, future: asyncio.Future[Answer] | None
    ) -> None:
        async with self._turn:
            await self._slots.acquire()
            try:
                await self._until_writable()
                self._session.send(command)
            except BaseException:
                self._slots.release()
                raise
        self._answers[command] = future
        if future is not None:
            self._awaited += 1
            self.regulate()
        if self._session.unsent > _WRITE_AT_ONCE:
            self._flush()
        else:
            self._flush_soon()

    async def _until_writable(self) -> None:
        while self.open and not self._writable.is_set():
            await self._writable.wait()
        if not self.open:
            raise ConnectionLost("the connection has ended")

    def abort(self, reason: str) -> None:
        """End the connection without waiting for the other side."""
        if self._transport is not None:
            self._end = self._end or Closed(LOST, reason)
            self._transport.abort()

    async def watch(
        self, keepalive: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """Ask a broker that is silent for longer than keepalive allows (seconds); give up where it stays so."""
        while self.open:
            silent = self._clock() - self._heard
            owed = self._session.awaits_hello
            patience = KEEPALIVE_TIMEOUT if owed else keepalive() + KEEPALIVE_TIMEOUT
            if not self._reading:
                await sleep(KEEPALIVE_TIMEOUT)
            elif silent < patience:
                await sleep(patience - silent)
            elif owed:
                self.abort("the broker is silent")
                return
            else:
                self._heard = self._clock()
                try:
                    self.send_now(hello())
                except ClientError:
                    return
