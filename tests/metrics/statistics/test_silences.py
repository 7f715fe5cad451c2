"""Which silence is too long for chance."""

from __future__ import annotations

import numpy as np
import pytest

from fmbench_lib.metrics.statistics.silences import longest_and_plausible, plausible_silence, silences


def arrays(*values):
    return tuple(np.array(each, dtype=float) for each in values)


def test_silences_run_from_sign_to_sign_while_anything_is_in_flight():
    # in flight from 1 to 4, from 3 to 6 and from 8 to 9; signs at 2, 4 and 6
    begin, end, signs = arrays([1, 3, 8], [4, 6, 9], [2, 4, 6])
    assert silences(begin, end, signs, (0.0, 10.0)).tolist() == [1, 2, 2, 1]
    assert silences(begin, end, signs, (3.0, 8.5)).tolist() == [1, 2, 0.5]
    assert silences(begin, end, signs, (6.5, 7.5)).size == 0


def test_one_whose_end_is_not_known_is_in_flight_at_no_time():
    begin, end, signs = arrays([0, 2], [np.nan, 3], [2.5])
    assert silences(begin, end, signs, (0.0, 10.0)).tolist() == [0.5, 0.5]


def test_three_times_the_usual_where_all_are_alike():
    found = np.full(100, 0.2)
    assert plausible_silence(found, 100) == pytest.approx(0.6)
    found[50] = 8.0  # one of 20 blocks
    assert plausible_silence(found, 100) == pytest.approx(0.6)
    assert plausible_silence(found, 30) == pytest.approx(0.6)  # one of 6
    assert plausible_silence(found, 29) is None
    assert plausible_silence(np.full(12, 0.2), 100) == pytest.approx(0.6)  # answers that come in batches
    assert plausible_silence(np.full(11, 0.2), 100) is None


def test_a_silence_that_comes_again_and_again_is_plausible():
    found = np.full(100, 0.2)
    found[::5] = 4.0
    assert plausible_silence(found, 100) == pytest.approx(12.0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.exponential(size=1000),
        lambda rng: rng.exponential(size=200),
        lambda rng: rng.lognormal(sigma=1.0, size=500),
    ],
    ids=["exponential", "few", "lognormal"],
)
def test_chance_alone_is_hardly_ever_too_long(draw):
    rng = np.random.default_rng(1)
    levels = [draw(rng) for _ in range(300)]
    false = sum(level.max() > plausible_silence(level, level.size) for level in levels)
    assert false <= 9  # 3%


def test_waits_for_a_first_token_are_judged_by_each_other():
    """60 requests of 100 gaps of 10 ms after a wait of 0.5 to 1.5 s: a freeze of 30 s stands out."""
    rng = np.random.default_rng(1)
    found = np.concatenate([np.append(wait, np.full(100, 0.01)) for wait in rng.uniform(0.5, 1.5, 60)])
    plausible = plausible_silence(found, 60)
    assert plausible is not None
    assert found.max() < plausible < 30


@pytest.mark.parametrize("cuts", [[], [100], [1], [37, 38, 39, 150], [0, 200]])
@pytest.mark.parametrize("requests", [29, 31, 1000])
def test_silences_in_several_arrays_say_what_they_say_in_one(cuts: list[int], requests: int) -> None:
    found = np.random.default_rng(1).exponential(1, 200)
    longest, plausible = longest_and_plausible(lambda: np.split(found, cuts), requests)
    assert longest == found.max()
    assert plausible == plausible_silence(found, requests)


def test_without_silences_none_is_the_longest() -> None:
    assert longest_and_plausible(lambda: [np.empty(0)], 1000) == (None, None)
    assert longest_and_plausible(list, 1000) == (None, None)
