"""Where an endpoint on a cluster answers: what in a manifest leads there, and the address that it has got. Pure."""

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
    """The way to the endpoint: the object that leads there, its port, and path and query on it."""

    way: Way
    target: Object
    port: int | None
    path: str

    def __str__(self) -> str:
        port = f", port {self.port}" if self.port else ""
        words = {"ingress": "", "load_balancer": "load balancer of ", "port_forward": "port-forward to "}
        return f"{words[self.way]}{named(self.target)}{port}, path {self.path}"


def route_of(experiment: Experiment, objects: Sequence[Object]) -> Route:
    """The way that a manifest and its config mean; raises DeployError where there is none, or more than one."""
    settings = experiment.eks
    wanted = settings.expose if settings is not None else "auto"
    path, port = path_of(experiment), settings.port if settings is not None else None
    ingresses = [one for one in objects if one["kind"] == "Ingress"]
    services = _services(experiment, objects)
    balanced = [one for one in services if (one.get("spec") or {}).get("type") == "LoadBalancer"]
    if wanted == "ingress" or (wanted == "auto" and ingresses):
        return Route("ingress", _only(ingresses, "Ingress"), port, path)
    if wanted == "load_balancer" or (wanted == "auto" and balanced):
        service = _only(balanced, "Service of type LoadBalancer")
        return Route("load_balancer", service, port or _first_port(service), path)
    service = _only(services, "Service")
    return Route("port_forward", service, port or _first_port(service), path)


def path_of(experiment: Experiment) -> str:
    """Path and query of the endpoint's address."""
    settings, spec = experiment.eks, experiment.inference_spec
    given = (settings.inference_url_format if settings is not None else None) or spec.inference_url_format
    path = given or _PATHS.get(experiment.protocol, "/")
    return path if path.startswith("/") else f"/{path}"


def _services(experiment: Experiment, objects: Sequence[Object]) -> list[Object]:
    """The services that may be meant: the one that the config names, the manifest's, else those of its RayServices,
    which their operator makes."""
    name = experiment.eks.service if experiment.eks is not None else None
    found = [one for one in objects if one["kind"] == "Service"]
    made = [
        _service(f"{one['metadata']['name']}-serve-svc", one["metadata"]["namespace"], _RAY_PORT)
        for one in objects
        if one["kind"] == "RayService"
    ]
    if name is None:
        return found or made
    named_so = [one for one in (*found, *made) if one["metadata"]["name"] == name]
    if named_so:
        return named_so
    # Not in the manifest: one that an operator makes, or that stands there already. Its namespace is the pods'.
    places = [one["metadata"]["namespace"] for one in objects if "namespace" in one["metadata"]]
    return [_service(name, places[0], None)] if places else []


def _service(name: str, namespace: str, port: int | None) -> Object:
    spec: dict[str, Any] = {} if port is None else {"ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _only(found: Sequence[Object], what: str) -> Object:
    if not found:
        raise DeployError(
            f"the manifest has no {what}, by which the endpoint would be reached; add one, or write eks.expose or "
            "eks.service"
        )
    if len(found) > 1:
        names = ", ".join(one["metadata"]["name"] for one in found)
        hint = "keep one" if what == "Ingress" else "write which, eks.service"
        raise DeployError(f"the manifest has {len(found)} of {what} ({names}): {hint}")
    return found[0]


def _first_port(service: Object) -> int | None:
    ports = (service.get("spec") or {}).get("ports") or []
    return int(ports[0]["port"]) if ports else None


def address_of(found: Object | None, route: Route) -> str | None:
    """The address that a service or ingress has got; None while it has none."""
    balancer = ((found or {}).get("status") or {}).get("loadBalancer") or {}
    for one in balancer.get("ingress") or []:
        host = one.get("hostname") or one.get("ip")
        if host:
            return _url(str(host), found or {}, route)
    return None


def _url(host: str, found: Object, route: Route) -> str:
    """An ingress answers on 80, or by TLS on 443; where it has a host's name, under that alone."""
    if route.way == "ingress":
        spec = found.get("spec") or {}
        secured = spec.get("tls") or []
        names = [name for one in secured for name in one.get("hosts") or []]
        names += [one["host"] for one in spec.get("rules") or [] if one.get("host")]
        scheme, host = "https" if secured else "http", next((name for name in names if "*" not in name), host)
    else:
        scheme = "https" if route.port == 443 else "http"
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[scheme]
    port = "" if route.port in (None, usual) else f":{route.port}"
    return f"{scheme}://{host}{port}{route.path}"


def host_of(url: str) -> str:
    """The address without path and query, as messages name it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
