"""What an analysis gives when a part of it breaks down, and by which options it reports."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pyarrow.parquet as pq
import pytest

from fmbench_lib.runs.opening import open_for_reading
from fmbench_lib.steps import analysis
from fmbench_lib.steps.analysis import invalid_lines, write_analysis, write_report
from fmbench_lib.steps.reporting import report_inputs, request_tables

DATA = Path(__file__).parents[1] / "report" / "data"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A copy of the recorded run whose config is gone."""
    shutil.copytree(DATA / "recorded_run", tmp_path / "run", ignore=shutil.ignore_patterns("metrics"))
    return tmp_path / "run"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures, which take the most time."""
    monkeypatch.setattr(analysis, "draw_figures", lambda *_: [])


def analysed(run_dir: Path) -> dict[str, Any]:
    write_analysis(open_for_reading(run_dir))
    summary: dict[str, Any] = json.loads((run_dir / "summary.json").read_text())
    return summary


def breaks(*arguments: Any, **more: Any) -> Any:
    raise OverflowError("too large")


@pytest.mark.thorough
def test_a_picture_that_cannot_be_drawn_costs_itself(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmbench_lib.report.figures.draw.draw_error_rates", breaks)
    summary = analysed(run_dir)
    (line,) = summary["attention"][-1:]
    assert line.startswith("error_rates.png could not be made: OverflowError: too large")
    assert line in summary["notices"]
    pictures = {path.name for path in (run_dir / "figures").iterdir()}
    assert "error_rates.png" not in pictures
    assert {"latency_distributions.png", "tokens_vs_latency.png", "business_summary.png"} <= pictures


@pytest.mark.usefixtures("undrawn")
def test_the_page_holds_the_run_links_its_files_and_is_made_again(run_dir: Path) -> None:
    (run_dir / "notebooks").mkdir()
    (run_dir / "notebooks" / "3_run_inference.ipynb").write_text("{}")
    summary = analysed(run_dir)
    page = page_data(run_dir)
    levels = [level for level in summary["levels"] if level["verdict"]]
    assert len(page["levels"]["rows"]) == len(levels)
    addresses = [file["address"] for file in page["files"]]
    assert addresses[0] == "notebooks/3_run_inference.ipynb"
    assert {"report.md", "summary.json", "metrics/all_metrics_summary.csv", "requests/"} <= {*addresses}
    assert "metrics/nothing.csv" not in addresses
    assert all((run_dir / unquote(address)).exists() for address in addresses)
    assert len(page["timelines"]) == 3 * len(levels)
    assert max(one["events"] for one in page["timelines"]) > 5
    (run_dir / "report.html").unlink()
    write_report(open_for_reading(run_dir))
    assert page_data(run_dir)["levels"] == page["levels"]


@pytest.mark.usefixtures("undrawn")
def test_a_page_that_cannot_be_made_costs_itself(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run_dir / "report.html").write_text("an earlier one")
    monkeypatch.setattr("fmbench_lib.steps.reporting.report_page.page_content", breaks)
    summary = analysed(run_dir)
    assert summary["attention"][-1].startswith("report.html could not be made: OverflowError: too large")
    assert not (run_dir / "report.html").exists()
    assert (run_dir / "report.md").exists()


def test_secrets_are_not_on_the_page(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "draw_figures", lambda *_: [])
    secret = "sk-0123456789abcdef0123456789abcdef"
    run = open_for_reading(run_dir)
    told = report_inputs.report_inputs

    def telling(*arguments: Any) -> Any:
        return replace(told(*arguments), notices=[f"Authorization: Bearer {secret}"], config_yaml=f"key: {secret}")

    monkeypatch.setattr(analysis, "report_inputs", telling)
    monkeypatch.setattr(type(run.redactor), "in_content", lambda _, text: text.replace(secret, "***"))
    write_analysis(run)
    page = (run_dir / "report.html").read_text()
    assert secret not in page
    assert "Bearer ***" in page


def page_data(run_dir: Path) -> dict[str, Any]:
    """What the page of the run holds."""
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(page.split('id="data">', 1)[1].split("</script>", 1)[0])
    return data


@pytest.mark.usefixtures("undrawn")
def test_a_decision_that_cannot_be_made_costs_itself(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decide, calls = report_inputs.decide, []

    def breaks_with_levels(summary: Any, *more: Any) -> Any:
        calls.append(len(summary))
        return breaks() if len(summary) else decide(summary, *more)

    monkeypatch.setattr(report_inputs, "decide", breaks_with_levels)
    summary = analysed(run_dir)
    assert summary["decision"]["text"].startswith("No decision: it could not be made")
    assert len(summary["levels"]) == calls[0] > 0
    assert any(line.startswith("the decision could not be made") for line in summary["attention"])


@pytest.mark.usefixtures("undrawn")
def test_a_level_whose_records_are_broken_costs_itself(run_dir: Path) -> None:
    whole = len(analysed(run_dir)["levels"])
    level = run_dir / "requests" / "one" / "payload_en_1-225" / "concurrency-1.parquet"
    level.write_bytes(level.read_bytes()[:100])
    summary = analysed(run_dir)
    assert len(summary["levels"]) == whole - 1
    assert any("one · payload_en_1-225.jsonl · concurrency-1" in line for line in summary["attention"])


@pytest.mark.usefixtures("undrawn")
def test_a_section_that_breaks_down_says_so_in_its_place(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks.__module__ = "fmbench_lib.report.sections.failures"
    monkeypatch.setattr("fmbench_lib.report.document.SECTIONS", (breaks, *report_sections()))
    analysed(run_dir)
    report = (run_dir / "report.md").read_text()
    assert report.startswith("The section on failures could not be written: OverflowError: too large")
    assert "## Plots" in report


def report_sections() -> tuple[Any, ...]:
    from fmbench_lib.report.document import SECTIONS

    return SECTIONS


def with_original(run_dir: Path, report: str) -> None:
    """Put a config with this section `report` where the run's own was."""
    original = run_dir.parent / "recorded.yml"
    text = (DATA / "recorded.yml").read_text()
    original.write_text(text[: text.index("report:")] + report)
    state = (run_dir / "run.json").read_text()
    (run_dir / "run.json").write_text(state.replace("/home/user/recorded.yml", str(original)))


@pytest.mark.usefixtures("undrawn")
def test_the_reports_options_are_those_of_the_corrected_config(run_dir: Path) -> None:
    with_original(run_dir, "report: {title: Corrected, per_request_csv: no}\n")
    summary = analysed(run_dir)
    assert (run_dir / "report.md").read_text().startswith("# Corrected")
    assert any(note.startswith("report: read from") for note in summary["notices"])
    assert not (run_dir / "metrics" / "per_inference_request_results.csv").exists()


@pytest.mark.usefixtures("undrawn")
def test_requests_beyond_the_rows_of_a_spreadsheet_have_no_csv_unless_it_is_asked_for(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv = run_dir / "metrics" / "per_inference_request_results.csv"
    monkeypatch.setattr(request_tables, "MOST_CSV_ROWS", 100)
    summary = analysed(run_dir)
    count = pq.read_metadata(csv.with_suffix(".parquet")).num_rows
    assert count > 100
    assert not csv.exists()
    assert [note for note in summary["notices"] if "spreadsheet" in note] == [
        f"per_inference_request_results.csv is left out, as its {count} requests are more rows than a spreadsheet "
        "shows: read per_inference_request_results.parquet, or set `report.per_request_csv: yes`"
    ]
    with_original(run_dir, "report: {per_request_csv: yes}\n")
    summary = analysed(run_dir)
    assert len(pd.read_csv(csv)) == count
    assert not any("spreadsheet" in note for note in summary["notices"])


@pytest.mark.usefixtures("undrawn")
def test_an_option_of_the_run_that_cannot_be_used_any_more_is_left_out(run_dir: Path) -> None:
    copy = run_dir / "config.yml"
    text = copy.read_text()
    assert "\nreport:\n" in text
    wrong = "\nreport:\n  latency_vs_token_len_chart: {y_ticks: [a]}\n"
    copy.write_text(text.replace("\nreport:\n", wrong))
    summary = analysed(run_dir)
    assert len(summary["levels"]) > 0
    assert any("left out, as it cannot be used" in note for note in summary["notices"])


def test_levels_invalid_for_the_same_reasons_share_a_line() -> None:
    late = "requests were {} ms late: look at it; an error rate of {}%: see the errors"
    rows = [
        ("one", "invalid", late.format(60, 5)),
        ("two", "degraded", late.format(1, 5)),
        ("three", "invalid", late.format(90, 5)),
        ("four", "invalid", "nothing was measured: look at the log"),
    ]
    summary = pd.DataFrame(rows, columns=["experiment_name", "verdict", "verdict_reasons"])
    assert invalid_lines(summary.assign(payload_file="p", load="rate-1"), "/runs/a b") == [
        "one · p · rate-1, three · p · rate-1 are invalid: "
        "requests were 60 to 90 ms late: look at it; an error rate of 5%: see the errors; "
        "measure it again: fmbench --resume '/runs/a b' --remeasure invalid",
        "four · p · rate-1 is invalid: nothing was measured: look at the log; "
        "measure it again: fmbench --resume '/runs/a b' --remeasure four/p/rate-1",
    ]
