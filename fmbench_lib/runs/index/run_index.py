"""The index of all runs of a place: a DuckDB file that is made from the runs' own files and may be deleted at any time.

Only runs whose files have changed since are read again. An index that cannot be opened, is of another version or is
damaged is made anew; one that another process has open, or that cannot be written, is made in memory for this once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench_lib.metrics.many_runs.indexed_run import IndexedRun
from fmbench_lib.runs.index.index_tables import LEVELS, RUNS, VERSION, level_rows, run_of, run_row, table_of
from fmbench_lib.runs.index.results_buckets import ResultsBucket
from fmbench_lib.runs.index.results_folders import ResultsFolder
from fmbench_lib.runs.index.results_places import FoundRun, ResultsPlace
from fmbench_lib.runs.index.run_reading import read_run
from fmbench_lib.storage.bucket import Address, is_address

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_READERS = 8
_TABLES = {"runs": RUNS, "levels": LEVELS}
_SQL_TYPES = {"string": "VARCHAR", "double": "DOUBLE", "bool": "BOOLEAN", "int64": "BIGINT"}


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run of the index, and its directory or address."""

    place: str
    run: IndexedRun


@dataclass(frozen=True, slots=True)
class KnownRuns:
    """All runs of a place, oldest first. `left_out`: a line for what is none, or cannot be read · `read`: how many were
    read just now, the others being as the index has them."""

    runs: Sequence[KnownRun]
    left_out: Sequence[str]
    read: int


def place_of_results(results: str | Path) -> ResultsPlace:
    """The place that a folder or an `s3://` address names. Raises InputError for an address that is none."""
    text = str(results)
    return ResultsBucket(Address.parse(text)) if is_address(text) else ResultsFolder(Path(text).absolute())


def known_runs(place: ResultsPlace) -> KnownRuns:
    """All runs of a place, as the index has them once what is new or changed has been read.

    Raises InputError where there is no such place, or it cannot be read.
    """
    found = place.look()
    with _opened(place.index_file) as index:
        changed = _changed(index, found.runs)
        _write(index, changed, _read(place, changed), found.runs)
        runs, unreadable = _loaded(index)
    listed, copies = _once(runs)
    return KnownRuns(listed, [*found.foreign, *unreadable, *copies], len(changed))


def _changed(index: DuckDBPyConnection, found: Sequence[FoundRun]) -> list[FoundRun]:
    """The runs that the index has not, or has otherwise. One that was going on may have ended with its process."""
    rows = index.execute("SELECT place, fingerprint FROM runs WHERE status IS DISTINCT FROM 'running'").fetchall()
    known = dict(rows)
    return [run for run in found if known.get(run.place) != run.fingerprint]


def _read(place: ResultsPlace, runs: Sequence[FoundRun]) -> list[tuple[FoundRun, IndexedRun | str]]:
    if not isinstance(place, ResultsBucket):
        return [(run, read_run(place, run)) for run in runs]
    with ThreadPoolExecutor(_READERS) as readers:  # each waits for its bucket
        return list(zip(runs, readers.map(lambda run: read_run(place, run), runs), strict=True))


def _write(
    index: DuckDBPyConnection,
    changed: Sequence[FoundRun],
    read: Sequence[tuple[FoundRun, IndexedRun | str]],
    found: Sequence[FoundRun],
) -> None:
    """Take in what was read, and forget what is gone."""
    stale = {run.place for run in changed}
    there = {run.place for run in found}
    known = {place for (place,) in index.execute("SELECT place FROM runs").fetchall()}
    gone = sorted(known & stale | known - there)
    index.execute("BEGIN")
    for table in _TABLES:
        index.execute(f"DELETE FROM {table} WHERE list_contains(?, place)", [gone])
    rows = [run_row(run.place, run.fingerprint, content) for run, content in read]
    levels = [row for run, content in read for row in level_rows(run.place, content)]
    for table, added in (("runs", rows), ("levels", levels)):
        if added:
            index.register("added", table_of(added, _TABLES[table]))
            index.execute(f"INSERT INTO {table} BY NAME SELECT * FROM added")
            index.unregister("added")
    index.execute("COMMIT")


def _loaded(index: DuckDBPyConnection) -> tuple[list[KnownRun], list[str]]:
    by_place: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(index, "levels"):
        by_place.setdefault(row["place"], []).append(row)
    rows = sorted(_rows(index, "runs"), key=lambda row: (row["created"] or 0.0, row["run_id"] or "", row["place"]))
    runs = [
        KnownRun(row["place"], run_of(row, by_place.get(row["place"], ()))) for row in rows if row["unreadable"] is None
    ]
    return runs, [f"{row['place']}: {row['unreadable']}" for row in rows if row["unreadable"] is not None]


def _rows(index: DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    answer = index.execute(f"SELECT * FROM {table} ORDER BY rowid")
    names = [column[0] for column in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _once(runs: Sequence[KnownRun]) -> tuple[list[KnownRun], list[str]]:
    """The runs without copies of one that is there already: a copy is no second measurement.

    Of copies the whole one is kept, the first of several.
    """
    best: dict[tuple[str, str, float | None], KnownRun] = {}
    for known in runs:
        key = _key(known)
        if key not in best or _damage(known) < _damage(best[key]):
            best[key] = known
    kept = list(best.values())
    copies = [f"{known.place}: a copy of {best[_key(known)].place}" for known in runs if known is not best[_key(known)]]
    return kept, copies


def _key(known: KnownRun) -> tuple[str, str, float | None]:
    return known.run.name, known.run.run_id, known.run.created


def _damage(known: KnownRun) -> tuple[bool, bool, int]:
    """How much a copy lacks: the one that lacks least is shown."""
    return bool(known.run.problem), not known.run.analysed, -len(known.run.levels)


# -- the file --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[DuckDBPyConnection]:
    """The index, with its tables."""
    index = _connected(path)
    try:
        if not _is_current(index):
            for table, schema in _TABLES.items():
                index.execute(f"CREATE OR REPLACE TABLE {table} ({_columns(schema)})")
            index.execute(f"CREATE OR REPLACE TABLE index_version AS SELECT {VERSION} AS version")
        yield index
    finally:
        index.close()


def _connected(path: Path) -> DuckDBPyConnection:
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": "false"}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            index = duckdb.connect(str(path), config=config)
            _is_current(index)
            return index
        except duckdb.Error as error:
            if "lock" in str(error).lower():
                break
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    return duckdb.connect(":memory:", config=config)


def _is_current(index: DuckDBPyConnection) -> bool:
    """Whether the tables are those of this version."""
    tables = {name for (name,) in index.execute("SELECT table_name FROM information_schema.tables").fetchall()}
    if not {*_TABLES, "index_version"} <= tables:
        return False
    return index.execute("SELECT version FROM index_version").fetchall() == [(VERSION,)]


def _columns(schema: pa.Schema) -> str:
    types = [str(field.type) for field in schema]
    sql = [_SQL_TYPES.get(kind, "VARCHAR[]") for kind in types]
    return ", ".join(f'"{name}" {kind}' for name, kind in zip(schema.names, sql, strict=True))
