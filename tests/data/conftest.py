"""What several tests of data share."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from fmbench_lib.config import Experiment, LocalSection
from fmbench_lib.deploy import DeployContext, platform
from fmbench_lib.models.embedded import EMBEDDED_MODEL


@pytest.fixture(scope="module")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the embedded model's own server."""
    ignored = lambda *_: None  # noqa: E731
    context = DeployContext("run", tmp_path_factory.mktemp("logs"), (), ignored, ignored, ignored)
    experiment = Experiment(
        name="tokens",
        platform="local",
        protocol="openai",
        deploy=True,
        model_id=EMBEDDED_MODEL,
        local=LocalSection(context_tokens=64, parallel=1, threads=1, options={"warmup": False}),
    )
    endpoint = platform("local").deploy(experiment, context)
    yield endpoint.urls[0]
    platform("local").delete(endpoint)


@pytest.fixture(scope="module")
def ask_server(embedded_server: str) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    """What that server answers to a POST of a JSON object."""
    parts = urlsplit(embedded_server)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def ask(path: str, body: dict[str, Any]) -> Any:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())

    yield ask
    connection.close()
