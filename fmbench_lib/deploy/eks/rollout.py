"""How far objects and pods are, from what the API server says of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.deploy.eks.manifest import Object, named

_NO_IMAGE = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_NO_START = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError")
_CRASHES = 2
"""After so many a container is taken for one that will not run: a first one may wait for another pod."""
_RAY_FAILED = ("DEPLOY_FAILED",)
_REPLACING = ("ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController")
"""What makes a new pod for one that the kubelet has ended, and may leave the old one listed."""
_ENDED_BY_KUBELET = (
    "Evicted", "UnexpectedAdmissionError", "Preempting", "NodeShutdown", "NodeAffinity", "Terminated",
)  # fmt: skip
_NO_ROOM = "OutOf"
"""How the kubelet's reasons begin for a pod that its node has no room for: `OutOfcpu`, `OutOfnvidia.com/gpu`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a pod will not run. `container` is the one whose log says more, of its run before this one if `previous`."""

    text: str
    container: str | None = None
    previous: bool = False


def unready(one: Object) -> str:
    """What an object still waits for; empty where it is as it should be, or of a kind that has nothing to wait for."""
    kind, status, spec = one["kind"], one.get("status") or {}, one.get("spec") or {}
    seen = status.get("observedGeneration", 0) >= one["metadata"].get("generation", 0)
    if kind in ("Deployment", "StatefulSet", "ReplicaSet"):
        wanted = spec.get("replicas", 1)
        ready = min(status.get("readyReplicas") or 0, status.get("updatedReplicas", wanted) or 0)
        return "" if seen and ready >= wanted else f"{named(one)}: {ready} of {wanted} ready"
    if kind == "DaemonSet":
        wanted, ready = status.get("desiredNumberScheduled"), status.get("numberReady", 0)
        return "" if seen and wanted is not None and ready >= wanted else f"{named(one)}: {ready} of {wanted} ready"
    if kind == "Pod":
        return (
            "" if _condition(status, "Ready") == "True" else f"{named(one)} is {status.get('phase', 'not there yet')}"
        )
    if kind == "RayService":
        return _ray_service(one, status)
    if kind == "RayCluster":
        return "" if status.get("state") == "ready" else f"{named(one)} is {status.get('state') or 'not there yet'}"
    for condition in ("Ready", "Available", "Established"):
        found = _condition(status, condition)
        if found is not None:
            return "" if found == "True" else f"{named(one)} is not {condition.lower()}"
    return ""


def _ray_service(one: Object, status: Mapping[str, Any]) -> str:
    """A RayService serves when it says so, in the words of the operator's version, and all its applications run."""
    running = status.get("serviceStatus") == "Running" or _condition(status, "Ready") == "True"
    others = [f"{name} is {app.get('status')}" for name, app in _applications(status) if app.get("status") != "RUNNING"]
    if running and not others:
        return ""
    return f"{named(one)} is {status.get('serviceStatus') or 'not running yet'}" + "".join(f", {one}" for one in others)


def _applications(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The applications of the service that is being made, else of the one that serves."""
    for which in ("pendingServiceStatus", "activeServiceStatus"):
        found = (status.get(which) or {}).get("applicationStatuses") or {}
        if found:
            yield from found.items()
            return


def failure(one: Object) -> str:
    """Why an object will never be ready, as far as it says so itself; empty where it may be."""
    status = one.get("status") or {}
    if one["kind"] == "RayService":
        failed = [(name, app) for name, app in _applications(status) if app.get("status") in _RAY_FAILED]
        return "; ".join(
            f"{named(one)}: application {name} is {app['status']}: {app.get('message', '')}" for name, app in failed
        )
    for condition in status.get("conditions") or []:
        refused = condition.get("type") == "ReplicaFailure" or condition.get("reason") == "FailedCreate"
        if refused and condition.get("status") == "True":
            return f"{named(one)}: its pods are refused: {condition.get('message', condition.get('reason'))}"
    return ""


def _is_replaced(pod: Object) -> bool:
    """Whether a pod was ended or turned away by its node, and another takes its place: it says nothing of that one."""
    status = pod.get("status") or {}
    reason = status.get("reason") or ""
    if status.get("phase") != "Failed" or not (reason in _ENDED_BY_KUBELET or reason.startswith(_NO_ROOM)):
        return False
    owners = pod["metadata"].get("ownerReferences") or []
    return any(one.get("controller") is True and one.get("kind") in _REPLACING for one in owners)


def pod_failure(pod: Object) -> Failure | None:
    """Why a pod will not run; None while it may, and for one whose place another takes."""
    if _is_replaced(pod):
        return None
    status, name = pod.get("status") or {}, f"pod {pod['metadata']['name']}"
    for one in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        waiting = (one.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason"), waiting.get("message") or "no message"
        if reason in _NO_IMAGE:
            return Failure(f"{name}: image {one['image']} cannot be pulled ({reason}): {message}")
        if reason in _NO_START:
            return Failure(f"{name}: container {one['name']} cannot be started ({reason}): {message}")
        if reason == "CrashLoopBackOff" and one.get("restartCount", 0) >= _CRASHES:
            how = _ended((one.get("lastState") or {}).get("terminated") or {})
            return Failure(
                f"{name}: container {one['name']} has crashed {one['restartCount']} times, last {how}",
                one["name"],
                True,
            )
    if status.get("phase") != "Failed":
        return None
    for one in status.get("containerStatuses") or []:
        ended = (one.get("state") or {}).get("terminated")
        if ended and ended.get("exitCode"):
            return Failure(f"{name}: container {one['name']} ended {_ended(ended)}", one["name"])
    return Failure(f"{name} has failed: {status.get('reason', '')} {status.get('message', '')}".rstrip())


def _ended(terminated: Mapping[str, Any]) -> str:
    reason = terminated.get("reason")
    return f"with exit code {terminated.get('exitCode')}" + (f" ({reason})" if reason and reason != "Error" else "")


def unschedulable(pod: Object) -> str:
    """Why no node takes a pod; empty where one did, or where nobody has looked yet."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if (condition.get("type"), condition.get("status")) == ("PodScheduled", "False"):
            said = condition.get("message") or condition.get("reason") or "no reason given"
            return f"pod {pod['metadata']['name']} cannot be scheduled: {said}"
    return ""


def _condition(status: Mapping[str, Any], name: str) -> str | None:
    return next((str(one.get("status")) for one in status.get("conditions") or [] if one.get("type") == name), None)
