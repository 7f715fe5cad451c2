"""Calls of a Kubernetes API server through its client library, with errors turned into one-line messages."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fmbench_lib.aws.calls import hidden
from fmbench_lib.config.secret_forms import REMOVED, without_secrets
from fmbench_lib.deploy.eks.access import TIMEOUT_S, Access, connected
from fmbench_lib.deploy.eks.manifest import DEPLOYMENT_LABEL, Object, named
from fmbench_lib.errors import DeployError, ForbiddenError

Answer = TypeVar("Answer")

FIELD_MANAGER = "fmbench"
_LOG_LINES, _LONGEST_LINE = 4, 200
_AGAIN_S: tuple[float, ...] = (0.5, 2.0, 5.0)
"""Waits before a request that the API server was too busy to answer is repeated."""
_BUSY = (429, 500, 502, 503, 504)


@dataclass(slots=True)
class Cluster:
    """One API server. `hide` are secrets that it may quote back: they are removed from its messages."""

    access: Access
    hide: Sequence[str]
    _api: Any
    _client: Any

    def kind(self, resource: Mapping[str, Any]) -> Any:
        """The cluster's definition of an object's kind; None where it does not know the kind."""
        from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

        def find() -> Any:
            try:
                return self._kind(resource["apiVersion"], resource["kind"])
            except (ResourceNotFoundError, NotFoundError):
                return None

        return self._retried(f"looking up {resource['kind']} ({resource['apiVersion']}) on {self.access}", find)

    def _kind(self, api_version: str, kind: str) -> Any:
        prefix = "apis" if "/" in api_version else "api"
        return self._client.resources.get(prefix=prefix, api_version=api_version, kind=kind)

    def get(self, resource: Mapping[str, Any]) -> Object | None:
        """An object's current state; None where it does not exist."""
        from kubernetes.dynamic.exceptions import NotFoundError

        def read() -> Object | None:
            kind = self.kind(resource)
            if kind is None:
                return None
            try:
                current: Object = kind.get(**_name_arguments(resource, kind), _request_timeout=TIMEOUT_S).to_dict()
            except NotFoundError:
                return None
            return current

        return self._retried(f"reading {named(dict(resource))}", read)

    def create(self, resource: Object) -> None:
        """Create an object; never changes an existing one: raises DeployError where the name is taken."""
        kind = self.kind(resource)
        body = {**resource, "metadata": dict(resource["metadata"])}
        names = _name_arguments(resource, kind)
        if not kind.namespaced:
            body["metadata"].pop("namespace", None)
        with self._errors_as(f"creating {named(resource)}"):
            kind.create(
                body=body,
                namespace=names.get("namespace"),
                field_manager=FIELD_MANAGER,
                _request_timeout=TIMEOUT_S,
            )

    def delete(self, current: Object) -> None:
        """Delete exactly this object and its dependents; does nothing where it is gone or has been replaced."""
        from kubernetes.dynamic.exceptions import ConflictError, NotFoundError

        kind = self.kind(current)
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": current["metadata"]["uid"]},
        }
        with self._errors_as(f"deleting {named(current)}"):
            try:
                kind.delete(**_name_arguments(current, kind), body=options, _request_timeout=TIMEOUT_S)
            except (NotFoundError, ConflictError):
                return  # the next lookup shows what became of it

    def listed(self, api_version: str, kind: str, namespace: str, **selection: str) -> list[Object]:
        """The objects of a kind in a namespace; `selection` is `label_selector` or `field_selector`."""

        def read() -> list[Object]:
            resource_kind = self._kind(api_version, kind)
            answer = resource_kind.get(namespace=namespace, _request_timeout=TIMEOUT_S, **selection).to_dict()
            return [{"apiVersion": api_version, "kind": kind, **item} for item in answer.get("items") or []]

        return self._retried(f"listing {kind} in {namespace}", read)

    def marked(self, kind: str, namespaces: Sequence[str], deployment: str) -> list[Object]:
        """The objects of a core kind that carry a deployment's label."""
        selector = f"{DEPLOYMENT_LABEL}={deployment}"
        return [
            item for namespace in namespaces for item in self.listed("v1", kind, namespace, label_selector=selector)
        ]

    def log(self, pod: Object, container: str, lines: int, *, previous: bool = False) -> str:
        """The last lines of a container's log, without secrets; empty where it has none, or it may not be read.

        `previous` selects the log from before the container's last restart.
        """
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        metadata = pod["metadata"]
        try:
            text = CoreV1Api(self._api).read_namespaced_pod_log(
                metadata["name"],
                metadata["namespace"],
                container=container,
                previous=previous,
                tail_lines=lines,
                _request_timeout=TIMEOUT_S,
            )
        except (ApiException, HTTPError):
            return ""
        for secret in filter(None, self.hide):
            text = str(text).replace(secret, REMOVED)
        return without_secrets(str(text or "").strip())

    def log_end(self, pod: Object, container: str, *, previous: bool = False) -> str:
        """The last few lines of a container's log, joined into one line."""
        text = self.log(pod, container, _LOG_LINES * 4, previous=previous)
        lines = [line.strip()[:_LONGEST_LINE] for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-_LOG_LINES:])

    @contextmanager
    def _errors_as(self, doing: str) -> Iterator[None]:
        with errors_as(doing, self.access, self.hide):
            yield

    def _retried(self, doing: str, request: Callable[[], Answer]) -> Answer:
        """The response, requested again where the server was busy or the connection broke: waits for readiness last
        long."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        with self._errors_as(doing):
            for delay in _AGAIN_S:
                try:
                    return request()
                except ApiException as error:
                    if error.status not in _BUSY:
                        raise
                except HTTPError:
                    pass
                time.sleep(delay)
            return request()


@contextmanager
def cluster_of(access: Access, hide: Sequence[str] = ()) -> Iterator[Cluster]:
    """A client for a cluster. Raises DeployError where it cannot be reached or rejects the caller."""
    from kubernetes.dynamic import DynamicClient

    with connected(access) as api, tempfile.TemporaryDirectory(prefix="fmbench-kinds-") as folder:
        with errors_as(f"reading the API resources of {access}", access, hide):
            # The library's default cache of kinds is shared by all users of the machine, and outlives the cluster.
            client = DynamicClient(api, cache_file=str(Path(folder) / "kinds.json"))
        yield Cluster(access, tuple(hide), api, client)


@contextmanager
def errors_as(doing: str, access: Access, hide: Sequence[str] = ()) -> Iterator[None]:
    """Turn errors of the client library into a DeployError of one line that begins with `doing`."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        message = hidden(_message(error), hide).rstrip(".")
        if error.status == 401:
            raise DeployError(
                f"{doing}: {access} does not recognise this user or role ({message}): grant it access (on EKS by an "
                "access entry)"
            ) from None
        if error.status == 403:
            raise ForbiddenError(f"{doing}: not allowed: {message}; grant this user or role the permission") from None
        raise DeployError(f"{doing}: {message}") from None
    except (HTTPError, ValueError) as error:  # the client raises ValueError where the server drops the connection
        raise DeployError(f"{doing}: {access} does not answer: {hidden(str(error), hide)}") from None


def _message(error: Any) -> str:
    """The API server's error message: the `message` of its `Status`."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
    try:
        status = json.loads(body or "")
    except ValueError:
        status = {}
    message = status.get("message") if isinstance(status, dict) else None
    return str(message or body or f"HTTP {error.status} {error.reason}")


def _name_arguments(resource: Mapping[str, Any], kind: Any) -> dict[str, str]:
    """The name and namespace that the client's calls take."""
    metadata = resource["metadata"]
    namespace = {"namespace": metadata["namespace"]} if kind.namespaced and metadata.get("namespace") else {}
    return {"name": metadata["name"], **namespace}
