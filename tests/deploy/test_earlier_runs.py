"""`endpoints.json` of an earlier version: its copies and CloudWatch names are known, and it can be cleaned up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from fmbench_lib.deploy import CloudWatchName, Copy, Endpoint
from fmbench_lib.deploy.endpoints_file import endpoints
from fmbench_lib.host.process import ProcessMark, start_held
from fmbench_lib.steps.cleanup import delete_endpoints
from fmbench_lib.workspace import create_workspace, write_json


def earlier(platform: str, *resources: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """An endpoint as `endpoints.json` had it before copies were recorded."""
    return {
        "experiment_name": "exp",
        "platform": platform,
        "urls": ["http://127.0.0.1:8000/v1"],
        "owned": True,
        "status": "in_service",
        "resources": list(resources),
        "log_files": [],
        **facts,
    }


def test_processes_and_containers_become_copies() -> None:
    process = {"kind": "process", "pid": 7, "group": 7, "started": 90.0, "booted": 50.0, "port": 1, "log_file": "a.log"}
    (copy,) = Endpoint.from_dict(earlier("local", process)).copies
    assert copy == Copy("http://127.0.0.1:8000/v1", log="a.log", process=ProcessMark(7, 90.0, 50.0))
    container = {"kind": "container", "role": "copy", "name": "c", "url": "http://127.0.0.1:1/v1", "log_file": "c.log"}
    known = {**container, "metrics_url": "http://127.0.0.1:2/metrics", "devices": ["nvidia 6"]}
    balancer = {**container, "role": "balancer", "devices": []}
    endpoint = Endpoint.from_dict(earlier("ec2", known, balancer))
    assert endpoint.copies == (
        Copy("http://127.0.0.1:1/v1", "c", "http://127.0.0.1:2/metrics", "c.log", ("nvidia 6",)),
    )
    assert Endpoint.from_dict(json.loads(json.dumps(endpoint.to_dict()))) == endpoint


def test_cloudwatch_still_knows_endpoints_and_models() -> None:
    resource = {"kind": "endpoint", "name": "ep", "region": "us-east-1", "variant": "blue"}
    assert Endpoint.from_dict(earlier("sagemaker", resource)).cloudwatch == CloudWatchName(
        "us-east-1", {"EndpointName": "ep", "VariantName": "blue"}
    )
    model = {"kind": "model", "name": "org.model", "region": "eu-west-1"}
    assert Endpoint.from_dict(earlier("bedrock", model, model="org.model")).cloudwatch == CloudWatchName(
        "eu-west-1", {"ModelId": "org.model"}
    )
    assert Endpoint.from_dict(earlier("endpoint")).cloudwatch is None


def test_a_copy_of_a_later_version_is_read() -> None:
    later = {"url": "http://h", "process": {"pid": 1, "started": 2.0, "booted": 1.0, "host": "x"}, "zone": "b"}
    endpoint = Endpoint.from_dict({**earlier("local"), "copies": [later]})
    assert endpoint.copies == (Copy("http://h", process=ProcessMark(1, 2.0, 1.0)),)


def test_an_earlier_run_is_cleaned_up(tmp_path: Path) -> None:
    mark = start_held(["sleep", "600"], log_file=tmp_path / "a.log", env={"PATH": "/usr/bin:/bin"})
    resource = {"pid": mark.pid, "started": mark.started, "booted": mark.booted, "port": 1, "log_file": "a.log"}
    run = replace(create_workspace(tmp_path, "test"))
    write_json(run.endpoints_file, {"exp": earlier("local", {"kind": "process", "group": mark.pid, **resource})})
    assert list(delete_endpoints(run)["outcome"]) == ["deleted"]
    assert endpoints(run)["exp"].deleted_at is not None
