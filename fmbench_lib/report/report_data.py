"""The data of a report, as plain values that the caller provides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from fmbench_lib.metrics.decision.decision import Decision
from fmbench_lib.metrics.drawn_requests import KeptRanks
from fmbench_lib.metrics.imported_level import ImportedLevel
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.request_timelines import Timeline
from fmbench_lib.pricing.price_list import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Where the numbers come from.

    `run_dir`: the run's directory, as commands name it · `written_at`, `started_at`, `ended_at`: Unix seconds · `host`,
    `versions`: facts about the machine and the software by name · `config_file`: its name as given · `config_copy`: the
    resolved copy, beside the report · `evaluations`: the evaluation file of the config, None without one ·
    `steps_failed`: steps that failed, each with its reason · `calibration`: the record of the client's calibration in
    `run.json`; None without one.
    """

    run_id: str
    run_dir: str = "RUN_DIR"
    name: str
    model_name: str
    fmbench_version: str
    written_at: float
    seed: int
    config_hash: str
    config_file: str
    config_copy: str = "config.yml"
    started_at: float | None = None
    ended_at: float | None = None
    host: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    source_data_files: Sequence[str] = ()
    evaluations: str | None = None
    steps_failed: Mapping[str, str] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class FailedDeployment:
    """An experiment that could not be deployed, or whose endpoint did not answer, with the reason."""

    experiment_name: str
    instance_type: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class FailedLevel:
    """A level whose measurement failed, so that it has no records, with the error."""

    experiment_name: str
    payload_file: str
    load: str
    error: str


@dataclass(frozen=True, slots=True)
class StandingEndpoint:
    """An endpoint of this run that is still running. `hourly`: USD, None if unknown; `command` deletes it."""

    experiment_name: str
    platform: str
    instance_type: str | None
    where: str
    command: str
    hourly: float | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """The result of a search for the greatest load. Loads are requests in flight, or requests per second.

    `find`: `max_concurrency` or `max_request_rate` · `subject_to`: limits by column · `found`: the greatest load that
    is shown to meet them, `confirmed`: in more than one level · `missed`: the least load above it that did not ·
    `low`, `high`: the 90% range of the greatest load that meets them; each is None if unknown · `ended`: `decided`, or
    what bounded the search: `most`, `client`, `levels`, `nothing`; None while it goes on · `levels`, `loads`, `met`:
    the levels in the order tried, by name and by load, and whether they met the limits; None where the client spoilt
    it.
    """

    experiment_name: str
    payload_file: str
    find: str
    subject_to: Mapping[str, float]
    found: float | None
    confirmed: bool
    missed: float | None
    low: float | None
    high: float | None
    ended: str | None
    levels: Sequence[str]
    loads: Sequence[float]
    met: Sequence[bool | None]

    def at(self, load: float | None) -> tuple[str, ...]:
        """The names of the levels at this load, in the order tried."""
        return tuple(name for name, each in zip(self.levels, self.loads, strict=True) if each == load)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointMetrics:
    """The metrics of the endpoints' machines and servers.

    `samples`, `summary`: the frames of `endpoint_metrics.csv` and `endpoint_metrics_summarized.csv` · `ttft`: TTFT by
    client and server, a row for each level whose server publishes its own · `no_ttft`: why the others have none, by
    experiment · `notes`: pairs of an experiment and a note of its monitor · `interval`: seconds between samples, None
    if monitors are switched off.
    """

    samples: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    ttft: pd.DataFrame = field(default_factory=pd.DataFrame)
    no_ttft: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[tuple[str, str]] = ()
    interval: float | None = None


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """The options of the report in the config's `report` section; None takes the default."""

    title: str | None = None
    transactions: int = 10_000
    tokens_title: str | None = None
    tokens_y_ticks: Sequence[float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInputs:
    """The frames of `fmbench_lib.metrics`, the decision, and the facts of the run.

    `summary`: `tables.summary_frame` · `repeated`: `repeated_levels.repeated_frame` · `requests`:
    `request_table.requests_frame`, all rows or those that are drawn of the levels in `distributions`, which has the
    ranks of all by `level_of` · `recommendations`: `recommend.recommendations` · `costs`: `costs.experiment_costs`
    · `prices`: the prices of the levels' instance types · `endpoint`: the samples of the machines · `objectives`: those
    of single requests · `notices`: remarks on config, data and prices, one line each · `config_yaml`: the resolved
    config without its secrets · `evaluation`: the tables of the evaluation by file name · `quality`:
    `quality_and_cost.trade_frame` · `texts`, `retrieval`: those of `text_levels` · `timelines`: those of
    `request_timelines` · `figures`: the folder of the pictures as the report links it · `imported`: the levels that
    other tools measured, with their files, `imported_figures`: `imported_row.figures_frame` · `disagreements`: the page
    of answers on which judges disagree, as the report links it, None without one.
    """

    run: RunFacts
    summary: pd.DataFrame
    requests: pd.DataFrame
    decision: Decision
    recommendations: pd.DataFrame
    costs: pd.DataFrame
    repeated: pd.DataFrame = field(default_factory=pd.DataFrame)
    prices: Sequence[Price] = ()
    failed_deployments: Sequence[FailedDeployment] = ()
    failed_levels: Sequence[FailedLevel] = ()
    standing: Sequence[StandingEndpoint] = ()
    searches: Sequence[Searched] = ()
    endpoint: EndpointMetrics = field(default_factory=EndpointMetrics)
    notices: Sequence[str] = ()
    config_yaml: str = ""
    objectives: Objectives = field(default_factory=Objectives)
    options: ReportOptions = field(default_factory=ReportOptions)
    evaluation: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    quality: pd.DataFrame = field(default_factory=pd.DataFrame)
    texts: pd.DataFrame = field(default_factory=pd.DataFrame)
    retrieval: pd.DataFrame = field(default_factory=pd.DataFrame)
    imported: Sequence[ImportedLevel] = ()
    imported_figures: pd.DataFrame = field(default_factory=pd.DataFrame)
    timelines: Sequence[Timeline] = ()
    distributions: Mapping[tuple[str, str, str], Mapping[str, KeptRanks]] = field(default_factory=dict)
    figures: str = "figures"
    disagreements: str | None = None

    def evaluated(self, name: str) -> pd.DataFrame:
        """A table of the evaluation by file name, empty where there is none."""
        return self.evaluation.get(name, pd.DataFrame())
