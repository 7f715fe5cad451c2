"""The codecs of SageMaker and Bedrock, made from an experiment and what every codec sends of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fmbench_lib.aws.addresses import region_of_host
from fmbench_lib.aws.session import default_region
from fmbench_lib.aws.signing import Signing
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.bedrock import ConversePredictor
from fmbench_lib.predictors.bedrock_families import is_embedding
from fmbench_lib.predictors.bedrock_invoke import InvokeModelPredictor
from fmbench_lib.predictors.sagemaker import Form, SageMakerPredictor

Sent: TypeAlias = dict[str, Any]
Make: TypeAlias = Callable[[Experiment, str, str | None, bool, Sent], Predictor]


def sagemaker(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of a SageMaker endpoint's invocations."""
    form = _form(experiment)
    spec = experiment.inference_spec
    return SageMakerPredictor(
        url,
        stream=stream and form != "text_inputs",
        form=form,
        start_token=spec.start_token,
        stop_token=spec.stop_token,
        **_signed(experiment, url, "sagemaker", sent),
    )


def bedrock(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """Converse's codec; a model that makes vectors is asked by InvokeModel, the only call that has them."""
    if _makes_vectors(url, model):
        return bedrock_invoke(experiment, url, model, False, sent)
    return ConversePredictor(url, stream=stream, **_signed(experiment, url, "bedrock", sent))


def bedrock_invoke(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """InvokeModel's codec; vectors come in one piece, whatever the experiment says of streams."""
    stream = stream and not _makes_vectors(url, model)
    return InvokeModelPredictor(url, model, stream=stream, **_signed(experiment, url, "bedrock", sent))


def _makes_vectors(url: str, model: str | None) -> bool:
    return is_embedding(url) or is_embedding(model or "")


def _form(experiment: Experiment) -> Form:
    spec = experiment.inference_spec
    if experiment.use_messages_api_format:
        return "messages"
    if spec.container_type == "huggingface" or spec.parameters.get("mode") == "embedding":
        return "text_inputs"
    return "split" if spec.split_input_and_parameters else "inputs"


def _signed(experiment: Experiment, url: str, service: str, sent: Sent) -> dict[str, Any]:
    """What is sent, and what it is signed for: a key, where the experiment has one, takes the signature's place.

    The region is the one that the address names, else the experiment's, else the environment's.
    """
    if sent["api_key"] is not None:
        return {**sent, "signing": None}
    region = region_of_host(url) or experiment.region or default_region()
    if region is None:
        raise InputError("the region to sign requests for is not known: write region, or set AWS_REGION")
    return {**sent, "signing": Signing(service, region)}
