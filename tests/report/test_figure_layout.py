"""Pictures whose names are beside what they name, and whose scales hold all that is drawn."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.figures.business import draw_business
from fmbench_lib.report.figures.curve_names import Curve, name_curves
from fmbench_lib.report.figures.latency_by_load import draw_latency_by_load
from fmbench_lib.report.figures.latency_distributions import draw_latency_drift
from fmbench_lib.report.figures.price_performance import trade_of
from fmbench_lib.report.figures.style import looks, new_figure, save, styled
from fmbench_lib.report.figures.token_times import draw_token_times
from fmbench_lib.report.level_order import names_in

PAYLOAD = "payload_en_1-500.jsonl"


def named(curves: dict[str, Any], limit: float = 10) -> tuple[dict[str, str], list[str]]:
    """On which side of its curve each name is written, and those that are left out."""
    import seaborn as sns

    with styled():
        figure = new_figure(6, 4)
        axes = figure.subplots()
        for values in curves.values():
            sns.ecdfplot(x=values, ax=axes)
        axes.set_xlim(0, limit)
        left_out = name_curves(axes, [Curve(np.array(v), name, "black") for name, v in curves.items()], 8.5)
        return {text.get_text(): text.get_horizontalalignment() for text in axes.texts}, left_out


def test_a_curve_alone_has_its_name_on_the_right_or_where_there_is_room() -> None:
    assert named({"1": [2, 3, 4]}) == ({"1": "left"}, [])
    assert named({"1": [8, 9.9, 9.95]}) == ({"1": "right"}, [])


def test_of_curves_close_together_each_has_its_name_on_its_own_side() -> None:
    near = {"low": [3.0, 4.0, 5.0], "high": [3.05, 4.05, 5.05]}
    assert named(near) == ({"low": "right", "high": "left"}, [])


def test_a_name_that_would_stand_beside_another_curve_is_left_out() -> None:
    between = {"a": [3.9, 4.0, 4.1], "b": [3.95, 4.05, 4.15], "c": [4.0, 4.1, 4.2]}
    assert named(between) == ({"a": "right", "c": "left"}, ["b"])
    same = {"a": [3, 4, 5], "b": [3, 4, 5]}
    assert named(same) == ({}, ["a", "b"]), "nobody could tell which is which"


def test_no_line_of_the_drift_is_cut_in_any_panel(build: Any, simulate: Any) -> None:
    """All panels share their scale; the slowest level is not in the last one."""
    levels = [simulate("slow", n=60, concurrency=16, base=2.0)]
    levels += [simulate("fast", n=60, concurrency=c, base=0.2) for c in (1, 2, 4, 8)]
    inputs = build(levels)
    with styled():
        figure = draw_latency_drift(rows_of(inputs.summary), inputs.requests, PAYLOAD)
    assert len(figure.axes) == 2
    for axes in figure.axes:
        drawn = np.concatenate([line.get_ydata() for line in axes.lines])
        assert axes.get_ylim()[0] <= drawn.min()
        assert drawn.max() <= axes.get_ylim()[1]


def test_names_of_lines_do_not_touch_in_the_finished_picture(build: Any, simulate: Any, tmp_path: Path) -> None:
    """The legend takes room from the axes, which moves the ends of lines."""
    from matplotlib.text import Text

    levels = [
        simulate(f"experiment-{place}", n=20, concurrency=c, base=0.2 + 0.002 * place)
        for place in range(6)
        for c in (1, 128)
    ]
    inputs = build(levels)
    rows = rows_of(inputs.summary)
    with styled():
        figure = draw_token_times(rows, inputs.requests, PAYLOAD, looks(names_in(rows)))
        assert figure is not None
        save(figure, tmp_path / "picture.png")
        for axes in figure.axes:
            boxes = sorted((Text.get_window_extent(text) for text in axes.texts), key=lambda box: box.y0)
            assert len(boxes) == 6
            assert all(low.y1 <= high.y0 + 0.5 for low, high in pairwise(boxes))


def test_twelve_experiments_at_one_load_have_their_names_beside_their_points(build: Any, simulate: Any) -> None:
    """Two of them share a colour, and there is no line whose dashes would tell them apart."""
    levels = [simulate(f"experiment-{place}", n=12, base=0.1 * 1.4**place) for place in range(12)]
    inputs = build(levels, Budgets(latency_budget=5.0))
    rows = rows_of(inputs.summary)
    look, trade = looks(names_in(rows)), trade_of(inputs.decision)
    with styled():
        figures = [draw_business(trade, look, "a model"), draw_token_times(rows, inputs.requests, PAYLOAD, look)]
    for axes in (axes for figure in figures if figure is not None for axes in figure.axes):
        said = " ".join(text.get_text() for text in axes.texts)
        assert [name for name in look if name not in said] == []


@pytest.mark.parametrize("count", [30, 1])
def test_every_panel_shows_the_same_kind_of_boxes(count: int, build: Any, simulate: Any) -> None:
    """Requests as points behind boxes: in all panels, or in none where one has too many levels for them."""
    levels = [simulate("many", n=8, concurrency=c + 1) for c in range(count)] + [simulate("one", n=8)]
    inputs = build(levels)
    rows = rows_of(inputs.summary)
    with styled():
        figure = draw_latency_by_load(rows, inputs.requests, PAYLOAD, looks(names_in(rows)))
    dotted = [any(np.size(part.get_offsets()) for part in axes.collections) for axes in figure.axes]
    assert dotted == [count == 1] * 2
