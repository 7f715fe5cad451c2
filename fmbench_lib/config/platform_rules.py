"""What follows from the keys of an experiment on a platform: defaults and credentials. Pure; named by `platforms`.

And the whole address that the base of one stands for.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from fmbench_lib.config.platform_types import Keys, ProtocolFacts

LOCAL_INSTANCE_TYPE = "local-cpu"
"""What the shipped price file calls this machine."""

AWS_CREDENTIALS = "AWS credentials"

_PROVISIONED = ":provisioned-model/"


def embedded_model(experiment: Keys) -> dict[str, Any]:
    """The model that comes with the package, on this machine."""
    from fmbench_lib.models.embedded import EMBEDDED_MODEL

    return {"model_id": EMBEDDED_MODEL, "instance_type": LOCAL_INSTANCE_TYPE}


def priced_by_model(experiment: Keys) -> dict[str, Any]:
    """The price's key is the model, or the provisioned throughput, which is bought by the hour and never costs what its
    model costs by the token. A model unit counts as an instance."""
    defaults: dict[str, Any] = {}
    ep_name = experiment.get("ep_name")
    model = experiment.get("model_id") or ep_name
    if model is not None:
        defaults["instance_type"] = ep_name if _PROVISIONED in str(ep_name or "") else model
    throughput = experiment.get("bedrock")
    if isinstance(throughput, dict) and throughput.get("model_units") is not None:
        defaults["instance_count"] = throughput["model_units"]
    return defaults


def counted_by_neuron_settings(experiment: Keys) -> dict[str, Any]:
    """A Neuron deployment says its number of instances in the section `ec2`, whatever its platform."""
    section = experiment.get("ec2")
    return {"instance_count": section.get("instance_count")} if isinstance(section, dict) else {}


def aws_credentials(experiment: Keys) -> str | None:
    """Every request is signed."""
    return AWS_CREDENTIALS


def cluster_credentials(experiment: Keys) -> str | None:
    """An EKS cluster is opened by AWS credentials, any other by its kubeconfig."""
    section = experiment.get("eks")
    in_eks = isinstance(section, dict) and section.get("eks_cluster_name")
    return AWS_CREDENTIALS if in_eks else "KUBECONFIG"


def completed_address(address: str, protocol: ProtocolFacts) -> str:
    """An address with the protocol's path, where it has none, or ends with the first part of it (`http://host/v1`)."""
    parts = urlsplit(address)
    path, whole = parts.path.rstrip("/"), protocol.completes_to
    if whole is None or parts.scheme not in ("http", "https") or parts.query or path.endswith(whole):
        return address
    segments = whole.split("/")[1:]
    for count in range(len(segments) - 1, 0, -1):
        beginning = "/" + "/".join(segments[:count])
        if path.endswith(beginning):
            return urlunsplit(parts._replace(path=path.removesuffix(beginning) + whole))
    return address if path else urlunsplit(parts._replace(path=whole))
