"""The devices: 500 connections to a broker, each with 10 variables. Runs as a process of its own.

    python -m benchmarks.inside.load textmq|mqtt PORT

Each line of standard input is a number of publishes a second, of seconds, and of devices that publish. The answer is a
line of JSON. At the end of input the connections close.
"""

from abc import ABC, abstractmethod
import asyncio
from collections.abc import Callable
import json
import sys
import time
from typing import Any, Final, override

from benchmarks.client_side import line

DEVICES: Final = 500
VALUES: Final = 10
_STEPS: Final = 10_000
"""Different values of a variable, one after the other."""
_AT_ONCE: Final = 16
"""Devices that connect at the same time."""
_PATIENCE: Final = 120
"""Seconds until what has to come is there."""
_TICK: Final = 0.001
"""Seconds between two looks at the clock, in which all is sent that is due."""


def device_id(number: int) -> str:
    """Return the ID of a device."""
    return f"device-{number}"


def entity_id(number: int, value: int) -> str:
    """Return the ID of the entity of a device's value, the same with both brokers."""
    return f"sensor.device_{number}_value_{value}"


def shown(step: int) -> str:
    """Return the text of a value: no two that follow each other are the same."""
    return f"{step % _STEPS / 100:.2f}"


class Device(asyncio.Protocol, ABC):
    """One device, which counts what it has published."""

    def __init__(self, number: int) -> None:
        """Make a device that is not connected yet."""
        self.number = number
        self.id = device_id(number)
        self.steps = [(number * VALUES + value) * 7 for value in range(VALUES)]
        self.answers = 0
        self.failed = ""
        self._next = 0
        self.transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.failed = self.failed or f"{self.id} lost its connection"

    @abstractmethod
    def introduce(self) -> int:
        """Say who this is, describe and publish every value; return how many answers are to come."""

    @abstractmethod
    def send(self, value: int, text: str) -> None:
        """Publish a value."""

    def publish(self) -> None:
        """Publish the next value, which has changed."""
        value = self._next
        self._next = (value + 1) % VALUES
        self.steps[value] += 1
        self.send(value, shown(self.steps[value]))


class TextMqDevice(Device):
    """A device of TextMQ, as the ESPHome component has it: every publish is answered."""

    answered = True

    @override
    def introduce(self) -> int:
        sent = [line("ID", ID=self.id, NAME=f"Device {self.number}")]
        for value in range(VALUES):
            name = f"{self.id}/value_{value}"
            sent += [
                line("PUB", VARIABLE=name, VALUE=shown(self.steps[value])),
                line(
                    "DEF",
                    VARIABLE=name,
                    TYPE="sensor",
                    NAME=f"Value {value}",
                    UNIT=r"\u00b0C",
                    CLASS="temperature",
                    STATE="measurement",
                ),
            ]
        self.transport.writelines(sent)
        return len(sent)

    @override
    def send(self, value: int, text: str) -> None:
        self.transport.write(
            line("PUB", VARIABLE=f"{self.id}/value_{value}", VALUE=text)
        )

    @override
    def data_received(self, data: bytes) -> None:
        self.answers += data.count(b"COMMAND=OK")
        if b"COMMAND=HELLO?" in data:
            self.transport.write(line("HELLO!"))
        if b"COMMAND=BAD" in data or b"COMMAND=CLOSE" in data:
            self.failed = data.decode()


class MqttDevice(Device):
    """A device of MQTT 3.1.1 (OASIS standard, section 3), as ESPHome has it: QoS 0, retained, one discovery message each value."""

    answered = False

    @override
    def introduce(self) -> int:
        self.transport.write(
            _packet(0x10, _text("MQTT"), b"\x04\x02\x00\x00", _text(self.id))
        )
        availability = f"{self.id}/status"
        for value in range(VALUES):
            config: dict[str, Any] = {
                "name": f"Value {value}",
                "stat_t": self._topic(value),
                "avty_t": availability,
                "uniq_id": f"{self.id}-{value}",
                "unit_of_meas": "°C",
                "dev_cla": "temperature",
                "stat_cla": "measurement",
                "dev": {"ids": self.id, "name": f"Device {self.number}"},
            }
            topic = f"homeassistant/sensor/{self.id}/value_{value}/config"
            self._publish(topic, json.dumps(config))
            self.send(value, shown(self.steps[value]))
        self._publish(availability, "online")
        return 1

    @override
    def send(self, value: int, text: str) -> None:
        self._publish(self._topic(value), text)

    @override
    def data_received(self, data: bytes) -> None:
        if data == b"\x20\x02\x00\x00":
            self.answers += 1
        else:
            self.failed = f"CONNACK of {self.id}: {data.hex()}"

    def _topic(self, value: int) -> str:
        return f"{self.id}/sensor/value_{value}/state"

    def _publish(self, topic: str, text: str) -> None:
        self.transport.write(_packet(0x31, _text(topic), text.encode()))


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data


def _packet(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    length, rest = bytearray(), len(body)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes((kind, *length, rest)) + body


MAKERS: Final[dict[str, Callable[[int], TextMqDevice | MqttDevice]]] = {
    "textmq": TextMqDevice,
    "mqtt": MqttDevice,
}


class Load:
    """All devices."""

    def __init__(self, protocol: str, port: int) -> None:
        """Make the devices of a broker."""
        self._port = port
        self._devices = [MAKERS[protocol](number) for number in range(DEVICES)]
        self._owed = 0
        """Answers that the broker owes."""

    async def connect(self) -> None:
        """Connect every device and let it introduce itself."""
        loop = asyncio.get_running_loop()
        for first in range(0, DEVICES, _AT_ONCE):
            for device in self._devices[first : first + _AT_ONCE]:
                await loop.create_connection(
                    lambda device=device: device,  # type: ignore[misc]
                    "127.0.0.1",
                    self._port,
                )
                self._owed += device.introduce()
            await self._answered()

    async def _answered(self) -> None:
        """Wait for all answers. Raises RuntimeError where one is wrong, TimeoutError where one is missing."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                for device in self._devices:
                    if device.failed:
                        raise RuntimeError(device.failed)
                if sum(device.answers for device in self._devices) == self._owed:
                    return
                await asyncio.sleep(0.005)

    async def run(self, rate: float, seconds: float, devices: int) -> dict[str, float]:
        """Publish at an even pace, the devices in turn, and take all answers."""
        sent, late = 0, 0.0
        cpu, begun = time.process_time(), time.monotonic()
        while sent < rate * seconds:
            now = time.monotonic() - begun
            late = max(late, now - sent / rate)
            for number in range(sent, min(int(now * rate), int(rate * seconds))):
                device = self._devices[number % devices]
                device.publish()
                sent += 1
                self._owed += device.answered
            await asyncio.sleep(_TICK)
        took = time.monotonic() - begun
        busy = (time.process_time() - cpu) / took
        await self._answered()
        answered = time.monotonic() - begun
        return {
            "sent": sent,
            "rate": sent / took,
            "late": late,
            "busy": busy,
            "answered": answered,
        }

    def values(self) -> dict[str, str]:
        """Return what was last published, by entity ID."""
        return {
            entity_id(device.number, value): shown(step)
            for device in self._devices
            for value, step in enumerate(device.steps)
        }


async def main() -> None:
    """Connect, and do what standard input says."""
    load = Load(sys.argv[1], int(sys.argv[2]))
    await load.connect()
    _say(load.values())
    while wanted := await asyncio.to_thread(sys.stdin.readline):
        rate, seconds, devices = json.loads(wanted)
        result = await load.run(rate, seconds, devices)
        _say({**result, "values": load.values()})


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
