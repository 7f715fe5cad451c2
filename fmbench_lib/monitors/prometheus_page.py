"""A Prometheus page of a serving stack as readings under common names; the original name becomes the label `name`."""

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
    called_model,
    stack_of,
    wanted,
)
from fmbench_lib.monitors.samples import Histogram, Reading, reading_of

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LINE = re.compile(r"#|[a-zA-Z_:][\w:]*(\{.*\})?\s+([-+]?[\d.]+(e[-+]?\d+)?|NaN|[-+]?Inf)\b", re.IGNORECASE)
_PART = re.compile(r"(.*)_(bucket|sum|count)")


class _Sample(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: float


def is_page(text: str) -> bool:
    """Whether a text is a Prometheus page; many servers answer any path with something else."""
    lines = [line for line in text.splitlines() if line.strip()][:5]
    return bool(lines) and all(_LINE.match(line) for line in lines)


def readings_of(text: str, labels: Mapping[str, str] | None = None) -> list[Reading]:
    """The values of a page that have a common name. Raises ValueError for a line that cannot be parsed."""
    extra, samples = dict(labels or {}), _once_per_request(_samples(text))
    readings = [*_gauges(samples, extra), *_counters(samples, extra), *_histograms(samples, extra)]
    return [*readings, *_quotients(samples, extra), *_block_share(readings, extra)]


def _samples(text: str) -> list[_Sample]:
    """The samples of a page that have a common name; all other lines, which are most, are not parsed."""
    from prometheus_client.parser import text_string_to_metric_families

    names = _wanted()
    lines = [line for line in text.splitlines() if (match := _NAME.match(line)) and match[0] in names]
    if not lines:
        return []
    families = text_string_to_metric_families("\n".join(lines) + "\n")
    parsed = [
        _Sample(sample.name, sample.labels, float(sample.value)) for family in families for sample in family.samples
    ]
    return [sample for sample in parsed if not math.isnan(sample.value)]


def _once_per_request(samples: list[_Sample]) -> list[_Sample]:
    """The samples without those that count the same requests again for the parts of an ensemble.

    What the ensemble itself does not report is taken from its parts.
    """
    called = called_model(samples)
    if called is None:
        return samples
    reported = {sample.name for sample in samples if sample.labels.get("model") == called} & PER_MODEL
    return [sample for sample in samples if sample.name not in reported or sample.labels.get("model") == called]


@lru_cache(maxsize=1)
def _wanted() -> frozenset[str]:
    return wanted()


def _gauges(samples: list[_Sample], extra: Mapping[str, str]) -> Iterator[Reading]:
    for sample in samples:
        for known in GAUGES.get(sample.name, ()):
            if all(sample.labels.get(label) == value for label, value in known.where.items()):
                value = sample.value * known.scale
                yield reading_of(_source(sample.name), known.metric, "gauge", known.unit, value, _labels(sample, extra))


def _counters(samples: list[_Sample], extra: Mapping[str, str]) -> Iterator[Reading]:
    for sample in samples:
        known = COUNTERS.get(sample.name)
        if known is not None:
            value = sample.value * known.scale
            yield reading_of(_source(sample.name), known.metric, "counter", known.unit, value, _labels(sample, extra))


def _histograms(samples: list[_Sample], extra: Mapping[str, str]) -> Iterator[Reading]:
    parts: dict[tuple[str, frozenset[tuple[str, str]]], list[tuple[str, _Sample]]] = defaultdict(list)
    for sample in samples:
        match = _PART.fullmatch(sample.name)
        if match and match[1] in HISTOGRAMS:
            labelled = frozenset((label, value) for label, value in sample.labels.items() if label != "le")
            parts[match[1], labelled].append((match[2], sample))
    for (name, labelled), pieces in parts.items():
        known = HISTOGRAMS[name]
        counted = _histogram(pieces, known)
        if counted is not None:
            labels = {**dict(labelled), **extra, "name": name}
            yield reading_of(_source(name), known.metric, "histogram", known.unit, counted, labels)


def _histogram(parts: list[tuple[str, _Sample]], known: Known) -> Histogram | None:
    single = {part: sample.value for part, sample in parts if part != "bucket"}
    if not {"sum", "count"} <= single.keys():
        return None
    buckets = sorted(
        (float(sample.labels["le"]) * known.scale, sample.value) for part, sample in parts if part == "bucket"
    )
    return Histogram(single["sum"] * known.scale, single["count"], tuple(buckets))


def _quotients(samples: list[_Sample], extra: Mapping[str, str]) -> Iterator[Reading]:
    totals: dict[str, float] = defaultdict(float)
    for sample in samples:
        totals[sample.name] += sample.value
    for quotient in QUOTIENTS:
        if {quotient.over, *quotient.under} <= totals.keys():
            share = Histogram(totals[quotient.over] * quotient.scale, sum(totals[name] for name in quotient.under))
            yield reading_of(
                _source(quotient.over),
                quotient.metric,
                "histogram",
                quotient.unit,
                share,
                {**extra, "name": quotient.over},
            )


def _block_share(readings: list[Reading], extra: Mapping[str, str]) -> Iterator[Reading]:
    """The share of its cache that TensorRT-LLM uses, from the numbers of blocks if it does not report the share."""
    known: dict[str, float] = defaultdict(float)
    for reading in readings:
        if not isinstance(reading.value, Histogram):
            known[reading.series.metric] += reading.value
    if known.get("kv_cache_blocks") and "kv_cache_blocks_used" in known and "kv_cache_usage" not in known:
        share = known["kv_cache_blocks_used"] / known["kv_cache_blocks"]
        labels = {**extra, "name": "nv_trt_llm_kv_cache_block_metrics"}
        yield reading_of("triton", "kv_cache_usage", "gauge", "ratio", share, labels)


def _source(name: str) -> str:
    return stack_of(name) or "prometheus"


def _labels(sample: _Sample, extra: Mapping[str, str]) -> dict[str, str]:
    return {**sample.labels, **extra, "name": sample.name}
