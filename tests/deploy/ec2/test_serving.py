"""The ports of an experiment's containers on this machine, and the addresses of their metrics pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import Copy
from fmbench_lib.deploy.ec2 import serving
from fmbench_lib.deploy.ec2.compose import compose_file
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.docker import _creation
from fmbench_lib.deploy.ec2.platform import _copy, _resource
from fmbench_lib.deploy.ec2.serving import claimed_serving
from fmbench_lib.errors import DeployError
from fmbench_lib.host.ports import claim_ports
from tests.deploy.on_ec2 import host, only_container, stack_experiment


def claimed(experiment: Experiment, gpus: int) -> tuple[tuple[Container, ...], list[Copy]]:
    """The copies of an experiment at ports of this machine, and as they are recorded."""
    on = host("nvidia", gpus)
    running = claimed_serving(experiment, on, run_id="run", folder=Path("folder"), folders=(), cores=4)
    labels = {"fmbench.mark": "m"}
    return running.copies, [
        _copy(container, _resource(container, running, "", labels, Path("logs"))) for container in running.copies
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


@pytest.mark.parametrize(
    ("keys", "hosts", "remote"),
    [
        ({}, ["127.0.0.1:"], []),
        ({"ep_name": "http://localhost:{port}/v1/completions"}, ["127.0.0.1:"], []),
        ({"ep_name": "http://server.example:{port}/v1/completions"}, ["127.0.0.1:"], []),
        (
            {"ep_name": "http://0.0.0.0:{port}/v1/completions"},
            [""],
            ["http://192.168.7.7:{port}/v1/completions"],
        ),
        (
            {"ep_name": "http://127.0.0.1:{port}/v1/completions", "ec2": {"listen_address": "0.0.0.0"}},
            [""],
            ["http://192.168.7.7:{port}/v1/completions"],
        ),
    ],
)
def test_other_machines_are_let_in_where_the_config_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], hosts: list[str], remote: list[str]
) -> None:
    monkeypatch.setattr(serving, "own_address", lambda: "192.168.7.7")
    (port,) = claim_ports(None, 1)
    if "ep_name" in keys:
        keys = {**keys, "ep_name": keys["ep_name"].format(port=port)}
    experiment = stack_experiment(tmp_path, "vllm_gpu", **keys)
    on = host("nvidia", 1)
    served = claimed_serving(experiment, on, run_id="run", folder=Path("folder"), folders=(), cores=4)
    (copy,) = served.copies
    assert composed_ports(served.copies) == [[f"{at}{copy.host_port}:8000" for at in hosts]]
    assert list(served.remote_urls) == [address.format(port=port) for address in remote]
    assert served.urls[0].startswith(f"http://127.0.0.1:{copy.host_port}/")


def test_one_address_beside_the_loopback_one(tmp_path: Path) -> None:
    """fmbench itself checks the server at 127.0.0.1, whatever else it listens at."""
    experiment = stack_experiment(tmp_path, "vllm_gpu", ec2={"listen_address": "127.0.0.2"})
    on = host("nvidia", 1)
    served = claimed_serving(experiment, on, run_id="run", folder=Path("folder"), folders=(), cores=4)
    port = served.copies[0].host_port
    assert composed_ports(served.copies) == [[f"127.0.0.1:{port}:8000", f"127.0.0.2:{port}:8000"]]
    assert served.remote_urls == (f"http://127.0.0.2:{port}/v1/chat/completions",)


def test_behind_nginx_only_the_balancer_is_open_to_others(tmp_path: Path) -> None:
    spec = {"model_copies": 2, "tp_degree": 1}
    experiment = stack_experiment(
        tmp_path, "vllm_gpu", ec2={"listen_address": "0.0.0.0", "balancer": "nginx"}, inference_spec=spec
    )
    on = host("nvidia", 2)
    served = claimed_serving(experiment, on, run_id="run", folder=Path("folder"), folders=(), cores=4)
    assert {copy.hosts for copy in served.copies} == {("127.0.0.1",)}
    assert served.balancer is not None
    assert f"listen 0.0.0.0:{served.balancer.host_port} " in served.balancer.files["nginx.conf"]


def test_an_address_of_another_machine_cannot_be_listened_at(tmp_path: Path) -> None:
    experiment = stack_experiment(tmp_path, "vllm_gpu", ep_name="http://192.0.2.7:8000/v1/completions")
    with pytest.raises(DeployError, match=r"192\.0\.2\.7 is not an address of this machine; write one that is, or ec2"):
        claimed(experiment, 1)
