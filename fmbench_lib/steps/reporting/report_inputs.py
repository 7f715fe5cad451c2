"""The inputs of the report, computed from a run's records."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from fmbench_lib.config import Config, redacted
from fmbench_lib.config.budget_measures import BY_NAME
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.endpoints_file import endpoints, still_standing
from fmbench_lib.host.atomic_files import each_text
from fmbench_lib.metrics.costs import experiment_costs
from fmbench_lib.metrics.decision.budgets import Budgets, is_quality
from fmbench_lib.metrics.decision.decision import Decision, decide
from fmbench_lib.metrics.decision.recommend import recommendations
from fmbench_lib.metrics.decision.search_bounds import with_search_bounds
from fmbench_lib.metrics.imported_row import figures_frame
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.measuring_again import counting
from fmbench_lib.metrics.quality_and_cost import trade_frame
from fmbench_lib.metrics.repeated_levels import once_each, repeated_frame
from fmbench_lib.metrics.request_table import requests_frame
from fmbench_lib.metrics.text_levels import retrieval_frame, text_levels
from fmbench_lib.pricing.price_list import PriceList
from fmbench_lib.report.report_data import (
    EndpointMetrics,
    FailedDeployment,
    FailedLevel,
    ReportInputs,
    ReportOptions,
    RunFacts,
    StandingEndpoint,
)
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.judging.answer_quality import evaluation_frames, quality_budgets, with_quality
from fmbench_lib.steps.judging.evaluation_remarks import evaluation_remarks
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.measuring.endpoint_metrics import Sampled, endpoint_metrics, sampled
from fmbench_lib.steps.prompts.fitted_prompts import fit_notices
from fmbench_lib.steps.prompts.length_audit import length_notices
from fmbench_lib.steps.reporting.level_records import (
    counted_levels,
    imported_levels,
    judged_levels,
    read_levels,
    with_host,
)
from fmbench_lib.steps.run_inputs.inputs import objectives_of, outage_notices
from fmbench_lib.steps.run_inputs.levels import search_bounds, searched
from fmbench_lib.steps.run_inputs.payloads import has_payloads, payload_index, relevance_of
from fmbench_lib.steps.run_inputs.run_prices import load_prices, price_notices


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is computed from the records of a run.

    `repeated`: the levels that were measured several times, a row for each over its repeats · `eligible`: the levels
    that are decided between, each once, `rated` with the quality of their answers and what searches say of them ·
    `quality`: quality against cost and latency of those whose answers were evaluated · `texts`: those of embedding and
    rerank endpoints · `retrieval`: nDCG@10 of their rankings · `imported`: the figures that other tools printed.
    """

    levels: tuple[LevelData, ...]
    summary: pd.DataFrame
    repeated: pd.DataFrame
    eligible: pd.DataFrame
    rated: pd.DataFrame
    requests: pd.DataFrame
    quality: pd.DataFrame
    texts: pd.DataFrame
    retrieval: pd.DataFrame
    imported: pd.DataFrame
    decision: Decision
    budgets: Budgets
    prices: PriceList
    endpoint: EndpointMetrics


def _samples(run: Run, levels: Sequence[LevelData], losses: Losses) -> list[Sampled]:
    return losses.made("the samples of the endpoints", lambda: sampled(run, counted_levels(levels)), list[Sampled])


def _with_host(run: Run, read: list[LevelData], samples: Sequence[Sampled], losses: Losses) -> list[LevelData]:
    return losses.made("the load of the machines", lambda: with_host(read, samples, run.config.energy), lambda: read)


def analysis_of(run: Run, losses: Losses | None = None) -> Analysis:
    """Read the run's records and compute tables and the decision; writes nothing. What breaks down is left out."""
    losses = Losses() if losses is None else losses
    prices, budgets, objectives = load_prices(run), budgets_of(run.config), objectives_of(run.config)
    read, imported = read_levels(run, losses), imported_levels(run.workspace)
    samples = [] if imported else _samples(run, read, losses)  # none were taken while another tool measured
    if not imported:
        read = _with_host(run, read, samples, losses)
    levels, summary = judged_levels(read, prices, objectives, losses, imported)
    counted = counted_levels(levels)
    repeated = losses.made(
        "repeated_levels.csv",
        lambda: pd.DataFrame() if imported else repeated_frame(counted, counting(summary), prices, objectives),
        pd.DataFrame,
    )
    eligible = once_each(counting(summary), repeated).reset_index(drop=True)
    retrieval = losses.made(
        "retrieval_quality.csv", lambda: retrieval_frame(counted, relevance_of(run)), lambda: retrieval_frame((), {})
    )
    rated = losses.made("the quality of the answers", lambda: with_quality(run, eligible, retrieval), lambda: eligible)
    rated = with_search_bounds(rated, search_bounds(run))
    return Analysis(
        levels=levels,
        summary=summary,
        repeated=repeated,
        eligible=eligible,
        rated=rated,
        quality=losses.made("quality_and_cost.csv", lambda: trade_frame(rated), pd.DataFrame),
        texts=pd.DataFrame()
        if imported
        else losses.made("embedding_levels.csv", lambda: text_levels(counted, counting(summary)), pd.DataFrame),
        retrieval=retrieval,
        requests=losses.made("the table of requests", lambda: requests_frame(levels), lambda: requests_frame(())),
        decision=losses.made(
            "the decision",
            lambda: decide(rated, budgets, run.config.metrics.dataset_of_interest),
            lambda: _undecided(eligible, budgets),
        ),
        imported=losses.made(
            "imported_figures.csv",
            lambda: figures_frame(imported, summary if imported else summary.head(0)),
            lambda: figures_frame((), summary.head(0)),
        ),
        budgets=budgets,
        prices=prices,
        endpoint=losses.made(
            "the table of samples",
            lambda: endpoint_metrics(run, counted, samples),
            lambda: endpoint_metrics(run, (), ()),
        ),
    )


def _undecided(summary: pd.DataFrame, budgets: Budgets) -> Decision:
    """No decision, for a reason that is noted."""
    return replace(decide(summary.head(0), budgets), text="No decision: it could not be made, see the notes.")


def budgets_of(config: Config) -> Budgets:
    """The budgets of the config's `report` section."""
    limits = config.report.limits
    return Budgets(
        latency_budget=limits.pop("latency_p95", None),
        cost_per_10k_txn_budget=limits.pop("cost_per_10k_txn", None),
        error_rate_budget=limits.pop("error_rate", None),
        latency_latitude=config.report.latency_latitude,
        slo_attainment_budget=limits.pop("slo_attainment", None),
        quality=quality_budgets(config),
        budgets={BY_NAME[name].column: limit for name, limit in limits.items() if not is_quality(BY_NAME[name].column)},
    )


def report_inputs(run: Run, analysis: Analysis, losses: Losses | None = None) -> ReportInputs:
    """Everything that the report shows, from the run directory and the analysis."""
    losses = Losses() if losses is None else losses
    known = endpoints(run.workspace)
    types = {experiment.name: experiment.instance_type for experiment in run.config.experiments}
    found = [analysis.prices.lookup(name) for name in dict.fromkeys(types.values())]
    return ReportInputs(
        run=_run_facts(run),
        summary=analysis.summary,
        repeated=analysis.repeated,
        requests=analysis.requests,
        decision=analysis.decision,
        recommendations=losses.made(
            "the recommendations",
            lambda: recommendations(analysis.rated, analysis.budgets),
            lambda: recommendations(analysis.eligible.head(0), analysis.budgets),
        ),
        costs=costs_table(run, analysis),
        prices=[price for price in found if price is not None],
        failed_levels=[FailedLevel(**failure) for failure in run.workspace.failed_levels()],
        failed_deployments=[
            FailedDeployment(one.experiment_name, types.get(one.experiment_name), one.error or "unknown")
            for one in known.values()
            if one.status == "failed" or (one.error and one.in_service_at is None)
        ],
        standing=_standing(run, known, types, analysis.prices),
        searches=searched(run),
        endpoint=analysis.endpoint,
        objectives=objectives_of(run.config),
        notices=[
            *_notices(run),
            *length_notices(run, analysis.requests),
            *price_notices(run, analysis.prices),
        ],
        config_yaml=_config_yaml(run),
        options=_options(run),
        evaluation=evaluation_frames(run),
        quality=analysis.quality,
        texts=analysis.texts,
        retrieval=analysis.retrieval,
        imported=imported_levels(run.workspace),
        imported_figures=analysis.imported,
        disagreements=_name_if_there(run.workspace.disagreements),
        figures=run.workspace.figures.name,
    )


def _name_if_there(path: Path) -> str | None:
    return path.name if path.exists() else None


def costs_table(run: Run, analysis: Analysis) -> pd.DataFrame:
    """What each experiment cost, as `endpoint_per_instance_per_run_costs.csv` has it."""
    known = endpoints(run.workspace)
    served = [
        {
            **(known[one.name].to_dict() if one.name in known else {"experiment_name": one.name}),
            "whole_hours": platform_facts(one.platform).whole_hours,
        }
        for one in run.config.experiments
    ]
    return experiment_costs(analysis.summary, served, analysis.prices)


def _run_facts(run: Run) -> RunFacts:
    state = run.workspace.read_run()
    steps: Mapping[str, Any] = state["steps"]
    ended = [_ended(one) for one in steps.values()]
    return RunFacts(
        run_id=run.workspace.run_id,
        run_dir=str(run.workspace.path),
        name=run.config.general.name,
        model_name=run.config.general.model_name or run.config.general.name,
        fmbench_version=state["versions"]["fmbench"],
        written_at=time.time(),
        seed=state["seed"],
        config_hash=state["config_sha256"],
        config_file=state["config_file"],
        config_copy=run.workspace.config_copy.name,
        started_at=datetime.fromisoformat(state["created"]).timestamp(),
        ended_at=max((one for one in ended if one is not None), default=None),
        host=state["host"],
        versions=state["versions"],
        source_data_files=run.config.s3_read_data.source_data_files,
        evaluations=_evaluations(run.config) if run.config.run_evaluations else None,
        steps_failed={name: one["error"] for name, one in steps.items() if one.get("error")},
        calibration=state.get("calibration"),
    )


def _evaluations(config: Config) -> str | None:
    return config.model_evaluations or (None if config.evaluation is None else "evaluation")


def _ended(state: Mapping[str, Any]) -> float | None:
    duration = state.get("duration_s")
    return None if duration is None else datetime.fromisoformat(state["started"]).timestamp() + float(duration)


def _standing(
    run: Run, known: Mapping[str, Endpoint], types: Mapping[str, str | None], prices: PriceList
) -> list[StandingEndpoint]:
    """Endpoints that are still running, unless a cleanup step that is still to come will delete them."""
    cleanup = run.workspace.read_run()["steps"].get("5_cleanup", {"status": "to come"})
    if run.config.run_steps.get("5_cleanup", True) and cleanup["status"] in ("to come", "running"):
        return []
    standing = []
    for one in still_standing(known.values()):
        price = prices.lookup(types.get(one.experiment_name))
        standing.append(
            StandingEndpoint(
                experiment_name=one.experiment_name,
                platform=one.platform,
                instance_type=types.get(one.experiment_name),
                where=", ".join(one.urls),
                command=f"fmbench cleanup {shlex.quote(str(run.workspace.path))}",
                hourly=getattr(price, "hourly", None),
                since=one.in_service_at,
            )
        )
    return standing


def _config_yaml(run: Run) -> str:
    plain = each_text(redacted(run.config), run.redactor.in_content)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def _notices(run: Run) -> list[str]:
    notices = [run.redactor(str(notice)) for notice in run.loaded.notices] + outage_notices(run)
    notices += evaluation_remarks(run)
    if has_payloads(run):
        index = payload_index(run)
        notices += index.notices
        if index.source != "generated":
            notices.append(f"prompts were taken from {index.source}")
        missing = set().union(*(one.payload_files for one in run.config.experiments)) - set(index.counts)
        notices += fit_notices(run)
        notices += [f"payload file {name}: no filter makes it, so it was not measured" for name in sorted(missing)]
    return notices


def _options(run: Run) -> ReportOptions:
    report = run.config.report
    chart = report.latency_vs_token_len_chart
    return ReportOptions(
        title=report.title,
        transactions=report.txn_count_for_showing_cost,
        tokens_title=chart.title if chart else None,
        tokens_y_ticks=chart.y_ticks if chart else None,
    )
