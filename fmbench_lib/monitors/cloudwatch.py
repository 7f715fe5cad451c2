"""CloudWatch's figures of SageMaker endpoints and Bedrock models, fetched afterwards because they arrive minutes late.

CloudWatch reports whole minutes. A value is placed at the middle of its minute (label `period_s`); counts are given per
second. Times are CloudWatch's, that is the wall clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fmbench_lib.aws.calls import translated
from fmbench_lib.aws.session import BRIEF, client
from fmbench_lib.errors import FmbenchError
from fmbench_lib.monitors.samples import Point, Series, Track

PERIOD_S = 60
_MOST_QUERIES = 500


class CloudWatchError(FmbenchError):
    """CloudWatch could not be queried; the report does without it."""


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    ours: str
    unit: str
    statistics: tuple[str, ...]
    scale: float = 1.0
    namespace: str = ""


_MEAN, _SUM = ("Average", "Maximum"), ("Sum",)
_INSTANCES = "/aws/sagemaker/Endpoints"

_SAGEMAKER = (
    _Metric("Invocations", "invocations", "requests", _SUM),
    _Metric("Invocation4XXErrors", "invocation_4xx_errors", "requests", _SUM),
    _Metric("Invocation5XXErrors", "invocation_5xx_errors", "requests", _SUM),
    _Metric("ModelLatency", "model_latency", "s", _MEAN, 1e-6),
    _Metric("OverheadLatency", "overhead_latency", "s", _MEAN, 1e-6),
    _Metric("CPUUtilization", "cpu_utilization", "percent", _MEAN, 1.0, _INSTANCES),
    _Metric("MemoryUtilization", "memory_utilization", "percent", _MEAN, 1.0, _INSTANCES),
    _Metric("DiskUtilization", "disk_utilization", "percent", _MEAN, 1.0, _INSTANCES),
    _Metric("GPUUtilization", "gpu_utilization", "percent", _MEAN, 1.0, _INSTANCES),
    _Metric("GPUMemoryUtilization", "gpu_memory_utilization", "percent", _MEAN, 1.0, _INSTANCES),
)
"""Utilisation is summed over the cores or GPUs of an instance: four GPUs reach 400 percent."""

_BEDROCK = (
    _Metric("Invocations", "invocations", "requests", _SUM),
    _Metric("InvocationClientErrors", "invocation_4xx_errors", "requests", _SUM),
    _Metric("InvocationServerErrors", "invocation_5xx_errors", "requests", _SUM),
    _Metric("InvocationThrottles", "throttles", "requests", _SUM),
    _Metric("InvocationLatency", "server_latency", "s", _MEAN, 1e-3),
    _Metric("TimeToFirstToken", "server_ttft", "s", _MEAN, 1e-3),
    _Metric("InputTokenCount", "prompt_tokens", "tokens", _SUM),
    _Metric("OutputTokenCount", "generation_tokens", "tokens", _SUM),
)
"""These cover all requests of the account to the model in the region, whoever sent them."""

_METRICS = {"sagemaker": _SAGEMAKER, "bedrock": _BEDROCK}
_NAMESPACES = {"sagemaker": "AWS/SageMaker", "bedrock": "AWS/Bedrock"}


@dataclass(frozen=True, slots=True)
class Subject:
    """What to query CloudWatch about; `service` is `sagemaker` or `bedrock`."""

    service: str
    region: str
    dimensions: Mapping[str, str]


def sagemaker_subject(endpoint_name: str, variant: str, region: str) -> Subject:
    """The subject for a variant of a SageMaker endpoint."""
    return Subject("sagemaker", region, {"EndpointName": endpoint_name, "VariantName": variant})


def bedrock_subject(model: str, region: str) -> Subject:
    """The subject for a model, inference profile or provisioned throughput, by the id or ARN that is called."""
    return Subject("bedrock", region, {"ModelId": model})


def fetch(subject: Subject, start: float, end: float) -> list[Track]:
    """All of CloudWatch's metrics between two Unix times, by whole minutes. Raises CloudWatchError."""
    first = start - start % PERIOD_S
    begin, until = (datetime.fromtimestamp(at, UTC) for at in (first, end + PERIOD_S))
    queries = {f"q{index}": query for index, query in enumerate(_queries(subject))}
    requested = [_query(key, metric, statistic, subject) for key, (metric, statistic) in queries.items()]
    assert len(requested) <= _MOST_QUERIES
    points: dict[str, list[Point]] = {key: [] for key in queries}
    with translated("CloudWatch", CloudWatchError):
        api = client("cloudwatch", subject.region, patience=BRIEF)
        pages = api.get_paginator("get_metric_data").paginate(
            MetricDataQueries=requested, StartTime=begin, EndTime=until, ScanBy="TimestampAscending"
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                metric, statistic = queries[result["Id"]]
                points[result["Id"]] += _points(result, metric, statistic)
    return [Track(_series(*queries[key], subject), found) for key, found in points.items() if found]


def _queries(subject: Subject) -> Iterator[tuple[_Metric, str]]:
    for metric in _METRICS[subject.service]:
        for statistic in metric.statistics:
            yield metric, statistic


def _query(key: str, metric: _Metric, statistic: str, subject: Subject) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in subject.dimensions.items()]
    namespace = metric.namespace or _NAMESPACES[subject.service]
    named = {"Namespace": namespace, "MetricName": metric.name, "Dimensions": dimensions}
    return {"Id": key, "MetricStat": {"Metric": named, "Period": PERIOD_S, "Stat": statistic}, "ReturnData": True}


def _points(result: Mapping[str, Any], metric: _Metric, statistic: str) -> Iterator[Point]:
    scale = metric.scale / PERIOD_S if statistic == "Sum" else metric.scale
    pairs: Sequence[tuple[datetime, float]] = sorted(zip(result["Timestamps"], result["Values"], strict=True))
    for at, value in pairs:
        yield Point(at.timestamp() + PERIOD_S / 2, None, value * scale)


def _series(metric: _Metric, statistic: str, subject: Subject) -> Series:
    labels = {"name": metric.name, "statistic": statistic, "period_s": str(PERIOD_S), **subject.dimensions}
    kind = "rate" if statistic == "Sum" else "gauge"
    return Series("cloudwatch", metric.ours, kind, metric.unit, tuple(sorted(labels.items())))  # type: ignore[arg-type]
