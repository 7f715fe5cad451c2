"""The pictures that no other section shows."""

from __future__ import annotations

from fmbench_lib.report.figures import draw
from fmbench_lib.report.markdown import Blocks
from fmbench_lib.report.report_data import ReportInputs


def section(inputs: ReportInputs) -> Blocks:
    """Links to the pictures that no other section shows."""
    pictures = {
        draw.ERROR_RATES: "Error rates for different loads and experiments",
        draw.TOKENS: "Tokens vs latency for different loads and experiments",
        draw.LATENCY_BY_LOAD: "Load vs latency for each experiment for the selected dataset",
        draw.DISTRIBUTIONS: "Distribution of latency for each experiment and dataset",
        draw.DRIFT: "Latency over the measurement window of each level",
    }
    links = [f"![{title}]({inputs.figures}/{name})" for name, title in pictures.items()]
    return ["## Plots", "These plots show the requests and levels behind the results.", *links]
