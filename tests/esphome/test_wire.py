"""The wire code of the component (wire.h, outbox.h), compiled alone and with sanitizers."""

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
import json
from pathlib import Path
import random
import subprocess
import sys
from types import ModuleType
from typing import Any, Final

import pytest

from .builds import ROOT, build_harness


def _load_reference() -> ModuleType:
    """Return the text part of the broker, which imports nothing else of it."""
    folder = ROOT / "custom_components" / "textmq" / "broker" / "protocol"
    spec = spec_from_file_location("reference_protocol", folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    package = module_from_spec(spec)
    sys.modules["reference_protocol"] = package
    spec.loader.exec_module(package)
    return package


_REFERENCE: Final = _load_reference()
framing, names, reasons, wire = (
    import_module(f"{_REFERENCE.__name__}.{name}")
    for name in ("framing", "names", "reasons", "wire")
)
VECTORS: Final[dict[str, list[Any]]] = json.loads(
    (ROOT / "tests" / "vectors.json").read_text(encoding="utf-8")
)
MAX_LINE: Final = 4096
#: The message ends where the bytes received so far end with END, so what follows is another line.
AMBIGUOUS: Final = "text after END"

type Ask = Callable[[Iterable[str]], list[str]]
type Outcome = tuple[str, dict[str, str]] | str


@pytest.fixture(scope="module")
def harness() -> Path:
    """The compiled wire code."""
    return build_harness("wire_harness")


@pytest.fixture(scope="module")
def ask(harness: Path) -> Ask:
    """Put requests to the harness, all at once, and get the answers."""

    def ask(requests: Iterable[str]) -> list[str]:
        lines = list(requests)
        done = subprocess.run(
            [harness],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers = done.stdout.splitlines()
        assert len(answers) == len(lines)
        return answers

    return ask


def to_hex(text: str | bytes) -> str:
    """Write a text as the harness reads it."""
    data = text if isinstance(text, bytes) else text.encode()
    return data.hex() or "-"


def from_hex(text: str) -> str:
    """Read a text as the harness writes it."""
    return bytes.fromhex("" if text == "-" else text).decode()


def frame_request(chunks: Sequence[bytes]) -> str:
    """Ask how these chunks are understood."""
    return f"F {MAX_LINE} " + " ".join(map(to_hex, chunks))


def outcomes(answer: str) -> list[Outcome]:
    """Read the answer to a frame request."""
    found: list[Outcome] = []
    for item in answer.split(";") if answer else []:
        kind, first, *rest = item.split(" ")
        if kind == "E":
            found.append(first)
        else:
            pairs = (pair.split("=") for pair in rest)
            found.append(
                (
                    from_hex(first),
                    {from_hex(key): from_hex(value) for key, value in pairs},
                )
            )
    return found


def expected(case: dict[str, Any]) -> list[Outcome]:
    """Return what a case of the vectors expects."""
    return [
        item["error"] if "error" in item else (item["command"], item["params"])
        for item in case["expect"]
    ]


def reference(chunks: Sequence[bytes]) -> list[Outcome]:
    """Return how the broker understands these chunks."""
    framer = framing.Framer(MAX_LINE)
    found: list[Outcome] = []
    for chunk in chunks:
        framer.feed(chunk)
        while True:
            try:
                if (message := framer.next()) is None:
                    break
                found.append((message.command, dict(message.params)))
            except reasons.Refusal as refusal:
                found.append(str(refusal.reason))
    return found


def test_framing_vectors(ask: Ask) -> None:
    """Every case of the shared vectors."""
    cases = VECTORS["framing_and_parsing"]
    answers = ask(
        frame_request([chunk.encode("latin-1") for chunk in case["chunks"]])
        for case in cases
    )
    for case, answer in zip(cases, answers, strict=True):
        assert outcomes(answer) == expected(case), case["name"]


def test_framing_at_every_split_point(ask: Ask) -> None:
    """However the bytes of a case are cut in two, and one by one, the messages are the same."""
    requests: list[str] = []
    wanted: list[tuple[str, list[Outcome]]] = []
    for case in VECTORS["framing_and_parsing"]:
        if case["name"] == AMBIGUOUS:
            continue
        whole = "".join(case["chunks"]).encode("latin-1")
        cuts = [[whole[:at], whole[at:]] for at in range(1, len(whole))]
        if len(whole) > 1000:
            cuts = cuts[:60] + cuts[-60:]
        cuts.append([bytes([byte]) for byte in whole])
        for chunks in cuts:
            requests.append(frame_request(chunks))
            wanted.append((case["name"], expected(case)))
    assert len(requests) > 1000
    for (name, wants), request, answer in zip(
        wanted, requests, ask(requests), strict=True
    ):
        assert outcomes(answer) == wants, (name, request)


def test_value_vectors(ask: Ask) -> None:
    """Escapes, both ways."""
    for kind, key, result in (
        ("decode_value", "raw", "text"),
        ("encode_value", "text", "raw"),
    ):
        cases = VECTORS[kind]
        letter = kind[0].upper()
        answers = ask(f"{letter} {to_hex(case[key])}" for case in cases)
        for case, answer in zip(cases, answers, strict=True):
            assert from_hex(answer) == case[result]


def test_name_and_filter_vectors(ask: Ask) -> None:
    """Names of variables, filters, and what they match."""
    names = VECTORS["variable_name_valid"]
    assert ask(f"V {to_hex(case['name'])}" for case in names) == [
        str(int(case["valid"])) for case in names
    ]
    matches = VECTORS["filter_matches"]
    assert ask(
        f"X {to_hex(case['filter'])} {to_hex(case['variable'])}" for case in matches
    ) == [str(int(case["matches"])) for case in matches]
    assert ask(f"P {to_hex(case['filter'])}" for case in matches) == ["1"] * len(
        matches
    )
    invalid = VECTORS["filter_invalid"]
    assert ask(f"P {to_hex(text)}" for text in invalid) == ["0"] * len(invalid)


PIECES: Final = [
    *(b"START", b"END", b"|", b" | ", b"=", b"\n", b" | END\r\n", b" ", b"\t", b"\r"),
    *(b"START | COMMAND=PUB | VARIABLE=a/b", b" | VALUE=1", b" | END\n", b" | END"),
    *(b"START|COMMAND=A|END", b"command=x", b"key", b"\\u00b0", b"\x00", b"\xff"),
    *(b" | END\r", b" | END\x00"),
    *(b"STARTED", b"ENDING", b"END=1", b"K=v", b"v" * 50),
]


def test_framing_as_the_broker_does(ask: Ask) -> None:
    """Random bytes, in random chunks, are the same messages and the same errors to broker and node."""
    source = random.Random(20261122)
    cases = [
        [
            b"".join(source.choice(PIECES) for _ in range(source.randrange(1, 20)))
            for _ in range(source.randrange(1, 4))
        ]
        for _ in range(10000)
    ]
    messages = 0
    for case, answer in zip(cases, ask(map(frame_request, cases)), strict=True):
        wants = reference(case)
        assert outcomes(answer) == wants, case
        messages += sum(isinstance(item, tuple) for item in wants)
    assert messages > 500


CHARACTERS: Final = [
    *(chr(code) for code in range(0x21)),
    *"|\\/=+#$%abcABCnrtu019~\x7f\x80\xa0°ß½€\u2028\ufffd\uffff😀\U0010ffff",
]


def test_values_and_names_as_the_broker_does(ask: Ask) -> None:
    """Random texts and names are the same to broker and node."""
    source = random.Random(7883)
    texts = [
        "".join(source.choice(CHARACTERS) for _ in range(source.randrange(12)))
        for _ in range(2000)
    ]
    assert [from_hex(raw) for raw in ask(f"E {to_hex(text)}" for text in texts)] == [
        wire.encode(text) for text in texts
    ]
    raws = [
        "".join(
            source.choice(["\\", "u", "d83d", "DE00", "00b0", "n", "x", " "])
            for _ in range(source.randrange(9))
        )
        for _ in range(2000)
    ]
    assert [from_hex(text) for text in ask(f"D {to_hex(raw)}" for raw in raws)] == [
        wire.decode(raw) for raw in raws
    ]
    some = [
        "".join(source.choice("ab/+#$ |\\é") for _ in range(source.randrange(8)))
        for _ in range(3000)
    ]
    some += [
        "x" * 64,
        "x" * 65,
        "x" * 255,
        "x" * 256,
        *("/".join("a" * levels) for levels in (16, 17, 128)),
        *("/".join("+" * levels) for levels in (16, 17, 128)),
        "*",
        "homeassistant",
        "HomeAssistant",
    ]
    for letter, judge in (
        ("V", names.is_variable_name),
        ("I", names.is_device_id),
        ("P", names.is_filter),
    ):
        assert ask(f"{letter} {to_hex(name)}" for name in some) == [
            str(int(judge(name))) for name in some
        ]
    filters = [name for name in some if names.is_filter(name)]
    variables = [name for name in some if names.is_variable_name(name)]
    pairs = [(source.choice(filters), source.choice(variables)) for _ in range(3000)]
    assert ask(f"X {to_hex(one)} {to_hex(two)}" for one, two in pairs) == [
        str(int(names.filter_matches(*pair))) for pair in pairs
    ]


def test_invalid_utf8_becomes_the_replacement_character(ask: Ask) -> None:
    """What a lambda may hand over is always something that the wire can carry."""
    broken = [
        b"\xff",
        b"a\xc3",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
    ]
    for data, answer in zip(
        broken, ask(f"E {data.hex()}" for data in broken), strict=True
    ):
        raw = from_hex(answer)
        assert raw.isascii()
        assert "\\ufffd" in raw, data


def test_lists(ask: Ask) -> None:
    """A comma inside an item of a list is escaped, so that the reader can split before it unescapes."""
    items = ["plain", "one, two", " edge ", "a|b", "50 °C"]
    (answer,) = ask([f"L {' '.join(map(to_hex, items))}"])
    raw = from_hex(answer)
    assert raw == r"plain,one\u002c two,\u0020edge\u0020,a\u007cb,50 \u00b0C"
    assert [wire.decode(item) for item in raw.split(",")] == items


def test_times(ask: Ask) -> None:
    """TIME is read as the broker writes it, through leap years; anything else is none."""
    source = random.Random(1)
    seconds = [0, 951782400, 951868799, 1709164800, 4107542400] + [
        source.randrange(1_500_000_000, 4_000_000_000) for _ in range(500)
    ]
    assert ask(f"T {to_hex(wire.encode_time(value))}" for value in seconds) == [
        str(value * 1000) for value in seconds
    ]
    wrong = ["", "yesterday", "2026-13-01T00:00:00.000Z", "2026-11-22T19:50:00Z"]
    assert ask(f"T {to_hex(text)}" for text in wrong) == ["-"] * len(wrong)


def test_hostile_bytes(harness: Path) -> None:
    """Random bytes break no invariant of the wire code, random use none of the outbox."""
    for seed in range(4):
        done = subprocess.run(
            [harness, "fuzz", str(seed), "4000"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
