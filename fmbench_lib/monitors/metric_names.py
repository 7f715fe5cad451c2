"""The metric names of serving stacks on their Prometheus pages, and the common names for them.

A name that a stack no longer uses stays here for those who run an older version. `docs/monitors.md` has the same table
in words; a test compares them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

STACKS = {
    "vllm:": "vllm",
    "sglang:": "sglang",
    "tgi_": "tgi",
    "nv_": "triton",
    "llamacpp:": "llama.cpp",
    "emulator:": "emulator",
}
"""The source of a series, by the prefix of its name."""


@dataclass(frozen=True, slots=True)
class Known:
    """A series under its common name. `scale` converts its unit; `where` holds the labels that it must have."""

    metric: str
    unit: str
    scale: float = 1.0
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quotient:
    """The quotient of one counter and the sum of others: a mean (`scale` converts its unit) or a share.

    Each counter is first summed over all labels of a page.
    """

    metric: str
    over: str
    under: tuple[str, ...]
    unit: str
    scale: float = 1.0


GAUGES: dict[str, tuple[Known, ...]] = {
    "vllm:num_requests_running": (Known("requests_running", "requests"),),
    "vllm:num_requests_waiting": (Known("requests_waiting", "requests"),),
    "vllm:num_requests_swapped": (Known("requests_swapped", "requests"),),
    "vllm:kv_cache_usage_perc": (Known("kv_cache_usage", "ratio"),),
    "vllm:gpu_cache_usage_perc": (Known("kv_cache_usage", "ratio"),),
    "sglang:num_running_reqs": (Known("requests_running", "requests"),),
    "sglang:num_queue_reqs": (Known("requests_waiting", "requests"),),
    "sglang:token_usage": (Known("kv_cache_usage", "ratio"),),
    "sglang:cache_hit_rate": (Known("prefix_cache_hit_rate_reported", "ratio"),),
    "tgi_batch_current_size": (Known("requests_running", "requests"),),
    "tgi_queue_size": (Known("requests_waiting", "requests"),),
    "nv_trt_llm_request_metrics": (
        Known("requests_running", "requests", where={"request_type": "scheduled"}),
        Known("requests_waiting", "requests", where={"request_type": "waiting"}),
    ),
    "nv_trt_llm_inflight_batcher_metrics": (
        Known("requests_paused", "requests", where={"inflight_batcher_specific_metric": "paused_requests"}),
    ),
    "nv_trt_llm_kv_cache_block_metrics": (
        Known("kv_cache_usage", "ratio", where={"kv_cache_block_type": "fraction"}),
        Known("kv_cache_blocks_used", "blocks", where={"kv_cache_block_type": "used"}),
        Known("kv_cache_blocks", "blocks", where={"kv_cache_block_type": "max"}),
    ),
    "nv_inference_pending_request_count": (Known("requests_pending", "requests"),),
    "nv_gpu_utilization": (Known("gpu_utilization", "percent", 100.0),),
    "nv_gpu_memory_used_bytes": (Known("gpu_memory_used", "bytes"),),
    "nv_gpu_memory_total_bytes": (Known("gpu_memory_total", "bytes"),),
    "llamacpp:requests_processing": (Known("requests_running", "requests"),),
    "llamacpp:requests_deferred": (Known("requests_waiting", "requests"),),
    "llamacpp:kv_cache_usage_ratio": (Known("kv_cache_usage", "ratio"),),
    "emulator:num_requests_running": (Known("requests_running", "requests"),),
    "emulator:num_requests_waiting": (Known("requests_waiting", "requests"),),
}

COUNTERS: dict[str, Known] = {
    "vllm:num_preemptions_total": Known("preemptions", "preemptions"),
    "vllm:prompt_tokens_total": Known("prompt_tokens", "tokens"),
    "vllm:generation_tokens_total": Known("generation_tokens", "tokens"),
    "vllm:request_success_total": Known("requests_finished", "requests"),
    "sglang:num_retracted_requests_total": Known("preemptions", "preemptions"),
    "sglang:prompt_tokens_total": Known("prompt_tokens", "tokens"),
    "sglang:generation_tokens_total": Known("generation_tokens", "tokens"),
    "sglang:num_requests_total": Known("requests_finished", "requests"),
    "tgi_request_input_length_sum": Known("prompt_tokens", "tokens"),
    "tgi_request_generated_tokens_sum": Known("generation_tokens", "tokens"),
    "tgi_request_success": Known("requests_finished", "requests"),
    "tgi_request_failure": Known("requests_failed", "requests"),
    "nv_inference_request_success": Known("requests_finished", "requests"),
    "nv_inference_request_failure": Known("requests_failed", "requests"),
    "llamacpp:prompt_tokens_total": Known("prompt_tokens_computed", "tokens"),
    "llamacpp:tokens_predicted_total": Known("generation_tokens", "tokens"),
    "emulator:prompt_tokens_total": Known("prompt_tokens", "tokens"),
    "emulator:generation_tokens_total": Known("generation_tokens", "tokens"),
    "emulator:request_success_total": Known("requests_finished", "requests"),
}

HISTOGRAMS: dict[str, Known] = {
    "vllm:time_to_first_token_seconds": Known("server_ttft", "s"),
    "vllm:e2e_request_latency_seconds": Known("server_latency", "s"),
    "vllm:request_queue_time_seconds": Known("server_queue_time", "s"),
    "vllm:inter_token_latency_seconds": Known("server_itl", "s"),
    "vllm:time_per_output_token_seconds": Known("server_itl", "s"),  # its older name
    "vllm:request_time_per_output_token_seconds": Known("server_tpot", "s"),
    "sglang:time_to_first_token_seconds": Known("server_ttft", "s"),
    "sglang:e2e_request_latency_seconds": Known("server_latency", "s"),
    "sglang:queue_time_seconds": Known("server_queue_time", "s"),
    "sglang:inter_token_latency_seconds": Known("server_itl", "s"),
    "sglang:time_per_output_token_seconds": Known("server_tpot", "s"),
    "tgi_request_duration": Known("server_latency", "s"),
    "tgi_request_queue_duration": Known("server_queue_time", "s"),
    "tgi_request_mean_time_per_token_duration": Known("server_time_per_token", "s"),
    "nv_inference_first_response_histogram_ms": Known("server_ttft", "s", 1e-3),
}

_TRITON_DONE = ("nv_inference_request_success",)
_TRITON_DURATION = "nv_inference_request_duration_us"
_TRITON_ENSEMBLE = "ensemble"
PER_MODEL = frozenset(
    {
        *_TRITON_DONE,
        "nv_inference_request_failure",
        _TRITON_DURATION,
        "nv_inference_first_response_histogram_ms_bucket",
        "nv_inference_first_response_histogram_ms_sum",
        "nv_inference_first_response_histogram_ms_count",
    }
)
"""What Triton counts once for the model that a request names, and again for each model of that ensemble.

Queue time is not among these: a request waits before each model in turn.
"""

QUOTIENTS: tuple[Quotient, ...] = (
    Quotient("prefix_cache_hits", "vllm:prefix_cache_hits_total", ("vllm:prefix_cache_queries_total",), "ratio"),
    Quotient(
        "prefix_cache_hits", "vllm:gpu_prefix_cache_hits_total", ("vllm:gpu_prefix_cache_queries_total",), "ratio"
    ),
    Quotient("prefix_cache_hits", "sglang:cached_tokens_total", ("sglang:prompt_tokens_total",), "ratio"),
    Quotient(
        "prefix_cache_hits",
        "llamacpp:prompt_tokens_cached_total",
        ("llamacpp:prompt_tokens_cached_total", "llamacpp:prompt_tokens_total"),
        "ratio",
    ),
    Quotient("server_latency", _TRITON_DURATION, _TRITON_DONE, "s", 1e-6),
    Quotient("server_queue_time", "nv_inference_queue_duration_us", _TRITON_DONE, "s", 1e-6),
    Quotient(
        "server_time_per_token", "llamacpp:tokens_predicted_seconds_total", ("llamacpp:tokens_predicted_total",), "s"
    ),
)

NO_TTFT = {
    "llama.cpp": "llama.cpp's server publishes no time to first token",
    "tgi": "TGI publishes no time to first token",
    "triton": "Triton publishes the time to the first response only with `--metrics-config histogram_latencies=true`",
    "emulator": "the emulator publishes no time to first token",
}
"""Why a server has no TTFT to compare with the client's."""


def stack_of(name: str) -> str | None:
    """The serving stack that publishes a series of this name; None for an unknown one."""
    return next((stack for start, stack in STACKS.items() if name.startswith(start)), None)


def called_model(samples: Iterable[tuple[str, Mapping[str, str], float]]) -> str | None:
    """Which of Triton's models the requests name, from a page's names, labels and values; None before the first one.

    It is the ensemble if that is used at all, else the model whose requests took longest in total, because no part of a
    request takes longer than the whole.
    """
    took: dict[str, float] = defaultdict(float)
    for name, labels, value in samples:
        if name == _TRITON_DURATION:
            took[labels.get("model", "")] += value
    if took[_TRITON_ENSEMBLE] > 0:
        return _TRITON_ENSEMBLE
    return max(took, key=lambda model: took[model]) if any(took.values()) else None


def wanted() -> frozenset[str]:
    """The names of all samples that are read from a page, as the page spells them."""
    quotients = {name for quotient in QUOTIENTS for name in (quotient.over, *quotient.under)}
    parts = {f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count")}
    return frozenset({*GAUGES, *COUNTERS, *quotients, *parts})
