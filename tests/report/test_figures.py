"""The pictures: that each is written and shows something, also where there is little or nothing to show."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.groups.counts import errors_by_class
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.figures import style
from fmbench_lib.report.figures.business import draw_business
from fmbench_lib.report.figures.draw import draw_figures
from fmbench_lib.report.figures.error_rates import draw_error_rates
from fmbench_lib.report.figures.labels import Label, place_labels
from fmbench_lib.report.figures.latency_by_load import draw_latency_by_load
from fmbench_lib.report.figures.latency_distributions import draw_latency_distributions, draw_latency_drift
from fmbench_lib.report.figures.line_names import LineEnd, name_line_ends, spread_apart
from fmbench_lib.report.figures.price_performance import trade_of
from fmbench_lib.report.figures.prompt_lengths import draw_prompt_lengths
from fmbench_lib.report.figures.style import looks, new_figure, short_name, styled
from fmbench_lib.report.figures.token_times import draw_token_times
from fmbench_lib.report.html.business_page import write_business_page
from fmbench_lib.report.level_order import names_in
from fmbench_lib.report.report_data import ReportInputs, ReportOptions

ALWAYS = {
    "business_summary.png",
    "business_summary.html",
    "tokens_vs_latency.png",
    "concurrency_vs_inference_latency.png",
    "error_rates.png",
    "latency_distributions.png",
    "latency_drift.png",
}


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def words(figure) -> str:
    """All that is written in a picture."""
    from matplotlib.text import Text

    with styled():
        figure.draw_without_rendering()
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def draw(inputs: ReportInputs, folder: Path) -> set[str]:
    written = draw_figures(inputs, folder)
    for path in written:
        assert path.parent == folder
        if path.suffix == ".png":
            found = pixels(path)
            assert found.shape[1] in (round(style.WIDTH * style.DPI), round(style.WIDE * style.DPI))
            assert found.std() > 3
            edges = (found[0], found[-1], found[:, 0], found[:, -1])
            assert all((edge == 255).all() for edge in edges), f"{path.name} is cut at an edge"
    return {path.name for path in written}


def test_all_pictures_of_a_run_and_nothing_left_behind(quickstart, tmp_path: Path) -> None:
    import matplotlib as mpl
    from matplotlib import pyplot

    before = dict(mpl.rcParams)
    assert draw(quickstart, tmp_path / "figures") == ALWAYS | {"token_times.png"}
    assert pyplot.get_fignums() == []
    assert dict(mpl.rcParams) == before


def single(simulate):
    return [simulate(n=25, tokens=(200, 201))], Budgets()


def unpriced(simulate):
    return [simulate(n=25, concurrency=c, instance_type=None, streamed=False) for c in (1, 4)], Budgets(0.1, 1.0, 0.0)


def all_failed(simulate):
    return [simulate(n=20, concurrency=c, errors={"timeout": 12, "http_5xx": 8}) for c in (1, 4)], Budgets(1, 1, 0)


def nothing(simulate):
    return [], Budgets(1.0, 1.0, 0.0)


def mixed(simulate):
    closed = [simulate("$1 <b>|</b> 日本", n=25, concurrency=c) for c in (1, 8)]
    return [*closed, *(simulate("rates", n=25, rate=r, concurrency=None) for r in (0.5, 2))], Budgets(1.0, 1.0, 0.0)


def twelve(simulate):
    name = "Meta-Llama-3-8B-Instruct-triton-neuronx-tp8-a-very-long-name-of-an-experiment"
    levels = [simulate(f"{name}-{e}", n=12, concurrency=1, base=0.05 * 1.5**e) for e in range(12)]
    return levels, Budgets(2.0, 100.0, 0.0)


@pytest.mark.parametrize(
    "case", [single, unpriced, all_failed, nothing, mixed, pytest.param(twelve, marks=pytest.mark.thorough)]
)
def test_pictures_of_degenerate_runs(case, build, simulate, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(style, "DPI", 50)
    levels, budgets = case(simulate)
    drawn = draw(build(levels, budgets), tmp_path)
    assert drawn >= ALWAYS
    assert ("token_times.png" in drawn) == (case in (single, mixed, twelve))


def test_the_business_picture_says_which_level_is_best_and_names_the_budgets(quickstart) -> None:
    trade = trade_of(quickstart.decision, 10_000)
    with styled():
        said = words(draw_business(trade, looks(trade.experiments), "SmolLM2"))
    found = "smollm2-llama.cpp seems cheapest: 0.0603 USD per 10,000 transactions at concurrency 4"
    assert found in said.replace("\n", " ")
    assert "SmolLM2, en_1-300. A point per level; its label: requests in flight." in said
    assert "best: concurrency 4, 0.0603 USD, p95 ≈ 0.586 s" in said
    assert "latency budget 1 s" in said
    assert "cost budget 5.00 USD ↑" in said
    assert "USD per 10,000 transactions" in said
    assert "latency p95 (s)" in said
    for sign in ("hollow: misses a budget", "measurement degraded", "ring: best level"):
        assert sign in said
    assert "smollm2-llama.cpp · 12" in said, "the name of a line beside its end"


def test_points_are_the_levels_of_the_dataset(quickstart) -> None:
    trade = trade_of(quickstart.decision, 100)
    rows = [row for row in rows_of(quickstart.summary) if row["payload_file"] == "payload_en_1-300.jsonl"]
    assert [point.x for point in trade.points] == [row["latency_p95"] for row in rows]
    assert [point.y for point in trade.points] == [row["price_per_txn"] * 100 for row in rows]
    assert [point.best for point in trade.points] == [False, True, False]
    assert [point.misses for point in trade.points] == [False, False, True]
    assert trade.cost_budget == pytest.approx(5 / 100)


def test_without_any_price_throughput_stands_in_its_place(build, simulate) -> None:
    levels, budgets = unpriced(simulate)
    trade = trade_of(build(levels, budgets).decision)
    assert not trade.priced
    assert trade.cost_budget is None
    assert trade.y_title == "transactions per minute"
    assert "No level has a price" in " ".join(trade.left_out)


def test_levels_left_out_are_counted(build, simulate) -> None:
    levels = [simulate(n=20), simulate("b", n=20, instance_type="none"), simulate("c", n=5, errors={"dns": 5})]
    trade = trade_of(build(levels).decision)
    assert len(trade.points) == 1
    assert trade.left_out == (
        "1 level without a single success is not shown.",
        "1 level without a price is not shown.",
    )


def test_the_page_needs_no_network_and_holds_no_markup_of_names(build, simulate, tmp_path: Path) -> None:
    levels, budgets = mixed(simulate)
    inputs = build(levels, budgets)
    path, picture = tmp_path / "business_summary.html", tmp_path / "business_summary.png"
    picture.write_bytes(b"a picture")
    page = write_business_page(inputs, trade_of(inputs.decision), {}, path, picture).read_text("utf-8")
    assert re.findall(r'src="([^"]*)"', page) == ["data:image/png;base64,YSBwaWN0dXJl"]
    assert "<b>|</b>" not in page
    assert "\\u003cb\\u003e" in page
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert len(page) < 100_000
    data = json.loads(re.search(r'id="data">(.*?)</script>', page).group(1))
    assert {about["short"] for about in data["levels"]["about"]} >= {"1", "8"}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["business_summary.html", "business_summary.png"]


def test_no_errors_is_said_in_the_picture(quickstart) -> None:
    with styled():
        said = words(draw_error_rates(rows_of(quickstart.summary)))
    assert {line for line in said.split("\n") if line[:1].isupper()} == {
        "No level had errors", "All 480 requests at 6 levels succeeded.",
    }  # fmt: skip


def test_errors_are_stacked_by_class(build, simulate) -> None:
    levels = [simulate(n=50, errors={"timeout": 4, "http_429": 1}), simulate("fine", n=50)]
    rows = rows_of(build(levels).summary)
    assert errors_by_class(rows[0]) == {"timeout": 4, "http_429": 1}
    with styled():
        figure = draw_error_rates(rows, budget=0.01)
        said = words(figure)
    widths = sorted(patch.get_width() for patch in figure.axes[0].patches)
    assert widths == pytest.approx([2.0, 8.0])
    for text in (
        "10% (5 of 50)",
        "5 of 100 requests failed, at 1 of 2 levels",
        "1 of 2 levels had errors: up to 10% of requests",
        "timeout",
        "http_429",
        "budget: 1%",
    ):
        assert text in said


def test_boxes_show_the_quartiles_and_the_summary_s_p95(quickstart) -> None:
    payload = "payload_en_1-300.jsonl"
    ends = {"latency_p95_low": 0.95, "latency_p95_high": 1.3}
    rows = [
        row | {end: factor * row["latency_p95"] for end, factor in ends.items()} for row in rows_of(quickstart.summary)
    ]
    with styled():
        figure = draw_latency_by_load(rows, quickstart.requests, payload, looks(names_in(rows)), budget=1.0)
        said = words(figure)
    axes = figure.axes[0]
    bars = [container for container in axes.containers if getattr(container, "has_yerr", False)]
    assert [bar[0].get_ydata()[0] for bar in bars] == [row["latency_p95"] for row in rows[:3]]
    drawn = [bar[2][0].get_segments()[0][:, 1].tolist() for bar in bars]
    assert drawn == [pytest.approx([row["latency_p95_low"], row["latency_p95_high"]]) for row in rows[:3]]
    own = quickstart.requests.query("payload_file == @payload and load == 'concurrency-4' and in_window and success")
    boxes = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 5]
    assert boxes[1].max() == pytest.approx(own["latency"].quantile(0.75))
    assert boxes[1].min() == pytest.approx(own["latency"].quantile(0.25))
    assert "n=80" in said
    assert "latency (s)" in said
    assert "budget for p95: 1 s" in said


def test_the_scatter_takes_title_and_ticks_from_the_config(quickstart, tmp_path: Path) -> None:
    rows = rows_of(quickstart.summary)
    with styled():
        figure = draw_prompt_lengths(rows, quickstart.requests, "Mine, $5 each", [0, 2, 4])
        assert "Mine, $5 each" in words(figure)
    axes = figure.axes[0]
    assert list(axes.get_yticks()) == [0, 2, 4]
    assert axes.get_ylim()[1] > 4
    assert sum(len(points.get_offsets()) for points in axes.collections) == int(quickstart.requests["success"].sum())
    options = ReportOptions(tokens_title="T", tokens_y_ticks=(0, 1))
    assert options.transactions == 10_000


def test_a_large_scatter_is_a_sample_and_says_so(quickstart, monkeypatch) -> None:
    monkeypatch.setattr("fmbench_lib.report.figures.prompt_lengths.MOST_POINTS", 100)
    with styled():
        figure = draw_prompt_lengths(rows_of(quickstart.summary), quickstart.requests)
        assert "A sample of 100 of 480 requests." in words(figure)


def test_token_times_have_a_row_for_each_kind_of_load(build, simulate) -> None:
    levels, budgets = mixed(simulate)
    inputs = build(levels, budgets)
    rows = rows_of(inputs.summary)
    with styled():
        figure = draw_token_times(rows, inputs.requests, inputs.decision.payload_file, looks(names_in(rows)))
        assert figure is not None
        said = words(figure)
    assert len(figure.axes) == 4
    assert "requests per second" in said
    assert "requests in flight" in said
    assert "time per output token (ms)" in said


def test_token_times_are_those_of_the_summary(quickstart) -> None:
    rows, payload = rows_of(quickstart.summary), "payload_en_1-300.jsonl"
    with styled():
        figure = draw_token_times(rows, quickstart.requests, payload, looks(names_in(rows)))
    assert figure is not None
    median, p95, *_ = (line.get_ydata().tolist() for line in figure.axes[0].lines if len(line.get_ydata()) == 3)
    assert median == pytest.approx([row["TTFT_p50"] for row in rows[:3]])
    assert p95 == pytest.approx([row["TTFT_p95"] for row in rows[:3]])


def test_distributions_have_a_panel_for_each_experiment_and_dataset(build, simulate) -> None:
    files = ("payload_en_1-300.jsonl", "payload_en_300-500.jsonl")
    inputs = build([simulate(name, payload_file=file, n=40) for file in files for name in ("one", "two")])
    rows = rows_of(inputs.summary)
    with styled():
        figure = draw_latency_distributions(rows, inputs.requests, files[0])
        text = words(figure)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    titles = ["one · en_1-300", "two · en_1-300", "one · en_300-500", "two · en_300-500"]
    assert [axes.get_title(loc="left") for axes in panels] == titles
    latencies = inputs.requests.query("experiment_name == 'one' and payload_file == @files[0]")["latency"]
    steps = panels[0].lines[0].get_xdata()
    assert steps[1:] == pytest.approx(sorted(latencies))
    assert "share of requests" in text


@pytest.mark.thorough
def test_too_many_panels_leave_the_dataset_of_the_decision_and_say_so(build, simulate) -> None:
    names = [f"experiment {number}" for number in range(13)]
    levels = [simulate(name, payload_file=file, n=12) for file in ("a.jsonl", "b.jsonl") for name in names]
    inputs = build(levels)
    with styled():
        figure = draw_latency_distributions(rows_of(inputs.summary), inputs.requests, "b.jsonl")
        text = words(figure).replace("\n", " ")
    assert sum(axes.get_visible() for axes in figure.axes) == 12
    assert "Only b is shown, and of it the first 12 of 13 experiments." in text


def test_drift_shows_the_median_of_each_tenth_of_the_window(build, simulate) -> None:
    inputs = build([simulate(n=200)])
    rows = rows_of(inputs.summary)
    with styled():
        figure = draw_latency_drift(rows, inputs.requests, "payload_en_1-500.jsonl")
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == pytest.approx([5, 15, 25, 35, 45, 55, 65, 75, 85, 95])
    start, end = rows[0]["window_start"], rows[0]["window_end"]
    sent = (inputs.requests["sent"] - start) / (end - start)
    first = inputs.requests[(sent < 0.1) & inputs.requests["in_window"]]["latency"]
    assert line.get_ydata()[0] == pytest.approx(float(first.median()))


def test_looks_are_distinct_and_stay_with_their_experiment() -> None:
    found = looks([str(number) for number in range(24)])
    assert len({(look.colour, look.dash) for look in found.values()}) == 24
    assert looks(["0"])["0"] == found["0"]


def test_long_names_keep_both_ends() -> None:
    assert short_name("a" * 50 + "-7", 20) == "a" * 10 + "…" + "a" * 7 + "-7"
    assert short_name("short") == "short"


def test_labels_do_not_cover_each_other() -> None:
    with styled():
        figure = new_figure(6, 4)
        axes = figure.subplots()
        axes.set_xlim(0, 10)
        axes.set_ylim(0, 10)
        points = [(5.0, 5.0)] * 3 + [(5.1, 5.0)] * 20
        left_out = place_labels(axes, [Label(x, y, "label", "black") for x, y in points], points)
        boxes = [text.get_window_extent() for text in axes.texts]
    assert boxes
    assert len(boxes) + len(left_out) == len(points)
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])


def test_the_winner_of_another_dataset_is_not_ringed(quickstart) -> None:
    decision = decide(quickstart.summary, Budgets(), "en_300-500")
    trade = trade_of(decision)
    assert trade.dataset == "en_300-500"
    assert sum(point.best for point in trade.points) == 1
    assert {point.row["payload_file"] for point in trade.points} == {"payload_en_300-500.jsonl"}


def test_a_label_covers_no_line_and_is_led_to_its_point_where_there_is_no_room_beside_it() -> None:
    from matplotlib.text import Text

    with styled():
        figure = new_figure(6, 4)
        axes = figure.subplots()
        axes.set_xlim(0, 10)
        axes.set_ylim(0, 10)
        for height in np.linspace(2.5, 7.5, 51):
            axes.plot([0, 10], [height, height])
        assert place_labels(axes, [Label(5, 5, "optional", "black")], [(5, 5)]) != []
        assert place_labels(axes, [Label(5, 5, "always", "black", always=True)], [(5, 5)]) == []
        (label,) = axes.texts
        figure.draw_without_rendering()
        box = Text.get_window_extent(label)
        bottom, top = (axes.transData.transform((5, y))[1] for y in (2.5, 7.5))
    assert box.y1 < bottom or box.y0 > top
    assert label.arrow_patch is not None


def test_names_at_the_ends_of_lines_do_not_touch() -> None:
    from matplotlib.text import Text

    ends = [LineEnd(9, 5 + 0.01 * place, f"experiment {place}", "black") for place in range(6)]
    with styled():
        figure = new_figure(6, 4)
        axes = figure.subplots()
        axes.set_xlim(0, 14)
        axes.set_ylim(0, 10)
        name_line_ends(axes, ends, 9.2)
        figure.draw_without_rendering()
        boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == [end.name for end in ends]
    assert all(low.y1 <= high.y0 for low, high in pairwise(boxes))
    assert max(box.x1 for box in boxes) < axes.get_window_extent().x1


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([], []),
        ([5], [5]),
        ([0, 10], [0, 10]),
        ([5, 5], [4, 6]),
        ([5.5, 5, 20], [6.25, 4.25, 20]),
        ([0, 0, 1], [0, 2, 4]),
        ([20, 19], [20, 18]),
        ([4, 5, 6], [3, 5, 7]),
    ],
)
def test_places_are_spread_apart_by_two_within_0_and_20(wanted: list[float], found: list[float]) -> None:
    assert spread_apart(wanted, 2, 0, 20) == pytest.approx(found)


def test_a_title_is_broken_between_words_into_lines_of_about_equal_length() -> None:
    title = "sglang-llama3-8b seems cheapest: 0.11 USD at concurrency 4"
    assert style.wrapped(title, 57) == ["sglang-llama3-8b seems cheapest:", "0.11 USD at concurrency 4"]
    assert style.wrapped("p95: 0.2 s at concurrency 1", 26) == ["p95: 0.2 s at", "concurrency 1"]
    assert style.wrapped("a long-name", 10) == ["a", "long-name"]
    assert style.wrapped("a name-that-is-too-long", 10) == ["a name-tha", "t-is-too-l", "ong"]
    assert style.wrapped("", 10) == []
