"""A run measured by an earlier version gives the tables that it gave then: what is computed has not changed.

`data/recorded_run` holds a run of the emulator (three experiments, one with injected errors, one not streamed and
priced by token) without its prompts, notebooks and pictures. Its `metrics/*.csv` were written by the version that
measured it, and again by versions that changed figures on purpose.
"""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
RECORDED = DATA / "recorded_run"
TABLES = sorted(path.name for path in (RECORDED / "metrics").glob("*.csv"))
CONFIG_OF_THEN = "/home/user/recorded.yml"
RELATIVE = 1e-12


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the recorded run without its tables, after `fmbench report` has written them again."""
    folder = tmp_path_factory.mktemp("recorded")
    run = folder / "run"
    shutil.copytree(RECORDED, run, ignore=shutil.ignore_patterns("metrics"))
    config = folder / "recorded.yml"
    shutil.copy(DATA / "recorded.yml", config)
    state = (run / "run.json").read_text(encoding="utf-8")
    assert CONFIG_OF_THEN in state
    (run / "run.json").write_text(state.replace(CONFIG_OF_THEN, str(config)), encoding="utf-8")
    command = [sys.executable, "-W", "error", "-m", "fmbench_lib", "report", str(run)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return run


def test_report_writes_the_tables_it_wrote_then_and_no_others(reported: Path) -> None:
    assert len(TABLES) == 12
    parquet = "per_inference_request_results.parquet"
    assert sorted(path.name for path in (reported / "metrics").iterdir()) == sorted([*TABLES, parquet])


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_the_same_as_then(name: str, reported: Path) -> None:
    then, now = RECORDED / "metrics" / name, reported / "metrics" / name
    if then.read_bytes() != now.read_bytes():
        assert differences(then, now) == []


def test_the_decision_is_the_same_as_then(reported: Path) -> None:
    then = (DATA / "recorded_decision.txt").read_text(encoding="utf-8").strip()
    summary = json.loads((reported / "summary.json").read_text(encoding="utf-8"))
    assert summary["decision"]["text"] == then
    assert then in (reported / "report.md").read_text(encoding="utf-8")


def test_the_recorded_run_names_no_other_machine() -> None:
    """Absolute paths in its files are below one neutral folder; the Parquet files hold none."""
    for path in (path for path in DATA.rglob("*") if path.is_file()):
        paths = set(re.findall(rb"""["' ](/[a-z]+/[^"'\n]*)""", path.read_bytes()))
        assert {name for name in paths if not name.startswith(b"/home/user/")} == set(), path
        assert path.suffix != ".parquet" or not paths, path
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 600_000


def differences(then: Path, now: Path) -> list[str]:
    """Where two CSV files differ by more than rounding; texts and empty cells must be equal."""
    old, new = (list(csv.reader(path.read_text(encoding="utf-8").splitlines())) for path in (then, now))
    if old[0] != new[0]:
        return [f"columns: {old[0]} -> {new[0]}"]
    if len(old) != len(new):
        return [f"{len(old) - 1} rows -> {len(new) - 1}"]
    return [
        f"row {number}, {column}: {before} -> {after}"
        for number, (row, other) in enumerate(zip(old[1:], new[1:], strict=True), start=1)
        for column, before, after in zip(old[0], row, other, strict=True)
        if not equal(before, after)
    ]


def equal(before: str, after: str) -> bool:
    """Whether two cells are the same text, or numbers within 1e-12 of each other, relatively."""
    if before == after:
        return True
    try:
        return math.isclose(float(before), float(after), rel_tol=RELATIVE, abs_tol=0.0)
    except ValueError:
        return False


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("2", "3", 1),
        lambda text: text.replace("0.5", "0.50000000001", 1),
        lambda text: text.replace("n,", "m,", 1),
        lambda text: text + "a,0.5,2\n",
        lambda text: text.replace("0.5", "", 1),
    ],
)
def test_a_difference_would_be_seen(change: Callable[[str], str], tmp_path: Path) -> None:
    then, now = tmp_path / "then.csv", tmp_path / "now.csv"
    text = "n,x,y\na,0.5,2\n"
    then.write_text(text, encoding="utf-8")
    now.write_text(change(text), encoding="utf-8")
    assert differences(then, now)
    now.write_text(text.replace("0.5", "0.50000000000000001"), encoding="utf-8")
    assert differences(then, now) == []
