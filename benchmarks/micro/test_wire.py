"""What the wire costs: framing, parsing, escapes, names and filters."""

from broker.protocol import framing, names, wire
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

_PUBLISH = b"START | COMMAND=PUB | VARIABLE=kitchen/temperature | VALUE=21.5 | END\n"
_BATCH = 256


def test_split_batch(benchmark: BenchmarkFixture) -> None:
    """The quick way: 256 canonical lines at once."""
    items = benchmark(wire.split_canonical, _PUBLISH * _BATCH)
    assert items == [_PUBLISH.removesuffix(b" | END\n").decode()] * _BATCH


@pytest.mark.parametrize("count", [1, _BATCH])
def test_take_canonical(benchmark: BenchmarkFixture, count: int) -> None:
    """The same from what was received: one line, and more than one window."""
    framer = framing.Framer(4096)
    received = _PUBLISH * count

    def take() -> int:
        framer.feed(received)
        taken = 0
        while items := framer.take_canonical():
            taken += len(items)
        return taken

    assert benchmark(take) == count


def test_take_one_by_one(benchmark: BenchmarkFixture) -> None:
    """256 lines through the general way."""
    framer = framing.Framer(4096)

    def take() -> int:
        framer.feed(_PUBLISH * _BATCH)
        taken = 0
        while framer.next():
            taken += 1
        return taken

    assert benchmark(take) == _BATCH


def test_judge_opening(benchmark: BenchmarkFixture) -> None:
    """What each connection costs once: its first line."""

    def judge() -> framing.Opening:
        framer = framing.Framer(4096)
        framer.feed(_PUBLISH)
        return framer.judge_opening()

    assert benchmark(judge) is framing.Opening.MESSAGE


def test_parse_line(benchmark: BenchmarkFixture) -> None:
    """The general way, which takes any spacing, case and order."""
    message = benchmark(
        wire.parse, b"start|command = pub|value= 21.5 |variable=kitchen/temperature|end"
    )
    assert message == (
        "PUB",
        {"VALUE": "21.5", "VARIABLE": "kitchen/temperature"},
    )


def test_frame_without_line_feed(benchmark: BenchmarkFixture) -> None:
    """A line that comes in two pieces, with CR LF at its end."""

    def frame() -> wire.Message | None:
        framer = framing.Framer(4096)
        framer.feed(_PUBLISH[:40])
        framer.feed(_PUBLISH[40:-1] + b"\r\n")
        return framer.next()

    message = benchmark(frame)
    assert message == ("PUB", {"VARIABLE": "kitchen/temperature", "VALUE": "21.5"})


def test_encode_message(benchmark: BenchmarkFixture) -> None:
    """A message with two parameters."""
    params = {"VARIABLE": "kitchen/temperature", "VALUE": "21.5"}
    assert benchmark(wire.encode_message, "PUB", params) == _PUBLISH


def test_encode_text(benchmark: BenchmarkFixture) -> None:
    """Text that the wire can't carry as it is."""
    assert benchmark(wire.encode, "21,5 °C | Küche\n") == (
        "21,5 \\u00b0C \\u007c K\\u00fcche\\n"
    )


def test_decode_text(benchmark: BenchmarkFixture) -> None:
    """The same, back."""
    assert benchmark(wire.decode, "21,5 \\u00b0C \\u007c K\\u00fcche\\n") == (
        "21,5 °C | Küche\n"
    )


def test_check_variable_name(benchmark: BenchmarkFixture) -> None:
    """A name that a client wants to publish to."""
    assert benchmark(names.is_variable_name, "house/kitchen/oven/temperature")


def test_match_filter(benchmark: BenchmarkFixture) -> None:
    """One filter against one name."""
    assert benchmark(names.filter_matches, "house/+/oven/#", "house/kitchen/oven/door")
