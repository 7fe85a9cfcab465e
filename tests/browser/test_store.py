"""The link in the README that opens this repository in the store of a person's Home Assistant."""

from pathlib import Path
import re

from playwright.sync_api import Page, expect

from scripts.home_assistant import HomeAssistant

README = Path(__file__).parents[2] / "README.md"
MARKETPLACE = (2026, 11)


def test_link(home_assistant: HomeAssistant, page: Page) -> None:
    """It leads to the Marketplace; an older Home Assistant says that it needs HACS for it."""
    (query,) = re.findall(
        r"https://my\.home-assistant\.io/redirect/hacs_repository/(\?\S+)\)",
        README.read_text(),
    )
    page.goto(f"{home_assistant.url}/_my_redirect/hacs_repository{query}")
    version = home_assistant.get("/api/config")["version"]
    if tuple(map(int, version.split(".")[:2])) >= MARKETPLACE:
        expect(
            page.get_by_text("Before you install from the Marketplace")
        ).to_be_visible()
        assert f"/marketplace/_my_redirect/hacs_repository{query}" in page.url
    else:
        expect(page.get_by_text("You need the integration hacs")).to_be_visible()
