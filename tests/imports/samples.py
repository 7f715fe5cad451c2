"""Small results in the form of each tool, of invented measurements; expected values are computed by hand from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fmbench_lib.imports.assembling import Assembled, Names, Part, assembled
from fmbench_lib.imports.found_level import FoundLevel
from fmbench_lib.imports.tool_file import read_result_file
from fmbench_lib.imports.tool_table import levels_in

VLLM: dict[str, Any] = {
    "date": "20260101-000000",
    "endpoint_type": "openai",
    "model_id": "org/tiny-model",
    "num_prompts": 4,
    "request_rate": "inf",
    "max_concurrency": 2,
    "duration": 8.0,
    "completed": 4,
    "total_input_tokens": 40,
    "total_output_tokens": 24,
    "request_throughput": 0.5,
    "output_throughput": 3.0,
    "total_token_throughput": 8.0,
    "mean_ttft_ms": 75.0,
    "median_ttft_ms": 100.0,
    "p99_ttft_ms": 100.0,
    "mean_tpot_ms": 20.0,
    "median_tpot_ms": 20.0,
    "p99_tpot_ms": 20.0,
    "mean_itl_ms": 40.0,
    "median_itl_ms": 40.0,
    "p99_itl_ms": 40.0,
    "mean_e2el_ms": 160.0,
}
"""Four requests in 8 s; by its details (below) one of them has no token, so that TTFT is 0.1 s in truth."""

VLLM_DETAILS: dict[str, Any] = {
    "input_lens": [10, 10, 10, 10],
    "output_lens": [8, 8, 8, 0],
    "ttfts": [0.1, 0.1, 0.1, 0.0],
    "itls": [[0.04, 0.04], [0.04, 0.04], [0.04, 0.04], []],
    "start_times": [50.0, 50.0, 52.0, 52.0],
    "errors": ["", "", "", ""],
}

SGLANG: dict[str, Any] = {
    "backend": "sglang",
    "dataset_name": "random",
    "request_rate": 4.0,
    "max_concurrency": None,
    "random_input_len": 512,
    "random_output_len": 64,
    "duration": 100.0,
    "completed": 400,
    "total_input_tokens": 204800,
    "total_output_tokens": 25600,
    "total_output_tokens_retokenized": 25590,
    "request_throughput": 4.0,
    "input_throughput": 2048.0,
    "output_throughput": 256.0,
    "mean_e2e_latency_ms": 1500.0,
    "median_e2e_latency_ms": 1400.0,
    "p99_e2e_latency_ms": 3000.0,
    "mean_ttft_ms": 200.0,
    "median_ttft_ms": 180.0,
    "p99_ttft_ms": 400.0,
    "concurrency": 6.0,
}

LLMPERF: dict[str, Any] = {
    "version": "2023-08-31",
    "model": "org/tiny-model",
    "mean_input_tokens": 100,
    "mean_output_tokens": 11,
    "num_concurrent_requests": 2,
    "results_inter_token_latency_s_mean": 0.1,
    "results_ttft_s_mean": 0.5,
    "results_ttft_s_quantiles_p50": 0.5,
    "results_ttft_s_max": 0.6,
    "results_end_to_end_latency_s_mean": 1.1,
    "results_end_to_end_latency_s_quantiles_p50": 1.1,
    "results_number_output_tokens_mean": 11.0,
    "results_num_requests_started": 3,
    "results_num_completed_requests": 2,
    "results_number_errors": 1,
    "results_num_completed_requests_per_min": 60.0,
}

LLMPERF_REQUESTS: list[dict[str, Any]] = [
    {
        "error_code": None,
        "error_msg": "",
        "inter_token_latency_s": 0.1,
        "ttft_s": ttft,
        "end_to_end_latency_s": latency,
        "number_output_tokens": 11,
        "number_input_tokens": 100,
    }
    for ttft, latency in ((0.5, 1.0), (0.5, 1.2))
] + [{"error_code": 429, "error_msg": "slow down", "ttft_s": 0, "end_to_end_latency_s": 0, "number_output_tokens": 0}]


def statistics(mean: float, **others: float) -> dict[str, float]:
    """A distribution as inference-perf prints it."""
    return {
        "mean": mean,
        "median": mean,
        "p90": 1.1 * mean,
        "p95": 1.2 * mean,
        "p99": 1.5 * mean,
        "max": 2 * mean,
        **others,
    }


def stage(rate: float = 10.0, sent: float = 10.0, delay: float = 0.0, count: int = 600) -> dict[str, Any]:
    """A stage of inference-perf: `count` requests, sent at `sent` per second of `rate` asked, `delay` s late."""
    return {
        "load_summary": {
            "count": count,
            "schedule_delay": statistics(delay),
            "send_duration": count / sent,
            "requested_rate": rate,
            "achieved_rate": sent,
        },
        "successes": {
            "count": count,
            "latency": {
                "request_latency": statistics(0.5),
                "time_per_output_token": statistics(0.004),
                "time_to_first_token": statistics(0.1),
                "inter_token_latency": {**statistics(0.004), "median": 0.00001},
            },
            "throughput": {"input_tokens_per_sec": 2000.0, "output_tokens_per_sec": 1000.0, "requests_per_sec": 10.0},
            "prompt_len": statistics(200.0),
            "output_len": statistics(100.0, min=5.0),
        },
        "failures": {"count": 0, "request_latency": None, "prompt_len": None},
    }


def guidellm(**request_keys: Any) -> dict[str, Any]:
    """A report of guidellm with one benchmark at 3 requests/s, of two requests."""

    def by_status(mean: float, count: float = 2, **percentiles: float) -> dict[str, Any]:
        of = {"p50": mean, "p95": mean, "p99": 2 * mean, **percentiles}
        good = {"mean": mean, "max": 2 * mean, "count": count, "total_sum": mean * count, "percentiles": of}
        return {"successful": good, "errored": {"mean": 0.0, "count": 0}}

    return {
        "metadata": {"version": 1, "guidellm_version": "0.5.0"},
        "args": {"model": "org/tiny-model"},
        "benchmarks": [
            {
                "config": {"strategy": {"type_": "constant", "rate": 3.0}},
                "duration": 10.0,
                "metrics": {
                    "request_totals": {"successful": 2, "errored": 1, "incomplete": 4, "total": 7},
                    "requests_per_second": by_status(0.2),
                    "request_concurrency": by_status(0.3),
                    "request_latency": by_status(1.5),
                    "prompt_token_count": by_status(100.0),
                    "output_token_count": by_status(11.0),
                    "time_to_first_token_ms": by_status(500.0),
                    "time_per_output_token_ms": by_status(136.0),
                    "inter_token_latency_ms": by_status(100.0, 20),
                },
                "requests": {"successful": [], "errored": [], "incomplete": [], **request_keys},
            }
        ],
    }


AIPERF: dict[str, Any] = {
    "request_throughput": {"unit": "requests/sec", "avg": 2.0},
    "request_latency": {
        "unit": "ms",
        "avg": 1100.0,
        "p50": 1000.0,
        "p90": 1800.0,
        "p95": 1900.0,
        "p99": 2000.0,
        "max": 2100.0,
    },
    "time_to_first_token": {"unit": "ms", "avg": 100.0, "p50": 90.0, "p95": 190.0, "p99": 200.0, "max": 210.0},
    "inter_token_latency": {"unit": "ms", "avg": 10.0, "p50": 9.0, "p95": 19.0, "p99": 20.0, "max": 21.0},
    "inter_chunk_latency": {"unit": "us", "avg": 20000.0, "p50": 20000.0, "p95": 20000.0, "p99": 20000.0},
    "output_sequence_length": {"unit": "tokens", "avg": 101.0},
    "input_sequence_length": {"unit": "tokens", "avg": 500.0},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 202.0},
    "benchmark_duration": {"unit": "sec", "avg": 100.0},
    "request_count": {"unit": "requests", "avg": 200.0},
    "error_request_count": None,
    "error_summary": [{"error_details": {"code": 500, "type": "X", "message": "y"}, "count": 50}],
    "input_config": {
        "endpoint": {"model_names": ["org/tiny-model"]},
        "loadgen": {"concurrency": 4},
    },
}

GENAI_CSV = """Metric,avg,min,max,p99,p95,p90,p75,p50,p25
Time To First Token (ms),100.00,50.00,210.00,200.00,190.00,180.00,120.00,90.00,80.00
Request Latency (ms),"1,100.00",900.00,"2,100.00","2,000.00","1,900.00","1,800.00",0,"1,000.00",0
Inter Token Latency (ms),10.00,5.00,21.00,20.00,19.00,0,0,9.00,0
Output Sequence Length (tokens),101.00,90.00,110.00,0,0,0,0,101,0
Input Sequence Length (tokens),500.00,490.00,510.00,0,0,0,0,500,0

Metric,Value
Output Token Throughput (per sec),202.00
Request Throughput (per sec),2.00
Request Count (count),200.00
"""

LLMD: dict[str, Any] = {
    "version": "0.2.1",
    "run": {"time": {"duration": "PT1M40S"}},
    "scenario": {
        "stack": [{"standardized": {"kind": "inference_engine", "model": {"name": "org/tiny-model"}}}],
        "load": {"standardized": {"rate_qps": 5.0, "input_seq_len": {"value": 100}, "output_seq_len": {"value": 11}}},
    },
    "results": {
        "request_performance": {
            "aggregate": {
                "requests": {
                    "total": 500,
                    "failures": 0,
                    "input_length": {"units": "count", "mean": 100.0},
                    "output_length": {"units": "count", "mean": 11.0},
                },
                "latency": {
                    "request_latency": {
                        "units": "ms",
                        "mean": 1100.0,
                        "p50": 1e3,
                        "p90": 1.8e3,
                        "p95": 1.9e3,
                        "p99": 2e3,
                    },
                    "time_to_first_token": {"units": "s", "mean": 0.1, "p50": 0.1, "p95": 0.2, "p99": 0.3},
                },
                "throughput": {"request_rate": {"units": "queries/s", "mean": 5.0}},
            }
        }
    },
}

FMBENCH = """experiment_name,payload_file,instance_type,instance_count,concurrency,error_rate,prompt_token_count_mean,\
prompt_token_throughput,completion_token_count_mean,completion_token_throughput,latency_p50,latency_p95,latency_p99,\
transactions_per_minute,price_per_txn,price_per_token
tiny-on-x,payload_en_1-500.jsonl,trn1.32xlarge,1.0,1,0.0,300,150,40,20,2.0,2.0,2.0,60,0.0059722,0.0000175
tiny-on-x,payload_en_1-500.jsonl,trn1.32xlarge,1.0,4,0.0,300,1000,40,133,1.2,1.5,1.8,200,0.0017917,0.0000052
tiny-on-x,payload_en_1-500.jsonl,trn1.32xlarge,1.0,8,0.0,300,1500,40,200,1.6,3.5,3.8,300,0.0011944,0.0000035
"""
"""Three levels on a machine of 21.50 USD per hour: 60, 200 and 300 transactions a minute."""

FMBENCH_BATCHES = """experiment_name,concurrency,payload_file,errors,successes,error_rate,all_prompts_token_count,\
prompt_token_count_mean,prompt_token_throughput,all_completions_token_count,completion_token_count_mean,\
completion_token_throughput,transactions,transactions_per_second,transactions_per_minute,latency_mean,instance_type
tiny-on-x,1,payload_en_1-500.jsonl,[],1,0.0,100,100.0,100.0,10,10.0,10.0,1,1.0,60,1.0,trn1.32xlarge
tiny-on-x,1,payload_en_1-500.jsonl,[],1,0.0,100,100.0,33.33333333,10,10.0,3.33,1,0.33,20,3.0,trn1.32xlarge
tiny-on-x,2,payload_en_1-500.jsonl,['timeout'],1,0.5,100,100.0,50.0,10,10.0,5.0,1,0.5,30,1.5,trn1.32xlarge
"""


def file_of(folder: Path, content: Any, name: str = "result.json") -> Path:
    """A file with this content: text as it is, else JSON."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def found_in(folder: Path, content: Any, name: str = "result.json") -> list[FoundLevel]:
    """What is read from a file with this content."""
    return levels_in(read_result_file(file_of(folder, content, name)))


def assembled_of(*paths: Path, names: Names | None = None) -> list[Assembled]:
    """The levels that these files make together."""
    files = [read_result_file(path) for path in paths]
    return assembled([Part(file, level) for file in files for level in levels_in(file)], names or Names())
