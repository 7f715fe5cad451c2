"""Levels that were measured several times, in the report and in its pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.report.document import render_markdown
from fmbench_lib.report.figures.draw import draw_figures, levels_drawn
from fmbench_lib.report.figures.latency_by_load import draw_latency_by_load
from fmbench_lib.report.figures.price_performance import trade_of
from fmbench_lib.report.figures.style import looks, styled
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.report.sections.spread_of_repeats import repeated_table
from fmbench_lib.report.summary import summary_document

PAYLOAD = "payload_en_1-500.jsonl"


@pytest.fixture(scope="module")
def repeated(simulate: Callable[..., LevelData], build: Callable[..., ReportInputs]) -> ReportInputs:
    """Concurrency 4 three times, the last on a slower day; concurrency 8 once."""
    loads = {"concurrency-4": 0.4, "concurrency-4-repeat-2": 0.41, "concurrency-4-repeat-3": 0.5}
    levels = [
        simulate(concurrency=4, n=500, base=base, seed=seed, load=load)
        for seed, (load, base) in enumerate(loads.items(), start=1)
    ]
    return build([*levels, simulate(concurrency=8)])


def test_the_table_has_the_pooled_figures_and_their_range(repeated: ReportInputs) -> None:
    (row,) = repeated_table(repeated.repeated).to_dict("records")
    assert row["load"] == "concurrency 4 (3 repeats)"
    (pooled,) = repeated.repeated.to_dict("records")
    single = repeated.summary["latency_p95"][:3]
    low, high = (f"{value:.3g}" for value in (single.min(), single.max()))
    assert row["of repeats"].startswith(f"{low} s to {high} s (sd ")
    assert f"({pooled['latency_p95_low']:.3g} to {pooled['latency_p95_high']:.3g})" in row["latency p95 (95% CI)"]


def test_the_report_says_which_levels_speak_of_one_day_only(
    repeated: ReportInputs, simulate: Callable[..., LevelData], build: Callable[..., ReportInputs]
) -> None:
    text = render_markdown(repeated)
    assert "at 2 levels, measured 4 times in all." in text
    assert text.count("1 level was measured once: such an interval speaks of one sequence of arrivals") == 1
    assert text.count("### Repeated levels") == 1
    assert text.index("### Latency metrics analysis") < text.index("### Repeated levels")
    assert "concurrency 4 (repeat 3)" in text
    once = render_markdown(build([simulate(concurrency=4), simulate(concurrency=8)]))
    assert once.count("Every level was measured once: such an interval speaks of one sequence of arrivals") == 1
    assert "### Repeated levels" not in once
    assert "in all" not in once


def test_the_summary_has_both(repeated: ReportInputs) -> None:
    document = summary_document(repeated)
    assert [row["load"] for row in document["levels"]][:2] == ["concurrency-4", "concurrency-4-repeat-2"]
    (row,) = document["repeated_levels"]
    assert (row["load"], row["repeats"], row["errors_by_class"]) == ("concurrency-4", 3, {})


def test_pictures_show_a_level_once_with_all_of_its_requests(repeated: ReportInputs, tmp_path: Path) -> None:
    rows, requests = levels_drawn(repeated)
    assert [row["load"] for row in rows] == ["concurrency-4", "concurrency-8"]
    assert requests.groupby("load").size().to_dict() == {"concurrency-4": 1500, "concurrency-8": 90}
    assert len(trade_of(repeated.decision).points) == 2
    measured = repeated.summary.to_dict("records")
    with styled():
        figure = draw_latency_by_load(rows, requests, PAYLOAD, looks(["smollm2-llama.cpp"]), None, measured)
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "_" and len(line.get_xdata()) == 3]
    assert [sorted(line.get_ydata()) for line in marks] == [sorted(repeated.summary["latency_p95"][:3])]
    assert len(draw_figures(repeated, tmp_path)) >= 8
