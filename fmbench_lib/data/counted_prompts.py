"""Prompts with the numbers of their tokens, batch by batch."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fmbench_lib.data.conversations import contents_of
from fmbench_lib.data.server_tokenizer import ServerTokenizer
from fmbench_lib.data.tokenizers import Tokenizer
from fmbench_lib.host.task_pool import TaskPool, ThisProcess
from fmbench_lib.images import without_images

if TYPE_CHECKING:
    from fmbench_lib.data.prompts import PromptRow

_BATCH = 256


def counted(prompts: Iterator[PromptRow], tokenizer: Tokenizer, pool: TaskPool) -> Iterator[PromptRow]:
    """The prompts in order, counted by a pool; those that were made to a number of tokens (`number`) have it.

    A server is asked from here alone: it limits how fast it counts, and its address may be another server elsewhere.
    """
    chosen = ThisProcess() if isinstance(tokenizer, ServerTokenizer) else pool
    batches: deque[list[PromptRow]] = deque()

    def texts() -> Iterator[list[str]]:
        while batch := list(itertools.islice(prompts, _BATCH)):
            batches.append(batch)
            yield [without_images(_counted_text(row)) for row in batch if "number" not in row]

    for counts in chosen.map(tokenizer.count_many, texts()):
        batch = batches.popleft()
        for row, tokens in zip((row for row in batch if "number" not in row), counts, strict=True):
            row["prompt_tokens"] = tokens
        yield from batch


def _counted_text(row: PromptRow) -> str:
    if "messages" in row:
        return contents_of(row["messages"])
    return "\n".join([row["prompt"], *row.get("documents", ())])
