"""The container of a SageMaker model, as CreateModel takes it, and the files in S3 that are made for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import s3_objects
from fmbench_lib.deploy.aws_settings import bucket_of, given
from fmbench_lib.deploy.neuron.compile import ensure_compiled
from fmbench_lib.deploy.neuron.settings import is_compiled
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.deploy.sagemaker import artifacts, jumpstart
from fmbench_lib.deploy.sagemaker.recipe import Recipe
from fmbench_lib.deploy.serving_properties import properties_text
from fmbench_lib.errors import DeployError
from fmbench_lib.models.hub_token import with_token

Container = dict[str, Any]


@dataclass(slots=True)
class Making:
    """An endpoint being made: what is known of it so far is always what has been written down."""

    endpoint: Endpoint
    context: DeployContext

    def note(self, **changes: Any) -> None:
        """Change what is known of the endpoint and write it down."""
        self.endpoint = replace(self.endpoint, **changes)
        self.context.record(self.endpoint)

    def note_files(self, found: Sequence[dict[str, Any]]) -> None:
        """Write down files that are about to be uploaded."""
        self.note(resources=(*found, *self.endpoint.resources))

    @property
    def name(self) -> str:
        """What the endpoint is called."""
        return str(self.endpoint.resources[-1]["name"])

    @property
    def folder(self) -> str:
        """Where in its bucket the run keeps what it uploads for this endpoint."""
        return f"fmbench/{self.context.run_id}/{self.name}"


def needs_bucket(experiment: Experiment, recipe: Recipe) -> bool:
    """Whether files are made for which the config names no place of their own."""
    placed = experiment.download_from_hf_place_in_s3 and given(experiment.model_s3_path) is None
    return recipe.kind == "djl" or placed


def container_of(experiment: Experiment, recipe: Recipe, making: Making) -> Container:
    """The container; files that it needs are uploaded, having been written down. Raises DeployError."""
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


def _upload_properties(experiment: Experiment, properties: str, recipe: Recipe, making: Making) -> str:
    """Pack and upload a serving.properties; the address of the archive."""
    bucket, key = bucket_of(experiment), f"{making.folder}/model.tar.gz"
    archive = s3_objects.s3_object(bucket, key, recipe.region, making.context.run_id)
    making.note_files([archive])
    s3_objects.upload(archive, artifacts.packed(properties))
    return f"s3://{bucket}/{key}"


def _weights(experiment: Experiment, recipe: Recipe, making: Making) -> str | None:
    """Where in S3 the model stands that the config wants there; one that stands there already is used as it is."""
    if is_compiled(experiment):
        planned = making.endpoint.resources
        return ensure_compiled(
            experiment, recipe.region, making.context, lambda made: making.note(resources=(*made, *planned))
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
        making.note_files,
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
