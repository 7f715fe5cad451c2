"""The pictures that no other section shows."""

from __future__ import annotations

from fmbench_lib.report.figures import draw
from fmbench_lib.report.figures.machine import pictures as pictures_of_machines
from fmbench_lib.report.markdown import Blocks, picture_grid
from fmbench_lib.report.report_data import ReportInputs


def section(inputs: ReportInputs) -> Blocks:
    """The pictures that no other section shows, two beside each other."""
    titles = {
        draw.ERROR_RATES: "Error rates for different loads and experiments",
        draw.TOKENS: "Tokens vs latency for different loads and experiments",
        draw.LATENCY_BY_LOAD: "Load vs latency for each experiment for the selected dataset",
        draw.TOKEN_TIMES: "Time to first token and time per output token by load",
        draw.DISTRIBUTIONS: "Distribution of latency for each experiment and dataset",
        draw.DRIFT: "Latency over the measurement window of each level",
    }
    missing = draw.without_data(inputs)
    pictures = {title: f"{inputs.figures}/{name}" for name, title in titles.items() if name not in missing}
    said = " ".join(dict.fromkeys(filter(None, missing.values())))
    pictures |= _machine(inputs)
    intro = "The requests and levels behind the results; each picture opens at full size." if pictures else ""
    return ["## Plots", f"{intro} {said}".strip(), picture_grid(pictures)]


def _machine(inputs: ReportInputs) -> dict[str, str]:
    """The machine of the best level's experiment, or of the first that was sampled."""
    found, best = pictures_of_machines(inputs), inputs.decision.winner or inputs.decision.nearest
    if not found:
        return {}
    name = next((name for name in found if best and best["experiment_name"] == name), next(iter(found)))
    return {f"The machine and server of {name} over time": f"{inputs.figures}/{found[name]}"}
