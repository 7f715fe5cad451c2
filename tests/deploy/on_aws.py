"""What the tests of platforms on AWS share: distinctive secrets, experiments, contexts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import DeployContext
from fmbench_lib.errors import EndpointError
from tests.deploy.aws_stand_in import ACCOUNT
from tests.deploy.conftest import Notes, make_context

ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.29.0-lmi11.0.0-cu124"
HF_TOKEN = "hf_DistinctiveFakeTokenOfTheTests"


def artifacts(**changes: Any) -> Experiment:
    """An experiment that is deployed from an image and files in S3."""
    facts: dict[str, Any] = {
        "name": "llama on g5",
        "platform": "sagemaker",
        "protocol": "sagemaker",
        "deploy": True,
        "model_id": "org/model",
        "instance_type": "ml.g5.xlarge",
        "image_uri": IMAGE,
        "sagemaker_execution_role": ROLE,
        "model_data": {"S3DataSource": {"S3Uri": "s3://models/llama/"}},
    }
    return Experiment(**{**facts, **changes})


def answers(url: str, model: str | None) -> None:
    """An endpoint that answers."""


def refuses(url: str, model: str | None) -> None:
    """One that does not."""
    raise EndpointError(f"{url}: CUDA out of memory (endpoint)")


def asking(folder: Path, probe: Callable[[str, str | None], None] = answers) -> tuple[DeployContext, Notes]:
    return make_context(folder / "logs", probe)
