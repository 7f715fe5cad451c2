"""All pictures of a run, written into one folder. A new picture is a module and a row in `draw_figures`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fmbench_lib.metrics.decision.budgets import ACCURACY
from fmbench_lib.metrics.missing import number, rows_of
from fmbench_lib.metrics.repeated_levels import once_each, under_one_load
from fmbench_lib.report import evaluation_files
from fmbench_lib.report.figures.answer_accuracy import draw_accuracy, draw_accuracy_by_length
from fmbench_lib.report.figures.business import draw_business
from fmbench_lib.report.figures.error_rates import draw_error_rates, no_errors
from fmbench_lib.report.figures.judge_agreement import draw_agreement
from fmbench_lib.report.figures.latency_by_load import draw_latency_by_load
from fmbench_lib.report.figures.latency_distributions import draw_latency_distributions, draw_latency_drift
from fmbench_lib.report.figures.machine import draw_machine, pictures
from fmbench_lib.report.figures.price_performance import trade_of
from fmbench_lib.report.figures.prompt_lengths import NO_LENGTHS, draw_prompt_lengths, has_lengths
from fmbench_lib.report.figures.quality_trade import SIDES, QualityTrade, draw_quality_trade, quality_trade
from fmbench_lib.report.figures.style import Look, looks, save, styled
from fmbench_lib.report.figures.token_times import draw_token_times
from fmbench_lib.report.html.business_page import write_business_page
from fmbench_lib.report.level_order import Rows, counted, names_in, of_payload
from fmbench_lib.report.report_data import ReportInputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BUSINESS = "business_summary.png"
BUSINESS_PAGE = "business_summary.html"
TOKENS = "tokens_vs_latency.png"
LATENCY_BY_LOAD = "concurrency_vs_inference_latency.png"
ERROR_RATES = "error_rates.png"
TOKEN_TIMES = "token_times.png"
DISTRIBUTIONS = "latency_distributions.png"
DRIFT = "latency_drift.png"
ACCURACY_BY_MODEL = "accuracy_by_model.png"
ACCURACY_BY_LENGTH = "accuracy_vs_prompt_length.png"
AGREEMENT = "judge_agreement.png"

Broken = Callable[[str, Exception], None]
"""Is told of a picture, by its file's name, that cannot be drawn."""


def draw_figures(inputs: ReportInputs, folder: Path, broken: Broken | None = None) -> list[Path]:
    """Draw all pictures and the interactive page into `folder`, which is created; returns the paths written.

    `broken` is told of a picture that cannot be drawn, and the others are drawn; without it the error is raised.
    `token_times.png` is written only if something streamed, `endpoint_metrics.png` only if something was sampled (for
    further experiments `endpoint_metrics-2.png`, …), those of the evaluation only if something was evaluated. Any other
    picture without data says so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows, requests = levels_drawn(inputs)
    measured = rows_of(inputs.summary)
    decision, options = inputs.decision, inputs.options
    look, trade = looks(names_in(rows)), trade_of(inputs.decision, inputs.options.transactions)
    payload, budgets = decision.payload_file, decision.budgets
    drawings: dict[str, Callable[[], Figure | None]] = {
        BUSINESS: lambda: draw_business(trade, look, inputs.run.model_name),
        TOKENS: lambda: draw_prompt_lengths(rows, requests, options.tokens_title, options.tokens_y_ticks),
        LATENCY_BY_LOAD: lambda: draw_latency_by_load(rows, requests, payload, look, budgets.latency_budget, measured),
        DISTRIBUTIONS: lambda: draw_latency_distributions(rows, requests, payload),
        DRIFT: lambda: draw_latency_drift(measured, inputs.requests, payload),
        ERROR_RATES: lambda: draw_error_rates(rows, budgets.error_rate_budget),
        TOKEN_TIMES: lambda: draw_token_times(rows, requests, payload, look),
    }
    drawings |= _of_evaluation(inputs, look)
    for experiment, name in pictures(inputs).items():
        drawings[name] = partial(draw_machine, inputs, experiment)
    written = []
    with styled():
        for name, draw in drawings.items():
            written += _drawn(folder / name, draw, broken)
    page = folder / BUSINESS_PAGE
    try:
        written.append(write_business_page(inputs, trade, quality_trades(inputs), page, folder / BUSINESS))
    except Exception as error:  # noqa: BLE001 - whatever breaks down in one picture must not cost the others
        _give_up(page, error, broken)
    return written


def _of_evaluation(inputs: ReportInputs, look: Mapping[str, Look]) -> dict[str, Callable[[], Figure | None]]:
    """The pictures of the evaluation, each None without its data."""
    table, budget = inputs.evaluated, inputs.decision.budgets.quality.get(ACCURACY)
    trades = {f"{name}.png": partial(draw_quality_trade, one, look) for name, one in quality_trades(inputs).items()}
    return {
        ACCURACY_BY_MODEL: lambda: draw_accuracy(
            table(evaluation_files.ACCURACY),
            table(evaluation_files.PER_PAYLOAD),
            table(evaluation_files.COMPARISONS),
            look,
            budget,
        ),
        ACCURACY_BY_LENGTH: lambda: draw_accuracy_by_length(table(evaluation_files.PER_LENGTH), look),
        AGREEMENT: lambda: draw_agreement(table(evaluation_files.AGREEMENT)),
        **trades,
    }


def quality_trades(inputs: ReportInputs) -> dict[str, QualityTrade]:
    """Quality against cost and against latency, by the name of the picture, as far as they are known."""
    payload, budgets = inputs.decision.payload_file, inputs.decision.budgets.quality
    found = {name: quality_trade(inputs.quality, side, payload, budgets) for name, side in SIDES.items()}
    return {name: trade for name, trade in found.items() if trade is not None}


def levels_drawn(inputs: ReportInputs) -> tuple[Rows, pd.DataFrame]:
    """The levels and requests that pictures show: a level that was repeated once, with the requests of all repeats."""
    return rows_of(once_each(inputs.summary, inputs.repeated)), under_one_load(inputs.requests)


def _drawn(path: Path, draw: Callable[[], Figure | None], broken: Broken | None) -> list[Path]:
    """Draw one picture; the path, if it was written."""
    try:
        figure = draw()
        return [] if figure is None else [save(figure, path)]
    except Exception as error:  # noqa: BLE001 - whatever breaks down in one picture must not cost the others
        _give_up(path, error, broken)
        return []


def _give_up(path: Path, error: Exception, broken: Broken | None) -> None:
    """Tell of a picture that cannot be drawn, and leave none of an earlier analysis in its place."""
    if broken is None:
        raise error
    path.unlink(missing_ok=True)
    broken(path.name, error)


def without_data(inputs: ReportInputs) -> dict[str, str]:
    """The pictures that have nothing to show, each with the sentence that a reader gets in its place."""
    rows, requests = levels_drawn(inputs)
    payload = inputs.decision.payload_file
    timed = counted(requests)
    errors = no_errors(rows)
    missing = {ERROR_RATES: errors} if errors else {}
    if not has_lengths(requests):
        missing[TOKENS] = NO_LENGTHS
    if not any(number(row, "latency_p95") is not None for row in of_payload(rows, payload)):
        missing[LATENCY_BY_LOAD] = "No request of this dataset succeeded, so there is no latency by load."
    if timed.empty or timed["latency"].isna().all():
        missing[DISTRIBUTIONS] = missing[DRIFT] = "No request succeeded in a window."
    if not has_token_times(inputs):
        missing[TOKEN_TIMES] = ""
    return missing


def has_token_times(inputs: ReportInputs) -> bool:
    """Whether `token_times.png` is drawn for these inputs: only if something streamed."""
    levels = inputs.summary[inputs.summary["payload_file"] == inputs.decision.payload_file]
    return bool(levels["TTFT_p95"].notna().any())
