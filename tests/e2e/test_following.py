"""A run that another process executes: seen, paused, resumed and stopped by its directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.emulator import launch
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.runs.run_orders import give_order
from fmbench_lib.runs.run_status import standing_of
from fmbench_lib.workspace import Workspace
from tests.e2e.conftest import Finished
from tests.e2e.running import SLOW, Running, levels, live_done, wait_until

LOAD = {"requests": 20, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "never"}


@pytest.mark.thorough
def test_a_run_is_paused_goes_on_and_is_stopped_from_elsewhere(
    tmp_path: Path, write_config: Callable[..., Path], fmbench: Callable[..., Finished]
) -> None:
    with launch(SLOW) as emulator:
        steady = {"name": "steady", "ep_name": emulator.url, "concurrency_levels": [2, 1]}
        running = Running(
            write_config([steady], load=LOAD, run_steps={"4_model_metric_analysis": False}), tmp_path / "results"
        )
        wait_until(lambda: running.measuring(after_levels=0))
        workspace = Workspace(running.run)
        give_order(workspace, "pause")  # a command would take longer to start than the levels last on a busy machine
        wait_until(lambda: standing_of(workspace).paused)
        assert list(levels(running.run)) == ["concurrency-2"]
        shown = json.loads(fmbench("status", "latest", "--json").out)
        assert (shown["paused"], shown["run_status"], shown["levels"]) == (True, "running", 2)
        assert fmbench("--resume", running.run, results=False).code == 0
        wait_until(lambda: running.measuring(after_levels=1))
        wait_until(lambda: live_done(running.run) >= 4)
        give_order(workspace, "stop")
        code, out = running.end()
        assert code == 130
        assert "paused; let it go on with: fmbench --resume" in out
        assert "3_run_inference: stopped by `fmbench stop`" in out
        assert "requests of steady · all.jsonl · concurrency-1; --resume sends the others" in out
        assert "continue it with: fmbench --resume" in out
        assert list(levels(running.run)) == ["concurrency-2"]
        assert fmbench("status", "latest", "--follow").code == 130
        code, out = Running(running.run, tmp_path / "results", "--resume", str(running.run)).end()
    assert code == 0, out
    assert sorted(levels(running.run)) == ["concurrency-1", "concurrency-2"]
    for path in running.run.glob("requests/*/*/*.parquet"):
        records, facts = read_level(path)
        measured = records[records["phase"] == "measured"]
        assert (len(measured), measured["prompt_id"].nunique(), measured["error"].notna().sum()) == (20, 20, 0)
        assert len(facts["parts"]) == (2 if path.stem == "concurrency-1" else 0)
        assert facts["attempt"] == 1
        assert facts["resent_prompts"] == 0
    assert not list(running.run.glob("requests/**/*.part"))
