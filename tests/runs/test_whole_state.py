"""A run's state that is damaged, or does not say what the run was made from, is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.errors import RunStateError
from fmbench_lib.runs.whole_state import whole_state
from fmbench_lib.workspace import Workspace

STATE: dict[str, Any] = {
    "run_id": "1",
    "config_file": "a.yml",
    "config_sha256": "0",
    "arguments": {},
    "standard": {},
    "steps": {},
}


def test_a_whole_state_is_returned(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(STATE))
    assert whole_state(Workspace(tmp_path)) == STATE


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[1]", "it is not that of a run"),
        ("null", "it is not that of a run"),
        (json.dumps(STATE | {"steps": -1}), "it is not that of a run"),
        ("{}", "it has no run_id"),
        (json.dumps(STATE | {"config_file": None}), "it has no config_file"),
        (json.dumps(STATE | {"arguments": -1}), "it has no arguments"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_damaged_state_is_named_with_its_file(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunStateError, match=f"cannot read the run's state in {tmp_path}/run.json: .*{told}"):
        whole_state(Workspace(tmp_path))
