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
def ask_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    """What the embedded model's own server answers to a POST of a JSON object."""
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
    parts = urlsplit(endpoint.urls[0])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def ask(path: str, body: dict[str, Any]) -> Any:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())

    yield ask
    connection.close()
    platform("local").delete(endpoint)
