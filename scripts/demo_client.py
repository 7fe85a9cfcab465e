"""A small TextMQ client for people to watch and to learn from: it publishes readings of this machine.

    python demo_client.py [--host HOST] [--port PORT] [--id ID]

It knows nothing but the text protocol, and needs nothing but Python 3.13. It asks to be let in, describes its variables,
publishes them every few seconds, takes the number of seconds from a variable, and answers messages.
"""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import suppress
import json
import logging
import os
from pathlib import Path
import platform
import random
import re
import signal
import time

_LOGGER = logging.getLogger("demo")

# Seconds between two tries to connect: doubled after each failure, up to this.
MAX_BACKOFF = 30
HELP = "Ask me for:"

# Seconds without a word from the broker after which it is asked whether it is alive.
SILENCE = 30


def escape(text: str) -> str:
    """Write a value as the protocol wants it: what ASCII or the separator can't carry as in JSON strings."""
    escaped = json.dumps(text)[1:-1].replace('\\"', '"').replace("|", "\\u007c")
    return re.sub(r"^ | $", r"\\u0020", escaped)


def unescape(text: str) -> str:
    """Read a value that was written by `escape`, by any client."""
    whole = re.sub(r'\\(?!u[0-9a-fA-F]{4}|[\\nrt])|"', r"\\\g<0>", text)
    return str(json.loads(f'"{whole}"'))


def encode(command: str, **parameters: object) -> bytes:
    """Return a message as it goes over the wire."""
    fields = [
        f"COMMAND={command}",
        *(f"{key}={value}" for key, value in parameters.items()),
    ]
    return f"START | {' | '.join(fields)} | END\n".encode("ascii")


def decode(line: bytes) -> tuple[str, dict[str, str]]:
    """Return command and parameters of a line from the broker."""
    fields = (field.partition("=") for field in line.decode("ascii").split("|")[1:-1])
    parameters = {key.strip().upper(): value.strip() for key, _, value in fields}
    return parameters.pop("COMMAND", ""), parameters


def load() -> str:
    """Return the load of the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def memory() -> str:
    """Return how much of the memory is in use, in percent."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    size = {
        name: int(rest.split()[0])
        for name, _, rest in (line.partition(":") for line in lines)
    }
    return f"{100 * (1 - size['MemAvailable'] / size['MemTotal']):.1f}"


def uptime() -> str:
    """Return for how long the machine has been up, in seconds."""
    return f"{time.clock_gettime(time.CLOCK_BOOTTIME):.0f}"


def temperature() -> str:
    """Return the temperature of the machine's first sensor, in degrees Celsius."""
    sensor = next(Path("/sys/class").glob("thermal/thermal_zone*/temp"))
    return f"{int(sensor.read_text()) / 1000:.1f}"


# What may be published, with its description: parameters of a DEF.
READINGS: dict[str, tuple[Callable[[], str], dict[str, str]]] = {
    "load": (load, {"NAME": "Load", "ICON": "mdi:gauge", "PRECISION": "2"}),
    "memory": (
        memory,
        {"NAME": "Memory in use", "UNIT": "%", "ICON": "mdi:memory", "PRECISION": "1"},
    ),
    "uptime": (
        uptime,
        {"NAME": "Uptime", "UNIT": "s", "CLASS": "duration", "CATEGORY": "diagnostic"},
    ),
    "temperature": (
        temperature,
        {
            "NAME": "Temperature",
            "UNIT": escape("°C"),
            "CLASS": "temperature",
            "PRECISION": "1",
        },
    ),
}


# What a machine that has no such reading answers with.
UNREADABLE = (OSError, StopIteration, ValueError, KeyError, AttributeError)


def available_readings() -> dict[str, tuple[Callable[[], str], dict[str, str]]]:
    """Return the readings that this machine can give."""
    readings = {}
    for name, (read, description) in READINGS.items():
        with suppress(*UNREADABLE):
            read()
            readings[name] = (read, description)
    return readings


class DemoClient:
    """One device: it connects, is let in, and stays connected until it is cancelled."""

    def __init__(self, host: str, port: int, device: str) -> None:
        """Take the broker's address and this device's ID."""
        self._host = host
        self._port = port
        self._device = device
        self._readings = available_readings()
        self._interval = 5.0
        self._interval_changed = asyncio.Event()
        self._backoff = 1.0

    async def run(self) -> None:
        """Connect again and again, ever more slowly, with some chance so that many devices do not come at once."""
        while True:
            try:
                await self._converse()
            except (OSError, EOFError) as error:
                _LOGGER.info(
                    "Not connected to %s port %d: %s", self._host, self._port, error
                )
            await asyncio.sleep(self._backoff * random.uniform(0.5, 1))
            self._backoff = min(2 * self._backoff, MAX_BACKOFF)

    async def _converse(self) -> None:
        """Connect and talk until the connection ends.

        Raises OSError (TimeoutError is one) and EOFError.
        """
        reader, writer = await asyncio.open_connection(self._host, self._port)
        publishing: asyncio.Task[None] | None = None
        try:
            _LOGGER.info("Connected as %s, waiting to be let in", self._device)
            model = escape(platform.node())
            writer.write(
                encode(
                    "ID", ID=self._device, SEQ="id", NAME="Demo", MODEL=model, SW="1"
                )
            )
            while line := await self._read_line(reader, writer):
                match decode(line):
                    case "HELLO?", _:
                        writer.write(encode("HELLO!"))
                    case "OK", {"SEQ": "id"}:
                        _LOGGER.info("Let in")
                        self._backoff = 1.0
                        self._introduce(writer)
                        publishing = asyncio.create_task(self._publish(writer))
                    case "SUB", {"VALUE": value}:
                        self._set_interval(value)
                    case "MSG", {"DEVICE": sender, "VALUE": text}:
                        self._answer(writer, sender, unescape(text))
                    case "BAD" | "CLOSE", _:
                        _LOGGER.warning("The broker says: %s", line.decode().strip())
                await writer.drain()
            raise EOFError("the broker has closed the connection")
        finally:
            if publishing:
                publishing.cancel()
            with suppress(OSError):
                writer.write(encode("CLOSE"))
                writer.close()
                await writer.wait_closed()

    async def _read_line(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """Return the next line; ask whether the broker is alive where it has been silent for long.

        Raises TimeoutError where it does not answer.
        """
        line = asyncio.ensure_future(reader.readline())
        for _ in range(2):
            done, _ = await asyncio.wait([line], timeout=SILENCE)
            if done:
                return line.result()
            writer.write(encode("HELLO?"))
        line.cancel()
        raise TimeoutError("the broker is silent")

    def _introduce(self, writer: asyncio.StreamWriter) -> None:
        """Describe the variables, and subscribe to the one through which we are told the interval."""
        for name, (_, description) in self._readings.items():
            description = {"TYPE": "sensor", "STATE": "measurement", **description}
            writer.write(
                encode(
                    "DEF", VARIABLE=f"{self._device}/{name}", ACK="NO", **description
                )
            )
        interval = {
            "NAME": "Interval",
            "UNIT": "s",
            "MIN": 1,
            "MAX": 60,
            "STEP": 1,
            "CATEGORY": "config",
        }
        variable = f"{self._device}/interval"
        writer.write(
            encode("DEF", VARIABLE=variable, ACK="NO", TYPE="number", **interval)
        )
        writer.write(encode("SUB", VARIABLE=f"{variable}/set", ACK="NO"))

    async def _publish(self, writer: asyncio.StreamWriter) -> None:
        """Publish everything, wait, and so on; at once when the interval has changed."""
        while True:
            self._interval_changed.clear()
            values = {
                name: value for name in self._readings if (value := self._read(name))
            }
            for name, value in (values | {"interval": f"{self._interval:g}"}).items():
                writer.write(
                    encode(
                        "PUB", VARIABLE=f"{self._device}/{name}", VALUE=value, ACK="NO"
                    )
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._interval_changed.wait(), self._interval)

    def _read(self, name: str) -> str | None:
        """Return a reading, None where the machine can't give it just now."""
        try:
            return self._readings[name][0]()
        except UNREADABLE:
            return None

    def _set_interval(self, value: str) -> None:
        """Take a new interval, if it is one."""
        try:
            seconds = float(value)
        except ValueError:
            return
        if 1 <= seconds <= 60:
            _LOGGER.info("Publishing every %g s from now on", seconds)
            self._interval = seconds
            self._interval_changed.set()

    def _answer(self, writer: asyncio.StreamWriter, sender: str, text: str) -> None:
        """Answer ping with pong and the name of a reading with its value, else say what we know."""
        _LOGGER.info("%s says: %s", sender, ascii(text))
        if text.startswith(HELP):
            return  # two of us would tell each other for ever
        if text == "ping":
            answer = "pong"
        elif text in self._readings:
            answer = self._read(text) or "unknown"
        else:
            answer = f"{HELP} ping, {', '.join(self._readings)}"
        writer.write(encode("MSG", DEVICE=sender, VALUE=escape(answer), ACK="NO"))


async def main() -> None:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="A demo client for a TextMQ broker")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7883)
    parser.add_argument("--id", default="demo")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    client = DemoClient(arguments.host, arguments.port, arguments.id)
    task = asyncio.create_task(client.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    asyncio.run(main())
