"""Levels measured again: on request, because they were invalid, and after a run was killed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.emulator import Behaviour, Constant, launch
from tests.e2e.conftest import Finished
from tests.e2e.running import free_port

QUICK = Behaviour(ttft=Constant(0.01), itl=Constant(0.001), tokens=Constant(4))


def rows(run: Path, table: str = "all_metrics_summary.csv") -> list[dict[str, str]]:
    with (run / "metrics" / table).open(newline="") as file:
        return list(csv.DictReader(file))


def prompts_of(run: Path, load: str) -> list[set[str]]:
    """The measured prompts of each attempt at a level, in order."""
    attempts: dict[int, set[str]] = {}
    for row in rows(run, "per_inference_request_results.csv"):
        if row["load"] == load and row["phase"] == "measured":
            attempts.setdefault(int(row["attempt"]), set()).add(row["prompt_id"])
    return [attempts[number] for number in sorted(attempts)]


@pytest.mark.thorough
def test_a_level_is_measured_again_with_new_prompts_and_both_attempts_are_shown(
    fmbench: Callable[..., Finished], write_config: Callable[..., Path]
) -> None:
    with launch(QUICK) as emulator:
        config = write_config([{"name": "one", "ep_name": emulator.url}])
        first = fmbench("--config-file", config)
        assert first.code == 0, first.err
        (again,) = {row["verdict_reasons"].rpartition("; ")[2] for row in rows(first.run) if row["concurrency"] == "2"}
        assert again == "measure it again: fmbench --resume RUN_DIR --remeasure one/all/concurrency-2"
        assert f"fmbench --resume {first.run} --remeasure degraded" in (first.run / "report.md").read_text()
        second = fmbench("--resume", first.run, "--remeasure", "one/all/concurrency-2", results=False)
        third = fmbench("--resume", first.run, "--remeasure", "concurrency-2,concurrency-1", results=False)
    assert (second.code, third.code) == (0, 0), second.err + third.err
    summary = rows(first.run)
    assert [(row["load"], row["attempt"]) for row in summary] == [
        ("concurrency-1", "1"),
        ("concurrency-1", "2"),
        ("concurrency-2", "1"),
        ("concurrency-2", "2"),
        ("concurrency-2", "3"),
    ]
    sent = [*prompts_of(first.run, "concurrency-1"), *prompts_of(first.run, "concurrency-2")]
    assert sum(map(len, sent)) == len(set().union(*sent)) == 5 * 8
    assert {row["resent_prompts"] for row in summary} == {"0"}
    winners = rows(first.run, "summary_metrics_for_dataset_best_option.csv")
    assert [row["attempt"] for row in winners] in (["2"], ["3"])
    text = (first.run / "report.md").read_text()
    assert "concurrency 2 (attempt 3)" in text
    assert "the last one counts" in (first.run / "report_appendix.md").read_text()


@pytest.mark.thorough
def test_prompts_that_run_out_are_sent_again_and_the_level_says_so(
    fmbench: Callable[..., Finished], write_config: Callable[..., Path]
) -> None:
    load = {"requests": 25, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "never"}
    with launch(QUICK) as emulator:
        config = write_config([{"name": "one", "ep_name": emulator.url}], load=load)  # 2 * 27 of 60 prompts
        first = fmbench("--config-file", config)
        done = fmbench("--resume", first.run, "--remeasure", "concurrency-1", results=False)
    assert done.code == 0, done.err
    row = rows(first.run)[1]
    assert (row["load"], row["attempt"], row["resent_prompts"], row["verdict"]) == (
        "concurrency-1",
        "2",
        str(25 - 6),
        "degraded",
    )
    assert "19 prompts had been sent to the endpoint before by this run" in row["verdict_reasons"]


@pytest.mark.thorough
def test_an_unknown_level_is_one_line_with_the_near_ones(
    fmbench: Callable[..., Finished], write_config: Callable[..., Path]
) -> None:
    with launch(QUICK) as emulator:
        config = write_config([{"name": "one", "ep_name": emulator.url}], run_steps={"4_model_metric_analysis": False})
        first = fmbench("--config-file", config)
        before = sorted(path.name for path in first.run.rglob("requests/**/*"))
        for word, near in (("concurency-2", "concurrency-2"), ("one/all/concurrency-3", "one/all/concurrency-2")):
            wrong = fmbench("--resume", first.run, "--remeasure", f"invalid,{word}", results=False)
            assert (wrong.code, len(wrong.err.splitlines())) == (2, 1), wrong.err
            assert wrong.err.startswith(f"fmbench: --remeasure {word}: this run has no such level; near are ")
            assert near in wrong.err
    assert sorted(path.name for path in first.run.rglob("requests/**/*")) == before
    alone = fmbench("--config-file", config, "--remeasure", "invalid")
    assert (alone.code, alone.err) == (2, "fmbench: --remeasure goes with --resume RUN_DIR, and without --steps\n")


@pytest.mark.thorough
def test_a_level_of_a_dead_server_is_measured_again_when_the_server_is_back(
    fmbench: Callable[..., Finished], write_config: Callable[..., Path]
) -> None:
    dying = Behaviour(ttft=QUICK.ttft, itl=QUICK.itl, tokens=QUICK.tokens, framing="close")
    port = free_port()
    load = {"requests": 8, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "never", "stop_on_error_rate": 0}
    with launch(dying, port=port) as emulator:
        config = write_config([{"name": "one", "ep_name": emulator.url}], load=load)
        with_fault = fmbench("--config-file", config, "--steps", "0-2")
        assert with_fault.code == 0, with_fault.err
    dead = fmbench("--resume", with_fault.run, "--steps", "3-4", results=False)
    assert dead.code == 1
    assert [row["verdict"] for row in rows(with_fault.run)] == ["invalid", "invalid"]
    (line,) = [line for line in dead.out.splitlines() if " are invalid: " in line]
    assert "concurrency-1, one" in line
    assert "none of 8 requests succeeded" in line
    assert line.endswith(f"; measure it again: fmbench --resume {with_fault.run} --remeasure invalid")
    with launch(QUICK, port=port):
        done = fmbench("--resume", with_fault.run, "--remeasure", "invalid", results=False)
    assert done.code == 0, done.out + done.err
    assert "to be measured again: one · all.jsonl · concurrency-1" in done.out
    shown = [(row["attempt"], row["errors"], row["resent_prompts"]) for row in rows(with_fault.run)]
    assert shown == [("1", "8", "0"), ("2", "0", "0")] * 2
    summary: dict[str, Any] = json.loads((with_fault.run / "summary.json").read_text())
    assert (summary["all_well"], summary["attention"]) == (True, [])
