"""A sizing as texts, tables and a picture."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from fmbench_lib.metrics.sizing.copy_curve import PROBABILITIES, CopyCurve, CurvePoint, Times
from fmbench_lib.metrics.sizing.size import Sizing, size
from fmbench_lib.metrics.sizing.sized_copy import SizedCopy
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion, TimeLimit
from fmbench_lib.report.figures.fleet_map import draw_fleet_map
from fmbench_lib.report.figures.style import save, styled
from fmbench_lib.report.sizing.fleet_documents import document, grid_csv, markdown, terminal_lines

QUESTION = SizingQuestion((TimeLimit("latency", 0.95, 2.0),), rate=540)


def copy_named(name: str, hourly: float | None = 1.2, per_request: float | None = None) -> SizedCopy:
    """A copy with 4 slots and services of 1 s; by the token where `per_request` is given."""
    points = [
        CurvePoint(
            n, min(n, 4.0), min(n, 4.0), min(n, 4.0), {"latency": Times(np.full(PROBABILITIES.size, max(n / 4, 1)))}
        )
        for n in (1, 2, 4, 8, 16)
    ]
    return SizedCopy(
        run="runs/1",
        name=name,
        payload_file="all.jsonl",
        instance_type="g5.2xlarge",
        machines=0 if per_request else 1,
        hourly=None if per_request else hourly,
        per_request=per_request,
        tokens_in=900,
        tokens_out=100,
        curve=CopyCurve.of(points),
        rates=None,
        served=4.0,
        served_p95={"latency": 1.0},
        notes=("degraded: concurrency 16",),
        unused=("concurrency 32: invalid",),
    )


def sizing(*copies: SizedCopy, question: SizingQuestion = QUESTION) -> Sizing:
    return size(copies or (copy_named("vllm"), copy_named("api", per_request=0.001)), question, rates=(1, 60, 6000))


def test_the_terminal_says_which_fleet_what_it_costs_and_what_it_rests_on() -> None:
    text = "\n".join(terminal_lines(sizing()))
    assert "540 requests/min with latency p95 ≤ 2 s" in text
    assert (
        "At 540 requests/min the cheapest is 3 copies of vllm (3 × g5.2xlarge): 3.60 USD/h, 2,628.00 USD a month"
        in text
    )
    assert "With one spare (N+1): 4 copies of vllm (4 × g5.2xlarge): 4.80 USD/h" in text
    assert "vllm against api: machines cost less from 20 requests/min on, with 1 copy" in text
    assert "scalability law: contention" in text
    assert "not used: concurrency 32: invalid" in text
    assert "degraded: concurrency 16" in text
    assert "tokens (360.00 USD/h)?" in text  # 6,000 a minute were not measured


def test_without_prices_no_fleet_is_called_the_cheapest() -> None:
    unpriced = sizing(copy_named("vllm", hourly=None))
    assert unpriced.asked is not None
    text = "\n".join(terminal_lines(unpriced))
    assert "no fleet can be named: no price is known: the table has the machines" in text
    assert "3 copies of vllm" in text
    fewest = sizing(copy_named("vllm", hourly=None), question=replace(QUESTION, weight=0.0))
    assert "the fewest machines has 3 copies of vllm" in "\n".join(terminal_lines(fewest))


def test_a_limit_that_no_fleet_keeps_is_said() -> None:
    hard = replace(QUESTION, limits=(TimeLimit("latency", 0.95, 0.5),))
    text = "\n".join(terminal_lines(sizing(copy_named("vllm"), question=hard)))
    assert "no fleet can be named: latency p95 ≤ 0.5 s is not met at the least load measured" in text


def test_what_is_not_known_is_empty_in_the_table_and_null_for_programs() -> None:
    hard = sizing(copy_named("vllm"), question=replace(QUESTION, limits=(TimeLimit("latency", 0.95, 0.5),)))
    rows = list(csv.DictReader(io.StringIO(grid_csv(hard))))
    assert [row["rate_per_minute"] for row in rows] == ["1", "60", "540", "6000"]
    assert {(row["copies"], row["usd_per_hour"], row["enough"]) for row in rows} == {("", "", "False")}
    asked = json.loads(json.dumps(document(hard), allow_nan=False))["asked"]
    assert (asked["chosen"], asked["fleets"][0]["copies"]) == (None, None)


def test_a_fleet_of_tokens_and_one_of_machines_have_one_table() -> None:
    rows = list(csv.DictReader(io.StringIO(grid_csv(sizing()))))
    assert {row["experiment"] for row in rows} == {"vllm", "api"}
    assert [row["experiment"] for row in rows if row["chosen"] == "True"] == ["api", "vllm", "vllm", "vllm"]
    assert all(row["latency_p95_expected"] for row in rows)


def test_names_are_text_in_markdown() -> None:
    text = markdown(sizing(copy_named("a|b <img src=x>")))
    assert "<img" not in text.replace(r"\<img", "")
    assert r"a\|b" in text


def test_the_picture_has_a_cell_for_each_rate(tmp_path: Path) -> None:
    with styled():
        figure = draw_fleet_map(sizing())
        path = save(figure, tmp_path / "fleets.png")
    (axes,) = figure.axes
    written = [text.get_text() for text in axes.texts]
    assert "1\n1.20" in written
    assert sum(text.startswith("tokens") for text in written) == 2  # not at 6,000 a minute
    assert len(axes.patches) == 3  # a frame for each rate
    with Image.open(path) as image:
        assert image.width > 1000
