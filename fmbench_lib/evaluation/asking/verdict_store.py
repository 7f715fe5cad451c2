"""The verdicts of one judge on disk, a part for each round; a part is whole or not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from fmbench_lib.evaluation.asking.key_index import NOWHERE, KeyIndex, short_key
from fmbench_lib.evaluation.asking.spending import spent_on
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
        ("request_id", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("tokens_estimated", pa.bool_()),
        ("seconds", pa.float64()),
        ("cost", pa.float64()),
        ("cost_at_most", pa.float64()),
        ("retry_after", pa.float64()),
    ]
)
_STORES = "verdicts-*"
_PARTS = "part-*.parquet"
_CHUNK = 500
_SPENDING = ("error", "cost", "cost_at_most")
_Spending: TypeAlias = tuple[str | None, float | None, float | None]
"""Of a row: these columns."""


class VerdictRow(TypedDict):
    """One request for a judgement.

    `label` is null and `scores` (JSON) empty where the judge's answer says none; `error` is the class of the error
    where there is no answer, `cancelled` where the request was in flight when its process was killed. `attempts`:
    requests sent for this judgement, this one included · `seconds`: from sending to the last byte · `cost`: USD, null
    where there is no answer, or its price is not known · `cost_at_most`: USD that a request without an answer may have
    cost, 0 where that is nothing for certain, null where it is not known, and where there is an answer · `retry_after`:
    seconds that the server asked to wait for, null where it did not.
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
    request_id: str
    prompt_tokens: int | None
    completion_tokens: int | None
    tokens_estimated: bool
    seconds: float | None
    cost: float | None
    cost_at_most: float | None
    retry_after: float | None


class StoredVerdict(TypedDict, total=False):
    """A row as it is read again: of these columns of `VerdictRow` those that were asked for."""

    key: str
    judge: str
    form: str
    subject: str
    label: str | None
    scores: str
    explanation: str
    error: str | None
    attempts: int
    prompt_tokens: int | None
    completion_tokens: int | None
    tokens_estimated: bool
    cost: float | None
    cost_at_most: float | None


class VerdictStore:
    """The folder of the parts. A judgement that got an answer is never asked for again, one that failed is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spent = 0.0
        """USD of all parts, as far as prices are known, with what may have been spent on requests without an answer."""
        self.unpriced = False
        """Whether the price of a request is not known, so that more was spent, or may have been."""
        self._index = KeyIndex()
        self._parts: list[Path] = []
        for path in sorted(folder.glob(_PARTS)):
            columns = pq.read_table(path, columns=["key", *_SPENDING]).to_pydict()
            self._count(path, columns["key"], list(zip(*(columns[name] for name in _SPENDING), strict=True)))

    @property
    def part_count(self) -> int:
        """How many parts there are."""
        return len(self._parts)

    @property
    def judgements(self) -> tuple[int, int]:
        """How many judgements got an answer, and how many did not."""
        return self._index.counts()

    def answered(self, keys: Sequence[str]) -> list[bool]:
        """Whether the judgement of each key got an answer."""
        return [answered for _, _, answered in self._index.find([short_key(key) for key in keys])]

    def part(self, round_id: str) -> Path:
        """The file of a round."""
        return self.folder / f"part-{round_id}.parquet"

    def append(self, round_id: str, rows: Sequence[VerdictRow]) -> None:
        """Keep the rows of a round, once: a round that is kept already is left as it is."""
        path = self.part(round_id)
        if path.exists() or not rows:
            return
        columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in SCHEMA]
        with replacing(path) as part:
            pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), part, compression="zstd")
        spending = [(row["error"], row["cost"], row["cost_at_most"]) for row in rows]
        self._count(path, [row["key"] for row in rows], spending)

    def rows(self, columns: list[str] | None = None) -> Iterator[StoredVerdict]:
        """The rows of all parts, one part at a time."""
        for path in self._parts:
            yield from pq.read_table(path, columns=columns).to_pylist()

    def counted(self, short_keys: Sequence[int], columns: list[str]) -> Iterator[StoredVerdict]:
        """The row of each of these judgements, in this order: that of its answer, else its last failure; none for one
        that was never asked for. Only some rows are in memory at any time."""
        for start in range(0, len(short_keys), _CHUNK):
            places = self._index.find(short_keys[start : start + _CHUNK])
            read = {
                part: pq.read_table(self._parts[part], columns=columns)
                for part in {part for part, _, _ in places if part != NOWHERE}
            }
            for part, row, _ in places:
                if part != NOWHERE:
                    yield read[part].slice(row, 1).to_pylist()[0]

    def _count(self, path: Path, keys: Sequence[str], spending: Sequence[_Spending]) -> None:
        self._index.put(len(self._parts), keys, [error is None for error, _, _ in spending])
        self._parts.append(path)
        amounts = [spent_on(*each) for each in spending]
        self.spent += sum(amount for amount in amounts if amount is not None)
        self.unpriced |= None in amounts


def every_store(folder: Path) -> list[Path]:
    """The folders of all stores of an evaluation, those of judges that are no longer on the panel too."""
    return sorted(folder.glob(_STORES))


def store_of(folder: Path, judge_id: str) -> Path:
    """The folder of a judge's verdicts: the same wherever it stands on the panel and whatever it is called."""
    return folder / _STORES.replace("*", judge_id)
