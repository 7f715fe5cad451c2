"""What `fmbench configs` says of a config is what the config really needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.config import ConfigError, load_config, shipped_configs
from fmbench_lib.config.reading.substitution import STANDARD
from fmbench_lib.config.shipped.config_table import as_table, shipped_needs
from fmbench_lib.config.shipped.requirements import Needs, needs_of
from fmbench_lib.deploy.ec2.stacks.stack_table import STACKS

ROOT = Path(__file__).parents[3]
SHIPPED = shipped_needs()
FILLED = {"url": "http://127.0.0.1:8080", "instance_type": "g5.xlarge"}
HEAD = """
general: {name: mine}
datasets: {filters: [{min_length_in_tokens: 1, max_length_in_tokens: 9}]}
inference_parameters: {}
experiments:
"""


def needs(tmp_path: Path, experiments: str) -> Needs:
    path = tmp_path / "mine.yml"
    path.write_text(f"# Mine\n{HEAD}{experiments}")
    return needs_of("mine", path, "Mine")


def test_every_config_that_ships_is_listed_once() -> None:
    assert sorted(one.name for one in SHIPPED) == sorted(name for name, _, _ in shipped_configs())


@pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.name)
def test_what_must_be_given_is_what_is_listed(one: Needs) -> None:
    """Given all of it the config is complete; without any one of it, it is not."""
    keys = [part.removeprefix("-A ") for part in one.give if part.startswith("-A ")]
    values = {key: FILLED.get(key, "words" if key == "tokenizer" else "1") for key in keys}
    complete = load_config(one.name, arguments=values, standard=dict.fromkeys(STANDARD, "x"))
    assert complete.open_placeholders == ()
    assert not re.search(r"\{(?!model\}|prompt\}|max_tokens\})\w+\}", str(complete.config))
    for key in keys:
        lacking = {name: value for name, value in values.items() if name != key}
        try:
            said = str(load_config(one.name, arguments=lacking).config)
        except ConfigError as error:
            said = str(error)
        assert f"{{{key}}}" in said


def test_the_extras_to_install_exist() -> None:
    known = (ROOT / "setup.py").read_text()
    assert all(f'"{extra}":' in known for one in SHIPPED for extra in one.extras)


def test_the_platform_says_what_to_install_and_where_it_runs(tmp_path: Path) -> None:
    local = needs(tmp_path, "- {platform: local, concurrency_levels: [1]}\n")
    assert (local.extras, local.machines, local.credentials) == (("local",), ("this machine's CPU",), ())
    there = needs(tmp_path, "- {platform: endpoint, ep_name: 'http://a', api_key_env: MY_KEY}\n")
    assert (there.extras, there.machines, there.credentials) == ((), ("an endpoint that exists",), ("MY_KEY",))


def test_instances_are_named_with_their_accelerators(tmp_path: Path) -> None:
    found = needs(
        tmp_path,
        "- {platform: ec2, deploy: yes, instance_type: g5.2xlarge, model_id: org/model}\n"
        "- {platform: ec2, deploy: yes, instance_type: trn1.32xlarge, model_id: org/model}\n"
        "- {platform: ec2, deploy: yes, instance_type: m7a.16xlarge, model_id: org/other, "
        "image_uri: 1.dkr.ecr.{region}.amazonaws.com/vllm:1}\n",
    )
    assert found.machines == (
        "Docker on this machine",
        "g5.2xlarge (NVIDIA GPU)",
        "trn1.32xlarge (Neuron)",
        "m7a.16xlarge",
    )
    assert found.models_from_hub == ("org/model", "org/other")
    assert found.credentials == ("AWS credentials",)
    assert found.give == ("AWS_REGION",)


def test_where_the_type_is_to_be_given_the_server_says_what_it_runs_on(tmp_path: Path) -> None:
    def machines(more: str) -> tuple[str, ...]:
        return needs(tmp_path, f"- {{platform: ec2, deploy: yes, instance_type: {{kind}}, {more}}}\n").machines[1:]

    assert machines("inference_spec: {container_type: ollama}") == ()
    assert machines("inference_spec: {container_type: triton, tp_degree: 2}") == ("accelerators",)
    assert machines("image_uri: djl-inference:0.29.0-neuronx-sdk2.19.1") == ("Neuron",)
    assert machines("image_uri: text-embeddings-inference:cpu-1.8") == ("CPU",)
    kinds = {"none": "CPU", "nvidia": "NVIDIA GPU"}
    for name, stack in STACKS.items():
        if len(stack.kinds) == 1:
            assert machines(f"inference_spec: {{container_type: {name}}}") == (kinds[stack.kinds[0]],)


def test_older_script_names_mean_their_platforms(tmp_path: Path) -> None:
    found = needs(
        tmp_path,
        "- {name: a, deployment_script: ec2_deploy.py, inference_script: ec2_predictor.py, deploy: yes, "
        "inference_spec: {container_type: vllm}}\n"
        "- {name: b, deployment_script: jumpstart.py, inference_script: sagemaker_predictor.py, deploy: yes}\n",
    )
    assert found.platforms == ("ec2", "sagemaker")
    assert found.protocols == ("openai", "sagemaker")
    assert found.extras == ("ec2", "sagemaker")


def test_braces_of_templates_are_not_placeholders(tmp_path: Path) -> None:
    found = needs(
        tmp_path,
        "- {platform: endpoint, ep_name: {url}, inference_spec: {rest: {body: {prompt: '{prompt}'}}}, "
        "model_id: '{name}', env: {A: '{{text}}'}}\n",
    )
    assert found.give == ("-A url", "-A name")


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_has_every_config_and_fits(width: int) -> None:
    table = as_table(SHIPPED, width)
    lines = table.splitlines()
    assert all(any(line.strip().startswith(one.name) for line in lines) for one in SHIPPED)
    assert max(map(len, lines[:-1])) <= max(width, 100)
    for folder in {one.name.partition("/")[0] for one in SHIPPED if "/" in one.name}:
        assert lines.count(f"{folder}/") == 1


def test_the_same_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert set(found) == {one.name for one in SHIPPED}
    assert found["sagemaker/djl"]["give"] == ["AWS_REGION", "--role-arn", "--write-bucket"]
