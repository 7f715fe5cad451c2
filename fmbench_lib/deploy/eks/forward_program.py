"""A port of this machine that leads to a service on a cluster, through its API server.

Started as `python -m fmbench_lib.deploy.eks.forward_program`. It waits for a line on its standard input, so
that it does nothing before it has been recorded; from then on each connection to its port becomes one to a ready pod.
"""

from __future__ import annotations

import argparse
import itertools
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from fmbench_lib.deploy.eks.access import Access, connected
from fmbench_lib.deploy.eks.api import Cluster, cluster_of
from fmbench_lib.deploy.eks.manifest import Object
from fmbench_lib.errors import DeployError, FmbenchError
from fmbench_lib.host.ports import HOST

_CHUNK_BYTES = 65_536
_KNOWN_S = 5.0
"""For so long the pods of a service are taken for those that they were."""


class Forward:
    """Connections to the pods of one service. The client library opens one tunnel at a time, hence the lock."""

    def __init__(self, cluster: Cluster, api: Any, namespace: str, service: str, port: int | None) -> None:
        self._cluster, self._api = cluster, api
        self._namespace, self._service, self._port = namespace, service, port
        self._opening = threading.Lock()
        self._turns = itertools.count()
        self._known: tuple[float, list[tuple[str, int]]] = (float("-inf"), [])

    def opened(self) -> Any:
        """A socket to the next pod in turn; raises FmbenchError where no pod is ready, or none can be reached."""
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import portforward

        with self._opening:
            pods = self._ready()
            name, port = pods[next(self._turns) % len(pods)]
            try:
                tunnel = portforward(
                    CoreV1Api(self._api).connect_get_namespaced_pod_portforward, name, self._namespace, ports=str(port)
                )
            except ApiException as error:
                self._known = (float("-inf"), [])
                raise DeployError(f"pod {name}, port {port}: {error.reason}") from None
            return tunnel.socket(port)

    def _ready(self) -> list[tuple[str, int]]:
        seen, pods = self._known
        if time.monotonic() - seen > _KNOWN_S:
            pods = targets(self._cluster, self._namespace, self._service, self._port)
            self._known = (time.monotonic(), pods)
        return pods


def targets(cluster: Cluster, namespace: str, service: str, port: int | None) -> list[tuple[str, int]]:
    """Name and port of each ready pod behind a service; raises DeployError where there is none."""
    found = cluster.get({"apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": namespace}})
    selector = ((found or {}).get("spec") or {}).get("selector")
    if found is None or not selector:
        raise DeployError(f"there is no Service {namespace}/{service} with pods behind it")
    ports = found["spec"].get("ports") or []
    wanted = next((one for one in ports if port in (None, one["port"])), None)
    if wanted is None:
        raise DeployError(f"Service {namespace}/{service} has no port {port}")
    labels = ",".join(f"{name}={value}" for name, value in selector.items())
    pods = cluster.listed("v1", "Pod", namespace, label_selector=labels)
    ready = [(pod["metadata"]["name"], _port_of(pod, wanted)) for pod in pods if _is_ready(pod)]
    if not ready:
        raise DeployError(f"no pod of Service {namespace}/{service} is ready")
    return ready


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    deleted = pod["metadata"].get("deletionTimestamp") is not None
    return not deleted and any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)


def _port_of(pod: Object, wanted: dict[str, Any]) -> int:
    """The pod's port: a service may call it by the name that the container gives it."""
    target = wanted.get("targetPort", wanted["port"])
    if isinstance(target, int) or str(target).isdecimal():
        return int(target)
    ports = [one for container in pod["spec"]["containers"] for one in container.get("ports") or []]
    return next((int(one["containerPort"]) for one in ports if one.get("name") == target), int(wanted["port"]))


def _serve(listener: socket.socket, forward: Forward) -> None:
    while True:
        near, _ = listener.accept()
        threading.Thread(target=_connected, args=(near, forward), daemon=True).start()


def _connected(near: socket.socket, forward: Forward) -> None:
    """Carry bytes both ways until either end is done."""
    try:
        far = forward.opened()
    except FmbenchError as error:
        print(error, flush=True)
        near.close()
        return
    back = threading.Thread(target=_carry, args=(far, near), daemon=True)
    back.start()
    _carry(near, far)
    back.join()
    near.close()


def _carry(source: Any, target: Any) -> None:
    """Bytes from one socket to the other until the first ends; then both do."""
    with suppress(OSError):
        for chunk in _chunks(source):
            target.sendall(chunk)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _chunks(source: Any) -> Iterator[bytes]:
    while chunk := source.recv(_CHUNK_BYTES):
        yield chunk


def main() -> None:
    """Listen, and carry, until killed."""
    parser = argparse.ArgumentParser()
    for name in ("access", "namespace", "service"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--listen", type=int, required=True)
    given = parser.parse_args()
    if not sys.stdin.readline():
        return  # who started us died before it took note of us
    access = Access.from_resource(json.loads(given.access))
    with connected(access) as api, cluster_of(access) as cluster:
        forward = Forward(cluster, api, given.namespace, given.service, given.port)
        with socket.create_server((HOST, given.listen)) as listener:
            print(f"port {given.listen} leads to Service {given.namespace}/{given.service}", flush=True)
            _serve(listener, forward)


if __name__ == "__main__":
    main()
