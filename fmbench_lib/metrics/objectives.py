"""Latency objectives of single requests, which goodput is counted by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Objectives:
    """Upper limits for one request, in seconds; None sets no limit. The names are the keys of the config's `slo`."""

    ttft: float | None = None
    tpot: float | None = None
    latency: float | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.ttft, self.tpot, self.latency))
