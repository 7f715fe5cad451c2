"""Samples beside levels: what belongs to which, what grows, and what is not known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from fmbench_lib.monitors.level_spans import Span, in_order, on_level_clock
from fmbench_lib.monitors.level_summary import COLUMNS, quantile, summary_frame
from fmbench_lib.monitors.sample_table import COLUMNS as TIDY_COLUMNS
from fmbench_lib.monitors.sample_table import lines_of, samples_frame
from fmbench_lib.monitors.samples import Histogram, Kind, Point, Series, Track, Value
from fmbench_lib.workspace import LevelKey

BOOTED = 1_790_000_000.0


def span(
    load: str, started: float, ended: float, window: tuple[float, float] | None = None, drift: float = 0.0
) -> Span:
    """A level by the monotonic clock; `drift` is how much its own clock tells more than the first one."""
    offset = BOOTED + drift
    begin, end = window or (started, ended)
    return Span(
        LevelKey("exp", "p.jsonl", load), started + offset, ended + offset, (begin + offset, end + offset), offset
    )


def track(kind: Kind, points: dict[float, Value], unit: str = "requests", **labels: str) -> Track:
    series = Series("vllm", "metric", kind, unit, tuple(sorted(labels.items())))
    return Track(series, [Point(BOOTED + at, at, value) for at, value in points.items()])


def summarize(tracks: list[Track], spans: list[Span]) -> pd.DataFrame:
    return summary_frame(lines_of(tracks, spans), spans)


def test_a_gauge_is_of_the_window_alone() -> None:
    spans = [span("c1", 0, 10, (2, 8)), span("c2", 11, 20)]
    frame = summarize([track("gauge", {1: 100, 3: 1, 5: 2, 7: 6, 9: 100, 15: 50})], spans)
    assert list(frame.columns) == COLUMNS
    first, second = frame.to_dict("records")
    assert (first["n"], first["mean"], first["min"], first["max"], first["last"], first["p50"]) == (3, 3, 1, 6, 6, 2)
    assert math.isnan(first["total"])
    assert (second["load"], second["n"], second["mean"]) == ("c2", 1, 50)


def test_a_level_without_samples_has_no_row_and_no_zero() -> None:
    frame = summarize([track("gauge", {1: 5})], [span("c1", 0, 2), span("c2", 3, 4)])
    assert list(frame["load"]) == ["c1"]


def test_a_counter_is_a_rate_in_the_window_and_a_total_of_the_level() -> None:
    spans = [span("c1", 0, 10, (2, 10)), span("c2", 12, 14)]
    points: dict[float, Value] = {-1: 0, 1: 5, 3: 15, 5: 25, 9: 105, 11: 110, 15: 130}
    first, second = summarize([track("counter", points)], spans).to_dict("records")
    assert first["total"] == 110, "from the sample before the level to that after it"
    assert first["unit"] == "requests/s"
    assert first["mean"] == pytest.approx((10 + 10 + 80 + 5) / (2 + 2 + 4 + 2))
    assert first["max"] == 20
    assert second["total"] == 20


def test_a_server_that_began_anew_has_no_total() -> None:
    (row,) = summarize([track("counter", {-1: 50, 2: 60, 4: 3, 6: 5, 11: 9})], [span("c1", 0, 10)]).to_dict("records")
    assert math.isnan(row["total"])
    assert row["min"] > 0


def test_a_histogram_is_its_growth_over_the_level() -> None:
    def at(*counts: float, total: float) -> Histogram:
        return Histogram(total, counts[-1], tuple(zip((0.1, 0.2, math.inf), counts, strict=True)))

    points: dict[float, Value] = {
        -1: at(5, 5, 5, total=9.0),
        5: at(6, 10, 10, total=9.7),
        11: at(7, 15, 15, total=10.5),
        30: at(99, 99, 99, total=99.0),
    }
    (row,) = summarize([track("histogram", points, "s")], [span("c1", 0, 10)]).to_dict("records")
    assert (row["n"], row["mean"]) == (10, pytest.approx(0.15))
    assert row["p50"] == pytest.approx(0.1 + 0.1 * (5 - 2) / 8)
    assert math.isnan(row["max"])


def test_a_monitor_that_died_leaves_no_half_counted_level() -> None:
    spans = [span("c1", 0, 10), span("c2", 12, 20)]
    died = track("counter", {-1: 0, 2: 10, 4: 20})
    new = track("counter", {11: 90, 15: 100, 21: 120})
    first, second = summarize([died, new], spans).to_dict("records")
    assert math.isnan(first["total"])
    assert first["mean"] == pytest.approx(20 / 5), "what it saw is told"
    assert second["total"] == 30


def test_the_documentation_has_every_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    section = page.split("### endpoint_metrics.csv")[1].split("### The other files")[0]
    assert [name for name in (*COLUMNS, *TIDY_COLUMNS) if f"`{name}`" not in section] == []


@pytest.mark.parametrize(("share", "expected"), [(0.5, 1.5), (0.25, 1.0), (0.95, None)])
def test_a_quantile_beyond_the_last_bound_is_not_known(share: float, expected: float | None) -> None:
    assert quantile(Histogram(0, 8, ((1.0, 2), (2.0, 6), (math.inf, 8))), share) == expected


def test_a_step_of_the_wall_clock_moves_no_sample_out_of_its_level() -> None:
    # The clock was set back by 40 s between the levels; the samples' own wall clock jumps in between.
    spans = in_order([span("c1", 0, 10), span("c2", 60, 70, drift=-40)])
    points = [Point(BOOTED + at - (40 if at > 30 else 0), at, at) for at in (5.0, 65.0)]
    line = Track(Series("host", "m", "gauge", "percent"), points)
    frame = summary_frame(lines_of([line], spans), spans)
    assert list(frame["mean"]) == [5, 65]


def test_samples_of_another_boot_are_told_by_their_wall_clock() -> None:
    spans = [span("c1", 100, 110)]
    (found,) = on_level_clock([Point(BOOTED + 900_000, 105.0, 1.0)], spans)
    assert found.at == BOOTED + 900_000


def test_the_tidy_table_has_seven_columns_and_true_units() -> None:
    spans = [span("c1", 0, 10)]
    tracks = [track("counter", {1: 0, 3: 8}, "bytes", name="x"), track("gauge", {2: 0.5}, "ratio")]
    frame = samples_frame([("exp", line) for line in lines_of(tracks, spans)])
    assert list(frame.columns) == ["time", "experiment", "source", "metric", "labels", "value", "unit"]
    gauge, rate = frame.to_dict("records")
    assert (gauge["time"], gauge["value"], gauge["unit"], gauge["labels"]) == (BOOTED + 2, 0.5, "ratio", "")
    assert (rate["time"], rate["value"], rate["unit"]) == (BOOTED + 3, 4, "bytes/s")
    assert json.loads(rate["labels"]) == {"name": "x"}
