"""5_cleanup: whatever the run deployed is deleted, and checked to be gone."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.endpoints_file import endpoints, record
from fmbench_lib.errors import FmbenchError, explained
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.analysis import write_analysis, write_report
from fmbench_lib.steps.endpoint_metrics import collect_cloudwatch
from fmbench_lib.steps.step import step
from fmbench_lib.workspace import Workspace

FAILED = "failed"
COLUMNS = ["experiment_name", "outcome", "addresses", "error"]


@step("5_cleanup")
def clean_up(run: Run) -> pd.DataFrame:
    """Delete what the run deployed and update the report with what it cost until then.

    Raises FmbenchError when an endpoint could not be deleted, after all the others have been.
    """
    table = delete_endpoints(run.workspace)
    if run.workspace.report_file.exists():
        if collect_cloudwatch(run):  # what came too late for the analysis
            write_analysis(run)
        write_report(run)
    failed = table[table["outcome"] == FAILED]
    if not failed.empty:
        names = ", ".join(failed["experiment_name"])
        raise FmbenchError(
            f"{names}: could not be deleted and may still cost money: {'; '.join(failed['error'])}; "
            f"try again by: fmbench cleanup {run.workspace.path}"
        )
    return table


def delete_endpoints(workspace: Workspace) -> pd.DataFrame:
    """Delete every endpoint that the run created, and nothing else; one row each, with the error where it failed."""
    rows = [_delete(workspace, endpoint) for endpoint in endpoints(workspace).values()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _delete(workspace: Workspace, endpoint: Endpoint) -> dict[str, str | None]:
    error = None
    if not endpoint.owned:
        outcome = "not made by this run, left as it is"
    elif endpoint.deleted_at is not None:
        outcome = "deleted before"
    else:
        try:
            record(workspace, platform(endpoint.platform).delete(endpoint))
            outcome = "deleted"
        except Exception as failure:  # noqa: BLE001 - the other endpoints are still to be deleted
            outcome, error = FAILED, explained(failure)
    return {
        "experiment_name": endpoint.experiment_name,
        "outcome": outcome,
        "addresses": ", ".join(endpoint.urls),
        "error": error,
    }
