"""`report.md` and its appendix: the sections in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fmbench_lib.errors import explained
from fmbench_lib.report.markdown import Blocks, one_line
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.report.sections import (
    config_listing,
    configuration,
    delivered_goodput,
    embedding_levels,
    endpoint_machines,
    energy_use,
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

Section = Callable[[ReportInputs], Blocks]

SECTIONS: tuple[Section, ...] = (
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
    energy_use.section,
    recommended_levels.section,
    plots.section,
    measurement_quality.section,
    provenance.section,
    still_running.section,
    config_listing.section,
)
"""A new section is a module in `sections/` and a row here."""

APPENDIX: tuple[Section, ...] = (
    title.appendix,
    every_level.section,
    latency_percentiles.appendix,
    failures.appendix,
    endpoint_machines.appendix,
    recommended_levels.appendix,
    measurement_quality.appendix,
)
"""What `report_appendix.md` holds: every level and every column of what the report shortens."""


def render_markdown(inputs: ReportInputs) -> str:
    """The report as Markdown, without HTML and without any text that a model generated."""
    return _page(SECTIONS, inputs)


def render_appendix(inputs: ReportInputs) -> str:
    """The tables of the report in full, as Markdown."""
    return _page(APPENDIX, inputs)


def _page(sections: Sequence[Section], inputs: ReportInputs) -> str:
    blocks = [block for section in sections for block in _blocks(section, inputs)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _blocks(section: Section, inputs: ReportInputs) -> Blocks:
    """A section; where it breaks down, a line that says so, as the others are still wanted."""
    try:
        return list(section(inputs))
    except Exception as error:  # noqa: BLE001 - whatever breaks down in one section must not cost the others
        name = section.__module__.rpartition(".")[2].replace("_", " ")
        return [f"The section on {name} could not be written: {one_line(explained(error))}"]
