"""Whether synthetic prompts and their answers had the lengths asked for, request by request, as the server counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fmbench_lib.host.atomic_files import read_rows
from fmbench_lib.runs.run import Run

_BY_SERVER = "server"


@dataclass(slots=True)
class _Counted:
    """What the server counted otherwise than asked for, so far: of prompts how many, by how many tokens at least and at
    most; of answers how many, and the tokens of all."""

    prompts: int = 0
    wrong_prompts: int = 0
    least: float = np.inf
    most: float = -np.inf
    answers: int = 0
    wrong_answers: int = 0
    tokens: float = 0.0
    wanted: float = 0.0

    def add(self, requests: pd.DataFrame) -> None:
        """Requests with what was asked for."""
        prompts = requests[requests["prompt_token_source"] == _BY_SERVER]
        more = (prompts["prompt_token_count"] - prompts["asked_in"]).astype(float).dropna()
        self.prompts += len(prompts)
        self.wrong_prompts += int((more != 0).sum()) + len(prompts) - len(more)
        self.least, self.most = min(self.least, more.min(skipna=True)), max(self.most, more.max(skipna=True))
        answers = requests[(requests["completion_token_source"] == _BY_SERVER) & requests["asked_out"].notna()]
        tokens, wanted = answers["completion_token_count"].astype(float), answers["asked_out"].astype(float)
        self.answers += len(answers)
        self.wrong_answers += int((tokens != wanted).sum())
        self.tokens, self.wanted = self.tokens + tokens.sum(), self.wanted + wanted.sum()

    def lines(self) -> Iterator[str]:
        """What is to be said of them."""
        if self.wrong_prompts:
            yield (
                f"the server counted {self.wrong_prompts} of {self.prompts} prompts otherwise than asked for, by "
                f"{self.least:+.0f} to {self.most:+.0f} tokens"
            )
        if self.wrong_answers:
            yield (
                f"{self.wrong_answers} of {self.answers} answers are not as long as asked for: "
                f"{self.tokens / self.answers:.1f} tokens on average, not {self.wanted / self.answers:.1f}"
            )


@dataclass(slots=True)
class LengthAudit:
    """Takes the requests of a run part by part. Counts by anybody else than the server are not compared."""

    run: Run
    _found: dict[tuple[str, str], _Counted] = field(default_factory=dict)
    _wanted: dict[tuple[str, str], pd.DataFrame] = field(default_factory=dict)

    @property
    def needed(self) -> bool:
        """Whether the run's prompts are synthetic: others have no length that was asked for."""
        return bool(self.run.config.datasets.synthetic)

    def add(self, experiment: str, payload_file: str, requests: pd.DataFrame) -> None:
        """Rows of the table of requests, of one experiment and payload file."""
        if not self.needed:
            return
        key = (experiment, payload_file)
        if key not in self._wanted:
            self._wanted[key] = _asked(self.run, experiment, payload_file)
        known = requests[requests["success"].astype(bool)]
        self._found.setdefault(key, _Counted()).add(known.join(self._wanted[key], on="prompt_id", how="inner"))

    def lines(self) -> list[str]:
        """Lines for the report on the requests whose lengths were not those asked for; none where all were."""
        pairs = ((one.name, payload) for one in self.run.config.experiments for payload in one.payload_files)
        found = ((*pair, self._found[pair]) for pair in pairs if pair in self._found)
        return [f"{name}: {payload}: {line}" for name, payload, counted in found for line in counted.lines()]


def length_notices(run: Run, requests: pd.DataFrame) -> list[str]:
    """The lines on all requests of a table."""
    audit = LengthAudit(run)
    if not requests.empty:
        for (experiment, payload_file), part in requests.groupby(["experiment_name", "payload_file"], sort=False):
            audit.add(str(experiment), str(payload_file), part)
    return audit.lines()


def _asked(run: Run, experiment: str, payload_file: str) -> pd.DataFrame:
    """The tokens asked for, by the id of the prompt that was sent."""
    made, sent = run.workspace.payload(payload_file), run.workspace.sent_prompts(experiment, payload_file)
    if not made.exists():
        return pd.DataFrame(columns=["asked_in", "asked_out"])
    wanted = [(row["prompt_tokens"], row.get("output_tokens")) for row in read_rows(made)]
    ids = [row["prompt_id"] for row in read_rows(sent if sent.exists() else made)]
    return pd.DataFrame(wanted, index=ids, columns=["asked_in", "asked_out"])
