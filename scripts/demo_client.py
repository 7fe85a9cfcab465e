"""A small TextMQ client for people to watch and to learn from: it publishes readings of this machine.

    python demo_client.py [--host HOST] [--port PORT] [--id ID]

It needs nothing but Python 3.13 and the client that lies beside the broker. It asks to be let in, describes its variables,
publishes them every few seconds, takes the number of seconds from a variable, and answers messages.
"""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import suppress
import logging
import os
from pathlib import Path
import platform
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from custom_components.textmq.broker import (
        Client,
        ConnectionLost,
        MessageReceived,
        Phase,
        Status,
        Value,
    )
else:
    # At the end of the path, where the modules beside the broker (select.py, ...) hide none of the standard library.
    sys.path.append(str(Path(__file__).parents[1] / "custom_components" / "textmq"))
    from broker import Client, ConnectionLost, MessageReceived, Phase, Status, Value

_LOGGER = logging.getLogger("demo")

HELP = "Ask me for:"


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
            "UNIT": "°C",
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
        self._device = device
        self._readings = available_readings()
        self._interval = 5.0
        self._publish_now = asyncio.Event()
        self._client = Client(
            host,
            port,
            device,
            name="Demo",
            details={"MODEL": platform.node(), "SW": "1"},
            on_status=self._take_status,
        )

    async def run(self) -> None:
        """Publish and answer; the client connects again and again by itself."""
        await self._introduce()
        async with self._client, asyncio.TaskGroup() as group:
            group.create_task(self._publish())
            async for delivery in self._client:
                if isinstance(delivery, Value):
                    self._set_interval(delivery.value)
                elif isinstance(delivery, MessageReceived):
                    await self._answer(delivery.device, delivery.value)

    def _take_status(self, status: Status) -> None:
        """Tell in the log where we stand; publish at once when we are let in."""
        if status.phase is Phase.IDENTIFYING:
            _LOGGER.info("Connected as %s, waiting to be let in", self._device)
        elif status.phase is Phase.CONNECTED:
            _LOGGER.info("Let in")
            self._publish_now.set()
        elif status.phase is Phase.BACKING_OFF:
            _LOGGER.info(
                "Not connected: %s %s; again in %.0f s",
                status.reason,
                status.detail,
                status.retry_in,
            )

    async def _introduce(self) -> None:
        """Describe the variables, and subscribe to the one through which we are told the interval.

        Both hold for every connection that is made.
        """
        interval = f"{self._device}/interval"
        await self._client.describe(
            {
                f"{self._device}/{name}": {
                    "TYPE": "sensor",
                    "STATE": "measurement",
                    **description,
                }
                for name, (_, description) in self._readings.items()
            }
            | {
                interval: {
                    "TYPE": "number",
                    "NAME": "Interval",
                    "UNIT": "s",
                    "MIN": "1",
                    "MAX": "60",
                    "STEP": "1",
                    "CATEGORY": "config",
                }
            }
        )
        await self._client.subscribe(f"{interval}/set")

    async def _publish(self) -> None:
        """Publish everything, wait, and so on; at once when the interval has changed."""
        while True:
            await self._client.connected()
            self._publish_now.clear()
            values = {
                name: value for name in self._readings if (value := self._read(name))
            }
            with suppress(ConnectionLost):
                for name, value in (
                    values | {"interval": f"{self._interval:g}"}
                ).items():
                    await self._client.publish(
                        f"{self._device}/{name}", value, ack=False
                    )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._publish_now.wait(), self._interval)

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
            self._publish_now.set()

    async def _answer(self, sender: str, text: str) -> None:
        """Answer ping with pong and the name of a reading with its value, else say what we know."""
        _LOGGER.info("%s says: %s", sender, ascii(text))
        if not sender or text.startswith(HELP):
            return  # two of us would tell each other for ever
        if text == "ping":
            answer = "pong"
        elif text in self._readings:
            answer = self._read(text) or "unknown"
        else:
            answer = f"{HELP} ping, {', '.join(self._readings)}"
        with suppress(ConnectionLost):
            await self._client.send(sender, answer, ack=False)


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
