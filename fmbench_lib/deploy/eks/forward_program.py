"""A local port that leads to a service on a cluster, through the cluster's API server.

Started as `python -m fmbench_lib.deploy.eks.forward_program`. It waits for a line on standard input, so that it does
nothing before it has been recorded; after that, each connection to its port is forwarded to a ready pod.
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
_PODS_CACHED_S = 5.0
"""How long the list of a service's pods is cached."""


class Forward:
    """Connections to the pods of one service. The client library opens one tunnel at a time, hence the lock."""

    def __init__(self, cluster: Cluster, api: Any, namespace: str, service: str, port: int | None) -> None:
        self._cluster, self._api = cluster, api
        self._namespace, self._service, self._port = namespace, service, port
        self._opening = threading.Lock()
        self._next_pod = itertools.count()
        self._cached_pods: tuple[float, list[tuple[str, int]]] = (float("-inf"), [])

    def open_tunnel(self) -> Any:
        """A socket to the next pod, round robin; raises FmbenchError where no pod is ready, or none can be reached."""
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import portforward

        with self._opening:
            pods = self._ready_pods()
            name, port = pods[next(self._next_pod) % len(pods)]
            try:
                tunnel = portforward(
                    CoreV1Api(self._api).connect_get_namespaced_pod_portforward, name, self._namespace, ports=str(port)
                )
            except ApiException as error:
                self._cached_pods = (float("-inf"), [])
                raise DeployError(f"pod {name}, port {port}: {error.reason}") from None
            return tunnel.socket(port)

    def _ready_pods(self) -> list[tuple[str, int]]:
        listed_at, pods = self._cached_pods
        if time.monotonic() - listed_at > _PODS_CACHED_S:
            pods = targets(self._cluster, self._namespace, self._service, self._port)
            self._cached_pods = (time.monotonic(), pods)
        return pods


def targets(cluster: Cluster, namespace: str, service: str, port: int | None) -> list[tuple[str, int]]:
    """Name and port of each ready pod behind a service; raises DeployError where there is none."""
    existing = cluster.get(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": namespace}}
    )
    selector = ((existing or {}).get("spec") or {}).get("selector")
    if existing is None or not selector:
        raise DeployError(f"there is no Service {namespace}/{service} with pods behind it")
    ports = existing["spec"].get("ports") or []
    service_port = next((candidate for candidate in ports if port in (None, candidate["port"])), None)
    if service_port is None:
        raise DeployError(f"Service {namespace}/{service} has no port {port}")
    labels = ",".join(f"{name}={value}" for name, value in selector.items())
    pods = cluster.listed("v1", "Pod", namespace, label_selector=labels)
    ready = [(pod["metadata"]["name"], _port_of(pod, service_port)) for pod in pods if _is_ready(pod)]
    if not ready:
        raise DeployError(f"no pod of Service {namespace}/{service} is ready")
    return ready


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    deleted = pod["metadata"].get("deletionTimestamp") is not None
    return not deleted and any(
        (condition["type"], condition["status"]) == ("Ready", "True") for condition in conditions
    )


def _port_of(pod: Object, service_port: Object) -> int:
    """The pod's port. A service's target port may be a name that the container gives to a port."""
    target: Any = service_port.get("targetPort", service_port["port"])
    if isinstance(target, int) or str(target).isdecimal():
        return int(target)
    ports = [
        container_port for container in pod["spec"]["containers"] for container_port in container.get("ports") or []
    ]
    return next(
        (int(container_port["containerPort"]) for container_port in ports if container_port.get("name") == target),
        int(service_port["port"]),
    )


def _serve(listener: socket.socket, forward: Forward) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_forward_connection, args=(client, forward), daemon=True).start()


def _forward_connection(client: socket.socket, forward: Forward) -> None:
    """Copy bytes in both directions until either end closes."""
    try:
        pod = forward.open_tunnel()
    except FmbenchError as error:
        print(error, flush=True)
        client.close()
        return
    back = threading.Thread(target=_copy, args=(pod, client), daemon=True)
    back.start()
    _copy(client, pod)
    back.join()
    client.close()


def _copy(source: Any, target: Any) -> None:
    """Copy bytes from one socket to the other until the first one ends; then shut down both."""
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
    """Listen and forward until killed."""
    parser = argparse.ArgumentParser()
    for name in ("access", "namespace", "service"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--listen", type=int, required=True)
    arguments = parser.parse_args()
    if not sys.stdin.readline():
        return  # the parent died before it recorded this process
    access = Access.from_resource(json.loads(arguments.access))
    with connected(access) as api, cluster_of(access) as cluster:
        forward = Forward(cluster, api, arguments.namespace, arguments.service, arguments.port)
        with socket.create_server((HOST, arguments.listen)) as listener:
            print(f"port {arguments.listen} leads to Service {arguments.namespace}/{arguments.service}", flush=True)
            _serve(listener, forward)


if __name__ == "__main__":
    main()
