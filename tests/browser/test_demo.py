"""What `scripts/run` starts: all of it comes up by itself, survives a restart, and goes at a signal."""

from collections.abc import Iterator
from pathlib import Path
import signal
import socket
import subprocess
import sys
from typing import Any
from urllib.error import URLError

import pytest

from scripts.home_assistant import HomeAssistant, faults

from .conftest import PATIENCE, free_port, wait_for


class Demo:
    """The running program with its ports."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self.port, http_port = free_port(), free_port()
        self.home_assistant = HomeAssistant(folder / "config", http_port)
        self.output = folder.with_suffix(".log")
        command = [sys.executable, "-m", "scripts.demo", "--folder", str(folder)]
        command += ["--port", str(self.port), "--http-port", str(http_port)]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)

    def is_ready(self) -> bool:
        """Whether it has said what to try."""
        assert self.process.poll() is None, self.output.read_text()
        if "Ctrl-C" not in self.output.read_text():
            return False
        self.home_assistant.log_in()
        return True

    def state(self, entity_id: str) -> str | None:
        """Return the state of an entity, None where there is none now."""
        state: str | None = self._entity(entity_id).get("state")
        return state

    def attribute(self, entity_id: str, name: str) -> object:
        """Return an attribute of an entity, None where there is none now."""
        return self._entity(entity_id).get("attributes", {}).get(name)

    def _entity(self, entity_id: str) -> dict[str, Any]:
        try:
            entity: dict[str, Any] = self.home_assistant.get(f"/api/states/{entity_id}")
        except URLError, ConnectionError:
            return {}
        return entity


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A running demo that has said what to try; at a signal it ends, and its log names no fault of ours."""
    demo = Demo(tmp_path / "run")
    try:
        wait_for(demo.is_ready, "the guide")
        yield demo
    finally:
        demo.process.send_signal(signal.SIGTERM)
        exit_code = demo.process.wait(PATIENCE)
    assert exit_code == 0, demo.output.read_text()
    assert faults(demo.home_assistant.log.read_text()) == []


def test_demo(demo: Demo) -> None:
    """The demo client is let in, publishes and answers; a restart that a person asks for brings all back."""
    home_assistant = demo.home_assistant
    load = wait_for(lambda: demo.state("sensor.demo_load"), "the first reading")
    assert float(str(load)) >= 0
    home_assistant.post(
        "/api/services/textmq/send_message", {"device": "demo", "message": "ping"}
    )
    wait_for(
        lambda: demo.attribute("event.demo_message", "text") == "pong", "the answer"
    )
    home_assistant.post(
        "/api/services/textmq/publish", {"variable": "demo/interval/set", "value": "2"}
    )
    wait_for(lambda: demo.state("number.demo_interval") == "2", "the new interval")

    with socket.create_connection(("127.0.0.1", demo.port)) as connection:
        home_assistant.post("/api/services/homeassistant/restart", {})
        connection.settimeout(PATIENCE)
        assert b"COMMAND=CLOSE | REASON=shutdown" in connection.recv(1000)
    wait_for(
        lambda: demo.state("binary_sensor.demo_connection") == "on",
        "the demo client's return",
    )
    assert float(demo.state("sensor.demo_load") or "nan") >= 0


def test_demo_node(demo: Demo) -> None:
    """The ESPHome node is let in; its entities are there and follow commands and messages."""
    home_assistant = demo.home_assistant
    wait_for(lambda: demo.state("sensor.demo_node_temperature"), "the first reading")
    assert demo.state("switch.demo_node_heating") == "off"
    home_assistant.post(
        "/api/services/switch/turn_on", {"entity_id": "switch.demo_node_heating"}
    )
    wait_for(lambda: demo.state("switch.demo_node_heating") == "on", "the switch")
    home_assistant.post(
        "/api/services/textmq/send_message", {"device": "demo-node", "message": "Hi"}
    )
    wait_for(lambda: demo.state("sensor.demo_node_last_message") == "Hi", "the message")
