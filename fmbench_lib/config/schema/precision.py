"""`load.until`: how narrow the confidence interval of a percentile must be for a level to end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_GRAMMAR = re.compile(r"ci_(?:(TTFT|latency)_)?p(50|90|95|99)\s*<\s*(\d+(?:\.\d+)?)\s*%")

HOW_TO_WRITE = "write `ci_p95 < 5%` (of latency) or `ci_TTFT_p95 < 5%`, with p50, p90, p95 or p99"


@dataclass(frozen=True, slots=True)
class Precision:
    """Half the 95% confidence interval of the `quantile` of `measure` must be below `share` of the estimate."""

    measure: Literal["TTFT", "latency"]
    quantile: float
    share: float

    @property
    def name(self) -> str:
        """The percentile as columns spell it."""
        return f"{self.measure}_p{round(self.quantile * 100)}"


def parse_precision(text: str) -> Precision:
    """Read `ci_p95 < 5%`; raises ValueError where it is something else."""
    found = _GRAMMAR.fullmatch(text.strip())
    if found is None or float(found[3]) == 0:
        raise ValueError(HOW_TO_WRITE)
    return Precision("TTFT" if found[1] == "TTFT" else "latency", int(found[2]) / 100, float(found[3]) / 100)
