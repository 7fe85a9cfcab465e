"""What the broker answers (protocol A3, B1, B2)."""

from collections.abc import Mapping
from typing import Final

from ..protocol import wire
from ..protocol.reasons import Refusal

OK: Final = wire.encode_message("OK")
HELLO: Final = wire.encode_message("HELLO?")
HELLO_ANSWERED: Final = wire.encode_message("HELLO!")


def ok_lines(params: Mapping[str, str], **more: str) -> tuple[bytes, ...]:
    """Return the OK to a command with these parameters, nothing where it wants none."""
    if params.get("ACK") == "NO":
        return ()
    if "SEQ" not in params and not more:
        return (OK,)
    seq = {"SEQ": params["SEQ"]} if "SEQ" in params else {}
    return (wire.encode_message("OK", seq | more),)


def bad_line(refusal: Refusal, params: Mapping[str, str] | None = None) -> bytes:
    """Return the BAD to a command with these parameters."""
    answer: dict[str, str] = {}
    if params and "SEQ" in params:
        answer["SEQ"] = params["SEQ"]
    answer["REASON"] = refusal.reason
    if refusal.detail:
        answer["DETAIL"] = wire.encode(refusal.detail)
    return wire.encode_message("BAD", answer)
