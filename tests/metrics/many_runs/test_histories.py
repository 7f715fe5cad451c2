"""Changes in the history of an experiment: found where they are, and seldom where there are none."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from fmbench_lib.metrics.many_runs.change_points import LEAST_RUNS, clearest_break
from fmbench_lib.metrics.many_runs.histories import histories, too_few
from fmbench_lib.metrics.many_runs.indexed_run import FIGURES, IndexedExperiment, IndexedLevel, IndexedRun

NOTHING = dict.fromkeys(FIGURES)


def run_of(at: int, experiment: str = "a", prompts: str = "p", verdict: str = "valid", **figures: float) -> IndexedRun:
    level = IndexedLevel(
        IndexedExperiment(experiment, "m", "s", "i"), "x.jsonl", prompts, "concurrency-4", 4.0, None, 1, verdict, "",
        None, False, False, None, {**NOTHING, **figures},
    )  # fmt: skip
    return IndexedRun("nightly", str(at), float(at), "finished", levels=(level,))


def noisy(count: int, seed: int, shift: float = 0.0, at: int = 0) -> list[float]:
    generator = np.random.default_rng(seed)
    return [float(np.exp(0.03 * generator.normal() + (shift if place >= at else 0))) for place in range(count)]


def test_the_p_value_of_a_clean_break_is_that_of_all_orders() -> None:
    """Of 8 runs in two clean halves: as extreme are the orders in which either half comes first, and those alone."""
    series = np.arange(8.0)
    found = clearest_break(series[:, None])
    assert found is not None
    assert found.place == 4
    extreme = sum(
        max(order[:4]) < min(order[4:]) or min(order[:4]) > max(order[4:]) for order in permutations(range(8))
    )
    exact = extreme / 40320
    assert exact == pytest.approx(2 / 70)
    assert found.p == pytest.approx(exact, abs=3 * np.sqrt(exact / 800))


def test_seven_runs_show_nothing_and_ties_alone_are_no_break() -> None:
    assert clearest_break(np.arange(7.0)[:, None]) is None
    assert clearest_break(np.zeros((20, 3))) is None
    assert clearest_break(np.full((20, 1), np.nan)) is None


def test_one_outlier_is_no_break() -> None:
    values = np.array(noisy(20, 3))[:, None]
    values[10] *= 50
    found = clearest_break(values)
    assert found is not None
    assert found.p > 0.05


def test_missing_values_are_left_out_of_their_series_alone() -> None:
    values = np.column_stack([noisy(24, 1, 0.3, 12), noisy(24, 2, 0.3, 12)])
    values[::5, 0] = np.nan
    found = clearest_break(values)
    assert found is not None
    assert found.place == 12
    assert all(p <= 0.01 for p in found.by_series)


def test_a_change_is_named_with_its_medians_where_it_is() -> None:
    values = noisy(20, 5, 0.25, 12)
    (history,) = histories([run_of(at, latency_p95=value, error_rate=0.0) for at, value in enumerate(values)])
    (change,) = history.changes
    assert (change.last_before, change.first_after) == (11, 12)
    (figure,) = change.figures
    assert (figure.measure, figure.place) == ("latency_p95", ("x.jsonl", "p", "concurrency-4"))
    assert figure.before == pytest.approx(float(np.median(values[:12])))
    assert figure.after == pytest.approx(float(np.median(values[12:])))
    assert figure.p < 0.01


def test_two_changes_are_both_named() -> None:
    values = [value * (1.5 if 14 <= place < 28 else 1) for place, value in enumerate(noisy(42, 6))]
    (history,) = histories([run_of(at, latency_p95=value) for at, value in enumerate(values)])
    assert [change.first_after for change in history.changes] == [14, 28]


def test_few_runs_are_said_to_be_too_few() -> None:
    (history,) = histories([run_of(at, latency_p95=1.0 + at) for at in range(LEAST_RUNS - 1)])
    assert (history.changes, history.p, too_few(history)) == ((), None, True)


def test_other_prompts_are_another_series() -> None:
    runs = [run_of(at, prompts="p" if at < 6 else "q", latency_p95=1.0 if at < 6 else 2.0) for at in range(12)]
    (history,) = histories(runs)
    assert history.changes == ()


def test_invalid_levels_do_not_count() -> None:
    values = noisy(16, 8)
    bad = [run_of(at, verdict="invalid", latency_p95=value * 9) for at, value in enumerate(values[8:], 8)]
    (history,) = histories([run_of(at, latency_p95=value) for at, value in enumerate(values[:8])] + bad)
    assert history.changes == ()


def test_where_nothing_changes_few_sites_name_a_change() -> None:
    """60 sites of 4 experiments in 12 runs, with heavy tails: at most 5% expected; 8 would have a chance of 1.5%."""
    generator = np.random.default_rng(11)
    named = 0
    for _ in range(60):
        runs = [
            run_of(at, experiment, latency_p95=float(np.exp(0.05 * generator.standard_t(2))))
            for at in range(12)
            for experiment in "abcd"
        ]
        named += any(history.changes for history in histories(runs))
    assert named <= 7
