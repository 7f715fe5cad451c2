"""Endpoints of the run that still cost money, and the commands that delete them."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from fmbench_lib.report.markdown import Blocks, frame, text_frame
from fmbench_lib.report.numbers import MISSING, amount, dollars, moment, several
from fmbench_lib.report.report_data import ReportInputs, StandingEndpoint


def section(inputs: ReportInputs) -> Blocks:
    """The endpoints that are still running, their price per hour, and how to delete them."""
    heading = "## What still costs money"
    shown = standing_table(inputs.standing)
    if shown.empty:
        return [heading, "No endpoint of this run is still running."]
    known = [endpoint.hourly for endpoint in inputs.standing if endpoint.hourly is not None]
    sentence = f"{several(len(shown), 'endpoint')} of this run {'are' if len(shown) > 1 else 'is'} still running"
    if known:
        more = " plus some of unknown price" if len(known) < len(shown) else ""
        sentence += f", at {dollars(sum(known))} per hour{more}"
    return [heading, f"{sentence}.", frame(shown, as_code=["where", "delete it with"], to_the_right=["USD per hour"])]


def standing_table(standing: Iterable[StandingEndpoint]) -> pd.DataFrame:
    """The endpoints still running, what they cost per hour, and the command that deletes them."""
    return text_frame(
        {
            "experiment": endpoint.experiment_name,
            "platform": endpoint.platform,
            "instance": endpoint.instance_type or MISSING,
            "where": endpoint.where,
            "since (UTC)": moment(endpoint.since),
            "USD per hour": amount(endpoint.hourly),
            "delete it with": endpoint.command,
        }
        for endpoint in standing
    )
