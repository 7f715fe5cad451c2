"""Platform ec2 without an engine: what is recorded, how nginx is configured, and the errors without a container."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import DeployContext, Endpoint, platform
from fmbench_lib.deploy.ec2 import docker as docker_engine
from fmbench_lib.deploy.ec2 import nginx
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.compose import compose_file, project_name
from fmbench_lib.deploy.ec2.container import Container, Devices, Mount
from fmbench_lib.deploy.ec2.docker import State, explained, hidden_in
from fmbench_lib.deploy.ec2.image_pull import Image, Progress, ecr_login, ensure_image
from fmbench_lib.deploy.ec2.serving import check_parts, planned_serving, secret_values, write_parts
from fmbench_lib.errors import DeployError

EC2 = platform("ec2")


def experiment(**changes: Any) -> Experiment:
    facts = {
        "name": "mine",
        "platform": "ec2",
        "protocol": "openai",
        "deploy": True,
        "model_id": "org/model",
        "inference_spec": {"container_type": "vllm_gpu", "model_copies": 2, "tp_degree": 2},
    }
    return Experiment(**{**facts, **changes})


CONTAINER = Container(
    name="fmbench-run-mine-1",
    image="registry.example/serving:1",
    host_port=8001,
    container_port=8000,
    path="/v1/chat/completions",
    command=("--price", "5$", "--model", "org/model"),
    environment={"HOME_PRICE": "${HOME}"},
    secrets=("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OTHER_KEY"),
    mounts=(Mount(Path("/models"), "/models"), Mount(Path("/cache"), "/root/.cache", read_only=False)),
    devices=Devices("nvidia", (2, 3)),
    shm_size="12g",
)


def composed(*containers: Container, **changes: Any) -> dict[str, Any]:
    facts = {"labels": {"fmbench.run": "run"}, "pinned": {}, "secrets": {containers[0].name: ["HF_TOKEN"]}, **changes}
    read: dict[str, Any] = yaml.safe_load(compose_file("mine", "20260101-000000Z", containers, **facts))
    return read


def test_a_compose_file_describes_containers_completely_without_secrets() -> None:
    content = composed(CONTAINER, pinned={CONTAINER.image: "registry.example/serving:1@sha256:12"})
    assert content == {
        "name": "fmbench-20260101-000000z-mine",
        "services": {
            "fmbench-run-mine-1": {
                "image": "registry.example/serving:1@sha256:12",
                "container_name": "fmbench-run-mine-1",
                "command": ["--price", "5$$", "--model", "org/model"],
                "environment": {"HOME_PRICE": "$${HOME}", "HF_TOKEN": "${HF_TOKEN}"},
                "labels": {"fmbench.run": "run", "fmbench.secrets": "HF_TOKEN"},
                "network_mode": "bridge",
                "ports": ["127.0.0.1:8001:8000"],
                "volumes": [
                    {"type": "bind", "source": "/models", "target": "/models", "read_only": True},
                    {"type": "bind", "source": "/cache", "target": "/root/.cache", "read_only": False},
                ],
                "deploy": {
                    "resources": {
                        "reservations": {
                            "devices": [{"driver": "nvidia", "device_ids": ["2", "3"], "capabilities": ["gpu"]}]
                        }
                    }
                },
                "shm_size": "12g",
            }
        },
    }


def test_neuron_devices_privileges_and_an_entry_point_in_a_compose_file() -> None:
    changed = replace(CONTAINER, devices=Devices("neuron", (4, 5)), privileged=True, entrypoint=("serve",))
    (service,) = composed(changed)["services"].values()
    assert service["devices"] == ["/dev/neuron4:/dev/neuron0", "/dev/neuron5:/dev/neuron1"]
    assert (service["privileged"], service["entrypoint"]) == (True, ["serve"])
    assert "deploy" not in service


def test_neuron_devices_are_numbered_from_0_in_the_container() -> None:
    client = docker.DockerClient(base_url="tcp://127.0.0.1:1", version="1.43")
    asked = docker_engine._creation(client, replace(CONTAINER, devices=Devices("neuron", (4, 5))), {}, {})
    client.close()
    assert [(resource["PathOnHost"], resource["PathInContainer"]) for resource in asked["host_config"]["Devices"]] == [
        ("/dev/neuron4", "/dev/neuron0"),
        ("/dev/neuron5", "/dev/neuron1"),
    ]


def test_a_project_name_is_valid_in_compose() -> None:
    assert project_name("20260101-000000Z", "Größe: 8B / v2") == "fmbench-20260101-000000z-gr-e-8b-v2"


# -- nginx -----------------------------------------------------------------------------------------------------------


def test_nginx_listens_on_the_endpoints_port_in_front_of_the_copies() -> None:
    expected = experiment(ep_name="http://127.0.0.1:8080/v1/chat/completions", ec2={"balancer": "nginx"})
    host = Host(Devices("nvidia", (0, 1, 2, 3)), 1, "config")
    serving = planned_serving(expected, host, Path("folder"), ())
    assert serving.balancer is not None
    assert serving.urls == ("http://127.0.0.1:8080/v1/chat/completions",)
    assert [copy.host_port for copy in serving.copies] == [8081, 8082]
    assert [copy.devices.indices for copy in serving.copies] == [(0, 1), (2, 3)]
    ours = planned_serving(expected.model_copy(update={"ec2": None}), host, Path("folder"), ())
    assert [copy.host_port for copy in ours.copies] == [8080, 8081]
    text = serving.balancer.files["nginx.conf"]
    assert "server 127.0.0.1:8081 max_fails=0;\n        server 127.0.0.1:8082 max_fails=0;" in text
    for line in (
        "least_conn;",
        "zone copies 256k;",
        "proxy_read_timeout 1d;",
        "proxy_buffering off;",
        "proxy_next_upstream off;",
    ):
        assert line in text


def test_requests_per_copy_are_counted_from_nginxs_log() -> None:
    log = [
        "2026/01/01 00:00:00 [warn] 1#1: something else",
        'fmbench 2026-01-01T00:00:00+00:00 200 127.0.0.1:8081 0.004 0.102 "POST /v1/chat/completions HTTP/1.1"',
        'fmbench 2026-01-01T00:00:01+00:00 502 127.0.0.1:8082 - 0.102 "POST /v1/chat/completions HTTP/1.1"',
        'fmbench 2026-01-01T00:00:01+00:00 200 127.0.0.1:8082 0.004 0.102 "GET /health HTTP/1.1"',
        'fmbench 2026-01-01T00:00:02+00:00 200 127.0.0.1:8081 0.004 0.102 "POST /v1/chat/completions HTTP/1.1"',
    ]
    assert nginx.requests_per_copy(log) == {"127.0.0.1:8081": 2, "127.0.0.1:8082": 1}


# -- images ----------------------------------------------------------------------------------------------------------


def test_the_progress_of_a_pull_counts_each_layer_once() -> None:
    progress = Progress()
    for current in (100_000_000, 900_000_000):
        progress.update(
            {"status": "Downloading", "id": "a", "progressDetail": {"current": current, "total": 1_000_000_000}}
        )
    progress.update({"status": "Downloading", "id": "b", "progressDetail": {"current": 0, "total": 500_000_000}})
    assert progress.text() == "0.90 of 1.50 GB (Downloading)"
    progress.update({"status": "Download complete", "id": "a", "progressDetail": {}})
    progress.update({"status": "Extracting", "id": "a", "progressDetail": {"current": 1, "total": 7}})
    assert progress.text() == "1.00 of 1.50 GB (Extracting)"


@pytest.mark.parametrize(
    ("name", "digests", "pinned"),
    [
        ("vllm/vllm-openai:v0.8.3", ["vllm/vllm-openai@sha256:1"], "vllm/vllm-openai:v0.8.3@sha256:1"),
        ("host:5000/a/b", ["host:5000/a/b@sha256:2"], "host:5000/a/b:latest@sha256:2"),
        ("nginx:1.28", ["docker.io/library/nginx@sha256:3"], "nginx:1.28@sha256:3"),
        ("vllm-cpu-env", [], "vllm-cpu-env"),
        ("a/b@sha256:4", ["a/b@sha256:4"], "a/b@sha256:4"),
    ],
)
def test_an_image_is_pinned_by_the_digest_of_its_repository(name: str, digests: list[str], pinned: str) -> None:
    assert Image(name, "sha256:0", tuple(digests), False).pinned == pinned


def test_only_images_in_ecr_need_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, list[str]]] = []

    class Ecr:
        def __init__(self, service: str, region: str) -> None:
            self.where = (service, region)

        def get_authorization_token(self, registryIds: list[str]) -> dict[str, Any]:  # noqa: N803 - AWS's name
            asked.append((*self.where, registryIds))
            return {"authorizationData": [{"authorizationToken": base64.b64encode(b"AWS:one:time").decode()}]}

    monkeypatch.setattr("fmbench_lib.deploy.ec2.image_pull.aws_client", Ecr)
    found = ecr_login("763104351884.dkr.ecr.us-west-2.amazonaws.com/djl-inference:0.29.0-lmi11.0.0-cu124")
    assert found == {"username": "AWS", "password": "one:time"}
    assert asked == [("ecr", "us-west-2", ["763104351884"])]
    assert ecr_login("vllm/vllm-openai:v0.8.3") is None
    assert ecr_login("public.ecr.aws/nginx/nginx:1.28") is None


def test_missing_credentials_for_ecr_are_a_one_line_error(
    aws_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmbench_lib.deploy.ec2.image_pull.find_image", lambda address, name: None)
    image = "763104351884.dkr.ecr.us-west-2.amazonaws.com/djl-inference:1"
    with pytest.raises(DeployError, match=f"^logging in to ECR for image {image}: no AWS credentials found: set"):
        ensure_image("unix:///none", image, print, lambda _: None)


# -- engines ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def context(tmp_path: Path) -> DeployContext:
    def never(*_: object) -> None:
        raise AssertionError("nothing is recorded or asked")

    return DeployContext("run", tmp_path, (), never, lambda _: None, never)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "unix:///no/such/docker.sock",
            r"no container engine answers at unix:///no/such/docker.sock \(.*socket$",
        ),
        ("tcp://10.0.0.5:2375", "DOCKER_HOST is tcp://10.0.0.5:2375, another machine: platform ec2 serves on"),
    ],
)
def test_without_an_engine_nothing_is_recorded(
    address: str, message: str, context: DeployContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(DeployError, match=message):
        EC2.deploy(experiment(), context)


def test_one_container_that_cannot_be_removed_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []

    def remove(address: str, name: str, mark: str) -> None:
        if name == "b":
            raise DeployError("container b is still there")
        removed.append(name)

    monkeypatch.setattr("fmbench_lib.deploy.ec2.docker.kill", lambda address, name, mark: False)
    monkeypatch.setattr("fmbench_lib.deploy.ec2.docker.remove", remove)
    resources = tuple({"name": name, "engine": "", "mark": "m"} for name in "abc")
    with pytest.raises(DeployError, match=r"^container b is still there$"):
        EC2.delete(Endpoint("mine", "ec2", owned=True, resources=resources))
    assert removed == ["c", "a"]


def test_removing_containers_without_an_engine_is_an_error() -> None:
    resource = {"name": "x", "engine": "unix:///no/such/docker.sock", "mark": "m", "log_file": "/none"}
    endpoint = Endpoint("mine", "ec2", owned=True, resources=(resource,))
    with pytest.raises(DeployError, match="no container engine answers at unix:///no/such"):
        EC2.delete(endpoint)
    assert "no container engine answers" in EC2.why_dead(endpoint)


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ('could not select device driver "nvidia" with capabilities: [[gpu]]', "the engine cannot pass GPUs"),
        ("failed to register layer: write /x: no space left on device", "the engine's disk is full"),
        ("Bind for 127.0.0.1:8080 failed: port is already allocated", "the port is in use"),
        ('error gathering device information while adding custom device "/dev/neuron9"', "a device is not on this"),
        ('Conflict. The container name "/x" is already in use by container "1"', "another container has this name"),
    ],
)
def test_engine_errors_are_explained(message: str, meaning: str) -> None:
    assert explained(message).startswith(meaning)
    assert explained(message).endswith(f"({message})")


def test_a_container_that_ran_out_of_memory_says_so() -> None:
    state = State(False, "exited", 137, True, "", "sha256:1", {}, False)
    assert state.ending() == "was killed: out of memory"
    assert replace(state, oom_killed=False).ending() == "ended with code 137"


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_secrets_go_to_the_variables_that_the_container_names() -> None:
    expected = experiment(env={"OTHER_KEY": "mine", "HF_TOKEN": "from the config"})
    assert secret_values(CONTAINER, expected, "the token") == {
        "HF_TOKEN": "from the config",
        "HUGGING_FACE_HUB_TOKEN": "the token",
        "OTHER_KEY": "mine",
    }
    assert secret_values(CONTAINER, experiment(), None) == {}


def test_a_log_is_saved_without_the_secrets_passed_to_the_container() -> None:
    line = "loading with 0123-secret and hf_abcdefghijklmnopqrstuv"
    assert hidden_in(line, ["0123-secret"]) == "loading with <removed> and <removed>"


@pytest.mark.parametrize(
    "changes",
    [
        {"command": ("--api-key", "abcdefgh")},
        {"files": {"serving.properties": "option.model_id=x\noption.hf_token=hf_abcdefghijklmnopqrstuv\n"}},
    ],
)
def test_a_secret_that_would_be_stored_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DeployError, match="contains a secret and would be stored with the run: "):
        check_parts(replace(CONTAINER, **changes))
    check_parts(CONTAINER)


# -- files and mounts ------------------------------------------------------------------------------------------------


def test_files_and_writable_folders_are_created_and_missing_mounts_reported(tmp_path: Path) -> None:
    mounts = (Mount(tmp_path / "cache", "/cache", read_only=False), Mount(tmp_path / "model.gguf", "/model.gguf"))
    expected = replace(CONTAINER, folder=tmp_path / "parts", files={"a/config.pbtxt": "x: 1"}, mounts=mounts)
    with pytest.raises(DeployError, match=r"model\.gguf, which container .* mounts, does not exist on this machine"):
        write_parts(expected)
    assert (tmp_path / "cache").is_dir()
    assert (tmp_path / "parts" / "a" / "config.pbtxt").read_text() == "x: 1"
    (tmp_path / "file").write_text("")
    with pytest.raises(DeployError, match="cannot write "):
        write_parts(replace(expected, folder=tmp_path / "file"))
