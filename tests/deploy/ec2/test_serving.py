"""The ports of an experiment's containers on this machine, and the addresses of their metrics pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import docker
import pytest
import yaml

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import Copy
from fmbench_lib.deploy.ec2.compose import compose_file
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.docker import _creation
from fmbench_lib.deploy.ec2.platform import _copy, _resource
from fmbench_lib.deploy.ec2.serving import claimed_serving
from tests.deploy.on_ec2 import host, only_container, stack_experiment


def claimed(experiment: Experiment, gpus: int) -> tuple[tuple[Container, ...], list[Copy]]:
    """The copies of an experiment at ports of this machine, and as they are recorded."""
    on = host("nvidia", gpus)
    serving = claimed_serving(experiment, on, run_id="run", folder=Path("folder"), folders=(), cores=4)
    labels = {"fmbench.mark": "m"}
    return serving.copies, [
        _copy(container, _resource(container, serving, "", labels, Path("logs"))) for container in serving.copies
    ]


def composed_ports(copies: Sequence[Container]) -> list[list[str]]:
    text = compose_file("tried", "run", copies, {}, {}, {})
    return [service["ports"] for service in yaml.safe_load(text)["services"].values()]


@pytest.mark.parametrize(("options", "inside"), [(None, 8002), ("--metrics-port=9000 --log-verbose 1", 9000)])
def test_each_copy_of_triton_publishes_its_own_metrics_port(tmp_path: Path, options: str | None, inside: int) -> None:
    spec = {"backend": "vllm", "model_copies": 2, "tp_degree": 1, "cli_params": options}
    copies, recorded = claimed(stack_experiment(tmp_path, "triton", protocol="triton", inference_spec=spec), 2)
    pairs = [(copy.host_port, copy.host_metrics_port) for copy in copies]
    assert len({port for pair in pairs for port in pair}) == 4
    assert [copy.metrics_url for copy in recorded] == [f"http://127.0.0.1:{port}/metrics" for _, port in pairs]
    assert composed_ports(copies) == [
        [f"127.0.0.1:{port}:8000", f"127.0.0.1:{metrics}:{inside}"] for port, metrics in pairs
    ]


def test_both_ports_are_published(tmp_path: Path) -> None:
    planned = only_container(stack_experiment(tmp_path, "triton", protocol="triton"), host("nvidia", 1), ports=[8100])
    client = docker.DockerClient(base_url="http://127.0.0.1:9", version="1.43")
    placed = _creation(client, replace(planned, host_metrics_port=8101), {}, {})
    client.close()
    assert placed["ports"] == [8000, 8002]
    assert placed["host_config"]["PortBindings"] == {
        "8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8100"}],
        "8002/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8101"}],
    }


def test_other_servers_serve_metrics_on_the_request_port(tmp_path: Path) -> None:
    copies, (recorded,) = claimed(stack_experiment(tmp_path, "vllm_gpu"), 1)
    port = copies[0].host_port
    assert recorded.metrics_url == f"http://127.0.0.1:{port}/metrics"
    assert composed_ports(copies) == [[f"127.0.0.1:{port}:8000"]]
