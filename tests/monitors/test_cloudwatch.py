"""CloudWatch's figures, asked of moto as they were put there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from fmbench_lib.monitors.cloudwatch import CloudWatchError, bedrock_subject, fetch, sagemaker_subject
from fmbench_lib.monitors.level_spans import Span
from fmbench_lib.monitors.level_summary import summary_frame
from fmbench_lib.monitors.sample_table import lines_of, samples_frame
from fmbench_lib.monitors.samples import Track
from fmbench_lib.workspace import LevelKey

BEGIN = float(int(datetime.now(UTC).timestamp()) // 60 * 60 - 1800)  # CloudWatch keeps nothing that is too old
ENDPOINT = {"EndpointName": "ep", "VariantName": "AllTraffic"}


@pytest.fixture
def cloudwatch(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield boto3.client("cloudwatch", region_name="us-east-1")


def put(client: Any, namespace: str, name: str, unit: str, values: dict[int, list[float]], **where: str) -> None:
    """Values by the minute after `BEGIN` in which they came."""
    dimensions = [{"Name": key, "Value": value} for key, value in where.items()]
    data = [
        {
            "MetricName": name,
            "Dimensions": dimensions,
            "Timestamp": datetime.fromtimestamp(BEGIN + 60 * minute + second, UTC),
            "Value": value,
            "Unit": unit,
        }
        for minute, many in values.items()
        for second, value in enumerate(many)
    ]
    client.put_metric_data(Namespace=namespace, MetricData=data)


def summary(tracks: list[Track], begin: float, end: float) -> dict[str, dict[str, Any]]:
    """The figures of one level by metric and statistic."""
    span = Span(LevelKey("exp", "p", "c1"), begin, end, (begin, end))
    frame = summary_frame(lines_of(tracks, [span]), [span])
    return {f"{row['metric']} {statistic_of(row['labels'])}": row for row in frame.to_dict("records")}


def statistic_of(labels: str) -> str:
    return labels.partition('"statistic": "')[2].partition('"')[0]


def test_a_sagemaker_endpoint(cloudwatch: Any) -> None:
    put(cloudwatch, "AWS/SageMaker", "Invocations", "None", {0: [1] * 9, 1: [1] * 30, 2: [1] * 60}, **ENDPOINT)
    put(cloudwatch, "AWS/SageMaker", "Invocation5XXErrors", "None", {1: [0, 0, 1], 2: [0]}, **ENDPOINT)
    put(cloudwatch, "AWS/SageMaker", "ModelLatency", "Microseconds", {1: [2e6], 2: [1e6, 3e6]}, **ENDPOINT)
    put(cloudwatch, "AWS/SageMaker", "OverheadLatency", "Microseconds", {1: [5000]}, **ENDPOINT)
    put(cloudwatch, "/aws/sagemaker/Endpoints", "GPUUtilization", "Percent", {1: [80], 2: [380]}, **ENDPOINT)
    put(cloudwatch, "AWS/SageMaker", "Invocations", "None", {1: [1] * 500}, EndpointName="ep", VariantName="other")

    tracks = fetch(sagemaker_subject("ep", "AllTraffic", "us-east-1"), BEGIN, BEGIN + 180)
    found = summary(tracks, BEGIN + 60, BEGIN + 180)
    asked = found["invocations Sum"]
    assert (asked["total"], asked["n"], asked["unit"]) == (90, 2, "requests/s")
    assert asked["mean"] == pytest.approx(90 / 120)
    assert found["invocation_5xx_errors Sum"]["total"] == 1
    assert found["model_latency Average"]["mean"] == pytest.approx(2.0), "microseconds in seconds"
    assert found["model_latency Maximum"]["max"] == pytest.approx(3.0)
    assert found["overhead_latency Average"]["mean"] == pytest.approx(0.005)
    assert (found["gpu_utilization Average"]["max"], found["gpu_utilization Average"]["unit"]) == (380, "percent")
    assert "cpu_utilization Average" not in found, "what there is none of has no row"


def test_a_bedrock_model_with_its_own_time_to_first_token(cloudwatch: Any) -> None:
    put(cloudwatch, "AWS/Bedrock", "InvocationLatency", "Milliseconds", {0: [1500]}, ModelId="org.model-v1")
    put(cloudwatch, "AWS/Bedrock", "TimeToFirstToken", "Milliseconds", {0: [250, 350]}, ModelId="org.model-v1")
    put(cloudwatch, "AWS/Bedrock", "InvocationThrottles", "None", {0: [1, 1]}, ModelId="org.model-v1")
    put(cloudwatch, "AWS/Bedrock", "InputTokenCount", "None", {0: [600]}, ModelId="org.model-v1")
    found = summary(fetch(bedrock_subject("org.model-v1", "us-east-1"), BEGIN, BEGIN + 60), BEGIN, BEGIN + 60)
    assert found["server_latency Average"]["mean"] == pytest.approx(1.5)
    assert found["server_ttft Average"]["mean"] == pytest.approx(0.3)
    assert found["throttles Sum"]["total"] == 2
    assert (found["prompt_tokens Sum"]["mean"], found["prompt_tokens Sum"]["unit"]) == (10, "tokens/s")


def test_a_minute_stands_at_its_middle(cloudwatch: Any) -> None:
    put(cloudwatch, "/aws/sagemaker/Endpoints", "CPUUtilization", "Percent", {1: [55]}, **ENDPOINT)
    tracks = fetch(sagemaker_subject("ep", "AllTraffic", "us-east-1"), BEGIN, BEGIN + 120)
    frame = samples_frame([("exp", line) for line in lines_of(tracks, [])])
    assert set(frame["time"]) == {BEGIN + 90}
    assert summary(tracks, BEGIN + 100, BEGIN + 120) == {}, "a level of a part of it has no figure"


def test_a_refusal_is_one_line(monkeypatch: pytest.MonkeyPatch, aws_environment: None) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    with pytest.raises(CloudWatchError, match=r"CloudWatch: .* cannot be reached"):
        fetch(sagemaker_subject("ep", "v", "us-east-1"), BEGIN, BEGIN + 60)
