"""Configs of another shape than they should have, and files that are none: taken, or refused in lines.

A sample runs with the other tests; `make fuzz` runs all.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.config import load_config
from fmbench_lib.config.shipped.files import shipped_configs
from tests.fuzz.mutations import odd_files, restructured
from tests.fuzz.test_fuzz import ALL, CONFIGS, VALUES, is_cheap

GIVEN = [word for name, value in VALUES.items() for word in ("-A", f"{name}={value}")]
PLAIN = next(path for name, path, _ in shipped_configs() if name.startswith("endpoint/"))
FILES = odd_files(PLAIN.read_text(encoding="utf-8"))
SLOW = "many keys"
NAMES = sorted(FILES if ALL else set(FILES) - {SLOW})


def outcome(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a command and what it printed, none of which may look like a fault of ours."""
    code = main(list(words))
    printed = "".join(capsys.readouterr())
    assert code in (0, 2)
    assert not re.search(r"Traceback|cannot be checked|fmbench: unexpected", printed)
    return code, printed


@pytest.mark.parametrize("number", range(1000 if ALL else 40))
def test_values_of_another_shape(number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = CONFIGS[number % len(CONFIGS)]
    path = tmp_path / "restructured.yml"
    path.write_text(restructured(source.read_text(encoding="utf-8"), f"{number}/{source.name}"), encoding="utf-8")
    code, printed = outcome("validate", *GIVEN, str(path), capsys=capsys)
    assert (f"{path}: ok" in printed) == (code == 0)
    if code == 0 and "needs -A" not in printed and is_cheap(load_config(path, arguments=VALUES)):
        outcome("plan", *GIVEN, "--local-mode", "yes", str(path), capsys=capsys)


@pytest.mark.parametrize("name", NAMES)
def test_odd_files(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "odd.yml"
    path.write_bytes(FILES[name])
    code, printed = outcome("validate", *GIVEN, str(path), capsys=capsys)
    assert len(printed.splitlines()) <= 30
    assert max(map(len, printed.splitlines())) < 400
    assert (f"{path}: ok" in printed) == (code == 0)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to nothing", "link to itself"])
def test_what_is_not_a_file_is_said(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "odd.yml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"device": "/dev/zero", "link to nothing": tmp_path / "gone", "link to itself": path}[kind])
    code, printed = outcome("validate", str(path), capsys=capsys)
    assert code == 2
    expected = {"folder": "no config", "pipe": "is a pipe or a device", "device": "is a pipe or a device"}
    assert expected.get(kind, "is a link to nothing") in printed
    assert len(printed.splitlines()) == 1
