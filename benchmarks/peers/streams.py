"""The broker as one writes it first: asyncio streams, one line read, parsed and answered at a time.

It speaks what the benchmarks need of TextMQ (ID, SUB, PUB, MSG), in the way that asyncio's documentation shows:
`readline`, `write`, `await drain`. There are no limits and no rights.
"""

import asyncio
from collections import defaultdict
import sys

_OK = "START | COMMAND=OK | END\n"
_BAD = "START | COMMAND=BAD | END\n"


class Broker:
    """The variables, who subscribes to them, and the devices."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.values: dict[str, str] = {}
        self.subscribers: defaultdict[str, set[asyncio.StreamWriter]] = defaultdict(set)
        self.devices: dict[str, asyncio.StreamWriter] = {}

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one client until it leaves."""
        device = ""
        try:
            while line := await reader.readline():
                parameters = _parse(line.decode("ascii"))
                if parameters.get("COMMAND") == "ID":
                    device = parameters["ID"]
                await _send(writer, await self._command(writer, device, parameters))
        except ConnectionError:
            pass
        finally:
            for subscribers in self.subscribers.values():
                subscribers.discard(writer)
            self.devices.pop(device, None)
            writer.close()

    async def _command(
        self, writer: asyncio.StreamWriter, device: str, parameters: dict[str, str]
    ) -> str:
        match parameters:
            case {"COMMAND": "ID", "ID": name}:
                self.devices[name] = writer
                return _OK
            case {"COMMAND": "SUB", "VARIABLE": name}:
                self.subscribers[name].add(writer)
                return _OK + (
                    _value(name, self.values[name]) if name in self.values else ""
                )
            case {"COMMAND": "PUB", "VARIABLE": name, "VALUE": value}:
                self.values[name] = value
                for subscriber in list(self.subscribers[name]):
                    await _send(subscriber, _value(name, value))
                return _OK
            case {"COMMAND": "MSG", "DEVICE": name, "VALUE": value} if (
                name in self.devices
            ):
                await _send(
                    self.devices[name],
                    f"START | COMMAND=MSG | DEVICE={device} | VALUE={value} | END\n",
                )
                return _OK
        return _BAD


def _parse(line: str) -> dict[str, str]:
    start, *parameters, end = [part.strip() for part in line.split("|")]
    if (start, end) != ("START", "END"):
        return {}
    pairs = [parameter.split("=", 1) for parameter in parameters]
    return {key.strip(): value.strip() for key, value in pairs}


def _value(name: str, value: str) -> str:
    return f"START | COMMAND=SUB | VARIABLE={name} | VALUE={value} | END\n"


async def _send(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(line.encode("ascii"))
    await writer.drain()


async def main() -> None:
    """Serve on 127.0.0.1, on the port that the command line names, until the process is ended."""
    server = await asyncio.start_server(Broker().serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
