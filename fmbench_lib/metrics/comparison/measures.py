"""What is compared of two levels: the names of the summary's columns, and which direction is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError
from fmbench_lib.metrics.groups.level_times import ALL_QUANTILES, FAMILIES

Better = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a level. `per_request`: it depends on how much a request asks for, so unequal work forbids it."""

    name: str
    unit: str
    better: Better
    per_request: bool
    family: str | None = None
    quantile: float | None = None

    @property
    def label(self) -> str:
        """The name as it is read: `latency p95`."""
        return _LABELS.get(self.name, self.name.replace("_", " "))


_LABELS = {
    "transactions_per_minute": "requests/min",
    "completion_token_throughput": "output tokens/s",
    "price_per_10k_txn": "USD per 10,000 requests",
    "price_per_token": "USD per token",
    "error_rate": "error rate",
}

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        *(
            Measure(f"{family}_{name}", "s", "lower", family == "latency", family, q)
            for family in FAMILIES
            for name, q in ALL_QUANTILES.items()
        ),
        Measure("transactions_per_minute", "1/min", "higher", True),
        Measure("completion_token_throughput", "tokens/s", "higher", False),
        Measure("price_per_10k_txn", "USD", "lower", True),
        Measure("price_per_token", "USD", "lower", False),
        Measure("error_rate", "", "lower", False),
    )
}
"""Everything that can be compared, by the name of its column."""

CLAIMED = (
    "TTFT_p50",
    "TTFT_p95",
    "TPOT_p50",
    "latency_p50",
    "latency_p95",
    "transactions_per_minute",
    "completion_token_throughput",
    "price_per_10k_txn",
    "error_rate",
)
"""What is compared unless something else is asked for: each further measure makes every claim harder to make."""


def known_measure(name: str, where: str) -> None:
    """Raise InputError, which names the option `where` it was said, for a measure that there is not."""
    if name not in MEASURES:
        near = nearest(name, MEASURES, within=4)
        hint = f"did you mean {near}?" if near else f"known are {', '.join(MEASURES)}"
        raise InputError(f"{where}: there is no measure {name}; {hint}")
