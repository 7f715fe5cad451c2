"""How a cluster's API server is reached: an EKS cluster by its name, a kubeconfig, or the cluster that fmbench runs in.

What is recorded of it holds no secret: whoever needs tokens and certificates obtains them again.
"""

from __future__ import annotations

import base64
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypedDict

from fmbench_lib.aws.calls import hidden, translated, unless_gone
from fmbench_lib.aws.session import client
from fmbench_lib.aws.session import session as aws_session
from fmbench_lib.config import Experiment
from fmbench_lib.deploy.aws_settings import given, region_of
from fmbench_lib.errors import DeployError
from fmbench_lib.host.paths import expanded

TIMEOUT_S = 30.0
"""For one call of the API server."""
_TOKEN_LASTS_S = 600.0  # EKS takes a token for 15 minutes
_TOKEN_PREFIX = "k8s-aws-v1."
_KUBECONFIG = "~/.kube/config"


class ClusterResource(TypedDict):
    """What is recorded of a cluster, `kind` and the fields of `Access`: it holds no secret."""

    kind: Literal["cluster"]
    cluster: str | None
    region: str | None
    kubeconfig: str | None
    context: str | None


@dataclass(frozen=True, slots=True)
class Access:
    """Which cluster: `cluster` and `region` of an EKS cluster, or `kubeconfig` and `context`, or none of these: the
    cluster that this process runs in."""

    cluster: str | None = None
    region: str | None = None
    kubeconfig: str | None = None
    context: str | None = None

    def __str__(self) -> str:
        if self.cluster:
            return f"EKS cluster {self.cluster} in {self.region}"
        return f"the cluster of context {self.context}" if self.context else "the cluster that fmbench runs in"

    def to_resource(self) -> ClusterResource:
        """The access as `endpoints.json` records it."""
        return {
            "kind": "cluster",
            "cluster": self.cluster,
            "region": self.region,
            "kubeconfig": self.kubeconfig,
            "context": self.context,
        }

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> Access:
        """The inverse of `to_resource`."""
        return cls(**{name: resource[name] for name in ("cluster", "region", "kubeconfig", "context")})


def access_of(experiment: Experiment) -> Access:
    """The cluster that an experiment names; makes no network call. Raises DeployError where there is none."""
    if find_spec("kubernetes") is None:
        raise DeployError("platform eks needs the Kubernetes client: pip install 'fmbench-lib[eks]'")
    settings = experiment.eks
    cluster = given(settings.eks_cluster_name) if settings is not None else None
    if cluster is not None:
        return Access(cluster=cluster, region=region_of(experiment))
    kubeconfig_paths = (os.environ.get("KUBECONFIG") or _KUBECONFIG).split(os.pathsep)
    files = [expanded(path).absolute() for path in kubeconfig_paths if path]
    paths = os.pathsep.join(map(str, files))
    if any(file.is_file() for file in files):
        context = settings.context if settings is not None else None
        return Access(kubeconfig=paths, context=_context(paths, context))
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return Access()
    raise DeployError("no cluster: write eks.eks_cluster_name, or set KUBECONFIG to an existing kubeconfig")


def _context(paths: str, requested: str | None) -> str:
    """The context to use, recorded by name: the current one may have changed by the time the endpoint is deleted."""
    from kubernetes.config import ConfigException, list_kube_config_contexts

    try:
        contexts, current = list_kube_config_contexts(paths)
    except (ConfigException, OSError) as error:
        raise DeployError(f"cannot read the kubeconfig {paths}: {hidden(str(error))}") from None
    names = [context["name"] for context in contexts]
    name = requested or current["name"]
    if name not in names:
        raise DeployError(f"the kubeconfig {paths} has no context {name} (eks.context); it has {', '.join(names)}")
    return str(name)


@contextmanager
def connected(access: Access) -> Iterator[Any]:
    """The Kubernetes client's `ApiClient` for a cluster; its token is renewed while it is used. Raises DeployError."""
    from kubernetes.client import ApiClient

    with ExitStack() as stack:
        yield stack.enter_context(ApiClient(_configuration(access, stack)))


def _configuration(access: Access, stack: ExitStack) -> Any:
    from kubernetes import config
    from kubernetes.client import Configuration

    configuration: Any = Configuration()
    if access.cluster is not None:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fmbench-eks-"))
        _configure_eks(configuration, access, Path(folder))
        return configuration
    try:
        if access.kubeconfig is not None:
            config.load_kube_config(access.kubeconfig, access.context, configuration)
        else:
            config.load_incluster_config(configuration)
    except (config.ConfigException, OSError) as error:
        raise DeployError(f"cannot connect to {access}: {hidden(str(error))}") from None
    return configuration


def _configure_eks(configuration: Any, access: Access, folder: Path) -> None:
    cluster, region = str(access.cluster), str(access.region)
    facts = _described(cluster, region)
    authority = folder / "ca.crt"
    authority.write_bytes(base64.b64decode(facts["certificateAuthority"]["data"]))
    configuration.host = facts["endpoint"]
    configuration.ssl_ca_cert = str(authority)
    token_created_at = float("-inf")

    def renew(target: Any) -> None:
        nonlocal token_created_at
        if time.monotonic() - token_created_at > _TOKEN_LASTS_S:
            target.api_key["authorization"] = f"Bearer {eks_token(cluster, region)}"
            token_created_at = time.monotonic()

    renew(configuration)
    configuration.refresh_api_key_hook = renew


def _described(cluster: str, region: str) -> dict[str, Any]:
    with translated(f"looking for EKS cluster {cluster} in {region}"):
        answer = unless_gone(lambda: client("eks", region).describe_cluster(name=cluster))
    if answer is None:
        raise DeployError(
            f"there is no EKS cluster {cluster} in {region} (eks_cluster_name); runs do not create clusters"
        )
    facts: dict[str, Any] = answer["cluster"]
    if facts["status"] not in ("ACTIVE", "UPDATING"):
        raise DeployError(f"EKS cluster {cluster} is {facts['status']}, not ACTIVE")
    return facts


def eks_token(cluster: str, region: str) -> str:
    """A token that EKS accepts for 15 minutes: a presigned STS request that identifies the caller, encoded as a
    token."""
    from botocore.signers import RequestSigner

    with translated(f"signing in to EKS cluster {cluster}"):
        sts = client("sts", region)
        session: Any = aws_session()
        signer = RequestSigner(
            sts.meta.service_model.service_id,
            region,
            "sts",
            "v4",
            session.get_credentials(),
            session.get_component("event_emitter"),
        )
        request = {
            "method": "GET",
            "url": f"{sts.meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        }
        address = signer.generate_presigned_url(request, operation_name="", region_name=region, expires_in=60)
    return _TOKEN_PREFIX + base64.urlsafe_b64encode(address.encode()).decode().rstrip("=")
