"""How a cluster is reached: a kubeconfig, EKS by name with a presigned token, or the cluster that fmbench runs in."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.eks import access as eks_access
from fmbench_lib.deploy.eks.access import Access, access_of, connected, eks_token
from fmbench_lib.deploy.eks.api import cluster_of
from fmbench_lib.errors import DeployError
from tests.deploy.cluster_stand_in import ClusterStandIn, cluster_stand_in, kubeconfig
from tests.deploy.conftest import SECRET_KEY

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "llm"}}


def experiment(**eks: Any) -> Experiment:
    return Experiment(name="e", platform="eks", protocol="openai", deploy=True, region="eu-west-1", eks=eks)


@pytest.fixture
def nowhere(aws_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that knows no cluster."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return tmp_path


@pytest.fixture
def credentials(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIADISTINCTIVEFAKE1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "distinctive-session-token")


@pytest.fixture
def eks(credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ClusterStandIn, dict[str, Any]]]:
    """EKS's DescribeCluster, and the cluster that it describes."""
    facts: dict[str, Any] = {"status": "ACTIVE", "certificateAuthority": {"data": base64.b64encode(b"pem").decode()}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            result = {"cluster": facts} if self.path == "/clusters/gpus" else {"message": "No cluster found"}
            self.send_response(200 if "cluster" in result else 404)
            if "cluster" not in result:
                self.send_header("x-amzn-errortype", "ResourceNotFoundException")
            self.end_headers()
            self.wfile.write(json.dumps(result).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_EKS", f"http://127.0.0.1:{server.server_address[1]}")
    with cluster_stand_in() as created:
        facts["endpoint"] = created.url
        yield created, facts
    server.shutdown()
    server.server_close()


def test_a_kubeconfigs_current_context_is_recorded(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig(nowhere / "none", "http://127.0.0.1:1")
    monkeypatch.chdir(nowhere)
    monkeypatch.setenv("KUBECONFIG", "none")  # the cleanup may be called from elsewhere
    access = access_of(experiment())
    assert access == Access(kubeconfig=str(nowhere / "none"), context="stand-in")
    assert Access.from_resource(json.loads(json.dumps(access.to_resource()))) == access
    assert "distinctive-cluster-token" not in repr(access.to_resource())
    with pytest.raises(DeployError, match=r"has no context other \(eks\.context\); it has stand-in"):
        access_of(experiment(context="other"))


def test_a_missing_cluster_is_an_error(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match=r"no cluster: write eks\.eks_cluster_name, or set KUBECONFIG"):
        access_of(experiment())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert str(access_of(experiment())) == "the cluster that fmbench runs in"
    with pytest.raises(DeployError, match="cannot connect to the cluster that fmbench runs in"), connected(Access()):
        pass
    (nowhere / "none").write_text("")
    with pytest.raises(DeployError, match=r"cannot read the kubeconfig"):
        access_of(experiment())


def test_an_eks_token_is_a_presigned_get_caller_identity_request(credentials: None) -> None:
    token = eks_token("gpus", "eu-west-1")
    prefix, _, coded = token.partition(".")
    assert (prefix, "=" in coded) == ("k8s-aws-v1", False)
    parts = urlsplit(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode())
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "sts.eu-west-1.amazonaws.com", "/")
    assert (asked["Action"], asked["X-Amz-Expires"]) == ("GetCallerIdentity", "60")
    assert asked["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    assert "/eu-west-1/sts/aws4_request" in asked["X-Amz-Credential"]
    assert SECRET_KEY not in token


def test_an_eks_cluster_is_reached_by_name_with_a_renewed_token(
    eks: tuple[ClusterStandIn, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    created, _ = eks
    tokens = iter(["first", "second", "third"])
    monkeypatch.setattr(eks_access, "eks_token", lambda cluster, region: next(tokens))
    access = access_of(experiment(eks_cluster_name="gpus"))
    assert access == Access(cluster="gpus", region="eu-west-1")
    created.token = "first"
    with cluster_of(access) as cluster:
        assert cluster.get(NAMESPACE) is not None
        monkeypatch.setattr(eks_access, "_TOKEN_LASTS_S", -1.0)  # it has run out
        created.token = "second"
        assert cluster.get(NAMESPACE) is not None


def test_an_unusable_eks_cluster_is_an_error(
    eks: tuple[ClusterStandIn, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, facts = eks
    other, gpus = Access("other", "eu-west-1"), Access("gpus", "eu-west-1")
    with pytest.raises(DeployError, match=r"no EKS cluster other in eu-west-1 \(eks_cluster_name\)"), connected(other):
        pass
    facts["status"] = "CREATING"
    with pytest.raises(DeployError, match="EKS cluster gpus is CREATING, not ACTIVE"), connected(gpus):
        pass
    facts["status"] = "ACTIVE"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(DeployError, match="no AWS credentials found"), connected(gpus):
        pass
