"""The command line where the terminal, the current folder or a file is not what it should be."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.cli.terminal import print_anything


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_every_text_can_be_printed_in_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    print_anything()
    print("5_cleanup … \ud83d 你好", flush=True)
    assert written.getvalue().startswith(b"5_cleanup ")


def test_a_current_folder_that_is_gone_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert main(["validate", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "fmbench: the current folder does not exist any more: change to another one\n"
    monkeypatch.chdir(tmp_path)


def test_validate_goes_on_after_a_bad_file_and_says_that_a_folder_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"fmbench: no config (.yml or .yaml) in {tmp_path}\n"
    (tmp_path / "a.yml").write_bytes(b"\xff\xfe")
    (tmp_path / "b.yml").write_text("general: {name: '~nosuchuser'}\n")
    (tmp_path / "c.yml").symlink_to(tmp_path / "c.yml")
    (tmp_path / "d.yml").write_text("experiments: [" + "[" * 5000)
    good = (Path(__file__).parents[1] / "config" / "data" / "report_and_chart.yml").read_text()
    (tmp_path / "e.yml").write_text(good)
    assert main(["validate", str(tmp_path)]) == 2
    out = capsys.readouterr().out
    assert "a.yml: not a text file in UTF-8" in out
    assert "d.yml: not valid YAML" in out
    assert "e.yml: ok" in out


def test_a_mistake_of_ours_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: object) -> int:
        raise OverflowError("too large")

    monkeypatch.setattr("fmbench_lib.cli.commands.COMMANDS", {"configs": broken})
    assert main(["configs"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("fmbench: unexpected OverflowError: too large")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "error", [MemoryError(), ImportError("x.so: failed to map segment from shared object"), OSError(12, "no memory")]
)
def test_too_little_memory_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def broken(_: object) -> int:
        raise error

    monkeypatch.setattr("fmbench_lib.cli.commands.COMMANDS", {"configs": broken})
    assert main(["configs"]) == 1
    err = capsys.readouterr().err
    assert "memory" in err
    assert "unexpected" not in err
    assert len(err.splitlines()) == 1
