"""A TextMQ client for asyncio: it stays connected, and brings back what it was asked for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
import logging
import random as random_module
import ssl
import time
from types import TracebackType
from typing import Final, Self

from . import outgoing
from .client_connection import ClientConnection, Connector
from .client_session import MAX_UNANSWERED
from .client_tls import client_context
from .deliveries import Connected, Delivery, MessageReceived, Value
from .delivery_queue import MAX_WAITING, DeliveryQueue
from .errors import ConnectionLost, Refused
from .lifecycle import Lifecycle, Status
from .outgoing import Command, DescriptionValue, Expected
from .receipt_ledger import ReceiptLedger
from .reconnect import Backoff
from .wishes import Wishes

_LOGGER = logging.getLogger(__name__)

DEFAULT_PORT: Final = 7883
_CONNECT_TIMEOUT: Final = 15.0
"""Seconds for TCP and TLS."""
_CLOSE_TIMEOUT: Final = 2.0
"""Seconds that the broker has to take CLOSE."""
_CAPABILITIES: Final = ("defs", "receipts", "full")
"""What this client can beyond the first version, for CAN=."""


class Client:
    """A device, or a program without an ID, that stays connected to one broker.

    `async with` begins and ends it; `connected` waits until it is let in. Iterating over it
    gives what comes. `subscribe`, `describe` and `will` hold over all connections; every other
    command belongs to the present one, and raises ConnectionLost where there is none.
    """

    def __init__(
        self,
        host: str,
        port: int = DEFAULT_PORT,
        device_id: str = "",
        *,
        key: bytes | None = None,
        name: str = "",
        details: Mapping[str, str] | None = None,
        keepalive: int | None = None,
        receipts: bool = True,
        on_delivery: Callable[[Delivery], None] | None = None,
        on_status: Callable[[Status], None] | None = None,
        on_refused: Callable[[Command, Refused], None] | None = None,
        max_unanswered: int = MAX_UNANSWERED,
        max_waiting: int = MAX_WAITING,
        connector: Connector | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        """Describe a client; nothing happens before `async with`.

        key (32 bytes) encrypts the connection and needs an ID. details are MODEL, MANUFACTURER,
        SW, MAC, AREA as text. keepalive is in seconds (protocol A4). With receipts a message
        that waited is repeated until it was dealt with. on_delivery takes what comes instead of
        the iteration; on_refused is told of a BAD that nothing awaits; what callbacks raise is logged.
        max_unanswered bounds the commands that wait for an answer, max_waiting the deliveries
        that wait for the application. connector opens transports; clock and sleep are in
        seconds, random is from 0 to 1.

        Raises Refused (bad-name, malformed), ValueError for a key without an ID.
        """
        if key is not None and not device_id:
            raise ValueError("a key needs an ID")
        self._device_id = device_id
        self._identity = {
            **(details or {}),
            "NAME": name or (details or {}).get("NAME", ""),
        }
        self._keepalive = keepalive
        self._wants_receipts = receipts
        self._on_delivery = on_delivery
        self._on_refused = on_refused
        tls = None if key is None else client_context(device_id, key)
        self._wishes = Wishes()
        self._receipts = ReceiptLedger()
        self._queue = DeliveryQueue(max_waiting)
        self._untaken: MessageReceived | None = None
        self._life = Lifecycle(
            identify=self._identify if device_id else None,
            connector=connector or partial(_connect, host, port, tls),
            wishes=self._wishes,
            receipts=self._receipts,
            queue=self._queue,
            deliver=self._take,
            refused=self._tell_refused,
            on_status=on_status,
            backoff=Backoff(random),
            max_unanswered=max_unanswered,
            clock=clock,
            sleep=sleep,
        )
        if device_id:
            self._identify()

    @property
    def status(self) -> Status:
        """Where the client stands, and why."""
        return self._life.status

    @property
    def granted(self) -> Connected:
        """What the latest OK of ID carried: the broker's time, its capabilities and the like."""
        return self._life.granted

    # Life

    async def __aenter__(self) -> Self:
        """Begin to connect; does not wait for it."""
        self._life.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        await self.close()

    async def connected(self) -> None:
        """Wait until the client is let in and all that it was asked for is brought back.

        Raises ConnectionLost after `close`.
        """
        await self._life.connected()

    async def close(self, sleep: int | None = None) -> None:
        """Close the connection and do not come back; with sleep (seconds) say when the device will.

        Waits for the broker for 2 s at most. May be called twice.
        """
        await self._life.close(sleep)

    def _identify(self) -> Command:
        return outgoing.identify(
            self._device_id,
            self._identity,
            keepalive=self._keepalive,
            receipts=self._wants_receipts,
            definitions_token=self._wishes.token,
            capabilities=_CAPABILITIES,
        )

    def _tell_refused(self, command: Command, refused: Refused) -> None:
        if self._on_refused is None:
            _LOGGER.warning(
                "The broker has refused %s %s: %s",
                command.name,
                command.params.get("VARIABLE", ""),
                refused,
            )
            return
        try:
            self._on_refused(command, refused)
        except Exception:
            _LOGGER.exception("A refusal was not dealt with")

    # What comes

    def _take(self, delivery: Delivery) -> None:
        if self._on_delivery is None:
            self._queue.put(delivery)
            return
        try:
            self._on_delivery(delivery)
        except Exception:
            _LOGGER.exception("A delivery was not dealt with")
            if isinstance(delivery, MessageReceived):
                self._receipts.fail(delivery)
        else:
            self.acknowledge(delivery)

    def __aiter__(self) -> AsyncIterator[Delivery]:
        """Iterate over what comes, over all connections; ends after `close`.

        A message is acknowledged when the next delivery is asked for.
        """
        return self

    async def __anext__(self) -> Delivery:
        """Wait for the next delivery."""
        if (message := self._untaken) is not None:
            self._untaken = None
            self.acknowledge(message)
        delivery = await self._queue.get()
        self._life.regulate()
        if delivery is None:
            raise StopAsyncIteration
        if isinstance(delivery, MessageReceived):
            self._untaken = delivery
        return delivery

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell the broker that a message was dealt with, earlier than iterating would.

        It does not come again then (protocol B5). With anything else, and twice, it does nothing.
        """
        if isinstance(delivery, MessageReceived) and delivery.receipt is not None:
            self._life.acknowledge(delivery)

    # Commands that hold over all connections

    async def subscribe(
        self,
        pattern: str,
        *,
        full: bool = False,
        definitions: bool = False,
        replay: bool = True,
    ) -> None:
        """Subscribe to a name or filter, now and after each reconnect (protocol B3).

        full brings time, age, sender and owner with each value; definitions brings descriptions;
        without replay the values of now do not come. Raises Refused; then it is not kept.
        """
        command = outgoing.subscribe(
            pattern, full=full, definitions=definitions, replay=replay
        )
        self._wishes.add_subscription(command)
        await self._request_lasting(command)

    async def unsubscribe(self, pattern: str) -> None:
        """End the subscription that was made with the same text. Raises Refused (bad-name)."""
        command = outgoing.unsubscribe(pattern)
        self._wishes.drop_subscription(pattern)
        await self._request_lasting(command)

    async def will(
        self, variable: str, value: str | None, *, retain: bool = True
    ) -> None:
        """Have a value published if this client is lost; None takes it back (protocol B4). Raises Refused."""
        command = outgoing.will(variable, value, retain=retain)
        self._wishes.set_will(command)
        await self._request_lasting(command)

    async def describe(
        self, descriptions: Mapping[str, Mapping[str, DescriptionValue]]
    ) -> None:
        """Describe all variables of this device, now and where the broker does not know them (protocol B6).

        Each variable has its keys (TYPE, NAME, …) with texts, numbers, booleans or lists.
        Call it before `async with` if you can: a broker that knows the set is not told again.
        Raises Refused for the first that is refused; the others are kept.
        """
        self._wishes.set_descriptions(descriptions)
        refused: list[Refused] = []
        for command in list(self._wishes.descriptions(self.granted.capabilities)):
            try:
                await self._request_lasting(command)
            except Refused as error:
                refused.append(error)
        if refused:
            raise refused[0]

    async def _request_lasting(self, command: Command) -> None:
        """Send a command that is kept; where there is no connection it is sent with the next one."""
        connection = self._life.usable
        if connection is None:
            return
        try:
            await connection.request(command)
        except ConnectionLost:
            return
        except Refused:
            self._wishes.drop(command)
            raise

    # Commands of the present connection

    async def publish(
        self, variable: str, value: str, *, retain: bool = True, ack: bool = True
    ) -> None:
        """Publish a text (protocol A2, B4); without retain it is an event, which is not stored.

        Without ack it returns once it is sent, and a refusal is told to on_refused.
        Raises Refused, ConnectionLost.
        """
        await self._do(outgoing.publish(variable, value, retain=retain, ack=ack))

    async def get(self, pattern: str, *, full: bool = False) -> list[Value]:
        """Return the values that match a filter, or that of a name (protocol B3).

        Raises Refused (no-such-variable for a name without a value, …), ConnectionLost.
        """
        answer = await self._present().request(outgoing.get(pattern, full=full))
        return list(answer.values)

    async def delete(self, variable: str) -> None:
        """Delete a variable and its description (protocol A2). Raises Refused, ConnectionLost."""
        await self._do(outgoing.delete(variable))

    async def send(
        self,
        device: str,
        value: str,
        *,
        ttl: int | None = None,
        re: str | None = None,
        ack: bool = True,
    ) -> None:
        """Send a text to a device, to `*` (all others) or to `homeassistant` (protocol B5).

        With ttl (seconds) it waits for a device that is away. re goes with it, so that the
        receiver can say what it answers. ack as in `publish`. Raises Refused, ConnectionLost.
        """
        await self._do(outgoing.send(device, value, ttl=ttl, re=re, ack=ack))

    async def _do(self, command: Command) -> None:
        if command.expected is Expected.REFUSAL_ONLY:
            await self._present().post(command)
        else:
            await self._present().request(command)

    def _present(self) -> ClientConnection:
        if self._life.usable is None:
            raise ConnectionLost("not connected")
        return self._life.usable


async def _connect(
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    factory: Callable[[], asyncio.Protocol],
) -> asyncio.BaseTransport:
    transport, _ = await asyncio.get_running_loop().create_connection(
        factory,
        host,
        port,
        ssl=tls,
        # The key says which broker it is; its name has no part in it.
        server_hostname="" if tls else None,
    )
    return transport
