"""Results come back whole or not at all, and write nowhere else."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from fmbench_lib.errors import DeployError
from fmbench_lib.fleet.machine_files import bring_back


def answering(folder: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], script: str) -> Path:
    """An `ssh` that prints an archive of these names by a script."""
    with tarfile.open(folder / "archive", "w:gz") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 200_000
            archive.addfile(info, io.BytesIO(os.urandom(info.size)))
    (folder / "ssh").write_text(f"#!/bin/sh\n{script.format(archive=folder / 'archive')}\n")
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "output"


def test_what_comes_back_replaces_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = answering(tmp_path, monkeypatch, ["run/run.json"], "cat {archive}")
    (output / "older").mkdir(parents=True)
    bring_back("m", "results", output, 60)
    assert [path.relative_to(output).as_posix() for path in output.rglob("*")] == ["run", "run/run.json"]


@pytest.mark.parametrize(
    ("names", "script", "said"),
    [
        (["a"], "head -c 5000 {archive}; echo connection lost >&2; exit 255", "connection lost"),
        (["a"], "head -c 5000 {archive}", "brought back"),
        (["../outside"], "cat {archive}", "outside"),
        (["a"], "exec sleep 600", "brought back"),
    ],
    ids=["cut off", "cut off without a word", "out of the folder", "too slow"],
)
def test_what_comes_back_in_part_is_left_out(
    names: list[str], script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = answering(tmp_path, monkeypatch, names, script)
    (output / "older").mkdir(parents=True)
    with pytest.raises(DeployError, match=said):
        bring_back("m", "results", output, 0.5 if "sleep" in script else 60)
    assert [path.name for path in output.iterdir()] == ["older"]
    assert not (tmp_path / "outside").exists()
