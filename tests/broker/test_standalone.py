"""The broker as a program: start, stop, its port, and its independence of Home Assistant."""

import ast
from contextlib import ExitStack
import os
from pathlib import Path
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from .client import Client, message
from .conftest import Connect, StartBroker
from .process import ENVIRONMENT, INTEGRATION, PATIENCE, SCRIPT, BrokerProcess

BROKER = INTEGRATION / "broker"

ISOLATED = """
import runpy
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"homeassistant", "custom_components", "textmq"}:
            raise ImportError(name)
        return None

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0] = "broker"
runpy.run_module("broker", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def isolated_broker(tmp_path: Path) -> BrokerProcess:
    """The broker's folder alone, in a Python without site-packages."""
    alone = tmp_path / "alone"
    shutil.copytree(
        BROKER, alone / "broker", ignore=shutil.ignore_patterns("__pycache__")
    )
    return BrokerProcess(
        tmp_path / "data",
        *("--access", "open"),
        command=(sys.executable, "-I", "-S", "-c", ISOLATED, str(alone)),
        environment={"PATH": os.environ["PATH"]},
    )


def test_without_home_assistant(
    isolated_broker: BrokerProcess, connect: Connect
) -> None:
    """The broker runs where nothing but the standard library can be imported."""
    device = connect(isolated_broker, "node1")
    device.ok("SUB", VARIABLE="kitchen/temperature")
    device.ok("PUB", VARIABLE="kitchen/temperature", VALUE="21.5")
    device.ok("DEF", VARIABLE="kitchen/temperature", TYPE="sensor")
    assert device.fence() == [
        message("SUB", VARIABLE="kitchen/temperature", VALUE="21.5")
    ]
    isolated_broker.check()
    assert isolated_broker.stop(device) == 0
    assert "kitchen%2Ftemperature.txt" in isolated_broker.files()


def _modules() -> list[Path]:
    return sorted(BROKER.glob("**/*.py"))


@pytest.mark.parametrize("module", _modules(), ids=lambda path: path.name)
def test_imports(module: Path) -> None:
    """Each module imports the standard library and its own package, and nothing else."""
    depth = len(module.relative_to(BROKER).parts)
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= depth, ast.unparse(node)
            names = [node.module] if node.level == 0 and node.module else []
        else:
            continue
        assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_there_are_modules() -> None:
    """The test above has something to look at."""
    assert {"wire.py", "session.py", "broker.py", "__main__.py"} <= {
        m.name for m in _modules()
    }


def test_stop_says_close_to_every_client(
    start_broker: StartBroker, connect: Connect
) -> None:
    """At SIGTERM each client, let in or not, gets CLOSE with the reason; wills are not published."""
    broker = start_broker("--allow", "alpha", "--allow", "beta")
    beta, alpha = connect(broker, "beta"), connect(broker, "alpha")
    alpha.ok("SUB", VARIABLE="#")
    beta.ok("WILL", VARIABLE="beta/state", VALUE="lost")
    silent, waiting = connect(broker), connect(broker)
    waiting.send("ID", ID="stranger")
    for client in (alpha, beta, silent, waiting):
        assert client.fence() == []
    assert broker.stop() == 0
    for client in (alpha, beta, silent, waiting):
        client.closed("shutdown")
    assert broker.files() == {}
    assert "Traceback" not in broker.text


def test_stop_with_a_client_that_does_not_read(
    start_broker: StartBroker, connect: Connect
) -> None:
    """A stuck client holds up neither the stop nor the saving."""
    broker = start_broker("--access", "open")
    stuck = connect(broker, receive_buffer=4096)
    stuck.ok("SUB", VARIABLE="v")
    publisher = connect(broker)
    for number in range(2000):
        publisher.send("PUB", VARIABLE="v", VALUE=f"{number} " + "v" * 3500)
    publisher.answers(2000)
    assert broker.stop() == 0
    assert "VALUE=1999 v" in broker.files()["v.txt"]
    publisher.closed("shutdown")


def test_the_port_can_be_bound_again_at_once(
    start_broker: StartBroker, connect: Connect
) -> None:
    """A restart on the same port works though clients were connected."""
    port = 0
    for _ in range(5):
        broker = start_broker("--access", "open", port=port)
        port = broker.address[1]
        clients = [connect(broker, f"d{i}") for i in range(3)]
        assert broker.stop(*clients) == 0


def test_the_port_is_taken(
    start_broker: StartBroker, tmp_path: Path, connect: Connect
) -> None:
    """Where the port is taken the program says so and ends; the other one is not disturbed."""
    broker = start_broker("--access", "open")
    with pytest.raises(RuntimeError) as caught:
        BrokerProcess(tmp_path / "second", port=broker.address[1])
    assert str(broker.address[1]) in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert connect(broker).fence() == []


@pytest.mark.parametrize(
    "options",
    [
        ("--access", "perhaps"),
        ("--port", "70000"),
        ("--port", "x"),
        ("--keepalive", "-1"),
        ("--keepalive-timeout", "0"),
        ("--save-interval", "soon"),
        ("--allow", "home/assistant"),
        ("--allow", "homeassistant"),
        ("--key", "garden=?"),
        ("--key", "garden=AAAA"),
        ("--no-such-option",),
    ],
    ids=" ".join,
)
def test_wrong_options(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A wrong option ends the program with a sentence that names it, not with a traceback."""
    result = subprocess.run(
        [SCRIPT, "--data", str(tmp_path / "data"), *options],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 2
    assert options[0] in result.stderr
    assert "Traceback" not in result.stderr


def test_stop_while_clients_are_busy(start_broker: StartBroker) -> None:
    """SIGTERM in the middle of traffic: a clean end, files whole, no exception."""
    broker = start_broker("--access", "open")
    clients = [Client(broker.address) for _ in range(5)]

    def chatter(client: Client) -> None:
        with client:
            try:
                while True:
                    client.ok("PUB", VARIABLE="v", VALUE="v" * 1000)
            except AssertionError, OSError:
                return

    threads = [threading.Thread(target=chatter, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    with Client(broker.address) as watcher:
        watcher.ok("SUB", VARIABLE="v")
        watcher.receive()
    assert broker.stop() == 0
    for thread in threads:
        thread.join(PATIENCE)
    assert "Traceback" not in broker.text
    assert broker.files()["v.txt"].endswith(" | END\n")


def test_it_listens_only_where_it_was_told(open_broker: BrokerProcess) -> None:
    """`--host 127.0.0.1` is not reachable under another address of the machine."""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", open_broker.address[1]), timeout=5)


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_it_listens_on_ipv6(tmp_path: Path, connect: Connect) -> None:
    """`--host ::1` serves clients over IPv6."""
    broker = BrokerProcess(tmp_path / "data", "--access", "open", host="::1")
    client = connect(broker, "node1")
    client.ok("MSG", DEVICE="node1", VALUE="hi")
    assert client.fence() == [message("MSG", DEVICE="node1", VALUE="hi")]
    assert broker.stop(client) == 0


def test_more_connections_than_descriptors(tmp_path: Path) -> None:
    """Where the system has no socket left the broker waits, says so briefly, and goes on."""
    few = ("bash", "-c", 'ulimit -n 40; exec "$@"', "bash", str(SCRIPT))
    broker = BrokerProcess(tmp_path / "data", "--access", "open", command=few)
    with ExitStack() as stack:
        first = stack.enter_context(Client(broker.address))
        first.fence()
        crowd = [stack.enter_context(Client(broker.address)) for _ in range(100)]
        first.ok("PUB", VARIABLE="v", VALUE="1")
        for client in crowd:
            client.drop()
        late = stack.enter_context(Client(broker.address))
        assert late.get("v") is not None
        first.ok("PUB", VARIABLE="v", VALUE="2")
        assert broker.stop(first, late) == 0
    assert len(broker.log) < 10, broker.text
    assert "Traceback" not in broker.text
    assert "VALUE=2 |" in broker.files()["v.txt"]
