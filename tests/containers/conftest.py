"""A container engine with images of real servers, for the tests that run containers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.images import llama_image, nginx_image
from tests.containers.podman import Engine, NoEngineError, podman


@pytest.fixture(scope="session")
def started_engine() -> Iterator[Engine]:
    """podman with both images; one for all tests of a worker, since the images take seconds to make."""
    with tempfile.TemporaryDirectory(prefix="fmbench-") as folder:
        try:
            with podman(Path(folder) / "p") as engine:
                llama_image(engine.command)
                nginx_image(engine.command)
                yield engine
        except NoEngineError as error:
            pytest.skip(str(error))


@pytest.fixture
def engine(started_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine that DOCKER_HOST names; a test leaves no container behind, also where it fails."""
    monkeypatch.setenv("DOCKER_HOST", started_engine.address)
    yield started_engine
    left = started_engine.containers()
    if left:
        started_engine.run("rm", "--all", "--force", "--time=0")
    assert not left
