from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]

SETS = "inference_parameters: {chat: {max_tokens: 8, top_p: 1}, code: {max_tokens: 9}}\n"


def test_the_parameter_set_is_copied_and_the_experiments_own_override_it(load: Load, minimal: str) -> None:
    text = minimal + "  inference_spec: {parameter_set: chat, parameters: {top_p: 0.5}}\n" + SETS
    assert load(text).config.experiments[0].inference_spec.parameters == {"max_tokens": 8, "top_p": 0.5}


def test_a_parameter_set_that_does_not_exist(mistakes: Mistakes, minimal: str) -> None:
    key = "experiments[0].inference_spec.parameter_set"
    chosen = minimal + "  inference_spec: {parameter_set: chta}\n"
    found = mistakes(chosen + SETS)
    assert list(found) == [key]
    assert "'chta'" in found[key]
    assert "did you mean chat?" in found[key]
    assert "leave parameter_set out" in mistakes(chosen + "inference_parameters: {max_tokens: 5}\n")[key]
    assert "is empty" in mistakes(chosen)[key]


@pytest.mark.parametrize("value", ["[a]", "{a: b}"])
def test_a_parameter_set_that_is_not_text(mistakes: Mistakes, minimal: str, value: str) -> None:
    found = mistakes(minimal + f"  inference_spec: {{parameter_set: {value}}}\n" + SETS)
    assert list(found) == ["experiments[0].inference_spec.parameter_set"]
    assert "write text" in found["experiments[0].inference_spec.parameter_set"]


@pytest.mark.parametrize("value", ["[a]", "{a: b}"])
@pytest.mark.parametrize("key", ["name", "platform", "inference_script", "deployment_script", "container_type"])
def test_a_list_or_a_section_where_a_word_belongs_is_a_mistake(
    mistakes: Mistakes, minimal: str, key: str, value: str
) -> None:
    entry = {"name": "x", "platform": "ec2", key: value}
    if key.endswith("script"):
        entry = {"name": "x", "inference_script": "ec2_predictor.py", key: value}
    if key == "container_type":
        entry = {"name": "x", "platform": "ec2", "inference_spec": f"{{container_type: {value}}}"}
    lines = "".join(f"  {name}: {said}\n" for name, said in entry.items())
    found = mistakes(minimal.split("- name")[0] + "-" + lines[1:] + "  concurrency_levels: [1]\n")
    assert key in [path.rsplit(".", 1)[-1] for path in found]


@pytest.mark.parametrize(
    ("sets", "named"), [(SETS, "chat or code"), ("inference_parameters: {chat: {top_p: 1}}\n", "chat")]
)
def test_sets_that_an_experiment_does_not_name_are_not_sent_with_a_notice(
    load: Load, minimal: str, sets: str, named: str
) -> None:
    loaded = load(minimal + sets)
    assert loaded.config.experiments[0].inference_spec.parameters == {}
    assert [str(notice) for notice in loaded.notices] == [
        "experiments[0].inference_spec.parameter_set: is not given, so that no parameters are sent; "
        f"inference_parameters has {named}"
    ]


@pytest.mark.parametrize(
    "rest",
    [
        "  inference_spec: {parameters: {top_p: 0.5}}\n" + SETS,
        "  inference_spec: {parameter_set: chat}\n" + SETS,
        "inference_parameters: {}\n",
        "inference_parameters: {top_p: 0.5}\n",
    ],
)
def test_no_notice_if_it_is_clear_what_is_sent(load: Load, minimal: str, rest: str) -> None:
    assert load(minimal + rest).notices == ()


def test_a_flat_set_goes_to_every_experiment_even_with_sections_in_it(load: Load, minimal: str) -> None:
    loaded = load(minimal + "inference_parameters: {max_tokens: 5, options: {seed: 1}}\n")
    assert loaded.config.experiments[0].inference_spec.parameters == {"max_tokens": 5, "options": {"seed": 1}}


@pytest.mark.parametrize(
    ("spec", "streams"),
    [("{}", True), ("{stream: no}", False), ("{parameters: {stream: no}}", False), ("{stream: yes}", True)],
)
def test_experiments_with_platform_stream_by_default(load: Load, minimal: str, spec: str, streams: bool) -> None:
    loaded = load(minimal + f"  inference_spec: {spec}\n")
    assert loaded.config.experiments[0].inference_spec.stream is streams


def test_names_that_occur_again_get_endings_that_are_free(load: Load, minimal: str) -> None:
    entry = minimal.split("experiments:\n")[1]
    names = ["a", "a", "a-2", "a", "b"]
    text = minimal.split("experiments:\n")[0] + "experiments:\n"
    text += "".join(entry.replace("name: mine", f"name: {name}") for name in names)
    loaded = load(text)
    assert [experiment.name for experiment in loaded.config.experiments] == ["a", "a-3", "a-2", "a-4", "b"]
    assert [notice.key for notice in loaded.notices] == ["experiments[1].name", "experiments[3].name"]


def test_without_a_name_the_model_names_an_experiment(load: Load, minimal: str) -> None:
    text = minimal.replace("- name: mine\n  platform", "- platform")
    assert load(text).config.experiments[0].name == "endpoint"
    assert load(text + "  model_id: org/model-7b\n").config.experiments[0].name == "model-7b"


def test_prompt_reuse_is_never_where_a_load_section_stands(load: Load, minimal: str) -> None:
    assert load(minimal).config.load.prompt_reuse == "allowed"
    for section in ("load:\n", "load: {}\n", "load: {requests: 5}\n"):
        config = load(minimal + section).config
        assert config.has_load_section
        assert config.load.prompt_reuse == "never"
    assert load(minimal + "load: {prompt_reuse: across_levels}\n").config.load.prompt_reuse == "across_levels"


@pytest.mark.parametrize(
    ("endpoint", "priced_as"),
    [
        ("some.model-v1:0", "some.model-v1:0"),
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc", None),
        ("arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:provisioned-model/abc", None),
    ],
)
def test_provisioned_throughput_is_not_priced_as_its_model_is_by_the_token(
    load: Load, minimal: str, endpoint: str, priced_as: str | None
) -> None:
    experiments = f"""experiments:
- {{platform: bedrock, model_id: "some.model-v1:0", ep_name: "{endpoint}", tokenizer: words, concurrency_levels: [1]}}
"""
    loaded = load(minimal.partition("experiments:")[0] + experiments)
    assert loaded.config.experiments[0].instance_type == (priced_as or endpoint)


@pytest.mark.parametrize(
    ("ep_name", "more", "count"),
    [
        ("http://a:1/v1, http://b:1/v1", "", 2),
        ("http://a:1/v1,http://a:2/v1, https://c/v1,", "", 3),
        ("http://a:1/v1, http://b:1/v1", "  instance_count: 1\n", 1),
        ("http://a:1/v1", "", None),
        ("http://a:1/v1, http://a:1/v1", "", None),
    ],
)
def test_several_addresses_are_several_instances_unless_said_otherwise(
    load: Callable[..., LoadedConfig], minimal: str, ep_name: str, more: str, count: int | None
) -> None:
    text = minimal.replace("http://127.0.0.1:8000/v1/chat/completions", f'"{ep_name}"') + more
    loaded = load(text)
    assert loaded.config.experiments[0].instance_count == count
    said = [notice.key for notice in loaded.notices if notice.key.endswith("instance_count")]
    assert said == (["experiments[0].instance_count"] if count and not more else [])
