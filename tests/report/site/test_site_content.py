"""What the site holds: plain values of the index, and nothing that a run does not know."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fmbench_lib.metrics.many_runs.indexed_run import IndexedRun
from fmbench_lib.report.site.site_content import PlacedRun, site_content
from fmbench_lib.report.site.site_page import site_page
from fmbench_lib.runs.index.run_index import known_runs, place_of_results
from tests.report.site.made_results import EXPERIMENTS, made_results

ONE = "One run is no history: it takes 8 to see a change."


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[IndexedRun]:
    """36 runs: twelve of each of three pairs of experiments."""
    folder = tmp_path_factory.mktemp("results")
    made_results(folder, 36)
    return [known.run for known in known_runs(place_of_results(folder)).runs]


def test_every_level_of_every_run_is_there_with_its_figures(runs: list[IndexedRun]) -> None:
    content = site_content([PlacedRun(run) for run in runs])
    assert len(content["levels"]["rows"]) == sum(len(run.levels) for run in runs) == 35 * 16
    column = content["levels"]["columns"].index("latency_p95")
    for position, about in enumerate(content["levels"]["about"]):
        run = runs[about["r"]]
        level = next(
            one
            for one in run.levels
            if one.experiment.name == content["experiments"][about["e"]]["name"]
            and one.load == about["key"]
            and content["datasets"][about["d"]] == one.payload_file.removeprefix("payload_").removesuffix(".jsonl")
        )
        assert content["levels"]["rows"][position][column] == pytest.approx(level.figures["latency_p95"], rel=1e-5)
    json.dumps(content, allow_nan=False)


def test_a_run_without_levels_has_the_experiments_of_its_config(runs: list[IndexedRun]) -> None:
    content = site_content([PlacedRun(run) for run in runs])
    bare = content["runs"][1]
    assert (bare["analysed"], bare["decision"], bare["cost"]) == (False, "", None)
    assert [content["experiments"][e]["name"] for e in bare["experiments"]] == [one[0] for one in EXPERIMENTS[2:4]]


def test_payload_files_of_one_name_with_other_prompts_are_other_datasets(runs: list[IndexedRun]) -> None:
    other = replace(runs[0], levels=tuple(replace(level, prompts="0123456789ab") for level in runs[0].levels))
    unknown = replace(runs[0], levels=tuple(replace(level, prompts=None) for level in runs[0].levels))
    names = site_content([PlacedRun(run) for run in (runs[0], other, unknown)])["datasets"]
    assert names[::2] == [
        f"en_1-300 (prompts {prompts})" for prompts in ("5f0c2a9d1b7e", "0123456789ab", "unknown")
    ]  # fmt: skip


def test_histories_say_what_can_be_said(runs: list[IndexedRun]) -> None:
    content = site_content([PlacedRun(run) for run in runs])
    said = {content["experiments"][one["e"]]["name"]: one["said"] for one in content["histories"]}
    assert said["llama-vllm"] == "12 runs: 1 change."
    assert said["llama-sglang"] == "12 runs: no change that these figures can show."
    several = site_content([PlacedRun(run) for run in runs[:6]])
    assert {one["said"] for one in several["histories"]} == {"2 runs are too few to see a change: it takes 8.", ONE}
    few = site_content([PlacedRun(runs[0])])
    assert [one["said"] for one in few["histories"]] == [ONE] * 2


def test_a_change_names_what_else_differs(runs: list[IndexedRun]) -> None:
    half = len(runs) / 2
    newer = [replace(run, fmbench="3.1.0") if at >= half else run for at, run in enumerate(runs)]
    content = site_content([PlacedRun(run) for run in newer])
    (change,) = next(one["changes"] for one in content["histories"] if one["changes"])
    assert change["also"] == ["fmbench: 3.0.0 → 3.1.0"]
    assert content["runs"][change["first"]]["title"] == "nightly/20260522-093000Z"


def test_the_page_is_one_file_that_may_load_nothing(runs: list[IndexedRun]) -> None:
    html = site_page(site_content([PlacedRun(run, "runs/a%20b/report.html") for run in runs], ["x: <b>"]), "<title>")
    policy = html.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
    assert policy.startswith("default-src &#x27;none&#x27;; script-src &#x27;sha256-")
    assert "<title>&lt;title&gt;</title>" in html
    assert 'href="runs/a%20b/report.html"' in html
    assert "x: <b>" not in html


def test_the_data_outside_of_runs_does_not_grow_with_their_texts(runs: list[IndexedRun], tmp_path: Path) -> None:
    long = [replace(run, decision="x" * 100_000) for run in runs]
    assert len(site_page(site_content([PlacedRun(run) for run in long]), "t")) < 900_000
