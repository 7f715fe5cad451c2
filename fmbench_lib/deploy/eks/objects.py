"""The objects that a run creates on a cluster: recorded, waited for, monitored and deleted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fmbench_lib.deploy import waiting as aws_waiting
from fmbench_lib.deploy.eks.access import Access
from fmbench_lib.deploy.eks.api import Cluster
from fmbench_lib.deploy.eks.manifest import DEPLOYMENT_LABEL, Object, named
from fmbench_lib.deploy.eks.rollout import Failure, failure, pod_failure, unready, unschedulable
from fmbench_lib.errors import DeployError
from fmbench_lib.host.atomic_files import write_text

Resource = Mapping[str, Any]

DELETING_PATIENCE_S = 900.0
_KIND = "object"
_KEPT_LINES = 5000


@dataclass(frozen=True, slots=True)
class RecordedObject:
    """An object of the run: what identifies it, its deployment's label, and whether it has volume claim templates."""

    reference: Object
    deployment: str
    claims: bool

    def is_ours(self, current: Object) -> bool:
        """Whether an object of this name is the run's: it carries the deployment's label."""
        return bool((current["metadata"].get("labels") or {}).get(DEPLOYMENT_LABEL) == self.deployment)


def to_resource(item: Object, deployment: str) -> Resource:
    """An object as it is recorded: what identifies it, and the label that marks it as the run's."""
    metadata = item["metadata"]
    names = {key: metadata[key] for key in ("name", "namespace") if metadata.get(key)}
    return {
        "kind": _KIND,
        "object": {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": names},
        "deployment": deployment,
        "claims": bool((item.get("spec") or {}).get("volumeClaimTemplates")),
    }


def recorded(resources: Sequence[Resource]) -> tuple[Access, list[RecordedObject]]:
    """The cluster and the objects recorded with an endpoint."""
    cluster = next(resource for resource in resources if resource["kind"] == "cluster")
    objects = [
        RecordedObject(resource["object"], resource["deployment"], resource["claims"])
        for resource in resources
        if resource["kind"] == _KIND
    ]
    return Access.from_resource(cluster), objects


def check_absent(cluster: Cluster, planned: Sequence[Object]) -> frozenset[str]:
    """Check that none of the planned objects exists yet; returns the names of namespaces that exist and are kept.

    Raises DeployError, before anything is created, for an object that exists, a kind that the cluster does not know and
    a namespace that is missing.
    """
    kept = {named(item) for item in planned if item["kind"] == "Namespace" and _exists(cluster, item)}
    planned_namespaces = {item["metadata"]["name"] for item in planned if item["kind"] == "Namespace"}
    namespace_exists: dict[str, bool] = dict.fromkeys(planned_namespaces, True)
    for item in planned:
        if item["kind"] == "Namespace":
            continue
        kind = cluster.kind(item)
        if kind is None:
            raise DeployError(
                f"{cluster.access} does not know {item['kind']} ({item['apiVersion']}): install its operator first, "
                "or correct apiVersion and kind"
            )
        namespace = item["metadata"].get("namespace") if kind.namespaced else None
        if namespace is not None and namespace not in namespace_exists:
            namespace_exists[namespace] = _exists(cluster, _namespace_object(namespace))
        if namespace is not None and not namespace_exists[namespace]:
            raise DeployError(
                f"there is no namespace {namespace} on {cluster.access}: create it, add it to the manifest, or correct "
                "eks.eks_model_namespace"
            )
        if cluster.get(item) is not None:
            raise DeployError(
                f"{named(item)} already exists and is not from this run, so it is left alone: use another name, such "
                "as one with ${FMBENCH_RUN}, or delete it"
            )
    return frozenset(kept)


def _exists(cluster: Cluster, namespace: Object) -> bool:
    """Whether a namespace exists and will stay. Raises DeployError for one that will be deleted with another
    deployment."""
    existing = cluster.get(namespace)
    if existing is not None and DEPLOYMENT_LABEL in (existing["metadata"].get("labels") or {}):
        raise DeployError(
            f"{named(namespace)} was created by another experiment and is deleted with it: give each its own, or "
            "create one beforehand"
        )
    return existing is not None


def _namespace_object(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def wait_until_ready(
    cluster: Cluster,
    objects: Sequence[RecordedObject],
    looks: Iterator[bool],
    scheduling_timeout: float,
    say: Callable[[str], None],
) -> None:
    """Wait until all objects and their pods are ready; raises DeployError where they will not be."""
    announced = ""
    unschedulable_since: float | None = None
    for time_left in looks:
        waiting, pods = _progress(cluster, objects)
        no_node = "; ".join(filter(None, map(unschedulable, pods)))
        if not waiting:
            return
        state = no_node or "; ".join(waiting)
        if state != announced:
            announced = state
            say(f"waiting: {announced}")
        if not no_node:
            unschedulable_since = None
        elif unschedulable_since is None:
            unschedulable_since = time.monotonic()
        if unschedulable_since is not None and time.monotonic() - unschedulable_since >= scheduling_timeout:
            raise DeployError(f"{no_node} (for {scheduling_timeout:g} s, eks.scheduling_timeout)")
        if not time_left:
            raise DeployError(f"not ready within eks.startup_timeout: {announced}{_reasons(cluster, objects)}")


def _progress(cluster: Cluster, objects: Sequence[RecordedObject]) -> tuple[list[str], list[Object]]:
    """What is still being waited for, and the existing pods; raises DeployError for what will never be ready."""
    waiting = []
    for item in objects:
        current = cluster.get(item.reference)
        if current is None or not item.is_ours(current):
            raise DeployError(f"{named(item.reference)} was deleted while waiting for it")
        reason = failure(current)
        if reason:
            raise DeployError(reason)
        waiting.append(unready(current))
    pods = _pods(cluster, objects)
    for pod in pods:
        pod_problem = pod_failure(pod)
        if pod_problem is not None:
            raise DeployError(f"{pod_problem.text}{_log_clause(cluster, pod, pod_problem)}")
    return [text for text in waiting if text], pods


def _log_clause(cluster: Cluster, pod: Object, problem: Failure) -> str:
    if problem.container is None:
        return ""
    log = cluster.log_end(pod, problem.container, previous=problem.previous)
    log = log or cluster.log_end(pod, problem.container)
    return f"; its log ends: {log}" if log else "; it has no log"


def trouble(cluster: Cluster, objects: Sequence[RecordedObject]) -> str:
    """What is wrong with the objects; empty where nothing is."""
    try:
        return "; ".join(_progress(cluster, objects)[0])
    except DeployError as error:
        return str(error)


def _pods(cluster: Cluster, objects: Sequence[RecordedObject]) -> list[Object]:
    if not objects:
        return []
    return cluster.marked("Pod", _namespaces(objects), objects[0].deployment)


def _namespaces(objects: Sequence[RecordedObject]) -> list[str]:
    """The namespaces of the run's objects."""
    return list(dict.fromkeys(filter(None, (item.reference["metadata"].get("namespace") for item in objects))))


def _reasons(cluster: Cluster, objects: Sequence[RecordedObject]) -> str:
    """Events and log ends of the pods that are not ready."""
    pods = [(pod["metadata"]["name"], last_event(cluster, pod)) for pod in _pods(cluster, objects)]
    events = [f"{name}: {event}" for name, event in pods if event]
    return "".join(f"; {text}" for text in events) + log_ends(cluster, objects)


def last_event(cluster: Cluster, item: Object) -> str:
    """The last warning about an object; empty where there is none."""
    metadata = item["metadata"]
    selector = f"involvedObject.name={metadata['name']},type=Warning"
    events = cluster.listed("v1", "Event", metadata["namespace"], field_selector=selector)
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return f"{events[-1].get('reason')}: {events[-1].get('message')}" if events else ""


def log_ends(cluster: Cluster, objects: Sequence[RecordedObject]) -> str:
    """The end of the log of each pod's first container."""
    ends = []
    for pod in _pods(cluster, objects):
        log = cluster.log_end(pod, pod["spec"]["containers"][0]["name"])
        ends += [f"; the log of {pod['metadata']['name']} ends: {log}"] * bool(log)
    return "".join(ends)


def keep_logs(cluster: Cluster, objects: Sequence[RecordedObject], file: Path) -> None:
    """Write the latest logs of all containers of all pods into one file; no file where there is no log."""
    parts = []
    for pod in _pods(cluster, objects):
        for container in pod["spec"]["containers"]:
            for previous, suffix in ((True, ", before its last start"), (False, "")):
                log = cluster.log(pod, container["name"], _KEPT_LINES, previous=previous)
                name = f"{pod['metadata']['name']}, container {container['name']}{suffix}"
                parts += [f"== pod {name}\n{log}\n"] if log else []
    if parts:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, "\n".join(parts))


def delete_all(cluster: Cluster, objects: Sequence[RecordedObject], patience: float | None = None) -> None:
    """Delete the run's objects, the last first, and the volumes that they claimed, and check that all of them are gone.

    What is gone already, or does not carry the run's label, is left alone. A failure does not stop the other deletions.
    Raises DeployError for everything that may not be deleted, or still exists after `patience` seconds.
    """
    limit = DELETING_PATIENCE_S if patience is None else patience
    deletions = [_Deletion(item.reference, item.is_ours, item if item.claims else None) for item in reversed(objects)]
    errors = _delete(cluster, deletions, limit)
    errors += _remaining_pods(cluster, objects, 0.0 if errors else limit)  # pods of remaining objects would never go
    if errors:
        raise DeployError("; ".join(errors))


@dataclass(slots=True)
class _Deletion:
    """An object to be deleted: `ours` tells it from another one of its name; `claims` is a stateful set with volume
    claims.

    `current` is its last known state, `requested_uid` the uid whose deletion was requested.
    """

    reference: Object
    ours: Callable[[Object], bool]
    claims: RecordedObject | None = None
    current: Object | None = None
    requested_uid: str | None = None

    def gone(self, cluster: Cluster) -> bool:
        """Check whether it is gone, and request its deletion if that has not been done. Raises DeployError."""
        self.current = cluster.get(self.reference)
        if self.current is None or not self.ours(self.current):
            return True
        if self.current["metadata"]["uid"] != self.requested_uid:
            cluster.delete(self.current)
            self.requested_uid = self.current["metadata"]["uid"]
        return False

    def remaining(self, patience: float) -> str:
        """That it still exists, and which finalizers hold it."""
        finalizers = ((self.current or {}).get("metadata") or {}).get("finalizers") or []
        holding = ", ".join(finalizers) or "no finalizer"
        return (
            f"{named(self.reference)} still exists {patience:g} s after its deletion was requested (held by {holding})"
        )


def _delete(cluster: Cluster, deletions: list[_Deletion], patience: float) -> list[str]:
    """Request all deletions, then wait until all are done; returns what was refused, and what remains."""
    errors: list[str] = []
    for _ in aws_waiting.looks(patience, time.sleep):
        deletions = _pending(cluster, deletions, errors)
        if not deletions:
            break
    return errors + [deletion.remaining(patience) for deletion in deletions]


def _pending(cluster: Cluster, deletions: Sequence[_Deletion], errors: list[str]) -> list[_Deletion]:
    """The deletions to check again. What cannot be read or deleted is added to `errors` instead."""
    remaining, queue = [], deque(deletions)
    while queue:
        deletion = queue.popleft()
        try:
            if not deletion.gone(cluster):
                remaining.append(deletion)
            elif deletion.claims is not None:
                queue.extend(_claims(cluster, deletion.claims))
        except DeployError as error:
            errors.append(str(error))
    return remaining


def _claims(cluster: Cluster, stateful_set: RecordedObject) -> list[_Deletion]:
    """The volume claims of a stateful set, which it leaves behind and which cost money."""
    namespace = stateful_set.reference["metadata"]["namespace"]
    claims = cluster.marked("PersistentVolumeClaim", [namespace], stateful_set.deployment)
    return [_Deletion(claim, partial(_is_same, claim)) for claim in claims]


def _remaining_pods(cluster: Cluster, objects: Sequence[RecordedObject], patience: float) -> list[str]:
    """What is to be said of pods that are there after `patience` seconds, or cannot be looked for."""
    remaining: list[str] = []
    try:
        for _ in aws_waiting.looks(patience, time.sleep):
            remaining = [pod["metadata"]["name"] for pod in _pods(cluster, objects)]
            if not remaining:
                return []
    except DeployError as error:
        return [str(error)]
    duration = f" {patience:g} s after their controllers were deleted" if patience else ""
    return [f"pods still exist{duration}: {', '.join(remaining)}"]


def _is_same(expected: Object, current: Object) -> bool:
    return bool(expected["metadata"]["uid"] == current["metadata"]["uid"])
