"""The limit of asyncio: a server that moves the bytes and never looks into them.

What a client sends goes to every client that has said SUB, and back to the sender: the same bytes, chunk by chunk.
No broker on asyncio can do with less, unless it puts the deliveries of several publishers into one write.
"""

import asyncio
import sys
from typing import cast, override

_PUBLISHES = (b"START | COMMAND=PUB", b"START | COMMAND=MSG")
_SUBSCRIBE = b"COMMAND=SUB"
_buffer = memoryview(bytearray(1 << 16))


class Echo(asyncio.BufferedProtocol):
    """One client."""

    def __init__(self, receivers: set[asyncio.Transport]) -> None:
        """Take the clients, of all, that get what the others send."""
        self._receivers = receivers
        self._transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._receivers.discard(self._transport)

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return _buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(_buffer[:nbytes])
        if data.startswith(_PUBLISHES):
            for receiver in self._receivers:
                if receiver is not self._transport:
                    receiver.write(data)
        elif _SUBSCRIBE in data:
            self._receivers.add(self._transport)
        self._transport.write(data)


async def main() -> None:
    """Serve on 127.0.0.1, on the port that the command line names, until the process is ended."""
    receivers: set[asyncio.Transport] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Echo(receivers), "127.0.0.1", int(sys.argv[1])
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
