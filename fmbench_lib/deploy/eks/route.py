"""How an endpoint on a cluster is reached: the manifest's object that leads to it, and the address it was given.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import OPENAI
from fmbench_lib.deploy.eks.manifest import Object, named
from fmbench_lib.errors import DeployError

Way = Literal["ingress", "load_balancer", "port_forward"]

_RAY_PORT = 8000
_PATHS = {OPENAI: "/v1/chat/completions"}


@dataclass(frozen=True, slots=True)
class Route:
    """The way to the endpoint: the object that leads to it, its port, and the path and query."""

    way: Way
    target: Object
    port: int | None
    path: str

    def __str__(self) -> str:
        port = f", port {self.port}" if self.port else ""
        words = {"ingress": "", "load_balancer": "load balancer of ", "port_forward": "port-forward to "}
        return f"{words[self.way]}{named(self.target)}{port}, path {self.path}"


def route_of(experiment: Experiment, objects: Sequence[Object]) -> Route:
    """The route that a manifest and its config define. Raises DeployError where there is none, or more than one."""
    settings = experiment.eks
    expose = settings.expose if settings is not None else "auto"
    path, port = path_of(experiment), settings.port if settings is not None else None
    ingresses = [item for item in objects if item["kind"] == "Ingress"]
    services = _services(experiment, objects)
    load_balancers = [item for item in services if (item.get("spec") or {}).get("type") == "LoadBalancer"]
    if expose == "ingress" or (expose == "auto" and ingresses):
        return Route("ingress", _only(ingresses, "Ingress"), port, path)
    if expose == "load_balancer" or (expose == "auto" and load_balancers):
        service = _only(load_balancers, "Service of type LoadBalancer")
        return Route("load_balancer", service, port or _first_port(service), path)
    service = _only(services, "Service")
    return Route("port_forward", service, port or _first_port(service), path)


def path_of(experiment: Experiment) -> str:
    """Path and query of the endpoint's address."""
    settings, spec = experiment.eks, experiment.inference_spec
    configured = (settings.inference_url_format if settings is not None else None) or spec.inference_url_format
    path = configured or _PATHS.get(experiment.protocol, "/")
    return path if path.startswith("/") else f"/{path}"


def _services(experiment: Experiment, objects: Sequence[Object]) -> list[Object]:
    """The candidate services: the one that the config names, else the manifest's, else those that the operator creates
    for its RayServices."""
    name = experiment.eks.service if experiment.eks is not None else None
    declared = [item for item in objects if item["kind"] == "Service"]
    operator_made = [
        _service(f"{item['metadata']['name']}-serve-svc", item["metadata"]["namespace"], _RAY_PORT)
        for item in objects
        if item["kind"] == "RayService"
    ]
    if name is None:
        return declared or operator_made
    named = [item for item in (*declared, *operator_made) if item["metadata"]["name"] == name]
    if named:
        return named
    # Not in the manifest: an operator creates it, or it exists already. It is in the pods' namespace.
    namespaces = [item["metadata"]["namespace"] for item in objects if "namespace" in item["metadata"]]
    return [_service(name, namespaces[0], None)] if namespaces else []


def _service(name: str, namespace: str, port: int | None) -> Object:
    spec: dict[str, Any] = {} if port is None else {"ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _only(candidates: Sequence[Object], what: str) -> Object:
    if not candidates:
        raise DeployError(
            f"the manifest has no {what} through which the endpoint can be reached; add one, or set eks.expose or "
            "eks.service"
        )
    if len(candidates) > 1:
        names = ", ".join(item["metadata"]["name"] for item in candidates)
        hint = "keep one" if what == "Ingress" else "name one in eks.service"
        raise DeployError(f"the manifest has {len(candidates)} objects of kind {what} ({names}): {hint}")
    return candidates[0]


def _first_port(service: Object) -> int | None:
    ports = (service.get("spec") or {}).get("ports") or []
    return int(ports[0]["port"]) if ports else None


def address_of(current: Object | None, route: Route) -> str | None:
    """The address assigned to a service or ingress; None until it has one."""
    balancer = ((current or {}).get("status") or {}).get("loadBalancer") or {}
    for assigned in balancer.get("ingress") or []:
        host = assigned.get("hostname") or assigned.get("ip")
        if host:
            return _url(str(host), current or {}, route)
    return None


def _url(host: str, current: Object, route: Route) -> str:
    """The URL. An ingress listens on 80, or with TLS on 443; with a host name in its rules, only under that name."""
    if route.way == "ingress":
        spec = current.get("spec") or {}
        tls = spec.get("tls") or []
        names = [name for rule in tls for name in rule.get("hosts") or []]
        names += [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
        scheme, host = "https" if tls else "http", next((name for name in names if "*" not in name), host)
    else:
        scheme = "https" if route.port == 443 else "http"
    host = f"[{host}]" if ":" in host else host
    default_port = {"http": 80, "https": 443}[scheme]
    port = "" if route.port in (None, default_port) else f":{route.port}"
    return f"{scheme}://{host}{port}{route.path}"


def host_of(url: str) -> str:
    """The address without path and query, as messages name it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
