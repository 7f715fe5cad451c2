"""Distribution and drift of latency: a panel for each experiment and dataset, a line for each load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fmbench_lib.metrics.groups.drift import DRIFT_SLICES
from fmbench_lib.metrics.missing import number
from fmbench_lib.report.figures.curve_names import Curve, name_curves
from fmbench_lib.report.figures.findings import drift_finding, tail_finding
from fmbench_lib.report.figures.load_colours import MOST_LOADS, LoadColours, load_colours
from fmbench_lib.report.figures.panels import nothing, outer_labels, panels
from fmbench_lib.report.figures.style import (
    darkened,
    headline,
    legend_below,
    logarithmic,
    plain_numbers,
    short_name,
    wide_range,
)
from fmbench_lib.report.level_order import Rows, counted, dataset_name, in_order, sample_note, short_load

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOURCE = "Source: per_inference_request_results.csv"
_BANDS: dict[str, Any] = {"markersize": 4, "errorbar": ("pi", 50), "err_kws": {"alpha": 0.15, "linewidth": 0}}
MOST_NAMED = 6
"""Lines of a panel that have their load beside them."""
MOST_PANELS = 12
"""With more experiments and datasets than this, only the dataset of the decision is shown, and of it the first."""


@dataclass(frozen=True, slots=True)
class _Facet:
    experiment: str
    payload_file: str
    requests: pd.DataFrame


def draw_latency_distributions(rows: Rows, requests: pd.DataFrame, payload_file: str | None) -> Figure:
    """The empirical distribution of latency (s) of each level: the share of requests that took at most so long."""
    heading = "Distribution of latency"
    facets, left_out = _facets(rows, _timed(requests), payload_file)
    if not facets:
        return nothing(heading, "No request succeeded.")
    about = "Each line is a level: the share of its successful requests that took at most so long."
    about += f"{left_out}{_sampled(rows, facets)}"
    figure, axes = _drawn(tail_finding(_of(rows, facets)), f"{about} {SOURCE}", facets, load_colours(rows), _ecdf)
    values = pd.concat([facet.requests["latency"] for facet in facets])
    low, high = float(values.min()), float(values.max())
    for panel in axes:
        if wide_range([low, high], 25):
            logarithmic(panel.xaxis, low / 1.2, high * 1.2)
        else:
            plain_numbers(panel.xaxis)
            panel.set_xlim(0, high * 1.05)
        panel.set_ylim(0, 1.02)
    _name_loads(axes, facets, load_colours(rows))
    outer_labels(axes, "latency (s)", "share of requests")
    return figure


def draw_latency_drift(rows: Rows, requests: pd.DataFrame, payload_file: str | None) -> Figure:
    """The median latency (s) of each level over its measurement window, with the middle half of the requests."""
    heading = "Latency over the measurement window"
    facets, left_out = _facets(rows, _with_slices(rows, _timed(requests)), payload_file)
    if not facets:
        return nothing(heading, "No request succeeded in a window.")
    about = "Each line is a level: the median of its requests in each tenth of its window, by when they were sent. "
    about += f"Bands: the middle half of them. A level that is steady is flat.{left_out}{_sampled(rows, facets)}"
    figure, axes = _drawn(drift_finding(_of(rows, facets)), f"{about} {SOURCE}", facets, load_colours(rows), _trend)
    values = pd.concat([facet.requests["latency"] for facet in facets])
    middle = [float(values.quantile(q)) for q in (0.02, 0.98)]
    lowest = min(float(panel.dataLim.y0) for panel in axes)
    highest = max(float(panel.dataLim.y1) for panel in axes)
    for panel in axes:
        if wide_range(middle, 25):
            logarithmic(panel.yaxis, min(middle[0] / 1.5, lowest / 1.1), max(middle[1] * 1.5, highest * 1.1))
        else:
            plain_numbers(panel.yaxis)
            panel.set_ylim(0, max(middle[1], highest) * 1.05)
        panel.set_xlim(0, 100)
        panel.set_xticks([10, 30, 50, 70, 90])  # 100 would touch the 0 of the next panel
    outer_labels(axes, "share of the window (%)", "latency (s)")
    return figure


def _sampled(rows: Rows, facets: list[_Facet]) -> str:
    return sample_note(rows, pd.concat([facet.requests for facet in facets]))


def _of(rows: Rows, facets: list[_Facet]) -> Rows:
    """The levels that the facets show."""
    shown = {(facet.experiment, facet.payload_file) for facet in facets}
    return [row for row in rows if (row["experiment_name"], row["payload_file"]) in shown]


def _drawn(
    heading: str,
    about: str,
    facets: list[_Facet],
    colours: LoadColours,
    draw: Callable[[Axes, _Facet, LoadColours], None],
) -> tuple[Figure, list[Axes]]:
    figure, axes = panels(len(facets))
    headline(figure, heading, about)
    several_datasets = len({facet.payload_file for facet in facets}) > 1
    longest = 44 if len(facets) in (1, 2, 4) else 26
    for panel, facet in zip(axes, facets, strict=True):
        draw(panel, facet, colours)
        dataset = f" · {short_name(dataset_name(facet.payload_file), 14)}" if several_datasets else ""
        title = f"{short_name(facet.experiment, longest - len(dataset))}{dataset}"
        panel.set_title(title, loc="left", fontweight="bold", fontsize=9.5)
    shown = {str(load) for facet in facets for load in facet.requests["load"].unique()}
    legend_below(figure, *colours.legend(shown, marker="", linestyle="-", linewidth=2.2))
    return figure, axes


def _ecdf(axes: Axes, facet: _Facet, colours: LoadColours) -> None:
    import seaborn as sns

    for load, part in facet.requests.groupby("load", sort=False):
        dash = "--" if colours.dashes[str(load)] else "-"
        sns.ecdfplot(data=part, x="latency", color=colours.colours[str(load)], linestyle=dash, linewidth=1.6, ax=axes)


def _name_loads(axes: list[Axes], facets: list[_Facet], colours: LoadColours) -> None:
    """The load beside its line, where it cannot be taken for that of another; the legend has all."""
    for panel, facet in zip(axes, facets, strict=True):
        values = {str(load): part["latency"].to_numpy(float) for load, part in facet.requests.groupby("load")}
        if len(values) <= MOST_NAMED:
            curves = [
                Curve(values[load], short_load(row), darkened(colours.colours[load]))
                for load, row in colours.rows.items()
                if load in values
            ]
            name_curves(panel, curves, size=8.5)


def _trend(axes: Axes, facet: _Facet, colours: LoadColours) -> None:
    import seaborn as sns

    many = facet.requests["load"].nunique() > MOST_LOADS  # their bands would hide each other
    sns.lineplot(
        data=facet.requests,
        x="window_share",
        y="latency",
        hue="load",
        hue_order=colours.order,
        palette=colours.colours,
        style="load",
        dashes=colours.dashes,
        markers=False if many else colours.markers,
        estimator="median",
        **({"errorbar": None} if many else _BANDS),
        legend=False,
        ax=axes,
    )


def _facets(rows: Rows, requests: pd.DataFrame, payload_file: str | None) -> tuple[list[_Facet], str]:
    """The requests of each experiment and dataset, in order, and a sentence on what is left out."""
    pairs = dict.fromkeys((str(row["experiment_name"]), str(row["payload_file"])) for row in in_order(rows))
    facets = []
    for experiment, payload in pairs:
        part = requests[(requests["experiment_name"] == experiment) & (requests["payload_file"] == payload)]
        if not part.empty:
            facets.append(_Facet(experiment, payload, part))
    if len(facets) <= MOST_PANELS:
        return facets, ""
    of_interest = [facet for facet in facets if facet.payload_file == payload_file]
    cut = f" Only {dataset_name(payload_file)} is shown"
    if len(of_interest) > MOST_PANELS:
        return of_interest[:MOST_PANELS], f"{cut}, and of it the first {MOST_PANELS} of {len(of_interest)} experiments."
    return of_interest, f"{cut}."


def _timed(requests: pd.DataFrame) -> pd.DataFrame:
    return counted(requests).dropna(subset=["latency"]).astype({"latency": float})


def _with_slices(rows: Rows, requests: pd.DataFrame) -> pd.DataFrame:
    """The requests with `window_share`: the middle of the slice that each was sent in, in percent of its window."""
    keys = ["experiment_name", "payload_file", "load"]
    windows = pd.DataFrame([{name: row[name] for name in (*keys, "window_start", "window_end")} for row in rows])
    if windows.empty or requests.empty:
        return requests.iloc[:0].assign(window_share=[])
    known = windows[[number(row, "window_s") is not None for row in rows]]
    joined = requests.merge(known, on=keys)
    length = (joined["window_end"] - joined["window_start"]).astype(float)
    sent = joined["sent"].astype(float).fillna(joined["due"].astype(float))
    joined = joined.assign(share=(sent - joined["window_start"].astype(float)) / length).dropna(subset=["share"])
    share = joined["share"]
    index = (share * DRIFT_SLICES).clip(0, DRIFT_SLICES - 1e-9).astype(int)
    return joined.assign(window_share=(index + 0.5) * 100 / DRIFT_SLICES)
