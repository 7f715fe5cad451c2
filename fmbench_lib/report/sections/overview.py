"""The decision with its figures and its picture."""

from __future__ import annotations

from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.metrics.decision.transaction_size import generates_nothing
from fmbench_lib.metrics.decision.wording import level_label
from fmbench_lib.metrics.measuring_again import counting
from fmbench_lib.metrics.missing import Row, number, rows_of, text
from fmbench_lib.metrics.prices import MONTH_HOURS, monthly_price, served_rate
from fmbench_lib.metrics.repeated_levels import once_each
from fmbench_lib.report.budget_standings import budget_standings
from fmbench_lib.report.figures import draw
from fmbench_lib.report.figures.price_performance import trade_of
from fmbench_lib.report.figures.style import short_name
from fmbench_lib.report.level_order import dataset_name, names_in
from fmbench_lib.report.level_texts import instance, time_of
from fmbench_lib.report.markdown import Blocks, bold, code, escape, sentence_list, table, two_up, with_code
from fmbench_lib.report.numbers import MISSING, amount, count, moment, percent, plain, several, significant
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.report.sections.measurement_quality import verdicts_sentence

_MONTH = "USD/month"


def section(inputs: ReportInputs) -> Blocks:
    """The first screen: the decision, the two best levels, how good that is, the picture; then the winner's figures."""
    decision, brief = inputs.decision, brief_of(inputs.decision.to_dict())
    best = decision.winner or decision.nearest
    blocks = ["## Summary", f"{bold(escape(brief.what, longest=2000))} {with_code(brief.how_sure)}".strip()]
    if best is not None:
        blocks.append(_two_best("best" if decision.winner else "nearest", best, decision.runner_up))
    blocks += [*budgets_of(inputs), _quality_line(inputs), *_picture(inputs)]
    blocks.append(f"{_measured(inputs)} {escape(decision.text, longest=4000)}{_about(inputs)}")
    if decision.winner is None and best is not None:
        blocks.append("No level can be recommended; the table describes the one that comes nearest.")
    if best is not None:
        blocks.append(information(dict(best), inputs.options.transactions))
    return blocks


def _about(inputs: ReportInputs) -> str:
    """Which payload file the decision is about, and why that one."""
    dataset = inputs.decision.dataset
    if dataset is None:
        return ""
    name = code(dataset_name(dataset.payload_file))
    about = f" The decision is about dataset {name} ({escape(dataset.reason)})."
    return f"{about} A month has {MONTH_HOURS} hours."


def _picture(inputs: ReportInputs) -> Blocks:
    """The one picture, and where it is interactive; a sentence where it has no level to show."""
    if not trade_of(inputs.decision).points:
        return ["There is no chart of price and performance, as no level has a success."]
    page = f"{inputs.figures}/{draw.BUSINESS_PAGE}"
    picture = f"![Price performance comparison]({inputs.figures}/{draw.BUSINESS})"
    return [picture, f"An interactive version of this chart is available [here]({page})."]


def _two_best(name_of_best: str, best: Row, runner_up: Row | None) -> str:
    """The best level, or the nearest to a budget, and that of another experiment, with the figures that decide and how
    far they lie apart."""
    shown = {name_of_best: _figures(best)}
    if runner_up is not None:
        ahead = _compared(best)
        apart = {name: _apart(value, ahead[name]) for name, value in _compared(runner_up).items()}
        shown["runner-up"] = {name: f"{cell}{apart.get(name, '')}" for name, cell in _figures(runner_up).items()}
    rows = [[bold(name), *map(escape, cells.values())] for name, cells in shown.items()]
    return table(["", *shown[name_of_best]], rows, range(2, 2 + len(_compared(best))))


def budgets_of(inputs: ReportInputs) -> Blocks:
    """How the best levels stand to each budget, if one was set."""
    found = budget_standings(inputs.decision)
    return [table(["budget", *found.levels], [list(map(escape, row)) for row in found.rows], [])] if found.rows else []


def _figures(row: Row) -> dict[str, str]:
    per_token, month = number(row, "price_per_token"), monthly_price(row)
    rate = served_rate(row)
    return {
        "level": short_name(level_label(row), 70),
        "USD/10k txn": amount(row["price_per_10k_txn"]),
        "USD/1M tokens": amount(None if per_token is None else 1e6 * per_token),
        _MONTH: f"{month:,.0f} at {significant(rate)}/s" if month and month >= 100 else amount(month),
        "latency p95": time_of(row, "latency_p95"),
    }


def _compared(row: Row) -> dict[str, float | None]:
    """The figures in which two levels are compared, under the names of `_figures`."""
    return {
        "USD/10k txn": number(row, "price_per_10k_txn"),
        "USD/1M tokens": number(row, "price_per_token"),
        _MONTH: monthly_price(row),
        "latency p95": number(row, "latency_p95"),
    }


def _apart(value: float | None, best: float | None) -> str:
    """How far a figure lies from that of the best level: ` (+92%)`, ` (3.4 ×)`; empty where one is not known."""
    if value is None or not best:
        return ""
    ratio = value / best
    return f" ({significant(ratio, 2)} ×)" if ratio >= 2 else f" ({100 * (ratio - 1):+.0f}%)"


def _quality_line(inputs: ReportInputs) -> str:
    """How good the measurement was, what it is about, and when it was written, in one line."""
    decision, parts = inputs.decision, []
    rows = rows_of(counting(inputs.summary))
    if rows:
        parts.append(f"{verdicts_sentence(rows).removesuffix('.')} ([why](#how-good-this-measurement-was)).")
    if decision.dataset:
        parts.append(f"Dataset: {code(dataset_name(decision.payload_file))}.")
    written = f"FMBench {inputs.run.fmbench_version}, {moment(inputs.run.written_at)} UTC."
    return " ".join([*parts, escape(written)])


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


def information(row: Row, transactions: int = 10_000) -> str:
    """The figures of one level as a Markdown table, by the column names of the CSV files."""
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
        "price": _price_origin(row),
        "latency p50, p95, p99 (s)": _percentiles(row, "latency"),
        "TTFT p50, p95, p99 (s)": _percentiles(row, "TTFT"),
        "verdict of the measurement": str(row["verdict"]),
    }
    if generates_nothing(row):
        facts = {name: value for name, value in facts.items() if not name.startswith(("TTFT", "completion"))}
    return two_up(facts, ("Information", "Value"))


def _instances(row: Row) -> str:
    """The number of instances; one that the config leaves out is 1, which the price is of."""
    if number(row, "instance_count") is None and text(row, "instance_type"):
        return "1 (none is given)"
    return plain(row["instance_count"])


def _percentiles(row: Row, family: str) -> str:
    """p50, p95 and p99; ≈ before one that has no confidence interval."""
    columns = [f"{family}_{q}" for q in ("p50", "p95", "p99")]
    if all(number(row, column) is None for column in columns):
        return MISSING
    without = [number(row, column) is not None and number(row, f"{column}_low") is None for column in columns]
    marks = ["≈ " if none else "" for none in without]
    return ", ".join(f"{mark}{significant(row[column])}" for mark, column in zip(marks, columns, strict=True))


def _price_origin(row: Row) -> str:
    if number(row, "price_per_txn") is None:
        return text(row, "price_note") or ""
    checked = "verified" if row.get("price_verified") else "unverified"
    return f"{text(row, 'price_terms') or 'as printed'}, {text(row, 'price_date') or 'no date'}, {checked}"
