"""What is asked of a fleet: limits on percentiles of its times, a rate, how requests are dealt out, what is wanted
most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Routing = Literal["least", "random"]
RATES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Requests per minute of the table and the picture."""


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A percentile that must not exceed `limit` seconds: `q` of a family (latency, TTFT)."""

    family: str
    q: float
    limit: float

    @property
    def label(self) -> str:
        """`latency p95 ≤ 2 s`."""
        return f"{self.family} p{100 * self.q:.0f} ≤ {self.limit:g} s"


@dataclass(frozen=True, slots=True)
class SizingQuestion:
    """`rate`: requests per minute, None where only the table is wanted · `headroom`: share of the rate that the fleet
    must carry beside it · `spare`: copies that may fail · `routing`: to the copy with the fewest requests, or to any ·
    `weight`: what cost counts beside machines, 1 for the cheapest, 0 for the fewest machines · `error_rate`: the
    greatest share of failures of a level that is used · `tokens_in`, `tokens_out`: of the user's requests."""

    limits: tuple[TimeLimit, ...]
    rate: float | None = None
    headroom: float = 0.0
    spare: int = 0
    routing: Routing = "least"
    weight: float = 1.0
    error_rate: float = 0.01
    payload_file: str | None = None
    tokens_in: float | None = None
    tokens_out: float | None = None
