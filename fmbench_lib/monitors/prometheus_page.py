"""A Prometheus page of a serving stack as readings under common names. The original name stays as the label `name`."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from fmbench_lib.monitors.metric_names import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    PER_MODEL,
    QUOTIENTS,
    Known,
    model_asked,
    stack_of,
    wanted,
)
from fmbench_lib.monitors.samples import Histogram, Reading, made

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LINE = re.compile(r"#|[a-zA-Z_:][\w:]*(\{.*\})?\s+([-+]?[\d.]+(e[-+]?\d+)?|NaN|[-+]?Inf)\b", re.IGNORECASE)
_PART = re.compile(r"(.*)_(bucket|sum|count)")


class _Sample(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: float


def is_page(text: str) -> bool:
    """Whether a text is one that Prometheus would read: most servers answer something to every path."""
    lines = [line for line in text.splitlines() if line.strip()][:5]
    return bool(lines) and all(_LINE.match(line) for line in lines)


def readings_of(text: str, labels: Mapping[str, str] | None = None) -> list[Reading]:
    """What a page says that we have a name for. Raises ValueError for a line that cannot be read."""
    extra, samples = dict(labels or {}), _once_per_request(_samples(text))
    readings = [*_gauges(samples, extra), *_counters(samples, extra), *_histograms(samples, extra)]
    return [*readings, *_quotients(samples, extra), *_block_share(readings, extra)]


def _samples(text: str) -> list[_Sample]:
    """The samples of a page that are of interest: the others, which are most, are never parsed."""
    from prometheus_client.parser import text_string_to_metric_families

    names = _wanted()
    lines = [line for line in text.splitlines() if (match := _NAME.match(line)) and match[0] in names]
    if not lines:
        return []
    families = text_string_to_metric_families("\n".join(lines) + "\n")
    found = [_Sample(sample.name, sample.labels, float(sample.value)) for one in families for sample in one.samples]
    return [sample for sample in found if not math.isnan(sample.value)]


def _once_per_request(samples: list[_Sample]) -> list[_Sample]:
    """The samples without those that tell of the same requests again, for the parts of the model that was asked for.

    What that model does not tell is left to those that do.
    """
    asked = model_asked(samples)
    if asked is None:
        return samples
    told = {sample.name for sample in samples if sample.labels.get("model") == asked} & PER_MODEL
    return [sample for sample in samples if sample.name not in told or sample.labels.get("model") == asked]


@lru_cache(maxsize=1)
def _wanted() -> frozenset[str]:
    return wanted()


def _gauges(samples: list[_Sample], extra: Mapping[str, str]) -> Iterator[Reading]:
    for sample in samples:
        for known in GAUGES.get(sample.name, ()):
            if all(sample.labels.get(label) == value for label, value in known.where.items()):
                value = sample.value * known.scale
                yield made(_source(sample.name), known.metric, "gauge", known.unit, value, _labels(sample, extra))


def _counters(samples: list[_Sample], extra: Mapping[str, str]) -> Iterator[Reading]:
    for sample in samples:
        known = COUNTERS.get(sample.name)
        if known is not None:
            value = sample.value * known.scale
            yield made(_source(sample.name), known.metric, "counter", known.unit, value, _labels(sample, extra))


def _histograms(samples: list[_Sample], extra: Mapping[str, str]) -> Iterator[Reading]:
    parts: dict[tuple[str, frozenset[tuple[str, str]]], list[tuple[str, _Sample]]] = defaultdict(list)
    for sample in samples:
        match = _PART.fullmatch(sample.name)
        if match and match[1] in HISTOGRAMS:
            own = frozenset((label, value) for label, value in sample.labels.items() if label != "le")
            parts[match[1], own].append((match[2], sample))
    for (name, own), found in parts.items():
        known = HISTOGRAMS[name]
        counted = _histogram(found, known)
        if counted is not None:
            labels = {**dict(own), **extra, "name": name}
            yield made(_source(name), known.metric, "histogram", known.unit, counted, labels)


def _histogram(parts: list[tuple[str, _Sample]], known: Known) -> Histogram | None:
    single = {part: sample.value for part, sample in parts if part != "bucket"}
    if not {"sum", "count"} <= single.keys():
        return None
    buckets = sorted((float(one.labels["le"]) * known.scale, one.value) for part, one in parts if part == "bucket")
    return Histogram(single["sum"] * known.scale, single["count"], tuple(buckets))


def _quotients(samples: list[_Sample], extra: Mapping[str, str]) -> Iterator[Reading]:
    totals: dict[str, float] = defaultdict(float)
    for sample in samples:
        totals[sample.name] += sample.value
    for one in QUOTIENTS:
        if {one.over, *one.under} <= totals.keys():
            share = Histogram(totals[one.over] * one.scale, sum(totals[name] for name in one.under))
            yield made(_source(one.over), one.metric, "histogram", one.unit, share, {**extra, "name": one.over})


def _block_share(readings: list[Reading], extra: Mapping[str, str]) -> Iterator[Reading]:
    """The share of its cache that TensorRT-LLM uses, from the numbers of blocks where it does not tell the share."""
    known: dict[str, float] = defaultdict(float)
    for reading in readings:
        if not isinstance(reading.value, Histogram):
            known[reading.series.metric] += reading.value
    if known.get("kv_cache_blocks") and "kv_cache_blocks_used" in known and "kv_cache_usage" not in known:
        share = known["kv_cache_blocks_used"] / known["kv_cache_blocks"]
        labels = {**extra, "name": "nv_trt_llm_kv_cache_block_metrics"}
        yield made("triton", "kv_cache_usage", "gauge", "ratio", share, labels)


def _source(name: str) -> str:
    return stack_of(name) or "prometheus"


def _labels(sample: _Sample, extra: Mapping[str, str]) -> dict[str, str]:
    return {**sample.labels, **extra, "name": sample.name}
