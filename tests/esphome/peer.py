"""Stand-ins for the broker and for the network, for what the real ones do only on a bad day."""

from contextlib import suppress
import select
import socket
import threading
from typing import Final

from tests.broker.client import Address, Message, line
from tests.broker.process import PATIENCE

OK: Final = "OK"


class Peer:
    """A server that plays the broker for one node at a time, line by line."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.address: Address = self._listener.getsockname()
        self._connection: socket.socket | None = None
        self._received = bytearray()

    def accept(self) -> None:
        """Wait for the node's next connection; the one before is cut."""
        self.cut()
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(PATIENCE)
        self._received.clear()

    @property
    def connection(self) -> socket.socket:
        """The connection of the node."""
        assert self._connection is not None
        return self._connection

    def cut(self) -> None:
        """End the connection without a word."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def receive(self) -> Message | None:
        """Return the node's next message, None where it has closed the connection."""
        while (end := self._received.find(b"\n")) < 0:
            data = self.connection.recv(1 << 16)
            if not data:
                assert not self._received, self._received
                return None
            self._received += data
        taken = bytes(self._received[: end + 1])
        del self._received[: end + 1]
        return Message.parse(taken)

    def expect(self, command: str) -> Message:
        """Take the node's next message, which has to be this command."""
        message = self.receive()
        assert message is not None, f"the node closed the connection, not {command}"
        assert message.command == command, message
        return message

    def send(self, command: str, **params: object) -> None:
        """Send a message."""
        self.connection.sendall(line(command, **params))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.connection.sendall(data)

    def let_in(self, **answer: object) -> Message:
        """Accept the node's next connection and its ID; return that."""
        self.accept()
        identity = self.expect("ID")
        self.send(OK, **answer)
        return identity

    def answer_until(self, command: str) -> Message:
        """Answer everything up to a command, and that, too; return it."""
        while (message := self.receive()) is not None:
            self._answer(message)
            if message.command == command:
                return message
        raise AssertionError(f"the node closed the connection before {command}")

    def _answer(self, message: Message) -> None:
        self.send("HELLO!" if message.command == "HELLO?" else OK)

    def answer_what_comes(self) -> list[Message]:
        """Answer what has come up to now with OK, and return it."""
        taken = []
        while self._received or select.select([self.connection], [], [], 0)[0]:
            message = self.receive()
            assert message is not None, "the node closed the connection"
            self._answer(message)
            taken.append(message)
        return taken

    def close(self) -> None:
        """Close everything."""
        self.cut()
        self._listener.close()


class Proxy:
    """A TCP connection to the broker that can be cut, or stand still while both ends believe in it."""

    def __init__(self, target: Address) -> None:
        """Forward what comes to a free port."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: Address = self._listener.getsockname()
        #: All bytes that went through, in both directions.
        self.seen = bytearray()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._frozen: set[socket.socket] = set()
        self._closed = False
        self._wake, self._woken = socket.socketpair()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def freeze(self) -> None:
        """Let nothing through on the connections of now, in either direction; new ones work."""
        with self._lock:
            self._frozen.update(self._pairs)

    def thaw(self) -> None:
        """Let through what was held back, and go on."""
        with self._lock:
            self._frozen.clear()

    def cut(self) -> None:
        """End the connections of now."""
        with self._lock:
            for one in list(self._pairs):
                self._drop(one)

    def close(self) -> None:
        """Close everything."""
        self._closed = True
        self._wake.send(b"x")
        self._thread.join(PATIENCE)
        self.cut()
        for one in (self._listener, self._wake, self._woken):
            one.close()

    def _drop(self, one: socket.socket) -> None:
        if (other := self._pairs.pop(one, None)) is not None:
            self._pairs.pop(other, None)
            for end in (one, other):
                self._frozen.discard(end)
                end.close()

    def _run(self) -> None:
        while not self._closed:
            with self._lock:
                watched = [
                    self._listener,
                    self._woken,
                    *(self._pairs.keys() - self._frozen),
                ]
            # Briefly, since connections come and go meanwhile.
            with suppress(OSError, ValueError):
                for one in select.select(watched, [], [], 0.02)[0]:
                    with self._lock:
                        self._serve(one)

    def _serve(self, one: socket.socket) -> None:
        if one is self._listener:
            node, _ = one.accept()
            try:
                broker = socket.create_connection(self._target)
            except OSError:
                node.close()
                return
            self._pairs |= {node: broker, broker: node}
        elif (other := self._pairs.get(one)) is not None and one not in self._frozen:
            try:
                data = one.recv(1 << 16)
                self.seen += data
                other.sendall(data)
            except OSError:
                data = b""
            if not data:
                self._drop(one)
