"""Each tool's files are recognised by their content and read in our units: seconds, tokens, requests per second."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.errors import InputError
from fmbench_lib.imports import tool_table
from fmbench_lib.imports.found_level import figure
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import read_result_file
from fmbench_lib.imports.tool_table import levels_in, tool_of
from tests.imports import samples
from tests.imports.samples import file_of, found_in


@pytest.mark.parametrize(
    ("content", "tool"),
    [
        (samples.VLLM, "vllm bench serve"),
        (samples.SGLANG, "SGLang bench_serving"),
        (samples.LLMPERF, "llmperf"),
        (samples.LLMPERF_REQUESTS, "llmperf"),
        (samples.stage(), "inference-perf"),
        (samples.guidellm(), "guidellm"),
        (samples.AIPERF, "AIPerf and GenAI-Perf"),
        (samples.GENAI_CSV, "GenAI-Perf and AIPerf (table)"),
        (samples.LLMD, "llm-d benchmark report"),
        (samples.FMBENCH, "FMBench 2.x"),
        (samples.FMBENCH_BATCHES, "FMBench 2.x"),
    ],
)
def test_a_file_is_recognised_by_what_is_in_it(content: Any, tool: str, tmp_path: Path) -> None:
    assert tool_of(read_result_file(file_of(tmp_path, content, "renamed.txt"))).name == tool


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ('{"duration": 3.5, "comple', "its JSON is damaged or cut off at line 1, column 19"),
        ('{"a": 1}\n\n{"a": 2}\n{"a": ', "its JSON is damaged or cut off in line 4"),
    ],
)
def test_a_file_that_is_empty_or_cut_off_says_so(content: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        found_in(tmp_path, content)
    assert str(caught.value).endswith(f": {told}: import a whole copy of it")


def test_figures_that_nothing_can_have_are_missing() -> None:
    """Times, rates and counts below 0, a duration of 0 and more failures than requests are no figures."""
    assert figure("latency_p95", "p95", -1.0) == []
    assert figure("window_s", "duration", 0.0) == []
    assert figure("error_rate", "errors", 200.0, 0.01) == []
    assert [one.value for one in figure("error_rate", "errors", 100.0, 0.01)] == [1.0]
    assert [one.value for one in figure("error_rate", "errors", 0.0)] == [0.0]


def test_a_file_of_no_known_tool_is_one_line_that_lists_them(tmp_path: Path) -> None:
    for content in ({"answer": 42}, "a,b\n1,2\n", "words: and more", [1, 2]):
        with pytest.raises(InputError) as caught:
            found_in(tmp_path, content)
        message = str(caught.value)
        assert "not a result file that can be imported" in message
        assert "\n" not in message
        assert all(name in message for name in ("vllm bench serve", "guidellm", "llmperf", "FMBench 2.x"))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    packed = tmp_path / "cut.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(samples.VLLM).encode())[:-12])
    with pytest.raises(InputError, match=r"cut\.json\.gz"):
        read_result_file(packed)
    broken = tmp_path / "latin.json"
    broken.write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(InputError, match="UTF-8"):
        read_result_file(broken)
    with pytest.raises(InputError, match="No such file"):
        read_result_file(tmp_path / "none.json")
    with pytest.raises(InputError, match="looks like a file of guidellm"):
        found_in(tmp_path, {"benchmarks": [{"metrics": {}, "config": []}, None]})


def test_a_packed_file_is_read_like_the_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "result.json.gz"
    path.write_bytes(gzip.compress(json.dumps(samples.VLLM).encode()))
    assert levels_in(read_result_file(path))[0].value("TTFT_mean") == pytest.approx(0.075)


def test_vllm_prints_milliseconds(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, samples.VLLM)
    assert (level.model, level.concurrency, level.request_rate) == ("org/tiny-model", 2, None)
    assert level.value("TTFT_p50") == pytest.approx(0.1)
    assert level.value("latency_mean") == pytest.approx(0.16)
    assert level.value("prompt_token_throughput") == pytest.approx(5.0)
    assert level.value("completion_token_count_mean") == pytest.approx(6.0)
    assert (level.value("requests"), level.value("errors"), level.value("window_s")) == (4, 0, 8.0)
    assert level.value("latency_p95") is None


def test_percentiles_that_the_user_chose_are_read(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, {**samples.VLLM, "p95_e2el_ms": 190.0, "p50_e2el_ms": 150.0})
    assert level.value("latency_p95") == pytest.approx(0.19)
    assert level.value("latency_p50") == pytest.approx(0.15)


def test_the_older_vllm_without_a_limit_sends_all_at_once(tmp_path: Path) -> None:
    document = {**samples.VLLM, "request_rate": "inf", "input_throughput": 5.0}
    document.pop("max_concurrency")
    (level,) = found_in(tmp_path, document)
    assert (level.load, level.concurrency, level.request_rate) == ("all-at-once", None, None)


def test_the_requests_of_vllm_have_moments_and_an_empty_one_is_an_error(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, {**samples.VLLM, **samples.VLLM_DETAILS})
    first, last = level.requests[0], level.requests[-1]
    assert (first.start, first.ttft, first.gaps) == (50.0, 0.1, (0.04, 0.04))
    assert first.latency == pytest.approx(0.18)
    assert (last.error, last.latency) == ("empty", None)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("HTTP 429 Too Many Requests", "http_429"),
        ("502 Bad Gateway", "http_5xx"),
        ("TimeoutError()", "timeout"),
        ("Connection refused", "connect"),
        ("strange", "endpoint"),
    ],
)
def test_errors_are_sorted_by_their_words(said: str, expected: str, tmp_path: Path) -> None:
    details = {**samples.VLLM_DETAILS, "errors": ["", "", "", said]}
    (level,) = found_in(tmp_path, {**samples.VLLM, **details})
    assert level.requests[-1].error == expected
    assert level.requests[-1].error_message == said


def test_sglang_appends_a_line_for_each_load(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({**samples.SGLANG, "request_rate": rate}) for rate in (4.0, 8.0))
    first, second = found_in(tmp_path, lines, "out.jsonl")
    assert (first.request_rate, second.request_rate) == (4.0, 8.0)
    assert first.dataset == "random_512_64"
    assert first.value("latency_p50") == pytest.approx(1.4)
    assert first.value("mean_in_flight") == 6.0


def test_llmperfs_inter_token_latency_is_neither_itl_nor_tpot(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, samples.LLMPERF)
    assert level.value("ITL_mean") is None
    assert level.value("TPOT_mean") is None
    assert "60 ms" in level.findings[0].reason  # (1.1 - 0.5) / 10
    assert level.value("window_s") == pytest.approx(2.0)  # 2 at 60 a minute


def test_llmperfs_single_responses(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, samples.LLMPERF_REQUESTS)
    assert [one.error for one in level.requests] == [None, None, "http_429"]
    assert level.requests[0].start is None


def test_guidellms_inter_token_latency_is_tpot_and_incomplete_requests_do_not_count(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, samples.guidellm())
    assert level.request_rate == 3.0
    assert level.value("TPOT_mean") == pytest.approx(0.1)
    assert level.value("ITL_mean") is None
    assert (level.value("requests"), level.value("errors")) == (3, 1)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: {"start_time": 7.0, "end_time": 8.5, "first_token_time": 7.5, "last_token_time": 8.4,
                 "prompt_tokens": 100, "output_tokens": 11},
        lambda: {"info": {"timings": {"request_start": 7.0, "request_end": 8.5, "first_token_iteration": 7.5,
                                      "last_token_iteration": 8.4}},
                 "input_metrics": {"text_tokens": 100}, "output_metrics": {"text_tokens": 11}},
    ],
)  # fmt: skip
def test_guidellms_requests_in_older_and_newer_form(request_of: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    good = [request_of(), request_of()]
    (level,) = found_in(tmp_path, samples.guidellm(successful=good, errored=[{"error": "boom"}]))
    first = level.requests[0]
    assert (first.start, first.prompt_tokens, first.completion_tokens) == (7.0, 100, 11)
    assert first.ttft == pytest.approx(0.5)
    assert first.latency == pytest.approx(1.4)
    assert level.requests[-1].error == "endpoint"


def test_a_sample_of_guidellms_requests_is_not_the_level(tmp_path: Path) -> None:
    one = {"start_time": 7.0, "end_time": 8.5, "first_token_time": 7.5, "prompt_tokens": 100, "output_tokens": 11}
    (level,) = found_in(tmp_path, samples.guidellm(successful=[one]))
    assert level.requests == ()


def test_aiperf_names_its_units(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, samples.AIPERF)
    assert level.value("latency_p95") == pytest.approx(1.9)
    assert level.value("TPOT_mean") == pytest.approx(0.01)
    assert level.value("ITL_mean") == pytest.approx(0.02)  # 20,000 µs
    assert (level.value("requests"), level.value("errors")) == (250, 50)
    assert level.concurrency == 4


def test_an_unknown_unit_is_an_error(tmp_path: Path) -> None:
    document = {**samples.AIPERF, "request_latency": {"unit": "fortnights", "avg": 1.0}}
    with pytest.raises(InputError, match="fortnights is no unit of time"):
        found_in(tmp_path, document)


def test_the_table_of_genai_perf_says_the_same_as_the_json(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, samples.GENAI_CSV, "x.csv")
    (other,) = found_in(tmp_path, samples.AIPERF, "x.json")
    for column in ("latency_mean", "latency_p95", "TTFT_p50", "TPOT_p99", "transactions_per_second"):
        assert level.value(column) == pytest.approx(other.value(column))
    in_ns = samples.GENAI_CSV.replace("Time To First Token (ms),100.00", "Time To First Token (ns),100.00")
    assert found_in(tmp_path, in_ns, "y.csv")[0].value("TTFT_mean") == pytest.approx(1e-7)


def test_aiperfs_records_of_requests(tmp_path: Path) -> None:
    good = {
        "metadata": {"request_start_ns": 2_000_000_000, "benchmark_phase": "profiling"},
        "metrics": {
            "request_latency": {"value": 300.0, "unit": "ms"},
            "time_to_first_token": {"value": 100.0, "unit": "ms"},
            "inter_chunk_latency": {"value": [100.0, 100.0], "unit": "ms"},
            "input_sequence_length": {"value": 5, "unit": "tokens"},
            "output_sequence_length": {"value": 3, "unit": "tokens"},
        },
        "error": None,
    }
    bad = {
        "metadata": {"request_start_ns": 3_000_000_000},
        "metrics": {},
        "error": {"code": 499, "type": "RequestCancellationError", "message": "cancelled"},
    }
    warm = {**good, "metadata": {"request_start_ns": 1_000_000_000, "benchmark_phase": "warmup"}}
    (level,) = found_in(tmp_path, "\n".join(map(json.dumps, (warm, good, bad))), "export.jsonl")
    assert [one.start for one in level.requests] == [2.0, 3.0]
    assert level.requests[0].gaps == (0.1, 0.1)
    assert level.requests[1].error == "cancelled"


def test_perf_analyzers_profile(tmp_path: Path) -> None:
    second = 1_000_000_000
    request = {"timestamp": 5 * second, "response_timestamps": [6 * second, 7 * second]}
    experiment = {"experiment": {"mode": "concurrency", "value": 2}, "requests": [request]}
    (level,) = found_in(tmp_path, {"experiments": [experiment]})
    assert level.concurrency == 2
    assert level.requests[0][:4] == (5.0, 1.0, 2.0, (1.0,))


def test_inference_perfs_requests(tmp_path: Path) -> None:
    info = {"input_tokens": 9, "output_tokens": 3, "output_token_times": [1.5, 1.6, 1.7]}
    good = {"start_time": 1.0, "end_time": 1.8, "request": "", "response": "", "info": info, "error": None}
    empty = {**good, "info": {**info, "output_tokens": 0, "output_token_times": []}}
    bad = {**good, "error": {"error_type": "ClientError", "error_msg": "503 Service Unavailable"}}
    (level,) = found_in(tmp_path, [good, empty, bad])
    assert level.requests[0].ttft == pytest.approx(0.5)
    assert level.requests[0].latency == pytest.approx(0.7)
    assert [one.error for one in level.requests] == [None, "empty", "http_5xx"]


def test_inference_perf_prints_seconds(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, samples.stage())
    assert level.value("latency_p50") == 0.5
    assert level.value("window_s") == pytest.approx(60.0)  # 600 at 10 a second
    assert level.request_rate == 10.0


def test_llmd_names_its_units(tmp_path: Path) -> None:
    (level,) = found_in(tmp_path, samples.LLMD)
    assert level.value("latency_p95") == pytest.approx(1.9)
    assert level.value("TTFT_p95") == 0.2
    assert level.value("window_s") == 100.0
    assert level.dataset == "prompts_100_11"
    rate = {"request_rate": {"units": "queries/min", "mean": 5.0}}
    wrong = json.loads(json.dumps(samples.LLMD))
    wrong["results"]["request_performance"]["aggregate"]["throughput"] = rate
    with pytest.raises(InputError, match="no rate per second"):
        found_in(tmp_path, wrong)


def test_fmbenchs_summary(tmp_path: Path) -> None:
    first, _, last = found_in(tmp_path, samples.FMBENCH, "summary.csv")
    assert (first.experiment, first.dataset, first.concurrency) == ("tiny-on-x", "payload_en_1-500.jsonl", 1)
    assert (last.value("latency_p95"), last.value("transactions_per_minute")) == (3.5, 300)
    assert last.value("requests") is None


def test_fmbenchs_batches_are_pooled_not_averaged(tmp_path: Path) -> None:
    single, double = found_in(tmp_path, samples.FMBENCH_BATCHES, "all_metrics.csv")
    assert single.value("transactions_per_minute") == pytest.approx(30.0)  # 2 in 1 + 3 s, not the mean of 60 and 20
    assert single.value("latency_mean") == pytest.approx(2.0)
    assert [one.latency for one in single.requests] == [1.0, 3.0]
    assert "averages the rates of 2 batches to 40" in single.findings[0].reason
    assert double.requests == ()
    assert (double.value("requests"), double.value("errors")) == (2, 1)


def test_an_installed_reader_is_asked_after_those_that_ship(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = Tool("mine", "text", lambda file: file.text.startswith("mine"), lambda file: [])
    monkeypatch.setattr(tool_table, "installed_names", lambda group: ("mine",))
    monkeypatch.setattr(tool_table, "load_installed", lambda group, name, kind: mine)
    path = file_of(tmp_path, "mine: 1")
    assert tool_of(read_result_file(path)) is mine
    with pytest.raises(InputError, match="without results"):
        levels_in(read_result_file(path))
    monkeypatch.setattr(tool_table, "load_installed", lambda group, name, kind: object())
    with pytest.raises(InputError, match="make it a"):
        tool_of(read_result_file(path))


@pytest.mark.parametrize(
    ("content", "p90"),
    [
        ({**samples.VLLM, "p90_e2el_ms": 180.0}, 0.18),
        ({**samples.LLMPERF, "results_end_to_end_latency_s_quantiles_p90": 1.8}, 1.8),
        (samples.stage(), 0.55),
        (samples.guidellm(), None),
        (samples.AIPERF, 1.8),
        (samples.GENAI_CSV, 1.8),
        (samples.LLMD, 1.8),
        (samples.FMBENCH.replace("latency_p99", "latency_p90"), 2.0),
    ],
)
def test_the_ninetieth_percentile_is_read_where_a_tool_prints_it(
    content: Any, p90: float | None, tmp_path: Path
) -> None:
    assert found_in(tmp_path, content)[0].value("latency_p90") == pytest.approx(p90)
