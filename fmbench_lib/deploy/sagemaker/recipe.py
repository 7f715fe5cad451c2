"""What a SageMaker endpoint is created from, as the experiment says: pure, so that it can be checked beforehand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fmbench_lib.aws.session import dns_suffix_of, partition_of
from fmbench_lib.config import Experiment
from fmbench_lib.deploy.aws_settings import given, region_of
from fmbench_lib.deploy.instance_types import accelerators_of
from fmbench_lib.deploy.tgi_limits import tgi_limits
from fmbench_lib.errors import DeployError

Kind = Literal["jumpstart", "djl", "artifacts", "hub"]

_ECR_HOST = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<suffix>[a-z.]+)/")
_TGI = "tgi-inference"
"""What the names of AWS's images of TGI have in common."""
_HEALTH_CHECK_S = (60, 3600)  # the limits that SageMaker sets


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the model gets into its container.

    `jumpstart`: image, files and environment from JumpStart's catalogue; `djl`: a serving.properties that is packed and
    uploaded; `artifacts`: files in S3; `hub`: the container fetches the model from Hugging Face.
    """

    kind: Kind
    instance_type: str
    instance_count: int
    region: str
    role: str
    image: str | None
    environment: Mapping[str, str]
    health_check_s: int


def recipe_of(experiment: Experiment) -> Recipe:
    """The recipe of an experiment with `deploy: yes`; raises DeployError, one line, for what it lacks."""
    if not experiment.instance_type:
        raise DeployError("platform sagemaker needs instance_type, such as ml.g5.2xlarge")
    if not experiment.instance_type.startswith("ml."):
        name = experiment.instance_type
        raise DeployError(f"instance_type {name} is not a SageMaker instance type; write ml.{name}")
    region = region_of(experiment)  # first: without it the image's address may lack a part
    kind = _kind(experiment)
    image = given(experiment.image_uri)
    if image is not None:
        _check_registry(image, region)
    return Recipe(
        kind=kind,
        instance_type=experiment.instance_type,
        instance_count=experiment.instance_count or 1,
        region=region,
        role=_role(experiment, region),
        image=image,
        environment=_environment(experiment, kind, image),
        health_check_s=_health_check(experiment),
    )


def _kind(experiment: Experiment) -> Kind:
    from_catalogue = experiment.deployment_script == "jumpstart.py" or given(experiment.image_uri) is None
    if from_catalogue:
        if not experiment.model_id:
            raise DeployError("platform sagemaker needs the model_id of a JumpStart model, or an image_uri")
        if "/" in experiment.model_id:
            raise DeployError(
                f"model_id {experiment.model_id} is not a JumpStart model; to serve it from a container write image_uri"
            )
        return "jumpstart"
    if experiment.serving_properties is not None:
        return "djl"
    if experiment.model_data is not None:
        return "artifacts"
    if not experiment.model_id and "HF_MODEL_ID" not in experiment.env:
        raise DeployError("an image_uri alone serves nothing: write model_data, serving.properties or model_id")
    return "hub"


def _role(experiment: Experiment, region: str) -> str:
    role = given(experiment.sagemaker_execution_role)
    if role is None:
        raise DeployError("the role that the endpoint runs under is not known: give --role-arn, its ARN")
    partition = partition_of(region)
    if not role.startswith(f"arn:{partition}:iam::"):
        raise DeployError(
            f"sagemaker_execution_role {role} is not a role of {region}, whose ARNs begin with arn:{partition}:iam::"
        )
    return role


def _check_registry(image: str, region: str) -> None:
    """Raise DeployError for an image of another region or partition: SageMaker takes none, and its error is obscure."""
    host = _ECR_HOST.match(image)
    if host is None:
        return
    suffix = dns_suffix_of(region)
    if (host["region"], host["suffix"]) != (region, suffix):
        raise DeployError(
            f"image_uri names the registry of {host['region']}.{host['suffix']}, the endpoint is in {region}: "
            f"write one at dkr.ecr.{region}.{suffix}"
        )


def _environment(experiment: Experiment, kind: Kind, image: str | None) -> dict[str, str]:
    """The container's environment as text; for a model from Hugging Face also its id and the number of accelerators.

    TGI gets all GPUs of the instance where nothing else is said, and limits that its prompts fit in.
    """
    written = {str(name): _text(value) for name, value in experiment.env.items() if value is not None}
    if kind != "hub":
        return written
    hub: dict[str, str] = {}
    if experiment.model_id:
        hub["HF_MODEL_ID"] = experiment.model_id
    is_tgi = _TGI in (image or "")
    accelerators = experiment.inference_spec.tp_degree or written.get("NUMBER_OF_GPU")
    if accelerators or is_tgi:
        gpus = accelerators or _gpus(experiment.instance_type)
        hub |= {"SM_NUM_GPUS": str(gpus)} if gpus else {}
    limits = tgi_limits(experiment) if is_tgi else None
    return {**hub, **(limits.variables if limits else {}), **written}


def _gpus(instance_type: str | None) -> int | None:
    """The GPUs of a SageMaker instance type; None where it has none, or their number is not known."""
    known = accelerators_of(instance_type)
    return known[1] if known is not None and known[0] == "nvidia" else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _health_check(experiment: Experiment) -> int:
    """How long the container may take to become healthy, in whole seconds within SageMaker's limits."""
    spec, ec2 = experiment.inference_spec, experiment.ec2
    seconds = spec.model_loading_timeout or (ec2.model_loading_timeout if ec2 is not None else None)
    in_env = str(experiment.env.get("HEALTH_CHECK_TIMEOUT") or "")
    if seconds is None:
        seconds = float(in_env) if in_env.isdigit() else experiment.sagemaker.startup_timeout
    least, most = _HEALTH_CHECK_S
    return int(min(max(seconds, least), most))
