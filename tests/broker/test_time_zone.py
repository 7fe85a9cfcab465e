"""The time zone of the house, as small devices can use it (protocol A4)."""

from pathlib import Path
import zoneinfo

import pytest

from custom_components.textmq.broker.server import time_zone
from custom_components.textmq.broker.server.time_zone import posix_time_zone

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


def test_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the system's files, or from the package where the system has none."""
    assert posix_time_zone("Europe/Berlin") == BERLIN
    assert posix_time_zone("Asia/Kathmandu") == "<+0545>-5:45"
    monkeypatch.setattr(zoneinfo, "TZPATH", ("/nowhere",))
    assert posix_time_zone("Europe/Berlin") == BERLIN


@pytest.mark.parametrize("name", ["", "No/Where", "../../etc/passwd", "/etc/passwd"])
def test_what_is_no_time_zone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known then."""
    monkeypatch.setattr(time_zone, "_LOCAL", Path("/nowhere"))
    assert posix_time_zone(name) == ""


def test_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its environment, or else by its file; a file without a rule says nothing."""
    monkeypatch.setenv("TZ", ":Europe/Berlin")
    assert posix_time_zone() == BERLIN
    monkeypatch.delenv("TZ")
    local = tmp_path / "localtime"
    monkeypatch.setattr(time_zone, "_LOCAL", local)
    for content, rule in (
        (b"TZif2...\nUTC0\n", "UTC0"),
        (b"TZif", ""),
        (b"", ""),
        (b"\n\xff\n", ""),
    ):
        local.write_bytes(content)
        assert posix_time_zone() == rule
