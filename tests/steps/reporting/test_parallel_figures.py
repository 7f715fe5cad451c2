"""Figures are the same however many processes compute them."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.host.task_pool import ThisProcess
from fmbench_lib.load.recording.stored_level import StoredLevel
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.pricing.price_list import PriceList
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.reporting import figures_elsewhere, parallel_figures
from fmbench_lib.steps.reporting.level_figures import RunFigures, measuring
from fmbench_lib.steps.reporting.parallel_figures import run_figures

RECORDED = Path(__file__).parents[2] / "report" / "data" / "recorded_run" / "requests"


def stored() -> list[StoredLevel]:
    return [StoredLevel.at(path, 1) for path in sorted(RECORDED.rglob("*.parquet"))]


def plain(figures: RunFigures) -> list[dict[str, str]]:
    """Every cell as text: NaN is equal to NaN."""
    return [{name: repr(cell) for name, cell in each.cells.items()} for each in figures.levels]


def figures_of(levels: list[StoredLevel], losses: Losses, processes: int) -> RunFigures:
    return run_figures(measuring(levels, PriceList(), Objectives(latency=0.4)), losses, processes=processes)


def test_two_processes_compute_what_one_does_in_the_order_of_the_levels() -> None:
    losses = Losses()
    one, two = (figures_of(stored(), losses, processes) for processes in (1, 2))
    assert len(one.levels) == len(stored()) > 3
    assert plain(one) == plain(two)
    assert [each.level.path for each in two.levels] == [level.path for level in stored()]
    assert losses.lines == []


@pytest.mark.parametrize("processes", [1, 2])
def test_a_level_that_cannot_be_read_costs_itself(processes: int, tmp_path: Path) -> None:
    levels = stored()
    gone = tmp_path / "gone.parquet"
    shutil.copy(levels[0].path, gone)
    broken = StoredLevel.at(gone, 1)
    gone.write_bytes(b"no Parquet")
    losses = Losses()
    found = figures_of([broken, *levels[1:]], losses, processes)
    assert [each.level.path for each in found.levels] == [level.path for level in levels[1:]]
    [line] = losses.lines
    assert line.startswith("the figures of by token · payload_en_1-225.jsonl · concurrency-3 could not be made")


def test_what_a_process_that_died_was_to_do_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    real = parallel_figures.start_module

    def dies(_module: str, **options: Any) -> Any:
        return real("fmbench_lib.no_such_module", **options)

    monkeypatch.setattr(parallel_figures, "start_module", dies)
    losses = Losses()
    assert plain(figures_of(stored(), losses, 2)) == plain(figures_of(stored(), losses, 1))
    assert losses.lines == []


def test_levels_are_dealt_out_by_their_requests() -> None:
    levels = stored()
    whole = measuring(levels, PriceList(), Objectives())
    shares = parallel_figures._shares(whole, [[place] for place in range(len(levels))], 2)
    assert sorted(place for share in shares for group in share for place in group) == list(range(len(levels)))
    totals = [sum(levels[place].count for group in share for place in group) for share in shares]
    assert max(totals) - min(totals) <= max(level.count for level in levels)
    assert parallel_figures._shares(whole, [], 4) == []


def test_arrays_are_multiplied_by_one_thread_in_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    real, given = parallel_figures.start_module, []

    def noting(module: str, **options: Any) -> Any:
        given.append(options["variables"])
        return real(module, **options)

    monkeypatch.setattr(parallel_figures, "start_module", noting)
    assert len(figures_of(stored(), Losses(), 2).levels) == len(stored())
    assert [variables["OPENBLAS_NUM_THREADS"] for variables in given] == ["1", "1"]


class Elsewhere(ThisProcess):
    """A pool that has others; its tasks and results travel."""

    def __init__(self) -> None:
        self.tasks = 0

    def has_others(self) -> bool:
        return True

    def map(self, compute: Any, tasks: Any) -> Any:
        for task in tasks:
            self.tasks += 1
            yield pickle.loads(pickle.dumps(compute(pickle.loads(pickle.dumps(task)))))


def figures_there(levels: list[StoredLevel], losses: Losses, pool: Elsewhere) -> RunFigures:
    measured = measuring(levels, PriceList(), Objectives(latency=0.4))
    return run_figures(measured, losses, processes=1, elsewhere=pool)


def same(one: RunFigures, other: RunFigures) -> None:
    assert plain(one) == plain(other)
    assert repr(one.pooled) == repr(other.pooled)
    assert [each.level.path for each in one.levels] == [each.level.path for each in other.levels]
    assert [repr((each.slices, each.window, each.drawn)) for each in one.levels] == [
        repr((each.slices, each.window, each.drawn)) for each in other.levels
    ]


def test_figures_of_very_many_requests_are_computed_elsewhere_and_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, losses = Elsewhere(), Losses()
    same(figures_there(stored(), losses, pool), figures_of(stored(), losses, 1))
    assert pool.tasks == 0
    monkeypatch.setattr(parallel_figures, "MOST_HERE", 0)
    same(figures_there(stored(), losses, pool), figures_of(stored(), losses, 1))
    assert pool.tasks > 1
    assert losses.lines == []


def test_groups_that_are_too_large_to_travel_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_figures, "MOST_HERE", 0)
    sizes = sorted(level.path.stat().st_size for level in stored())
    monkeypatch.setattr(figures_elsewhere, "MOST_BYTES", sizes[-1] - 1)
    pool, losses = Elsewhere(), Losses()
    same(figures_there(stored(), losses, pool), figures_of(stored(), losses, 1))
    assert 0 < pool.tasks < len(stored())


def test_what_breaks_down_elsewhere_is_said_as_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parallel_figures, "MOST_HERE", 0)
    levels, gone = stored(), tmp_path / "gone.parquet"
    shutil.copy(levels[0].path, gone)
    broken = StoredLevel.at(gone, 1)
    for damage in (lambda: gone.write_bytes(b"no Parquet"), gone.unlink):
        damage()
        there, here = Losses(), Losses()
        same(figures_there([broken, *levels[1:]], there, Elsewhere()), figures_of([broken, *levels[1:]], here, 1))
        assert there.lines == here.lines != []
