"""A level in its file of records, of which only what is needed is read, and let go again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fmbench_lib.load.recording.records import FACTS_KEY, RECORD_SCHEMA, reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import pyarrow.parquet as pq

LABELS = (
    *("phase", "endpoint", "stamp_source", "prompt_token_source", "completion_token_source", "token_source"),
    *("remarks", "finish_reason", "error", "error_message"),
)
"""Texts of which a level has few: they are read as categories."""

_NOT_OF_FIGURES = (
    *("request_id", "server_request_id", "experiment_name", "payload_file", "load", "prompt_id", "worker"),
    *("status", "retry_after", "completion", "texts", "scores"),
)
_OF_FIGURES = tuple(name for name in RECORD_SCHEMA.names if name not in _NOT_OF_FIGURES)
"""The columns that a level's figures are computed from."""

_ALWAYS = frozenset({"phase", "error"})
BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class StoredLevel:
    """The file of a level's records, its facts, the number of its records, the columns that it has, and those of them
    in which anything is known, as far as the file says."""

    path: Path
    facts: Mapping[str, Any]
    count: int
    columns: frozenset[str]
    known: frozenset[str]

    @classmethod
    def at(cls, path: Path, attempt: int | None = None) -> StoredLevel:
        """The level in a file; `attempt` is its number where the file does not say it."""
        with reading(path) as file:
            facts, count = json.loads(file.schema_arrow.metadata[FACTS_KEY]), file.metadata.num_rows
            names, known = frozenset(file.schema_arrow.names), _known(file.metadata)
        return cls(path, facts if attempt is None else {**facts, "attempt": attempt}, count, names, known)

    def records(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The records, all columns or those of these that the file has: labels as categories, lists as Arrow's."""
        import pandas as pd

        wanted = [name for name in columns or RECORD_SCHEMA.names if name in self.columns]
        labels = [name for name in LABELS if name in wanted]
        with reading(self.path, labels) as file:
            frames = [frame_of_table(file.read(columns=[name])) for name in wanted]  # no two columns of Arrow at a time
        return pd.DataFrame({name: frame[name] for name, frame in zip(wanted, frames, strict=True)}, copy=False)

    def of_figures(self) -> tuple[pd.DataFrame, Mapping[str, Any]]:
        """The records with the facts, in the columns that figures need and in which anything is known.

        What reading took is given back: it would be held beside the figures of the level.
        """
        found = self.data([name for name in _OF_FIGURES if name in self.known | _ALWAYS])
        pa.default_memory_pool().release_unused()
        return found

    def data(self, columns: Sequence[str] | None = None) -> tuple[pd.DataFrame, Mapping[str, Any]]:
        """The records with the facts."""
        return self.records(columns), self.facts

    def events_of(self, request_ids: Sequence[str]) -> tuple[pd.DataFrame, Mapping[str, Any]]:
        """The events of the requests with these ids, with the facts."""
        import pyarrow.parquet as pq

        names = [name for name in ("request_id", "event_times") if name in self.columns]
        chosen = [("request_id", "in", list(request_ids))]
        return frame_of_table(pq.read_table(self.path, columns=names, filters=chosen)), self.facts

    def blocks(self) -> Iterator[pa.Table]:
        """All columns of the records, some thousands at a time."""
        with reading(self.path) as file:
            for batch in file.iter_batches(BLOCK):
                yield typed(pa.Table.from_batches([batch]))


def _known(metadata: pq.FileMetaData) -> frozenset[str]:
    """The columns that are not null throughout, as the statistics of the file's parts say."""
    known = set()
    for part in range(metadata.num_row_groups):
        group = metadata.row_group(part)
        for place in range(group.num_columns):
            column = group.column(place)
            counts = column.statistics
            if counts is None or not counts.has_null_count or counts.null_count < group.num_rows:
                known.add(column.path_in_schema.partition(".")[0])
    return frozenset(known)


def typed(table: pa.Table) -> pa.Table:
    """Records with the types of `RECORD_SCHEMA` where a file has columns in which nothing is known without a type, as
    those that were not written by this program may."""
    for place, field in enumerate(table.schema):
        inner = field.type.value_type if pa.types.is_list(field.type) else field.type
        if pa.types.is_null(inner) and field.name in RECORD_SCHEMA.names:
            meant = RECORD_SCHEMA.field(field.name)
            table = table.set_column(place, meant, table[field.name].cast(meant.type))
    return table


def frame_of_table(table: pa.Table) -> pd.DataFrame:
    """Records as a frame, with lists as Arrow has them: as objects they take many times the memory."""
    import pandas as pd

    table = typed(table)
    lists = {field.type: pd.ArrowDtype(field.type) for field in table.schema if pa.types.is_list(field.type)}
    frame: pd.DataFrame = table.to_pandas(types_mapper=lists.get, split_blocks=True, self_destruct=True)
    return frame
