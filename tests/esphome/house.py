"""A real Home Assistant with TextMQ, as a person and a node find it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import socket
from typing import Any

from scripts.demo import FLOWS, add_integration, submit
from scripts.home_assistant import HomeAssistant, faults
from tests.broker.client import Address
from tests.broker.process import wait_for

# The nodes of the tests have one YAML, whose variable with a name of its own each of them describes.
SHARED = "'pool/level' is described by device"
SUBENTRY_FLOWS = "/api/config/config_entries/subentries/flow"


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class House:
    """A Home Assistant with TextMQ, and what the tests do with it."""

    def __init__(self, folder: Path) -> None:
        """Start it for the first time, and add TextMQ."""
        self.home_assistant = HomeAssistant(folder, free_port())
        self.address: Address = ("127.0.0.1", free_port())
        self.start()
        add_integration(self.home_assistant, self.address[1])

    def start(self) -> None:
        """Start Home Assistant."""
        self.home_assistant.start()
        self.home_assistant.wait_until_running()

    def stop(self) -> None:
        """Stop it in good order."""
        assert self.home_assistant.stop() == 0

    def approve(self, device: str, **values: str) -> None:
        """Press Add on the card of a device, when it is there, and fill in values."""

        def found() -> bool:
            for flow in self.home_assistant.command("config_entries/flow/progress"):
                if flow["context"].get("unique_id") == device:
                    form = self.home_assistant.get(f"{FLOWS}/{flow['flow_id']}")
                    submit(self.home_assistant, form, **values)
                    return True
            return False

        wait_for(found, f"the card of {device}")

    def entities(self) -> dict[str, str]:
        """Return the entities of variables: their IDs by the variable's name."""
        return {
            entry["unique_id"].removeprefix("variable/"): entry["entity_id"]
            for entry in self.home_assistant.command("config/entity_registry/list")
            if entry["platform"] == "textmq"
            and entry["unique_id"].startswith("variable/")
        }

    def entity_of(self, variable: str, domain: str) -> str:
        """Return the entity of a variable in a domain, when it is there."""

        def found() -> str:
            entity_id = self.entities().get(variable, "")
            return entity_id if entity_id.startswith(f"{domain}.") else ""

        return wait_for(found, f"a {domain} of {variable}")

    def state(self, entity_id: str) -> dict[str, Any]:
        """Return state and attributes of an entity."""
        for state in self.home_assistant.get("/api/states"):
            if state["entity_id"] == entity_id:
                found: dict[str, Any] = state
                return found
        return {"state": None, "attributes": {}}

    def wait_state(self, entity_id: str, state: str) -> None:
        """Wait until an entity has a state."""
        wait_for(
            lambda: self.state(entity_id)["state"] == state,
            f"{entity_id} to be {state}",
        )

    def do(self, action: str, **data: Any) -> None:
        """Perform an action, such as switch.turn_on."""
        domain, name = action.split(".")
        self.home_assistant.post(f"/api/services/{domain}/{name}", data)

    @property
    def entry_id(self) -> str:
        """The ID of the broker's entry."""
        (entry_id,) = (
            entry["entry_id"]
            for entry in self.home_assistant.get(
                "/api/config/config_entries/entry?domain=textmq"
            )
            if entry["source"] != "ignore"
        )
        return str(entry_id)

    def subentry_id(self, device: str) -> str:
        """Return the ID of the entry of a device that is let in."""
        (subentry_id,) = (
            one["subentry_id"]
            for one in self.home_assistant.command(
                "config_entries/subentries/list", entry_id=self.entry_id
            )
            if one["unique_id"] == device
        )
        return str(subentry_id)

    def device_flow(self, **context: str) -> dict[str, Any]:
        """Begin to add a device by hand, or with its `subentry_id` to change it."""
        form: dict[str, Any] = self.home_assistant.post(
            SUBENTRY_FLOWS, {"handler": [self.entry_id, "device"], **context}
        )
        return form

    def next_step(self, form: dict[str, Any], **data: Any) -> dict[str, Any]:
        """Fill in a form of a device, or choose in its menu."""
        path = f"{SUBENTRY_FLOWS}/{form['flow_id']}"
        result: dict[str, Any] = self.home_assistant.post(path, data)
        return result

    def issues(self) -> set[str]:
        """Return the IDs of the repair issues of TextMQ."""
        told = self.home_assistant.command("repairs/list_issues")["issues"]
        return {one["issue_id"] for one in told if one["domain"] == "textmq"}


@contextmanager
def running_house(folder: Path) -> Iterator[House]:
    """Run a house; at the end its log names no fault of ours."""
    house = House(folder)
    yield house
    house.stop()
    found = faults(house.home_assistant.log.read_text())
    assert [one for one in found if SHARED not in one] == []
