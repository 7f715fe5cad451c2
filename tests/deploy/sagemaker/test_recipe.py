"""What an endpoint is created from: JumpStart, DJL, files in S3, Hugging Face; and what an experiment lacks."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import huggingface_hub
import pytest
from moto import mock_aws

from fmbench_lib.deploy import platform
from fmbench_lib.deploy.s3_objects import exists, remove_object, s3_object, upload
from fmbench_lib.deploy.sagemaker import jumpstart as sagemaker_jumpstart
from fmbench_lib.deploy.sagemaker.model_container import MakingSageMaker, container_of
from fmbench_lib.deploy.sagemaker.recipe import recipe_of
from fmbench_lib.deploy.sagemaker.resources import planned
from fmbench_lib.deploy.serving_properties import properties_text
from fmbench_lib.errors import DeployError
from tests.deploy.on_aws import HF_TOKEN, IMAGE, ROLE, artifacts, asking

SAGEMAKER = platform("sagemaker")
CHINA_ROLE = "arn:aws-cn:iam::123456789012:role/sagemaker"
CHINA_IMAGE = "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/djl-inference:0.29.0-lmi11.0.0-cu124"
GOVERNMENT_IMAGE = "446045086412.dkr.ecr.us-gov-west-1.amazonaws.com/djl-inference:0.29.0-lmi11.0.0-cu124"


@pytest.fixture(autouse=True)
def region(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """S3 as moto emulates it, with one bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        made = boto3.client("s3", region_name="us-east-1")
        made.create_bucket(Bucket="runs")
        yield made


def keys(s3: Any) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket="runs").get("Contents", [])]


def making(tmp_path: Path, **changes: Any) -> MakingSageMaker:
    from fmbench_lib.deploy import Endpoint

    context, _ = asking(tmp_path)
    resources = tuple(planned("made", "us-east-1", "run"))
    return MakingSageMaker(Endpoint("e", "sagemaker", owned=True, resources=resources), replace(context, **changes))


# -- checked beforehand ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instance_type": None}, "needs instance_type, such as ml.g5.2xlarge"),
        (
            {"instance_type": "g5.xlarge"},
            "instance_type g5.xlarge is not a SageMaker instance type; write ml.g5.xlarge",
        ),
        ({"sagemaker_execution_role": None}, "role that the endpoint runs under is not known: give --role-arn"),
        ({"sagemaker_execution_role": "{role_arn}"}, "role that the endpoint runs under is not known"),
        ({"sagemaker_execution_role": CHINA_ROLE}, "is not a role of us-east-1, whose ARNs begin with arn:aws:iam::"),
        ({"image_uri": CHINA_IMAGE}, "write one at dkr.ecr.us-east-1.amazonaws.com"),
        ({"image_uri": IMAGE.replace("us-east-1", "us-west-2")}, "names the registry of us-west-2.amazonaws.com"),
        (
            {"image_uri": None},
            "model_id org/model is not a JumpStart model; to serve it from a container write image_uri",
        ),
        ({"model_data": None, "model_id": None}, "write model_data, serving.properties or model_id"),
        ({"serving_properties": "engine=MPI"}, "files for the endpoint need a bucket: give --write-bucket"),
        ({"deploy": False}, "needs ep_name, an endpoint that exists, or deploy: yes"),
    ],
)
def test_what_an_experiment_lacks_is_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DeployError, match=said):
        SAGEMAKER.plan(artifacts(**changes))


def test_jumpstarts_catalogue_needs_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sagemaker_jumpstart, "available", lambda: False)
    with pytest.raises(DeployError, match=r"sagemaker SDK reads: pip install 'fmbench-lib\[sagemaker\]'"):
        SAGEMAKER.plan(artifacts(image_uri=None, model_id="meta-llama"))


def test_no_region_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(DeployError, match=r"the AWS region is not known: set AWS_REGION, or write aws\.region"):
        SAGEMAKER.plan(artifacts())
    with pytest.raises(DeployError, match="the AWS region is not known"):  # not that the image is missing
        recipe_of(artifacts(region=None, image_uri="1.dkr.ecr.{region}.amazonaws.com/djl:latest"))


@pytest.mark.parametrize(
    ("region", "role", "image"),
    [
        ("us-east-1", ROLE, IMAGE),
        ("cn-north-1", CHINA_ROLE, CHINA_IMAGE),
        ("us-gov-west-1", ROLE.replace("arn:aws:", "arn:aws-us-gov:"), GOVERNMENT_IMAGE),
    ],
)
def test_each_partition_has_its_own_roles_and_registries(region: str, role: str, image: str) -> None:
    recipe = recipe_of(artifacts(region=region, sagemaker_execution_role=role, image_uri=image))
    assert (recipe.region, recipe.role, recipe.image) == (region, role, image)


def test_the_plan_says_what_would_be_created() -> None:
    assert SAGEMAKER.plan(artifacts(instance_count=2)) == (
        "deploys org/model on 2 × ml.g5.xlarge in us-east-1 (an image and files in S3)"
    )
    assert SAGEMAKER.plan(artifacts(deploy=False, ep_name="mine")) == "an endpoint that exists: mine"


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 3600),
        ({"inference_spec": {"model_loading_timeout": 1200}}, 1200),
        ({"inference_spec": {"model_loading_timeout": 5}}, 60),
        ({"ec2": {"model_loading_timeout": "2400"}}, 2400),
        ({"env": {"HEALTH_CHECK_TIMEOUT": 300}}, 300),
        ({"sagemaker": {"startup_timeout": 900}}, 900),
        ({"sagemaker": {"startup_timeout": 7200}}, 3600),
    ],
)
def test_how_long_the_container_may_take(changes: dict[str, Any], seconds: int) -> None:
    assert recipe_of(artifacts(**changes)).health_check_s == seconds


# -- containers --------------------------------------------------------------------------------------------------------


def test_serving_properties_are_uploaded_and_the_token_goes_into_the_container(s3: Any, tmp_path: Path) -> None:
    experiment = artifacts(model_data=None, bucket="runs", serving_properties="engine=MPI\n", env={"A": "b"})
    made = making(tmp_path, hf_token=HF_TOKEN)
    container = container_of(experiment, recipe_of(experiment), made)
    assert container["ModelDataUrl"] == "s3://runs/fmbench/run/made/model.tar.gz"
    assert container["Environment"] == {"HF_TOKEN": HF_TOKEN, "HUGGING_FACE_HUB_TOKEN": HF_TOKEN, "A": "b"}
    assert keys(s3) == ["fmbench/run/made/model.tar.gz"]
    assert made.endpoint.resources[0]["name"] == "fmbench/run/made/model.tar.gz"
    assert HF_TOKEN not in repr(made)
    remove_object(made.endpoint.resources[0])
    remove_object(made.endpoint.resources[0])
    assert keys(s3) == []


def test_an_object_that_another_run_uploaded_is_left(s3: Any) -> None:
    resource = s3_object("runs", "k", "us-east-1", "run")
    upload({**resource, "run_id": "another"}, b"theirs")
    remove_object(resource)
    assert keys(s3) == ["k"]


def test_an_archive_that_cannot_be_uploaded_is_recorded_and_an_error(s3: Any, tmp_path: Path) -> None:
    experiment = artifacts(model_data=None, bucket="nobodys", serving_properties="engine=MPI\n")
    made = making(tmp_path)
    with pytest.raises(DeployError, match=r"uploading s3://nobodys/.*: there is no bucket of this name"):
        container_of(experiment, recipe_of(experiment), made)
    remove_object(made.endpoint.resources[0])


@pytest.mark.parametrize(
    ("changes", "weights", "lines"),
    [
        ({}, None, ["engine=MPI", "option.model_id=org/model"]),
        ({"env": {"HF_MODEL_ID": "/opt/ml/model"}}, None, ["engine=MPI"]),
        ({"serving_properties": "option.model_id = s3://x/y"}, None, ["option.model_id = s3://x/y"]),
        ({"serving_properties": "option.model_id=org/model\na=b"}, "s3://x/y", ["a=b", "option.model_id=s3://x/y"]),
    ],
)
def test_which_model_the_packed_properties_name(changes: dict[str, Any], weights: str | None, lines: list[str]) -> None:
    experiment = artifacts(**{"serving_properties": "engine=MPI\n", **changes})
    assert properties_text(experiment, weights).splitlines() == lines


def test_a_model_from_hugging_face_is_named_to_its_container(tmp_path: Path) -> None:
    experiment = artifacts(model_data=None, env={"NUMBER_OF_GPU": 8})
    container = container_of(experiment, recipe_of(experiment), making(tmp_path, hf_token=HF_TOKEN))
    assert container["Environment"] == {
        "HF_TOKEN": HF_TOKEN,
        "HUGGING_FACE_HUB_TOKEN": HF_TOKEN,
        "HF_MODEL_ID": "org/model",
        "SM_NUM_GPUS": "8",
        "NUMBER_OF_GPU": "8",
    }


TGI_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.4.0-tgi2.4.0-gpu-py311"


def test_tgi_gets_all_gpus_and_the_lengths_of_the_prompts() -> None:
    """What FMBench 2.x's deployment script for TGI sent, and more where prompts are longer."""
    experiment = artifacts(model_data=None, image_uri=TGI_IMAGE, instance_type="ml.g5.12xlarge", longest_prompt=3999)
    assert recipe_of(experiment).environment == {
        "HF_MODEL_ID": "org/model",
        "SM_NUM_GPUS": "4",
        "MAX_INPUT_LENGTH": "4090",
        "MAX_TOTAL_TOKENS": "4099",
        "MAX_BATCH_TOTAL_TOKENS": "8198",
    }
    longer = experiment.model_copy(update={"longest_prompt": 5999, "env": {"SM_NUM_GPUS": 2}})
    expected = {"SM_NUM_GPUS": "2", "MAX_INPUT_LENGTH": "5999", "MAX_TOTAL_TOKENS": "6099"}
    assert recipe_of(longer).environment.items() >= expected.items()
    of_its_own = experiment.model_copy(update={"env": {"MAX_INPUT_LENGTH": 4090, "MAX_TOTAL_TOKENS": 4096}})
    assert "MAX_BATCH_TOTAL_TOKENS" not in recipe_of(of_its_own).environment


def test_an_accepted_licence_goes_with_the_files(tmp_path: Path) -> None:
    data = {"S3DataSource": {"S3Uri": "s3://x/model.tar.gz"}}
    experiment = artifacts(model_data=data, accept_eula=True)
    container = container_of(experiment, recipe_of(experiment), making(tmp_path, hf_token=HF_TOKEN))
    assert container["ModelDataSource"]["S3DataSource"] == {
        "S3Uri": "s3://x/model.tar.gz",
        "S3DataType": "S3Object",
        "CompressionType": "Gzip",
        "ModelAccessConfig": {"AcceptEula": True},
    }
    assert "HF_TOKEN" not in container["Environment"]


def test_a_neuron_model_that_is_not_compiled_is_found_before_an_endpoint_fails(s3: Any, tmp_path: Path) -> None:
    experiment = artifacts(
        model_data=None,
        bucket="runs",
        deployment_script="neuron_deploy.py",
        serving_properties="option.model_id=s3://runs/compiled/\n",
    )
    with pytest.raises(DeployError, match=r"no compiled model at s3://runs/compiled/ \(option\.model_id\): compile"):
        container_of(experiment, recipe_of(experiment), making(tmp_path))
    s3.put_object(Bucket="runs", Key="compiled/model.neff", Body=b"x")
    assert exists("s3://runs/compiled/", "us-east-1")
    assert container_of(experiment, recipe_of(experiment), making(tmp_path))["ModelDataUrl"].startswith("s3://runs/")


# -- a model placed in S3 ----------------------------------------------------------------------------------------------


def snapshot(model_id: str, local_dir: Path, token: str | None) -> None:
    assert (model_id, token) == ("org/model", HF_TOKEN)
    (local_dir / "sub").mkdir()
    (local_dir / "config.json").write_text("{}")
    (local_dir / "sub" / "model.safetensors").write_bytes(b"weights")
    (local_dir / ".cache").mkdir()
    (local_dir / ".cache" / "lock").write_text("")


def placed(**changes: Any) -> Any:
    return artifacts(
        **{"model_data": None, "bucket": "runs", "download_from_hf_place_in_s3": True, **changes},
        serving_properties="engine=Python\noption.model_id=org/model\n",
    )


def test_a_model_goes_from_the_hub_to_s3_recorded_file_by_file(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    made, experiment = making(tmp_path, hf_token=HF_TOKEN), placed(model_s3_path="s3://runs/org/model/")
    container = container_of(experiment, recipe_of(experiment), made)
    assert keys(s3) == ["fmbench/run/made/model.tar.gz", "org/model/config.json", "org/model/sub/model.safetensors"]
    assert HF_TOKEN not in repr(container)  # what is in S3 needs no token
    for resource in made.endpoint.resources:
        if resource["kind"] == "s3_object":
            remove_object(resource)
    assert keys(s3) == []


def test_a_model_that_is_in_s3_already_is_used_and_stays(s3: Any, tmp_path: Path) -> None:
    s3.put_object(Bucket="runs", Key="org/model/config.json", Body=b"{}")
    made, experiment = making(tmp_path), placed(model_s3_path="s3://runs/org/model")
    container_of(experiment, recipe_of(experiment), made)
    for resource in made.endpoint.resources:
        if resource["kind"] == "s3_object":
            remove_object(resource)
    assert keys(s3) == ["org/model/config.json"]


def test_a_hub_out_of_reach_is_one_clear_line(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise OSError(f"cannot reach the hub\nwith token {HF_TOKEN}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    experiment = placed()
    with pytest.raises(DeployError, match="org/model cannot be fetched from Hugging Face: cannot reach") as failed:
        container_of(experiment, recipe_of(experiment), making(tmp_path, hf_token=HF_TOKEN))
    assert HF_TOKEN not in str(failed.value)
    assert "\n" not in str(failed.value)
    assert keys(s3) == []


# -- JumpStart ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The SDK's view of JumpStart's catalogue: one entry, and the arguments of each look-up."""
    entry: dict[str, Any] = {
        "image_uri": IMAGE,
        "env": {"SM_NUM_GPUS": 1, "MAX_INPUT_LENGTH": "4095"},
        "model_data": {"S3DataSource": {"S3Uri": "s3://jumpstart-cache-prod-us-east-1/m/", "S3DataType": "S3Prefix"}},
    }

    class JumpStartModel:
        def __init__(self, **given: Any) -> None:
            entry["asked"] = given
            if given["model_id"] == "unknown":
                raise ValueError("Invalid model ID: 'unknown'.")
            self.image_uri = given["image_uri"] or entry["image_uri"]
            self.env, self.model_data = entry["env"], entry["model_data"]

    class Session:
        def __init__(self, boto_session: Any) -> None:
            assert boto_session.region_name == "us-east-1"

    for name, members in {
        "sagemaker": {},
        "sagemaker.jumpstart": {},
        "sagemaker.jumpstart.model": {"JumpStartModel": JumpStartModel},
        "sagemaker.session": {"Session": Session},
    }.items():
        module = types.ModuleType(name)
        module.__dict__.update(members, __path__=[])
        module.__spec__ = types.SimpleNamespace(name=name)  # type: ignore[assignment]
        monkeypatch.setitem(sys.modules, name, module)
    return entry


def jumpstart(**changes: Any) -> Any:
    return artifacts(**{"image_uri": None, "model_data": None, "model_id": "meta-llama-3-8b", **changes})


def test_jumpstarts_catalogue_gives_image_files_and_environment(catalogue: dict[str, Any], tmp_path: Path) -> None:
    experiment = jumpstart(model_version="2.*", env={"SM_NUM_GPUS": "4"})
    container = container_of(experiment, recipe_of(experiment), making(tmp_path, hf_token=HF_TOKEN))
    assert container == {
        "Image": IMAGE,
        "Environment": {"SM_NUM_GPUS": "4", "MAX_INPUT_LENGTH": "4095"},
        "ModelDataSource": {
            "S3DataSource": {"S3Uri": "s3://jumpstart-cache-prod-us-east-1/m/", "S3DataType": "S3Prefix"}
        },
    }
    asked = catalogue["asked"]
    assert (asked["model_id"], asked["model_version"]) == ("meta-llama-3-8b", "2.*")
    assert (asked["instance_type"], asked["role"]) == ("ml.g5.xlarge", ROLE)


def test_a_licence_must_be_accepted(catalogue: dict[str, Any], tmp_path: Path) -> None:
    catalogue["model_data"]["S3DataSource"]["S3Uri"] = "s3://jumpstart-private-cache-prod-us-east-1/m/"
    experiment = jumpstart()
    with pytest.raises(DeployError, match=r"licence of meta-llama-3-8b has not been accepted.*accept_eula: yes"):
        container_of(experiment, recipe_of(experiment), making(tmp_path))
    accepted = jumpstart(accept_eula=True)
    container = container_of(accepted, recipe_of(accepted), making(tmp_path))
    assert container["ModelDataSource"]["S3DataSource"]["ModelAccessConfig"] == {"AcceptEula": True}


def test_a_model_that_is_not_in_the_catalogue(catalogue: dict[str, Any], tmp_path: Path) -> None:
    experiment = jumpstart(model_id="unknown")
    with pytest.raises(DeployError, match="JumpStart's catalogue on unknown: Invalid model ID"):
        container_of(experiment, recipe_of(experiment), making(tmp_path))
