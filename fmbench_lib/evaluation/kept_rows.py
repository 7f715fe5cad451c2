"""Rows of numbers that are kept from one evaluation to the next, by the key of what they depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fmbench_lib.evaluation.asking.key_index import NOWHERE, KeyIndex, short_key
from fmbench_lib.host.atomic_files import replacing

_PARTS = "part-*.parquet"

Numbers = Mapping[str, float | None]


class KeptRows:
    """A folder of parts; a part is whole or not there. Keys are in hexadecimal, 16 digits at least."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._folder = folder
        self._columns = tuple(columns)
        self._schema = pa.schema([("key", pa.string()), *((name, pa.float64()) for name in columns)])
        self._index = KeyIndex()
        self._parts: list[Path] = []
        for path in sorted(folder.glob(_PARTS)):
            self._add(path, pq.read_table(path, columns=["key"])["key"].to_pylist())

    def find(self, keys: Sequence[str]) -> list[Numbers | None]:
        """The row of each key, None where none is kept."""
        places = self._index.find([short_key(key) for key in keys])
        columns = list(self._columns)
        parts = {part for part, _, _ in places} - {NOWHERE}
        read = {part: pq.read_table(self._parts[part], columns=columns).to_pylist() for part in parts}
        return [None if part == NOWHERE else read[part][row] for part, row, _ in places]

    def keep(self, rows: Mapping[str, Numbers]) -> None:
        """Keep rows by their keys; nothing without rows."""
        if not rows:
            return
        path = self._folder / f"part-{len(self._parts):06d}.parquet"
        self._folder.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist([{"key": key, **row} for key, row in rows.items()], schema=self._schema)
        with replacing(path) as part:
            pq.write_table(table, part, compression="zstd")
        self._add(path, list(rows))

    def _add(self, path: Path, keys: Sequence[str]) -> None:
        self._index.put(len(self._parts), keys, [True] * len(keys))
        self._parts.append(path)
