"""The curves of the machines as a page holds them: thinned, with every peak and dip that can be seen."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from fmbench_lib.report.html.level_values import clean, position_of, short
from fmbench_lib.report.html.page_shapes import CurvePanel, CurveValues, LevelWindow, Machine, MachineCurves
from fmbench_lib.report.level_order import Rows, names_in, short_load
from fmbench_lib.report.machine_series import MachineSeries, Times, machine_series, sampled_experiments
from fmbench_lib.report.report_data import ReportInputs

MOST_SAMPLES = 500
"""Values of a curve: of more, the least and the greatest of each of half as many parts."""


def machines(inputs: ReportInputs, rows: Rows) -> list[Machine]:
    """For each experiment that was sampled: its position, the windows of its levels, and the curves of each panel.

    Times are seconds on the axis, on which long gaps between levels are cut short.
    """
    order = names_in(rows)
    return [
        {"e": order.index(name), **_machine(machine_series(inputs, name), rows)}
        for name in sampled_experiments(inputs)
        if name in order
    ]


def _machine(series: MachineSeries, rows: Rows) -> MachineCurves:
    axis = series.axis
    windows: list[LevelWindow] = [
        {
            "level": position_of(rows, row),
            "load": short_load(row),
            "from": _on(axis.position(row["window_start"])),
            "to": _on(axis.position(row["window_end"])),
        }
        for row in series.windows
    ]
    panels: list[CurvePanel] = [
        {
            "title": panel.title,
            "most": panel.most,
            "curves": [
                {"label": clean(curve.label), **_curve(axis.position(times), times, values)}
                for curve, times, values in curves
            ],
        }
        for panel, curves in series.panels
    ]
    return {
        "windows": windows,
        "panels": panels,
        "cut": axis.cut,
        "from": _on(axis.position(axis.begin)),
        "to": _on(axis.position(axis.end)),
    }


def _curve(positions: Times, times: Times, values: Times) -> CurveValues:
    kept = thinned(values)
    broken = ~np.isfinite(times) | ~np.isfinite(values)
    return {
        "x": [None if broken[index] else _on(positions[index]) for index in kept],
        "y": [None if broken[index] else short(float(values[index])) for index in kept],
        "n": int((~broken).sum()),
    }


def thinned(values: Times) -> list[int]:
    """The indexes of the values that are kept: all ends of breaks, and of each part the least and the greatest."""
    if len(values) <= MOST_SAMPLES:
        return list(range(len(values)))
    kept = {0, len(values) - 1, *map(int, np.flatnonzero(~np.isfinite(values)))}
    edges = np.linspace(0, len(values), MOST_SAMPLES // 2 + 1).round().astype(int)
    for start, end in pairwise(map(int, edges)):
        part = values[start:end]
        if np.isfinite(part).any():
            kept |= {start + int(np.nanargmin(part)), start + int(np.nanargmax(part))}
    return sorted(kept)


def _on(value: Any) -> float | None:
    """A position on the axis, to a hundredth of a second."""
    return round(float(value), 2) if math.isfinite(value) else None
