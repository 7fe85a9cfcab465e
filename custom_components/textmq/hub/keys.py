"""Keys of devices: 32 random bytes for each, written in base64 (protocol B7)."""

from base64 import b64decode, b64encode
import secrets
from typing import Final

_LENGTH: Final = 32


def make_key() -> str:
    """Return a new key."""
    return b64encode(secrets.token_bytes(_LENGTH)).decode("ascii")


def read_key(text: str) -> bytes:
    """Return the bytes of a key. Raises ValueError where it is none."""
    key = b64decode(text.strip(), validate=True)
    if len(key) != _LENGTH:
        raise ValueError(f"a key has {_LENGTH} bytes")
    return key
