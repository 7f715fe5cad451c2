"""The decision with its figures and its picture."""

from __future__ import annotations

from typing import Any

from fmbench_lib.metrics.decision.transaction_size import generates_nothing
from fmbench_lib.metrics.missing import number, rows_of, text
from fmbench_lib.metrics.repeated_levels import once_each
from fmbench_lib.report.figures import draw
from fmbench_lib.report.level_order import dataset_name, names_in
from fmbench_lib.report.level_texts import instance
from fmbench_lib.report.markdown import Blocks, bold, code, escape, sentence_list, table
from fmbench_lib.report.numbers import MISSING, amount, count, percent, plain, several, significant
from fmbench_lib.report.report_data import ReportInputs


def section(inputs: ReportInputs) -> Blocks:
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
    instances = dict.fromkeys(code(instance(row)) for row in rows)
    datasets = several(len(names_in(rows, "payload_file")), "dataset")
    levels = len(once_each(inputs.summary, inputs.repeated))
    times = f", measured {several(len(rows), 'time')} in all" if levels < len(rows) else ""
    where = f"on {sentence_list(list(instances))} with {datasets} at {several(levels, 'level')}{times}"
    return f"We benchmarked {model} {where}."


def information(row: dict[str, Any], transactions: int = 10_000) -> str:
    """The figures of one level as a Markdown table of two columns, by the column names of the CSV files."""
    price = number(row, "price_per_txn")
    rate = number(row, "request_rate") is not None
    load = "request_rate" if rate else "concurrency"
    facts = {
        "experiment_name": str(row["experiment_name"]),
        "payload_file": str(row["payload_file"]),
        "instance_type": text(row, "instance_type") or "",
        "instance_count": _instances(row),
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
        "latency p50, p95, p99 (s)": _percentiles(row, "latency"),
        "TTFT p50, p95, p99 (s)": _percentiles(row, "TTFT"),
        "verdict of the measurement": str(row["verdict"]),
    }
    if generates_nothing(row):
        facts = {name: value for name, value in facts.items() if not name.startswith(("TTFT", "completion"))}
    rows = [[escape(name), escape(value)] for name, value in facts.items()]
    return table(["Information", "Value"], rows)


def _instances(row: dict[str, Any]) -> str:
    """The number of instances; one that the config leaves out is 1, which the price is of."""
    if number(row, "instance_count") is None and text(row, "instance_type"):
        return "1 (none is given)"
    return plain(row["instance_count"])


def _percentiles(row: dict[str, Any], family: str) -> str:
    """p50, p95 and p99; ≈ before one that has no confidence interval."""
    columns = [f"{family}_{q}" for q in ("p50", "p95", "p99")]
    if all(number(row, column) is None for column in columns):
        return MISSING
    without = [number(row, column) is not None and number(row, f"{column}_low") is None for column in columns]
    marks = ["≈ " if none else "" for none in without]
    return ", ".join(f"{mark}{significant(row[column])}" for mark, column in zip(marks, columns, strict=True))


def _price_origin(row: dict[str, Any]) -> str:
    if number(row, "price_per_txn") is None:
        return text(row, "price_note") or ""
    checked = "verified" if row.get("price_verified") else "unverified"
    known = [text(row, "price_source"), text(row, "price_region"), text(row, "price_date") or "no date", checked]
    return ", ".join(part for part in known if part)
