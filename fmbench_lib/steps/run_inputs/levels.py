"""Which levels a run has: those that its config names, and those that its searches have asked for so far.

A search keeps no state. The files of its levels are read again in the order in which it asked for them, so that after
a killed run it goes on as if nothing had happened.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from fmbench_lib.config import Experiment
from fmbench_lib.load.levels.interleaving import interleaved
from fmbench_lib.load.levels.search import Search
from fmbench_lib.load.levels.search_terms import Outcome, Reading, Tried
from fmbench_lib.load.levels.specs import LevelSpec, levels_of, search_of, searched_level, searches_of
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics.decision.budgets import Limit
from fmbench_lib.metrics.decision.search_bounds import SearchBound
from fmbench_lib.metrics.decision.search_readings import overloaded, search_readings
from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.report.report_data import Searched
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import objectives_of
from fmbench_lib.steps.run_inputs.payloads import has_payloads, payload_index
from fmbench_lib.workspace import LevelKey


@dataclass(frozen=True, slots=True)
class SearchState:
    """How far a search is: the levels measured, in order, and the next one (None where it has ended)."""

    experiment: Experiment
    payload_file: str
    measured: tuple[LevelSpec, ...]
    tried: tuple[Tried, ...]
    following: LevelSpec | None
    outcome: Outcome


def search_state(run: Run, search: Search, experiment: Experiment, payload_file: str) -> SearchState:
    """Follow a search through the levels that have files of records."""
    measured: list[LevelSpec] = []
    tried: list[Tried] = []
    names, objectives = tuple(objective.name for objective in search.objectives), objectives_of(run.config)
    while (load := search.next_load(tried)) is not None:
        spec = searched_level(run.config, experiment, payload_file, load, [level.load for level in tried])
        path = run.workspace.level(spec.key)
        if not path.exists():
            break
        measured.append(spec)
        tried.append(_tried(path, path.stat().st_mtime_ns, load, names, objectives))
    else:
        spec = None
    return SearchState(experiment, payload_file, tuple(measured), tuple(tried), spec, search.result(tried))


def search_states(run: Run) -> list[SearchState]:
    """Every search of the run, in the order of the config."""
    search = search_of(run.config)
    if search is None:
        return []
    return [search_state(run, search, *searched) for searched in searches_of(run.config, _payload_files(run))]


def run_levels(run: Run) -> list[LevelSpec]:
    """All levels of the run: those that the config names, those that searches measured, and the next one of a search
    that has not ended. Experiments and payload files are in the config's order, a search's loads rising. An imported
    run has none that fmbench could measure."""
    if run.workspace.imported_file.exists():
        return []
    searches = {(state.experiment.name, state.payload_file): state for state in search_states(run)}
    levels: dict[LevelKey, LevelSpec] = {}
    for experiment in run.config.experiments:
        for payload_file in experiment.payload_files:
            known = _payload_files(run)
            if known is not None and payload_file not in known:
                continue
            levels |= {level.key: level for level in levels_of(run.config, experiment, {payload_file})}
            state = searches.get((experiment.name, payload_file))
            asked = [*state.measured, *([state.following] if state.following else [])] if state else []
            for level in sorted(asked, key=lambda level: level.concurrency or level.request_rate or 0):
                levels.setdefault(level.key, level)
    return list(levels.values())


def missing_levels(run: Run) -> list[LevelSpec]:
    """The levels that have no file of records yet; of a search that has not ended, the next one."""
    return [level for level in run_levels(run) if not run.workspace.level(level.key).exists()]


def levels_to_measure(run: Run, later: Collection[str] = ()) -> Iterator[tuple[LevelSpec, tuple[int, int]]]:
    """The levels that are missing, one by one, each with its number and how many there are at most.

    Experiment after experiment; with `load.repeats` the experiments take turns, but for those in `later`, which can be
    deployed only when the others are done. A search's next level follows from the one before, whose file is read when
    the next is asked for. Where there is none, as that level broke down, the search is paused until the run is resumed.
    """
    missing = [level for level in missing_levels(run) if level.search_number is None]
    search, states = search_of(run.config), search_states(run)
    most = len(missing) + sum(search.levels - len(state.tried) for state in states if search and state.following)
    number = 0
    for turn in _turns(run, later):
        for level in chain(_in_order(run, missing, turn), _searched_levels(run, search, turn)):
            yield level, (number := number + 1, most)


def _turns(run: Run, later: Collection[str]) -> list[list[tuple[Experiment, str]]]:
    """The experiments and payload files that are measured together, turn after turn."""
    pairs = [(experiment, name) for experiment in run.config.experiments for name in experiment.payload_files]
    if run.config.load.repeats == 1:
        return [[pair] for pair in pairs]
    waiting = [experiment.name for experiment in run.config.experiments if experiment.name in later]
    now = [pair for pair in pairs if pair[0].name not in waiting]
    return [now, *([pair for pair in pairs if pair[0].name == name] for name in waiting)]


def _in_order(run: Run, missing: Sequence[LevelSpec], turn: Sequence[tuple[Experiment, str]]) -> list[LevelSpec]:
    """The missing levels of a turn; the order of repeats is that of all its levels, also where a run is resumed."""
    here = {(experiment.name, payload_file) for experiment, payload_file in turn}
    if run.config.load.repeats == 1:
        return [level for level in missing if level.key[:2] in here]
    keys = {level.key for level in missing}
    named = [level for level in run_levels(run) if level.search_number is None and level.key[:2] in here]
    return [level for level in interleaved(named, run.seed) if level.key in keys]


def _searched_levels(run: Run, search: Search | None, turn: Sequence[tuple[Experiment, str]]) -> Iterator[LevelSpec]:
    """The levels that the searches of a turn ask for, one by one."""
    searched_here = [] if search is None else searches_of(run.config, _payload_files(run))
    for experiment, payload_file in (pair for pair in turn if pair in searched_here):
        asked: LevelSpec | None = None
        while search is not None:
            following = search_state(run, search, experiment, payload_file).following
            if following is None or following == asked:
                break
            asked = following
            yield following


def searched(run: Run) -> list[Searched]:
    """What the searches found, for the report."""
    search = search_of(run.config)
    if search is None:
        return []
    return [
        Searched(
            experiment_name=state.experiment.name,
            payload_file=state.payload_file,
            find=search.kind,
            subject_to={objective.name: objective.limit for objective in search.objectives},
            found=state.outcome.found,
            confirmed=state.outcome.confirmed,
            missed=state.outcome.missed,
            low=state.outcome.low,
            high=state.outcome.high,
            ended=state.outcome.ended,
            levels=[level.load for level in state.measured],
            loads=[level.load for level in state.tried],
            met=[None if level.unusable else search.meets(level) for level in state.tried],
        )
        for state in search_states(run)
    ]


def search_bounds(run: Run) -> list[SearchBound]:
    """What the searches that have measured anything leave to the decision."""
    search = search_of(run.config)
    if search is None:
        return []
    return [
        SearchBound(
            experiment_name=state.experiment.name,
            payload_file=state.payload_file,
            column="concurrency" if search.whole else "request_rate",
            limits=tuple(Limit(objective.name, objective.limit) for objective in search.objectives),
            found=state.outcome.found,
            missed=state.outcome.missed,
            least=min(level.load for level in state.tried),
        )
        for state in search_states(run)
        if state.tried
    ]


@functools.lru_cache(maxsize=1024)
def _tried(path: Path, written_ns: int, load: float, names: tuple[str, ...], objectives: Objectives) -> Tried:
    """A measured level as the search sees it; `written_ns` tells a file from one that has replaced it."""
    try:
        records, facts = read_level(path)
        row = level_row(records, facts, objectives=objectives)
        figures = search_readings(records, facts, row, names, objectives)
        too_much = overloaded(row)
    except Exception:  # noqa: BLE001 - the analysis names it; a search cannot use the level
        return Tried(load=load, readings={}, overloaded=False, unusable=True)
    return Tried(
        load=load,
        readings={name: Reading(each.value, each.low, each.high) for name, each in figures.items()},
        overloaded=too_much,
        unusable=row["verdict"] == "invalid" and not too_much,
    )


def _payload_files(run: Run) -> set[str] | None:
    return set(payload_index(run).counts) if has_payloads(run) else None
