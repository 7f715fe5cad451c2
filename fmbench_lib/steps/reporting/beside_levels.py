"""What stands beside the figures of levels: samples of their machines, rankings, texts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fmbench_lib.load.recording.stored_level import StoredLevel
from fmbench_lib.metrics.measuring_again import counting
from fmbench_lib.metrics.text_levels import retrieval_frame, text_levels
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.measuring.endpoint_metrics import Sampled, beside_host, sampled, span_in
from fmbench_lib.steps.reporting.level_figures import LevelFigures, with_facts
from fmbench_lib.steps.reporting.level_records import counted_levels
from fmbench_lib.steps.run_inputs.payloads import relevance_of


def beside_samples(run: Run, levels: list[LevelFigures], losses: Losses) -> tuple[list[LevelFigures], list[Sampled]]:
    """The levels, those that count with what their machine was doing and its energy as facts, and the samples."""
    samples = losses.made("the samples of the endpoints", lambda: _samples(run, levels), list[Sampled])
    return losses.made("the load of the machines", lambda: _with_host(run, levels, samples), lambda: levels), samples


def _samples(run: Run, levels: Sequence[LevelFigures]) -> list[Sampled]:
    return sampled(run, [span_in(each.level.facts, each.window) for each in counted_levels(levels)])


def _with_host(run: Run, levels: Sequence[LevelFigures], samples: Sequence[Sampled]) -> list[LevelFigures]:
    """The levels, those that count with what their machine was doing among their facts."""
    counted = counted_levels(levels)
    hosted = {id(each): one for each, one in zip(counted, _hosted(run, counted, samples), strict=True)}
    return [hosted.get(id(each), each) for each in levels]


def _hosted(run: Run, counted: Sequence[LevelFigures], samples: Sequence[Sampled]) -> list[LevelFigures]:
    return with_facts(counted, beside_host([each.level.facts for each in counted], samples, run.config.energy))


def rankings(run: Run, counted: Sequence[StoredLevel]) -> pd.DataFrame:
    """`retrieval_quality.csv`, of the levels that have relevance."""
    relevance = relevance_of(run)
    ranked = [level for level in counted if relevance.get(str(level.facts["payload_file"]))]
    columns = ("phase", "error", "prompt_id", "scores")
    return retrieval_frame((level.data(columns) for level in ranked), relevance)


def texts_of(counted: Sequence[StoredLevel], summary: pd.DataFrame) -> pd.DataFrame:
    """`embedding_levels.csv`, of the levels that count; without levels an empty frame."""
    if not counted:
        return pd.DataFrame()
    return text_levels((level.data(("phase", "error", "texts")) for level in counted), counting(summary))
