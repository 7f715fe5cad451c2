"""docs/cli.md is what the parser generates, and has every argument that the parser accepts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fmbench_lib
from fmbench_lib.cli.parser import parser
from fmbench_lib.cli.reference import REGENERATE, arguments_of, commands, main, reference

PAGE = Path(fmbench_lib.__file__).resolve().parent.parent / "docs" / "cli.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), f"docs/cli.md is stale; run: {REGENERATE}"


def test_the_page_does_not_depend_on_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    narrow = reference()
    monkeypatch.setenv("COLUMNS", "200")
    assert reference() == narrow


@pytest.mark.parametrize(("name", "command"), [(name, command) for name, command, _ in commands(parser())])
def test_every_argument_of_a_command_is_in_its_section(name: str, command) -> None:  # type: ignore[no-untyped-def]
    (section,) = re.findall(rf"^## fmbench {name}\n(.*?)(?=^## )", reference(), re.MULTILINE | re.DOTALL)
    for action in arguments_of(command):
        assert f"| `{action.option_strings[0] if action.option_strings else action.metavar or ''}" in section


def test_every_exit_code_of_the_help_page_has_a_row() -> None:
    codes = re.findall(r"(?:: |· )(\d+) ", parser().epilog or "")
    rows = re.findall(r"^\| (\d+) \| \w", reference().partition("## Exit codes")[2], re.MULTILINE)
    assert rows == codes
    assert {"0", "1", "2", "130"} <= set(rows)


def test_it_is_printed_or_written_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path / "page.md")])
    main([])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == capsys.readouterr().out == reference()
