"""Runs opened for questions: their levels and requests as frames, SQL over all records, comparisons and pictures.

Nothing is measured or computed again, and no config is needed. Times are in seconds, prices in USD.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pyarrow as pa

from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError, RunStateError
from fmbench_lib.report.stored_summary import read_summary
from fmbench_lib.report.summary import SummaryFile
from fmbench_lib.run_state import RunState
from fmbench_lib.steps.explore.glued_results import scraps_of
from fmbench_lib.steps.explore.level_comparison import check_number, compared
from fmbench_lib.steps.explore.level_files import IDENTITY, LevelFile, level_files
from fmbench_lib.steps.explore.level_plots import Picture, distribution_picture, level_picture
from fmbench_lib.steps.explore.level_tables import TableRow, level_frame, level_rows
from fmbench_lib.steps.explore.record_views import LARGE, REQUESTS, database, make_views
from fmbench_lib.workspace import Workspace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Criteria = Mapping[str, frozenset[Any]]
_KEYS = ("run", *IDENTITY)
_NAMING = ("run", "experiment_name", "payload_file", "load")
_SHARES = 400  # points of a distribution's curve


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """One run: its directory, its state, and its name, `name/run id`."""

    name: str
    workspace: Workspace
    state: RunState


class FinishedRuns:
    """Several runs, oldest first. What a query does not ask for is not read."""

    def __init__(self, runs: Sequence[OpenedRun], criteria: Criteria | None = None) -> None:
        self._runs = tuple(runs)
        self._criteria = dict(criteria or {})

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[FinishedRun]:
        return (FinishedRun(run, self._criteria) for run in self._runs)

    def __getitem__(self, name: int | str) -> FinishedRun:
        """A run by its place, or by its name or the end of it. Raises InputError where no or several runs match."""
        if isinstance(name, int):
            return FinishedRun(self._runs[name], self._criteria)
        found = [run for run in self._runs if run.name == name or run.name.endswith(f"/{name}")]
        if len(found) != 1:
            near = nearest(name, self.names)
            raise InputError(f"{len(found)} runs are called {name!r}" + (f": did you mean {near}?" if near else ""))
        return FinishedRun(found[0], self._criteria)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.names)})"

    @property
    def names(self) -> list[str]:
        """`name/run id` of each run, oldest first."""
        return [run.name for run in self._runs]

    def table(self) -> pd.DataFrame:
        """One row per run: when it began, how it stands, how many levels it has measured, where it is."""
        rows = [
            {
                "run": run.name,
                "created": pd.to_datetime(run.state["created"], utc=True),
                "status": run.state.get("status"),
                "levels": len({file.path for file in self._files if file.run == run.name and file.counts}),
                "analysed": self._rows_of(run) is not None,
                "directory": str(run.workspace.path),
            }
            for run in self._runs
        ]
        return pd.DataFrame(rows, columns=["run", "created", "status", "levels", "analysed", "directory"])

    def select(self, **criteria: Any) -> FinishedRuns:
        """The same runs, seen through these levels only: `experiment_name="one"`, `concurrency=[1, 4]`, `run=…`.

        Raises InputError for a name that levels do not have, and where nothing is left.
        """
        wanted = {name: frozenset(_several(value)) for name, value in criteria.items()}
        for name in wanted:
            if name not in _KEYS:
                raise InputError(f"select({name}=…): levels are selected by {', '.join(_KEYS)}")
        narrowed = FinishedRuns(self._runs, {**self._criteria, **wanted})
        if not narrowed._files:
            there = sorted({str(_value(file, name)) for file in self._files for name in wanted})
            raise InputError(f"no level has {_spelt(criteria)}: there are {', '.join(there) or 'no levels'}")
        return narrowed

    def levels(self, *, all_attempts: bool = False) -> pd.DataFrame:
        """One row per level, in the columns of `all_metrics_summary.csv` after `run`: seconds, tokens, USD.

        A level that was measured again counts with its last attempt, unless `all_attempts`. Runs that are not analysed
        yet are left out with a warning; raises RunStateError where none is.
        """
        rows = {run.name: rows for run in self._runs if (rows := self._rows_of(run)) is not None}
        missing = [run for run in self._runs if run.name not in rows]
        if missing and not rows:
            raise RunStateError(_not_analysed(missing[0]))
        for run in missing:
            warnings.warn(f"left out: {_not_analysed(run)}", stacklevel=2)
        frame = level_frame([(name, row) for name, of_run in rows.items() for row in of_run])
        frame = frame if all_attempts else _last_attempts(frame)
        return _meeting(frame, self._criteria).reset_index(drop=True)

    def requests(self, *columns: str, where: str = "") -> pd.DataFrame:
        """One row per request of the levels that count, warm-up included, as `per_inference_request_results.csv`.

        `columns` are those to read beside the ones that name the level; without any, all but answers and event times.
        `where` is an SQL condition: `"in_window and success"`. Raises InputError for an unknown column.
        """
        for name in columns:
            if name not in REQUESTS:
                near = nearest(name, list(REQUESTS))
                raise InputError(f"requests have no column {name!r}" + (f": did you mean {near}?" if near else ""))
        chosen = dict.fromkeys((*_NAMING, *columns) if columns else (name for name in REQUESTS if name not in LARGE))
        listed = ", ".join(f'"{name}"' for name in chosen)
        return self.sql(f"SELECT {listed} FROM requests" + (f" WHERE {where}" if where else ""))

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        """The answer to a query in DuckDB's SQL over `requests`, `records`, `levels` and `runs`.

        `requests` has the requests that count, with their measures; `records` every row on disk as it was written, also
        of attempts that do not count. Only columns that the query names are read. `?` in the query stands for a
        parameter. Raises InputError for a query that cannot be answered.
        """
        import duckdb

        connection = self._database
        for name, frame in (("levels", self.levels), ("runs", self.table)):
            if re.search(rf"\b{name}\b", query, re.IGNORECASE):
                connection.register(name, pa.Table.from_pandas(frame(), preserve_index=False))
        try:
            return connection.execute(query, list(parameters)).df()
        except duckdb.Error as error:
            raise InputError(f"the query cannot be answered: {error}") from error

    def compare(self, measure: str, across: str = "") -> pd.DataFrame:
        """A measure of the same levels across runs, or across experiments of one run, with intervals and ratios.

        `across` is `run`, `experiment_name`, `payload_file` or `instance_type`. Invalid levels are left out. A ratio is
        of what was measured: whether a difference is more than chance is for the intervals to say.
        """
        return compared(self.levels(), measure, across or ("run" if len(self) > 1 else "experiment_name"))

    def plot(self, x: str, y: str, by: str | Sequence[str] = "") -> Picture:
        """Levels as points, `y` against `x`, in a colour for each value of the columns `by` (runs, or experiments)."""
        levels = self.levels()
        for name in (x, y):
            check_number(levels, name)
        return level_picture(levels, x, y, self._by(by))

    def plot_distribution(self, measure: str, by: str | Sequence[str] = "") -> Picture:
        """The distribution of a measure of requests over those that count, a curve for each value of `by`."""
        groups = self._by(by)
        listed = ", ".join(f'"{name}"' for name in groups)
        shares = [index / _SHARES for index in range(_SHARES + 1)]
        if measure not in REQUESTS or not set(groups) <= set(REQUESTS):
            raise InputError(f"requests have no column {measure!r} or no {', '.join(groups)}")
        frame = self.sql(
            f'SELECT {listed}, count("{measure}") AS n, quantile_disc("{measure}", ?) AS value FROM requests '
            f'WHERE success AND in_window AND "{measure}" IS NOT NULL GROUP BY {listed} ORDER BY {listed}',
            [shares],
        )
        curves = frame.assign(share=pd.Series([shares] * len(frame), dtype=object)).explode(["value", "share"])
        return distribution_picture(curves, measure, groups)

    @functools.cached_property
    def _files(self) -> list[LevelFile]:
        """The files of records, of the selected levels."""
        found = [file for run in self._runs for file in level_files(run.name, run.workspace, self._rows_of(run))]
        return [file for file in found if all(_value(file, name) in values for name, values in self._criteria.items())]

    @functools.cached_property
    def _database(self) -> DuckDBPyConnection:
        connection = database()
        make_views(connection, self._files)
        return connection

    @functools.cached_property
    def _read(self) -> dict[str, list[TableRow] | None]:
        return {}

    def _rows_of(self, run: OpenedRun) -> list[TableRow] | None:
        """The rows of a run's table of levels, read once; None before its analysis."""
        if run.name not in self._read:
            self._read[run.name] = level_rows(run.workspace)
        return self._read[run.name]

    def _by(self, by: str | Sequence[str]) -> list[str]:
        """The columns that colours stand for: those given, else runs where there are several, and experiments."""
        if by:
            return [by] if isinstance(by, str) else list(by)
        return ["run", "experiment_name"] if len(self) > 1 else ["experiment_name", "payload_file"]


class FinishedRun(FinishedRuns):
    """One run: what `FinishedRuns` answers, and what belongs to it alone."""

    def __init__(self, run: OpenedRun, criteria: Criteria | None = None) -> None:
        super().__init__([run], criteria)
        self.opened = run

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.opened.workspace.path

    @property
    def name(self) -> str:
        """`name/run id`."""
        return self.opened.name

    @property
    def state(self) -> RunState:
        """`run.json`: versions, host, seed, the state of each step."""
        return self.opened.state

    @property
    def summary(self) -> SummaryFile:
        """`summary.json`: the decision, the budgets, costs and notices. Raises RunStateError before the analysis, and
        where the file is damaged."""
        return cast(SummaryFile, read_summary(self.opened.workspace, str(self.path)))

    @property
    def decision(self) -> str:
        """The decision in words. Raises RunStateError before the analysis."""
        return str(self.summary["decision"]["text"])

    def scraps(self) -> dict[str, dict[str, Any]]:
        """What each executed notebook glued, by step and name: `scraps()["3_run_inference"]["errors"]`."""
        return scraps_of(self.opened.workspace)


def _several(value: Any) -> Sequence[Any]:
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _spelt(criteria: Mapping[str, Any]) -> str:
    return " and ".join(f"{name} {value!r}" for name, value in criteria.items())


def _value(file: LevelFile, name: str) -> Any:
    return file.run if name == "run" else file.identity[name]


def _last_attempts(levels: pd.DataFrame) -> pd.DataFrame:
    """The levels with the last attempt at each; tables of versions that measured a level once have no number."""
    number = levels["attempt"].fillna(1)
    last = number.groupby([levels[name] for name in _NAMING], dropna=False).transform("max")
    return levels[(number == last).astype(bool)]


def _meeting(frame: pd.DataFrame, criteria: Criteria) -> pd.DataFrame:
    for name, values in criteria.items():
        frame = frame[frame[name].isin(list(values))]
    return frame


def _not_analysed(run: OpenedRun) -> str:
    return f"{run.workspace.path} is not analysed yet: run `fmbench report {run.workspace.path}`"
