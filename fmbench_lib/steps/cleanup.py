"""5_cleanup: whatever the run deployed is deleted, and checked to be gone."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fmbench_lib.errors import FmbenchError
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.analysis import write_analysis, write_report
from fmbench_lib.steps.endpoints.taking_down import Deletion, delete_all, failures
from fmbench_lib.steps.measuring.endpoint_metrics import collect_cloudwatch
from fmbench_lib.steps.step import step
from fmbench_lib.workspace import Workspace

FAILED = "failed"
COLUMNS = ["experiment_name", "outcome", "addresses", "error"]


@step("5_cleanup")
def clean_up(run: Run) -> pd.DataFrame:
    """Delete what the run deployed and update the report with what it cost until then.

    Raises FmbenchError when an endpoint could not be deleted, after all the others have been.
    """
    deletions = delete_all(run.workspace)
    if run.workspace.report_file.exists():
        if collect_cloudwatch(run):  # what came too late for the analysis
            write_analysis(run)
        write_report(run)
    failed = failures(run.workspace, deletions)
    if failed:
        raise FmbenchError("; ".join(failed))
    return _table(deletions)


def delete_endpoints(workspace: Workspace) -> pd.DataFrame:
    """Delete every endpoint that the run created, and nothing else; one row each, with the error where it failed."""
    return _table(delete_all(workspace))


def _table(deletions: Sequence[Deletion]) -> pd.DataFrame:
    rows = [
        {
            "experiment_name": deletion.endpoint.experiment_name,
            "outcome": deletion.outcome,
            "addresses": ", ".join(deletion.endpoint.urls),
            "error": deletion.error,
        }
        for deletion in deletions
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
