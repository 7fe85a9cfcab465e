"""Installs what the Home Assistant of this environment looks for at every start, in the versions that its manifests pin.

For the newest release: nobody has written down yet what it needs, as requirements/home-assistant.txt does for another.
"""

import asyncio
import sys
import tempfile

from homeassistant.auth.mfa_modules.totp import REQUIREMENTS
from homeassistant.bootstrap import CORE_INTEGRATIONS, DEFAULT_INTEGRATIONS
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_setup
from homeassistant.requirements import (
    RequirementsNotFound,
    async_get_integration_with_requirements,
    async_process_requirements,
)

from .home_assistant import CONFIGURED, STUBBED

# What TextMQ uses where it is there.
OPTIONAL = {"zeroconf"}


async def install(folder: str) -> None:
    """Install the packages, as a start with this configuration folder would. Raises RequirementsNotFound."""
    home_assistant = HomeAssistant(folder)
    home_assistant.config.skip_pip_packages = STUBBED.split(",")
    async_setup(home_assistant)
    domains = {*CORE_INTEGRATIONS, *DEFAULT_INTEGRATIONS, *CONFIGURED, *OPTIONAL}
    try:
        await async_process_requirements(home_assistant, "totp", REQUIREMENTS)
        for domain in sorted(domains):
            await async_get_integration_with_requirements(home_assistant, domain)
    finally:
        await home_assistant.async_stop(force=True)


def main() -> int:
    """Install the packages; the exit code says whether all are there."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(install(folder))
        except RequirementsNotFound as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
