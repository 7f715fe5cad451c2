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
        """The percentile as spelt in columns: `TTFT_p95`."""
        return f"{self.measure}_p{round(self.quantile * 100)}"


def parse_precision(text: str) -> Precision:
    """The precision in a text such as `ci_p95 < 5%`.

    :raises ValueError: the text has another form; the message says what to write.
    """
    match = _GRAMMAR.fullmatch(text.strip())
    if match is None or float(match[3]) == 0:
        raise ValueError(HOW_TO_WRITE)
    return Precision("TTFT" if match[1] == "TTFT" else "latency", int(match[2]) / 100, float(match[3]) / 100)
