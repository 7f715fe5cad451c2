"""Each step of a deployment on a cluster failing: the message, and that nothing is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.deploy import platform
from fmbench_lib.errors import DeployError
from tests.deploy.cluster_objects import DEPLOYMENT, SERVICE, in_place
from tests.deploy.cluster_stand_in import ClusterStandIn, homeless, kubeconfig, running, waiting
from tests.deploy.conftest import MakeContext, MakeExperiment
from tests.deploy.on_aws import answers, refuses

EKS = platform("eks")


# -- failing, at each step ---------------------------------------------------------------------------------------------

CRASHED = {"exitCode": 137, "reason": "OOMKilled"}
FAILURES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "image missing": (
        {"pods": [waiting("ImagePullBackOff", "manifest unknown")]},
        {},
        r"pod server-0: image example/server:1 cannot be pulled \(ImagePullBackOff\): manifest unknown",
    ),
    "crashes": (
        {"pods": [running(), waiting("CrashLoopBackOff", restarts=2, terminated=CRASHED)], "logs": ["a", "CUDA gone"]},
        {},
        r"pod server-0: container server has crashed 2 times, last with exit code 137 \(OOMKilled\); its log ends: a",
    ),
    "cannot start": (
        {"pods": [waiting("CreateContainerConfigError", 'secret "hub" not found')]},
        {},
        r'container server cannot be started \(CreateContainerConfigError\): secret "hub" not found',
    ),
    "no node": (
        {"pods": [homeless("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")]},
        {"scheduling_timeout": 0.001},
        r"pod server-0 cannot be scheduled: 0/3 nodes .*gpu.*eks\.scheduling_timeout",
    ),
    "quota": (
        {"status": {"Deployment": {"conditions": [
            {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}
        ]}}},
        {},
        r"Deployment llm/server: its pods are rejected: exceeded quota: gpus",
    ),
    "never ready": (
        {"pods": [{"phase": "Running"}], "status": {"Deployment": {}}, "logs": ["loading shard 3 of 90"]},
        {"startup_timeout": 0.05},
        r"not ready within eks\.startup_timeout: Deployment llm/server: 0 of 2 ready; .*loading shard 3 of 90",
    ),
    "no address": (
        {"address": None},
        {"startup_timeout": 0.2},
        r"Service llm/server got no address within eks\.startup_timeout: SyncFailed: no subnets.*port_forward",
    ),
    "forbidden": (
        {"refusals": {"POST services": [(403, 'services is forbidden: User "me" cannot create resource')]}},
        {},
        r"creating Service llm/server: not allowed: services is forbidden: User \"me\" cannot",
    ),
    "taken in between": (
        {"refusals": {"POST services": [(409, 'services "server" already exists')]}},
        {},
        r"creating Service llm/server: services \"server\" already exists",
    ),
    "invalid": (
        {"refusals": {"POST deployments": [(422, "Deployment.apps is invalid: spec.replicas: -1")]}},
        {},
        r"creating Deployment llm/server: Deployment.apps is invalid: spec.replicas",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_reported_and_nothing_is_left(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext, name: str
) -> None:
    facts, settings, message = FAILURES[name]
    for key, value in facts.items():
        setattr(cluster, key, value)
    about = {"name": "server"}
    told = {"type": "Warning", "reason": "SyncFailed", "message": "no subnets", "involvedObject": about}
    cluster.standing("v1", "Event", "e1", "llm", **told)
    given, notes = context(probe=answers)
    with pytest.raises(DeployError, match=message) as failed:
        EKS.deploy(on_cluster(eks=settings), given)
    assert "\n" not in str(failed.value)
    assert cluster.names() == []
    last = notes.recorded[-1]
    assert (last.status, last.error, last.deleted_at is not None) == ("failed", str(failed.value), True)


def test_an_endpoint_that_answers_no_request_is_deleted_with_the_end_of_its_log(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    cluster.logs = ["KV cache full"]
    given, notes = context(probe=refuses)
    with pytest.raises(DeployError, match=r"no request is answered: .*CUDA.*log of server-0 ends: KV cache full"):
        EKS.deploy(on_cluster(eks={"startup_timeout": 0.5}), given)
    assert cluster.names() == []
    assert sum("not answering yet" in line for line in notes.said) == 1


@pytest.mark.parametrize(
    ("before", "objects", "message"),
    [
        (
            ("apps/v1", "Deployment", "server", "llm"),
            (),
            r"Deployment llm/server already exists and is not from this run",
        ),
        ((), (in_place(DEPLOYMENT, "nowhere"), SERVICE), r"there is no namespace nowhere"),
        (
            (),
            ({**DEPLOYMENT, "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}, SERVICE),
            r"does not know InferenceService \(serving\.kserve\.io/v1beta1\): install its operator",
        ),
    ],
)
def test_foreseeable_errors_are_raised_before_anything_is_created(
    cluster: ClusterStandIn,
    on_cluster: MakeExperiment,
    context: MakeContext,
    before: tuple[str, ...],
    objects: tuple[dict[str, Any], ...],
    message: str,
) -> None:
    if before:
        cluster.standing(*before)
    given, notes = context(probe=answers)
    with pytest.raises(DeployError, match=message):
        EKS.deploy(on_cluster(*objects), given)
    assert (cluster.asked("POST"), cluster.asked("DELETE"), notes.recorded) == ([], [], [])


def test_a_cluster_that_rejects_the_caller_or_is_unreachable(
    cluster: ClusterStandIn,
    on_cluster: MakeExperiment,
    context: MakeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster.token = "another"
    with pytest.raises(
        DeployError, match=r"does not recognise this user or role \(Unauthorized\).*access entry"
    ) as failed:
        EKS.deploy(on_cluster(), context(probe=answers)[0])
    assert "distinctive-cluster-token" not in str(failed.value)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "elsewhere", "http://127.0.0.1:1")))
    with pytest.raises(DeployError, match="does not answer"):
        EKS.deploy(on_cluster(), context(probe=answers)[0])


def test_requests_to_a_busy_server_are_retried(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    cluster.refusals["GET pods"] = [(503, "etcd is electing"), (429, "too many"), None]
    assert EKS.why_dead(EKS.deploy(on_cluster(), context(probe=answers)[0])) == ""
