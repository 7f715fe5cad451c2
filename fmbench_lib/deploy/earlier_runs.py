"""Endpoints as earlier versions recorded them: their copies and CloudWatch names, from what was in `resources`.

An `endpoints.json` without `copies` is of such a version. Only this module reads another platform's resources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fmbench_lib.config.platforms import platform_facts


def with_copies(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A recorded endpoint with `copies` and `cloudwatch`; unchanged where it has them."""
    if "copies" in values:
        return values
    resources: Sequence[Mapping[str, Any]] = values.get("resources", ())
    return {**values, "copies": _copies(resources, values.get("urls", ())), "cloudwatch": _cloudwatch(values)}


def _copies(resources: Sequence[Mapping[str, Any]], urls: Sequence[str]) -> list[dict[str, Any]]:
    """The processes of `local`, in the order of its addresses, and the containers of `ec2`."""
    processes = [resource for resource in resources if resource.get("kind") == "process"]
    started = [
        {"url": url, "log": process.get("log_file"), "process": process}
        for process, url in zip(processes, urls, strict=False)
    ]
    containers = [
        {
            "url": resource["url"],
            "container": resource["name"],
            "metrics_url": resource.get("metrics_url"),
            "log": resource.get("log_file"),
            "devices": resource.get("devices"),
        }
        for resource in resources
        if resource.get("kind") == "container" and resource.get("role") == "copy"
    ]
    return started + containers


def _cloudwatch(values: Mapping[str, Any]) -> dict[str, Any] | None:
    named_by, resources = platform_facts(values["platform"]).cloudwatch, values.get("resources")
    if named_by is None or not resources:
        return None
    last = resources[-1]
    if named_by == "model":
        dimensions = {"ModelId": str(values.get("model") or last["name"])}
    else:
        dimensions = {"EndpointName": last["name"]}
        if last.get("variant"):
            dimensions["VariantName"] = last["variant"]
    return {"region": last["region"], "dimensions": dimensions}
