"""TLS with a pre-shared key inside a connection (protocol B7).

Over memory buffers instead of asyncio's own TLS transport, which takes ten times the memory
for each connection and can't share a port with plain text.
"""

from collections.abc import Callable
from contextlib import suppress
import ssl
from typing import Final

from ..core.access import Identity

_CIPHERS: Final = (
    "ECDHE-PSK-CHACHA20-POLY1305",
    "ECDHE-PSK-AES256-CBC-SHA384",
    "ECDHE-PSK-AES128-CBC-SHA256",
    "PSK-CHACHA20-POLY1305",
    "PSK-AES256-GCM-SHA384",
    "PSK-AES128-GCM-SHA256",
)
_RENEW_AFTER: Final = 256
"""Handshakes of one context: it remembers each of them, so that it is replaced now and then."""
_READ: Final = 1 << 16

HANDSHAKE: Final = 0x16
"""First byte of a TLS connection: no line begins with it."""


class TlsError(Exception):
    """The other side does not hold the key of its identity, or does not speak our TLS."""


class TlsServer:
    """Makes the TLS side of connections, with the keys of the devices."""

    def __init__(self, find_key: Callable[[str], bytes | None]) -> None:
        """Ask find_key for the key of an identity; it returns None for one that has none."""
        self._find_key = find_key
        self._context = self._make_context()
        self._made = 0
        self._handshaking: TlsConnection | None = None

    def connection(self) -> "TlsConnection":
        """Make the TLS side of a new connection."""
        self._made += 1
        if self._made % _RENEW_AFTER == 0:
            self._context = self._make_context()
        return TlsConnection(self, self._context)

    def handshake(self, connection: "TlsConnection", step: Callable[[], None]) -> None:
        """Take a step of a handshake; the key that it looks up belongs to this connection."""
        self._handshaking = connection
        try:
            step()
        finally:
            self._handshaking = None

    def _make_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(":".join(_CIPHERS))
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_psk_server_callback(self._key_of)
        return context

    def _key_of(self, identity: str | None) -> bytes:
        if self._handshaking is None or identity is None:
            return b""
        key = self._find_key(identity) or b""
        self._handshaking.identity = Identity(identity, key)
        return key


class TlsConnection:
    """The TLS side of one connection: bytes in, bytes out, no sockets."""

    def __init__(self, server: TlsServer, context: ssl.SSLContext) -> None:
        """Wait for the client's handshake."""
        self.identity: Identity | None = None
        """What the client says it is, with the key that it must hold; proved once `established`."""
        self.established = False
        self.ended = False
        """The client has said that nothing follows."""
        self._server = server
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    def receive(self, data: bytes) -> bytes:
        """Take received bytes, return the text in them. Raises TlsError."""
        self._in.write(data)
        try:
            if not self.established:
                self._server.handshake(self, self._tls.do_handshake)
                if self.identity is None or self._tls.session_reused:
                    raise TlsError("no identity")
                self.established = True
            return self._read()
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as err:
            raise TlsError(err.reason or "failed") from err

    def _read(self) -> bytes:
        pieces: list[bytes] = []
        with suppress(ssl.SSLWantReadError):
            while piece := self._tls.read(_READ):
                pieces.append(piece)
            self.ended = True
        return b"".join(pieces)

    def send(self, data: bytes) -> None:
        """Encrypt bytes for `outgoing`."""
        if self.established:
            with suppress(ssl.SSLError):
                self._tls.write(data)

    def end(self) -> None:
        """Say to the other side that nothing follows."""
        if self.established:
            with suppress(ssl.SSLError):
                self._tls.unwrap()

    def outgoing(self) -> bytes:
        """Take the bytes that are to be sent."""
        return self._out.read()
