"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.bucket_stand_in import StandIn

# The same examples in every run: a failure that is found once is found again. How long they take says something of the
# machine alone.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def state_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What runs record outside their directories is recorded in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of AWS in the environment, in files or on the network, whatever machine this is."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws_process_credentials(aws_environment: None, tmp_path: Path) -> Path:
    """A profile whose credentials are what a process prints: the content of this file, which is not there yet."""
    answer = tmp_path / "credentials.json"
    (tmp_path / "aws-config").write_text(f"[default]\ncredential_process = cat {answer}\n")
    return answer


@pytest.fixture(scope="module")
def moto() -> Iterator[StandIn]:
    """moto's server for S3."""
    from tests.bucket_stand_in import stand_in

    with stand_in() as made:
        yield made
