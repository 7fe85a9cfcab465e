"""Renders the brand images from the SVG files beside it.

Needs Chromium; run it with the Python of the tests: it writes custom_components/textmq/brand/.
"""

import os
from pathlib import Path

from playwright.sync_api import sync_playwright

SOURCES = Path(__file__).parent
TARGET = SOURCES.parent / "custom_components" / "textmq" / "brand"
# Home Assistant's sizes: icons are square, logos are as high as this.
HEIGHTS = {"": 256, "@2x": 512}


def main() -> None:
    """Render each file in both sizes, transparent where nothing is drawn."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("TEXTMQ_CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        page = browser.new_page(viewport={"width": 2400, "height": 600})
        for source in sorted(SOURCES.glob("*.svg")):
            for suffix, height in HEIGHTS.items():
                page.set_content(
                    "<style>body { margin: 0 } svg { display: block;"
                    f" height: {height}px }}</style>{source.read_text()}"
                )
                page.locator("svg").screenshot(
                    path=TARGET / f"{source.stem}{suffix}.png", omit_background=True
                )
        browser.close()


if __name__ == "__main__":
    main()
