"""The index of a run's payload files: which there are, how long their prompts are, and what they were made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.data.prompts import SourceTally
from fmbench_lib.host.atomic_files import read_json, write_json


@dataclass(frozen=True, slots=True)
class PayloadFile:
    """One payload file: how many prompts, their tokens, and the SHA-256 of its content."""

    payload_file: str
    prompts: int
    prompt_tokens_mean: float
    prompt_tokens_min: int
    prompt_tokens_max: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PayloadIndex:
    """All payload files of a run.

    `source` is `generated`, or the run that they were taken from. `sources` has the tally of each source that was read,
    `notices` are lines for the report, `datasets` is the section of the config that they were made by.
    """

    source: str
    tokenizer: str
    tokenizer_is_estimate: bool
    payloads: tuple[PayloadFile, ...]
    sources: tuple[SourceTally, ...]
    notices: tuple[str, ...]
    datasets: dict[str, Any]

    @property
    def counts(self) -> dict[str, int]:
        """The number of prompts of each payload file."""
        return {payload.payload_file: payload.prompts for payload in self.payloads}

    def write(self, path: Path) -> None:
        """Write the index as JSON."""
        write_json(path, asdict(self))


def read_payload_index(path: Path) -> PayloadIndex:
    """Read an index, also one that an earlier version wrote. Raises OSError where there is no such file."""
    content = read_json(path)
    return PayloadIndex(
        source=content["source"],
        tokenizer=content["tokenizer"],
        tokenizer_is_estimate=content["tokenizer_is_estimate"],
        payloads=tuple(PayloadFile(**payload) for payload in content["payloads"]),
        sources=tuple(content.get("sources", ())),
        notices=tuple(content.get("notices", ())),
        datasets=content["datasets"],
    )
