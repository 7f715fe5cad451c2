"""Experiments and contexts as the steps would hand them to a platform, and the embedded model's server."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import DeployContext, Endpoint, platform
from fmbench_lib.deploy import waiting as aws_waiting
from fmbench_lib.deploy.eks import api as eks_calls
from fmbench_lib.errors import EndpointError
from fmbench_lib.models.embedded import EMBEDDED_MODEL
from tests.deploy.aws_stand_in import StandIn, stand_in
from tests.deploy.cluster_objects import DEPLOYMENT, SERVICE
from tests.deploy.cluster_stand_in import ClusterStandIn, cluster_stand_in, kubeconfig

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/distinctiveSECRETKEY"


def ask(url: str, model: str | None) -> None:
    """A request of two tokens, as a probe makes it."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
        connection.request("POST", parts.path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = json.loads(answer.read())
    except OSError as error:
        raise EndpointError(f"{url} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200 or content["model"] != model:
        raise EndpointError(f"{url}: HTTP {answer.status}: {content}")


@dataclass
class Notes:
    """What a platform recorded, said and probed."""

    recorded: list[Endpoint] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


MakeContext = Callable[..., tuple[DeployContext, Notes]]
MakeExperiment = Callable[..., Experiment]


def make_context(folder: Path, probe: Callable[[str, str | None], None] = ask) -> tuple[DeployContext, Notes]:
    notes = Notes()

    def noted(url: str, model: str | None) -> None:
        notes.asked.append(url)
        probe(url, model)

    made = DeployContext("run", folder, (folder,), notes.recorded.append, notes.said.append, noted)
    return made, notes


@pytest.fixture
def context(tmp_path: Path) -> Iterator[MakeContext]:
    """Makes contexts; every endpoint recorded through one is deleted at the end of the test."""
    made: list[Notes] = []

    def make(**changes: Any) -> tuple[DeployContext, Notes]:
        given, notes = make_context(tmp_path / "logs", **changes)
        made.append(notes)
        return given, notes

    yield make
    for notes in made:
        for endpoint in notes.recorded:
            platform(endpoint.platform).delete(endpoint)


def local_experiment(**changes: Any) -> Experiment:
    settings = {"context_tokens": 256, "parallel": 2, "threads": 1, **changes.pop("local", {})}
    facts = {"name": "tiny", "platform": "local", "protocol": "openai", "deploy": True, "model_id": EMBEDDED_MODEL}
    return Experiment(**{**facts, "local": settings, **changes})


@pytest.fixture
def experiment() -> MakeExperiment:
    return local_experiment


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, Notes]]:
    """The embedded model behind two real servers, and what was recorded on the way."""
    given, notes = make_context(tmp_path_factory.mktemp("logs"))
    local = platform("local")
    endpoint = local.deploy(local_experiment(name="two copies/α", inference_spec={"model_copies": 2}), given)
    yield endpoint, notes
    local.delete(endpoint)


@pytest.fixture
def aws(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """AWS as the environment names it; waiting between checks takes no time."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIADISTINCTIVEFAKE1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(aws_waiting, "_FIRST_S", 0.001)
    monkeypatch.setattr(aws_waiting, "_LONGEST_S", 0.002)
    with stand_in() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterStandIn]:
    """A cluster as KUBECONFIG names it; waiting between checks takes no time."""
    monkeypatch.setattr(aws_waiting, "_FIRST_S", 0.001)
    monkeypatch.setattr(aws_waiting, "_LONGEST_S", 0.002)
    monkeypatch.setattr(eks_calls, "_AGAIN_S", (0.0, 0.0))
    with cluster_stand_in() as made:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "kubeconfig", made.url)))
        yield made


@pytest.fixture
def on_cluster(tmp_path: Path) -> MakeExperiment:
    """Writes a manifest of these objects and makes the experiment that deploys it."""

    def make(*objects: dict[str, Any], eks: dict[str, Any] | None = None, **changes: Any) -> Experiment:
        (tmp_path / "m.yml").write_text(yaml.safe_dump_all(objects or (DEPLOYMENT, SERVICE)))
        facts = {"name": "server on llm", "platform": "eks", "protocol": "openai", "deploy": True, "model_id": "m"}
        settings = {"manifest_dir": str(tmp_path), "manifest_file": "m.yml", **(eks or {})}
        return Experiment(**{**facts, "eks": settings, **changes})

    return make
