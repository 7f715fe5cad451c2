from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.config import ConfigError, LoadedConfig, load_config, parse_config
from fmbench_lib.config.reading.keys import places_text

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]

OLDER = """\
general: {name: n}
datasets: {filters: [{max_length_in_tokens: 500}]}
experiments:
- name: e
  ep_name: x
  inference_script: sagemaker_predictor.py
  concurrency_levels: [1]
"""


def notices(loaded: LoadedConfig) -> dict[str, str]:
    return {notice.key: notice.message for notice in loaded.notices}


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("load: {request: 5}", "load.request", "requests"),
        ("load: {warm_up_requests: 5}", "load.warm_up_requests", "warmup_requests"),
        ("load: {colour: blue}", "load.colour", "unknown key"),
        ("load: {speed: 3}", "load.speed", "unknown key"),
        ("load: {thinktime: 1}", "load.thinktime", "think_time"),
    ],
)
def test_an_unknown_key_in_load_is_an_error(mistakes: Mistakes, minimal: str, text: str, key: str, meant: str) -> None:
    found = mistakes(minimal + text)
    assert list(found) == [key]
    assert meant in found[key]


@pytest.mark.parametrize("key", ["colour: blue", "inference_spec: {colour: blue}", "ec2: {colour: blue}"])
def test_an_unknown_key_in_an_experiment_with_platform_is_an_error(mistakes: Mistakes, minimal: str, key: str) -> None:
    found = mistakes(minimal + f"  {key}\n")
    assert "colour" in next(iter(found))


def test_an_unknown_key_in_an_older_section_is_ignored_and_reported(load: Load) -> None:
    loaded = load(OLDER + "  favourite_colour: blue\nx-shared: {a: 1}\nreport: {favourite_colour: red}\n")
    assert set(notices(loaded)) == {"experiments[0].favourite_colour", "x-shared", "report.favourite_colour"}


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("reprot: {latency_budget: 1}\n", "reprot", "report"),
        ("report: {latency_budgt: 1}\n", "report.latency_budgt", "latency_budget"),
        ("report: {all_metric_file: x}\n", "report.all_metric_file", "all_metrics_file"),
        ("  instance_typ: x\n", "experiments[0].instance_typ", "instance_type"),
        ("  inference_spec: {tp_degre: 2}\n", "experiments[0].inference_spec.tp_degre", "tp_degree"),
        ("  inference_spec: {strem: yes}\n", "experiments[0].inference_spec.strem", "stream"),
        ("  ec2: {privilegd_mode: no}\n", "experiments[0].ec2.privilegd_mode", "privileged_mode"),
    ],
)
def test_a_misspelt_key_is_an_error_everywhere(mistakes: Mistakes, text: str, key: str, meant: str) -> None:
    found = mistakes(OLDER + text)
    assert list(found) == [key]
    assert f"did you mean {meant}?" in found[key]


def test_keys_without_effect_are_ignored_and_reported(data: Path) -> None:
    told = notices(load_config(data / "sagemaker_jumpstart.yml"))
    assert {
        "dir_paths",
        "metrics.weights",
        "report.per_inference_request_file",
        "report.all_metrics_file",
        "report.v_shift_w_single_instance",
        "experiments[0].additional_metadata",
    } <= set(told)
    assert "given twice" in told["s3_read_data.scripts_prefix"]
    told = notices(load_config(data / "triton_resolved.yml"))
    assert "aws.local_file_system_path" in told
    assert load_config(data / "report_and_chart.yml").config.report.similarity_budget == 0.3


def test_keys_below_free_sections_are_free(load: Load, minimal: str) -> None:
    text = minimal + "  env: {ANYTHING: 1}\n  inference_spec: {parameters: {odd: 1}, container_params: {x.y: 2}}\n"
    experiment = load(text).config.experiments[0]
    assert experiment.env == {"ANYTHING": 1}
    assert experiment.inference_spec.container_params == {"x.y": 2}


def test_a_key_without_value_counts_as_left_out(load: Load, minimal: str) -> None:
    text = minimal + "  request_rates:\n  env:\nreport:\n  latency_budget:\naws:\n"
    assert load(text).config == load(minimal).config


def test_derived_fields_are_not_keys(mistakes: Mistakes, load: Load, minimal: str) -> None:
    loaded = load(minimal + "has_load_section: yes\n")
    assert loaded.config.has_load_section is False
    assert "has_load_section" in notices(loaded)


@pytest.mark.parametrize("empty", ['""', "''", '"  "', ""])
def test_optional_text_that_is_empty_counts_as_left_out(load: Load, minimal: str, empty: str) -> None:
    text = minimal + f"  image_uri: {empty}\n  model_version: {empty}\n  inference_spec:\n"
    text += "".join(f"    {key}: {empty}\n" for key in ("start_token", "stop_token", "cli_params", "parameter_set"))
    text += f"model_evaluations: {empty}\n"
    loaded = load(text)
    assert loaded.config == load(minimal).config
    assert loaded.notices == ()


def test_an_empty_text_instead_of_a_default_gives_a_notice(load: Load, minimal: str) -> None:
    loaded = load(minimal + 's3_read_data: {scripts_prefix: ""}\n')
    assert loaded.config.s3_read_data.scripts_prefix == "scripts"
    assert [str(notice) for notice in loaded.notices] == [
        "s3_read_data.scripts_prefix: is empty; scripts is used, as if it were left out"
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("name: mini", 'name: ""', "general.name"),
        ("- name: mine", '- name: ""', "experiments[0].name"),
        ("platform: endpoint", 'platform: ""', "experiments[0].platform"),
        ("[payload_en_1-500.jsonl]", '[""]', "experiments[0].payload_files[0]"),
        ("[payload_en_1-500.jsonl]", '""', "experiments[0].payload_files"),
        ("[1, 4]", '""', "experiments[0].concurrency_levels"),
    ],
)
def test_required_keys_may_not_be_empty(mistakes: Mistakes, minimal: str, old: str, new: str, key: str) -> None:
    assert next(iter(mistakes(minimal.replace(old, new)))) == key


def test_the_list_of_further_config_files_is_accepted_and_ignored(load: Load, minimal: str) -> None:
    loaded = load(minimal + "s3_read_data: {config_files: [pricing.yml]}\n")
    assert loaded.config == load(minimal).config
    assert [notice.key for notice in loaded.notices] == ["s3_read_data.config_files"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("download_from_hf_place_in_s3: None", "download_from_hf_place_in_s3"),
        ("model_version: None", "model_version"),
        ("instance_count: 0", "instance_count"),
        ("inference_spec: {batch_size: 0}", "inference_spec.batch_size"),
        ("inference_spec: {tp_degree: 0}", "inference_spec.tp_degree"),
        ("inference_spec: {timeout: None}", "inference_spec.timeout"),
        ("env: None", "env"),
        ("ec2: None", "ec2"),
    ],
)
def test_what_fmbench_2_took_for_none_is_left_out_and_said(load: Load, text: str, key: str) -> None:
    loaded = load(OLDER + f"  {text}\n")
    assert "left out" in notices(loaded)[f"experiments[0].{key}"]
    assert loaded.config.experiments == load(OLDER).config.experiments


def test_in_an_experiment_of_today_the_same_values_are_mistakes(mistakes: Mistakes, minimal: str) -> None:
    assert set(mistakes(minimal + "  instance_count: 0\n")) == {"experiments[0].instance_count"}
    assert set(mistakes(minimal + "  deploy: None\n")) == {"experiments[0].deploy"}


def test_the_word_none_as_a_name_that_is_required_is_a_name(load: Load) -> None:
    assert load(OLDER.replace("name: n}", "name: None}")).config.general.name == "None"


def test_a_key_that_knows_the_word_none_keeps_it(load: Load) -> None:
    text = "  model_data: {S3DataSource: {S3Uri: s3://b/m.tar.gz, CompressionType: None}}\n"
    data = load(OLDER + text).config.experiments[0].model_data
    assert data is not None
    assert data.s3_data_source is not None
    assert data.s3_data_source.compression_type == "None"


@pytest.mark.parametrize(
    ("key", "places"),
    [
        ("concurrency_levels", "experiments[]"),
        ("latency_budget", "report"),
        ("tp_degree", "experiments[].inference_spec"),
        ("nonsense_of_mine", ""),
        ("bucket", "aws or experiments[]"),
        ("region", ""),  # in too many to be told
    ],
)
def test_a_key_in_the_wrong_place_is_told_its_section(key: str, places: str) -> None:
    assert places_text(key) == places


def test_where_a_key_belongs_is_said_in_a_note_or_an_error(minimal: str) -> None:
    loaded = parse_config(f"{minimal}\nconcurrency_levels: [1]\n", path=Path("c.yml"))
    assert "ignored: it belongs in experiments[]" in [notice.message for notice in loaded.notices]
    with pytest.raises(ConfigError, match=r"load\.latency_budget: unknown key; it belongs in report$"):
        parse_config(f"{minimal}\nload: {{latency_budget: 2}}\n", path=Path("c.yml"))
