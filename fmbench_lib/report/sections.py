"""The sections of a report, one function each: what is shown, and the sentences around it.

A section is a list of blocks of Markdown. One that has nothing to show says why.
"""

from __future__ import annotations

from typing import Any

from fmbench_lib.metrics.costs import total
from fmbench_lib.metrics.missing import number, rows_of, text
from fmbench_lib.metrics.wording import budgets_text
from fmbench_lib.report import report_tables as tables
from fmbench_lib.report.figures import draw
from fmbench_lib.report.level_order import Rows, dataset_name, names_in, of_payload
from fmbench_lib.report.markdown import bold, code, escape, fence, frame, sentence_list, table
from fmbench_lib.report.numbers import (
    MISSING,
    amount,
    count,
    dollars,
    moment,
    percent,
    plain,
    seconds,
    several,
    significant,
)
from fmbench_lib.report.report_data import ReportInputs

Blocks = list[str]

_LATENCY = (
    "over the n requests (of ITL: gaps) of each level. The clock starts when a request is due. TPOT divides by the "
    "tokens that the response counts; ITL is the gap between two content events, which may carry several tokens. ≈ "
    "marks a percentile with too few values behind it for a 95% confidence interval (the median needs 6, p95 72, p99 "
    "368)."
)
_NOT_STREAMED = (
    "No response was streamed, so there is no TTFT, TPOT or ITL. Set `stream: true` in the `inference_spec` of the "
    "experiment to get them."
)
_COST = (
    "The cost of measuring is that of the seconds of an experiment's levels, or of its tokens where these are what is "
    "paid for. The cost billed is that of the whole time from in service to deleted, which is what the bill will say."
)
_PER_INSTANCE = (
    "The best way to run each size of prompt on each instance type: within the budgets, the load that gets the most "
    "done."
)


def title(inputs: ReportInputs) -> Blocks:
    """The heading, the version table, and what a reader must know before anything else."""
    run = inputs.run
    heading = inputs.options.title or f"Results for performance benchmarking {run.model_name}"
    version = [moment(run.written_at), escape(run.fmbench_version)]
    alerts = "\n>\n".join(f"> {alert}" for alert in _alerts(inputs))
    return [f"# {escape(heading)}", table(["**Last modified (UTC)**", "**FMBench version**"], [version]), alerts]


def _alerts(inputs: ReportInputs) -> Blocks:
    said = []
    for one in inputs.standing:
        price = "at a price that is not known" if one.hourly is None else f"{dollars(one.hourly)} per hour"
        name, end = escape(one.experiment_name), code(one.command)
        said.append(f"**Still costs money:** {name} was left standing, {price}. End it with {end}.")
    said += [f"**Step {escape(step)} failed:** {escape(why)}" for step, why in inputs.run.steps_failed.items()]
    said += [
        f"**Not measured:** {escape(one.experiment_name)} ({code(one.reason)})" for one in inputs.failed_deployments
    ]
    invalid = int((inputs.summary["verdict"] == "invalid").sum())
    if invalid:
        levels = f"{several(invalid, 'level')} of {len(inputs.summary)} {'is' if invalid == 1 else 'are'} invalid"
        said.append(f"**{levels}:** see [how good this measurement was](#how-good-this-measurement-was).")
    return said


def summary(inputs: ReportInputs) -> Blocks:
    """The decision, its figures and its picture."""
    decision = inputs.decision
    blocks = ["## Summary", f"{_measured(inputs)} {bold(escape(decision.text, longest=4000))}"]
    if decision.dataset:
        about = f"The decision is about dataset {code(dataset_name(decision.payload_file))}"
        blocks.append(f"{about} ({escape(decision.dataset.reason)}).")
    if decision.winner is None and decision.nearest is not None:
        blocks.append("No level can be recommended; the table describes the one that comes nearest.")
    best = decision.winner or decision.nearest
    if best is not None:
        blocks.append(information(dict(best), inputs.options.transactions))
    page = f"{inputs.figures}/{draw.BUSINESS_PAGE}"
    chart = "The chart below compares price and performance of the levels of this dataset."
    blocks.append(f"{chart} An interactive version of it is available [here]({page}).")
    return [*blocks, f"![Price performance comparison]({inputs.figures}/{draw.BUSINESS})"]


def _measured(inputs: ReportInputs) -> str:
    rows, model = rows_of(inputs.summary), code(inputs.run.model_name)
    if not rows:
        return f"We set out to benchmark {model}, but no level was measured."
    instances = dict.fromkeys(code(tables.instance(row)) for row in rows)
    datasets = several(len(names_in(rows, "payload_file")), "dataset")
    return (
        f"We benchmarked {model} on {sentence_list(list(instances))} with {datasets} at {several(len(rows), 'level')}."
    )


def information(row: dict[str, Any], transactions: int = 10_000) -> str:
    """The figures of one level as a table of two columns, in the names of the CSV files."""
    price = number(row, "price_per_txn")
    rate = number(row, "request_rate") is not None
    load = "request_rate" if rate else "concurrency"
    facts = {
        "experiment_name": str(row["experiment_name"]),
        "payload_file": str(row["payload_file"]),
        "instance_type": text(row, "instance_type") or "",
        "instance_count": plain(row["instance_count"]),
        f"{load} (requests/s)" if rate else load: plain(row[load]),
        "requests, successes": f"{count(row['requests'])}, {count(row['successes'])}",
        "error_rate": percent(row["error_rate"]),
        "prompt_token_count_mean": count(row["prompt_token_count_mean"]),
        "prompt_token_throughput (tokens/s)": significant(row["prompt_token_throughput"]),
        "completion_token_count_mean": count(row["completion_token_count_mean"]),
        "completion_token_throughput (tokens/s)": significant(row["completion_token_throughput"]),
        "transactions_per_minute": significant(row["transactions_per_minute"]),
        "price_per_txn (USD)": significant(price, 4),
        f"price of {transactions:,} transactions (USD)": amount(None if price is None else price * transactions),
        "price_per_token (USD)": significant(row["price_per_token"]),
        "price from": _price_origin(row),
        "latency p50, p95, p99 (s)": ", ".join(significant(row[f"latency_{q}"]) for q in ("p50", "p95", "p99")),
        "TTFT p50, p95, p99 (s)": ", ".join(significant(row[f"TTFT_{q}"]) for q in ("p50", "p95", "p99")),
        "verdict of the measurement": str(row["verdict"]),
    }
    absent = ", ".join([MISSING] * 3)
    rows = [[escape(name), MISSING if said == absent else escape(said)] for name, said in facts.items()]
    return table(["Information", "Value"], rows)


def _price_origin(row: dict[str, Any]) -> str:
    if number(row, "price_per_txn") is None:
        return text(row, "price_note") or ""
    checked = "verified" if row.get("price_verified") else "unverified"
    known = [text(row, "price_source"), text(row, "price_region"), text(row, "price_date") or "no date", checked]
    return ", ".join(one for one in known if one)


def latency(inputs: ReportInputs) -> Blocks:
    """Latency, TTFT, TPOT and ITL of the dataset of interest."""
    payload = inputs.decision.payload_file
    heading = "### Latency metrics analysis"
    shown = tables.latency_table(inputs.summary, payload)
    if shown.empty:
        why = "No request of this dataset succeeded" if payload else "No level was measured"
        return [heading, f"_{why}, so there is nothing to say about its latency._"]
    kinds = "Latency, Time To First Token (TTFT), Time Per Output Token (TPOT) and Inter-Token Latency (ITL)"
    intro = f"{kinds} for the {code(dataset_name(payload))} dataset, {_LATENCY}"
    absent = _absent_times(of_payload(rows_of(inputs.summary), payload))
    right = ["n", "mean", *(name for name in shown.columns if "CI" in name)]
    blocks = [heading, intro, absent, frame(shown, to_the_right=right)]
    if draw.has_token_times(inputs):
        picture = f"{inputs.figures}/{draw.TOKEN_TIMES}"
        blocks.append(f"![Time to first token and time per output token by load]({picture})")
    return blocks


def _absent_times(rows: Rows) -> str:
    """Why some levels have no TTFT, TPOT or ITL; empty where all have."""
    whole = [row for row in rows if number(row, "successes") and not number(row, "TTFT_n")]
    if not whole:
        return ""
    if not any(number(row, "TTFT_n") for row in rows):
        return f"_{_NOT_STREAMED}_"
    names = sentence_list([code(name) for name in names_in(whole)])
    return f"_Responses of {names} were not streamed, so they have no TTFT, TPOT and ITL (`stream: true` gives them)._"


def goodput(inputs: ReportInputs) -> Blocks:
    """What was delivered within the objectives of a single request; nothing where none is set."""
    if not inputs.objectives:
        return []
    heading = "### Goodput"
    asked = {"TTFT": inputs.objectives.ttft, "TPOT": inputs.objectives.tpot, "latency": inputs.objectives.latency}
    limits = sentence_list([f"{name} ≤ {seconds(limit)}" for name, limit in asked.items() if limit is not None])
    shown = tables.goodput_table(inputs.summary)
    if shown.empty:
        return [heading, f"_No level shows how many requests were within {limits}._"]
    intro = f"A request counts when it succeeds with {limits}. A failed request is within no objective."
    right = [name for name in shown.columns if name not in ("experiment", "dataset", "load")]
    return [heading, intro, frame(shown, to_the_right=right)]


def failed(inputs: ReportInputs) -> Blocks:
    """Levels that miss a budget, deployments that failed, levels with errors."""
    blocks = ["### Failed experiments", *_missed(inputs)]
    deployments = tables.failed_deployments_table(inputs.failed_deployments)
    if len(deployments):
        said = f"{several(len(deployments), 'experiment')} could not be measured at all:"
        blocks += [said, frame(deployments, as_code=["reason"])]
    levels = tables.failed_levels_table(inputs.failed_levels)
    if len(levels):
        blocks += [f"{several(len(levels), 'level')} broke down and has no records:", frame(levels, as_code=["reason"])]
    errors = tables.errors_table(inputs.summary)
    if inputs.summary.empty:
        return [*blocks, "_No level was measured._"]
    if errors.empty:
        return [*blocks, "No request failed."]
    said = f"{several(len(errors), 'level')} of {len(inputs.summary)} had errors:"
    return [*blocks, said, frame(errors, to_the_right=["requests", "errors", "error rate"])]


def _missed(inputs: ReportInputs) -> Blocks:
    asked = budgets_text(inputs.decision.budgets)
    judged = tables.judgements(inputs.summary, inputs.decision.budgets)
    if not asked:
        return ["No budget was set, so no level can miss one."]
    missed = tables.missed_table(judged)
    if missed.empty:
        return [f"Every level ({len(judged)}) meets the budgets: {escape(asked)}."] if judged else []
    of = f"{several(len(missed), 'level')} of {len(judged)}, over all datasets, missed at least one of the budgets"
    said = f"{of}: {escape(asked)}. The figures that do are bold and marked {tables.FAILS}."
    shown = ("error rate", "latency p95 (95% CI)", "USD per 10,000 txn", "SLO attainment")
    return [said, frame(missed, to_the_right=[name for name in shown if name in missed.columns])]


def evaluations(inputs: ReportInputs) -> Blocks:
    """That none was asked for, or that one was and is not there."""
    asked = inputs.run.evaluations
    said = "No model evaluation was asked for (`model_evaluations` in the config), so none was made."
    if asked:
        said = f"{code(asked)} asks for model evaluations, but this run has none."
    return ["### Model evaluations", said]


def configuration(inputs: ReportInputs) -> Blocks:
    """Where the config is."""
    copy = inputs.run.config_copy
    where = f"[{code(copy)}]({copy}) and [below](#configuration-file)"
    return ["### Configuration", f"The configuration of this run is in {where}, without its secrets."]


def cost(inputs: ReportInputs) -> Blocks:
    """What the run cost: measuring, and as it will be billed."""
    shown = tables.costs_table(inputs.costs)
    blocks = ["### Experiment cost", "#### Model benchmarking cost"]
    if shown.empty:
        blocks.append("_Nothing was measured, so there is no cost of measuring._")
    else:
        totals = [
            _total(inputs, "cost_measuring", "measuring all experiments"),
            _total(inputs, "cost_billed", "the time that is billed"),
        ]
        right = [name for name in shown.columns if name not in ("experiment", "instance", "note")]
        blocks += [" ".join([_COST, *totals]), frame(shown, to_the_right=right)]
    found = total(inputs.costs)
    both = f" The total cost of benchmarking and evaluations is **{dollars(found)}**." if found is not None else ""
    return [*blocks, "#### Model evaluation cost", f"No model was evaluated, so evaluations cost nothing.{both}"]


def _total(inputs: ReportInputs, column: str, what: str) -> str:
    found = total(inputs.costs, column)
    if found is not None:
        return f"The total cost of {what} is **{dollars(found)}**."
    unknown = inputs.costs[inputs.costs[column].isna()]["experiment_name"]
    names = sentence_list([code(str(name)) for name in unknown])
    known = inputs.costs[column].dropna()
    others = f" (the others: {dollars(float(known.sum()))})" if len(known) else ""
    return f"The total cost of {what} is **not known**, as that of {names} is not{others}."


def per_instance(inputs: ReportInputs) -> Blocks:
    """For each payload file and instance type, the level to run."""
    shown = tables.recommendations_table(inputs.recommendations)
    heading = "## Per instance results"
    if shown.empty:
        return [heading, "_No level was measured, so nothing can be recommended._"]
    files = sentence_list([code(name) for name in inputs.run.source_data_files])
    intro = f"{_PER_INSTANCE} The prompts come from {files}." if files else _PER_INSTANCE
    return [heading, intro, frame(shown, as_code=["dataset", "instance type"])]


def plots(inputs: ReportInputs) -> Blocks:
    """The pictures that no other section shows."""
    pictures = {
        draw.ERROR_RATES: "Error rates for different loads and experiments",
        draw.TOKENS: "Tokens vs latency for different loads and experiments",
        draw.LATENCY_BY_LOAD: "Load vs latency for each experiment for the selected dataset",
    }
    links = [f"![{said}]({inputs.figures}/{name})" for name, said in pictures.items()]
    return ["## Plots", "These plots show how the results came about, request by request and level by level.", *links]


def levels(inputs: ReportInputs) -> Blocks:
    """Every level in one table."""
    shown = tables.levels_table(inputs.summary)
    if shown.empty:
        return ["## Every level", "_No level was measured._"]
    texts = ("experiment", "dataset", "instance", "load", "verdict")
    right = [name for name in shown.columns if name not in texts]
    order = "One row per level, in the order of the config; ≈ marks a percentile without a confidence interval."
    intro = f"{order} All columns are in `metrics/all_metrics_summary.csv`."
    return ["## Every level", intro, frame(shown, to_the_right=right)]


def config_file(inputs: ReportInputs) -> Blocks:
    """The resolved config, its secrets removed."""
    return ["## Configuration file", fence(inputs.config_yaml or "# not available", "yaml")]
