"""The six notebooks, end to end, on a real model served by a real inference server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pandas as pd
import pyarrow.parquet as pq
import scrapbook
import yaml
from PIL import Image

from tests.e2e.conftest import Finished
from tests.e2e.running import alive

COLUMNS = """
experiment_name payload_file instance_type instance_count concurrency request_rate requests successes
completions_in_window errors error_rate prompt_token_count_mean prompt_token_throughput
completion_token_count_mean completion_token_throughput transactions_per_second transactions_per_minute
latency_mean latency_p50 latency_p95 latency_p99 TTFT_mean TTFT_p50 TTFT_p95 TTFT_p99 TPOT_mean TPOT_p50
TPOT_p95 TPOT_p99 ITL_mean ITL_p50 ITL_p95 ITL_p99 price_per_txn price_per_token window_s mean_in_flight
client_lag_p99 schedule_lag_p99 client_limited verdict
"""
TABLES = {
    "all_metrics.csv",
    "all_metrics_summary.csv",
    "per_inference_request_results.csv",
    "per_inference_request_results.parquet",
    "error_rates.csv",
    "experiment_counts.csv",
    "summary_metrics_w_pricing.csv",
    "summary_metrics_for_dataset_w_scores.csv",
    "summary_metrics_for_dataset_best_option.csv",
    "summary_metrics_for_dataset_best_option_each_instance_type.csv",
    "endpoint_metrics.csv",
    "endpoint_metrics_summarized.csv",
    "endpoint_per_instance_per_run_costs.csv",
}
PICTURES = (
    "business_summary",
    "tokens_vs_latency",
    "concurrency_vs_inference_latency",
    "error_rates",
    "endpoint_metrics",
)
CONFIG = {
    "general": {"name": "real"},
    "datasets": {
        "prompt_template_keys": ["input", "context"],
        "question_col_key": "input",
        "ground_truth_col_key": "answers",
        "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 120, "payload_file": "short.jsonl"}],
    },
    "inference_parameters": {"max_tokens": 8, "temperature": 0},
    "load": {"requests": 6, "warmup_requests": 2, "timeout": 60, "prompt_reuse": "never"},
    "experiments": [
        {
            "name": "smollm2",
            "platform": "local",
            "concurrency_levels": [1, 2],
            "inference_spec": {"model_copies": 2},
            "local": {"parallel": 1, "context_tokens": 512, "threads": 1},
        }
    ],
    "report": {"latency_budget": 60},
}


def test_a_run_leaves_everything_that_it_promises(fmbench: Callable[..., Finished], tmp_path: Path) -> None:
    config = tmp_path / "real.yml"
    config.write_text(yaml.safe_dump(CONFIG))
    done = fmbench("--config-file", config)
    assert done.code == 0, done.out + done.err
    assert "Traceback" not in done.out + done.err
    assert "is the cheapest of 2 levels" in done.out
    assert "meet every budget" in (done.run / "report.md").read_text()
    assert f"report: {(done.run / 'report.md').relative_to(tmp_path)}" in done.out

    summary = pd.read_csv(done.run / "metrics" / "all_metrics_summary.csv")
    assert list(summary.columns[: len(COLUMNS.split())]) == COLUMNS.split()
    assert list(summary["successes"]) == [6, 6]
    assert list(summary["errors"]) == [0, 0]
    assert set(summary["token_source"]) == {"server"}
    assert (summary["completion_token_count_mean"] <= 8).all()
    assert {path.name for path in (done.run / "metrics").iterdir()} == TABLES
    for picture in PICTURES:
        with Image.open(done.run / "figures" / f"{picture}.png") as image:
            assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 4
    assert (done.run / "figures" / "business_summary.html").exists()

    check_notebooks(done)
    check_records(done)
    check_machine(done)
    check_server_is_gone(done)


def check_machine(done: Finished) -> None:
    """The machine, the two servers and their own metrics stand beside the levels."""
    samples = pd.read_csv(done.run / "metrics" / "endpoint_metrics.csv")
    assert list(samples.columns) == ["time", "experiment", "source", "metric", "labels", "value", "unit"]
    assert set(samples["source"]) == {"host", "server", "llama.cpp", "monitor"}
    running = samples[samples["metric"] == "requests_running"]["labels"]
    assert {json.loads(labels)["copy"] for labels in running} == {"0", "1"}
    levels = pd.read_csv(done.run / "metrics" / "endpoint_metrics_summarized.csv")
    tokens = levels[levels["metric"] == "generation_tokens"].groupby("load")["total"].sum()
    assert (tokens > 8).all(), "what the servers generated in each level, and the warm-up"
    report = (done.run / "report.md").read_text()
    assert "llama.cpp's server publishes no time to first token" in report


def check_notebooks(done: Finished) -> None:
    names = ["0_setup", "1_generate_data", "2_deploy_model", "3_run_inference", "4_model_metric_analysis", "5_cleanup"]
    state = done.read("run.json")
    assert list(state["steps"]) == names
    assert {step["status"] for step in state["steps"].values()} == {"done"}
    assert state["status"] == "finished"
    for name in names:
        notebook = nbformat.read(done.run / "notebooks" / f"{name}.ipynb", as_version=4)
        assert not notebook.metadata.papermill.exception
        assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    scraps = scrapbook.read_notebook(str(done.run / "notebooks" / "4_model_metric_analysis.ipynb")).scraps
    assert scraps["decision"].data == done.read("summary.json")["decision"]["text"]


def check_records(done: Finished) -> None:
    prompts: list[str] = []
    for path in sorted(done.run.glob("requests/*/*/*.parquet")):
        records = pq.read_table(path).to_pandas()
        prompts += list(records["prompt_id"])
        assert set(records["endpoint"]) == set(done.read("endpoints.json")["smollm2"]["urls"])
        assert (records["first"] > records["sent"]).all()
        assert (records["last"] >= records["first"]).all()
    assert len(prompts) == len(set(prompts)) == 2 * (6 + 2)


def check_server_is_gone(done: Finished) -> None:
    endpoint = done.read("endpoints.json")["smollm2"]
    assert endpoint["status"] == "deleted"
    assert len(endpoint["resources"]) == 2
    assert not any(alive(resource["pid"]) for resource in endpoint["resources"])
    costs = pd.read_csv(done.run / "metrics" / "endpoint_per_instance_per_run_costs.csv")
    assert costs["cost_billed"].iloc[0] > costs["cost_measuring"].iloc[0] > 0
