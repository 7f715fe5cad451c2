"""What notebooks read back from their run: its decision, its pictures, and what the notebooks glued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fmbench_lib.config import STEPS
from fmbench_lib.errors import RunStateError
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.runs.run import Run
from fmbench_lib.workspace import Workspace

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
    """The decision of an analysed run, in one sentence. Raises RunStateError before the analysis."""
    if not run.workspace.summary_file.exists():
        raise RunStateError(f"{run.workspace.path} is not analysed yet: run the notebook 4_model_metric_analysis first")
    text: str = read_json(run.workspace.summary_file)["decision"]["text"]
    return text


def figure(run: Run, name: str) -> Image:
    """A picture of the report, by its file name, for display in a notebook."""
    from IPython.display import Image

    return Image(filename=str(run.workspace.figures / name))  # type: ignore[no-untyped-call]


def scraps(run: Run) -> dict[str, dict[str, Any]]:
    """The results that each executed notebook of the run glued, as `scraps_of` gives them."""
    return scraps_of(run.workspace)


def scraps_of(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The results that each executed notebook glued, by step and name, such as `["3_run_inference"]["errors"]`.

    Steps whose notebook was not executed in this run are left out. Raises RunStateError for a notebook that cannot be
    read, as one that was cut off while it was written.
    """
    import scrapbook

    glued = {}
    for step in STEPS:
        path = workspace.notebook(step)
        if path.exists():
            try:
                notebook = scrapbook.read_notebook(str(path))
            except ValueError as error:
                raise RunStateError(f"cannot read the notebook {path}: {error}") from error
            glued[step] = dict(notebook.scraps.data_dict)
    return glued
