"""The progress of objects and pods, from what the API server reports. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.deploy.eks.manifest import Object, named

_NO_IMAGE = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_NO_START = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError")
_CRASHES = 2
"""A container that crashed this often is considered broken; a single crash may be due to a pod that starts later."""
_RAY_FAILED = ("DEPLOY_FAILED",)
_REPLACING = ("ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController")
"""Controllers that replace a pod that the kubelet has ended, and may leave the old one listed."""
_ENDED_BY_KUBELET = (
    "Evicted", "UnexpectedAdmissionError", "Preempting", "NodeShutdown", "NodeAffinity", "Terminated",
)  # fmt: skip
_NO_ROOM = "OutOf"
"""Prefix of the kubelet's reasons for a pod that does not fit on its node: `OutOfcpu`, `OutOfnvidia.com/gpu`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a pod will not run. `container` is the one whose log says more; `previous` selects the log of its last
    run."""

    text: str
    container: str | None = None
    previous: bool = False


def unready(item: Object) -> str:
    """What an object is still waiting for; empty where it is ready, or its kind has no readiness."""
    kind, status, spec = item["kind"], item.get("status") or {}, item.get("spec") or {}
    observed = status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0)
    if kind in ("Deployment", "StatefulSet", "ReplicaSet"):
        desired = spec.get("replicas", 1)
        ready = min(status.get("readyReplicas") or 0, status.get("updatedReplicas", desired) or 0)
        return "" if observed and ready >= desired else f"{named(item)}: {ready} of {desired} ready"
    if kind == "DaemonSet":
        desired, ready = status.get("desiredNumberScheduled"), status.get("numberReady", 0)
        return (
            ""
            if observed and desired is not None and ready >= desired
            else f"{named(item)}: {ready} of {desired} ready"
        )
    if kind == "Pod":
        return (
            ""
            if _condition(status, "Ready") == "True"
            else f"{named(item)} is {status.get('phase', 'not created yet')}"
        )
    if kind == "RayService":
        return _ray_service(item, status)
    if kind == "RayCluster":
        return "" if status.get("state") == "ready" else f"{named(item)} is {status.get('state') or 'not created yet'}"
    for condition in ("Ready", "Available", "Established"):
        value = _condition(status, condition)
        if value is not None:
            return "" if value == "True" else f"{named(item)} is not {condition.lower()}"
    return ""


def _ray_service(item: Object, status: Mapping[str, Any]) -> str:
    """What a RayService waits for: its status must say Running (or Ready, in later operator versions), and so must all
    its applications."""
    running = status.get("serviceStatus") == "Running" or _condition(status, "Ready") == "True"
    not_running = [
        f"{name} is {app.get('status')}" for name, app in _applications(status) if app.get("status") != "RUNNING"
    ]
    if running and not not_running:
        return ""
    return f"{named(item)} is {status.get('serviceStatus') or 'not running yet'}" + "".join(
        f", {item}" for item in not_running
    )


def _applications(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The applications of the service that is being rolled out, else of the active one."""
    for key in ("pendingServiceStatus", "activeServiceStatus"):
        applications = (status.get(key) or {}).get("applicationStatuses") or {}
        if applications:
            yield from applications.items()
            return


def failure(item: Object) -> str:
    """Why an object will never be ready, where its status says so; empty where it may be."""
    status = item.get("status") or {}
    if item["kind"] == "RayService":
        failed = [(name, app) for name, app in _applications(status) if app.get("status") in _RAY_FAILED]
        return "; ".join(
            f"{named(item)}: application {name} is {app['status']}: {app.get('message', '')}" for name, app in failed
        )
    for condition in status.get("conditions") or []:
        rejected = condition.get("type") == "ReplicaFailure" or condition.get("reason") == "FailedCreate"
        if rejected and condition.get("status") == "True":
            return f"{named(item)}: its pods are rejected: {condition.get('message', condition.get('reason'))}"
    return ""


def _is_replaced(pod: Object) -> bool:
    """Whether a pod was evicted or rejected by its node and will be replaced: it says nothing about its replacement."""
    status = pod.get("status") or {}
    reason = status.get("reason") or ""
    if status.get("phase") != "Failed" or not (reason in _ENDED_BY_KUBELET or reason.startswith(_NO_ROOM)):
        return False
    owners = pod["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") is True and owner.get("kind") in _REPLACING for owner in owners)


def pod_failure(pod: Object) -> Failure | None:
    """Why a pod will not run; None while it may, and for a pod that is being replaced."""
    if _is_replaced(pod):
        return None
    status, name = pod.get("status") or {}, f"pod {pod['metadata']['name']}"
    for container in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason"), waiting.get("message") or "no message"
        if reason in _NO_IMAGE:
            return Failure(f"{name}: image {container['image']} cannot be pulled ({reason}): {message}")
        if reason in _NO_START:
            return Failure(f"{name}: container {container['name']} cannot be started ({reason}): {message}")
        if reason == "CrashLoopBackOff" and container.get("restartCount", 0) >= _CRASHES:
            ending = _ended((container.get("lastState") or {}).get("terminated") or {})
            return Failure(
                f"{name}: container {container['name']} has crashed {container['restartCount']} times, last {ending}",
                container["name"],
                True,
            )
    if status.get("phase") != "Failed":
        return None
    for container in status.get("containerStatuses") or []:
        terminated = (container.get("state") or {}).get("terminated")
        if terminated and terminated.get("exitCode"):
            return Failure(f"{name}: container {container['name']} ended {_ended(terminated)}", container["name"])
    return Failure(f"{name} has failed: {status.get('reason', '')} {status.get('message', '')}".rstrip())


def _ended(terminated: Mapping[str, Any]) -> str:
    reason = terminated.get("reason")
    return f"with exit code {terminated.get('exitCode')}" + (f" ({reason})" if reason and reason != "Error" else "")


def unschedulable(pod: Object) -> str:
    """Why no node accepts a pod; empty where one did, or the scheduler has not run yet."""
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if (condition.get("type"), condition.get("status")) == ("PodScheduled", "False"):
            reason = condition.get("message") or condition.get("reason") or "no reason given"
            return f"pod {pod['metadata']['name']} cannot be scheduled: {reason}"
    return ""


def _condition(status: Mapping[str, Any], name: str) -> str | None:
    return next(
        (str(condition.get("status")) for condition in status.get("conditions") or [] if condition.get("type") == name),
        None,
    )
