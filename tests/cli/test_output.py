"""What is printed may be lost; what a command does is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from fmbench_lib.cli.output import lasting_output
with lasting_output(sys.argv[1]):
    for number in range(20000):
        print("line", number)
    open(sys.argv[2], "w").write("done")
sys.exit(3)
"""


def outcome(tmp_path: Path, command: str, target: str) -> tuple[int, str, bool]:
    """Exit code, errors, and whether the program came to its end, with its output closed or on a full disk."""
    done = tmp_path / "done"
    if target == "closed":
        reader, writer = os.pipe()
        os.close(reader)
        out: int = writer
    else:
        out = os.open(target, os.O_WRONLY)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, str(done)], stdout=out, stderr=subprocess.PIPE, text=True
    )
    os.close(out)
    return ended.returncode, ended.stderr, done.exists()


@pytest.mark.parametrize("target", ["closed", "/dev/full"])
def test_a_run_goes_on_without_its_output_and_says_so(tmp_path: Path, target: str) -> None:
    code, errors, done = outcome(tmp_path, "run", target)
    assert (code, done) == (3, True)
    (line,) = errors.splitlines()
    assert line.startswith("fmbench: standard output is lost")


def test_another_command_keeps_its_exit_code_in_silence(tmp_path: Path) -> None:
    assert outcome(tmp_path, "configs", "closed") == (3, "", True)


def test_a_process_without_standard_output_runs(tmp_path: Path) -> None:
    done = tmp_path / "done"
    command = f"exec {sys.executable} -c '{PROGRAM}' run {done} >&-"
    ended = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, done.exists(), ended.stderr) == (3, True, "")
