"""Starts a real Home Assistant with TextMQ, a demo client and an ESPHome node, and says what to try, until Ctrl-C."""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
import fcntl
import os
from pathlib import Path
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from .home_assistant import PASSWORD, RESTART, USER, HomeAssistant

ROOT = Path(__file__).parents[1]
CLIENT = Path(__file__).parent / "demo_client.py"
NODE = ROOT / "esphome" / "examples" / "demo.yaml"
COMPONENTS = ROOT / "esphome" / "components"
FLOWS = "/api/config/config_entries/flow"
# Seconds to wait for a device's discovery card.
PATIENCE = 60

GUIDE = """
  Home Assistant   {url}
  user             {user}
  password         {password}
  logs             {folder}

Five things to try. The lines that begin with START are for a connection of your own: nc 127.0.0.1 {port}

1. See the devices Demo, a plain client, and Demo node, made with ESPHome: Settings > Devices & services > TextMQ. They
   publish readings of this machine. Switch on Heating of Demo node: its Temperature goes up to Target.
2. Ask to be let in. A card appears under Settings > Devices & services; press Add, and OK comes back on the connection:
START | COMMAND=ID | ID=kitchen | NAME=Kitchen | KEEPALIVE=3600 | END
3. Publish (that needs 2): an entity appears at once.
START | COMMAND=PUB | VARIABLE=kitchen/temperature | VALUE=21.5 | END
START | COMMAND=DEF | VARIABLE=kitchen/temperature | TYPE=sensor | NAME=Temperature | UNIT=\\u00b0C | CLASS=temperature | END
4. Watch everything that the node publishes, and turn its heating on and off:
START | COMMAND=SUB | VARIABLE=demo-node/# | END
START | COMMAND=PUB | VARIABLE=demo-node/heating/set | VALUE=TOGGLE | RETAIN=NO | END
5. Send messages: to the demo client, which answers, to the node, which shows it as Last message, and to Home Assistant,
   where an event entity shows it.
START | COMMAND=MSG | DEVICE=demo | VALUE=ping | END
START | COMMAND=MSG | DEVICE=demo-node | VALUE=Hello | END
START | COMMAND=MSG | DEVICE=homeassistant | VALUE=Hello | END

Ctrl-C stops all. What you did is kept for the next time, unless you say --fresh.
"""


class DemoError(Exception):
    """What is told to the person in a line, without a traceback."""


@dataclass(frozen=True)
class Device:
    """A process that connects to the broker, and the words of its log that say that it is let in."""

    id: str
    command: Sequence[str | Path]
    log: Path
    let_in: str


def check_port(port: int, option: str) -> None:
    """Raise DemoError where somebody else listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"Port {port} is taken; {option} takes another. ({error.strerror})"
            ) from None


def add_integration(home_assistant: HomeAssistant, port: int) -> None:
    """Add TextMQ as a person would, with what the form proposes, on this machine alone."""
    form = home_assistant.post(FLOWS, {"handler": "textmq"})
    result = submit(home_assistant, form, host="127.0.0.1", port=port)
    if result["type"] != "create_entry":
        raise DemoError(
            f"TextMQ could not be added: {result.get('errors') or result.get('reason')}"
        )


def submit(home_assistant: HomeAssistant, form: dict[str, Any], **values: Any) -> Any:
    """Fill in the form of a flow, with its own proposals but for `values`, and return what comes next."""
    data = {}
    for field in form["data_schema"]:
        proposal = field.get(
            "default", (field.get("description") or {}).get("suggested_value")
        )
        value = values.get(field["name"], proposal)
        if value is not None:
            data[field["name"]] = value
    return home_assistant.post(f"{FLOWS}/{form['flow_id']}", data)


def is_added(home_assistant: HomeAssistant) -> bool:
    """Whether TextMQ is there from the last time."""
    entries = home_assistant.get("/api/config/config_entries/entry?domain=textmq")
    return any(entry["source"] != "ignore" for entry in entries)


def let_in(home_assistant: HomeAssistant, device: Device) -> None:
    """Wait until a device is let in, and press Add on its card if there is one."""
    deadline = time.monotonic() + PATIENCE
    while device.let_in not in device.log.read_text():
        for flow in home_assistant.command("config_entries/flow/progress"):
            if (
                flow["handler"] == "textmq"
                and flow["context"].get("unique_id") == device.id
            ):
                submit(home_assistant, home_assistant.get(f"{FLOWS}/{flow['flow_id']}"))
        if time.monotonic() > deadline:
            raise DemoError(
                f"The device {device.id} is not let in. Is it ignored? --fresh starts anew."
            )
        time.sleep(0.2)


def build_node(esphome: Path, folder: Path, port: int) -> Path:
    """Build the node as a program of this machine, and return its path; quick where nothing has changed."""
    folder.mkdir(exist_ok=True)
    shutil.copy(NODE, folder)
    values = {"host": "127.0.0.1", "port": str(port), "component": str(COMPONENTS)}
    options = [word for item in values.items() for word in ("-s", *item)]
    log = folder / "build.log"
    print("Building the ESPHome node ...", flush=True)
    with log.open("w") as output:
        code = subprocess.call(
            [esphome, *options, "compile", NODE.name],
            cwd=folder,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    if code:
        raise DemoError(f"The ESPHome node could not be built, see {log}")
    return folder / ".esphome/build/demo-node/.pioenvs/demo-node/program"


def start(device: Device, folder: Path, stack: ExitStack) -> subprocess.Popen[bytes]:
    """Start a device, which ends with the stack; what it remembers is kept in the folder."""
    log = stack.enter_context(device.log.open("w"))
    process = subprocess.Popen(
        device.command,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "ESPHOME_PREFDIR": str(folder)},
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process


def run(arguments: argparse.Namespace, stack: ExitStack) -> None:
    """Start everything, and watch over it until a signal comes."""
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    lock = stack.enter_context((folder / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DemoError("It already runs.") from None
    check_port(arguments.http_port, "--http-port")
    check_port(arguments.port, "--port")
    config = folder / "config"
    if arguments.fresh:
        shutil.rmtree(config, ignore_errors=True)

    devices = (
        Device(
            id="demo",
            command=(
                *(sys.executable, CLIENT, "--id", "demo"),
                *("--port", str(arguments.port)),
            ),
            log=folder / "demo_client.log",
            let_in="Let in",
        ),
        Device(
            id="demo-node",
            command=(build_node(arguments.esphome, folder / "node", arguments.port),),
            log=folder / "demo_node.log",
            let_in="Connected to",
        ),
    )
    print("Starting Home Assistant ...", flush=True)
    home_assistant = HomeAssistant(config, arguments.http_port)
    stack.callback(home_assistant.stop)
    home_assistant.start()
    home_assistant.wait_until_running()
    if not is_added(home_assistant):
        add_integration(home_assistant, arguments.port)

    processes = [(device, start(device, folder / "node", stack)) for device in devices]
    for device in devices:
        let_in(home_assistant, device)

    print(
        GUIDE.format(
            url=home_assistant.url,
            user=USER,
            password=PASSWORD,
            folder=", ".join(
                map(str, (home_assistant.log, *(one.log for one in devices)))
            ),
            port=arguments.port,
        ),
        flush=True,
    )
    while True:
        time.sleep(0.5)
        if home_assistant.exit_code == RESTART:
            home_assistant.start()
        elif (code := home_assistant.exit_code) is not None:
            raise DemoError(
                f"Home Assistant has ended with {code}, see {home_assistant.log}"
            )
        for device, process in processes:
            if process.poll() is not None:
                raise DemoError(f"The device {device.id} has ended, see {device.log}")


def main() -> int:
    """Run until a signal or an error, then stop what was started."""
    parser = argparse.ArgumentParser(prog="scripts/run", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=7883, help="the broker's port (7883)"
    )
    parser.add_argument(
        "--http-port", type=int, default=8123, help="Home Assistant's port (8123)"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="forget what was done the last time"
    )
    parser.add_argument(
        "--esphome",
        type=Path,
        default=os.environ.get("TEXTMQ_ESPHOME", "esphome"),
        help=argparse.SUPPRESS,
    )
    parser.add_argument("--folder", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            stack.callback(print, "Stopped.", flush=True)
            run(arguments, stack)
    except KeyboardInterrupt:
        return 0
    except (DemoError, RuntimeError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
