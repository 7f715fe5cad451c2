"""A search for the greatest load against a server with slots, killed and resumed."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib import steps
from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.emulator.faults import Fault, FaultRule
from fmbench_lib.runs.opening import create_run
from fmbench_lib.steps.analysis import write_report
from fmbench_lib.steps.plan import make_plan
from tests.e2e.running import levels, wait_until

SLOTS = 3
SERVED = Behaviour(slots=SLOTS, ttft=Constant(0.06), itl=Constant(0.015))
"""Answers of 5 tokens take 120 ms: TTFT is 60 ms as long as nobody waits for a slot, and mostly 180 ms beyond."""

MEASURE = "import sys; from fmbench_lib import steps; steps.run_inference(steps.resume(sys.argv[1], sys.argv[2]))"


@pytest.mark.thorough
def test_a_killed_search_goes_on_where_it_was(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    load = {
        "requests": 30,
        "warmup_requests": 4,
        "prompt_reuse": "across_levels",
        "find": "max_concurrency",
        "subject_to": {"TTFT_p95": 0.12, "error_rate": 0},
        "find_start": 2,
    }
    with launch(SERVED) as emulator:
        experiment = {"name": "served", "ep_name": emulator.url, "concurrency_levels": []}
        config = write_config([experiment], load=load)
        run = create_run(config, results=tmp_path / "results")
        for step in (steps.set_up, steps.generate_data, steps.deploy_models):
            step(run)
        measuring = subprocess.Popen([sys.executable, "-c", MEASURE, str(config), str(run.workspace.path)])
        wait_until(functools.partial(_at_work, run.workspace.path, 2))
        measuring.kill()
        measuring.wait()
        before = levels(run.workspace.path)
        table = steps.run_inference(run)
    after = levels(run.workspace.path)
    assert after.items() > before.items()
    assert table["measured"].all()
    assert list(table["load"]) == sorted(after, key=lambda name: (int(name.split("-")[1]), after[name]))
    write_report(run)
    summary = json.loads(run.workspace.summary_file.read_text())
    (found,) = summary["searches"]
    assert (found["found"], found["missed"], found["ended"]) == (SLOTS, SLOTS + 1, "decided")
    assert found["confirmed"]
    assert f"concurrency-{SLOTS}-repeat-2" in after
    assert summary["decision"]["winner"]["concurrency"] <= SLOTS
    assert set(found["levels"]) == set(after) == {row["load"] for row in summary["levels"]}
    assert found["levels"] == sorted(after, key=lambda name: after[name])
    assert "**3 requests in flight** is the greatest load" in run.workspace.report_file.read_text()


def test_the_plan_says_how_many_levels_at_most_and_how_many_prompts_are_missing(
    write_config: Callable[..., Path],
) -> None:
    experiment = {"name": "served", "ep_name": "http://127.0.0.1:9/v1/chat/completions", "concurrency_levels": []}
    load = {"find": "max_request_rate", "subject_to": {"TTFT_p95": 0.5}, "requests": 4, "warmup_requests": 1}
    text = make_plan(str(write_config([experiment], load=load)), {}, {}).text
    assert (
        "max_request_rate subject to TTFT_p95 0.5, error_rate 0, from 1: each of at most 12 levels of 4 requests"
        in text
    )
    (obstacle,) = make_plan(str(write_config([experiment], load={**load, "requests": 5})), {}, {}).obstacles
    assert re.search(r"12 × \(5 \+ 1 warm-up\).*: 12 are missing", obstacle)


def _at_work(run: Path, done: int) -> bool:
    """Whether so many levels are done and another one is under way."""
    return len(levels(run)) >= done and any(run.glob("requests/*/*/*.part/*.spool"))


@pytest.mark.thorough
def test_quick_refusals_above_a_load_are_not_taken_for_good_latency(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    """Above two in flight the server refuses 40% at once: what it lets through is as quick as ever."""
    refusing = FaultRule(Fault("server_error", status=503), rate=0.4, above=2)
    load = {"requests": 40, "warmup_requests": 2, "prompt_reuse": "allowed"}
    load |= {"find": "max_concurrency", "subject_to": {"TTFT_p95": 2.0}, "find_most": 16}
    with launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.002), faults=(refusing,))) as emulator:
        experiment = {"name": "refusing", "ep_name": emulator.url, "concurrency_levels": []}
        run = create_run(write_config([experiment], load=load), results=tmp_path / "results")
        for step in (steps.set_up, steps.generate_data, steps.deploy_models, steps.run_inference):
            step(run)
    write_report(run)
    summary = json.loads(run.workspace.summary_file.read_text())
    (found,) = summary["searches"]
    assert (found["found"], found["missed"], found["confirmed"]) == (2, 3, True)
    above = [row for row in summary["levels"] if row["concurrency"] > 2]
    assert above
    assert all(row["error_rate"] > 0.1 and row["TTFT_p95"] < 2.0 for row in above)
    assert summary["decision"]["winner"]["concurrency"] <= 2
    report = run.workspace.report_file.read_text()
    assert "**2 requests in flight** is the greatest load that met them" in report
    assert re.search(r"the least load above it that missed them is 3 \(TTFT_p95 [^,]+, error_rate 0\.[1-9]", report)
