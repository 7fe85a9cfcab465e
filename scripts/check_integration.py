"""Checks the files that Home Assistant, its Marketplace, HACS and a release read, as far as that is possible offline.

What Home Assistant's hassfest and HACS check on their own machines for a custom integration, what the Marketplace and HACS
show, and that the places which name a version agree. Prints one line for each fault.
"""

from collections.abc import Iterator
import json
from pathlib import Path
import re
import struct
import sys
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
INTEGRATION = ROOT / "custom_components" / "textmq"

MANIFEST_REQUIRED = {
    "codeowners",
    "config_flow",
    "documentation",
    "domain",
    "integration_type",
    "iot_class",
    "issue_tracker",
    "name",
    "version",
}
MANIFEST_ALLOWED = MANIFEST_REQUIRED | {
    "after_dependencies",
    "dependencies",
    "import_executor",
    "loggers",
    "quality_scale",
    "requirements",
    "zeroconf",
}
HACS_ALLOWED = {
    "name",
    "homeassistant",
    "hacs",
    "country",
    "hide_default_branch",
    "render_readme",
}
LINK = re.compile(r"""\]\(([^()\s]+)\)|<img [^>]*src="([^"]+)\"""")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# Height in pixels; icons are square.
IMAGES = {
    "icon.png": 256,
    "icon@2x.png": 512,
    "logo.png": 256,
    "logo@2x.png": 512,
    "dark_logo.png": 256,
    "dark_logo@2x.png": 512,
}
# Files of a kind that has texts and icons for each of its keys.
DESCRIBED = ("services", "triggers", "conditions")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path.read_text())


def check_manifest() -> Iterator[str]:
    """Check keys, their order, and the version."""
    manifest = read_json(INTEGRATION / "manifest.json")
    keys = list(manifest)
    if keys != ["domain", "name", *sorted(keys[2:])]:
        yield "manifest.json: the keys are domain, name, and then in alphabetical order"
    yield from (
        f"manifest.json: {key} is missing" for key in MANIFEST_REQUIRED - set(keys)
    )
    yield from (
        f"manifest.json: {key} is unknown" for key in set(keys) - MANIFEST_ALLOWED
    )
    if not re.fullmatch(
        r"\d+\.\d+\.\d+(b\d+)?", version := manifest.get("version", "")
    ):
        yield f"manifest.json: {version!r} is not a version like 1.2.3 or 1.2.3b1"
    if not re.search(
        rf"^## {re.escape(version)}\b",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    ):
        yield f"CHANGELOG.md: no section for version {version}"


def check_hacs() -> Iterator[str]:
    """Check hacs.json, and that its minimum is the Home Assistant that the tests run with."""
    hacs = read_json(ROOT / "hacs.json")
    yield from (
        f"hacs.json: {key} is not allowed" for key in hacs.keys() - HACS_ALLOWED
    )
    if "name" not in hacs:
        yield "hacs.json: name is missing"
    if not hacs.get("render_readme"):
        yield "hacs.json: HACS would not show the README, as the Marketplace does"
    tested = (ROOT / "requirements" / "home-assistant-minimum.txt").read_text()
    if f"homeassistant=={hacs['homeassistant']}\n" not in tested:
        yield "hacs.json: homeassistant is not the version of requirements/home-assistant-minimum.txt"
    folders = [
        path.name
        for path in INTEGRATION.parent.iterdir()
        if (path / "manifest.json").exists()
    ]
    if folders != ["textmq"]:
        yield f"custom_components: HACS wants one integration, not {folders}"


def check_readme() -> Iterator[str]:
    """Check that the README, which is all that the Marketplace and HACS show, leads somewhere from there, and says what is so.

    They lead a relative address to the file's text at GitHub, which has none of a folder, nor an SVG as an image.
    """
    text = (ROOT / "README.md").read_text()
    anchors = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in HEADING.findall(text)
    }
    for found in LINK.finditer(text):
        address = found[1] or found[2]
        path, _, anchor = address.partition("#")
        if "://" in address:
            continue
        if path and not (ROOT / path).is_file():
            yield f"README.md: {path} is not a file"
        if not path and anchor not in anchors:
            yield f"README.md: #{anchor} is no heading"
        if found[2] and path.endswith(".svg"):
            yield f"README.md: {path} would not be shown"
    minimum = read_json(ROOT / "hacs.json")["homeassistant"].removesuffix(".0")
    if f"TextMQ needs Home Assistant {minimum} or newer." not in text:
        yield "README.md: needs another Home Assistant than hacs.json"
    documentation = read_json(INTEGRATION / "manifest.json")["documentation"]
    owner, repository = documentation.split("/")[-2:]
    store = f"/redirect/hacs_repository/?owner={owner}&repository={repository}&category=integration"
    if store not in text:
        yield "README.md: no link to the repository in the store"


def check_brand() -> Iterator[str]:
    """Check that the images are there, in their sizes."""
    for name, height in IMAGES.items():
        header = (INTEGRATION / "brand" / name).read_bytes()[:24]
        size = struct.unpack(">II", header[16:])
        if size[1] != height or ("icon" in name and size[0] != height):
            yield f"brand/{name}: {size[0]} by {size[1]} pixels"


def texts(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Return the texts of a translation with their paths."""
    if isinstance(tree, str):
        yield path, tree
    else:
        for key, branch in tree.items():
            yield from texts(branch, f"{path}.{key}".lstrip("."))


def placeholders(text: str) -> set[str]:
    """Return the names that are filled in when the text is shown."""
    return set(re.findall(r"{(\w+)}", text))


def check_translations() -> Iterator[str]:
    """Check that every language has the texts of the English one, with the same placeholders."""
    folder = INTEGRATION / "translations"
    english = dict(texts(read_json(folder / "en.json")))
    for path in sorted(folder.glob("*.json")):
        other = dict(texts(read_json(path)))
        yield from (
            f"{path.name}: {key} is missing" for key in english.keys() - other.keys()
        )
        yield from (
            f"{path.name}: {key} is not in en.json"
            for key in other.keys() - english.keys()
        )
        for key in english.keys() & other.keys():
            if placeholders(english[key]) != placeholders(other[key]):
                yield f"{path.name}: {key} has other placeholders than in en.json"
            if "[%key:" in other[key]:
                yield f"{path.name}: {key} is a reference, which only core may use"


def check_descriptions() -> Iterator[str]:
    """Check that actions, triggers and conditions have texts and icons, each and all of their fields."""
    english = read_json(INTEGRATION / "translations" / "en.json")
    icons = read_json(INTEGRATION / "icons.json")
    for kind in DESCRIBED:
        path = INTEGRATION / f"{kind}.yaml"
        if not path.exists():
            continue
        described = english.get(kind, {})
        items = {
            key: item
            for key, item in yaml.safe_load(path.read_text()).items()
            if not key.startswith(".")
        }
        if items.keys() != described.keys():
            yield f"{path.name}: has other keys than {kind} in en.json"
        if items.keys() != icons.get(kind, {}).keys():
            yield f"{path.name}: has other keys than {kind} in icons.json"
        for key, item in items.items():
            fields = set((item or {}).get("fields", {}))
            if fields != set(described.get(key, {}).get("fields", {})):
                yield f"{path.name}: {key} has other fields than in en.json"


def main() -> int:
    """Print the faults; the exit code says whether there are any."""
    checks = (
        check_manifest,
        check_hacs,
        check_readme,
        check_brand,
        check_translations,
        check_descriptions,
    )
    faults = [fault for check in checks for fault in check()]
    print("\n".join(faults) or f"{len(checks)} checks, no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
