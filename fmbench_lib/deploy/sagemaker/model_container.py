"""The container of a SageMaker model, as CreateModel takes it, and the files in S3 that are uploaded for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import s3_objects
from fmbench_lib.deploy.aws_settings import bucket_of, given
from fmbench_lib.deploy.making import Making
from fmbench_lib.deploy.neuron.compile import ensure_compiled
from fmbench_lib.deploy.neuron.settings import is_compiled
from fmbench_lib.deploy.sagemaker import artifacts, jumpstart
from fmbench_lib.deploy.sagemaker.recipe import Recipe
from fmbench_lib.deploy.serving_properties import properties_text
from fmbench_lib.errors import DeployError
from fmbench_lib.models.hub_token import with_token

Container = dict[str, Any]


@dataclass(slots=True)
class MakingSageMaker(Making):
    """A SageMaker endpoint being deployed."""

    def note_first(self, resources: Sequence[Mapping[str, Any]]) -> None:
        """Record files that are about to be uploaded, or a compiler, before what has been recorded already."""
        self.note(resources=(*resources, *self.endpoint.resources))

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return str(self.endpoint.resources[-1]["name"])

    @property
    def folder(self) -> str:
        """The folder in the bucket for what the run uploads for this endpoint."""
        return f"fmbench/{self.context.run_id}/{self.name}"


def needs_bucket(experiment: Experiment, recipe: Recipe) -> bool:
    """Whether files are uploaded for which the config names no location."""
    placed = experiment.download_from_hf_place_in_s3 and given(experiment.model_s3_path) is None
    return recipe.kind == "djl" or placed


def container_of(experiment: Experiment, recipe: Recipe, making: MakingSageMaker) -> Container:
    """The container; files that it needs are recorded and uploaded. Raises DeployError."""
    if recipe.kind == "jumpstart":
        return jumpstart.container_of(experiment, recipe)
    container: Container = {"Image": recipe.image, "Environment": dict(recipe.environment)}
    weights = _weights(experiment, recipe, making)
    if recipe.kind == "djl":
        properties = properties_text(experiment, weights)
        container["ModelDataUrl"] = _upload_properties(experiment, properties, recipe, making)
    elif recipe.kind == "artifacts":
        container["ModelDataSource"] = {"S3DataSource": _data_source(experiment)}
    elif weights is not None:
        container["ModelDataSource"] = {
            "S3DataSource": {"S3Uri": f"{weights}/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        }
        container["Environment"]["HF_MODEL_ID"] = "/opt/ml/model"
    if weights is None and recipe.kind in ("djl", "hub"):
        container["Environment"] = with_token(container["Environment"], making.context.hf_token)
    return container


def _upload_properties(experiment: Experiment, properties: str, recipe: Recipe, making: MakingSageMaker) -> str:
    """Pack and upload a serving.properties; returns the address of the archive."""
    bucket, key = bucket_of(experiment), f"{making.folder}/model.tar.gz"
    archive = s3_objects.s3_object(bucket, key, recipe.region, making.context.run_id)
    making.note_first([archive])
    s3_objects.upload(archive, artifacts.packed(properties))
    return f"s3://{bucket}/{key}"


def _weights(experiment: Experiment, recipe: Recipe, making: MakingSageMaker) -> str | None:
    """Where in S3 the model is, if the config wants it there; files that are there already are used as they are."""
    if is_compiled(experiment):
        planned = making.endpoint.resources  # what is under way replaces what was before
        return ensure_compiled(
            experiment, recipe.region, making.context, lambda current: making.note(resources=(*current, *planned))
        )
    if not experiment.download_from_hf_place_in_s3:
        return None
    if not experiment.model_id:
        raise DeployError("download_from_hf_place_in_s3 needs model_id, the model's Hugging Face id")
    named = given(experiment.model_s3_path)
    address = named.rstrip("/") if named else f"s3://{bucket_of(experiment)}/{making.folder}/model"
    if s3_objects.exists(f"{address}/", recipe.region):
        making.context.say(f"{address} has files already: they are used as they are")
        return address
    making.context.say(f"fetching {experiment.model_id} from Hugging Face for {address}")
    artifacts.place_model(
        experiment.model_id,
        address,
        recipe.region,
        making.context.run_id,
        making.context.hf_token,
        making.note_first,
    )
    return address


def _data_source(experiment: Experiment) -> dict[str, Any]:
    source = experiment.model_data.s3_data_source if experiment.model_data is not None else None
    if source is None or source.s3_uri is None:
        raise DeployError("model_data needs S3DataSource with S3Uri, where the model's files are")
    packed = source.s3_uri.endswith((".tar.gz", ".tgz"))
    described = {
        "S3Uri": source.s3_uri,
        "S3DataType": source.s3_data_type or ("S3Object" if packed else "S3Prefix"),
        "CompressionType": source.compression_type or ("Gzip" if packed else "None"),
    }
    return {**described, "ModelAccessConfig": {"AcceptEula": True}} if experiment.accept_eula else described
