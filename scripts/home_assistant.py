"""A real Home Assistant as a process of its own: made ready, started, used over its API, stopped.

Not the test harness: the program that people run, with its frontend, for trying things out and for tests in a browser.
"""

import asyncio
import base64
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen
import uuid

import aiohttp
import bcrypt

ROOT = Path(__file__).parents[1]
STUBS = Path(__file__).parent / "stubs"
STUBBED = "pymicro-vad,pyspeex-noise"
USER = "owner"
PASSWORD = "textmq"
# How Home Assistant says that it wants to be started again (homeassistant.const.RESTART_EXIT_CODE).
RESTART = 100
# Seconds, on a slow machine with much to do.
START_TIMEOUT = 180
STOP_TIMEOUT = 60

# Only what is needed: default_config would go looking for devices, and out to the internet.
CONFIGURATION = """\
automation: !include automations.yaml
config:
frontend:
history:
logbook:
my:
recorder:
script: !include scripts.yaml
system_health:
logger:
  default: warning
  logs:
    custom_components.textmq: {level}
"""
CONFIGURED = tuple(
    line.partition(":")[0] for line in CONFIGURATION.splitlines() if line[0] != " "
)

_RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\d \S+ [A-Z]+ \()", re.MULTILINE)
"""The beginning of a record of the log; a traceback goes on over many lines."""
_TROUBLE = re.compile(r"\S+ \S+ (WARNING|ERROR|CRITICAL) ")
_TIME_AND_THREAD = re.compile(r"\S+ \S+ (\w+) \([^)]*\)")
_EXPECTED = ("has not been tested by Home Assistant", "[asyncio] Executing ")
"""What is said of every custom integration, and what asyncio's debug mode says of a machine that is busy."""


def troubles(log: str) -> list[str]:
    """Return the records of a log at WARNING or above, each whole, without its time."""
    # The paths of the interpreter's own files may hold the project's name too.
    for path in (sys.prefix, sys.base_prefix):
        log = log.replace(path, "")
    return [
        _TIME_AND_THREAD.sub(r"\1", record, count=1).strip()
        for record in _RECORD.split(log)
        if (_TROUBLE.match(record) or "inside the event loop" in record)
        and not any(text in record for text in _EXPECTED)
    ]


def faults(log: str) -> list[str]:
    """Return those that name TextMQ, or a call that blocks the event loop."""
    return [
        record
        for record in troubles(log)
        if "textmq" in record or "inside the event loop" in record
    ]


class HomeAssistant:
    """One Home Assistant with a folder for its configuration, on 127.0.0.1.

    Its owner is USER, with PASSWORD. What was done before in the folder is still there at the next start.
    """

    def __init__(
        self,
        config: Path,
        port: int,
        *,
        debug: bool = False,
        environment: dict[str, str] | None = None,
    ) -> None:
        """Take a configuration folder, which may be new, and the port of the frontend."""
        self.config = config
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = config / "home-assistant.log"
        self.tokens: dict[str, Any] = {}
        self._debug = debug
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting until it runs.

        Environment, output and bytecode are set so that nothing is compiled twice and no signal of a terminal reaches it.
        """
        self._prepare()
        self.tokens = {}
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
        }
        command = [
            sys.executable,
            "-m",
            "homeassistant",
            "--config",
            str(self.config),
            "--log-no-color",
        ]
        command += ["--skip-pip-packages", STUBBED]
        if self._debug:
            command.append("--debug")
        with (self.config / "output.log").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=environment | {"PYTHONPATH": str(STUBS)} | self._environment,
            )

    def wait_until_running(self) -> None:
        """Wait until it has started, and log in.

        Raises RuntimeError where it ends instead, TimeoutError where it does neither.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if (code := self.exit_code) is not None:
                output = (self.config / "output.log").read_text(errors="replace")
                raise RuntimeError(
                    f"Home Assistant ended with {code}:\n{output[-3000:]}"
                )
            try:
                if not self.tokens:
                    self.log_in()
                if self.get("/api/config")["state"] == "RUNNING":
                    return
            except HTTPError:
                raise
            except URLError, ConnectionError, TimeoutError:
                pass
            time.sleep(0.1)
        raise TimeoutError("Home Assistant does not start")

    def log_in(self) -> None:
        """Get tokens as the frontend does, by user and password."""
        client_id = f"{self.url}/"
        flow = self.post(
            "/auth/login_flow",
            {
                "client_id": client_id,
                "handler": ["homeassistant", None],
                "redirect_uri": client_id,
            },
        )
        result = self.post(
            f"/auth/login_flow/{flow['flow_id']}",
            {"client_id": client_id, "username": USER, "password": PASSWORD},
        )
        form = {
            "client_id": client_id,
            "grant_type": "authorization_code",
            "code": result["result"],
        }
        self.tokens = self._request(
            Request(f"{self.url}/auth/token", urlencode(form).encode())
        )

    @property
    def exit_code(self) -> int | None:
        """What it ended with, None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> int:
        """End it as a service manager would, and return its exit code; a second call changes nothing."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT)
        finally:
            self._process.kill()

    def get(self, path: str) -> Any:
        """Return what the API has at a path."""
        return self._request(Request(self.url + path))

    def post(self, path: str, data: Mapping[str, Any]) -> Any:
        """Send JSON to a path of the API and return its answer."""
        headers = {"Content-Type": "application/json"}
        return self._request(
            Request(self.url + path, json.dumps(data).encode(), headers, method="POST")
        )

    def command(self, name: str, **data: Any) -> Any:
        """Send a command of the WebSocket API and return its result.

        Raises RuntimeError where Home Assistant answers with an error.
        """
        command = self._command({"id": 1, "type": name} | data)
        # In a thread of its own: a browser that is driven has an event loop in this one.
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(asyncio.run, command).result()

    async def _command(self, command: Mapping[str, Any]) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.url}/api/websocket") as connection,
        ):
            await connection.receive_json()
            await connection.send_json(
                {"type": "auth", "access_token": self.tokens["access_token"]}
            )
            await connection.receive_json()
            await connection.send_json(command)
            answer = await connection.receive_json()
        if not answer["success"]:
            raise RuntimeError(f"{command['type']}: {answer['error']['message']}")
        return answer["result"]

    def _request(self, request: Request) -> Any:
        if self.tokens:
            request.add_header("Authorization", f"Bearer {self.tokens['access_token']}")
        try:
            with urlopen(request, timeout=30) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                error.add_note(error.read().decode(errors="replace"))
            raise

    def _prepare(self) -> None:
        """Lay out the folder: this checkout's integration, the port, and the first time an owner and a finished onboarding."""
        storage = self.config / ".storage"
        new = not storage.exists()
        storage.mkdir(parents=True, exist_ok=True)
        integrations = self.config / "custom_components"
        integrations.unlink(missing_ok=True)
        integrations.symlink_to(ROOT / "custom_components")
        self._store("http", 2, 2, _http(self.port))
        if not new:
            return
        level = "debug" if self._debug else "info"
        (self.config / "configuration.yaml").write_text(
            CONFIGURATION.format(level=level)
        )
        (self.config / "automations.yaml").write_text("[]\n")
        (self.config / "scripts.yaml").write_text("{}\n")
        self._store(
            "onboarding",
            4,
            1,
            {"done": ["user", "core_config", "analytics", "integration"]},
        )
        self._store("core.config", 1, 4, CORE)
        self._store("auth", 1, 1, _auth())
        hashed = base64.b64encode(
            bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4))
        ).decode()
        self._store(
            "auth_provider.homeassistant",
            1,
            1,
            {"users": [{"username": USER, "password": hashed}]},
        )

    def _store(
        self, key: str, version: int, minor_version: int, data: Mapping[str, Any]
    ) -> None:
        content = {
            "version": version,
            "minor_version": minor_version,
            "key": key,
            "data": data,
        }
        (self.config / ".storage" / key).write_text(json.dumps(content))


CORE = {
    "latitude": 52.1,
    "longitude": 5.2,
    "elevation": 0,
    "unit_system_v2": "metric",
    "location_name": "Home",
    "time_zone": "UTC",
    "external_url": None,
    "internal_url": None,
    "currency": "EUR",
    "country": "NL",
    "language": "en",
    "radius": 100,
}


def _http(port: int) -> dict[str, Any]:
    """Return the stored settings of the frontend's server; in configuration.yaml they would be a trial that is undone."""
    settings = {
        "server_host": ["127.0.0.1"],
        "server_port": port,
        "cors_allowed_origins": [],
        "login_attempts_threshold": -1,
        "ip_ban_enabled": False,
        "ssl_profile": "modern",
        "use_x_frame_options": True,
        "created_at": datetime.now(UTC).isoformat(),
        "error": None,
        "error_message": None,
    }
    return {"stable": settings, "pending": None, "yaml_migration_done": True}


def _auth() -> dict[str, Any]:
    """Return the stored accounts: one owner, who logs in with a password."""
    owner = uuid.uuid4().hex
    return {
        "users": [
            {
                "id": owner,
                "group_ids": ["system-admin"],
                "is_owner": True,
                "is_active": True,
                "name": "Owner",
                "system_generated": False,
                "local_only": False,
            }
        ],
        "groups": [
            {"id": group, "name": group}
            for group in ("system-admin", "system-users", "system-read-only")
        ],
        "credentials": [
            {
                "id": uuid.uuid4().hex,
                "user_id": owner,
                "auth_provider_type": "homeassistant",
                "auth_provider_id": None,
                "data": {"username": USER},
            }
        ],
        "refresh_tokens": [],
    }
