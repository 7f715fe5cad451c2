"""The tables of the index, and runs as rows of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa

from fmbench_lib.metrics.many_runs.indexed_run import FIGURES, IndexedExperiment, IndexedLevel, IndexedRun

VERSION = 1
"""Of the tables: an index of another version is made anew."""

_TEXT, _NUMBER, _FLAG = pa.string(), pa.float64(), pa.bool_()
RUNS = pa.schema(
    [
        ("place", _TEXT), ("fingerprint", _TEXT), ("unreadable", _TEXT), ("name", _TEXT), ("run_id", _TEXT),
        ("created", _NUMBER), ("status", _TEXT), ("decision", _TEXT), ("fmbench", _TEXT), ("client", _TEXT),
        ("cost_measuring", _NUMBER), ("analysed", _FLAG), ("page", _FLAG), ("problem", _TEXT),
        ("tags", pa.list_(_TEXT)), ("experiments", _TEXT),
    ]
)  # fmt: skip
"""A row for each run; `unreadable` says why there is nothing else, `experiments` is JSON."""
LEVELS = pa.schema(
    [
        ("place", _TEXT), ("experiment_name", _TEXT), ("model", _TEXT), ("stack", _TEXT), ("instance", _TEXT),
        ("payload_file", _TEXT), ("prompts", _TEXT), ("load", _TEXT), ("concurrency", _NUMBER),
        ("request_rate", _NUMBER), ("repeats", pa.int64()), ("verdict", _TEXT), ("reasons", _TEXT),
        ("imported_from", _TEXT), ("growing", _FLAG), ("chosen", _FLAG), ("quality_measure", _TEXT),
        *((name, _NUMBER) for name in FIGURES),
    ]
)  # fmt: skip
"""A row for each level of each run."""
_OF_RUN = (
    "name", "run_id", "created", "status", "decision", "fmbench", "client", "cost_measuring", "analysed", "page",
    "problem",
)  # fmt: skip
_OF_LEVEL = (
    "payload_file", "prompts", "load", "concurrency", "request_rate", "repeats", "verdict", "reasons",
    "imported_from", "growing", "chosen", "quality_measure",
)  # fmt: skip


def run_row(place: str, fingerprint: str, run: IndexedRun | str) -> dict[str, Any]:
    """A run, or why it cannot be read, as a row."""
    if isinstance(run, str):
        return {"place": place, "fingerprint": fingerprint, "unreadable": run}
    experiments = json.dumps([asdict(one) for one in run.experiments])
    own = {name: getattr(run, name) for name in _OF_RUN}
    return {"place": place, "fingerprint": fingerprint, **own, "tags": list(run.tags), "experiments": experiments}


def level_rows(place: str, run: IndexedRun | str) -> list[dict[str, Any]]:
    """The levels of a run as rows."""
    if isinstance(run, str):
        return []
    return [{"place": place, **_level_row(level)} for level in run.levels]


def _level_row(level: IndexedLevel) -> dict[str, Any]:
    named = {**asdict(level.experiment)}
    return {
        "experiment_name": named.pop("name"),
        **named,
        **{name: getattr(level, name) for name in _OF_LEVEL},
        **level.figures,
    }


def table_of(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> Any:
    """The rows as an Arrow table."""
    listed = [{name: _storable(row.get(name)) for name in schema.names} for row in rows]
    return pa.Table.from_pylist(listed, schema=schema)


def _storable(value: Any) -> Any:
    """A value without the halves of characters that UTF-8 cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return [_storable(one) for one in value] if isinstance(value, list) else value


def run_of(row: Mapping[str, Any], levels: Sequence[Mapping[str, Any]]) -> IndexedRun:
    """The run of a row, with its levels."""
    return IndexedRun(
        **{name: row[name] for name in _OF_RUN},
        tags=tuple(row["tags"] or ()),
        experiments=tuple(IndexedExperiment(**one) for one in json.loads(row["experiments"])),
        levels=tuple(map(_level_of, levels)),
    )


def _level_of(row: Mapping[str, Any]) -> IndexedLevel:
    said = IndexedExperiment(row["experiment_name"])
    return IndexedLevel(
        experiment=replace(said, model=row["model"], stack=row["stack"], instance=row["instance"]),
        **{name: row[name] for name in _OF_LEVEL},
        figures={name: row[name] for name in FIGURES},
    )
