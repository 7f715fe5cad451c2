"""`--set`: where a path leads, what the value means, and what is said of a path that leads nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import ConfigError, LoadedConfig
from fmbench_lib.config.reading.loading import parse_config

TEXT = """
general: {name: test}
data:
  filters: [{max_length_in_tokens: 500}]
pricing: {g5.xlarge: 1.0}
experiments:
- {name: small, platform: endpoint, ep_name: "http://a/v1", tokenizer: words, concurrency_levels: [1]}
- {model_id: org/llama3.1, platform: endpoint, ep_name: {url}, tokenizer: words, concurrency_levels: [1]}
"""


def load(*pairs: str, text: str = TEXT, **arguments: str) -> LoadedConfig:
    given = {f"--set {path}": value for path, _, value in (pair.partition("=") for pair in pairs)}
    return parse_config(text, path=Path("test.yml"), arguments={"url": "http://b/v1", **arguments, **given})


def problems(*pairs: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*pairs)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "path",
    [
        "experiments[1].concurrency_levels",
        "experiments.1.concurrency_levels",
        "experiments[llama3.1].concurrency_levels",
        "experiments.llama3.1.concurrency_levels",
        'experiments."llama3.1".concurrency_levels',
    ],
)
def test_an_entry_is_found_by_number_and_name(path: str) -> None:
    experiments = load(f"{path}=[2, 8]").config.experiments
    assert [experiment.concurrency_levels for experiment in experiments] == [[1], [2, 8]]


def test_a_star_is_every_entry() -> None:
    experiments = load("experiments[*].concurrency_levels[0]=3").config.experiments
    assert [experiment.concurrency_levels for experiment in experiments] == [[3], [3]]


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        ("general.seed=7", lambda config: config.general.seed == 7),
        ("pricing.g5.xlarge=2.5", lambda config: config.pricing == {"g5.xlarge": 2.5}),
        ("datasets.filters[0].max_length_in_tokens=99", lambda c: c.datasets.filters[0].max_length_in_tokens == 99),
        ("data.filters.0.max_length_in_tokens=98", lambda c: c.datasets.filters[0].max_length_in_tokens == 98),
        ("inference_parameters={temperature: 0.5}", lambda c: c.inference_parameters == {"temperature": 0.5}),
        ("inference_parameters.stop.0=x", lambda c: c.inference_parameters == {"stop": {"0": "x"}}),
        ("general.name=1e3", lambda config: config.general.name == "1e3"),
        ("general.name=at {url}", lambda config: config.general.name == "at http://b/v1"),
        ("report.latency_budget=", lambda config: config.report.latency_budget is None),
    ],
)
def test_a_value_is_yaml_and_goes_where_the_key_stands(pair: str, found: Any) -> None:
    assert found(load(pair).config)


def test_the_last_of_two_wins_and_both_are_in_the_text_that_tells_configs_apart() -> None:
    loaded = load("load={requests: 5}", "load.requests=9")
    assert loaded.config.load.requests == 9
    assert loaded.text.endswith("\n# --set load={requests: 5}\n# --set load.requests=9")


def test_one_key_of_load_leaves_the_others_as_without_the_section() -> None:
    assert load("load.requests=9").config.load.prompt_reuse == "allowed"
    assert load("load.requests=9", text=TEXT + "load: {timeout: 9}\n").config.load.prompt_reuse == "never"


def test_a_placeholder_that_is_overridden_needs_no_value() -> None:
    given = {"--set experiments[1].ep_name": "http://c/v1/chat/completions"}
    loaded = parse_config(TEXT, path=Path("test.yml"), arguments=given)
    assert loaded.config.experiments[1].ep_name == "http://c/v1/chat/completions"


def test_a_placeholder_in_a_value_needs_one() -> None:
    assert problems("experiments[0].ep_name={uri}")[0].startswith(
        "experiments[0].ep_name: the placeholder {uri} has no value here"
    )


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("load.request=5", "--set load.request: unknown key load.request; did you mean load.requests?"),
        ("laod.requests=5", "--set laod.requests: unknown key laod; did you mean load?"),
        ("timeout=5", "did you mean experiments[0].inference_spec.timeout"),
        ("concurrency_levels=[1]", "did you mean experiments[0].concurrency_levels?"),
        ("experiments.smal.ep_name=x", "there is no smal in experiments; did you mean small?"),
        ("experiments.other-one.ep_name=x", "it has small or llama3.1"),
        ("experiments[7].ep_name=x", "experiments has 2 entries, up to experiments[1]"),
        ("general.name.x=1", "general.name is 'test': nothing stands below it"),
        ("load.requests=[1", "--set load.requests: the value is not valid YAML"),
        ("load..requests=1", "is not the path of a key; write it as load.requests"),
        ("load[requests=1", "is not the path of a key"),
        ("load.requests=many", "load.requests: "),
    ],
)
def test_what_is_wrong_is_a_line_each(pair: str, message: str) -> None:
    if pair.startswith("timeout"):
        message = "unknown key timeout; did you mean load.timeout?"
    [line] = problems(pair)
    assert message in line


def test_a_secret_in_a_value_is_in_no_message() -> None:
    [line] = problems("experiments[0].inference_spec.auth.token=[abcdef-secret-1234")
    assert "abcdef" not in line


FMBENCH_2_STEPS = """
run_steps:
  0_setup.ipynb: yes
  1_generate_data.ipynb: no
  2_deploy_model.ipynb: yes
  3_run_inference.ipynb: yes
  5_model_metric_analysis.ipynb: yes
  6_cleanup.ipynb: yes
"""


@pytest.mark.parametrize(
    "path", ["run_steps.1_generate_data", "run_steps.1_generate_data.ipynb", 'run_steps["1_generate_data.ipynb"]']
)
def test_a_step_is_found_however_it_is_spelt_and_keeps_its_place(path: str) -> None:
    loaded = load(f"{path}=yes", "run_steps.5_cleanup=no", text=TEXT + FMBENCH_2_STEPS)
    steps = {"0_setup": True, "1_generate_data": True, "2_deploy_model": True, "3_run_inference": True}
    assert list(loaded.config.run_steps.items()) == [
        *steps.items(),
        ("4_model_metric_analysis", True),
        ("5_cleanup", False),
    ]
    assert not any("twice" in notice.message for notice in loaded.notices)


def test_a_step_that_is_given_twice_runs_where_it_stands_first() -> None:
    twice = TEXT + FMBENCH_2_STEPS + "  1_generate_data: yes\n"
    assert list(load(text=twice).config.run_steps)[1] == "1_generate_data"
    assert load(text=twice).config.run_steps["1_generate_data"] is True
