"""The component's C++ is as clang-tidy wants it (esphome/.clang-tidy); clang-format is a linter of scripts/test."""

from pathlib import Path

from .builds import COMPONENT, ROOT, component_sources, generate_again, once, run

CONFIGURATION = ROOT / "esphome" / ".clang-tidy"


def test_clang_tidy(esphome: Path, program: Path) -> None:
    """No check finds anything in what the node of the tests is built from."""
    tidy = esphome.parent / "clang-tidy"
    assert tidy.exists(), (
        "clang-tidy belongs to the environment of esphome (requirements/esphome.txt)"
    )
    folder = generate_again(esphome, "test-node")
    sources = sorted(
        (folder.parents[1] / "src/esphome/components/textmq").rglob("*.cpp")
    )
    assert len(sources) == len(list(COMPONENT.rglob("*.cpp")))
    once(
        "clang-tidy",
        [CONFIGURATION, *component_sources()],
        lambda: run(
            tidy,
            f"--config-file={CONFIGURATION}",
            "--quiet",
            "--header-filter=.*/components/textmq/.*",
            "--extra-arg=-Wno-ignored-gch",
            "-p",
            folder,
            *sources,
        ),
    )
