"""A run in the forms of other programs: the same figures, and nothing in place of what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fmbench_lib.cli.commands import main
from fmbench_lib.cli.import_options import EXPORT_FORMS
from fmbench_lib.report.exports.export_forms import FORMS
from fmbench_lib.report.exports.summary_schema import schema_text, summary_schema
from tests.imports.samples import found_in

SCHEMA_PAGE = Path(__file__).parents[3] / "docs" / "summary.schema.json"


def test_the_command_knows_every_form() -> None:
    assert tuple(FORMS) == EXPORT_FORMS


def test_the_summary_keeps_to_its_schema(summary: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(summary_schema())
    jsonschema.validate(summary, summary_schema())
    for broken in ({**summary, "format": 0}, {**summary, "levels": [{**summary["levels"][0], "latency_p50": "1 s"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, summary_schema())


def test_the_schema_that_ships_is_that_of_the_columns() -> None:
    regenerate = "python -m fmbench_lib.report.exports.summary_schema docs/summary.schema.json"
    assert SCHEMA_PAGE.read_text(encoding="utf-8") == schema_text(), regenerate


def test_vllms_fields_read_back_are_the_same_figures(summary: dict[str, Any], tmp_path: Path) -> None:
    levels = found_in(tmp_path, FORMS["vllm"](summary), "back.jsonl")
    for level, row in zip(levels, summary["levels"], strict=True):
        for column in ("TTFT_mean", "TTFT_p50", "TPOT_p99", "latency_p95", "transactions_per_second", "window_s"):
            value = level.value(column)
            assert value == (None if row[column] is None else pytest.approx(row[column])), column
        assert level.experiment == row["experiment_name"]
    assert "p95_ttft_ms" not in json.loads(FORMS["vllm"](summary).splitlines()[1])


def test_llmds_documents_read_back_are_the_same_figures(summary: dict[str, Any], tmp_path: Path) -> None:
    documents = list(yaml.safe_load_all(FORMS["llm-d"](summary)))
    assert [one["version"] for one in documents] == ["0.2.1", "0.2.1"]
    for one, row in zip(documents, summary["levels"], strict=True):
        aggregate = one["results"]["request_performance"]["aggregate"]
        assert set(one) <= {"version", "run", "scenario", "results"}
        assert aggregate["requests"]["total"] == row["requests"]
        assert all("mean" in group and "units" in group for group in aggregate["latency"].values())
    (level,) = found_in(tmp_path, yaml.safe_dump({**documents[0], "scenario": {}}), "back.yml")
    assert level.value("latency_p95") == pytest.approx(summary["levels"][0]["latency_p95"])
    assert level.value("window_s") == pytest.approx(60.0)


def test_prometheus_has_no_line_for_what_is_missing(summary: dict[str, Any]) -> None:
    lines = FORMS["prometheus"](summary).splitlines()
    latencies = [line for line in lines if line.startswith("fmbench_latency_seconds{")]
    assert len(latencies) == 4  # the second level has a mean alone
    assert latencies[2].endswith('quantile="0.95"} 0.6')
    assert not any(line.startswith("fmbench_price") for line in lines)
    assert sum(line.startswith("fmbench_verdict{") for line in lines) == 2


def test_labels_are_escaped(summary: dict[str, Any]) -> None:
    row = {**summary["levels"][0], "experiment_name": 'a"b\\c\nd'}
    text = FORMS["prometheus"]({**summary, "levels": [row]})
    assert 'experiment="a\\"b\\\\c\\nd"' in text


def test_the_command_writes_a_file(run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run_dir), "--as", "vllm", "--into", str(tmp_path / "out.jsonl")]) == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
    assert main(["export", str(run_dir), "--into", str(tmp_path / "none" / "x.json")]) == 2
    assert "is no folder" in capsys.readouterr().err
