"""The report: its sections and their order, and that what they say is true of the frames they are given."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.prices import monthly_price
from fmbench_lib.metrics.tables import summary_frame
from fmbench_lib.report.document import render_appendix, render_markdown
from fmbench_lib.report.report_data import FailedDeployment, ReportOptions, StandingEndpoint
from fmbench_lib.report.sections.every_level import levels_table
from fmbench_lib.report.sections.failures import FAILS, judgements, missed_table

HEADINGS = [
    "# Results for performance benchmarking SmolLM2-135M-Instruct",
    "## Summary",
    "### Latency metrics analysis",
    "### Failed experiments",
    "### Model evaluations",
    "### Endpoint metrics",
    "### Configuration",
    "### Experiment cost",
    "#### Model benchmarking cost",
    "#### Model evaluation cost",
    "## Per instance results",
    "## Plots",
    "## How good this measurement was",
    "## Provenance",
    "### Prices",
    "## What still costs money",
    "## Configuration file",
]


def section(report: str, heading: str) -> str:
    """The text under a heading, up to the next one."""
    return re.split(r"\n#+ ", report.split(f"{heading}\n", 1)[1], maxsplit=1)[0]


def tables_of(report: str) -> list[list[list[str]]]:
    """Every table of the report as rows of cells."""
    found: list[list[list[str]]] = []
    inside = False
    for line in report.split("\n"):
        if line.startswith("| "):
            if not inside:
                found.append([])
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        inside = line.startswith("| ")
    return found


@pytest.fixture(scope="module")
def report(quickstart) -> str:
    return render_markdown(quickstart)


@pytest.fixture(scope="module")
def appendix(quickstart) -> str:
    return render_appendix(quickstart)


def test_sections_stand_in_their_order(report: str) -> None:
    assert re.findall(r"^#+ .*$", report, flags=re.M) == HEADINGS


def test_every_table_is_whole_and_holds_no_nan(report: str, appendix: str) -> None:
    assert len(tables_of(report)) >= 9
    assert len(tables_of(appendix)) >= 5
    for one in tables_of(report) + tables_of(appendix):
        assert len({len(row) for row in one}) == 1
    assert not re.search(r"\b(nan|NaN|None|inf)\b|<NA>", report + appendix)


def test_the_first_screen_has_the_decision_the_runner_up_and_the_cost_of_a_month(build, simulate) -> None:
    slower = simulate("slower", n=80, concurrency=4, base=1.6)
    inputs = build([simulate("faster", n=80, concurrency=4), slower], Budgets(latency_budget=9))
    first = section(render_markdown(inputs), "## Summary").partition("![Price")[0]
    assert first.startswith("\n**faster on m7i.xlarge at concurrency 4 is the cheapest")
    (header, _, best, runner_up), *_ = tables_of(first)
    assert header == ["", "level", "USD/10k txn", "USD/1M tokens", "USD/month", "latency p95"]
    rows = rows_of(inputs.summary)
    assert best[1] == "faster on m7i.xlarge at concurrency 4"
    assert float(best[3]) == pytest.approx(rows[0]["price_per_token"] * 1e6, rel=0.01)
    assert best[4].startswith("147 at "), "an hour of 0.2016 USD, 730 times"
    assert f"({rows[1]['price_per_txn'] / rows[0]['price_per_txn']:.1f} ×)" in runner_up[2]
    assert runner_up[4].endswith("(+0%)"), "the same instance"
    assert "Of 2 levels: " in first
    assert "FMBench 3.0.0" in first


def test_what_comes_nearest_to_a_budget_is_not_called_the_best(build, simulate) -> None:
    for budget, name in ((9, "**best**"), (0.01, "**nearest**")):
        inputs = build([simulate("one", n=80, concurrency=4)], Budgets(latency_budget=budget))
        (_, _, first), *_ = tables_of(section(render_markdown(inputs), "## Summary"))
        assert first[0] == name


def test_a_month_by_token_costs_what_the_rate_asked_for_costs() -> None:
    row = {"price_per_txn": 0.001, "request_rate": 2.0, "transactions_per_second": 1.5, "price_kind": "token"}
    assert monthly_price(row) == pytest.approx(0.001 * 2 * 3600 * 730)
    assert monthly_price(row | {"price_kind": "instance"}) == pytest.approx(0.001 * 1.5 * 3600 * 730)
    assert monthly_price(row | {"price_per_txn": None}) is None
    assert monthly_price(row | {"request_rate": None}) == pytest.approx(0.001 * 1.5 * 3600 * 730)


def test_the_summary_is_the_decision_with_its_figures(report: str, quickstart) -> None:
    best = quickstart.decision.winner
    said = section(report, "## Summary")
    assert "concurrency 4 is the cheapest of 2 levels" in said
    assert f"| latency p50, p95, p99 (s) | ≈ {best['latency_p50']:.3f}, ≈ {best['latency_p95']:.3f}," in said
    assert "| concurrency | 4 |" in said
    assert "2026-11-01, unverified" in said
    assert "[here](figures/business_summary.html)" in said
    assert "![Price performance comparison](figures/business_summary.png)" in said


def test_latency_has_a_row_for_each_level_and_all_of_it_in_the_appendix(report: str, appendix: str) -> None:
    (short,) = tables_of(section(report, "### Latency metrics analysis"))
    assert [row[1] for row in short[2:]] == ["concurrency 1", "concurrency 4", "concurrency 12"]
    assert short[0][2:] == ["n", "latency p50", "p95 (95% CI)", "TTFT p50", "TTFT p95", "TPOT p50", "ITL p95"]
    said = section(appendix, "## Latency, TTFT, TPOT and ITL of every level").partition("Dataset `en_300-500`")[0]
    rows = [row for one in tables_of(said) for row in one if row[1].startswith("concurrency")]
    assert [row[2] for row in rows] == ["latency", "TTFT", "TPOT", "ITL"] * 3
    for row in rows:
        assert row[3] == ("1,200" if row[2] == "ITL" else "80")
        assert all((" to " in cell) != cell.startswith("≈") for cell in row[5:8])
    assert " to " in rows[0][5]
    assert rows[0][6].startswith("≈")  # of 80 requests
    assert "ms" in rows[3][5]


def test_levels_over_a_budget_are_marked_where_they_fail(report: str, quickstart) -> None:
    said = section(report, "### Failed experiments")
    rows = [row for one in tables_of(said) for row in one if row[2] == "concurrency 12"]
    assert len(rows) == 2
    for row in rows:
        assert row[3] == "0%"
        assert row[4].startswith("**")
        assert row[4].endswith("✗**")
        assert "**" not in row[5]
    assert said.startswith("\n**2 levels over budget**, of 6 levels."), "its kind first"
    assert "latency p95, 2 levels: lower `concurrency_levels`, or raise `report.latency_budget`" in said
    assert "No request failed." in said


def test_cost_says_what_was_measured_and_what_is_billed(report: str, quickstart) -> None:
    said = section(report, "#### Model benchmarking cost")
    costs = quickstart.costs.iloc[0]
    assert costs["cost_billed"] == pytest.approx(660 * 0.2016 / 3600)
    assert "time that is billed is **0.037 USD**" in said
    assert "11 min 00 s" in said


def test_each_dataset_and_instance_has_a_recommendation(report: str) -> None:
    said = section(report, "## Per instance results")
    assert "`topics.jsonl`" in said
    for name in ("payload_en_1-300.jsonl", "payload_en_300-500.jsonl"):
        assert f"| `{name}` | `m7i.xlarge` | Concurrency 4 of smollm2-llama.cpp gets the most done" in said


def test_every_level_is_in_the_table_of_all(appendix: str, quickstart) -> None:
    rows = tables_of(section(appendix, "## Every level"))[0][2:]
    assert len(rows) == len(quickstart.summary) == 6
    assert [row[3] for row in rows[:3]] == ["concurrency 1", "concurrency 4", "concurrency 12"]


def test_quality_and_provenance(report: str, appendix: str) -> None:
    said = section(report, "## How good this measurement was")
    assert "Arrival times are the kernel's" in said
    assert "counted by the server itself" in said
    assert "No prompt was sent twice" in said
    assert "No calibration of this client was found" in said
    assert "0.10 ms" in section(appendix, "## How each level was measured")
    facts = section(report, "## Provenance")
    for fact in ("| run | 20260930-191203Z |", "| seed | 1 |", "| config hash | 5f0c2a9d |", "| Python | 3.11.13 |"):
        assert fact in facts
    assert "unverified" in section(report, "### Prices")


def test_each_reason_names_its_levels_or_all(quickstart) -> None:
    summary = quickstart.summary.assign(verdict="degraded", verdict_reasons="the same for all: do this")
    said = section(render_markdown(replace(quickstart, summary=summary)), "## How good this measurement was")
    assert "- the same for all: do this — all 6 levels" in said
    assert "Of 6 levels: **6 degraded**." in said


def test_without_streaming_it_says_why_times_are_absent(build, simulate) -> None:
    report = render_markdown(build([simulate(streamed=False)]))
    said = section(report, "### Latency metrics analysis")
    assert "No response was streamed" in said
    assert "stream: true" in said
    assert "token_times.png" not in report
    assert "| TTFT p50, p95, p99 (s) | – |" in report


def test_where_one_of_two_streams_the_other_is_named(build, simulate) -> None:
    report = render_markdown(build([simulate("one"), simulate("two", streamed=False)]))
    assert "Responses of `two` were not streamed" in report
    assert "token_times.png" in report


def test_without_prices_nothing_is_free(build, simulate) -> None:
    inputs = build([simulate(instance_type="unlisted", n=40)], Budgets(latency_budget=5))
    report = render_markdown(inputs)
    assert "| price_per_txn (USD) | – |" in report
    assert "no price listed for unlisted" in report
    assert "is **not known**, as that of `smollm2-llama.cpp` is not" in report
    assert "No price is known for `unlisted`" in report
    assert "0.00 USD" not in report


def test_failures_of_all_kinds_are_told(build, simulate) -> None:
    levels = [simulate(n=30, errors={"timeout": 20, "http_5xx": 10}), simulate("fine", n=30)]
    failed = [FailedDeployment("gone", "g5.2xlarge", "port 8000 is taken | <b>by us</b>")]
    inputs = build(levels, Budgets(error_rate_budget=0.0), failed_deployments=failed)
    report = render_markdown(inputs)
    said = section(report, "### Failed experiments")
    assert "**100% ✗**" in said
    assert "| `timeout` | 20 | 1 |" in said
    assert "a greater `load.timeout`, or a lower load |" in said
    assert said.startswith("\n**1 level over budget, 1 level with errors and 1 experiment not deployed**, of 2 levels.")
    assert "http_5xx: 10, timeout: 20" in render_appendix(inputs)
    assert "1 experiment could not be measured at all" in said
    assert "| gone | g5.2xlarge | port 8000 is taken \\| \\<b\\>by us\\</b\\> |" in said
    assert "> **1 level of 2 is invalid:**" in report
    assert "> **Not measured:** gone" in report


def test_what_still_costs_money_is_told_first_and_last(build, simulate) -> None:
    command = "fmbench cleanup results/x/20260930-191203Z"
    left = StandingEndpoint("mine", "local", "m7i.xlarge", "http://127.0.0.1:8000", command, 0.5)
    report = render_markdown(build([simulate(n=30)], standing=[left]))
    assert report.index("> **Still costs money:** mine") < report.index("## Summary")
    said = section(report, "## What still costs money")
    assert "at 0.50 USD per hour" in said
    assert f"`{command}`" in said


def test_notices_steps_and_evaluations(build, simulate, quickstart) -> None:
    run = replace(
        quickstart.run,
        evaluations="model_eval_all_info.yml",
        steps_failed={"3_run_inference": "cell 2: it broke"},
    )
    report = render_markdown(build([simulate(n=30)], run=run, notices=["metrics.weights: ignored <x>"]))
    assert "> **Step 3_run_inference failed:** cell 2: it broke" in report
    assert "`model_eval_all_info.yml` asks for model evaluations" in report
    assert "- metrics.weights: ignored \\<x\\>" in report


def test_nothing_measured_is_a_report_too(build) -> None:
    report = render_markdown(build([], Budgets(latency_budget=1)))
    assert re.findall(r"^#+ .*$", report, flags=re.M) == HEADINGS
    assert "Nothing can be decided: no level was measured." in report
    assert not re.search(r"\b(nan|NaN|None)\b", report)


def test_no_output_of_a_model_and_no_html_reaches_the_report(build, simulate) -> None:
    name = "<img src=x onerror=alert(1)> | `x` *y*"
    report = render_markdown(build([simulate(name, n=30, errors={"http_5xx": 3}), simulate("b", n=30)]))
    assert "alert(1)</script>" not in report
    assert "<b>happened" not in report  # the server's words are shown, and nothing in them is read as HTML
    outside_code = re.sub(r"`[^`\n]*`", "", report)
    assert not re.search(r"(?<!\\)<[a-z/]", outside_code)
    for one in tables_of(report):
        assert len({len(row) for row in one}) == 1


def test_rates_and_concurrencies_are_told_apart(build, simulate) -> None:
    report = render_appendix(build([simulate(concurrency=1, n=30), simulate(rate=0.5, concurrency=None, n=30)]))
    rows = tables_of(section(report, "## Every level"))[0][2:]
    assert [row[3] for row in rows] == ["concurrency 1", "0.5 requests/s"]


def test_the_title_and_the_number_of_transactions_can_be_chosen(quickstart) -> None:
    report = render_markdown(replace(quickstart, options=ReportOptions(title="Mine & yours", transactions=1_000_000)))
    assert report.startswith("# Mine & yours\n")
    price = rows_of(quickstart.summary)[1]["price_per_txn"]
    assert f"| price of 1,000,000 transactions (USD) | {price * 1e6:,.2f} |" in report


def test_goodput_stands_beside_throughput(build, simulate) -> None:
    levels = [simulate(concurrency=c, n=80) for c in (1, 12)]
    budgets, without = Budgets(slo_attainment_budget=0.99), build(levels)
    assert "### Goodput" not in render_markdown(without)
    objectives = Objectives(latency=float(without.summary["latency_p50"].max()))
    summary = summary_frame(levels, objectives=objectives)
    report = render_markdown(
        replace(without, objectives=objectives, summary=summary, decision=decide(summary, budgets))
    )
    header, *rows = tables_of(section(report, "### Goodput"))[0]
    assert header[3:7] == ["goodput (requests/s)", "of throughput", "within all", "within latency"]
    assert rows[-1][5:7] == ["50%", "50%"]
    missed = section(report, "### Failed experiments")
    assert "99% of requests within their objectives" in missed
    assert "**50% ✗**" in missed


def test_a_budget_of_any_time_has_a_column_where_it_is_missed(build, simulate) -> None:
    budgets = Budgets(latency_budget=100, budgets={"TTFT_p50": 0.001, "TPOT_mean": 10.0})
    inputs = build([simulate(n=90)], budgets)
    missed = missed_table(judgements(inputs.summary, inputs.decision.budgets))
    assert missed["TTFT p50 (95% CI)"][0].endswith(FAILS)
    assert FAILS not in missed["TPOT mean"][0] + missed["latency p95 (95% CI)"][0]
    assert missed["misses by"][0].startswith("TTFT p50 ")
    assert "whose TTFT p50 of " in inputs.decision.text


def test_percentiles_without_an_interval_are_marked_everywhere(build, simulate) -> None:
    few, many = build([simulate(n=20)]), build([simulate(n=3000)])
    assert list(levels_table(few.summary)["latency p99"].str.startswith("≈ ")) == [True]
    assert list(levels_table(many.summary)["latency p99"].str.startswith("≈ ")) == [False]
    for inputs, marked in ((few, True), (many, False)):
        assert ("| latency p50, p95, p99 (s) | ≈ " in render_markdown(inputs)) is marked
    assert "latency p95 ≈ " in few.decision.text
    assert "a p95 of ≈ " in few.recommendations["recommendation"][0]


def test_what_the_server_said_of_failures_is_shown_once_for_each_class(build, simulate) -> None:
    inputs = build([simulate("a", n=30, errors={"http_5xx": 3}), simulate("a", n=30, load="rate-2")])
    said = section(render_markdown(inputs), "### Failed experiments")
    assert said.count("| `http_5xx` | 3 | 1 | a | http_5xx \\<b\\>happened") == 1
    table = render_appendix(inputs).partition("The first message of each class:")[2]
    assert table.count("| a | http_5xx | 3 | ") == 1
    assert "happened" in table


def test_a_cut_table_of_failures_begins_with_the_dataset_that_is_decided_about(build, simulate) -> None:
    levels = [simulate("e", f"{name}.jsonl", load, n=10) for name in ("a", "b") for load in range(1, 12)]
    inputs = build(levels, Budgets(latency_budget=0.001), dataset="b.jsonl")
    shown, *_ = tables_of(section(render_markdown(inputs), "### Failed experiments"))
    assert [row[1].strip() for row in shown[2:]] == ["b"] * 11 + ["a"]
    assert "The dataset of the decision comes first." in render_markdown(inputs)


def test_a_table_is_not_cut_for_a_few_rows(build, simulate) -> None:
    inputs = build([simulate(f"e{number}", n=10) for number in range(14)], Budgets(latency_budget=0.001))
    said = section(render_markdown(inputs), "### Failed experiments")
    assert "more rows" not in said
    assert len(tables_of(said)[0]) == 2 + 14


def test_a_long_table_is_cut_and_whole_in_the_appendix(build, simulate) -> None:
    levels = [simulate(f"e{number}", n=10, errors={"timeout": 1}) for number in range(20)]
    inputs = build(levels, Budgets(error_rate_budget=0.0))
    said = section(render_markdown(inputs), "### Failed experiments")
    assert "… and 8 more rows in the [appendix](report_appendix.md)." in said
    assert len(tables_of(section(render_appendix(inputs), "## Levels over a budget"))[0]) == 22
    assert "| `timeout` | 20 | 20 | e0, e1, e2 and 17 more |" in said
