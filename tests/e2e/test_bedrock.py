"""A whole run on Bedrock: throughput bought, measured by an emulated runtime, and given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.emulator.wires.aws_signature import ACCESS_KEY, SECRET_KEY
from tests.deploy.aws_stand_in import StandIn, stand_in
from tests.e2e.conftest import Finished

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"


@pytest.fixture
def control_plane(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with stand_in() as made, launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.005))) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", emulator.base_url)
        yield made


@pytest.mark.thorough
def test_throughput_is_bought_measured_and_given_back_beside_a_model_that_is_not_there(
    fmbench: Callable[..., Finished], write_config: Callable[..., Path], control_plane: StandIn
) -> None:
    on_bedrock = {"platform": "bedrock", "model_id": CLAUDE}
    config = write_config(
        [
            {"name": "bought", **on_bedrock, "deploy": True, "bedrock": {"model_units": 2}},
            {"name": "unknown", **on_bedrock, "model_id": "anthropic.claude-9"},
        ],
        pricing={"test-machine": 44},
    )
    done = fmbench("--config-file", config)
    assert done.code == 1, done.out + done.err
    made = done.read("endpoints.json")
    assert "Bedrock has no model anthropic.claude-9 in us-east-1" in made["unknown"]["error"]
    assert (made["bought"]["status"], made["bought"]["owned"]) == ("deleted", True)
    assert control_plane.names() == {}
    (given,) = control_plane.asked("CreateProvisionedModelThroughput")
    assert given["modelUnits"] == 2
    summary = pd.read_csv(done.run / "metrics" / "all_metrics_summary.csv")
    assert list(summary["experiment_name"].unique()) == ["bought"]
    assert (summary["errors"] == 0).all()
    assert (summary["instance_count"] == 2).all()
    # Two units at 44 USD an hour, whatever the tokens.
    expected = 44 * 2 / 60 / summary["transactions_per_minute"]
    assert summary["price_per_txn"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-5)
    everything = b"".join(path.read_bytes() for path in done.run.rglob("*") if path.is_file())
    assert SECRET_KEY.encode() not in everything + done.out.encode() + done.err.encode()
