"""A page in a browser whose name points to this machine (DNS rebinding): it can't publish, whatever it sends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import os
from pathlib import Path
import shutil
import socket
import threading
from typing import Any, Final

from playwright.sync_api import Browser, Page, Playwright
import pytest

from custom_components.textmq.broker.protocol.framing import Framer, Opening
from tests.broker.client import Client
from tests.broker.process import BrokerProcess

from .conftest import BROWSER_OPTIONS, free_port

HOST: Final = "evil.test"
SECONDS: Final = 5
"""What one attempt may take; the broker ends each at once."""
IDLE: Final = 0.1
"""Seconds without another byte after which a request is complete."""
ATTACK: Final = (Path(__file__).parent / "rebinding.js").read_text(encoding="utf-8")
PUBLISH: Final = "START | COMMAND=PUB | VARIABLE=evil | VALUE=1 | END"
MESSAGES: Final = [
    f"{PUBLISH}\n{PUBLISH}\n",
    f"{PUBLISH}\r{PUBLISH}\r",
    PUBLISH.replace(" ", "") * 3,
    f"START | COMMAND=ID | ID=evil | END\n{PUBLISH}\n",
]
PAGE: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
    b"<!doctype html><title>Hello</title><body></body>"
)


class Server:
    """The attacker's server: keeps what each connection has sent, says the same to all."""

    def __init__(self, port: int, answer: bytes) -> None:
        """Listen on a port of this machine."""
        self.received: list[bytes] = []
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", port))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(
                threading.Thread(target=self._serve, args=(connection,))
            )
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        with connection, suppress(OSError):
            connection.settimeout(IDLE)
            with suppress(TimeoutError):
                while data := connection.recv(1 << 16):
                    received += data
            self.received.append(received)
            connection.sendall(self._answer)

    def close(self) -> None:
        """End, with all connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


@contextmanager
def serving(port: int, answer: bytes = b"") -> Iterator[Server]:
    """Run an attacker's server."""
    server = Server(port, answer)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser to which the attacker's name is an address of this machine."""
    browser = playwright.chromium.launch(
        executable_path=os.environ.get("TEXTMQ_CHROMIUM") or shutil.which("chromium"),
        args=[*BROWSER_OPTIONS, f"--host-resolver-rules=MAP {HOST} 127.0.0.1"],
    )
    yield browser
    browser.close()


@pytest.fixture
def port() -> int:
    """The port of the broker, and of the attacker's server before."""
    return free_port()


@pytest.fixture
def hostile_page(browser: Browser, port: int) -> Iterator[Page]:
    """A page of the attacker's, loaded from the port on which its name leads to the broker later."""
    page = browser.new_page()
    with serving(port, PAGE):
        page.goto(f"http://{HOST}:{port}/")
    yield page
    page.close()


def _attack(page: Page, port: int) -> dict[str, Any]:
    result: dict[str, Any] = page.evaluate(
        ATTACK,
        {
            "origins": [f"http://{HOST}:{port}", f"http://127.0.0.1:{port}"],
            "messages": MESSAGES,
            "seconds": SECONDS,
        },
    )
    return result


def test_what_a_browser_sends(hostile_page: Page, port: int) -> None:
    """The attack is one: methods, paths and bodies are sent as they are, and none begins as a message."""
    with serving(port) as server:
        result = _attack(hostile_page, port)
    lines = {sent.partition(b"\r\n")[0] for sent in server.received}
    methods = {line.partition(b" /")[0] for line in lines}
    assert methods >= {b"GET", b"POST", b"START", b"START|COMMAND", b"start|command"}
    assert b"START|COMMAND /?a|b= HTTP/1.1" in lines
    for text in MESSAGES:
        assert any(f"\r\n\r\n{text}".encode() in sent for sent in server.received)
    assert result["refused"] > 0
    for sent in filter(None, server.received):
        framer = Framer(4096)
        framer.feed(sent)
        assert framer.judge_opening(final=True) in (Opening.HTTP, Opening.FOREIGN), sent


def test_a_page_can_not_publish(hostile_page: Page, port: int, tmp_path: Path) -> None:
    """Nothing of it is carried out, not even where everyone may come in; clients go on."""
    broker = BrokerProcess(tmp_path / "data", "--access", "open", port=port)
    try:
        with Client(broker.address, timeout=60) as client:
            client.ok("SUB", VARIABLE="#")
            result = _attack(hostile_page, port)
            assert min(result["begun"].values()) > 0
            delivered = [got for got in client.fence() if got.command != "HELLO?"]
            assert delivered == []
            client.bad("no-such-device", "MSG", DEVICE="evil", VALUE="1")
            client.ok("PUB", VARIABLE="good", VALUE="1")
            assert client.receive()["VALUE"] == "1"
        with Client(broker.address) as other:
            assert other.get("evil") is None
            assert other.get("good") is not None
        broker.check()
    finally:
        assert broker.stop() == 0
    assert "evil" not in "".join(broker.files())
