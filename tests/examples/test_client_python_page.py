"""docs/client-python.md: the program on the page works as it stands there, with a real broker."""

from collections.abc import Iterator
from pathlib import Path
import re
import subprocess
import sys

import pytest

from tests.broker.client import Client
from tests.broker.process import ROOT, BrokerProcess, wait_for

PAGE = (ROOT / "docs" / "client-python.md").read_text(encoding="utf-8")
(PROGRAM,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A broker that knows the page's device and another one."""
    broker = BrokerProcess(tmp_path / "data", "--allow", "garden", "--allow", "kitchen")
    yield broker
    broker.check()
    assert broker.stop() == 0


def test_program(broker: BrokerProcess) -> None:
    """It describes, publishes, follows and answers, and comes back with the same descriptions."""
    host, port = broker.address
    program = PROGRAM.replace('"homeassistant.local"', f'"{host}", {port}')
    assert program != PROGRAM
    for _ in range(2):
        with (
            subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as process,
            Client(broker.address) as kitchen,
        ):
            try:
                kitchen.ok("ID", ID="kitchen")
                wait_for(lambda: kitchen.get("garden/temperature"), "a value")
                value = kitchen.get("garden/temperature")
                assert value is not None and value["VALUE"] == "21.5"
                kitchen.ok("SUB", VARIABLE="garden/+", REPLAY="NO", DEF="YES")
                # The message of the last time comes again, where it was not acknowledged.
                described = {
                    one["VARIABLE"]: one
                    for one in kitchen.fence()
                    if one.command == "DEF"
                }
                assert described["garden/mode"]["OPTIONS"] == "auto,off"
                assert described["garden/temperature"]["UNIT"] == "\\u00b0C"
                kitchen.ok("PUB", VARIABLE="garden/mode/set", VALUE="off", RETAIN="NO")
                told = kitchen.receive()
                assert (told["VARIABLE"], told["VALUE"]) == ("garden/mode", "off")
                kitchen.ok("MSG", DEVICE="garden", VALUE="ping", RE="1", TTL=60)
                told = kitchen.receive()
                assert (told["VALUE"], told["RE"]) == ("pong", "1")
                kitchen.ok("DEL", VARIABLE="garden/temperature")
            finally:
                process.terminate()
