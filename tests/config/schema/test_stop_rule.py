from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig, StopRule

Load = Callable[..., LoadedConfig]


def rule(loaded: LoadedConfig, concurrency: int | None = None, rate: float | None = None) -> StopRule:
    return loaded.config.stop_rule(loaded.config.experiments[0], concurrency, rate)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{requests: 200}", StopRule(200, None, 0)),
        ("{duration: 30}", StopRule(None, 30, 0)),
        ("{requests: 200, duration: 30}", StopRule(200, 30, 0)),
        ("{timeout: 5}", StopRule(420, 60, 20)),
    ],
)
def test_requests_or_duration_end_a_level_whichever_comes_first(
    load: Load, minimal: str, section: str, expected: StopRule
) -> None:
    assert rule(load(minimal + f"load: {section}\n"), concurrency=4) == expected


def test_with_neither_60_s_within_5_and_105_times_the_concurrency(load: Load, minimal: str) -> None:
    loaded = load(minimal)
    assert rule(loaded, concurrency=1) == StopRule(requests=105, duration=60, min_requests=5)
    assert rule(loaded, concurrency=20) == StopRule(requests=2100, duration=60, min_requests=100)


def test_older_iterations_set_these_two(load: Load, minimal: str) -> None:
    text = minimal.replace("  filters:", "  min_iters_per_combination: 2\n  max_iters_per_combination: 20\n  filters:")
    assert rule(load(text), concurrency=3) == StopRule(requests=60, duration=60, min_requests=6)
    assert rule(load(text + "load: {requests: 9}\n"), concurrency=3) == StopRule(requests=9, duration=None)
    most = minimal.replace("  filters:", "  min_iters_per_combination: 200\n  filters:")
    assert rule(load(most), concurrency=1) == StopRule(requests=200, duration=60, min_requests=200)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0.01, StopRule(105, 60, 5)),
        (1, StopRule(105, 60, 5)),
        (2.5, StopRule(315, 60, 15)),
        (100, StopRule(10500, 60, 500)),
    ],
)
def test_for_a_rate_the_requests_of_a_second_replace_the_concurrency(
    load: Load, minimal: str, rate: float, expected: StopRule
) -> None:
    assert rule(load(minimal), rate=rate) == expected
    assert expected.requests is not None
    assert expected.duration is not None
    assert expected.requests > rate * expected.duration, "the cap never ends a level before its 60 s"
