from __future__ import annotations

import random
import statistics

import pytest

from fmbench_lib.emulator.distributions import (
    Constant,
    Distribution,
    Exponential,
    LogNormal,
    Normal,
    parse_distribution,
)
from fmbench_lib.errors import InputError


@pytest.mark.parametrize(
    ("distribution", "deviation"),
    [(Constant(0.05), 0.0), (Normal(0.05, 0.01), 0.01), (LogNormal(0.05, 0.04), 0.04), (Exponential(0.05), 0.05)],
)
def test_mean_and_deviation_match_the_parameters(distribution: Distribution, deviation: float) -> None:
    rng = random.Random(7)
    values = [distribution.draw(rng) for _ in range(20_000)]
    assert statistics.fmean(values) == pytest.approx(0.05, rel=0.03)
    assert statistics.pstdev(values) == pytest.approx(deviation, rel=0.06, abs=1e-12)


def test_times_are_never_negative() -> None:
    rng = random.Random(7)
    assert min(Normal(0.01, 0.02).draw(rng) for _ in range(1000)) == 0.0
    assert LogNormal(0.0, 0.1).draw(rng) == 0.0
    assert Exponential(0.0).draw(rng) == 0.0


@pytest.mark.parametrize("distribution", [Constant(0.1), Normal(0.1, 0.02), LogNormal(0.1, 0.3), Exponential(2.5)])
def test_text_round_trips(distribution: Distribution) -> None:
    assert parse_distribution(str(distribution)) == distribution


def test_a_bare_number_is_a_constant() -> None:
    assert parse_distribution("0.25") == Constant(0.25)


@pytest.mark.parametrize("text", ["fast", "normal:0.1", "exponential:0.1,0.2", "constant:-1", "nan", "gamma:1", ""])
def test_invalid_text_is_an_error_with_a_hint(text: str) -> None:
    with pytest.raises(InputError, match="lognormal:MEAN,DEVIATION"):
        parse_distribution(text)
