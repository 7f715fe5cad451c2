"""A run of imported results: its decision, its report, and what cannot be imported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.config.reading.overrides import OVERRIDE
from fmbench_lib.errors import InputError
from fmbench_lib.imports.assembling import Names
from fmbench_lib.runs.opening import open_for_reading
from fmbench_lib.steps.importing_results import Imported, ImportRequest, import_results
from fmbench_lib.steps.run_inputs.levels import missing_levels
from tests.imports import samples
from tests.imports.samples import file_of

BUDGETS = {
    f"{OVERRIDE}report.{key}": value
    for key, value in (("latency_budget", "2"), ("cost_per_10k_txn_budget", "50"), ("error_rate_budget", "0"))
}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """FMBench's summary of three levels: the first two keep to 2 s, and the second is the cheaper one."""
    folder = tmp_path_factory.mktemp("results")
    path = file_of(folder, samples.FMBENCH, "summary.csv")
    return import_results(ImportRequest(paths=[path], values=BUDGETS), folder / "runs")


def test_the_decision_follows_from_the_printed_figures(imported: Imported) -> None:
    summary = json.loads(imported.run.workspace.summary_file.read_text())
    decision = summary["decision"]
    assert (imported.levels, imported.files) == (3, 1)
    assert decision["winner"]["concurrency"] == 4
    assert [failed["concurrency"] for failed in decision["failed"]] == [1, 8]  # 59.72 USD, and 3.5 s
    assert decision["winner"]["price_per_10k_txn"] == pytest.approx(17.9167, abs=1e-4)
    assert summary["all_measured"]
    assert imported.run.workspace.read_run()["status"] == "finished"


def test_the_report_names_tool_file_and_hash(imported: Imported) -> None:
    report = imported.run.workspace.report_file.read_text()
    assert "## Imported results" in report
    assert "fmbench did not measure these levels: `FMBench 2.x` did" in report
    assert "summary.csv" in report
    levels = json.loads(imported.run.workspace.imported_file.read_text())["levels"]
    assert levels[0]["files"][0]["sha256"][:12] in report
    assert "could not be" not in report
    assert "--remeasure" not in report


def test_every_printed_figure_is_in_a_table(imported: Imported) -> None:
    figures = pd.read_csv(imported.run.workspace.metrics("imported_figures.csv"))
    rates = figures[figures["column"] == "transactions_per_minute"]
    assert list(rates["printed"]) == [60, 200, 300]
    assert set(figures["origin"].dropna()) <= {"printed", "computed"}


def test_the_run_is_read_again_like_any_other(imported: Imported) -> None:
    run = open_for_reading(imported.run.workspace.path)
    assert missing_levels(run) == []
    assert [one.name for one in run.config.experiments] == ["tiny-on-x"]
    assert run.config.experiments[0].concurrency_levels == [1, 4, 8]
    assert main(["report", str(run.workspace.path)]) == 0


def test_requests_become_records(tmp_path: Path) -> None:
    path = file_of(tmp_path, {**samples.VLLM, **samples.VLLM_DETAILS})
    request = ImportRequest(paths=[path], names=Names(instance_type="own"), hourly=3.6)
    run = import_results(request, tmp_path / "runs").run
    requests = pd.read_csv(run.workspace.metrics("per_inference_request_results.csv"))
    assert list(requests["success"]) == [True, True, True, False]
    assert requests["sent"].isna().all()
    summary = pd.read_csv(run.workspace.metrics("all_metrics_summary.csv"))
    rate = summary["transactions_per_minute"][0]
    assert summary["price_per_txn"][0] == pytest.approx(3.6 / 60 / rate)
    assert "could not be" not in run.workspace.report_file.read_text()


def test_a_folder_leaves_out_what_is_no_result(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    file_of(folder, samples.SGLANG, "a/out.jsonl")
    file_of(folder, "notes: none", "a/readme.yml")
    file_of(folder, samples.SGLANG, ".hidden/out.jsonl")
    imported = import_results(ImportRequest(paths=[folder]), tmp_path / "runs")
    assert (imported.levels, len(imported.skipped)) == (1, 1)
    assert "readme.yml" in imported.skipped[0]
    assert "known are" not in imported.skipped[0]


def test_what_cannot_be_imported_makes_no_run(tmp_path: Path) -> None:
    good = file_of(tmp_path, samples.SGLANG, "out.jsonl")
    twin = Path(shutil.copy(good, tmp_path / "twin.jsonl"))
    bad = file_of(tmp_path, "notes: none", "notes.yml")
    cases = [
        (ImportRequest(paths=[bad]), "not a result file"),
        (ImportRequest(paths=[good, twin]), "twin.jsonl has the content of"),
        (ImportRequest(paths=[good], hourly=1.0), "give --instance-type too"),
        (ImportRequest(paths=[good], hourly=1.0, pricing=bad), "leave one of the two out"),
        (ImportRequest(paths=[good], pricing=tmp_path / "none.yml"), "no such file"),
        (ImportRequest(paths=[tmp_path / "none"]), "none"),
        (ImportRequest(paths=[good], values={f"{OVERRIDE}report.latency_buget": "2"}), "latency_bu"),
    ]
    for request, message in cases:
        with pytest.raises(InputError, match=message):
            import_results(request, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_command_exits_with_2_for_a_file_of_no_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file_of(tmp_path, "notes: none", "notes.yml")
    assert main(["import", str(path), "--results-dir", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fmbench: ")
    assert len(error.splitlines()) == 1
