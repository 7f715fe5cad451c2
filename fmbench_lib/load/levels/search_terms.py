"""The words of a search for the greatest load: what is to be met, what a level showed, and what the search found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["max_concurrency", "max_request_rate"]
Ended: TypeAlias = Literal["decided", "most", "client", "levels", "nothing"]


@dataclass(frozen=True, slots=True)
class Objective:
    """A limit for one figure of a level, named by its column: at most `limit`, or at least that with `at_least`."""

    name: str
    limit: float
    at_least: bool = False

    def met(self, value: float | None) -> bool:
        """Whether this value meets the objective; an unknown value does not."""
        if value is None:
            return False
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure of a level with its 95% interval; None for what is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """A level that was measured: its load, and its readings by the names of the objectives.

    `overloaded`: the endpoint could not keep up, so that the level misses whatever its readings are: requests in flight
    kept growing (percentiles then depend on how long was measured), or most requests failed. `unusable`: the client
    made the level invalid, so that nothing is known of this load or of greater ones.
    """

    load: float
    readings: Mapping[str, Reading]
    overloaded: bool = False
    unusable: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a search so far. Loads are loads of levels that were tried.

    `found` is the greatest load that met the objectives more often than not and is at most 5% too high with 95%
    probability, `confirmed` whether it met them in more than one level. `missed` is the least load above it that missed
    them. `low` and `high` enclose the greatest load that would meet them with 90% probability, None until it is
    bracketed. `ended` is None while the search goes on, else `decided`, or what limited it.
    """

    found: float | None
    confirmed: bool
    missed: float | None
    low: float | None
    high: float | None
    ended: Ended | None
