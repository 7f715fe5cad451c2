"""What platform `eks` reads and decides: manifests, routes, states of objects and pods. No network calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import Experiment, load_config, shipped_path
from fmbench_lib.deploy import platform
from fmbench_lib.deploy.eks.manifest import Manifest, label_text, marked, read_manifest
from fmbench_lib.deploy.eks.rollout import failure, pod_failure, unready, unschedulable
from fmbench_lib.deploy.eks.route import address_of, path_of, route_of
from fmbench_lib.errors import DeployError
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.steps.run_inputs.platform_of import service_of
from tests.deploy.cluster_stand_in import homeless, kubeconfig, running, waiting


def experiment(text: str, folder: Path, **eks: Any) -> Experiment:
    (folder / "m.yml").write_text(text)
    settings = {"manifest_dir": str(folder), "manifest_file": "m.yml", **eks}
    return Experiment(name="e", platform="eks", protocol="openai", deploy=True, eks=settings)


def read(text: str, folder: Path, **eks: Any) -> Manifest:
    return read_manifest(experiment(text, folder, **eks), {"FMBENCH_RUN": "r1", "HF_TOKEN": "t"})


# -- manifests ---------------------------------------------------------------------------------------------------------


def test_only_placeholders_with_values_are_replaced(tmp_path: Path) -> None:
    text = """
# ${HF_TOKEN} in a comment is no wish for one
apiVersion: v1
kind: ConfigMap
metadata: {name: "x-${FMBENCH_RUN}", annotations: {a: "${model}"}}
data: {run: 'echo ${HOME} $model $HF_TOKENS $(POD_IP)'}
"""
    manifest = read(text, tmp_path, manifest_values={"model": "org/m"})
    (item,) = manifest.objects
    assert item["metadata"] == {"name": "x-r1", "annotations": {"a": "org/m"}, "namespace": "default"}
    assert item["data"] == {"run": "echo ${HOME} $model $HF_TOKENS $(POD_IP)"}
    assert not manifest.tokens
    assert read(text.replace("$model", "$HF_TOKEN"), tmp_path, manifest_values={"model": "m"}).tokens


TEXTS = """
# ${HF_TOKEN} and ${lines} in comments
apiVersion: v1
kind: ConfigMap
metadata:
  name: texts
data:  # of ${anything}
  # ${HF_TOKEN} between keys
  template.jinja: |
    # Tools
    {{ tools }}

    # You are ${model}

  # ${HF_TOKEN} after a text
  start.sh: |-  # a here-document
      #!/bin/sh
      cat > notes.md <<END
      # Heading
        # ${lines}
      ${lines}
      END
# ${HF_TOKEN}
  quoted: "a
    # of ${model}"
  count: ${count}
  flow: {name: x-${count}}
"""


def test_lines_that_start_with_a_hash_inside_a_text_are_not_comments(tmp_path: Path) -> None:
    values = {"model": "org/m", "count": 2, "lines": "one"}
    manifest = read(TEXTS, tmp_path, manifest_values=values)
    assert manifest.objects[0]["data"] == {
        "template.jinja": "# Tools\n{{ tools }}\n\n# You are org/m\n",
        "start.sh": "#!/bin/sh\ncat > notes.md <<END\n# Heading\n  # one\none\nEND",
        "quoted": "a # of org/m",
        "count": 2,
        "flow": {"name": "x-2"},
    }
    assert not manifest.tokens  # which comments alone name
    assert read(TEXTS.replace("# Heading", "# $HF_TOKEN"), tmp_path, manifest_values=values).tokens


def test_a_multi_line_value_does_not_break_out_of_a_comment(tmp_path: Path) -> None:
    text = "# ${lines}\n{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: '${lines}'}}\n"
    (item,) = read(text, tmp_path, manifest_values={"lines": "b: c\n\nd"}).objects
    assert item["data"] == {"a": "b: c\nd"}
    with pytest.raises(DeployError, match=r"has no \$\{lines\}"):
        read(text.replace("'${lines}'", "b"), tmp_path, manifest_values={"lines": "c"})


def test_lists_are_split_empty_documents_skipped_and_namespaces_come_first(tmp_path: Path) -> None:
    text = """
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: a}}
- {apiVersion: v1, kind: Secret, metadata: {name: b, namespace: other}}
---
---
{apiVersion: v1, kind: Namespace, metadata: {name: ours}}
"""
    result = read(text, tmp_path, eks_model_namespace="ours").objects
    assert [(item["metadata"]["name"], item["metadata"].get("namespace")) for item in result] == [
        ("ours", None),
        ("a", "ours"),
        ("b", "other"),
    ]


@pytest.mark.parametrize(
    ("text", "eks", "message"),
    [
        ("a: [", {}, "is not valid YAML"),
        ("# nothing", {}, "has no objects"),
        ("kind: Secret", {}, "has a document without apiVersion"),
        ("- 1", {}, "has a document without apiVersion"),
        ("{apiVersion: v1, kind: Pod, metadata: {generateName: x-}}", {}, "has a Pod without metadata.name"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x}}", {"manifest_values": {"modle": 1}}, r"has no \$\{modle\}"),
        (
            "a: {b: ${model}}",
            {"manifest_values": {"modle": 1}},
            r"has no \$\{modle\}",
        ),  # which is why it is not valid YAML
        ("", {"manifest_file": "other.yml"}, r"other\.yml was not found .*eks\.manifest_file"),
        ("", {"manifest_file": None}, r"needs eks\.manifest_file"),
    ],
)
def test_an_unusable_manifest_is_a_one_line_error(text: str, eks: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=message) as failed:
        read(text, tmp_path, **eks)
    assert "\n" not in str(failed.value)


def test_templates_of_custom_kinds_are_labelled_too() -> None:
    template = {"spec": {"containers": [{"name": "c"}]}}
    item = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "x", "labels": {"app": "mine"}},
        "spec": {"leaderWorkerTemplate": {"workers": [{"template": template}]}, "template": "text"},
    }
    created = marked(item, {"l": "v"}, "an experiment")
    assert created["metadata"]["labels"] == {"app": "mine", "l": "v"}
    assert created["spec"]["leaderWorkerTemplate"]["workers"][0]["template"]["metadata"] == {"labels": {"l": "v"}}
    assert "metadata" not in template
    assert label_text("a run/of é" + "x" * 80).startswith("a-run-of-xxx")
    assert len(label_text("x" * 80)) == 63


# -- the way in --------------------------------------------------------------------------------------------------------


def thing(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "n"}, "spec": spec}


PLAIN = thing("Service", "plain", ports=[{"port": 80}])
BALANCED = thing("Service", "balanced", type="LoadBalancer", ports=[{"port": 8000}])
INGRESS = thing("Ingress", "way-in")
RAY = thing("RayService", "llama")


@pytest.mark.parametrize(
    ("objects", "eks", "expected"),
    [
        ([PLAIN, BALANCED, INGRESS], {}, "Ingress n/way-in, path /v1/chat/completions"),
        ([PLAIN, BALANCED], {}, "load balancer of Service n/balanced, port 8000, path /v1/chat/completions"),
        ([PLAIN], {}, "port-forward to Service n/plain, port 80, path /v1/chat/completions"),
        ([RAY], {}, "port-forward to Service n/llama-serve-svc, port 8000, path /v1/chat/completions"),
        (
            [PLAIN, BALANCED],
            {"service": "plain"},
            "port-forward to Service n/plain, port 80, path /v1/chat/completions",
        ),
        ([RAY], {"service": "made", "port": 9}, "port-forward to Service n/made, port 9, path /v1/chat/completions"),
        ([INGRESS], {"inference_url_format": "serve"}, "Ingress n/way-in, path /serve"),
    ],
)
def test_the_route_to_the_endpoint(
    objects: list[dict[str, Any]], eks: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    assert str(route_of(experiment("", tmp_path, **eks), objects)) == expected


@pytest.mark.parametrize(
    ("objects", "eks", "message"),
    [
        ([], {}, "has no Service through which the endpoint can be reached"),
        ([PLAIN], {"expose": "load_balancer"}, "has no Service of type LoadBalancer"),
        ([PLAIN], {"expose": "ingress"}, "has no Ingress"),
        (
            [PLAIN, thing("Service", "other")],
            {},
            r"has 2 objects of kind Service \(plain, other\): name one in eks\.service",
        ),
    ],
)
def test_a_missing_or_ambiguous_route_is_an_error(
    objects: list[dict[str, Any]], eks: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DeployError, match=message):
        route_of(experiment("", tmp_path, **eks), objects)


@pytest.mark.parametrize(
    ("item", "got", "expected"),
    [
        (BALANCED, {"ip": "10.0.0.1"}, "http://10.0.0.1:8000"),
        (thing("Service", "s", type="LoadBalancer", ports=[{"port": 443}]), {"hostname": "h"}, "https://h"),
        (thing("Service", "s", type="LoadBalancer", ports=[{"port": 80}]), {"ip": "::1"}, "http://[::1]"),
        (INGRESS, {"hostname": "h"}, "http://h"),
        (thing("Ingress", "i", tls=[{"hosts": ["llm.example"]}]), {"hostname": "h"}, "https://llm.example"),
        (thing("Ingress", "i", rules=[{"host": "llm.example"}]), {"hostname": "h"}, "http://llm.example"),
        (thing("Ingress", "i", rules=[{"host": "*.example"}, {}]), {"hostname": "h"}, "http://h"),
    ],
)
def test_the_assigned_address(item: dict[str, Any], got: dict[str, str], expected: str, tmp_path: Path) -> None:
    route = route_of(experiment("", tmp_path), [item])
    assert address_of(item, route) is None
    assert address_of({**item, "status": {"loadBalancer": {"ingress": [got]}}}, route) == f"{expected}{route.path}"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("/serve/infer?sentence=", "http://h/serve/infer?sentence=Say+hello"),
        ("/serve/infer?lang=en&sentence=", "http://h/serve/infer?lang=en&sentence=Say+hello"),
        ("/serve/infer", "http://h/serve/infer/Say%20hello"),
        ("serve/infer", "http://h/serve/infer/Say%20hello"),
    ],
)
def test_the_prompt_is_appended_to_the_url_format(form: str, expected: str) -> None:
    spec = {"inference_url_format": form}
    item = Experiment(name="e", platform="eks", protocol="eks", deploy=True, inference_spec=spec)
    assert predictor_for(item, f"http://h{path_of(item)}", None).encode("Say hello").url == expected


# -- states ------------------------------------------------------------------------------------------------------------


def state(kind: str, status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {**thing(kind, "x", **spec), "status": status}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (state("Deployment", {"readyReplicas": 1, "updatedReplicas": 2}, replicas=2), "Deployment n/x: 1 of 2 ready"),
        (state("Deployment", {"readyReplicas": 2, "updatedReplicas": 2}, replicas=2), ""),
        (state("Deployment", {"readyReplicas": 2, "updatedReplicas": 1}, replicas=2), "Deployment n/x: 1 of 2 ready"),
        (state("Deployment", {}, replicas=0), ""),
        (state("StatefulSet", {"readyReplicas": 1}), ""),
        (state("DaemonSet", {"desiredNumberScheduled": 2, "numberReady": 1}), "DaemonSet n/x: 1 of 2 ready"),
        (state("DaemonSet", {}), "DaemonSet n/x: 0 of None ready"),
        (state("Pod", {"phase": "Pending"}), "Pod n/x is Pending"),
        (state("Pod", running()), ""),
        (state("RayCluster", {"state": "ready"}), ""),
        (state("RayService", {}), "RayService n/x is not running yet"),
        (state("RayService", {"conditions": [{"type": "Ready", "status": "True"}]}), ""),
        (state("Queue", {"conditions": [{"type": "Ready", "status": "False"}]}), "Queue n/x is not ready"),
        (state("Secret", {}), ""),
    ],
)  # fmt: skip
def test_what_an_object_is_waiting_for(item: dict[str, Any], expected: str) -> None:
    assert unready(item) == expected


def test_an_old_generations_status_does_not_count() -> None:
    item = state("Deployment", {"readyReplicas": 1, "updatedReplicas": 1, "observedGeneration": 1})
    assert unready({**item, "metadata": {**item["metadata"], "generation": 2}}) != ""


def test_objects_that_will_never_be_ready() -> None:
    apps = {"applicationStatuses": {"llama": {"status": "DEPLOY_FAILED", "message": "no module named serve_llama"}}}
    assert failure(state("RayService", {"pendingServiceStatus": apps})) == (
        "RayService n/x: application llama is DEPLOY_FAILED: no module named serve_llama"
    )
    assert failure(state("Deployment", {"conditions": [{"type": "Progressing", "status": "False"}]})) == ""


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (running(), None),
        (waiting("ContainerCreating"), None),
        (waiting("ErrImagePull", "timeout"), None),  # it is tried again
        (waiting("CrashLoopBackOff", restarts=1), None),  # so is this
        (waiting("InvalidImageName", "a b"), r"image example/server:1 cannot be pulled (InvalidImageName): a b"),
        ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "pod x has failed: Evicted disk"),
        (
            {"phase": "Failed", "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 1}}}]},
            "container c ended with exit code 1",
        ),
        ({**running(), "initContainerStatuses": waiting("ImagePullBackOff")["containerStatuses"]}, "no message"),
    ],
)
def test_why_a_pod_will_not_run(status: dict[str, Any], part: str | None) -> None:
    result = pod_failure(state("Pod", status))
    assert (result is None) if part is None else (result is not None and part in result.text)


OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "1", "controller": True}
EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "low on disk"}
KILLED = {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 137}}}]}


@pytest.mark.parametrize(
    ("owner", "status", "fails"),
    [
        (OWNER, EVICTED, False),
        (OWNER, {**EVICTED, **KILLED}, False),  # as eviction ends it
        (OWNER, {"phase": "Failed", "reason": "UnexpectedAdmissionError"}, False),
        (OWNER, {"phase": "Failed", "reason": "OutOfnvidia.com/gpu"}, False),
        ({**OWNER, "kind": "StatefulSet"}, {"phase": "Failed", "reason": "Terminated"}, False),
        (OWNER, {"phase": "Failed", **KILLED}, True),
        (OWNER, {"phase": "Failed", "reason": "DeadlineExceeded"}, True),
        (OWNER, waiting("CrashLoopBackOff", restarts=2), True),
        ({**OWNER, "controller": False}, EVICTED, True),
        ({**OWNER, "kind": "RayCluster"}, EVICTED, True),
    ],
)
def test_an_evicted_pod_that_will_be_replaced_is_not_a_failure(
    owner: dict[str, Any], status: dict[str, Any], fails: bool
) -> None:
    pod = state("Pod", status)
    pod["metadata"]["ownerReferences"] = [owner]
    assert (pod_failure(pod) is not None) == fails


def test_a_pod_without_a_node() -> None:
    assert unschedulable(state("Pod", homeless("no GPU"))) == "pod x cannot be scheduled: no GPU"
    assert unschedulable(state("Pod", running())) == ""


# -- what ships --------------------------------------------------------------------------------------------------------


def test_the_shipped_config_plans_to_its_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")))
    path = shipped_path("configs/eks/vllm.yml")
    assert path is not None
    values = {"model_id": "Qwen/Qwen3-8B", "instance_type": "g6e.2xlarge", "cluster": "gpus"}
    config = load_config(path, arguments=values, standard={"region": "us-east-1"}).config
    monkeypatch.chdir(tmp_path)
    service, item = service_of(config, config.experiments[0], [path.parent])
    assert service is platform("eks")
    assert service.plan(item) == (
        "deploys vllm.yml to EKS cluster gpus in us-east-1: Deployment default/vllm-RUN (1 × "
        "vllm/vllm-openai:v0.11.0, nvidia.com/gpu: 1), Service default/vllm-RUN; reached by port-forward to Service "
        "default/vllm-RUN, port 80, path /v1/chat/completions"
    )
    manifest = read_manifest(item, {"FMBENCH_RUN": "r"})
    pod = manifest.objects[0]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"node.kubernetes.io/instance-type": "g6e.2xlarge"}
    assert pod["containers"][0]["args"][0] == "--model=Qwen/Qwen3-8B"
