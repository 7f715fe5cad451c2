from __future__ import annotations

from pathlib import Path

import pytest

import fmbench_lib
from fmbench_lib.config.key_reference import REGENERATE, SECTIONS, kind, main, reference
from fmbench_lib.config.reading.keys import section_of, yaml_keys
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.section import Section

PAGE = Path(fmbench_lib.__file__).resolve().parent.parent / "docs" / "configuration.md"


def sections_below(section: type[Section]) -> set[type[Section]]:
    below = {section}
    for info in yaml_keys(section).values():
        nested, _ = section_of(info.annotation)
        if nested is not None:
            below |= sections_below(nested)
    return below


def test_the_page_is_what_the_schema_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), f"docs/configuration.md is stale; run: {REGENERATE}"


def test_every_section_has_a_table() -> None:
    assert {section for _, section in SECTIONS} == sections_below(Config)


@pytest.mark.parametrize(("title", "section"), SECTIONS)
def test_every_key_is_described(title: str, section: type[Section]) -> None:
    for key, info in yaml_keys(section).items():
        assert (info.description or "").endswith("."), f"{title}.{key}"
        assert kind(info) != "anything", f"{title}.{key}"


def test_it_is_written_to_the_file_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path / "page.md")])
    main([])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == capsys.readouterr().out == reference()


def test_the_example_on_the_page_is_a_valid_config(load) -> None:  # type: ignore[no-untyped-def]
    example = reference().split("```yaml\n")[1].split("```")[0]
    assert len(example.splitlines()) < 25
    assert load(example).notices == ()
