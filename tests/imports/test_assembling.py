"""Descriptions of one level are put together, and every level has a name of its own."""

from __future__ import annotations

import json
from pathlib import Path

from fmbench_lib.imports.assembling import Names
from tests.imports import samples
from tests.imports.samples import assembled_of, file_of


def test_a_summary_and_its_single_responses_are_one_level(tmp_path: Path) -> None:
    summary = file_of(tmp_path, samples.LLMPERF, "summary.json")
    single = file_of(tmp_path, samples.LLMPERF_REQUESTS, "individual.json")
    for paths in ((summary, single), (single, summary)):
        (one,) = assembled_of(*paths)
        assert one.level["load"] == "concurrency-2"
        assert one.level["requests"] == len(one.requests) == 3
        assert not one.level["clock"]
        assert {file["path"] for file in one.level["files"]} == {str(summary), str(single)}


def test_requests_of_another_number_are_another_level(tmp_path: Path) -> None:
    summary = file_of(tmp_path, samples.LLMPERF, "summary.json")
    single = file_of(tmp_path, samples.LLMPERF_REQUESTS * 2, "individual.json")
    assert len(assembled_of(summary, single)) == 2


def test_batches_count_before_the_summary_of_them(tmp_path: Path) -> None:
    summary = file_of(tmp_path, samples.FMBENCH, "summary.csv")
    batches = file_of(tmp_path, samples.FMBENCH_BATCHES, "all.csv")
    levels = {one.level["load"]: one.level for one in assembled_of(summary, batches)}
    assert set(levels) == {"concurrency-1", "concurrency-2", "concurrency-4", "concurrency-8"}
    rates = [one for one in levels["concurrency-1"]["figures"] if one["column"] == "transactions_per_minute"]
    assert [round(one["value"]) for one in rates] == [30, 60]


def test_json_and_table_of_one_export_are_one_level(tmp_path: Path) -> None:
    paths = [file_of(tmp_path, samples.GENAI_CSV, "x.csv")]
    paths.append(file_of(tmp_path, {**samples.AIPERF, "error_summary": []}, "x.json"))
    (one,) = assembled_of(*paths)
    assert one.level["concurrency"] == 4
    assert one.level["figures"][0]["file"].endswith("x.json")


def test_one_load_twice_in_a_folder_is_a_repeat(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({**samples.SGLANG, "duration": duration}) for duration in (100.0, 101.0))
    loads = [one.level["load"] for one in assembled_of(file_of(tmp_path, lines, "out.jsonl"))]
    assert loads == ["rate-4", "rate-4-repeat-2"]


def test_one_model_in_two_folders_is_two_experiments(tmp_path: Path) -> None:
    paths = [file_of(tmp_path, samples.VLLM, f"{name}/r.json") for name in ("base", "quantized")]
    names = [one.level["experiment_name"] for one in assembled_of(*paths)]
    assert names == ["tiny-model base", "tiny-model quantized"]
    given = [one.level["experiment_name"] for one in assembled_of(*paths, names=Names(experiment="mine"))]
    assert given == ["mine", "mine"]


def test_without_any_name_the_folder_is_the_experiment(tmp_path: Path) -> None:
    (one,) = assembled_of(file_of(tmp_path, samples.stage(), "set-up/stage_0.json"))
    assert one.level["experiment_name"] == "set-up"
    assert one.level["load"] == "rate-10"


def test_prompts_of_one_length_are_one_payload_file(tmp_path: Path) -> None:
    short, alike, long = samples.stage(), samples.stage(rate=20.0), samples.stage(rate=30.0)
    alike["successes"]["prompt_len"]["mean"] = 204.0
    long["successes"]["prompt_len"]["mean"] = 900.0
    paths = [file_of(tmp_path, each, f"{number}.json") for number, each in enumerate((short, alike, long))]
    payloads = [one.level["payload_file"] for one in assembled_of(*paths)]
    assert payloads == ["prompts_of_200_tokens", "prompts_of_200_tokens", "prompts_of_900_tokens"]
    named = assembled_of(*paths, names=Names(payload_file="mine"))
    assert {one.level["payload_file"] for one in named} == {"mine"}


def test_the_user_names_the_instance(tmp_path: Path) -> None:
    path = file_of(tmp_path, samples.FMBENCH, "summary.csv")
    assert assembled_of(path)[0].level["instance_type"] == "trn1.32xlarge"
    (one, *_) = assembled_of(path, names=Names(instance_type="g5.xlarge", instance_count=2))
    assert (one.level["instance_type"], one.level["instance_count"]) == ("g5.xlarge", 2)
