"""The connections of a client, one after the other: connect, be let in, bring back, wait, connect again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
import logging
import ssl
from typing import Final

from . import outgoing
from .client_connection import KEEPALIVE, ClientConnection, Connector
from .client_session import ClientSession
from .deliveries import (
    CLIENT_CLOSE,
    Closed,
    Connected,
    Delivery,
    MessageReceived,
    Waiting,
)
from .delivery_queue import DeliveryQueue
from .errors import ClientError, ConnectionLost, Refused
from .outgoing import Command
from .receipt_ledger import ReceiptLedger
from .reconnect import (
    PHASE_TRANSITIONS,
    TLS_FAILED,
    UNREACHABLE,
    Backoff,
    Phase,
    PhaseStep,
)
from .wishes import Wishes

_LOGGER = logging.getLogger(__name__)

FAILED: Final = "failed"
"""Reason: a mistake in the program, or in this client."""
_CONNECT_TIMEOUT: Final = 15.0
"""Seconds for TCP and TLS."""
_CLOSE_TIMEOUT: Final = 2.0
"""Seconds that the broker has to take CLOSE."""


@dataclass(frozen=True, slots=True)
class Status:
    """What has become of a client."""

    phase: Phase
    reason: str = ""
    """Why the connection ended: REASON of BAD or CLOSE, or one of the client's own."""
    detail: str = ""
    retry_in: float | None = None
    """Seconds until the next try."""


class Lifecycle:
    """Keeps a client connected from its start to its end."""

    def __init__(
        self,
        *,
        identify: Callable[[], Command] | None,
        connector: Connector,
        wishes: Wishes,
        receipts: ReceiptLedger,
        queue: DeliveryQueue,
        deliver: Callable[[Delivery], None],
        refused: Callable[[Command, Refused], None],
        on_status: Callable[[Status], None] | None,
        backoff: Backoff,
        max_unanswered: int,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Say who the client is by what identify makes, None for a client without an ID.

        wishes are brought back in each connection; deliver takes what comes, refused what
        nobody awaits. clock is monotonic, in seconds.
        """
        self._identify = identify
        self._connector = connector
        self._wishes = wishes
        self._receipts = receipts
        self._queue = queue
        self._deliver = deliver
        self._refused = refused
        self._on_status = on_status
        self._backoff = backoff
        self._max_unanswered = max_unanswered
        self._clock = clock
        self._sleep = sleep
        self._session: ClientSession | None = None
        self._connection: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._restoring: asyncio.Task[None] | None = None
        self._phase_changed = asyncio.Event()
        self._allowed_at: float | None = None
        """When the client was let in on its present connection."""
        self.status = Status(Phase.IDLE)
        """Where the client stands, and why."""
        self.granted = Connected()
        """What the latest OK of ID carried."""
        self.usable: ClientConnection | None = None
        """The connection, where the client is let in."""

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._take_end)

    def _take_end(self, task: asyncio.Task[None]) -> None:
        """End where the loop has failed, instead of standing still: a port that can't be one, say."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("The client has failed", exc_info=error)
            if not self._stopped:
                self._move(PhaseStep.STOP, Closed(FAILED, str(error)))
            self._queue.end()

    async def connected(self) -> None:
        """Wait until all is there. Raises ConnectionLost after `close`."""
        while self.status.phase is not Phase.CONNECTED:
            if self._stopped:
                raise ConnectionLost("the client is closed")
            self._phase_changed.clear()
            await self._phase_changed.wait()

    async def close(self, sleep: int | None = None) -> None:
        """Close the connection and do not come back; sleep is in seconds."""
        if self._stopped:
            return
        command = outgoing.close(sleep)
        self._move(PhaseStep.STOP, Closed(CLIENT_CLOSE))
        self.usable = None
        try:
            if (connection := self._connection) is not None and connection.open:
                with suppress(ClientError, TimeoutError):
                    connection.send_now(command)
                    async with asyncio.timeout(_CLOSE_TIMEOUT):
                        await asyncio.shield(connection.closed)
        finally:
            tasks = [one for one in (self._task, self._restoring) if one is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._queue.end()

    def acknowledge(self, message: MessageReceived) -> None:
        """Note that a message was dealt with, and tell the broker where it is there."""
        if self._receipts.is_done(message):
            return
        if self._session is None or self._connection is None:
            self._receipts.finish(message)
        else:
            self._session.acknowledge(message)
            self._connection.flush()

    def regulate(self) -> None:
        """Read again where the application has taken what waited."""
        if self._connection is not None:
            self._connection.regulate()

    @property
    def _stopped(self) -> bool:
        return self.status.phase is Phase.STOPPED

    def _move(
        self,
        step: PhaseStep,
        closed: Closed | None = None,
        retry_in: float | None = None,
    ) -> None:
        phase = PHASE_TRANSITIONS[self.status.phase, step]
        reason, detail = (closed.reason, closed.detail) if closed else ("", "")
        self.status = Status(phase, reason, detail, retry_in)
        _LOGGER.debug("%s", self.status)
        self._phase_changed.set()
        if self._on_status is not None:
            try:
                self._on_status(self.status)
            except Exception:
                _LOGGER.exception("A status was not dealt with")

    async def _run(self) -> None:
        while True:
            self._move(PhaseStep.TRY)
            closed = await self._connect_once()
            if self._stopped:
                return
            began = self._allowed_at
            lasted = 0.0 if began is None else self._clock() - began
            delay = self._backoff.delay(closed.reason, lasted)
            self._move(PhaseStep.FAILED, closed, delay)
            await self._sleep(delay)

    async def _connect_once(self) -> Closed:
        """Connect, and stay connected; return why it has ended."""
        self._allowed_at = None
        session = ClientSession(
            guest=self._identify is None,
            receipts=self._receipts,
            max_unanswered=self._max_unanswered,
        )
        connection = ClientConnection(
            session,
            deliver=self._deliver,
            refused=self._refused,
            changed=self._take_change,
            queue=self._queue,
            clock=self._clock,
            max_unanswered=self._max_unanswered,
        )
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                await self._connector(lambda: connection)
        except ssl.SSLError as error:
            return Closed(TLS_FAILED, str(error))
        except OSError as error:
            return Closed(UNREACHABLE, str(error) or type(error).__name__)
        self._session, self._connection = session, connection
        watching = asyncio.create_task(
            connection.watch(lambda: self.granted.keepalive or KEEPALIVE, self._sleep)
        )
        try:
            self._begin(connection)
            closed = await asyncio.shield(connection.closed)
        finally:
            self.usable = self._connection = self._session = None
            connection.abort("the client is closed")
            watching.cancel()
            if self._restoring is not None:
                self._restoring.cancel()
        if connection.refusal is not None:
            return Closed(connection.refusal.reason, connection.refusal.detail)
        return closed

    def _begin(self, connection: ClientConnection) -> None:
        self._move(PhaseStep.OPENED)
        if not connection.open:
            return
        if self._identify is not None:
            connection.send_now(self._identify())
        else:
            self._take_change(Connected())

    def _take_change(self, event: Waiting | Connected) -> None:
        if self._stopped:
            return
        if isinstance(event, Waiting):
            self._move(PhaseStep.DELAYED)
            return
        self._allowed_at = self._clock()
        self.granted = event
        self.usable = self._connection
        self._move(PhaseStep.ALLOWED)
        commands = self._wishes.restoring(
            event.capabilities, definitions_known=event.definitions_known
        )
        self._restoring = asyncio.create_task(self._restore(commands))

    async def _restore(self, commands: list[Command]) -> None:
        if (connection := self._connection) is None:
            return
        await asyncio.gather(
            *(self._request_quietly(connection, command) for command in commands)
        )
        if connection.open and self.status.phase is Phase.RESTORING:
            self._move(PhaseStep.RESTORED)

    async def _request_quietly(
        self, connection: ClientConnection, command: Command
    ) -> None:
        try:
            await connection.request(command)
        except Refused as refused:
            self._refused(command, refused)
        except ClientError:
            _LOGGER.debug("%s was not brought back", command.name)
