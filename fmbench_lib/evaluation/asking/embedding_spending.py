"""What embedding texts takes: a row for each request, kept as those of judges are, and the ceiling of both."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.evaluation.asking.judge import Judge
from fmbench_lib.evaluation.asking.spending import Ceiling, cost_of, most_of, spent_on
from fmbench_lib.evaluation.asking.verdict_store import VerdictRow, VerdictStore
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.pricing.price_list import InstancePrice

EMBEDDINGS = "embeddings"
"""The form of the rows, and their name in the tables of cost."""

_STORES = f"{EMBEDDINGS}-*"
_ROUNDS = ".round-"
_LOST = "the process was killed while this was in flight"
_LONGEST_MESSAGE = 300


class Embedded(NamedTuple):
    """What came of one request: the class of its error, or its vector, None where the answer has none, the tokens that
    the server counted, and the seconds from sending to the last byte."""

    error: str | None
    message: str | None
    vector: list[float] | None = None
    tokens: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class EmbeddingSpending:
    """The requests of an embedding endpoint, kept in `store`, and the ceiling that they and those of judges share.

    `left_out`: texts that the ceiling had no room for, in this process.
    """

    endpoint: Judge
    store: VerdictStore
    ceiling: Ceiling
    redactor: Redactor
    left_out: int = 0

    def room_for(self, texts: Sequence[str]) -> int:
        """Reserve for embedding these texts, one after the other; returns for how many there is room."""
        room = self.ceiling.reserve([self._most(text) for text in texts])
        self.left_out += len(texts) - room
        return room

    @contextlib.contextmanager
    def round_of(self, texts: Sequence[str]) -> Iterator[dict[int, Embedded]]:
        """A round of requests, one for each text: the block fills in what came of them, by the number of the text.

        What is asked is written down before, so that a death in the middle is counted as what it may have cost.
        """
        round_id = f"{self.store.part_count + 1:06d}-{uuid.uuid4().hex[:12]}"
        most = [self._most(text) for text in texts]
        note = self.store.folder / f"{_ROUNDS}{round_id}.json"
        note.parent.mkdir(parents=True, exist_ok=True)
        write_json(note, {"asked": [(_key(text), each) for text, each in zip(texts, most, strict=True)]})
        ended: dict[int, Embedded] = {}
        try:
            yield ended
        except BaseException:  # what was sent is counted by `recover`
            self.ceiling.settle(most, 0.0)
            raise
        rows = [self._row(_key(texts[number]), most[number], each) for number, each in sorted(ended.items())]
        self.store.append(round_id, rows)
        note.unlink(missing_ok=True)
        spent = (spent_on(row["error"], row["cost"], row["cost_at_most"]) for row in rows)
        self.ceiling.settle(most, sum(amount for amount in spent if amount is not None))

    def recover(self) -> None:
        """Count what an earlier process was killed over as requests that may have to be paid for."""
        for note in sorted(self.store.folder.glob(f"{_ROUNDS}*.json")):
            lost = Embedded("cancelled", _LOST)
            rows = [self._row(key, most, lost) for key, most in read_json(note)["asked"]]
            self.store.append(note.stem.removeprefix(_ROUNDS), rows)
            note.unlink()

    def _most(self, text: str) -> float | None:
        return most_of(self.endpoint.price, text, 0, self.endpoint.timeout)

    def _row(self, key: str, most: float | None, came: Embedded) -> VerdictRow:
        return {
            "key": key,
            "judge": self.endpoint.name,
            "form": EMBEDDINGS,
            "subject": "",
            "label": None if came.vector is None else "vector",
            "scores": "",
            "explanation": "",
            "error": came.error,
            "error_message": None
            if came.message is None
            else self.redactor.in_content(came.message)[:_LONGEST_MESSAGE],
            "attempts": 1,
            "request_id": "",
            "prompt_tokens": came.tokens,
            "completion_tokens": None,
            "tokens_estimated": False,
            "seconds": came.seconds,
            "cost": self._cost(came),
            "cost_at_most": None if came.error is None else spent_on(came.error, None, most),
            "retry_after": None,
        }

    def _cost(self, came: Embedded) -> float | None:
        """USD of an answer: by its time on a machine, by its tokens as far as the server counted them."""
        price, seconds = self.endpoint.price, came.seconds
        if came.error is not None or seconds is None:
            return None
        if isinstance(price, InstancePrice):
            return cost_of(price, 0, 0, seconds / self.endpoint.concurrency)
        return None if came.tokens is None else cost_of(price, came.tokens, 0, 0.0)


def embedding_stores(folder: Path) -> list[VerdictStore]:
    """What is kept of requests to embedding endpoints, of all evaluations of a run."""
    return [VerdictStore(path) for path in sorted(folder.glob(_STORES)) if path.is_dir()]


def embedding_store(folder: Path, identity: str) -> VerdictStore:
    """What is kept of the endpoint whose vectors depend on this."""
    return VerdictStore(folder / _STORES.replace("*", _key(identity)[:16]))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
