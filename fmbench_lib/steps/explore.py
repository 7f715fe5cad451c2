"""What a person asks of a finished run: its decision and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmbench_lib.atomic_files import read_json
from fmbench_lib.errors import RunStateError
from fmbench_lib.runs.run import Run

if TYPE_CHECKING:
    from IPython.display import Image


MAIN_COLUMNS = [
    "experiment_name",
    "payload_file",
    "concurrency",
    "request_rate",
    "successes",
    "errors",
    "transactions_per_minute",
    "latency_p50",
    "latency_p95",
    "TTFT_p50",
    "TPOT_p50",
    "price_per_txn",
    "verdict",
]


def decision(run: Run) -> str:
    """The decision of an analysed run, in one sentence."""
    if not run.workspace.summary_file.exists():
        raise RunStateError(f"{run.workspace.path} is not analysed yet: run the notebook 4_model_metric_analysis first")
    text: str = read_json(run.workspace.summary_file)["decision"]["text"]
    return text


def figure(run: Run, name: str) -> Image:
    """One of the run's pictures, for a notebook."""
    from IPython.display import Image

    return Image(filename=str(run.workspace.figures / name))  # type: ignore[no-untyped-call]
