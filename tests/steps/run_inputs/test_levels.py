"""The levels of a run, in which order they are measured, and that a search is followed through their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.load.levels.search_terms import Reading, Tried
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs import levels
from fmbench_lib.workspace import LevelKey

CONFIG = """
general: {name: searched}
datasets:
  filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
load: {requests: 4, prompt_reuse: across_levels, find: max_concurrency, subject_to: {TTFT_p95: 0.5}}
experiments:
- {name: exp, platform: endpoint, ep_name: "http://127.0.0.1:9/v1/chat/completions", tokenizer: words}
"""
ANSWER = 5


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run against a server that meets the limits up to `ANSWER` requests in flight; its level files are empty."""

    def tried(path: Path, written_ns: int, load: float, *rest: Any) -> Tried:
        ttft = 0.1 if load <= ANSWER else 0.9
        low, high = 0.99 * ttft, 1.01 * ttft
        return Tried(load, {"TTFT_p95": Reading(ttft, low, high), "error_rate": Reading(0.0, 0.0, 0.01)})

    monkeypatch.setattr(levels, "_tried", tried)
    config = tmp_path / "run.yml"
    config.write_text(CONFIG)
    return create_run(config, results=tmp_path / "results")


def measure(run: Run, most: int = 100) -> list[str]:
    """Measure what is missing, at most so many levels, and return their names."""
    return [key.load for key in measured_keys(run, most)]


def measured_keys(run: Run, most: int = 100, later: tuple[str, ...] = ()) -> list[LevelKey]:
    """The same with the levels' keys."""
    keys: list[LevelKey] = []
    for spec, _ in levels.levels_to_measure(run, later):
        if len(keys) == most:
            break
        path = run.workspace.level(spec.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
        keys.append(spec.key)
    return keys


def test_the_answer_is_measured_again_in_a_file_of_its_own(run: Run) -> None:
    names = measure(run)
    assert len(set(names)) == len(names)
    assert f"concurrency-{ANSWER}-repeat-2" in names
    (found,) = levels.searched(run)
    assert (found.found, found.confirmed, found.missed) == (ANSWER, True, ANSWER + 1)
    assert found.at(ANSWER) == (f"concurrency-{ANSWER}", f"concurrency-{ANSWER}-repeat-2")
    assert levels.missing_levels(run) == []


def test_a_search_goes_on_where_it_was_before_and_after_the_repeat(run: Run, tmp_path: Path) -> None:
    names: list[str] = []
    while one := measure(run, most=1):
        names += one
    other = create_run(tmp_path / "run.yml", results=tmp_path / "other")
    assert measure(other) == names


def test_the_levels_of_one_load_stand_together_and_send_prompts_of_their_own(run: Run) -> None:
    measure(run)
    specs = levels.run_levels(run)
    assert [spec.concurrency for spec in specs] == sorted(spec.concurrency or 0 for spec in specs)
    assert len({spec.deal_key for spec in specs}) == len(specs)


def test_a_search_bounds_the_decision_by_what_it_found_and_asks_for(run: Run) -> None:
    assert levels.search_bounds(run) == []  # nothing was measured yet
    measure(run)
    (bound,) = levels.search_bounds(run)
    assert (bound.experiment_name, bound.payload_file, bound.column) == ("exp", "all.jsonl", "concurrency")
    assert [(limit.column, limit.budget) for limit in bound.limits] == [("TTFT_p95", 0.5), ("error_rate", 0.0)]
    assert (bound.found, bound.missed, bound.least) == (ANSWER, ANSWER + 1, 1)


def test_a_search_that_found_nothing_refuses_every_load_that_it_tried(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(path: Path, written_ns: int, load: float, *rest: Any) -> Tried:
        return Tried(load, {"TTFT_p95": Reading(0.9, 0.8, 1.0), "error_rate": Reading(0.0, 0.0, 0.01)})

    monkeypatch.setattr(levels, "_tried", slow)
    measure(run)
    (bound,) = levels.search_bounds(run)
    assert (bound.found, bound.least) == (None, 1)
    row = {"experiment_name": "exp", "payload_file": "all.jsonl", "concurrency": 1, "TTFT_p95": 0.4, "error_rate": 0.0}
    text, excess = bound.objection(row) or ("", None)
    assert text == "search shows no load that meets TTFT p95 ≤ 0.5 s and error rate ≤ 0%"
    assert excess == 0


class TestRepeats:
    REPEATED = """
general: {name: repeated, seed: 7}
datasets:
  filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
load: {requests: 4, prompt_reuse: across_levels, repeats: %d}
experiments:
- {name: one, platform: endpoint, ep_name: "http://127.0.0.1:9/v1/chat/completions", tokenizer: words,
   concurrency_levels: [1, 4]}
- {name: other, platform: endpoint, ep_name: "http://127.0.0.1:8/v1/chat/completions", tokenizer: words,
   concurrency_levels: [1, 4]}
"""

    def new(self, tmp_path: Path, repeats: int, name: str = "results") -> Run:
        config = tmp_path / "run.yml"
        config.write_text(self.REPEATED % repeats)
        return create_run(config, results=tmp_path / name)

    def test_without_them_an_experiment_is_measured_after_the_other(self, tmp_path: Path) -> None:
        keys = measured_keys(self.new(tmp_path, 1))
        assert [(key.experiment_name, key.load) for key in keys] == [
            *(("one", "concurrency-1"), ("one", "concurrency-4")),
            *(("other", "concurrency-1"), ("other", "concurrency-4")),
        ]

    def test_experiments_take_turns_round_after_round(self, tmp_path: Path) -> None:
        keys = measured_keys(self.new(tmp_path, 2))
        rounds = [[key.load.endswith("-repeat-2") for key in keys[at : at + 4]] for at in (0, 4)]
        assert rounds == [[False] * 4, [True] * 4]
        for at in range(0, 8, 2):
            assert {key.experiment_name for key in keys[at : at + 2]} == {"one", "other"}
            assert keys[at].load == keys[at + 1].load

    def test_the_order_is_the_same_where_the_run_was_cut_short(self, tmp_path: Path) -> None:
        whole = measured_keys(self.new(tmp_path, 3))
        run = self.new(tmp_path, 3, "other")
        parts = [measured_keys(run, most) for most in (1, 4, 100)]
        assert [key for part in parts for key in part] == whole
        assert levels.missing_levels(run) == []

    def test_an_experiment_that_waits_for_the_machine_comes_after_the_others(self, tmp_path: Path) -> None:
        keys = measured_keys(self.new(tmp_path, 2), later=("one",))
        assert [key.experiment_name for key in keys] == ["other"] * 4 + ["one"] * 4
