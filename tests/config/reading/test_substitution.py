from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.config import LoadedConfig, load_config
from fmbench_lib.config.reading.substitution import STANDARD

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]

OWN = {"results_dir": "run-7", "model_id": "org/model", "tp_degree": "2", "cli_params": "--max-len 100"}


def test_standard_placeholders_without_value_stay_open_as_text(load: Load, minimal: str) -> None:
    loaded = load(minimal + "aws: {region: {region}, bucket: {write_bucket}}\n")
    assert loaded.config.aws.region == "{region}"
    assert loaded.config.aws.bucket == "{write_bucket}"
    assert loaded.open_placeholders == ("region", "write_bucket")
    assert "{region: {region}" in loaded.text.replace("bucket", "")


@pytest.mark.parametrize("name", STANDARD)
def test_standard_placeholders_take_the_value_that_is_known(load: Load, minimal: str, name: str) -> None:
    text = minimal + f"aws:\n  region: {{{name}}}\n  bucket: 'b-{{{name}}}-x'\n"
    loaded = load(text, standard={name: "value-1"})
    assert (loaded.config.aws.region, loaded.config.aws.bucket) == ("value-1", "b-value-1-x")
    assert loaded.open_placeholders == ()
    assert "value-1" in loaded.text


def test_an_argument_overrides_a_standard_value_and_may_contain_one(load: Load, minimal: str) -> None:
    text = minimal + "aws: {region: {region}, bucket: {mine}}\n"
    loaded = load(text, arguments={"region": "b", "mine": "data-{region}"}, standard={"region": "a"})
    assert (loaded.config.aws.region, loaded.config.aws.bucket) == ("b", "data-a")


def test_an_argument_is_replaced_everywhere_before_the_text_is_parsed(data: Path) -> None:
    loaded = load_config(data / "ec2_placeholders.yml", arguments=OWN)
    experiment = loaded.config.experiments[0]
    assert loaded.config.general.name == "run-7"
    assert experiment.name == "org/model"
    assert experiment.inference_spec.tp_degree == 2, "a replaced value is parsed like one that was written there"
    assert experiment.inference_spec.cli_params == "--max-len 100"
    assert experiment.inference_spec.parameters["model"] == "org/model"
    assert "option.tensor_parallel_degree=2\noption.model_id=org/model" in (experiment.serving_properties or "")


def test_an_unused_argument_is_ignored(load: Load, minimal: str) -> None:
    assert load(minimal, arguments={"nobody": "asked"}).config == load(minimal).config


def test_each_missing_placeholder_is_one_problem_that_names_the_argument(data: Path, mistakes: Mistakes) -> None:
    found = mistakes((data / "ec2_placeholders.yml").read_text())
    assert set(found) == {
        "general.name",
        "general.model_name",
        "experiments[0].inference_spec.tp_degree",
        "experiments[0].inference_spec.cli_params",
    }
    assert "-A results_dir=" in found["general.name"]
    assert "4 other keys" in found["general.model_name"]


@pytest.mark.parametrize("value", ["{foo}", "{foo}-1", "[{foo}]", "{a: {foo}}"])
def test_an_unquoted_placeholder_that_stands_for_a_value_is_an_error(
    mistakes: Mistakes, minimal: str, value: str
) -> None:
    (message,) = mistakes(minimal + f"inference_parameters:\n  stop: {value}\n").values()
    assert "{foo}" in message
    assert "-A foo=" in message


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"{foo}"', "{foo}"),
        ("'{foo} bar'", "{foo} bar"),
        ("bar {foo}", "bar {foo}"),
        ("|-\n    {foo}\n    x={y}", "{foo}\nx={y}"),
        ("{ground_truth}", "{ground_truth}"),
        ("x_{method_name}", "x_{method_name}"),
        ("'{{region}}'", "{{region}}"),
        ("'{ }'", "{ }"),
    ],
)
def test_other_braces_are_text(load: Load, minimal: str, written: str, read: str) -> None:
    loaded = load(minimal + f"inference_parameters:\n  stop: {written}\n")
    assert loaded.config.inference_parameters == {"stop": read}
    assert loaded.open_placeholders == ()


def test_placeholders_in_comments_are_ignored(load: Load, minimal: str) -> None:
    loaded = load(minimal + "# {foo} {region}\n")
    assert loaded.open_placeholders == ()


def test_a_mistake_after_a_placeholder_is_located_in_the_file_as_written(mistakes: Mistakes, minimal: str) -> None:
    (message,) = mistakes(minimal + "aws: {region: {region}, bucket: {write_bucket}\n").values()
    assert "line 13, column 1" in message


DOUBLED = """\
general:
  name: {results_dir}
aws:
  region: {region}
datasets:
  filters:
  - min_length_in_tokens: 1
    max_length_in_tokens: 500
    payload_file: all.jsonl
inference_parameters:
  generation_config: {{temperature: 0.1}}
  stop: "{{results_dir}} {{region}}{region}"
experiments:
- name: mine
  platform: endpoint
  ep_name: http://127.0.0.1:8000/v1/chat/completions
  concurrency_levels: [1]
  env: {{}}
  inference_spec:
    cli_params: '--rope-scaling {{"type":"dynamic"}} {cli_params}'
"""


def test_doubled_braces_are_single_ones_where_the_text_has_no_others(load: Load) -> None:
    loaded = load(DOUBLED, arguments={"results_dir": "run", "cli_params": "{{kept}}"})
    experiment = loaded.config.experiments[0]
    assert loaded.config.general.name == "run"
    assert experiment.env == {}
    options = '--rope-scaling {"type":"dynamic"} {{kept}}'
    assert experiment.inference_spec.cli_params == options, "the value of an argument stays as it is"
    assert loaded.config.inference_parameters == {
        "generation_config": {"temperature": 0.1},
        "stop": "{results_dir} {region}{region}",
    }
    assert loaded.open_placeholders == ("region",)
    assert loaded.text == DOUBLED.format(results_dir="run", cli_params="{{kept}}", region="{region}")


def test_a_placeholder_without_value_is_reported_beside_doubled_braces(mistakes: Mistakes) -> None:
    assert set(mistakes(DOUBLED)) == {"general.name"}
    assert "-A results_dir=" in mistakes(DOUBLED)["general.name"]


@pytest.mark.parametrize("other", ["{a: b}", "'{}'", "'{0}'", "'{a!r}'", "'{a.b}'", "'{'", "'}'"])
def test_doubled_braces_stay_doubled_where_any_other_brace_stands(load: Load, other: str) -> None:
    text = DOUBLED.replace("env: {{}}", f"env:\n    unused: {other}").replace("{{temperature: 0.1}}", "none")
    loaded = load(text, arguments={"results_dir": "run", "cli_params": "-x"})
    assert loaded.config.experiments[0].inference_spec.cli_params == '--rope-scaling {{"type":"dynamic"}} -x'
    assert loaded.config.inference_parameters["stop"] == "{{results_dir}} {{region}}{region}"
