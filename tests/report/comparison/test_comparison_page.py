"""A comparison as a page: its texts without a browser, its charts in one."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmbench_lib.metrics.comparison.claims import RunComparison, compare_levels
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel, Figure
from fmbench_lib.metrics.comparison.measures import MEASURES
from fmbench_lib.metrics.comparison.shift_function import SHIFT_QUANTILES, shift_function
from fmbench_lib.metrics.statistics.correlated import State
from fmbench_lib.metrics.statistics.effects import Reading
from fmbench_lib.report.comparison.comparison_page import comparison_page
from fmbench_lib.report.comparison.documents import Broken

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NAMES = ("latency_p50", "latency_p95", "error_rate")


def level(middle: float, seed: int, tail: float = 1.0, name: str = "vllm") -> ComparedLevel:
    """A level of three repeats of 600 independent requests, whose slowest tenth takes `tail` times as long."""
    generator = np.random.default_rng(seed)
    times = middle * generator.lognormal(0, 0.3, (3, 600))
    times = np.where(times > np.quantile(times, 0.9), tail * times, times)
    figures = {measure: Figure(1.0, (Reading(1.0, 0.01),) * 3, 3.0) for measure in MEASURES}
    figures["error_rate"] = Figure(0.0)
    for q in (50, 95):
        readings = tuple(Reading(float(np.quantile(row, q / 100)), 0.01) for row in times)
        figures[f"latency_p{q}"] = Figure(float(np.quantile(times, q / 100)), readings, 3.0)
    row = {
        "experiment_name": name,
        "payload_file": "all.jsonl",
        "load": "concurrency-4",
        "concurrency": 4,
        "verdict": "valid",
        "requests": 1800,
        "errors": 0,
        "completion_token_count_mean": 100.0,
    }
    states = tuple(State.of(np.zeros(600)) for _ in range(3))
    return ComparedLevel(f"runs/{seed}", row, figures, 3, {}, {"latency": tuple(times)}, states)


def compared(base: ComparedLevel, new: ComparedLevel) -> RunComparison:
    return RunComparison("runs/base", "runs/new", tuple(compare_levels([(base, new)], NAMES)))


def test_the_shift_of_a_slower_tail_is_at_its_end() -> None:
    (found,) = compare_levels([(level(1.0, 1), level(1.0, 2, tail=1.5))], NAMES)
    shifts = {one.q: one for one in shift_function(found, "latency")}
    assert tuple(shifts) == SHIFT_QUANTILES
    assert shifts[0.5].change == pytest.approx(0, abs=0.05)
    assert shifts[0.95].change == pytest.approx(0.5, abs=0.1)
    assert shifts[0.95].low is not None
    assert 0.3 < shifts[0.95].low < shifts[0.95].change < (shifts[0.95].high or 0)


def test_a_quantile_of_too_few_requests_has_a_shift_without_an_interval() -> None:
    sides = [
        replace(one, series={"latency": one.series["latency"][:1]}, states=one.states[:1], repeats=1)
        for one in (level(1.0, 1), level(1.0, 2, tail=1.5))
    ]
    (found,) = compare_levels([(sides[0], sides[1])], NAMES)
    shifts = {one.q: one for one in shift_function(found, "latency")}
    assert shifts[0.5].low is not None
    assert (shifts[0.99].low, shifts[0.99].high) == (None, None)  # 600 of the 1,200 that its interval needs
    assert shifts[0.99].base < shifts[0.99].new


def test_without_single_requests_there_is_no_shift_function() -> None:
    alone = replace(level(1.0, 1), series={}, states=(), summary_only=True)
    (found,) = compare_levels([(alone, level(1.0, 2))], NAMES)
    assert shift_function(found, "latency") == []


def test_the_page_has_every_figure_without_a_script() -> None:
    comparison = compared(level(1.0, 1), level(1.2, 2))
    broken = [Broken("latency_p50>+5%", "vllm", comparison.levels[0].claim("latency_p50"))]
    text = comparison_page(comparison, broken)
    body = text[text.index("<body>") : text.index('<script type="application/json"')]
    assert "latency p50" in body
    assert "worse (p &lt; 0.0001)" in body
    assert "<b>failed</b> latency_p50&gt;+5%" in body
    assert "the new request takes longer in " in body
    content = json.loads(text[text.index('id="data">') + 10 : text.rindex("</script>\n<script>")])
    (family,) = content["levels"][0]["families"]
    assert [side["n"] for side in family["sides"]] == [1800, 1800]
    assert len(family["shifts"]) == len(SHIFT_QUANTILES)


def test_names_are_text_and_nothing_is_loaded() -> None:
    hostile = "</script><img src=http://example.org/x onerror=alert(1)>"
    text = comparison_page(compared(level(1.0, 1, name=hostile), level(1.0, 2, name=hostile)))
    assert "<img" not in text
    assert re.findall(r'(?:src|href)="(?!data:|#)', text) == []
    assert "default-src &#x27;none&#x27;" in text


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed")
def test_two_distributions_and_the_shifts_are_drawn(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    path = tmp_path / "comparison.html"
    path.write_text(comparison_page(compared(level(1.0, 1), level(1.1, 2, tail=1.3))), encoding="utf-8")
    problems: list[str] = []
    requests: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        charts = page.locator("figure.chart")
        assert charts.count() == 2
        assert charts.nth(0).locator("path.line").count() >= 2
        assert charts.nth(1).locator("path.mark").count() >= len(SHIFT_QUANTILES)
        assert charts.nth(1).locator("line.whisker").count() >= 8
        page.screenshot(path=str(tmp_path / "comparison.png"), full_page=True)
        browser.close()
    assert problems == []
    assert requests == [path.as_uri()]
