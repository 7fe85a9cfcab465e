"""Every text that is asked for exists, in every language."""

import ast
from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import yaml

from custom_components.textmq import const
from custom_components.textmq.hub import actions, issues
from custom_components.textmq.hub.device_issues import Trouble
from custom_components.textmq.hub.runtime_data import RuntimeData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import DeviceSelector

from .conftest import Connect, device_of

FOLDER = Path(const.__file__).parent
ENGLISH: dict[str, Any] = json.loads((FOLDER / "translations" / "en.json").read_text())
ICONS: dict[str, Any] = json.loads((FOLDER / "icons.json").read_text())


def texts(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Return all texts with their paths."""
    if isinstance(tree, str):
        yield path, tree
    else:
        for key, branch in tree.items():
            yield from texts(branch, f"{path}.{key}")


def placeholders(text: str) -> set[str]:
    """Return the names that are filled in when a text is shown."""
    return set(re.findall(r"{(\w+)}", text))


@pytest.mark.parametrize("language", ["de"])
def test_languages(language: str) -> None:
    """Every language has all texts, with the same placeholders, none of them empty."""
    path = FOLDER / "translations" / f"{language}.json"
    english, other = dict(texts(ENGLISH)), dict(texts(json.loads(path.read_text())))
    assert other.keys() == english.keys()
    for key, text in other.items():
        assert text == text.strip() != ""
        assert placeholders(text) == placeholders(english[key]), key


def constants(name: str) -> set[str]:
    """Return all constants that are given as an argument of a name, anywhere in the integration."""
    found = set()
    for path in (*FOLDER.glob("*.py"), *FOLDER.glob("hub/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == name:
                found |= {
                    one.value
                    for one in ast.walk(node.value)
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
    return found


def literals() -> set[str]:
    """Return all texts in the modules of Home Assistant's side."""
    return {
        node.value
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_exceptions_and_issues() -> None:
    """Whatever can be raised or told has a text, and no text is left over."""
    refusals = {
        value
        for name in ("_MISTAKES", "_FAILURES")
        for value in getattr(actions, name).values()
    }
    issue_keys = {
        issues.PORT_IN_USE,
        issues.OPEN_ACCESS,
        issues.NOT_SAVED,
        issues.BACKUP_INCOMPLETE,
        issues.CLOCK_BEHIND,
        *Trouble,
    }
    keys = constants("translation_key") - set(ENGLISH["selector"])
    assert keys | refusals | {"refused"} == set(ENGLISH["exceptions"])
    assert issue_keys == set(ENGLISH["issues"])


def test_aborts() -> None:
    """Every reason for which a flow ends has a text."""
    known = set(ENGLISH["config"]["abort"])
    known |= set(ENGLISH["config_subentries"]["device"]["abort"])
    known |= set(ENGLISH["options"]["abort"])
    for issue in ENGLISH["issues"].values():
        known |= set(issue.get("fix_flow", {}).get("abort", {}))
    assert constants("reason") <= known
    # Home Assistant's own reasons, with words of ours.
    of_its_own = {"already_configured", "reconfigure_successful"}
    assert known - of_its_own <= literals()


async def test_entities(
    hass: HomeAssistant, rooms: RuntimeData, entry: MockConfigEntry, connect: Connect
) -> None:
    """Every entity that is not a variable has a translated name, and an icon unless its class has one."""
    registry = er.async_get(hass)
    entries = er.async_entries_for_config_entry(registry, entry.entry_id)
    keys: dict[str, set[str]] = {}
    for one in entries:
        assert one.translation_key is not None
        keys.setdefault(one.domain, set()).add(one.translation_key)
        assert ENGLISH["entity"][one.domain][one.translation_key]["name"]
        if one.original_device_class is None:
            assert one.translation_key in ICONS["entity"][one.domain]
    assert {domain: set(tree) for domain, tree in ENGLISH["entity"].items()} == keys


@pytest.mark.parametrize("kind", ["services", "triggers", "conditions"])
def test_described_things(kind: str) -> None:
    """Actions, triggers and conditions, and each of their fields, have texts and icons."""
    described = yaml.safe_load((FOLDER / f"{kind}.yaml").read_text())
    found = {key: item for key, item in described.items() if not key.startswith(".")}
    assert found.keys() == ENGLISH[kind].keys() == ICONS[kind].keys()
    for key, item in found.items():
        fields = set((item or {}).get("fields", {}))
        assert fields == set(ENGLISH[kind][key].get("fields", {})), key


@pytest.mark.parametrize("kind", ["services", "triggers", "conditions"])
async def test_chosen_devices(
    hass: HomeAssistant,
    rooms: RuntimeData,
    entry: MockConfigEntry,
    connect: Connect,
    kind: str,
) -> None:
    """Forms offer the devices that connect: neither the broker itself nor the parts of devices."""
    client = await connect("garden")
    await client.ok("DEF", VARIABLE="garden/a", TYPE="sensor", PART="bed")
    await hass.async_block_till_done()
    by_entity: dict[str, set[str]] = {}
    for one in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id):
        by_entity.setdefault(one.domain, set()).add(one.device_id or "")
    assert len(set().union(*by_entity.values())) == 3
    described = yaml.safe_load((FOLDER / f"{kind}.yaml").read_text())
    selectors = [
        field["selector"]["device"]
        for item in described.values()
        for field in (item or {}).get("fields", {}).values()
        if "device" in field.get("selector", {})
    ]
    assert selectors
    for config in selectors:
        validated: dict[str, Any] = DeviceSelector.CONFIG_SCHEMA(config)
        (only,) = validated["entity"]
        assert only["integration"] == const.DOMAIN
        (domain,) = only["domain"]
        assert by_entity[domain] == {device_of(hass, "garden").id}


def test_quality_scale() -> None:
    """Each rule is done, or exempt with a reason."""
    rules = yaml.safe_load((FOLDER / "quality_scale.yaml").read_text())["rules"]
    assert len(rules) == 54
    for rule, status in rules.items():
        if status != "done":
            assert status["status"] in ("done", "exempt"), rule
            assert status["comment"].strip(), rule


def test_manifest() -> None:
    """The manifest has what Home Assistant and HACS ask of a custom integration, in their order."""
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    keys = list(manifest)
    assert keys == ["domain", "name", *sorted(keys[2:])]
    assert manifest["domain"] == FOLDER.name == const.DOMAIN
    assert manifest["config_flow"] is True
    assert "single_config_entry" not in manifest
    assert manifest["requirements"] == []
    for key in ("documentation", "issue_tracker"):
        assert manifest[key].startswith("https://github.com/textmq/textmq")
