"""What the searches for the greatest load leave to the decision, so that headline and search agree.

A search asks its limits of every level that it covers, whatever budgets there are. One level may meet them by chance;
all levels of a search together say up to which load they are met, or that no load is shown to meet them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from fmbench_lib.metrics.decision.budgets import Limit, Outcome, outcome_of
from fmbench_lib.metrics.decision.sentence import missed_text
from fmbench_lib.metrics.decision.wording import figure, limit_text
from fmbench_lib.metrics.missing import Row, number, rows_of

OBJECTION, EXCESS = "search_objection", "search_excess"
"""The columns that `with_search_bounds` adds."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class SearchBound:
    """What a search found out about one experiment and payload file.

    `column`: the kind of load that it tried · `limits`: what it asks for · `found`: the greatest load that is shown to
    meet them, None if none is · `missed`: the least load above it that missed them · `least`: the least load tried.
    """

    experiment_name: str
    payload_file: str
    column: Literal["concurrency", "request_rate"]
    limits: tuple[Limit, ...]
    found: float | None
    missed: float | None
    least: float

    def covers(self, row: Row) -> bool:
        """Whether a level is of the experiment and payload file that were searched."""
        return (row.get("experiment_name"), row.get("payload_file")) == (self.experiment_name, self.payload_file)

    def objection(self, row: Row) -> tuple[str, float] | None:
        """Why a level that the search covers may not be chosen, a text that follows `whose`, and by what share of a
        limit it misses at most (infinite where that is unknown); None where nothing is against it.

        Loads above the one found are refused if one of them missed, and those from the least one tried on if none was
        found. The load found is the search's answer, whatever one of its levels says alone. Of other loads, which the
        search says nothing about, the level's own figures must meet the limits.
        """
        load = number(row, self.column)
        missed = [outcome for outcome in (outcome_of(row, limit) for limit in self.limits) if not outcome.met]
        excess = max((outcome.excess if outcome.met is False else math.inf for outcome in missed), default=0.0)
        if load is not None and self._refuses(load):
            return f"search shows no load{self._above()} that meets {self._limits()}{_here(missed, row)}", excess
        if not missed or (load is not None and self._is_found(load)):
            return None
        return f"{_misses(missed, row)}: its search asks for {self._limits()}", excess

    def _refuses(self, load: float) -> bool:
        if self.found is None:
            return load >= self.least * (1 - _ROUNDING)
        return self.missed is not None and load > self.found * (1 + _ROUNDING)

    def _is_found(self, load: float) -> bool:
        return self.found is not None and math.isclose(load, self.found, rel_tol=_ROUNDING)

    def _above(self) -> str:
        if self.found is None:
            return ""
        return f" above {figure(self.found)} {'in flight' if self.column == 'concurrency' else 'requests/s'}"

    def _limits(self) -> str:
        return " and ".join(map(limit_text, self.limits))


def with_search_bounds(levels: pd.DataFrame, bounds: Sequence[SearchBound]) -> pd.DataFrame:
    """The levels with what their searches have against choosing them (`OBJECTION`, None for nothing) and by how much
    they miss the limits (`EXCESS`, a share, missing where it is not known); unchanged without searches."""
    if not bounds:
        return levels
    found = [_objection(row, bounds) for row in rows_of(levels)]
    texts = pd.Series([one and one[0] for one in found], levels.index, object)
    shares = pd.Series([one[1] if one and math.isfinite(one[1]) else None for one in found], levels.index, "Float64")
    return levels.assign(**{OBJECTION: texts, EXCESS: shares})


def _objection(row: Row, bounds: Sequence[SearchBound]) -> tuple[str, float] | None:
    return next((bound.objection(row) for bound in bounds if bound.covers(row)), None)


def _misses(missed: Sequence[Outcome], row: Row) -> str:
    return " and ".join(missed_text(outcome, row).removeprefix("whose ") for outcome in missed)


def _here(missed: Sequence[Outcome], row: Row) -> str:
    return f", and here {_misses(missed, row)}" if missed else ""
