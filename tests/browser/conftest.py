"""A real Home Assistant and a real browser, which have to be content at the end: no error in any log or console."""

from collections.abc import Callable, Iterator
import json
import os
from pathlib import Path
import shutil
import socket
import time

from playwright.sync_api import ConsoleMessage, Page, Playwright, Route, sync_playwright
import pytest

from scripts.home_assistant import HomeAssistant, faults
from tests.broker.client import Client

ARTIFACTS = Path(os.environ.get("TEXTMQ_ARTIFACTS", "artifacts")) / "browser"
BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What the frontend itself logs when a page is left while it waits for something.
HARMLESS = "disconnected"
PATIENCE = 120

type Screenshot = Callable[[str], None]
type Connect = Callable[[], Client]


def wait_for[T](condition: Callable[[], T], what: str) -> T:
    """Return the first true value of a condition, fail where it does not become true."""
    deadline = time.monotonic() + PATIENCE
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.1)
    return result


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """A new folder for what people may want to look at afterwards."""
    shutil.rmtree(ARTIFACTS, ignore_errors=True)
    ARTIFACTS.mkdir(parents=True)
    return ARTIFACTS


@pytest.fixture(scope="session")
def home_assistant(
    tmp_path_factory: pytest.TempPathFactory, artifacts: Path
) -> Iterator[HomeAssistant]:
    """A running Home Assistant without TextMQ; at the end it stops in good order and its log names no fault of ours."""
    home_assistant = HomeAssistant(
        tmp_path_factory.mktemp("home_assistant"),
        free_port(),
        debug=True,
        environment={"PYTHONWARNINGS": "default::ResourceWarning"},
    )
    try:
        home_assistant.start()
        home_assistant.wait_until_running()
        yield home_assistant
    finally:
        exit_code = home_assistant.stop()
        shutil.copy(home_assistant.log, artifacts)
    assert exit_code == 0
    assert faults(home_assistant.log.read_text()) == []


@pytest.fixture(scope="session")
def broker_port() -> int:
    """The port on which TextMQ listens."""
    return free_port()


@pytest.fixture
def connect(broker_port: int) -> Iterator[Connect]:
    """Connect clients, which are closed with the test."""
    clients: list[Client] = []

    def connect() -> Client:
        clients.append(Client(("127.0.0.1", broker_port), timeout=60))
        return clients[-1]

    yield connect
    for client in clients:
        client.drop()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What starts browsers: one for all tests, because a thread can't have two."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def page(home_assistant: HomeAssistant, playwright: Playwright) -> Iterator[Page]:
    """A browser's page, logged in; at the end its console has shown no error."""
    tokens = home_assistant.tokens | {
        "hassUrl": home_assistant.url,
        "clientId": f"{home_assistant.url}/",
        "expires": int((time.time() + home_assistant.tokens["expires_in"]) * 1000),
    }
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and message.text != HARMLESS:
            errors.append(f"{message.text} {message.location}")

    def brands(route: Route) -> None:
        # Images of other integrations would come from the internet.
        if "/textmq/" in route.request.url:
            route.continue_()
        else:
            route.fulfill(status=204)

    browser = playwright.chromium.launch(
        executable_path=os.environ.get("TEXTMQ_CHROMIUM") or shutil.which("chromium"),
        args=BROWSER_OPTIONS,
    )
    context = browser.new_context(
        viewport={"width": 1280, "height": 1000}, reduced_motion="reduce"
    )
    context.add_init_script(
        f"location.host && localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})"
    )
    context.route("**/api/brands/**", brands)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("console", note)
    page.on(
        "pageerror",
        lambda error: errors.append(str(error)) if str(error) != HARMLESS else None,
    )
    yield page
    page.goto("about:blank")
    browser.close()
    assert not errors


@pytest.fixture
def screenshot(page: Page, artifacts: Path) -> Screenshot:
    """Keep what the page shows, by a name."""

    def screenshot(name: str) -> None:
        page.screenshot(path=artifacts / f"{name}.png")

    return screenshot


@pytest.fixture(autouse=True)
def last_sight(request: pytest.FixtureRequest, artifacts: Path) -> Iterator[None]:
    """Keep what the page showed when a test ended, whether or not it failed."""
    page = request.getfixturevalue("page") if "page" in request.fixturenames else None
    yield
    if page is not None:
        page.screenshot(path=artifacts / f"{request.node.name}.png")
