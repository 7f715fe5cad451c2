"""Whether synthetic prompts and their answers had the lengths asked for, request by request, as the server counted."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from fmbench_lib.host.atomic_files import read_rows
from fmbench_lib.runs.run import Run

_BY_SERVER = "server"


def length_notices(run: Run, requests: pd.DataFrame) -> Iterator[str]:
    """Lines for the report on the requests of the table whose lengths were not those asked for; none where all were.

    Counts by anybody else than the server are not compared.
    """
    if requests.empty or not run.config.datasets.synthetic:
        return
    for experiment in run.config.experiments:
        for payload_file in experiment.payload_files:
            asked = _asked(run, experiment.name, payload_file)
            here = (requests["experiment_name"] == experiment.name) & (requests["payload_file"] == payload_file)
            known = requests[here & requests["success"].astype(bool)]
            for line in _differences(known.join(asked, on="prompt_id", how="inner")):
                yield f"{experiment.name}: {payload_file}: {line}"


def _asked(run: Run, experiment: str, payload_file: str) -> pd.DataFrame:
    """The tokens asked for, by the id of the prompt that was sent."""
    made, sent = run.workspace.payload(payload_file), run.workspace.sent_prompts(experiment, payload_file)
    if not made.exists():
        return pd.DataFrame(columns=["asked_in", "asked_out"])
    wanted = [(row["prompt_tokens"], row.get("output_tokens")) for row in read_rows(made)]
    ids = [row["prompt_id"] for row in read_rows(sent if sent.exists() else made)]
    return pd.DataFrame(wanted, index=ids, columns=["asked_in", "asked_out"])


def _differences(requests: pd.DataFrame) -> Iterator[str]:
    counted = requests[requests["prompt_token_source"] == _BY_SERVER]
    more = (counted["prompt_token_count"] - counted["asked_in"]).astype(float)
    if wrong := int((more != 0).sum()):
        yield (
            f"the server counted {wrong} of {len(counted)} prompts otherwise than asked for, by {more.min():+.0f} to "
            f"{more.max():+.0f} tokens"
        )
    counted = requests[(requests["completion_token_source"] == _BY_SERVER) & requests["asked_out"].notna()]
    tokens, wanted = counted["completion_token_count"].astype(float), counted["asked_out"].astype(float)
    if wrong := int((tokens != wanted).sum()):
        yield (
            f"{wrong} of {len(counted)} answers are not as long as asked for: {tokens.mean():.1f} tokens on average, "
            f"not {wanted.mean():.1f}"
        )
