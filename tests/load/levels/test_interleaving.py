"""The order of repeats: whole rounds, experiments side by side, drawn from the seed."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from fmbench_lib.config import Experiment
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.levels.interleaving import interleaved
from fmbench_lib.load.levels.specs import LevelSpec


def levels(names: tuple[str, ...] = ("a", "b", "c"), repeats: int = 3) -> list[LevelSpec]:
    return [
        LevelSpec(_experiment(name), "all.jsonl", count, None, StopRule(10, None), 2, repeat=repeat)
        for name in names
        for count in (1, 4)
        for repeat in range(1, repeats + 1)
    ]


def _experiment(name: str) -> Experiment:
    return Experiment.model_validate({"name": name, "platform": "endpoint", "protocol": "openai", "deploy": False})


def test_every_level_is_measured_before_any_is_measured_again() -> None:
    order = interleaved(levels(), 1)
    assert sorted(level.key for level in order) == sorted(level.key for level in levels())
    assert [level.repeat for level in order] == [1] * 6 + [2] * 6 + [3] * 6


def test_experiments_stand_side_by_side_at_each_load() -> None:
    order = interleaved(levels(), 1)
    together = [[level.experiment.name for level in group] for _, group in groupby(order, key=lambda one: one.load)]
    assert [sorted(names) for names in together] == [["a", "b", "c"]] * 6
    assert len({tuple(names) for names in together}) > 1  # no experiment is always the first


def test_the_seed_decides_and_not_the_order_of_the_config() -> None:
    order = [level.key for level in interleaved(levels(), 1)]
    assert order == [level.key for level in interleaved(levels(names=("c", "a", "b")), 1)]
    assert any(order != [level.key for level in interleaved(levels(), seed)] for seed in (2, 3))


def test_names_of_repeats() -> None:
    closed = levels(repeats=2)[1]
    assert (closed.load, closed.base_load) == ("concurrency-1-repeat-2", "concurrency-1")
    at_rate = replace(closed, concurrency=None, request_rate=12.5)
    assert (at_rate.load, at_rate.base_load) == ("rate-12.5-repeat-2", "rate-12.5")
    traced = replace(closed, concurrency=None)
    assert (traced.load, replace(traced, repeat=1).load) == ("trace-repeat-2", "trace")
