"""A Kubernetes API server as the client library meets it: real resource paths over real HTTP.

It fails where a test wants, keeps what is made, plays the controllers as far as a deployment looks at them, and writes
down every call.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from tests.deploy.port_forwarding import tunnel

Object = dict[str, Any]
Key = tuple[str, str, str | None, str]

KINDS: dict[str, dict[str, tuple[str, bool]]] = {
    "v1": {
        "namespaces": ("Namespace", False),
        "pods": ("Pod", True),
        "services": ("Service", True),
        "secrets": ("Secret", True),
        "events": ("Event", True),
        "persistentvolumeclaims": ("PersistentVolumeClaim", True),
    },
    "apps/v1": {"deployments": ("Deployment", True), "statefulsets": ("StatefulSet", True)},
    "networking.k8s.io/v1": {"ingresses": ("Ingress", True)},
    "ray.io/v1": {"rayservices": ("RayService", True)},
}
"""By group and version: the plural of a kind, its name, and whether it is namespaced."""

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[\w.]+/\w+))(?:/namespaces/(?P<namespace>[^/]+)(?=/\w))?"
    r"/(?P<plural>\w+)(?:/(?P<name>[^/]+))?(?:/(?P<part>\w+))?"
)


def running(container: str = "server") -> Object:
    return {
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": container, "image": "i", "ready": True, "restartCount": 0, "state": {}}],
    }


def waiting(
    reason: str, message: str = "", *, restarts: int = 0, image: str = "example/server:1", **last: Any
) -> Object:
    """A pod whose container does not start."""
    state = {"waiting": {"reason": reason, "message": message}}
    one = {"name": "server", "image": image, "restartCount": restarts, "state": state, "lastState": last}
    return {"phase": "Pending", "containerStatuses": [one]}


def homeless(message: str) -> Object:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


@dataclass
class ClusterStandIn:
    """The cluster's objects, the failures to simulate, and the calls received.

    `pods` are the states that each pod passes through, one per listing; the last one stays. `pods_of` are those of
    objects with a name of their own. `refusals` maps calls such as `POST deployments` to status and message of the next
    answers; None is a normal answer. `finalizers`, by kind, hold deleted objects; others disappear after a few
    requests. `address` is what load balancers and ingresses are assigned.
    """

    url: str = ""
    objects: dict[Key, Object] = field(default_factory=dict)
    pods: list[Object] = field(default_factory=lambda: [homeless("no nodes yet"), running()])
    pods_of: dict[str, list[Object]] = field(default_factory=dict)
    refusals: dict[str, list[tuple[int, str] | None]] = field(default_factory=dict)
    address: dict[str, str] | None = field(default_factory=lambda: {"ip": "127.0.0.1"})
    ray: list[Object] = field(default_factory=lambda: [{"serviceStatus": ""}, {"serviceStatus": "Running"}])
    status: dict[str, Object] = field(default_factory=dict)
    logs: list[str] = field(default_factory=lambda: ["loading", "ready"])
    looks_until_gone: int = 1
    finalizers: dict[str, list[str]] = field(default_factory=dict)
    token: str | None = None
    calls: list[str] = field(default_factory=list)
    bodies: list[tuple[str, Object]] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    backend: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        for name in ("default", "llm"):
            self.standing("v1", "Namespace", name)

    def standing(self, version: str, kind: str, name: str, namespace: str | None = None, **facts: Any) -> Object:
        """An object that existed before."""
        metadata = {"name": name, "uid": str(uuid.uuid4()), **({"namespace": namespace} if namespace else {})}
        made = {"apiVersion": version, "kind": kind, "metadata": metadata, **facts}
        self.objects[version, kind, namespace, name] = made
        return made

    def names(self) -> list[str]:
        """The existing objects, without the namespaces that existed before."""
        return sorted(
            f"{kind} {name}" for _, kind, _, name in self.objects if (kind, name) not in _BEFORE and kind != "Event"
        )

    def asked(self, start: str) -> list[str]:
        return [call for call in self.calls if call.startswith(start)]

    # -- what the API server does ---------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Object) -> tuple[int, Object | str]:
        if path == "/version":
            return 200, {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
        if path == "/apis":
            return 200, {"kind": "APIGroupList", "groups": [_group(one) for one in KINDS if "/" in one]}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version in KINDS:
            return 200, _resources(version)
        found = _PATH.fullmatch(path)
        if found is None or (found["core"] or found["group"]) not in KINDS:
            return _status(404, "the server could not find the requested resource")
        version = found["core"] or found["group"]
        plural = found["plural"]
        refusals = self.refusals.get(f"{method} {plural}", [])
        refusal = (refusals.pop(0) if len(refusals) > 1 else refusals[0]) if refusals else None
        if refusal is not None:
            return _status(*refusal)
        kind, _ = KINDS[version][plural]
        key = (version, kind, found["namespace"], unquote(found["name"] or ""))
        if found["part"] == "log" and query.get("previous", "").lower() == "true":
            states = self.objects[version, kind, found["namespace"], found["name"]]["left"][0]
            if not any(one["restartCount"] for one in states.get("containerStatuses", [])):
                return _status(400, "previous terminated container not found")
        if found["part"] == "log":
            return 200, "\n".join(self.logs) + "\n"
        if method == "GET":
            return self._get(key) if found["name"] else self._list(key, query)
        if method == "POST":
            return self._create(key, body)
        return self._delete(key, body)

    def _get(self, key: Key) -> tuple[int, Object]:
        one = self.objects.get(key)
        if one is None:
            return _status(404, f'{key[1].lower()}s "{key[3]}" not found')
        self._vanish(key, one)
        if key not in self.objects:
            return _status(404, f'{key[1].lower()}s "{key[3]}" not found')
        return 200, {**one, "status": self._status_of(one)}

    def _list(self, key: Key, query: dict[str, str]) -> tuple[int, Object]:
        version, kind, namespace, _ = key
        wanted = dict(one.split("=", 1) for one in query.get("labelSelector", "").split(",") if one)
        name = re.search(r"involvedObject\.name=([^,]+)", query.get("fieldSelector", ""))
        items = []
        for known, one in list(self.objects.items()):
            labels = one["metadata"].get("labels") or {}
            about = one.get("involvedObject", {}).get("name")
            chosen = wanted.items() <= labels.items() and (name is None or about == name[1])
            if chosen and known[:3] == (version, kind, namespace):
                items.append({**one, "status": self._status_of(one)})
        return 200, {"kind": f"{kind}List", "apiVersion": version, "items": items}

    def _create(self, key: Key, body: Object) -> tuple[int, Object]:
        version, kind, namespace, _ = key
        name = body["metadata"]["name"]
        if namespace is not None and ("v1", "Namespace", None, namespace) not in self.objects:
            return _status(404, f'namespaces "{namespace}" not found')
        if (version, kind, namespace, name) in self.objects:
            return _status(409, f'{kind.lower()}s "{name}" already exists')
        if (namespace is None) != ("namespace" not in body["metadata"]):
            return _status(400, "the namespace of the provided object does not match the namespace of the request")
        metadata = {**body["metadata"], "uid": str(uuid.uuid4()), "generation": 1}
        made = {**body, "apiVersion": version, "kind": kind, "metadata": metadata}
        self.objects[version, kind, namespace, name] = made
        self._control(made)
        return 201, made

    def _control(self, made: Object) -> None:
        """Create what the controllers would for an object: its pods, and their volume claims."""
        kind, where, spec = made["kind"], made["metadata"], made.get("spec") or {}
        if kind == "RayService":
            templates = [spec["rayClusterConfig"]["headGroupSpec"]["template"]]
        else:
            templates = [spec["template"]] * spec.get("replicas", 1) if kind in ("Deployment", "StatefulSet") else []
        for number, template in enumerate(templates):
            labels = template["metadata"]["labels"]
            pod = self.standing("v1", "Pod", f"{where['name']}-{number}", where["namespace"], spec=template["spec"])
            pod["metadata"].update(labels=labels, ownerReferences=[{"uid": where["uid"]}])
            pod["left"] = list(self.pods_of.get(where["name"], self.pods))
            for claim in spec.get("volumeClaimTemplates") or []:
                name = f"{claim['metadata']['name']}-{where['name']}-{number}"
                held = self.standing("v1", "PersistentVolumeClaim", name, where["namespace"])
                held["metadata"]["labels"] = claim["metadata"]["labels"]

    def _status_of(self, one: Object) -> Object:
        kind = one["kind"]
        if kind in self.status:
            return self.status[kind]
        if kind == "Pod":
            left = one.get("left") or [running()]
            state: Object = left.pop(0) if len(left) > 1 else left[0]
            self.reached.set()
            return state
        if kind == "RayService":
            return self.ray.pop(0) if len(self.ray) > 1 else self.ray[0]
        if kind in ("Deployment", "StatefulSet"):
            uid = one["metadata"]["uid"]
            pods = [pod for pod in self.objects.values() if _owned(pod, uid)]
            ready = sum(len(pod["left"]) == 1 and pod["left"][0]["phase"] == "Running" for pod in pods)
            return {"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": len(pods)}
        balanced = kind == "Ingress" or (one.get("spec") or {}).get("type") == "LoadBalancer"
        return {"loadBalancer": {"ingress": [self.address]}} if balanced and self.address else {}

    def _delete(self, key: Key, body: Object) -> tuple[int, Object]:
        one = self.objects.get(key)
        if one is None:
            return _status(404, f'{key[1].lower()}s "{key[3]}" not found')
        wanted = (body.get("preconditions") or {}).get("uid")
        if wanted not in (None, one["metadata"]["uid"]):
            return _status(409, "Precondition failed: UID in precondition is not that of the object")
        one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        one["metadata"]["finalizers"] = [*self.finalizers.get(key[1], []), "foregroundDeletion"]
        one["looks_left"] = self.looks_until_gone
        return 200, one

    def _vanish(self, key: Key, one: Object) -> None:
        """Objects in deletion disappear after a few requests, their dependents first."""
        if one["metadata"].get("deletionTimestamp") is None or self.finalizers.get(key[1]):
            return
        one["looks_left"] -= 1
        if one["looks_left"] >= 0:
            return
        uid = one["metadata"]["uid"]
        inside = key[3] if key[1] == "Namespace" else None
        for known, other in list(self.objects.items()):
            if known == key or _owned(other, uid) or (inside is not None and known[2] == inside):
                del self.objects[known]


_BEFORE = {("Namespace", "default"), ("Namespace", "llm")}


def _owned(one: Object, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences") or [])


def _status(code: int, message: str) -> tuple[int, Object]:
    reasons = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "AlreadyExists", 422: "Invalid"}
    return code, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reasons.get(code, "InternalError"),
        "code": code,
    }


def _group(version: str) -> Object:
    name, number = version.split("/")
    one = {"groupVersion": version, "version": number}
    return {"name": name, "versions": [one], "preferredVersion": one}


def _resources(version: str) -> Object:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    found = [
        {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs}
        for plural, (kind, namespaced) in KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": found}


class _Handler(BaseHTTPRequestHandler):
    stand_in: ClusterStandIn
    lock: threading.Lock
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: the second would wait for an acknowledgement
    wbufsize = -1  # an answer is one packet

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        made = self.stand_in
        with self.lock:
            call = f"{self.command} {parts.path}"
            made.calls.append(call)
            if body:
                made.bodies.append((call, body))
            if made.token is not None and self.headers.get("Authorization") != f"Bearer {made.token}":
                code, answer = _status(401, "Unauthorized")
            elif parts.path.endswith("/portforward"):
                code, answer = 101, ""
            else:
                code, answer = made.answer(self.command, parts.path, query, body)
        if code == 101:
            assert made.backend is not None
            tunnel(self, made.backend, int(query["ports"]))
            return
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()


@contextmanager
def cluster_stand_in(**facts: Any) -> Iterator[ClusterStandIn]:
    """A stand-in that listens at its `url`."""
    made = ClusterStandIn(**facts)
    handler = type("Handler", (_Handler,), {"stand_in": made, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig(path: Path, url: str, token: str = "distinctive-cluster-token") -> Path:
    """A kubeconfig that leads to a stand-in."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "stand-in",
        "contexts": [{"name": "stand-in", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path
