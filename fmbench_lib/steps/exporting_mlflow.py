"""An analysed run in MLflow: a run with the files of the report, and below it a run for each level."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fmbench_lib.errors import EndpointError, InputError
from fmbench_lib.metrics.columns import Column
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.workspace import Workspace

_EXTRA = "MLflow needs its client: pip install 'fmbench-lib[mlflow]'"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is sent to anyone but the server that was named
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
_PARAMETERS = (
    *("experiment_name", "payload_file", "load", "concurrency", "request_rate", "instance_type", "instance_count"),
    *("arrival", "tokenizer", "seed", "price_terms", "energy_source"),
)
_TAGS = ("verdict", "verdict_reasons", "stop_reason")
_MOST_TEXT = 4000


def send_to_mlflow(summary: Mapping[str, Any], workspace: Workspace, tracking_uri: str | None, experiment: str) -> str:
    """Make the runs in an experiment of the tracking server or folder; returns what was made where, in words.

    `tracking_uri` None takes `MLFLOW_TRACKING_URI`. Raises InputError without the package, EndpointError if the store
    refuses.
    """
    with _quiet():
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise InputError(_EXTRA) from error
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            raise InputError("--to mlflow: write --tracking-uri, or set MLFLOW_TRACKING_URI: http://localhost:5000")
        try:
            client = MlflowClient(tracking_uri=uri)
            found = client.get_experiment_by_name(experiment)
            home = found.experiment_id if found is not None else client.create_experiment(experiment)
            _make_runs(client, home, summary, workspace)
        except (MlflowException, OSError) as error:
            raise EndpointError(f"MLflow at {uri}: {' '.join(str(error).split())[:500]}") from error
    return f"a run with {len(summary['levels'])} levels made in experiment {experiment} at {uri}"


def _make_runs(client: Any, home: str, summary: Mapping[str, Any], workspace: Workspace) -> None:
    run, decision = summary["run"], summary["decision"]
    tags = {
        "fmbench.run_id": run["run_id"],
        "fmbench.version": run["fmbench_version"],
        "mlflow.note.content": decision["text"],
    }
    begun, ended = _ms(run.get("started_at")), _ms(run.get("ended_at"))
    parent = client.create_run(home, begun, _texts(tags), f"{run['name']} {run['run_id']}").info.run_id
    facts = {"name": run["name"], "model": run["model_name"], "seed": run["seed"], "config_hash": run["config_hash"]}
    _log(client, parent, facts, decision.get("winner") or {}, begun or _now())
    for path in _artifacts(workspace):
        client.log_artifact(parent, str(path), path.parent.name if path.parent != workspace.path else None)
    for row in summary["levels"]:
        _make_level(client, home, parent, row)
    client.set_terminated(parent, "FINISHED", ended)


def _make_level(client: Any, home: str, parent: str, row: Row) -> None:
    """The run of one level: what it was as parameters, its figures as metrics, at the end of its window."""
    ended = _ms(number(row, "window_end"))
    name = " · ".join(str(row.get(part)) for part in ("experiment_name", "payload_file", "load"))
    tags = {"mlflow.parentRunId": parent, **{f"fmbench.{tag}": row.get(tag) for tag in _TAGS}}
    child = client.create_run(home, _ms(number(row, "window_start")), _texts(tags), name).info.run_id
    _log(client, child, {name: row.get(name) for name in _PARAMETERS}, row, ended or _now())
    failed = row.get("verdict") == "invalid"
    client.set_terminated(child, "FAILED" if failed else "FINISHED", ended)


def _log(client: Any, run_id: str, parameters: Mapping[str, Any], row: Row, at: int) -> None:
    from mlflow.entities import Metric, Param

    params = [Param(name, value) for name, value in _texts(parameters).items()]
    metrics = [Metric(column.name, value, at, 0) for column in SUMMARY if (value := _figure(row, column)) is not None]
    client.log_batch(run_id, metrics=metrics, params=params)


def _figure(row: Row, column: Column) -> float | None:
    """A figure of a level; None for what is no number, a moment, or missing, which has no metric, as 0 would be one."""
    return number(row, column.name) if column.kind in ("number", "whole number") else None


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """The values that are known as texts."""
    return {name: str(value)[:_MOST_TEXT] for name, value in values.items() if value is not None and str(value)}


def _artifacts(workspace: Workspace) -> list[Any]:
    """The files of the report that are there."""
    named = (workspace.summary_file, workspace.report_file, workspace.page_file, workspace.config_copy)
    tables = sorted(workspace.metrics("x").parent.glob("*.csv"))
    return [path for path in (*named, *tables) if path.is_file()]


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(1000 * seconds)


def _now() -> int:
    return int(1000 * time.time())


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow's client as a part of a command line: no telemetry, no warnings of its own, and an end to its patience."""
    kept = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update({name: value for name, value in _ENVIRONMENT.items() if kept[name] is None})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
