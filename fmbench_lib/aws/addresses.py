"""The addresses of AWS services, SageMaker endpoints and Bedrock models."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from fmbench_lib.aws.session import client

_REGION = r"[a-z]{2,5}(?:-[a-z]+)+-\d+"
_REGION_IN_HOST = re.compile(rf"(?:^|\.)({_REGION})\.(?:vpce\.)?(?:amazonaws|api\.aws|sc2s|c2s)")


def region_of_host(url: str) -> str | None:
    """The region in the host name of an AWS address; None for any other address."""
    match = _REGION_IN_HOST.search(urlsplit(url).hostname or "")
    return match[1] if match else None


def runtime_url(service: str, region: str, endpoint_url: str | None = None) -> str:
    """The base address of a service in a region, without a trailing slash.

    `service` is botocore's name, such as `bedrock-runtime`. `endpoint_url` comes first, then the environment's
    `AWS_ENDPOINT_URL_<SERVICE>` and `AWS_ENDPOINT_URL`, the AWS config file, and the partition's own address.
    """
    return str(client(service, region, endpoint_url=endpoint_url).meta.endpoint_url).rstrip("/")


def endpoint_invocation_url(endpoint_name: str, region: str, endpoint_url: str | None = None) -> str:
    """The address of a SageMaker endpoint's invocations, as an experiment's codec takes it."""
    base = runtime_url("sagemaker-runtime", region, endpoint_url)
    return f"{base}/endpoints/{quote(endpoint_name, safe='')}/invocations"


def model_url(model: str, region: str, endpoint_url: str | None = None) -> str:
    """The address of a Bedrock model, inference profile or ARN; the codec adds the operation to it."""
    return f"{runtime_url('bedrock-runtime', region, endpoint_url)}/model/{quote(model, safe='')}"
