"""`report.md`: the sections in their order."""

from __future__ import annotations

from collections.abc import Callable

from fmbench_lib.errors import explained
from fmbench_lib.report.markdown import Blocks, one_line
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.report.sections import (
    config_listing,
    configuration,
    delivered_goodput,
    embedding_levels,
    endpoint_machines,
    every_level,
    experiment_costs,
    failures,
    greatest_load,
    imported_results,
    latency_percentiles,
    measurement_quality,
    model_evaluations,
    overview,
    plots,
    provenance,
    recommended_levels,
    spread_of_repeats,
    still_running,
    title,
)

SECTIONS: tuple[Callable[[ReportInputs], Blocks], ...] = (
    title.section,
    overview.section,
    imported_results.section,
    greatest_load.section,
    latency_percentiles.section,
    embedding_levels.section,
    spread_of_repeats.section,
    delivered_goodput.section,
    failures.section,
    model_evaluations.section,
    endpoint_machines.section,
    configuration.section,
    experiment_costs.section,
    recommended_levels.section,
    plots.section,
    every_level.section,
    measurement_quality.section,
    provenance.section,
    still_running.section,
    config_listing.section,
)
"""A new section is a module in `sections/` and a row here."""


def render_markdown(inputs: ReportInputs) -> str:
    """The whole report as Markdown, without HTML and without any text that a model generated."""
    blocks = [block for section in SECTIONS for block in _blocks(section, inputs)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _blocks(section: Callable[[ReportInputs], Blocks], inputs: ReportInputs) -> Blocks:
    """A section; where it breaks down, a line that says so, as the others are still wanted."""
    try:
        return list(section(inputs))
    except Exception as error:  # noqa: BLE001 - whatever breaks down in one section must not cost the others
        name = section.__module__.rpartition(".")[2].replace("_", " ")
        return [f"The section on {name} could not be written: {one_line(explained(error))}"]
