"""TLS with a pre-shared key, from the client's side (protocol B7)."""

import ssl
from typing import Final

_CIPHERS: Final = (
    "ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES256-CBC-SHA384:ECDHE-PSK-AES128-CBC-SHA256"
    ":PSK-CHACHA20-POLY1305:PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256"
)


def client_context(device_id: str, key: bytes) -> ssl.SSLContext:
    """Make the TLS of a device that holds a key: the key is what both sides prove, there are no certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_psk_client_callback(lambda _hint: (device_id, key))
    return context
