"""The AWS settings of an experiment: region and bucket."""

from __future__ import annotations

import re

from fmbench_lib.aws.session import default_region
from fmbench_lib.config import Experiment
from fmbench_lib.errors import DeployError, InputError

_OPEN_PLACEHOLDER = re.compile(r"\{\w+\}")


def region_of(experiment: Experiment) -> str:
    """The experiment's region, else the environment's; raises DeployError where neither is set."""
    try:
        region = given(experiment.region) or default_region()
    except InputError as error:
        raise DeployError(str(error)) from None
    if region is None:
        raise DeployError("the AWS region is not known: set AWS_REGION, or write aws.region")
    return region


def given(value: str | None) -> str | None:
    """A value of the config; None where it is missing or an unfilled placeholder."""
    return None if value is None or _OPEN_PLACEHOLDER.search(value) else value


def bucket_of(experiment: Experiment) -> str:
    """The run's bucket; raises DeployError where there is none."""
    bucket = given(experiment.bucket)
    if bucket is None:
        raise DeployError("files for the endpoint need a bucket: give --write-bucket, or write aws.bucket")
    return bucket.removeprefix("s3://").strip("/")
