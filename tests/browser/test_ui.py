"""From an empty Home Assistant to a device that is let in, shown, commanded and automated, all by hand.

The tests follow each other, as a person's first hour would.
"""

import base64
import re
import time

from playwright.sync_api import Locator, Page, expect
import pytest

from scripts.home_assistant import HomeAssistant
from tests.broker.client import Client
from tests.broker.encryption import EncryptedClient, client_context, key_of

from .conftest import Connect, Screenshot, wait_for

INTEGRATION = "/config/integrations/integration/textmq"
DASHBOARD = "/config/integrations/dashboard"
AUTOMATION = "automation.light_at_the_door"


def dialog(page: Page) -> Locator:
    """Return the dialog of a config flow."""
    return page.locator("dialog-data-entry-flow")


def submit(page: Page) -> None:
    """Press the button that takes the form of a config flow."""
    dialog(page).locator('ha-button[slot="primaryAction"]').click()


def test_add_integration(
    home_assistant: HomeAssistant, page: Page, broker_port: int, screenshot: Screenshot
) -> None:
    """A port that is taken is said to be taken; with another the broker listens, and the first device is next."""
    started = time.monotonic()
    page.goto(home_assistant.url + DASHBOARD)
    page.locator("ha-button").filter(has_text="Add integration").last.click()
    page.locator("dialog-add-integration input").first.fill("TextMQ")
    page.locator("dialog-add-integration ha-integration-list-item").filter(
        has_text="TextMQ"
    ).first.click()

    form = dialog(page)
    port = form.get_by_role("spinbutton", name="Port")
    expect(port).to_have_value("7883")
    expect(form).to_contain_text("Which devices can connect")
    port.fill(str(home_assistant.port))
    submit(page)
    expect(form).to_contain_text("Another program listens on this port already")
    screenshot("port_in_use")

    port.fill(str(broker_port))
    submit(page)
    expect(form).to_contain_text("Add a device by its ID")
    expect(form).to_contain_text(f"port {broker_port}")
    screenshot("add_device_next")
    form.get_by_role("textbox", name="Device ID").fill("porch")
    submit(page)
    expect(form).to_contain_text("encryption:")
    key = re.search(r"key: (\S{44})", form.locator("pre").inner_text())
    assert key
    submit(page)
    finish(page)
    context = client_context("porch", base64.b64decode(key[1]))
    with EncryptedClient(("127.0.0.1", broker_port), context) as client:
        client.ok("ID", ID="porch")
        client.ok("PUB", VARIABLE="porch/temperature", VALUE="12.5")
        open_device(home_assistant, page, "porch")
        expect(
            page.locator("ha-device-entities-card").filter(has_text="Sensors")
        ).to_contain_text("12.5")
        print(f"The first value after {time.monotonic() - started:.0f} s")  # noqa: T201
    screenshot("first_value")
    page.goto(home_assistant.url + INTEGRATION)
    expect(
        page.locator("ha-config-entry-row").filter(has_text="TextMQ").first
    ).to_be_visible()
    screenshot("integration")


def finish(page: Page) -> None:
    """Leave the last page of a flow, whatever it asks about new devices."""
    dialog(page).locator("ha-button").filter(has_text="finish").locator(
        "visible=true"
    ).last.click()
    # The frontend goes back in its history when a dialog has closed, which ends any other navigation.
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.wait_for_function("() => !history.state?.dialog")


def test_approve_device(
    home_assistant: HomeAssistant,
    page: Page,
    connect: Connect,
    screenshot: Screenshot,
) -> None:
    """An unknown device becomes a card; Add lets it in on the connection that waits."""
    client = connect()
    client.send("ID", ID="garden", NAME="Garden", MODEL="Bed 3")
    page.goto(home_assistant.url + DASHBOARD)
    card = page.locator("ha-config-flow-card").filter(has_text="Garden")
    expect(card).to_be_visible()
    screenshot("card")
    card.locator("ha-button").filter(has_text="Add").click()
    form = dialog(page)
    expect(form).to_contain_text("Bed 3")
    name = form.get_by_role("textbox", name="Name")
    expect(name).to_have_value("Garden")
    name.fill("Vegetable garden")
    screenshot("approve")
    submit(page)
    expect(form).to_contain_text("Vegetable garden has been added")
    assert client.answer().command == "OK"
    screenshot("approved")


def open_device(home_assistant: HomeAssistant, page: Page, name: str) -> None:
    """Go to the page of a device by way of the integration's."""
    page.goto(home_assistant.url + INTEGRATION)
    page.locator("ha-config-entry-device-row").filter(has_text=name).click()
    expect(page.get_by_text("Download diagnostics")).to_be_visible()


def test_device_page(
    home_assistant: HomeAssistant,
    page: Page,
    connect: Connect,
    screenshot: Screenshot,
) -> None:
    """What a device publishes is on its page at once, and changes while one looks."""
    open_device(home_assistant, page, "Vegetable garden")
    client = connect()
    client.ok("ID", ID="garden")
    client.ok("PUB", VARIABLE="garden/temperature", VALUE="21.5")
    client.ok(
        "DEF",
        VARIABLE="garden/temperature",
        TYPE="sensor",
        NAME="Temperature",
        UNIT="\\u00b0C",
        CLASS="temperature",
    )
    sensors = page.locator("ha-device-entities-card").filter(has_text="Sensors")
    expect(sensors).to_contain_text("Temperature")
    expect(sensors).to_contain_text("21.5 °C")
    client.ok("PUB", VARIABLE="garden/temperature", VALUE="-3.5")
    expect(sensors).to_contain_text("-3.5 °C")
    client.ok("MSG", DEVICE="homeassistant", VALUE="hello")
    expect(
        page.locator("ha-device-entities-card").filter(has_text="Events")
    ).to_contain_text("second")
    screenshot("device")


def test_push_button(
    home_assistant: HomeAssistant,
    page: Page,
    connect: Connect,
    screenshot: Screenshot,
) -> None:
    """A press on "Allow new devices" lets in who waits and who comes."""
    early, late = connect(), connect()
    early.send("ID", ID="shed")
    open_device(home_assistant, page, "Broker")
    page.get_by_role("button", name="Press").click()
    assert early.answer().command == "OK"
    diagnostic = page.locator("ha-device-entities-card").filter(
        has_text="New devices allowed"
    )
    expect(diagnostic).to_contain_text("On")
    late.ok("ID", ID="attic")
    screenshot("push_button")


def test_add_encrypted_device(
    home_assistant: HomeAssistant,
    page: Page,
    broker_port: int,
    screenshot: Screenshot,
) -> None:
    """A device that is added by hand gets in with the key that the page shows, and by it alone."""
    page.goto(home_assistant.url + INTEGRATION)
    page.get_by_role("button", name="Add device").first.click()
    form = dialog(page)
    form.get_by_role("textbox", name="Device ID").fill("lock")
    form.get_by_role("textbox", name="Name").fill("Front door")
    submit(page)
    expect(form).to_contain_text("encryption:")
    expect(form.locator("ha-qr-code")).to_be_visible()
    screenshot("key")
    shown = re.search(r"key: (\S{44})", form.locator("pre").inner_text())
    assert shown
    submit(page)
    finish(page)

    address = ("127.0.0.1", broker_port)
    key = base64.b64decode(shown[1])
    with EncryptedClient(address, client_context("lock", key)) as client:
        client.ok("ID", ID="lock")
        client.ok("PUB", VARIABLE="lock/door", VALUE="shut")
        open_device(home_assistant, page, "Front door")
        expect(
            page.locator("ha-device-entities-card").filter(has_text="Sensors")
        ).to_contain_text("shut")
    with Client(address) as client:
        client.bad("key-required", "ID", ID="lock")
    screenshot("encrypted_device")


def test_card_of_encrypted_device(
    home_assistant: HomeAssistant,
    page: Page,
    broker_port: int,
    screenshot: Screenshot,
) -> None:
    """A device with a key that is not known here becomes a card; once its key is entered it gets in."""
    address = ("127.0.0.1", broker_port)
    context = client_context("safe")
    with pytest.raises(OSError):
        EncryptedClient(address, context)
    page.goto(home_assistant.url + DASHBOARD)
    card = page.locator("ha-config-flow-card").filter(has_text="safe")
    expect(card).to_contain_text("🔒")
    card.locator("ha-button").filter(has_text="Add").click()
    form = dialog(page)
    key = form.locator("input[type=password]")
    key.fill("secret")
    submit(page)
    expect(form).to_contain_text("base64")
    key.fill(base64.b64encode(key_of("safe")).decode())
    screenshot("enter_key")
    submit(page)
    expect(form).to_contain_text("safe")
    with EncryptedClient(address, context) as client:
        client.ok("ID", ID="safe")


def fill_publish(page: Page, variable: str, value: str) -> None:
    """Fill in the fields of the action Publish, one after the other has been taken."""
    fields = page.locator("ha-service-control")
    expect(fields.get_by_role("switch")).to_be_checked()
    for number, text in enumerate((variable, value)):
        field = fields.get_by_role("textbox").nth(number)
        field.fill(text)
        field.blur()
        expect(field).to_have_value(text)


def test_action(
    home_assistant: HomeAssistant,
    page: Page,
    connect: Connect,
    screenshot: Screenshot,
) -> None:
    """An action that is performed by hand reaches a device."""
    client = connect()
    client.ok("ID", ID="garden")
    client.ok("SUB", VARIABLE="garden/pump/set")
    page.goto(home_assistant.url + "/config/tools/action")
    page.locator("ha-service-picker").click()
    page.get_by_placeholder("Search").last.fill("textmq.publish")
    page.locator("ha-combo-box-item").filter(has_text="textmq.publish").click()
    fill_publish(page, "garden/pump/set", "ON")
    screenshot("action")
    page.get_by_role("button", name="Perform action").click()
    client.expect("SUB", VARIABLE="garden/pump/set", VALUE="ON")


def is_on(home_assistant: HomeAssistant, entity_id: str) -> bool:
    """Tell whether an entity is there and on."""
    return any(
        state["entity_id"] == entity_id and state["state"] == "on"
        for state in home_assistant.get("/api/states")
    )


def test_automation(
    home_assistant: HomeAssistant,
    page: Page,
    connect: Connect,
    screenshot: Screenshot,
) -> None:
    """An automation that is put together by hand answers a publish with another."""
    page.goto(home_assistant.url + "/config/automation/edit/new")
    page.get_by_role("button", name="Add trigger").click()
    page.get_by_placeholder("Search").last.fill("TextMQ")
    page.get_by_text(
        "Triggers each time one or more TextMQ variables are published"
    ).click()
    variable = page.locator("ha-automation-sidebar").get_by_role("textbox").first
    variable.fill("garden/door")
    variable.blur()
    expect(variable).to_have_value("garden/door")
    page.get_by_role("button", name="Add action").click()
    page.get_by_placeholder("Search").last.fill("TextMQ")
    page.get_by_text("TextMQ: Publish").click()
    fill_publish(page, "garden/lamp/set", "ON")
    screenshot("automation")
    page.get_by_role("button", name="Save").click()
    save = page.locator("ha-dialog-automation-save")
    save.get_by_role("textbox").first.fill("Light at the door")
    save.get_by_role("button", name="Save").click()
    expect(save).to_be_hidden()
    # The dialog goes when the text is stored; Home Assistant sets the automation up after that.
    wait_for(lambda: is_on(home_assistant, AUTOMATION), "the automation")

    client = connect()
    client.ok("ID", ID="garden")
    client.ok("SUB", VARIABLE="garden/lamp/set")
    client.ok("PUB", VARIABLE="garden/door", VALUE="open")
    client.expect("SUB", VARIABLE="garden/lamp/set", VALUE="ON")


def test_revoke(
    home_assistant: HomeAssistant,
    page: Page,
    connect: Connect,
    screenshot: Screenshot,
) -> None:
    """A device that is deleted is disconnected, and has to ask again."""
    client = connect()
    client.ok("ID", ID="garden")
    page.goto(home_assistant.url + INTEGRATION)
    row = page.locator("ha-config-sub-entry-row").filter(has_text="Vegetable garden")
    row.get_by_role("button", name="Menu", exact=True).first.click()
    page.locator("ha-dropdown-item").filter(has_text="Delete").locator(
        "visible=true"
    ).click()
    page.locator("dialog-box").get_by_role("button", name="Delete").click()
    client.closed("revoked")
    expect(row).to_be_hidden()
    screenshot("revoked")
