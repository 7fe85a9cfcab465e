"""What the benchmarks use of the client: the spelling of its lines, and its TLS.

They count answers in the bytes as they come: what reads each of them would be measured itself.
"""

from pathlib import Path
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from custom_components.textmq.broker.client.client_tls import client_context
    from custom_components.textmq.broker.protocol.wire import encode_message
else:
    # At the end of the path, where the modules beside the broker (select.py, ...) hide none of the standard library.
    sys.path.append(str(Path(__file__).parents[1] / "custom_components" / "textmq"))
    from broker.client.client_tls import client_context
    from broker.protocol.wire import encode_message

__all__ = ["client_context", "line"]


def line(command: str, **parameters: object) -> bytes:
    """Return a message as one line; values are in wire form."""
    return encode_message(
        command, {key: str(value) for key, value in parameters.items()}
    )
