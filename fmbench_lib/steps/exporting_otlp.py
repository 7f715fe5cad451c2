"""An analysed run as OpenTelemetry metrics, sent to a collector by OTLP over HTTP."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fmbench_lib.errors import EndpointError, InputError
from fmbench_lib.report.exports.level_gauges import GaugeFigure, gauge_figures

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

_PATH = "/v1/metrics"
_PATIENCE_S = 10.0
_UNKNOWN = 0
"""The start of a gauge's time, which it has none of."""
_ATTEMPT = re.compile(r"Transient error (?P<why>.+) encountered while exporting")
_OF_THE_SYSTEM = re.compile(r"\[Errno -?\d+\] (?P<why>[^\"\')]+)")
_EXTRA = "OpenTelemetry metrics need its exporter: pip install 'fmbench-lib[opentelemetry]'"


def send_to_collector(summary: Mapping[str, Any], endpoint: str | None) -> str:
    """Send every figure of every level as a gauge; returns what was sent where, in words.

    `endpoint` is the collector's address, with or without `/v1/metrics`; None takes that of `OTEL_EXPORTER_OTLP_…` in
    the environment, whose headers are sent too. Raises InputError without the package, EndpointError if the collector
    does not accept it.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import MetricExportResult
    except ImportError as error:
        raise InputError(_EXTRA) from error
    figures = list(gauge_figures(summary))
    exporter = OTLPMetricExporter(endpoint=_address(endpoint), timeout=_PATIENCE_S)
    address = exporter._endpoint
    with _said_by("opentelemetry") as said:
        result = exporter.export(metrics_of(figures, summary), timeout_millis=1000 * _PATIENCE_S)
        exporter.shutdown()
    if result is not MetricExportResult.SUCCESS:
        raise EndpointError(f"{address} did not accept the metrics{_reason(said)}")
    return f"{len(figures)} figures of {len(summary['levels'])} levels sent to {address}"


def metrics_of(figures: list[GaugeFigure], summary: Mapping[str, Any]) -> MetricsData:
    """The figures as OpenTelemetry's data: a gauge for each name, a point for each level and statistic."""
    from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    by_name: dict[str, list[GaugeFigure]] = {}
    for figure in figures:
        by_name.setdefault(figure.name, []).append(figure)
    metrics = [
        Metric(name, same[0].meaning, same[0].unit, Gauge([_point(figure) for figure in same]))
        for name, same in by_name.items()
    ]
    run = summary["run"]
    scope = InstrumentationScope("fmbench", str(run.get("fmbench_version") or ""))
    facts = {"service.name": "fmbench", "fmbench.run_id": run.get("run_id"), "fmbench.run_name": run.get("name")}
    resource = Resource({name: str(value) for name, value in facts.items() if value})
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, metrics, "")], "")])


def _reason(said: Sequence[str]) -> str:
    """Why the exporter gave up: its last attempt, which it names before it says that it gave up."""
    attempts = [found["why"] for line in said if (found := _ATTEMPT.search(line))]
    last = attempts[-1] if attempts else "".join(said[-1:])
    known = _OF_THE_SYSTEM.search(last)
    return f": {known['why'] if known else last}" if last else ""


def _point(figure: GaugeFigure) -> Any:
    from opentelemetry.sdk.metrics.export import NumberDataPoint

    at = time.time() if figure.at is None else figure.at
    return NumberDataPoint(dict(figure.labels), _UNKNOWN, int(1e9 * at), figure.value)


def _address(endpoint: str | None) -> str | None:
    if endpoint is None:
        return None
    if not endpoint.startswith(("http://", "https://")):
        raise InputError(f"--endpoint {endpoint}: write the address of a collector, http://localhost:4318")
    return endpoint if endpoint.rstrip("/").endswith(_PATH) else endpoint.rstrip("/") + _PATH


@contextmanager
def _said_by(logger_name: str) -> Iterator[list[str]]:
    """What a library logs meanwhile, in place of its own output."""
    said: list[str] = []

    class _Collected(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(" ".join(record.getMessage().split()))

    logger, handler = logging.getLogger(logger_name), _Collected()
    kept = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = kept
