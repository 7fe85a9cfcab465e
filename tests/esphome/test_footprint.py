"""What the component costs on a node: measured, printed, and bounded where a number can't depend on the machine."""

from pathlib import Path
import re
import shutil
import sys

import pytest

from tests.broker.client import Client
from tests.broker.process import BrokerProcess

from .builds import HERE, build_node, node_folder, run
from .conftest import StartNode


@pytest.fixture(scope="module")
def footprint(esphome: Path) -> Path:
    """The node of nodes/footprint.yaml."""
    folder = HERE / "nodes"
    yaml = (folder / "footprint.yaml").read_text(encoding="utf-8")
    headers = [
        folder / name for name in ("control.h", "count_mallocs.h", "footprint.h")
    ]
    return build_node(esphome, "footprint", yaml, *headers)


def code_sizes() -> dict[str, int]:
    """Return code and constants (bytes) of the component's objects, as the last build left them."""
    size = shutil.which("size")
    assert size, "this needs binutils"
    objects = sorted(
        node_folder("footprint").glob("obj/src/esphome/components/textmq/**/*.o")
    )
    assert objects
    return {
        path.name.removesuffix(".cpp.o"): sum(
            int(found[1])
            for found in re.findall(
                r"^\.(text|rodata)\S*\s+(\d+)", run(size, "-A", path), re.MULTILINE
            )
        )
        for path in objects
    }


def test_footprint(
    footprint: Path,
    broker: BrokerProcess,
    start_node: StartNode,
    client: Client,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After its start the client takes nothing from the heap, whatever it sends and receives."""
    node = start_node(broker, name, program=footprint)
    node.wait_connected()
    node.wait_flushed()
    rounds = 2000
    client.ok("PUB", VARIABLE="footprint/measure", VALUE=str(rounds), RETAIN="NO")
    for number in range(rounds):
        client.ok("PUB", VARIABLE="footprint/followed", VALUE=str(number))
    found = node.wait_for_log(r"MEASURED (.*)")
    sizes = node.wait_for_log(r"SIZES (.*)")
    node.wait_state("sensor.followed", str(rounds - 1))
    measured = {
        key: float(value)
        for key, value in re.findall(r"(\w+)=([\d.]+)", f"{found} {sizes}")
    }
    assert measured["mallocs"] == 0
    # Two pointers a subscription and a rule, some numbers, no more.
    assert measured["client"] - measured["buffers"] < 600

    rows = [
        f"  code of {name:24} {size:7} bytes (x86-64, -Os)"
        for name, size in code_sizes().items()
    ]
    rows += [
        f"  client object                    {measured['client']:7.0f} bytes, {measured['buffers']:.0f} of them buffers",
        f"  table of 10 entities             {measured['entities']:7.0f} bytes",
        f"  loop() with a state to send      {measured['busy']:7.1f} µs on average, {measured['longest']:.1f} at most",
        f"  loop() with nothing to do        {measured['idle']:7.2f} µs",
        f"  allocations in {rounds} rounds      {measured['mallocs']:7.0f}",
    ]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(rows) + "\n")
