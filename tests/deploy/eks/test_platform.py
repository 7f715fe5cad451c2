"""Platform `eks` against an API server with the real resource paths, through the real client library."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.eks import objects as eks_objects
from fmbench_lib.errors import DeployError
from tests.deploy.cluster_objects import DEPLOYMENT, NAMESPACE, SERVICE, in_place
from tests.deploy.cluster_stand_in import ClusterStandIn, homeless, running
from tests.deploy.conftest import MakeContext, MakeExperiment, make_context
from tests.deploy.on_aws import HF_TOKEN, answers, refuses

EKS = platform("eks")


# -- the whole way -----------------------------------------------------------------------------------------------------


def test_a_manifest_is_applied_awaited_and_deleted_in_reverse_order(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    given, notes = context(probe=answers)
    cluster.logs = [f"HF_TOKEN={HF_TOKEN}", "loading", "ready"]
    endpoint = EKS.deploy(on_cluster(in_place(DEPLOYMENT, "ours"), in_place(SERVICE, "ours"), NAMESPACE), given)
    assert endpoint.urls == ("http://127.0.0.1:8080/v1/chat/completions",) == tuple(notes.asked)
    assert [call.split()[1] for call in cluster.asked("POST")] == [
        "/api/v1/namespaces",  # first, wherever it stands in the manifest
        "/apis/apps/v1/namespaces/ours/deployments",
        "/api/v1/namespaces/ours/services",
    ]
    assert any("no nodes yet" in line for line in notes.said)
    assert EKS.why_dead(endpoint) == ""
    first = notes.recorded[0]
    assert (first.status, len(first.resources), first.urls) == ("creating", 4, ())
    deleted = EKS.delete(endpoint)
    assert deleted.deleted_at is not None
    kept = Path(deleted.log_files[0]).read_text()
    assert kept.endswith("== pod server-1, container server\nHF_TOKEN=<removed>\nloading\nready\n")
    assert "before its last start" not in kept
    assert cluster.names() == []
    assert [call.rsplit("/", 1)[-1] for call in cluster.asked("DELETE")] == ["server", "server", "ours"]
    assert "/services/" in cluster.asked("DELETE")[0]
    options = [body for call, body in cluster.bodies if call.startswith("DELETE")]
    assert {item["propagationPolicy"] for item in options} == {"Foreground"}
    assert all(item["preconditions"]["uid"] for item in options)
    assert EKS.delete(deleted) is deleted
    assert EKS.why_dead(deleted)


def test_everything_is_recorded_before_anything_is_created(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, tmp_path: Path
) -> None:
    given, _ = make_context(tmp_path / "logs", answers)
    seen: list[int] = []
    noting = replace(given, record=lambda _: seen.append(len(cluster.asked("POST"))))
    EKS.delete(EKS.deploy(on_cluster(), noting))
    assert seen[0] == 0


def test_objects_and_templates_carry_the_runs_labels(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    endpoint = EKS.deploy(on_cluster(), context(probe=answers)[0])
    label = endpoint.resources[1]["deployment"]
    created = [body for call, body in cluster.bodies if call.startswith("POST")]
    for labels in (
        *(item["metadata"]["labels"] for item in created),
        created[0]["spec"]["template"]["metadata"]["labels"],
    ):
        assert (labels["fmbench/run-id"], labels["fmbench/deployment"]) == ("run", label)
    assert created[0]["metadata"]["annotations"] == {"fmbench/experiment": "server on llm"}
    assert created[0]["spec"]["selector"] == {"matchLabels": {"app": "server"}}  # which cannot be changed later


def test_a_ray_service_is_awaited_by_its_status(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    pod = {"spec": {"containers": [{"name": "ray-head", "image": "example/ray:1"}]}}
    head = {"headGroupSpec": {"template": pod}}
    ray = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "llama", "namespace": "llm"},
        "spec": {"rayClusterConfig": head},
    }
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "way-in", "namespace": "llm"},
        "spec": {"ingressClassName": "nginx"},
    }
    cluster.pods = [running("ray-head")]
    cluster.address = {"hostname": "abc.elb.us-east-1.amazonaws.com"}
    cluster.ray = [
        {"serviceStatus": "", "pendingServiceStatus": {"applicationStatuses": {"llama": {"status": "DEPLOYING"}}}},
        {"serviceStatus": "Running", "activeServiceStatus": {"applicationStatuses": {"llama": {"status": "RUNNING"}}}},
    ]
    given, notes = context(probe=answers)
    created = on_cluster(
        ray, ingress, protocol="eks", inference_spec={"inference_url_format": "/serve/infer?sentence="}
    )
    endpoint = EKS.deploy(created, given)
    assert endpoint.urls == ("http://abc.elb.us-east-1.amazonaws.com/serve/infer?sentence=",)
    assert any("llama is DEPLOYING" in line for line in notes.said)
    EKS.delete(endpoint)
    assert cluster.names() == []


def test_the_volumes_of_a_stateful_set_are_deleted_with_it(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    claims = [{"metadata": {"name": "models"}, "spec": {}}]
    stateful = {**DEPLOYMENT, "kind": "StatefulSet", "spec": {**DEPLOYMENT["spec"], "volumeClaimTemplates": claims}}
    cluster.standing("v1", "PersistentVolumeClaim", "theirs", "llm")
    endpoint = EKS.deploy(on_cluster(stateful, SERVICE), context(probe=answers)[0])
    assert "PersistentVolumeClaim models-server-1" in cluster.names()
    EKS.delete(endpoint)
    assert cluster.names() == ["PersistentVolumeClaim theirs"]


def test_a_hugging_face_token_reaches_the_cluster_but_no_record(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub"}, "stringData": {"t": "$HF_TOKEN"}}
    created = on_cluster(secret, DEPLOYMENT, SERVICE, eks={"eks_model_namespace": "llm"})
    given, notes = context(probe=answers)
    with pytest.raises(DeployError, match=r"holds \$\{HF_TOKEN\}: set HF_TOKEN"):
        EKS.deploy(created, given)
    EKS.deploy(created, replace(given, hf_token=HF_TOKEN))
    assert cluster.objects["v1", "Secret", "llm", "hub"]["stringData"] == {"t": HF_TOKEN}
    assert HF_TOKEN not in repr(notes) + EKS.plan(created)
    cluster.refusals["POST secrets"] = [(422, f"Secret is invalid: {HF_TOKEN} is too long")]
    EKS.delete(notes.recorded[-1])
    with pytest.raises(DeployError, match="is too long") as failed:
        EKS.deploy(created, replace(given, hf_token=HF_TOKEN))
    assert HF_TOKEN not in str(failed.value)


def test_an_evicted_pod_that_was_replaced_leaves_a_healthy_deployment_healthy(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    endpoint = EKS.deploy(on_cluster(), context(probe=answers)[0])
    old = cluster.standing("v1", "Pod", "server-evicted", "llm", spec=DEPLOYMENT["spec"]["template"]["spec"])
    labels = {"fmbench/deployment": endpoint.resources[1]["deployment"]}
    deployment = cluster.objects["apps/v1", "Deployment", "llm", "server"]["metadata"]["uid"]
    owners = [{"kind": "ReplicaSet", "uid": "rs", "controller": True}, {"uid": deployment}]  # all go with the latter
    old["metadata"].update(labels=labels, ownerReferences=owners)
    old["left"] = [{"phase": "Failed", "reason": "Evicted", "message": "low on ephemeral-storage"}]
    assert EKS.why_dead(endpoint) == ""
    cluster.status["Deployment"] = {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 2}
    assert EKS.why_dead(endpoint) == "Deployment llm/server: 1 of 2 ready"


# -- what was there before stays ---------------------------------------------------------------------------------------


def test_an_existing_namespace_is_used_and_kept(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    theirs = cluster.standing("v1", "Namespace", "ours")
    cluster.standing("v1", "Secret", "theirs", "ours")
    endpoint = EKS.deploy(
        on_cluster(NAMESPACE, in_place(DEPLOYMENT, "ours"), in_place(SERVICE, "ours")), context(probe=answers)[0]
    )
    assert all(item.get("object", {}).get("kind") != "Namespace" for item in endpoint.resources)
    EKS.delete(endpoint)
    assert cluster.names() == ["Namespace ours", "Secret theirs"]
    assert "labels" not in theirs["metadata"]


def test_another_experiments_namespace_is_not_shared(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    first = on_cluster(NAMESPACE, in_place(DEPLOYMENT, "ours"), in_place(SERVICE, "ours"))
    EKS.deploy(first, context(probe=answers)[0])
    with pytest.raises(DeployError, match=r"Namespace ours was created by another experiment"):
        EKS.deploy(first, context(probe=answers)[0])


def test_an_object_that_replaced_the_runs_is_left_alone(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    endpoint = EKS.deploy(on_cluster(), context(probe=answers)[0])
    del cluster.objects["v1", "Service", "llm", "server"]
    cluster.standing("v1", "Service", "server", "llm")
    assert "was deleted while waiting for it" in EKS.why_dead(endpoint)
    EKS.delete(endpoint)
    assert cluster.names() == ["Service server"]


def test_finalizers_that_hold_an_object_are_named(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = EKS.deploy(on_cluster(), context(probe=answers)[0])
    cluster.finalizers = {"Service": ["service.kubernetes.io/load-balancer-cleanup"]}
    monkeypatch.setattr(eks_objects, "DELETING_PATIENCE_S", 0.05)
    with pytest.raises(DeployError, match=r"Service llm/server still exists 0\.05 s after .*load-balancer-cleanup"):
        EKS.delete(endpoint)
    cluster.finalizers = {}
    monkeypatch.setattr(eks_objects, "DELETING_PATIENCE_S", 60.0)
    EKS.delete(endpoint)
    assert cluster.names() == []


def test_one_object_that_cannot_be_deleted_does_not_stop_the_others(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub", "namespace": "llm"}}
    endpoint = EKS.deploy(on_cluster(DEPLOYMENT, secret, SERVICE), context(probe=answers)[0])
    cluster.finalizers = {"Service": ["service.kubernetes.io/load-balancer-cleanup"]}
    cluster.refusals["DELETE secrets"] = [(403, "secrets is forbidden")]
    monkeypatch.setattr(eks_objects, "DELETING_PATIENCE_S", 1.0)
    with pytest.raises(DeployError, match=r"deleting Secret llm/hub: not allowed.*Service llm/server still exists"):
        EKS.delete(endpoint)
    assert cluster.names() == ["Secret hub", "Service server"]
    kinds = [call.split("/")[-2] for call in cluster.asked("DELETE")]
    assert kinds == ["services", "secrets", "deployments"]  # each was asked once, the last first
    cluster.finalizers, cluster.refusals = {}, {}
    monkeypatch.setattr(eks_objects, "DELETING_PATIENCE_S", 60.0)
    EKS.delete(endpoint)
    assert cluster.names() == []


def test_the_pods_of_an_undeletable_object_are_named_without_waiting(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    endpoint = EKS.deploy(on_cluster(), context(probe=answers)[0])
    cluster.refusals["DELETE deployments"] = [(403, "deployments is forbidden")]
    with pytest.raises(DeployError, match=r"deleting Deployment .*; pods still exist: server-0, server-1$"):
        EKS.delete(endpoint)
    assert cluster.names() == ["Deployment server", "Pod server-0", "Pod server-1"]
    cluster.refusals = {}


def test_the_volumes_of_an_undeletable_stateful_set_are_kept(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    claims = [{"metadata": {"name": "models"}, "spec": {}}]
    stateful = {**DEPLOYMENT, "kind": "StatefulSet", "spec": {**DEPLOYMENT["spec"], "volumeClaimTemplates": claims}}
    endpoint = EKS.deploy(on_cluster(stateful, SERVICE), context(probe=answers)[0])
    cluster.refusals["DELETE statefulsets"] = [(403, "statefulsets is forbidden")]
    with pytest.raises(DeployError, match="deleting StatefulSet llm/server: not allowed"):
        EKS.delete(endpoint)
    assert cluster.asked("DELETE /api/v1/namespaces/llm/persistentvolumeclaims") == []
    cluster.refusals = {}
    EKS.delete(endpoint)
    assert cluster.names() == []


def test_what_cannot_be_deleted_is_reported_with_the_failure(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    cluster.refusals["DELETE services"] = [(403, "services is forbidden"), None]
    given, notes = context(probe=refuses)
    with pytest.raises(
        DeployError, match=r"CUDA.*what was created could not be deleted: deleting Service llm/server: not a"
    ):
        EKS.deploy(on_cluster(eks={"startup_timeout": 0.5}), given)
    assert notes.recorded[-1].deleted_at is None  # so that the cleanup tries again
    EKS.delete(notes.recorded[-1])
    assert cluster.names() == []


# -- interrupted and killed --------------------------------------------------------------------------------------------


def test_an_interrupted_deployment_is_left_for_the_cleanup(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    cluster.pods = [homeless("no nodes yet")]

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    given, notes = context(probe=answers)
    with pytest.raises(KeyboardInterrupt):
        EKS.deploy(on_cluster(), replace(given, pause=interrupted))
    assert cluster.names() != []
    EKS.delete(Endpoint.from_dict(json.loads(json.dumps(notes.recorded[-1].to_dict()))))
    assert cluster.names() == []


KILLED = """
import json, sys
from pathlib import Path
from fmbench_lib.config import Experiment
from fmbench_lib.deploy import DeployContext, platform
def record(endpoint):
    Path(sys.argv[2]).write_text(json.dumps(endpoint.to_dict()))
context = DeployContext("run", Path(sys.argv[3]), (), record, print, lambda url, model: None)
platform("eks").deploy(Experiment(**json.loads(sys.argv[1])), context)
"""


def test_what_a_killed_deployment_created_is_deleted_by_another_process(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, tmp_path: Path
) -> None:
    cluster.pods = [homeless("no nodes yet")]
    given = json.dumps(on_cluster().model_dump(exclude_unset=True, by_alias=True))
    record = tmp_path / "endpoint.json"
    root = str(Path(__file__).resolve().parents[3])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, given, str(record), str(tmp_path / "logs")],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
    )
    assert cluster.reached.wait(timeout=60)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    assert cluster.names() != []
    EKS.delete(Endpoint.from_dict(json.loads(record.read_text())))
    assert cluster.names() == []


# -- by a port-forward -------------------------------------------------------------------------------------------------


def test_a_port_forward_outlives_its_starter_and_is_stopped(
    cluster: ClusterStandIn, on_cluster: MakeExperiment, context: MakeContext
) -> None:
    from fmbench_lib.emulator import Behaviour, Constant, launch
    from tests.deploy.conftest import ask

    with launch(Behaviour(ttft=Constant(0.0), itl=Constant(0.0), tokens=Constant(2))) as emulator:
        host, _, port = emulator.base_url.removeprefix("http://").partition(":")
        cluster.backend = (host, int(port))
        cluster.pods = [running()]
        given, notes = context(probe=ask)
        endpoint = EKS.deploy(on_cluster(eks={"expose": "port_forward"}), given)
        assert endpoint.urls[0].startswith("http://127.0.0.1:")
        assert "GET /api/v1/namespaces/llm/pods/server-0/portforward" in cluster.calls
        recorded = next(item for item in notes.recorded if item.resources[-1]["kind"] == "port_forward")
        assert recorded.status == "creating"  # recorded before it listened
        assert EKS.why_dead(endpoint) == ""
        os.kill(int(endpoint.resources[-1]["pid"]), signal.SIGKILL)
        os.waitpid(int(endpoint.resources[-1]["pid"]), 0)
        assert "port-forward" in EKS.why_dead(endpoint)
        EKS.delete(endpoint)
    assert cluster.names() == []


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_plan_names_objects_cluster_and_route(cluster: ClusterStandIn, on_cluster: MakeExperiment) -> None:
    assert EKS.plan(on_cluster()) == (
        "deploys m.yml to the cluster of context stand-in: Deployment llm/server (2 × example/server:1), "
        "Service llm/server; reached by load balancer of Service llm/server, port 8080, path /v1/chat/completions"
    )
    assert cluster.calls == []


def test_an_existing_endpoint_is_used_as_it_is(on_cluster: MakeExperiment, context: MakeContext) -> None:
    existing = on_cluster(deploy=False, ep_name="http://10.0.0.1/v1/chat/completions", eks=None)
    assert EKS.plan(existing) == "an endpoint that exists: http://10.0.0.1/v1/chat/completions"
    assert not EKS.deploy(existing, context(probe=answers)[0]).owned
    with pytest.raises(DeployError, match="needs deploy: yes and a manifest, or ep_name"):
        EKS.plan(on_cluster(deploy=False))
