"""The README: its ten lines do with a real broker what stands beside them."""

from pathlib import Path
import re

from tests.broker.client import Client
from tests.broker.process import ROOT, BrokerProcess

LINE = re.compile(r"^(START \| COMMAND=(\S+).* \| END)", re.MULTILINE)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_ten_lines(tmp_path: Path) -> None:
    """Each is answered as the protocol says, and does what is said of it."""
    section = README.partition("## The protocol in ten lines")[2].partition("\n## ")[0]
    lines = {command: text for text, command in LINE.findall(section)}
    assert len(lines) == 10
    allowed = ("--allow", "garden", "--allow", "kitchen")
    broker = BrokerProcess(tmp_path / "data", *allowed)
    try:
        with Client(broker.address) as garden, Client(broker.address) as kitchen:
            garden.ok("ID", ID="garden")
            garden.ok("PUB", VARIABLE="garden/rain", VALUE="3")

            def send(command: str) -> None:
                kitchen.send_bytes(f"{lines[command]}\n".encode())

            for command in ("ID", "DEF", "PUB", "SUB"):
                send(command)
                assert kitchen.answer().command == "OK", command
            kitchen.expect("SUB", VARIABLE="garden/rain", VALUE="3", TIME=...)
            heat = garden.get("kitchen/heat")
            assert heat is not None
            assert heat["VALUE"] == "1200"
            garden.ok("PUB", VARIABLE="garden/rain", VALUE="4")
            kitchen.expect("SUB", VARIABLE="garden/rain", VALUE="4")

            send("GET")
            assert kitchen.answer().command == "OK"
            assert kitchen.deliveries.pop()["VALUE"] == "4"
            send("DEL")
            assert kitchen.answer().command == "OK"
            assert garden.get("kitchen/heat") is None
            send("MSG")
            assert kitchen.answer().command == "OK"
            garden.expect("MSG", DEVICE="kitchen", VALUE="water the roses")

            send("HELLO!")
            send("UNSUB")
            assert kitchen.answer().command == "OK"
            garden.ok("PUB", VARIABLE="garden/rain", VALUE="5")
            assert kitchen.fence() == []
            send("CLOSE")
            kitchen.closed()
        broker.check()
    finally:
        assert broker.stop() == 0
