"""Calls of a Kubernetes API server through its own client library, and their errors in words."""

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
from fmbench_lib.config.redaction import REMOVED, without_secrets
from fmbench_lib.deploy.eks.access import TIMEOUT_S, Access, connected
from fmbench_lib.deploy.eks.manifest import DEPLOYMENT_LABEL, Object, named
from fmbench_lib.errors import DeployError, ForbiddenError

Answer = TypeVar("Answer")

FIELD_MANAGER = "fmbench"
_LOG_LINES, _LONGEST_LINE = 4, 200
_AGAIN_S: tuple[float, ...] = (0.5, 2.0, 5.0)
"""Waits before a question is asked again that the API server could not answer just now."""
_BUSY = (429, 500, 502, 503, 504)


@dataclass(slots=True)
class Cluster:
    """One API server. `hide` are secrets that it may quote back: they are taken out of what it says."""

    access: Access
    hide: Sequence[str]
    _api: Any
    _client: Any

    def kind(self, one: Mapping[str, Any]) -> Any:
        """What the cluster knows of an object's kind; None where it does not know it."""
        from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError

        def look() -> Any:
            try:
                return self._kind(one["apiVersion"], one["kind"])
            except (ResourceNotFoundError, NotFoundError):
                return None

        return self._asked(f"asking {self.access} for {one['kind']} ({one['apiVersion']})", look)

    def _kind(self, api_version: str, kind: str) -> Any:
        prefix = "apis" if "/" in api_version else "api"
        return self._client.resources.get(prefix=prefix, api_version=api_version, kind=kind)

    def get(self, one: Mapping[str, Any]) -> Object | None:
        """An object as it stands; None where there is none."""
        from kubernetes.dynamic.exceptions import NotFoundError

        def look() -> Object | None:
            kind = self.kind(one)
            if kind is None:
                return None
            try:
                found: Object = kind.get(**_named(one, kind), _request_timeout=TIMEOUT_S).to_dict()
            except NotFoundError:
                return None
            return found

        return self._asked(f"looking at {named(dict(one))}", look)

    def create(self, one: Object) -> None:
        """Make an object, never change one: raises DeployError where there is one of that name."""
        kind = self.kind(one)
        body = {**one, "metadata": dict(one["metadata"])}
        where = _named(one, kind)
        if not kind.namespaced:
            body["metadata"].pop("namespace", None)
        with self._saying(f"making {named(one)}"):
            kind.create(
                body=body,
                namespace=where.get("namespace"),
                field_manager=FIELD_MANAGER,
                _request_timeout=TIMEOUT_S,
            )

    def delete(self, found: Object) -> None:
        """Delete this very object, what it made before it; does nothing where it is gone or another one by now."""
        from kubernetes.dynamic.exceptions import ConflictError, NotFoundError

        kind = self.kind(found)
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": found["metadata"]["uid"]},
        }
        with self._saying(f"deleting {named(found)}"):
            try:
                kind.delete(**_named(found, kind), body=options, _request_timeout=TIMEOUT_S)
            except (NotFoundError, ConflictError):
                return  # whoever looks next sees what became of it

    def listed(self, api_version: str, kind: str, namespace: str, **selection: str) -> list[Object]:
        """The objects of a kind in a namespace; `selection` is `label_selector` or `field_selector`."""

        def look() -> list[Object]:
            found = self._kind(api_version, kind)
            answer = found.get(namespace=namespace, _request_timeout=TIMEOUT_S, **selection).to_dict()
            return [{"apiVersion": api_version, "kind": kind, **one} for one in answer.get("items") or []]

        return self._asked(f"listing {kind} in {namespace}", look)

    def marked(self, kind: str, namespaces: Sequence[str], deployment: str) -> list[Object]:
        """The objects of a kind of the core that carry a deployment's label."""
        selector = f"{DEPLOYMENT_LABEL}={deployment}"
        return [one for place in namespaces for one in self.listed("v1", kind, place, label_selector=selector)]

    def log(self, pod: Object, container: str, lines: int, *, previous: bool = False) -> str:
        """The last lines of a container's log, without secrets; empty where it has none, or nobody may read it.

        `previous` is what it said before its last start.
        """
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        where = pod["metadata"]
        try:
            text = CoreV1Api(self._api).read_namespaced_pod_log(
                where["name"],
                where["namespace"],
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
        """The same as a few lines on one."""
        text = self.log(pod, container, _LOG_LINES * 4, previous=previous)
        lines = [line.strip()[:_LONGEST_LINE] for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-_LOG_LINES:])

    @contextmanager
    def _saying(self, doing: str) -> Iterator[None]:
        with saying(doing, self.access, self.hide):
            yield

    def _asked(self, doing: str, ask: Callable[[], Answer]) -> Answer:
        """An answer, asked for again where the server was too busy or the connection broke: waits last for long."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        with self._saying(doing):
            for delay in _AGAIN_S:
                try:
                    return ask()
                except ApiException as error:
                    if error.status not in _BUSY:
                        raise
                except HTTPError:
                    pass
                time.sleep(delay)
            return ask()


@contextmanager
def cluster_of(access: Access, hide: Sequence[str] = ()) -> Iterator[Cluster]:
    """A cluster to be asked; raises DeployError where it cannot be reached or does not know us."""
    from kubernetes.dynamic import DynamicClient

    with connected(access) as api, tempfile.TemporaryDirectory(prefix="fmbench-kinds-") as folder:
        with saying(f"asking {access} what it has", access, hide):
            # The library's own cache of kinds is shared by everybody on the machine, and outlives the cluster.
            client = DynamicClient(api, cache_file=str(Path(folder) / "kinds.json"))
        yield Cluster(access, tuple(hide), api, client)


@contextmanager
def saying(doing: str, access: Access, hide: Sequence[str] = ()) -> Iterator[None]:
    """Turn what the client library raises into a DeployError of one line that begins with `doing`."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        said = hidden(_message(error), hide).rstrip(".")
        if error.status == 401:
            raise DeployError(
                f"{doing}: {access} does not know who we are ({said}): let it know this user or role (on EKS by an "
                "access entry)"
            ) from None
        if error.status == 403:
            raise ForbiddenError(f"{doing}: not allowed: {said}; let this user or role do it") from None
        raise DeployError(f"{doing}: {said}") from None
    except (HTTPError, ValueError) as error:  # the client raises ValueError for a server that breaks off
        raise DeployError(f"{doing}: {access} does not answer: {hidden(str(error), hide)}") from None


def _message(error: Any) -> str:
    """What the API server says of an error: the message of its `Status`."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
    try:
        found = json.loads(body or "")
    except ValueError:
        found = {}
    said = found.get("message") if isinstance(found, dict) else None
    return str(said or body or f"HTTP {error.status} {error.reason}")


def _named(one: Mapping[str, Any], kind: Any) -> dict[str, str]:
    """How the client is told which object is meant."""
    metadata = one["metadata"]
    where = {"namespace": metadata["namespace"]} if kind.namespaced and metadata.get("namespace") else {}
    return {"name": metadata["name"], **where}
