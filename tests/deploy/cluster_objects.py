"""The objects in the tests' manifests."""

from __future__ import annotations

from typing import Any

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "server", "namespace": "llm"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "server"}},
        "template": {
            "metadata": {"labels": {"app": "server"}},
            "spec": {"containers": [{"name": "server", "image": "example/server:1"}]},
        },
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "server", "namespace": "llm"},
    "spec": {"type": "LoadBalancer", "selector": {"app": "server"}, "ports": [{"port": 8080, "targetPort": 8000}]},
}
NAMESPACE: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ours"}}


def in_place(one: dict[str, Any], namespace: str) -> dict[str, Any]:
    return {**one, "metadata": {**one["metadata"], "namespace": namespace}}
