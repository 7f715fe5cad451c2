"""Platform ec2 against a real container engine: what runs, what is said when it cannot, and that nothing is left."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import DeployContext, Endpoint, platform
from fmbench_lib.deploy.ec2 import docker as docker_engine
from fmbench_lib.deploy.ec2 import image_pull, serving
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.container import Devices
from fmbench_lib.errors import DeployError
from tests.containers.images import LLAMA, NGINX
from tests.containers.podman import REGISTRY, Engine, podman
from tests.containers.registry import registry
from tests.deploy.conftest import Notes, ask
from tests.e2e.running import free_port

TOKEN = "distinctive-token-of-nobody"
EC2 = platform("ec2")


def experiment(**changes: Any) -> Experiment:
    options = changes.pop("options", "")
    spec = {
        "container_type": "llama_server",
        "shm_size": "64m",
        "cli_params": f"--ctx-size 256 --parallel 1 --threads 1 {options}",
        **changes.pop("inference_spec", {}),
    }
    facts = {
        "name": "small",
        "platform": "ec2",
        "protocol": "openai",
        "deploy": True,
        "model_id": "smollm2-135m-instruct",
        "image_uri": LLAMA,
        "env": {"PRICE": "5$ each", "OTHER_API_KEY": "distinctive-key-of-nobody"},
        "ec2": {"model_loading_timeout": 60, "balancer_image": NGINX, **changes.pop("ec2", {})},
    }
    return Experiment(**{**facts, "inference_spec": spec, **changes})


@pytest.fixture
def given(engine: Engine, tmp_path: Path) -> tuple[DeployContext, Notes]:
    notes = Notes()

    def noted(url: str, model: str | None) -> None:
        notes.asked.append(url)
        ask(url, model)

    made = DeployContext(
        run_id="20260101-000000Z",
        log_folder=tmp_path / "logs",
        folders=(tmp_path,),
        record=notes.recorded.append,
        say=notes.said.append,
        probe=noted,
        hf_token=TOKEN,
        containers=tmp_path / "containers" / "small",
    )
    return made, notes


Given = tuple[DeployContext, Notes]


def inspected(engine: Engine, name: str) -> dict[str, Any]:
    """What the Docker API says of a container."""
    with docker_engine.connected(engine.address) as client:
        found: dict[str, Any] = client.api.inspect_container(name)
    return found


def test_what_runs_is_recorded_beforehand_written_down_and_removed(
    engine: Engine, given: Given, tmp_path: Path
) -> None:
    context, notes = given
    seen: list[tuple[str, list[str]]] = []

    def record(endpoint: Endpoint) -> None:
        seen.append((endpoint.status, engine.containers()))
        notes.recorded.append(endpoint)

    endpoint = EC2.deploy(experiment(ec2={"privileged_mode": True}), replace(context, record=record))
    assert notes.asked[-1:] == list(endpoint.urls)
    recorded = notes.recorded[0].resources[0]["name"]  # before there was anything
    assert seen == [("creating", []), ("creating", []), ("creating", [recorded]), ("in_service", [recorded])]
    text = (tmp_path / "containers" / "small" / "compose.yml").read_text()
    ((name, service),) = yaml.safe_load(text)["services"].items()
    assert name == recorded
    runs = inspected(engine, name)
    assert runs["State"]["Running"]
    assert runs["Args"][-len(service["command"]) :] == service["command"]
    assert (runs["HostConfig"]["ShmSize"], service["shm_size"]) == (64 * 1024**2, "64m")
    assert runs["HostConfig"]["Privileged"] is service["privileged"] is True
    (mount,) = runs["Mounts"]
    (volume,) = service["volumes"]
    assert (mount["Source"], mount["Destination"], mount["RW"]) == (volume["source"], volume["target"], False)
    ((inside, [bound]),) = runs["HostConfig"]["PortBindings"].items()
    assert service["ports"] == [f"{bound['HostIp']}:{bound['HostPort']}:{inside.removesuffix('/tcp')}"]
    assert runs["Config"]["Labels"].items() >= service["labels"].items()
    given_to_it = dict(variable.split("=", 1) for variable in runs["Config"]["Env"])
    assert given_to_it["PRICE"] == service["environment"]["PRICE"].replace("$$", "$") == "5$ each"
    assert given_to_it["HF_TOKEN"] == TOKEN
    assert given_to_it["OTHER_API_KEY"] == "distinctive-key-of-nobody"
    assert service["environment"]["HF_TOKEN"] == "${HF_TOKEN}"
    assert service["environment"]["OTHER_API_KEY"] == "${OTHER_API_KEY}"
    (resource,) = endpoint.resources
    assert runs["Image"] == resource["image_id"]
    assert service["image"].startswith(f"{LLAMA}@sha256:")
    assert service["image"].rpartition("@")[2] in resource["image_digests"][0]
    assert EC2.why_dead(endpoint) == ""

    engine.run("kill", name)
    assert EC2.why_dead(endpoint).startswith(f"container {name} ended with code 137; its log ends: ")
    gone = EC2.delete(endpoint)
    assert (gone.status, EC2.delete(gone)) == ("deleted", gone)
    assert EC2.delete(endpoint).status == "deleted"  # as another process would, that read the record before
    everything = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    everything += [json.dumps(one.to_dict()) for one in notes.recorded] + notes.said
    assert "of-nobody" not in "".join(everything)


def failure(wanted: Experiment, given: Given, engine: Engine) -> str:
    """The one line that a deployment ends with; nothing of it is left, and the record says so."""
    context, notes = given
    before = engine.containers()
    with pytest.raises(DeployError) as caught:
        EC2.deploy(wanted, context)
    assert engine.containers() == before
    assert "\n" not in str(caught.value)
    assert all(one.deleted_at for one in notes.recorded[-1:])
    return str(caught.value)


@contextlib.contextmanager
def logged_in(monkeypatch: pytest.MonkeyPatch, password: str = "right") -> Iterator[None]:
    monkeypatch.setattr(image_pull, "ecr_login", lambda name: {"username": "AWS", "password": password})
    with registry("AWS", "right"):
        yield


def test_an_image_is_pulled_once_with_the_login_of_its_registry(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, said = f"{REGISTRY}/serving:1", list[str]()
    with logged_in(monkeypatch):
        first = image_pull.ensure_image(engine.address, name, said.append, lambda _: None)
    again = image_pull.ensure_image(engine.address, name, said.append, lambda _: None)  # the registry is away
    engine.run("rmi", name)
    assert (first.pulled, again.pulled, first.id) == (True, False, again.id)
    assert first.pinned.startswith(f"{name}@sha256:")
    assert said[0] == f"pulling image {name}, logged in to ECR"
    assert said[-1] == f"image {name} is already on this machine"
    assert "right" not in "".join(said)


def test_an_image_that_its_registry_does_not_have(
    engine: Engine, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    with logged_in(monkeypatch):
        said = failure(experiment(image_uri=f"{REGISTRY}/serving:2"), given, engine)
    assert said.startswith(f"image {REGISTRY}/serving:2 is not on this machine and not in its registry: ")
    assert said.endswith("; correct image_uri, or build it")


def test_an_image_that_its_registry_does_not_give_out(
    engine: Engine, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    with logged_in(monkeypatch, "wrong"):
        said = failure(experiment(image_uri=f"{REGISTRY}/serving:1"), given, engine)
    assert "its registry denies access" in said
    assert said.endswith("log in to the registry (docker login), or correct image_uri")


def test_no_room_for_an_image(engine: Engine, given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="fmbench-") as folder, contextlib.ExitStack() as stack:
        storage = Path(folder) / "small"
        storage.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", storage], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip("no small file system can be mounted here")
        stack.callback(subprocess.run, ["umount", "-l", storage], check=True)
        full = stack.enter_context(podman(Path(folder) / "p", storage))
        monkeypatch.setenv("DOCKER_HOST", full.address)
        monkeypatch.setattr(image_pull, "ecr_login", lambda name: {"username": "AWS", "password": "right"})
        stack.enter_context(registry("AWS", "right", size=20_000_000))
        said = failure(experiment(image_uri=f"{REGISTRY}/serving:1"), given, full)
    assert "the engine's disk is full: free space with docker system prune, or enlarge the volume" in said


def test_gpus_that_the_engine_cannot_hand_out(engine: Engine, given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmbench_lib.deploy.ec2.platform.find_host", lambda _: Host(Devices("nvidia", (0,)), 1, "nvml"))
    said = failure(experiment(), given, engine)
    assert "GPU" in said
    assert "NVIDIA Container Toolkit" in said


def test_neuron_devices_that_are_not_there(engine: Engine, given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    made = serving.claimed_serving

    def on_neuron(*words: Any, **more: Any) -> serving.Serving:
        found = made(*words, **more)
        return serving.Serving(tuple(replace(one, devices=Devices("neuron", (0,))) for one in found.copies))

    monkeypatch.setattr("fmbench_lib.deploy.ec2.platform.claimed_serving", on_neuron)
    assert failure(experiment(), given, engine).startswith("device /dev/neuron0 is not on this machine; install")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def test_a_port_that_is_taken(engine: Engine, given: Given, taken_port: int) -> None:
    said = failure(experiment(ep_name=f"http://127.0.0.1:{taken_port}/v1/chat/completions"), given, engine)
    assert said.startswith(f"port {taken_port} is taken")


def test_a_port_that_is_taken_in_the_last_moment(
    engine: Engine, given: Given, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "claim_ports", lambda *given: [taken_port])
    assert failure(experiment(), given, engine).startswith("the port is in use: stop the process that listens on it")


def test_another_container_of_the_same_name_is_left_alone(engine: Engine, given: Given) -> None:
    name = "fmbench-20260101-000000Z-small-1"
    engine.run("create", "--name", name, LLAMA)
    said = failure(experiment(), given, engine)
    assert said.startswith("another container has this name: remove it")
    engine.run("rm", name)


def test_a_container_that_ends_is_seen_at_once_with_its_last_words(
    engine: Engine, given: Given, tmp_path: Path
) -> None:
    said = failure(experiment(options="--no-such-option"), given, engine)
    assert "ended with code 2; its log ends: " in said
    assert "unrecognized arguments: --no-such-option" in said
    assert "--no-such-option" in (tmp_path / "logs" / "fmbench-20260101-000000Z-small-1.log").read_text()


def test_a_server_that_never_becomes_ready(engine: Engine, given: Given) -> None:
    only_inside = "--host 127.0.0.1"  # never reachable from outside the container, however soon the model is loaded
    said = failure(experiment(options=only_inside, ec2={"model_loading_timeout": 1}), given, engine)
    assert "was not ready within 1 s (model_loading_timeout): /health: " in said
    assert "; its log ends: " in said


def test_an_interrupted_deployment_stands_as_recorded_and_can_be_removed(engine: Engine, given: Given) -> None:
    context, notes = given

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EC2.deploy(experiment(inference_spec={"model_copies": 2}), replace(context, pause=interrupt))
    assert engine.containers() == sorted(one["name"] for one in notes.recorded[-1].resources)
    read_again = Endpoint.from_dict(json.loads(json.dumps(notes.recorded[-1].to_dict())))
    assert EC2.delete(read_again).status == "deleted"
    assert engine.containers() == []


def test_experiments_side_by_side_have_ports_of_their_own(engine: Engine, given: Given) -> None:
    port = free_port()
    first, second = experiment(), experiment(ep_name=f"http://127.0.0.1:{port}/v1/chat/completions")
    needs: Callable[[Experiment], frozenset[str]] = EC2.needs  # type: ignore[attr-defined]
    assert (needs(first), needs(second)) == (frozenset(), {f"port {port}"})


@pytest.mark.parametrize("listen_address", ["127.0.0.2", "0.0.0.0"])
def test_a_server_that_lets_other_machines_in_answers_there_too(
    engine: Engine, given: Given, monkeypatch: pytest.MonkeyPatch, listen_address: str
) -> None:
    """127.0.0.2 is another address than the one that fmbench itself sends to."""
    monkeypatch.setattr(serving, "own_address", lambda: "127.0.0.2")
    endpoint = EC2.deploy(experiment(ec2={"listen_address": listen_address}), given[0])
    assert endpoint.urls[0].startswith("http://127.0.0.1:")
    (remote,) = endpoint.remote_urls
    assert remote.startswith("http://127.0.0.2:")
    for address in (endpoint.urls[0], remote):
        ask(address, "smollm2-135m-instruct")
    assert EC2.why_dead(endpoint) == ""
    assert EC2.delete(endpoint).deleted_at is not None
