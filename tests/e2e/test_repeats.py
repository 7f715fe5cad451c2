"""Two experiments at two loads, each measured twice: killed in the middle, resumed and decided on."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fmbench_lib import steps
from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.load.recording.records import read_facts
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.plan import make_plan
from fmbench_lib.workspace import LevelKey
from tests.e2e.running import wait_until

NAMES = ("fast", "slow")
LOADS = ("concurrency-2", "rate-20")
MEASURE = "import sys; from fmbench_lib import steps; steps.run_inference(steps.resume(sys.argv[1], sys.argv[2]))"


def behaviour(ttft: float) -> Behaviour:
    return Behaviour(ttft=Constant(ttft), itl=Constant(0.01))


@pytest.fixture
def measured(tmp_path: Path, write_config: Callable[..., Path]) -> Run:
    load = {"requests": 8, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "never", "repeats": 2}
    loads = {"concurrency_levels": [2], "request_rates": [20]}
    with launch(behaviour(0.02)) as fast, launch(behaviour(0.06)) as slow:
        experiments = [
            {"name": name, "ep_name": one.url, **loads} for name, one in zip(NAMES, (fast, slow), strict=True)
        ]
        config = write_config(experiments, load=load)
        assert "; at least 40 needed" in make_plan(str(config), {}, {}).text
        run = create_run(config, results=tmp_path / "results")
        for step in (steps.set_up, steps.generate_data, steps.deploy_models):
            step(run)
        measuring = subprocess.Popen([sys.executable, "-c", MEASURE, str(config), str(run.workspace.path)])
        wait_until(functools.partial(_at_work, run, 5))  # in the second round
        measuring.kill()
        measuring.wait()
        before = written(run)
        table = steps.run_inference(run)
    assert before.items() < written(run).items()
    assert table["measured"].all()
    assert len(table) == 8
    return run


def _at_work(run: Run, done: int) -> bool:
    return len(written(run)) >= done and any(run.workspace.path.glob("requests/*/*/*.part/*.spool"))


def written(run: Run) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in run.workspace.path.glob("requests/*/*/*.parquet")}


def was_killed(run: Run, load: str) -> bool:
    """Whether one of the experiments was killed at this load: what it had sent is replaced in its next attempt."""
    keys = [LevelKey(name, "all.jsonl", load) for name in NAMES]
    return any(read_facts(run.workspace.level(key))["attempt"] > 1 for key in keys)


def records(run: Run, name: str, load: str) -> pd.DataFrame:
    """The requests of a level in the order of its schedule."""
    frame = pq.read_table(run.workspace.level(LevelKey(name, "all.jsonl", load))).to_pandas()
    return frame.sort_values("due", kind="stable")


@pytest.mark.thorough
def test_repeats_take_turns_on_the_same_work_and_are_decided_on_together(measured: Run) -> None:
    run = measured
    order = [(path.parts[-3], path.stem) for path in sorted(written(run), key=lambda path: written(run)[path])]
    assert [load.endswith("-repeat-2") for _, load in order] == [False] * 4 + [True] * 4
    for first, second in zip(order[::2], order[1::2], strict=True):
        assert {first[0], second[0]} == set(NAMES)
        assert first[1] == second[1]

    for load in LOADS:
        sent = {
            (name, again): set(records(run, name, f"{load}{again}")["prompt_id"])
            for name in NAMES
            for again in ("", "-repeat-2")
        }
        assert sent["fast", ""] == sent["slow", ""]
        if not was_killed(run, f"{load}-repeat-2"):
            assert sent["fast", "-repeat-2"] == sent["slow", "-repeat-2"]
        assert not sent["fast", ""] & sent["fast", "-repeat-2"]
    open_loops = {(name, again): records(run, name, f"rate-20{again}") for name in NAMES for again in ("", "-repeat-2")}
    due = {key: (frame["due"] - frame["due"].iloc[0]).to_numpy() for key, frame in open_loops.items()}
    for again in ("", "-repeat-2"):
        assert due["fast", again] == pytest.approx(due["slow", again], abs=1e-5)
        if not was_killed(run, f"rate-20{again}"):
            assert list(open_loops["fast", again]["prompt_id"]) == list(open_loops["slow", again]["prompt_id"])
    assert np.abs(due["fast", ""] - due["fast", "-repeat-2"]).max() > 1e-3

    steps.analyze(run)
    summary = json.loads(run.workspace.summary_file.read_text())
    assert len(summary["levels"]) == 8
    assert [(row["experiment_name"], row["load"], row["repeats"]) for row in summary["repeated_levels"]] == [
        (name, load, 2) for name in NAMES for load in LOADS
    ]
    for row in summary["repeated_levels"]:
        single = [one for one in summary["levels"] if _is_repeat(one, row)]
        assert row["requests"] == sum(one["requests"] for one in single)
        p95s = [one["latency_p95"] for one in single]
        assert (row["latency_p95_repeat_min"], row["latency_p95_repeat_max"]) == (min(p95s), max(p95s))
        both = pd.concat(records(run, row["experiment_name"], one["load"]) for one in single)
        times = (both["last"] - both["due"])[both["phase"] == "measured"]
        assert row["latency_p95"] == pytest.approx(np.quantile(times, 0.95))
    assert summary["decision"]["levels"] == 4
    assert summary["decision"]["winner"]["experiment_name"] == "fast"
    assert summary["decision"]["winner"]["repeats"] == 2
    assert "(2 repeats)" in summary["decision"]["text"]
    report = run.workspace.report_file.read_text()
    assert "### Repeated levels" in report
    assert "measured once" not in report
    costs = pd.read_csv(run.workspace.metrics("endpoint_per_instance_per_run_costs.csv"))
    lengths = [sum(row["level_s"] for row in summary["levels"] if row["experiment_name"] == name) for name in NAMES]
    assert list(costs["duration_in_seconds"]) == pytest.approx(lengths)


def _is_repeat(row: dict[str, object], level: dict[str, object]) -> bool:
    same = all(row[name] == level[name] for name in ("experiment_name", "payload_file"))
    return same and re.sub("-repeat-2$", "", str(row["load"])) == level["load"]
