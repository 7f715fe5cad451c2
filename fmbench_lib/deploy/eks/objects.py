"""What a run makes on a cluster: written down, waited for, looked after and deleted again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fmbench_lib.atomic_files import write_text
from fmbench_lib.deploy import waiting as aws_waiting
from fmbench_lib.deploy.eks.access import Access
from fmbench_lib.deploy.eks.api import Cluster
from fmbench_lib.deploy.eks.manifest import DEPLOYMENT_LABEL, Object, named
from fmbench_lib.deploy.eks.rollout import Failure, failure, pod_failure, unready, unschedulable
from fmbench_lib.errors import DeployError

Resource = dict[str, Any]

DELETING_PATIENCE_S = 900.0
_KIND = "object"
_KEPT_LINES = 5000


def to_resource(one: Object, deployment: str) -> Resource:
    """How an object is written down: what finds it again, and the label that says that it is the run's."""
    metadata = one["metadata"]
    where = {key: metadata[key] for key in ("name", "namespace") if metadata.get(key)}
    return {
        "kind": _KIND,
        "object": {"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": where},
        "deployment": deployment,
        "claims": bool((one.get("spec") or {}).get("volumeClaimTemplates")),
    }


def recorded(resources: Sequence[Resource]) -> tuple[Access, list[Resource]]:
    """The cluster and the objects that an endpoint was written down with."""
    found = next(one for one in resources if one["kind"] == "cluster")
    return Access.from_resource(found), [one for one in resources if one["kind"] == _KIND]


def check_absent(cluster: Cluster, planned: Sequence[Object]) -> frozenset[str]:
    """See that nothing that is to be made is there already; the names of namespaces that are, and are kept.

    Raises DeployError, before anything is made, for an object that is there, a kind that the cluster does not know and
    a namespace that is missing.
    """
    kept = {named(one) for one in planned if one["kind"] == "Namespace" and _stands(cluster, one)}
    coming = {one["metadata"]["name"] for one in planned if one["kind"] == "Namespace"}
    places: dict[str, bool] = dict.fromkeys(coming, True)
    for one in planned:
        if one["kind"] == "Namespace":
            continue
        kind = cluster.kind(one)
        if kind is None:
            raise DeployError(
                f"{cluster.access} does not know {one['kind']} ({one['apiVersion']}): install what serves it first, or "
                "correct apiVersion and kind"
            )
        place = one["metadata"].get("namespace") if kind.namespaced else None
        if place is not None and place not in places:
            places[place] = _stands(cluster, _namespace(place))
        if place is not None and not places[place]:
            raise DeployError(
                f"there is no namespace {place} on {cluster.access}: make it, put it into the manifest, or correct "
                "eks.eks_model_namespace"
            )
        if cluster.get(one) is not None:
            raise DeployError(
                f"{named(one)} is there already, and not of this run: it is left as it is; give it another name, such "
                "as one with ${FMBENCH_RUN}, or delete it"
            )
    return frozenset(kept)


def _stands(cluster: Cluster, namespace: Object) -> bool:
    """Whether a namespace is there, to stay; raises DeployError for one that goes with another deployment."""
    found = cluster.get(namespace)
    if found is not None and DEPLOYMENT_LABEL in (found["metadata"].get("labels") or {}):
        raise DeployError(
            f"{named(namespace)} was made by another experiment, and goes when that is over: give each its own, or "
            "make one beforehand"
        )
    return found is not None


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def wait_until_ready(
    cluster: Cluster,
    made: Sequence[Resource],
    turns: Iterator[bool],
    scheduling_timeout: float,
    say: Callable[[str], None],
) -> None:
    """Look until all objects and their pods are as they should be; raises DeployError where they will not be."""
    said = ""
    homeless_since: float | None = None
    for more in turns:
        waiting, pods = _looked_at(cluster, made)
        homeless = "; ".join(filter(None, map(unschedulable, pods)))
        if not waiting:
            return
        news = homeless or "; ".join(waiting)
        if news != said:
            said = news
            say(f"waiting: {said}")
        if not homeless:
            homeless_since = None
        elif homeless_since is None:
            homeless_since = time.monotonic()
        if homeless_since is not None and time.monotonic() - homeless_since >= scheduling_timeout:
            raise DeployError(f"{homeless} (for {scheduling_timeout:g} s, eks.scheduling_timeout)")
        if not more:
            raise DeployError(f"not ready within eks.startup_timeout: {said}{_reasons(cluster, made)}")


def _looked_at(cluster: Cluster, made: Sequence[Resource]) -> tuple[list[str], list[Object]]:
    """What is still waited for, and the pods that there are; raises DeployError for what will never be ready."""
    waiting = []
    for resource in made:
        one = cluster.get(resource["object"])
        if one is None or not _is_ours(resource, one):
            raise DeployError(f"{named(resource['object'])} was deleted by somebody while it was waited for")
        refused = failure(one)
        if refused:
            raise DeployError(refused)
        waiting.append(unready(one))
    pods = _pods(cluster, made)
    for pod in pods:
        found = pod_failure(pod)
        if found is not None:
            raise DeployError(f"{found.text}{_log_of(cluster, pod, found)}")
    return [one for one in waiting if one], pods


def _log_of(cluster: Cluster, pod: Object, found: Failure) -> str:
    if found.container is None:
        return ""
    said = cluster.log_end(pod, found.container, previous=found.previous)
    said = said or cluster.log_end(pod, found.container)
    return f"; its log ends: {said}" if said else "; it has no log"


def trouble(cluster: Cluster, made: Sequence[Resource]) -> str:
    """What is wrong with what was made; empty where nothing is."""
    try:
        return "; ".join(_looked_at(cluster, made)[0])
    except DeployError as error:
        return str(error)


def _pods(cluster: Cluster, made: Sequence[Resource]) -> list[Object]:
    if not made:
        return []
    return cluster.marked("Pod", _places(made), made[0]["deployment"])


def _places(made: Sequence[Resource]) -> list[str]:
    """The namespaces in which something was made."""
    return list(dict.fromkeys(filter(None, (one["object"]["metadata"].get("namespace") for one in made))))


def _reasons(cluster: Cluster, made: Sequence[Resource]) -> str:
    """What events and logs say of pods that are not ready."""
    pods = [(pod["metadata"]["name"], last_event(cluster, pod)) for pod in _pods(cluster, made)]
    events = [f"{name}: {said}" for name, said in pods if said]
    return "".join(f"; {one}" for one in events) + log_ends(cluster, made)


def last_event(cluster: Cluster, one: Object) -> str:
    """The last warning about an object; empty where there is none."""
    where = one["metadata"]
    chosen = f"involvedObject.name={where['name']},type=Warning"
    found = cluster.listed("v1", "Event", where["namespace"], field_selector=chosen)
    found.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return f"{found[-1].get('reason')}: {found[-1].get('message')}" if found else ""


def log_ends(cluster: Cluster, made: Sequence[Resource]) -> str:
    """The end of the log of each pod's first container."""
    ends = []
    for pod in _pods(cluster, made):
        said = cluster.log_end(pod, pod["spec"]["containers"][0]["name"])
        ends += [f"; the log of {pod['metadata']['name']} ends: {said}"] * bool(said)
    return "".join(ends)


def keep_logs(cluster: Cluster, made: Sequence[Resource], file: Path) -> None:
    """Write what the containers of all pods have said, the latest of each, into one file; none where there is none."""
    parts = []
    for pod in _pods(cluster, made):
        for container in pod["spec"]["containers"]:
            for previous, when in ((True, ", before its last start"), (False, "")):
                said = cluster.log(pod, container["name"], _KEPT_LINES, previous=previous)
                name = f"{pod['metadata']['name']}, container {container['name']}{when}"
                parts += [f"== pod {name}\n{said}\n"] if said else []
    if parts:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, "\n".join(parts))


def delete_all(cluster: Cluster, made: Sequence[Resource], patience: float | None = None) -> None:
    """Delete what was made, the last first, and the volumes that it claimed, and see that all of it is gone.

    What is gone already, or does not carry the run's label, is left alone. One that stays keeps no other. Raises
    DeployError for everything that may not be deleted, or still stands after `patience` seconds.
    """
    longest = DELETING_PATIENCE_S if patience is None else patience
    going = [_Going(one["object"], partial(_is_ours, one), one if one["claims"] else None) for one in reversed(made)]
    errors = _deleted(cluster, going, longest)
    errors += _pods_left(cluster, made, 0.0 if errors else longest)  # those of what stands would never go
    if errors:
        raise DeployError("; ".join(errors))


@dataclass(slots=True)
class _Going:
    """Something to be deleted: `ours` tells it from another of its name, `claims` is a stateful set that has some.

    `found` is it as it was last seen, `asked` the uid of the one that was told to go.
    """

    wanted: Object
    ours: Callable[[Object], bool]
    claims: Resource | None = None
    found: Object | None = None
    asked: str | None = None

    def gone(self, cluster: Cluster) -> bool:
        """Look whether it is gone, and tell it to go if that has not been done; raises DeployError."""
        self.found = cluster.get(self.wanted)
        if self.found is None or not self.ours(self.found):
            return True
        if self.found["metadata"]["uid"] != self.asked:
            cluster.delete(self.found)
            self.asked = self.found["metadata"]["uid"]
        return False

    def standing(self, patience: float) -> str:
        """That it has not gone, and what holds it."""
        finalizers = ((self.found or {}).get("metadata") or {}).get("finalizers") or []
        holding = ", ".join(finalizers) or "no finalizer"
        return f"{named(self.wanted)} is still there after {patience:g} s of deleting it (held by {holding})"


def _deleted(cluster: Cluster, going: list[_Going], patience: float) -> list[str]:
    """Ask for the deletion of all, then look until all are gone; what was refused, and what has not gone."""
    errors: list[str] = []
    for _ in aws_waiting.looks(patience, time.sleep):
        going = _still_there(cluster, going, errors)
        if not going:
            break
    return errors + [one.standing(patience) for one in going]


def _still_there(cluster: Cluster, going: Sequence[_Going], errors: list[str]) -> list[_Going]:
    """Those that are to be looked at again. What cannot be looked at or deleted is not: it is added to `errors`."""
    left, todo = [], deque(going)
    while todo:
        one = todo.popleft()
        try:
            if not one.gone(cluster):
                left.append(one)
            elif one.claims is not None:
                todo.extend(_claims(cluster, one.claims))
        except DeployError as error:
            errors.append(str(error))
    return left


def _claims(cluster: Cluster, resource: Resource) -> list[_Going]:
    """A stateful set leaves its volume claims behind, which cost money."""
    place = resource["object"]["metadata"]["namespace"]
    found = cluster.marked("PersistentVolumeClaim", [place], resource["deployment"])
    return [_Going(claim, partial(_is_same, claim)) for claim in found]


def _pods_left(cluster: Cluster, made: Sequence[Resource], patience: float) -> list[str]:
    """What is to be said of pods that are there after `patience` seconds, or cannot be looked for."""
    left: list[str] = []
    try:
        for _ in aws_waiting.looks(patience, time.sleep):
            left = [pod["metadata"]["name"] for pod in _pods(cluster, made)]
            if not left:
                return []
    except DeployError as error:
        return [str(error)]
    since = f" {patience:g} s after what made them was deleted" if patience else ""
    return [f"pods are still there{since}: {', '.join(left)}"]


def _is_ours(resource: Resource, found: Object) -> bool:
    return bool((found["metadata"].get("labels") or {}).get(DEPLOYMENT_LABEL) == resource["deployment"])


def _is_same(one: Object, found: Object) -> bool:
    return bool(one["metadata"]["uid"] == found["metadata"]["uid"])
