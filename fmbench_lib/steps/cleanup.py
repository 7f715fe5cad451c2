"""5_cleanup: whatever the run deployed, taken down and seen to be gone."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.endpoints_file import endpoints, record
from fmbench_lib.errors import FmbenchError
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.analysis import write_analysis, write_report
from fmbench_lib.steps.endpoint_metrics import collect_cloudwatch
from fmbench_lib.steps.step import step
from fmbench_lib.workspace import Workspace

FAILED = "failed"
COLUMNS = ["experiment_name", "outcome", "addresses", "error"]


@step("5_cleanup")
def clean_up(run: Run) -> pd.DataFrame:
    """Take down what the run deployed and bring the report up to date with what it cost until then.

    Raises DeployError when something could not be taken down, after all the others have been.
    """
    table = take_down(run.workspace)
    if run.workspace.report_file.exists():
        if collect_cloudwatch(run):  # what came too late for the analysis
            write_analysis(run)
        write_report(run)
    failed = table[table["outcome"] == FAILED]
    if not failed.empty:
        names = ", ".join(failed["experiment_name"])
        raise FmbenchError(
            f"{names}: could not be taken down and may still cost money: {'; '.join(failed['error'])}; "
            f"try again by: fmbench cleanup {run.workspace.path}"
        )
    return table


def take_down(workspace: Workspace) -> pd.DataFrame:
    """Delete every endpoint that the run made, and nothing else; one row each, with the error where it failed."""
    return pd.DataFrame([_take_down(workspace, one) for one in endpoints(workspace).values()], columns=COLUMNS)


def _take_down(workspace: Workspace, endpoint: Endpoint) -> dict[str, str | None]:
    error = None
    if not endpoint.owned:
        outcome = "not made by this run, left as it is"
    elif endpoint.deleted_at is not None:
        outcome = "deleted before"
    else:
        try:
            record(workspace, platform(endpoint.platform).delete(endpoint))
            outcome = "deleted"
        except FmbenchError as failure:
            outcome, error = FAILED, str(failure)
    return {
        "experiment_name": endpoint.experiment_name,
        "outcome": outcome,
        "addresses": ", ".join(endpoint.urls),
        "error": error,
    }
