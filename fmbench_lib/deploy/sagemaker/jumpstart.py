"""JumpStart's catalogue: which image, files and environment a model id stands for.

The catalogue is read by the `sagemaker` SDK, which is heavy, so it is an extra. The SDK creates nothing: that is done
with boto3, as for every other endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from fmbench_lib.aws.calls import hidden
from fmbench_lib.config import Experiment
from fmbench_lib.deploy.sagemaker.recipe import Recipe
from fmbench_lib.errors import DeployError

_INSTALL = "pip install 'fmbench-lib[sagemaker]'"
_LICENSED = "jumpstart-private-cache-"
"""The bucket of the models that need their licence to be accepted."""


def available() -> bool:
    """Whether the SDK with JumpStart's catalogue is installed (its version 3 no longer has it)."""
    return find_spec("sagemaker") is not None and find_spec("sagemaker.jumpstart") is not None


def check_available(model_id: str | None) -> None:
    """Raise DeployError, one line, where the SDK that reads the catalogue is not installed."""
    if not available():
        raise DeployError(
            f"{model_id} is looked up in JumpStart's catalogue, which the sagemaker SDK reads: {_INSTALL}; "
            "without it write image_uri and model_data"
        )


def container_of(experiment: Experiment, recipe: Recipe) -> dict[str, Any]:
    """The container as CreateModel takes it; the experiment's image and environment take precedence.

    Raises DeployError for a model or version that is not in the catalogue, and for a licence that is not accepted.
    """
    check_available(experiment.model_id)
    model = _catalogue_entry(experiment, recipe)
    environment = {str(name): str(value) for name, value in (model.env or {}).items()}
    container: dict[str, Any] = {"Image": model.image_uri, "Environment": {**environment, **recipe.environment}}
    if isinstance(model.model_data, Mapping):
        container["ModelDataSource"] = {"S3DataSource": _source(experiment, model.model_data["S3DataSource"])}
    elif model.model_data:
        container["ModelDataUrl"] = str(model.model_data)
    return container


def _source(experiment: Experiment, described: Mapping[str, Any]) -> dict[str, Any]:
    """The location of the files, with their licence accepted where the config says so."""
    if experiment.accept_eula:
        return {**described, "ModelAccessConfig": {"AcceptEula": True}}
    if _LICENSED in str(described.get("S3Uri")):
        raise DeployError(
            f"the licence of {experiment.model_id} has not been accepted: read it, then write accept_eula: yes"
        )
    return dict(described)


def _catalogue_entry(experiment: Experiment, recipe: Recipe) -> Any:
    import boto3
    from sagemaker.jumpstart.model import JumpStartModel
    from sagemaker.session import Session

    try:
        return JumpStartModel(
            model_id=experiment.model_id,
            model_version=experiment.model_version or "*",
            instance_type=recipe.instance_type,
            region=recipe.region,
            role=recipe.role,
            image_uri=recipe.image,
            sagemaker_session=Session(boto3.Session(region_name=recipe.region)),
        )
    except Exception as error:  # noqa: BLE001 - the SDK raises ValueError, KeyError, its own and botocore's
        raise DeployError(f"JumpStart's catalogue on {experiment.model_id}: {hidden(str(error))}") from None
