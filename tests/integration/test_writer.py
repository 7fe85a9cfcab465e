"""When states are written, entity by entity."""

from custom_components.textmq.writer import BATCH, StateWriter
from homeassistant.core import HomeAssistant

from .client import until


class Entity:
    """Counts its writes."""

    def __init__(self) -> None:
        """Begin with none."""
        self.resting = False
        self.pending = False
        self.writes = 0

    def write(self) -> None:
        """Count a write."""
        self.writes += 1


async def test_many_entities(hass: HomeAssistant) -> None:
    """However many entities change at once: each is written at once, and once more with its last value."""
    writer = StateWriter(hass.loop)
    entities = [Entity() for _ in range(2 * BATCH + 1)]
    for _ in range(5):
        for entity in entities:
            writer.request(entity)
    assert {entity.writes for entity in entities} == {1}
    await until(lambda: not writer.busy)
    assert {entity.writes for entity in entities} == {2}
    assert not any(entity.resting or entity.pending for entity in entities)


async def test_stop(hass: HomeAssistant) -> None:
    """After the end nothing is written."""
    writer = StateWriter(hass.loop)
    entity = Entity()
    writer.request(entity)
    writer.request(entity)
    writer.stop()
    writer.stop()
    assert entity.writes == 1
    assert not writer.busy
