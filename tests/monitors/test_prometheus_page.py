"""Pages of the serving stacks under common names, in true units."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.monitors.metric_names import COUNTERS, GAUGES, HISTOGRAMS, QUOTIENTS, STACKS, stack_of
from fmbench_lib.monitors.prometheus_page import is_page, readings_of
from fmbench_lib.monitors.samples import Histogram, Reading

DATA = Path(__file__).parent / "data"


def read(name: str) -> list[Reading]:
    return readings_of((DATA / name).read_text())


def values(readings: list[Reading], metric: str) -> list[float]:
    return [one.value for one in readings if one.series.metric == metric and isinstance(one.value, float)]


def histogram(readings: list[Reading], metric: str) -> Histogram:
    (found,) = [one.value for one in readings if one.series.metric == metric and isinstance(one.value, Histogram)]
    return found


@pytest.mark.parametrize(
    ("page", "source", "running", "waiting"),
    [
        ("vllm.txt", "vllm", 6, 2),
        ("sglang.txt", "sglang", 162, 2826),
        ("tgi.txt", "tgi", 5, 3),
        ("triton.txt", "triton", 7, 2),
        ("llama_cpp.txt", "llama.cpp", 2, 5),
    ],
)
def test_every_stack_tells_what_it_works_on_and_what_waits(
    page: str, source: str, running: float, waiting: float
) -> None:
    readings = read(page)
    assert {one.series.source for one in readings} == {source}
    assert values(readings, "requests_running") == [running]
    assert values(readings, "requests_waiting") == [waiting]
    assert all(stack_of(one.series.label("name") or "") == source for one in readings)


def test_vllm() -> None:
    readings = read("vllm.txt")
    assert values(readings, "kv_cache_usage") == [0.4375]
    assert values(readings, "preemptions") == [3]
    assert sum(values(readings, "requests_finished")) == 21
    first = histogram(readings, "server_ttft")
    assert (first.count, first.total) == (21, 0.5709736347198486)
    assert first.buckets[:2] == ((0.001, 0), (0.02, 4))
    hits = histogram(readings, "prefix_cache_hits")
    assert hits.total / hits.count == pytest.approx(1104 / 1623)
    (series,) = [one.series for one in readings if one.series.metric == "server_ttft"]
    assert dict(series.labels) == {"engine": "0", "model_name": "org/model", "name": "vllm:time_to_first_token_seconds"}
    assert not any("process" in one.series.metric or "created" in str(one.series.labels) for one in readings)


def test_sglang() -> None:
    readings = read("sglang.txt")
    assert values(readings, "kv_cache_usage") == [0.28]
    assert values(readings, "preemptions") == [12], "retracted since the start, not those of the last batch"
    assert histogram(readings, "server_ttft").count == 11008
    assert histogram(readings, "prefix_cache_hits").total == 60967


def test_tgi_has_no_time_to_first_token() -> None:
    readings = read("tgi.txt")
    assert not any(one.series.metric == "server_ttft" for one in readings)
    assert histogram(readings, "server_queue_time").total == 3.2
    assert histogram(readings, "server_latency").count == 150
    assert values(readings, "generation_tokens") == [12500]


def test_triton_counts_in_seconds_bytes_and_percent() -> None:
    readings = read("triton.txt")
    first = histogram(readings, "server_ttft")
    assert (first.total, first.buckets[0]) == (2.5, (0.1, 8))
    latency = histogram(readings, "server_latency")
    assert latency.total / latency.count == 0.25
    assert values(readings, "gpu_utilization") == [93]
    assert values(readings, "gpu_memory_used") == [2e10]
    assert values(readings, "kv_cache_usage") == [0.25], "of its blocks, where it does not tell the share"
    assert values(readings, "requests_pending") == [4]


def triton_page(models: dict[str, tuple[int, float, float]]) -> list[Reading]:
    """What is read where each model has had so many requests, and so many seconds of them and of waiting for it."""
    lines = []
    for model, (count, took, waited) in models.items():
        label = f'{{model="{model}",version="1"}}'
        lines.append(f"nv_inference_request_success{label} {count}")
        lines.append(f"nv_inference_request_failure{label} 0")
        lines.append(f"nv_inference_request_duration_us{label} {took * 1e6}")
        lines.append(f"nv_inference_queue_duration_us{label} {waited * 1e6}")
    return readings_of("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "models",
    [
        {
            "preprocessing": (10, 0.5, 1),
            "ensemble": (10, 20, 0),
            "tensorrt_llm": (10, 18.5, 6),
            "postprocessing": (10, 1, 1),
        },
        {"mine": (10, 20, 0), "tensorrt_llm": (10, 19, 8), "ensemble": (0, 0, 0)},
        {"tensorrt_llm": (10, 20, 8)},
    ],
    ids=["an ensemble", "one of another name", "one model"],
)
def test_triton_counts_a_request_once_of_however_many_models_its_model_is_made(
    models: dict[str, tuple[int, float, float]],
) -> None:
    readings = triton_page(models)
    latency, queue = histogram(readings, "server_latency"), histogram(readings, "server_queue_time")
    assert (latency.total, latency.count) == (20, 10)
    assert (queue.total, queue.count) == (8, 10), "before each of the models, of the same requests"
    assert values(readings, "requests_finished") == [10]
    assert values(readings, "requests_failed") == [0]


def test_triton_tells_of_every_model_before_the_first_request() -> None:
    readings = triton_page({"preprocessing": (0, 0, 0), "ensemble": (0, 0, 0)})
    assert values(readings, "requests_finished") == [0, 0]
    assert histogram(readings, "server_latency").count == 0


def test_triton_tells_the_first_response_of_the_called_model_for_where_it_can() -> None:
    duration = 'nv_inference_request_duration_us{model="ensemble"} 9\n'
    name = "nv_inference_first_response_histogram_ms"
    part = f'{name}_sum{{model="tensorrt_llm"}} 500\n{name}_count{{model="tensorrt_llm"}} 5\n'
    whole = part.replace("tensorrt_llm", "ensemble").replace("500", "800")
    assert histogram(readings_of(duration + part + whole), "server_ttft").total == 0.8
    assert histogram(readings_of(duration + part), "server_ttft").total == 0.5


def test_llama_cpp() -> None:
    readings = read("llama_cpp.txt")
    hits = histogram(readings, "prefix_cache_hits")
    assert (hits.total, hits.count) == (29, 73)
    pace = histogram(readings, "server_time_per_token")
    assert pace.total / pace.count == pytest.approx(0.956593 / 32)
    assert not any(one.series.metric in ("server_ttft", "kv_cache_usage") for one in readings)


def test_a_copy_and_its_model_stay_labels() -> None:
    (reading,) = readings_of('vllm:num_requests_running{engine="1"} 3\n', {"copy": "2"})
    assert reading.series.labels == (("copy", "2"), ("engine", "1"), ("name", "vllm:num_requests_running"))


def test_what_is_no_number_is_no_reading() -> None:
    assert readings_of("vllm:num_requests_running NaN\nvllm:kv_cache_usage_perc 0.5\n")[0].value == 0.5


def test_a_line_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        readings_of('vllm:num_requests_running{model="a} 3\n')


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("# HELP x y\nx 1\n", True),
        ('a:b{c="d e"} 1.5e3 1712345678\n', True),
        ("<html><body>no</body></html>", False),
        ('{"detail":"Not Found"}', False),
        ("not found", False),
        ("", False),
    ],
)
def test_other_answers_are_no_pages(text: str, is_one: bool) -> None:
    assert is_page(text) is is_one


def test_the_documentation_has_every_name() -> None:
    page = (Path(__file__).parents[2] / "docs" / "monitors.md").read_text(encoding="utf-8")
    known = [*(one.metric for many in GAUGES.values() for one in many), *(one.metric for one in COUNTERS.values())]
    known += [one.metric for one in HISTOGRAMS.values()] + [one.metric for one in QUOTIENTS]
    theirs = [*GAUGES, *COUNTERS, *HISTOGRAMS, *(name for one in QUOTIENTS for name in (one.over, *one.under))]
    names = {*known, *(name for name in theirs if not name.startswith("emulator:"))}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_every_name_is_of_a_stack_and_every_metric_has_one_unit() -> None:
    names = [*GAUGES, *COUNTERS, *HISTOGRAMS, *(one.over for one in QUOTIENTS)]
    assert {stack_of(name) for name in names} == set(STACKS.values())
    units: dict[str, set[str]] = {}
    for known in [*(one for many in GAUGES.values() for one in many), *COUNTERS.values(), *HISTOGRAMS.values()]:
        units.setdefault(known.metric, set()).add(known.unit)
    for quotient in QUOTIENTS:
        units.setdefault(quotient.metric, set()).add(quotient.unit)
    assert all(len(found) == 1 for found in units.values()), units
