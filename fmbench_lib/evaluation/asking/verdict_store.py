"""The verdicts of a run on disk, one part for each round; a part is whole or not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from fmbench_lib.host.atomic_files import replacing

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("judge", pa.string()),
        ("form", pa.string()),
        ("subject", pa.string()),
        ("label", pa.string()),
        ("scores", pa.string()),
        ("explanation", pa.string()),
        ("error", pa.string()),
        ("error_message", pa.string()),
        ("attempts", pa.int32()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("tokens_estimated", pa.bool_()),
        ("seconds", pa.float64()),
        ("cost", pa.float64()),
    ]
)


class VerdictRow(TypedDict):
    """One judgement that was asked for.

    `label` is null and `scores` (JSON) empty where the judge's answer says none; `error` is the class of the error
    where there is no answer. `attempts`: requests sent · `seconds`: from sending to the last byte · `cost`: USD, null
    where the price is not known.
    """

    key: str
    judge: str
    form: str
    subject: str
    label: str | None
    scores: str
    explanation: str
    error: str | None
    error_message: str | None
    attempts: int
    prompt_tokens: int | None
    completion_tokens: int | None
    tokens_estimated: bool
    seconds: float | None
    cost: float | None


class VerdictStore:
    """The folder of the parts. A judgement that got an answer is never asked for again, one that failed is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answered: set[str] = set()
        self.spent = 0.0
        """USD, of all parts, as far as prices are known."""
        for row in self.rows(["key", "error", "cost"]):
            self._count(row["key"], row["error"], row["cost"])

    def part(self, round_id: str) -> Path:
        """The file of a round."""
        return self.folder / f"part-{round_id}.parquet"

    def append(self, round_id: str, rows: list[VerdictRow]) -> None:
        """Keep the rows of a round, once: a round that is kept already is left as it is."""
        path = self.part(round_id)
        if path.exists() or not rows:
            return
        columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in SCHEMA]
        with replacing(path) as part:
            pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), part, compression="zstd")
        for row in rows:
            self._count(row["key"], row["error"], row["cost"])

    def rows(self, columns: list[str] | None = None) -> Iterator[dict[str, object]]:
        """The rows of all parts, part by part."""
        for path in sorted(self.folder.glob("part-*.parquet")):
            yield from pq.read_table(path, columns=columns).to_pylist()

    def _count(self, key: object, error: object, cost: object) -> None:
        if error is None:
            self.answered.add(str(key))
        self.spent += cost if isinstance(cost, float) else 0.0


def last_rows(rows: Iterable[dict[str, object]]) -> dict[str, dict[str, object]]:
    """One row for each key: that of its answer, else the last failure."""
    kept: dict[str, dict[str, object]] = {}
    for row in rows:
        key = str(row["key"])
        if key not in kept or kept[key]["error"] is not None:
            kept[key] = row
    return kept
