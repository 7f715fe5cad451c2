"""A run sent to a collector of OpenTelemetry and to MLflow: what arrives is what the summary says, and no more."""

from __future__ import annotations

import gzip
import math
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from fmbench_lib.cli.commands import main
from fmbench_lib.report.exports.level_gauges import gauge_figures


class Collector:
    """A stand-in for a collector: keeps each request's path, headers and body, and answers with `status`."""

    def __init__(self, status: int = 200) -> None:
        collected: list[tuple[str, dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                packed = self.headers.get("content-encoding") == "gzip"
                collected.append(
                    (
                        self.path,
                        {name.lower(): value for name, value in self.headers.items()},
                        gzip.decompress(body) if packed else body,
                    )
                )
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self.collected = collected
        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.close()


def points(collector: Collector) -> dict[str, Metric]:
    """The metrics of the one request that arrived, by name."""
    [(_, _, body)] = collector.collected
    [resource] = ExportMetricsServiceRequest.FromString(body).resource_metrics
    [scope] = resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def test_a_collector_gets_every_figure_of_every_level(
    run_dir: Path, summary: dict[str, Any], collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run_dir), "--to", "otel", "--endpoint", collector.url]) == 0
    [(path, headers, body)] = collector.collected
    assert (path, headers["content-type"]) == ("/v1/metrics", "application/x-protobuf")
    metrics = points(collector)
    figures = list(gauge_figures(summary))
    assert sum(len(metric.gauge.data_points) for metric in metrics.values()) == len(figures)
    assert f"{len(figures)} figures of 2 levels sent to {collector.url}/v1/metrics" in capsys.readouterr().out
    latency, price = metrics["fmbench.latency"], metrics.get("fmbench.price_per_10k_transactions")
    assert latency.unit == "s"
    known = {
        (row["experiment_name"], statistic): row[f"latency_{statistic}"]
        for row in summary["levels"]
        for statistic in ("mean", "p50", "p90", "p95", "p99")
        if row[f"latency_{statistic}"] is not None
    }
    got = {}
    for point in latency.gauge.data_points:
        told = {one.key: one.value.string_value for one in point.attributes}
        got[told["experiment"], told["statistic"]] = point.as_double
        assert told["verdict"] in ("valid", "degraded", "invalid")
    assert got == known
    priced = [row["price_per_10k_txn"] for row in summary["levels"] if row["price_per_10k_txn"] is not None]
    assert [point.as_double for point in price.gauge.data_points] == priced if price else priced == []
    [resource] = ExportMetricsServiceRequest.FromString(body).resource_metrics
    about = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert about["service.name"] == "fmbench"
    assert about["fmbench.run_id"] == summary["run"]["run_id"]


def test_the_environment_names_the_collector_and_its_headers(
    run_dir: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=serving")
    assert main(["export", str(run_dir), "--to", "otel"]) == 0
    [(path, headers, _)] = collector.collected
    assert (path, headers["x-team"]) == ("/v1/metrics", "serving")


def test_a_collector_that_refuses_is_one_line(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refusing = Collector(400)
    try:
        assert main(["export", str(run_dir), "--to", "otel", "--endpoint", f"{refusing.url}/v1/metrics"]) != 0
    finally:
        refusing.close()
    said = capsys.readouterr().err.strip()
    assert f"{refusing.url}/v1/metrics did not accept the metrics" in said
    assert "400" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "otel", "--endpoint", "collector:4318"], "write the address of a collector, http://localhost:4318"),
        (["--endpoint", "http://h"], "--endpoint is for --to otel"),
        (["--to", "otel", "--tracking-uri", "x"], "--tracking-uri is for --to mlflow"),
        (["--to", "otel", "--into", "x"], "keep one of the two"),
        (["--to", "mlflow"], "write --tracking-uri, or set MLFLOW_TRACKING_URI"),
        (["--to", "otle"], "otel"),
        (["--into", ""], "--into '': name a file"),
        (["--into", "."], "--into .: name a file"),
    ],
)
def test_a_mistake_is_a_line(
    run_dir: Path,
    options: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    try:
        code = main(["export", str(run_dir), *options])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 2
    assert words in capsys.readouterr().err


def test_mlflow_gets_a_run_with_the_files_and_one_for_each_level(
    run_dir: Path, summary: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A local store of files, read back without MLflow's client."""
    store = tmp_path / "mlruns"
    given = ["--to", "mlflow", "--tracking-uri", store.as_uri(), "--experiment", "serving"]
    assert main(["export", str(run_dir), *given]) == 0
    assert f"a run with 2 levels made in experiment serving at {store.as_uri()}" in capsys.readouterr().out
    [home] = [path.parent for path in store.glob("*/meta.yaml") if "name: serving" in path.read_text()]
    runs = [path.parent for path in home.glob("*/meta.yaml")]
    parents = [run for run in runs if not (run / "tags" / "mlflow.parentRunId").exists()]
    [parent] = parents
    assert (parent / "tags" / "fmbench.run_id").read_text() == summary["run"]["run_id"]
    assert (parent / "artifacts" / "report.md").read_bytes() == (run_dir / "report.md").read_bytes()
    assert (parent / "artifacts" / "metrics" / "all_metrics_summary.csv").is_file()
    children = {(run / "params" / "experiment_name").read_text(): run for run in runs if run not in parents}
    assert set(children) == {row["experiment_name"] for row in summary["levels"]}
    for row in summary["levels"]:
        child = children[row["experiment_name"]]
        assert (child / "tags" / "mlflow.parentRunId").read_text() == parent.name
        assert (child / "tags" / "fmbench.verdict").read_text() == row["verdict"]
        logged = {path.name: float(path.read_text().split()[1]) for path in (child / "metrics").iterdir()}
        for name in ("latency_p95", "TTFT_p50", "transactions_per_minute", "price_per_10k_txn", "joules_per_txn"):
            assert logged.get(name) == row[name], name
        assert not any(map(math.isnan, logged.values()))


def test_a_store_that_does_not_answer_is_one_line(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refusing = Collector(403)
    try:
        assert main(["export", str(run_dir), "--to", "mlflow", "--tracking-uri", refusing.url]) != 0
    finally:
        refusing.close()
    said = capsys.readouterr().err.strip()
    assert f"MLflow at {refusing.url}" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("receiver", "module", "extra"),
    [
        ("otel", "opentelemetry.exporter.otlp.proto.http.metric_exporter", "fmbench-lib[opentelemetry]"),
        ("mlflow", "mlflow", "fmbench-lib[mlflow]"),
    ],
)
def test_without_its_package_the_extra_is_named(
    run_dir: Path,
    receiver: str,
    module: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["export", str(run_dir), "--to", receiver]) == 2
    assert f"pip install '{extra}'" in capsys.readouterr().err
