"""The inputs of the report, computed from a run's records."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
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
from fmbench_lib.metrics.drawn_requests import KeptRanks
from fmbench_lib.metrics.imported_row import figures_frame
from fmbench_lib.metrics.measuring_again import counting
from fmbench_lib.metrics.quality_and_cost import trade_frame
from fmbench_lib.metrics.repeated_levels import once_each, repeated_from
from fmbench_lib.metrics.text_levels import retrieval_frame
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
from fmbench_lib.runs.fleet_record import client_facts, fleet_lines
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.judging.answer_quality import evaluation_frames, quality_budgets, with_quality
from fmbench_lib.steps.judging.evaluation_remarks import evaluation_remarks
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.measuring.endpoint_metrics import Sampled, endpoint_metrics
from fmbench_lib.steps.prompts.fitted_prompts import fit_notices
from fmbench_lib.steps.reporting.beside_levels import beside_samples, rankings, texts_of
from fmbench_lib.steps.reporting.level_figures import (
    LevelFigures,
    imported_levels_judged,
    judged_levels,
    measuring,
)
from fmbench_lib.steps.reporting.level_records import counted_levels, imported_levels, stored_levels
from fmbench_lib.steps.reporting.parallel_figures import run_figures
from fmbench_lib.steps.reporting.request_rows import DrawnRequests, request_rows
from fmbench_lib.steps.reporting.request_tables import csv_notices
from fmbench_lib.steps.run_inputs.cluster_pool import task_pool
from fmbench_lib.steps.run_inputs.inputs import objectives_of, outage_notices
from fmbench_lib.steps.run_inputs.levels import search_bounds, searched
from fmbench_lib.steps.run_inputs.payloads import has_payloads, payload_index
from fmbench_lib.steps.run_inputs.run_prices import load_prices, price_notices


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is computed from the records of a run.

    `levels`: what the records of each came to · `distributions`: those of the levels of which only some requests are
    drawn · `repeated`: the levels that were measured several times, a row for each over its repeats · `eligible`: the
    levels that are decided between, each once, `rated` with the quality of their answers and what searches say of them
    · `quality`: quality against cost and latency of those whose answers were evaluated · `texts`: those of embedding
    and rerank endpoints · `retrieval`: nDCG@10 of their rankings · `imported`: the figures that other tools printed.
    """

    levels: tuple[LevelFigures, ...]
    distributions: Mapping[tuple[str, str, str], Mapping[str, KeptRanks]]
    summary: pd.DataFrame
    repeated: pd.DataFrame
    eligible: pd.DataFrame
    rated: pd.DataFrame
    quality: pd.DataFrame
    texts: pd.DataFrame
    retrieval: pd.DataFrame
    imported: pd.DataFrame
    decision: Decision
    budgets: Budgets
    prices: PriceList
    endpoint: EndpointMetrics

    @property
    def requests(self) -> int:
        """How many requests the levels have, warm-up included."""
        return sum(each.level.count for each in self.levels)


def analysis_of(run: Run, losses: Losses | None = None) -> Analysis:
    """Read the run's records and compute tables and the decision; writes nothing. What breaks down is left out."""
    losses = Losses() if losses is None else losses
    prices, budgets, objectives = load_prices(run), budgets_of(run.config), objectives_of(run.config)
    stored, imported = stored_levels(run, losses), imported_levels(run.workspace)
    with task_pool(run, long_s=0) as elsewhere:
        figures = run_figures(measuring(stored, prices, objectives), losses, pool=not imported, elsewhere=elsewhere)
    levels, samples = figures.levels, list[Sampled]()
    if imported:  # nothing was sampled while another tool measured
        summary = imported_levels_judged(imported, [each.level for each in levels], prices, objectives)
    else:
        levels, samples = beside_samples(run, levels, losses)
        levels, summary = judged_levels(levels, prices, losses)
    counted = [each.level for each in counted_levels(levels)]
    repeated = losses.made(
        "repeated_levels.csv",
        lambda: pd.DataFrame() if imported else repeated_from(figures.pooled, counting(summary), prices),
        pd.DataFrame,
    )
    eligible = once_each(counting(summary), repeated).reset_index(drop=True)
    retrieval = losses.made("retrieval_quality.csv", lambda: rankings(run, counted), lambda: retrieval_frame((), {}))
    rated = losses.made("the quality of the answers", lambda: with_quality(run, eligible, retrieval), lambda: eligible)
    rated = with_search_bounds(rated, search_bounds(run))
    return Analysis(
        levels=tuple(levels),
        distributions=figures.distributions,
        summary=summary,
        repeated=repeated,
        eligible=eligible,
        rated=rated,
        quality=losses.made("quality_and_cost.csv", lambda: trade_frame(rated), pd.DataFrame),
        texts=losses.made("embedding_levels.csv", lambda: texts_of([] if imported else counted, summary), pd.DataFrame),
        retrieval=retrieval,
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


def report_inputs(
    run: Run, analysis: Analysis, losses: Losses | None = None, drawn: DrawnRequests | None = None
) -> ReportInputs:
    """Everything that the report shows, from the run directory, the analysis, and the requests that are drawn."""
    losses = Losses() if losses is None else losses
    drawn = request_rows(run, analysis.levels, losses) if drawn is None else drawn
    known = endpoints(run.workspace)
    types = {experiment.name: experiment.instance_type for experiment in run.config.experiments}
    found = [analysis.prices.lookup(name) for name in dict.fromkeys(types.values())]
    return ReportInputs(
        run=_run_facts(run),
        summary=analysis.summary,
        repeated=analysis.repeated,
        requests=drawn.requests,
        distributions=analysis.distributions,
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
            *drawn.length_notices,
            *csv_notices(run.config.report.per_request_csv, analysis.requests),
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


def _times(endpoint: Endpoint) -> dict[str, Any]:
    return {**endpoint.to_dict(), "seconds_in_service": endpoint.seconds_in_service}


def costs_table(run: Run, analysis: Analysis) -> pd.DataFrame:
    """What each experiment cost, as `endpoint_per_instance_per_run_costs.csv` has it."""
    known = endpoints(run.workspace)
    served = [
        {
            **(_times(known[one.name]) if one.name in known else {"experiment_name": one.name}),
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
        host=client_facts(run.workspace, state["host"]),
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
    notices += fleet_lines(run.workspace) + evaluation_remarks(run)
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
