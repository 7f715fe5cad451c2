"""What a model is compiled for, where it is stored, and the commands in a plan."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import load_config
from fmbench_lib.deploy import platform
from fmbench_lib.deploy.neuron.settings import commands, compilation_of, is_compiled
from fmbench_lib.errors import DeployError
from tests.deploy.neuron.conftest import WEIGHTS, compiled_experiment
from tests.deploy.on_aws import ROLE

SAGEMAKER = platform("sagemaker")


# -- what is compiled --------------------------------------------------------------------------------------------------


def test_compilation_settings_come_from_the_config() -> None:
    result = compilation_of(compiled_experiment())
    assert str(result.settings) == "24 Neuron cores, batch size 1, 8192 positions, f16, Neuron SDK 2.19.1"
    assert (result.settings.split, result.settings.level) == (True, 2)
    assert (result.weights, result.artifacts) == (WEIGHTS, "s3://runs/lmi/model/neuronx_artifacts")
    assert result.notes() == [
        "ec2.batch_size is 1, option.max_rolling_batch_size 8: the server will compile the model again for its own "
        "batch size"
    ]


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({"serving_properties": None}, "s3://runs/lmi/model/model-split"),
        ({"serving_properties": "option.model_id=org/model"}, "s3://runs/lmi/model/model-split"),
        (
            {"serving_properties": None, "model_id_wo_repo": "M", "model_id_wo_repo_split": "M-s", "prefix": "a/b/"},
            "s3://runs/a/b/M/M-s",
        ),
        ({"serving_properties": None, "prefix": None}, "s3://runs/neuron/model/model-split"),
        ({"serving_properties": None, "model_s3_path": "s3://other/x/y/"}, "s3://other/x/y"),
    ],
)
def test_where_a_compiled_model_is_uploaded(changes: dict[str, Any], weights: str) -> None:
    assert compilation_of(compiled_experiment(**changes)).weights == weights


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_id": None}, "needs model_id"),
        ({"ec2": {"num_neuron_cores": 12}}, r"ec2\.num_neuron_cores is 12, option\.tensor_parallel_degree 24"),
        ({"ec2": None, "serving_properties": "option.dtype=fp16"}, r"needs ec2\.num_neuron_cores"),
        ({"serving_properties": "option.dtype=int8"}, r"option\.dtype is int8; Neuron supports fp16, bf16"),
        ({"serving_properties": "option.model_id=s3://runs/x"}, "is at the top of its bucket"),
        ({"serving_properties": None, "bucket": "{write_bucket}"}, "need a bucket: give --write-bucket"),
    ],
)
def test_missing_settings_are_errors(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DeployError, match=message):
        compilation_of(compiled_experiment(**changes))


def test_an_fmbench2_config_implies_platform_compilation_and_instances(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("""
general: {name: older}
aws: {region: {region}, sagemaker_execution_role: {role_arn}, bucket: {write_bucket}}
datasets:
  filters: [{language: en, min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
inference_parameters: {djl: {max_new_tokens: 100}}
experiments:
- name: x
  model_id: org/Model
  prefix: lmi
  instance_type: ml.inf2.48xlarge
  instance_count:
  image_uri: 763104351884.dkr.ecr.{region}.amazonaws.com/djl-inference:0.29.0-neuronx-sdk2.19.1
  deploy: yes
  deployment_script: neuron_deploy.py
  inference_script: sagemaker_predictor.py
  ec2: {batch_size: "4", num_neuron_cores: "24", neuron_version: "2.19.1", instance_count: "2"}
  inference_spec: {parameter_set: djl}
  serving.properties: |
    option.model_id=s3://{write_bucket}/lmi/Model/Model-split/
    option.tensor_parallel_degree=24
  payload_files: [all.jsonl]
  concurrency_levels: [1]
""")
    standard = {"region": "us-east-1", "role_arn": ROLE, "write_bucket": "runs"}
    (item,) = load_config(tmp_path / "config.yml", standard=standard).config.experiments
    assert (item.platform, item.instance_count) == ("sagemaker", 2)
    assert compilation_of(item).weights == "s3://runs/lmi/Model/Model-split"
    assert SAGEMAKER.plan(item).startswith("deploys org/Model on 2 × ml.inf2.48xlarge in us-east-1 (DJL, serving.prop")


def test_which_experiments_are_compiled() -> None:
    assert is_compiled(compiled_experiment())
    assert is_compiled(compiled_experiment(platform="ec2", deployment_script=None))
    assert not is_compiled(compiled_experiment(deploy=False))
    assert not is_compiled(compiled_experiment(deployment_script=None, ec2={"batch_size": 4}))


def test_a_plan_without_a_compiler_has_the_exact_commands() -> None:
    message = SAGEMAKER.plan(compiled_experiment())
    assert message.startswith(
        "deploys org/model on 1 × ml.inf2.48xlarge in us-east-1 (DJL, serving.properties); the compiled model is read "
        f"from {WEIGHTS} if it exists, otherwise it must be compiled beforehand, since this machine has no neuronx-cc: "
        "hf download org/model --local-dir model && NEURON_RT_NUM_CORES=24 "
        "NEURON_CC_FLAGS='--model-type=transformer -O2' python3 /"
    )
    assert (
        "compiler_program.py --model=model --artifacts=./neuronx_artifacts --batch-size=1 --cores=24 --positions=8192 "
        f"--amp=f16 --split=./weights && aws s3 cp --recursive weights {WEIGHTS}/ && aws s3 cp --recursive "
        "neuronx_artifacts s3://runs/lmi/model/neuronx_artifacts/ (for 24 Neuron cores, batch size 1"
    ) in message
    assert message.endswith(
        "option.max_rolling_batch_size 8: the server will compile the model again for its own batch size)"
    )
    incomplete = compiled_experiment(ec2=None, serving_properties=f"option.model_id={WEIGHTS}")
    assert "a compiled model must exist at" in SAGEMAKER.plan(incomplete)


def test_a_plan_with_a_compiler_compiles_here(sdk: Path) -> None:
    assert f"if it exists, otherwise it is compiled here by {sdk}/neuronx-cc (for" in SAGEMAKER.plan(
        compiled_experiment()
    )


def test_the_command_works_in_a_shell(sdk: Path, tmp_path: Path) -> None:
    """The compiler command of a plan, run in a shell."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    typed = commands(compilation_of(compiled_experiment()), {}).split(" && ")[1]
    subprocess.run(typed, shell=True, check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert json.loads((tmp_path / "compiled.json").read_text())["compiler"] == "NeuronX Compiler version 2.14.227.0"
