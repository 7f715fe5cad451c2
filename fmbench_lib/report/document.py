"""`report.md`: the sections in their order."""

from __future__ import annotations

from collections.abc import Callable

from fmbench_lib.report import endpoint, sections
from fmbench_lib.report import measurement_quality as trust
from fmbench_lib.report import search_results as search
from fmbench_lib.report.report_data import ReportInputs

SECTIONS: tuple[Callable[[ReportInputs], list[str]], ...] = (
    sections.title,
    sections.summary,
    search.searches,
    sections.latency,
    sections.goodput,
    sections.failed,
    sections.evaluations,
    endpoint.endpoint_metrics,
    sections.configuration,
    sections.cost,
    sections.per_instance,
    sections.plots,
    sections.levels,
    trust.measurement,
    trust.provenance,
    trust.standing,
    sections.config_file,
)
"""A new section is a function and a line here."""


def render_markdown(inputs: ReportInputs) -> str:
    """The whole report as Markdown: without HTML, and without a word that a model wrote."""
    blocks = [block for section in SECTIONS for block in section(inputs)]
    return "\n\n".join(block for block in blocks if block) + "\n"
