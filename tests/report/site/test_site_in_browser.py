"""The site in a real browser: from disk, without a request, by mouse and keyboard, dark, narrow and printed."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from fmbench_lib.runs.index.run_index import place_of_results
from fmbench_lib.steps.making_site import make_site
from tests.report.hostile_texts import HOSTILE
from tests.report.site.made_results import BEGINNING, EXPERIMENTS, made_results, made_run_folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed")
playwright = pytest.importorskip("playwright.sync_api")
READY = "html[data-ready]"
RUNS = 30


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of thirty runs, in the history of the first of which a change was planted."""
    folder = tmp_path_factory.mktemp("many")
    made_results(folder / "results", RUNS)
    return make_site(place_of_results(folder / "results"), folder / "site", "Our benchmarks").page


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of seven runs."""
    folder = tmp_path_factory.mktemp("few")
    made_results(folder / "results", 7)
    return make_site(place_of_results(folder / "results"), folder / "site", "Few").page


class Pages:
    """Opens pages, and holds what went wrong in them."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self._problems: list[str] = []
        self.requests: list[str] = []

    def __call__(self, path: Path, width: int = 1280, **options: Any) -> Any:
        """Open a file as a page that is ready."""
        context = self._browser.new_context(viewport={"width": width, "height": 800}, **options)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self._problems.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self._problems.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector(READY, state="attached")
        return page

    def close(self) -> None:
        """Close them all: nothing may have gone wrong."""
        for context in self._contexts:
            context.close()
        assert self._problems == []


@pytest.fixture
def open_page(browser: Any) -> Iterator[Pages]:
    pages = Pages(browser)
    yield pages
    pages.close()


@pytest.fixture(scope="module")
def opened(browser: Any, site: Path) -> Iterator[Any]:
    """The page, for tests that put its filters back."""
    pages = Pages(browser)
    yield pages(site)
    pages.close()


def column(page: Any, table: str, name: str) -> list[str]:
    heads: list[str] = page.locator(f"#table-{table} th").all_inner_texts()
    cells: list[str] = page.locator(f"#table-{table} tbody td:nth-child({heads.index(name) + 1})").all_inner_texts()
    return cells


def levels(page: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate("newestLevels().filter((level) => level.verdict !== 'invalid')")
    return found


# -- what is there ---------------------------------------------------------------------------------------------------


def test_the_site_opens_from_disk_and_asks_for_nothing(open_page: Pages, site: Path) -> None:
    page = open_page(site)
    assert open_page.requests == [site.as_uri()]
    for section in ("board", "pareto", "history", "compare", "runs"):
        assert page.locator(f"#{section} h2").is_visible(), section
    assert page.locator("h1").inner_text() == "Our benchmarks"
    assert "30 runs of 6 experiments: 3 models, 4 serving stacks" in page.locator(".what").inner_text()
    assert column(page, "runs", "run")[0].startswith("weekly/20260602-")


def test_a_run_has_its_own_page_where_it_has_one(opened: Any, site: Path) -> None:
    rows = opened.locator("#table-runs tbody tr")
    assert rows.count() == RUNS
    links = opened.locator("#table-runs a")
    assert links.count() == RUNS - 1
    for address in [link.get_attribute("href") for link in links.all()]:
        assert (site.parent / address).exists()
    assert "not analysed" in opened.locator("#table-runs tr", has_text="20260505").inner_text()


# -- leader board and filters -----------------------------------------------------------------------------------------


def test_the_board_has_the_best_level_of_each_experiment_in_its_newest_run(opened: Any) -> None:
    best: dict[int, dict[str, Any]] = {}
    for level in levels(opened):
        if level["price_per_10k_txn"] is not None:
            kept = best.setdefault(level["e"], level)
            best[level["e"]] = min(kept, level, key=lambda one: one["price_per_10k_txn"])
    ranked = sorted(best.values(), key=lambda level: level["price_per_10k_txn"])
    names = [opened.evaluate(f"DATA.experiments[{level['e']}].name") for level in ranked]
    assert column(opened, "board", "experiment") == names
    assert column(opened, "board", "load") == [level["load"] for level in ranked]
    assert column(opened, "board", "beside the first")[0] == "first"


def test_a_limit_on_latency_leaves_levels_out(opened: Any) -> None:
    limit = opened.locator("#board input[type=number]")
    limit.fill("0.16")
    texts = column(opened, "board", "latency p95")
    assert texts
    assert all(float(text.split()[0]) <= (160 if "ms" in text else 0.16) for text in texts)
    limit.fill("0.0001")
    assert "No level of this selection" in opened.locator("#board .none").inner_text()
    limit.fill("")


def test_what_overlaps_the_first_is_within_the_noise(opened: Any) -> None:
    opened.locator("#board select").select_option("latency_p95")
    rows = opened.evaluate("board()")
    first, said = rows[0], column(opened, "board", "beside the first")
    assert len(rows) > 3
    for row, text in zip(rows[1:], said[1:], strict=True):
        overlaps = row["latency_p95_low"] <= first["latency_p95_high"]
        assert text == ("within the noise" if overlaps else "behind")
    assert set(said[1:]) == {"within the noise", "behind"}
    opened.locator("#board select").select_option("price_per_10k_txn")


def test_filters_hold_for_every_section(open_page: Pages, site: Path) -> None:
    page = open_page(site)
    page.locator("#filters label", has_text="Model").locator("select").select_option("org/llama-8b")
    assert set(column(page, "board", "model")) == {"org/llama-8b"}
    assert len(column(page, "runs", "run")) == 2 * RUNS / 3
    page.locator("#filters input[type=date]").fill("2026-05-20")
    assert all(began >= "2026-05-20" for began in column(page, "runs", "began"))
    page.locator("#reset-filters").click()
    assert len(column(page, "runs", "run")) == RUNS
    page.locator("#filters label", has_text="Tag").locator("select").select_option("release")
    assert column(page, "runs", "tags") == ["release"] * 3
    page.locator("#reset-filters").click()
    page.locator("#filters label", has_text="Verdict").locator("select").select_option("valid")
    assert set(column(page, "board", "verdict")) == {"valid"}


# -- Pareto -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("criteria", ["latency price", "latency price quality", "price quality", "latency quality"])
def test_the_front_is_that_of_every_pair_of_levels(criteria: str, opened: Any) -> None:
    opened.locator("#pareto label", has_text="Front of").locator("select").select_option(criteria)
    signs = {"latency": ("latency_p95", 1), "price": ("price_per_10k_txn", 1), "quality": ("quality", -1)}
    points = {}
    for level in levels(opened):
        values = [level[name] for name, _ in (signs[word] for word in criteria.split())]
        if None not in values:
            points[level["index"]] = [
                value * signs[word][1] for value, word in zip(values, criteria.split(), strict=True)
            ]
    beaten = {
        other
        for one, other in itertools.permutations(points, 2)
        if all(a <= b for a, b in zip(points[one], points[other], strict=True)) and points[one] != points[other]
    }
    front = opened.evaluate(
        "[...onFront(newestLevels().filter((l) => l.verdict !== 'invalid'), criteriaNow())].map((l) => l.index)"
    )
    assert sorted(front) == sorted(set(points) - beaten)
    assert len(column(opened, "front", "model")) == len(front)


def test_a_level_without_a_price_is_on_no_front_of_prices(opened: Any) -> None:
    opened.locator("#pareto label", has_text="Front of").locator("select").select_option("latency price")
    unpriced = [level["index"] for level in levels(opened) if level["price_per_10k_txn"] is None]
    assert unpriced
    front = opened.evaluate("[...onFront(LEVELS, criteriaNow())].map((l) => l.index)")
    assert not set(unpriced) & set(front)
    assert "lack one of the two" in opened.locator("#business_summary .about").inner_text()


# -- history ----------------------------------------------------------------------------------------------------------


def test_the_planted_change_is_shown_where_it_is(opened: Any) -> None:
    assert "llama-vllm: latency p95, TTFT p95" in opened.locator(".verdict-card li").inner_text()
    assert opened.locator("#history h3").inner_text() == "Latency p95 of llama-vllm"
    assert set(column(opened, "changes", "since run")) == {"nightly/20260519-093000Z"}
    assert {text[:2] for text in column(opened, "changes", "change")} <= {"+2", "-2", "-1"}
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.locator("#history_chart .plot .mark").count() == RUNS / 3
    assert re.fullmatch(r"\+2\d%", opened.locator("#history_chart .budget-name").text_content())


def test_an_experiment_without_a_change_says_so(opened: Any) -> None:
    choice = opened.locator("#history label", has_text="Experiment").locator("select")
    before = choice.input_value()
    choice.select_option(label="llama-sglang · ec2 sglang · g5.2xlarge (10 runs)")
    assert "10 runs: no change that these figures can show." in opened.locator("#history").inner_text()
    assert opened.locator("#table-changes").count() == 0
    choice.select_option(before)


# -- comparison -------------------------------------------------------------------------------------------------------


def compared(page: Any, *titles: str) -> list[dict[str, Any]]:
    """Choose runs by their boxes, the base first; the claims of the table."""
    page.evaluate("PICKED.clear()")
    for title in titles:
        page.locator("#table-runs tr", has_text=title).locator("input[type=checkbox]").check()
    claims: list[dict[str, Any]] = page.evaluate("claimsOf([...PICKED].map((index) => RUNS[index]))")
    return claims


def test_findings_are_those_of_the_intervals_corrected_for_all_figures(opened: Any) -> None:
    claims = compared(opened, "nightly/20260507", "nightly/20260525")
    tested = [claim for claim in claims if claim["effect"]]
    assert len(tested) > 20
    normal = NormalDist()
    for claim in tested:
        one, other, name = claim["one"], claim["other"], claim["column"]
        errors = [
            math.log(level[f"{name}_high"] / level[f"{name}_low"]) / 2 / 1.959964 for level in (one, other)
        ]  # fmt: skip
        z = math.log(other[name] / one[name]) / math.hypot(*errors)
        assert claim["effect"]["change"] == pytest.approx(other[name] / one[name] - 1)
        assert claim["effect"]["p"] == pytest.approx(2 * normal.cdf(-abs(z)), rel=1e-4, abs=1e-9)
    ordered = sorted(claim["effect"]["p"] for claim in tested)
    holm = list(itertools.accumulate((min(1, p * (len(ordered) - k)) for k, p in enumerate(ordered)), max))
    assert sorted(claim["p"] for claim in tested) == pytest.approx(holm)
    said = column(opened, "comparison", "finding")
    assert any(text.startswith("worse (p ") for text in said), "a quarter slower, in rates that are narrow"
    assert any(text.startswith("no difference that these intervals can show, they could have seen ") for text in said)
    opened.evaluate("PICKED.clear(); refresh()")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"verdict": "invalid"}, "a measurement is invalid"),
        ({"latency_p95_low": None, "latency_p95_high": None}, "no interval: too few requests"),
        ({"latency_p95": None}, "not known of both"),
        ({"none": "its queue grew"}, "a queue grew"),
        ({"completion_token_count_mean": 1000}, "different work: tokens differ by more than 5%"),
    ],
)
def test_nothing_is_claimed_where_the_data_allow_none(change: dict[str, Any], why: str, opened: Any) -> None:
    script = "(change) => { const one = RUNS[0].levels[0]; return whyNone(one, { ...one, ...change }, 'latency_p95'); }"
    assert opened.evaluate(script, change) == why
    assert opened.evaluate(script, {}) == ""


def test_what_differs_is_said_and_runs_can_be_taken_out(opened: Any) -> None:
    compared(opened, "weekly/20260506", "nightly/20260507")
    text = opened.locator("#compare").inner_text()
    assert "no level of this dataset in common" in text
    assert "fmbench compare weekly/20260506-093000Z nightly/20260507-093000Z" in text
    opened.locator("#compare button", has_text="Make it the base").click()
    assert opened.locator("#compare li").first.inner_text().startswith("nightly/20260507-093000Z (base)")
    opened.locator("#compare button", has_text="Remove").first.click()
    assert "Choose another run" in opened.locator("#compare").inner_text()
    assert opened.locator("#table-runs input:checked").count() == 1
    opened.evaluate("PICKED.clear(); refresh()")


# -- where it is shown ------------------------------------------------------------------------------------------------


def test_dark_narrow_and_print(open_page: Pages, site: Path) -> None:
    page = open_page(site, color_scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(20, 23, 28)"
    page.set_viewport_size({"width": 400, "height": 800})
    compared(page, "nightly/20260507", "nightly/20260525")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    right = "[...document.querySelectorAll('figure, h2, p, select')].map((e) => e.getBoundingClientRect().right)"
    assert max(page.evaluate(right)) <= 400
    ends = """[...document.querySelectorAll('svg')].map((svg) => [...svg.querySelectorAll('.tick[text-anchor=middle]')]
      .map((tick) => tick.getBoundingClientRect()).map((box) => [box.left, box.right]))"""
    drawn = [chart for chart in page.evaluate(ends) if len(chart) > 1]
    assert drawn
    assert all(after[0] > before[1] for chart in drawn for before, after in itertools.pairwise(chart))
    page.emulate_media(media="print")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    assert not page.locator("#filters").is_visible()


def test_everything_is_reached_by_keyboard(open_page: Pages, small: Path) -> None:
    page = open_page(small)
    page.locator("#filters select").first.focus()
    seen = set()
    for _ in range(100):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.closest('section, nav')?.id || document.activeElement.tagName"))
    assert {"board", "pareto", "history"} <= seen
    box = page.locator("#table-runs input[type=checkbox]").first
    box.focus()
    page.keyboard.press("Space")
    assert "Choose another run" in page.locator("#compare").inner_text()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.thorough)])
def test_assistive_technology_finds_nothing_serious(scheme: str, open_page: Pages, small: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(small, color_scheme=scheme)
    compared(page, "nightly/20260504", "nightly/20260510")
    page.evaluate(
        "document.querySelectorAll('tbody').forEach((body) => [...body.rows].slice(3).forEach((row) => row.remove()))"
    )
    rules = {} if scheme == "light" else {"runOnly": ["color-contrast"]}
    found = Axe().run(page, options=rules).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:150] for node in one["nodes"]][:3]) for one in serious] == []


def test_a_viewer_without_scripts_lists_the_runs(browser: Any, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.as_uri())
    assert page.locator("noscript tbody tr").count() == RUNS
    assert page.locator("noscript a").count() == RUNS - 1
    context.close()


# -- what comes from others -------------------------------------------------------------------------------------------


def test_texts_of_others_are_texts(open_page: Pages, tmp_path: Path) -> None:
    """In names of runs, models, stacks, instances, tags, decisions, reasons and folders."""
    for number, text in enumerate(HOSTILE.values()):
        experiment = (text, text, "ec2", text, text)
        path = made_run_folder(
            tmp_path / "results" / f"x{number}" / f"2026060{number}-000000Z", BEGINNING + timedelta(days=number),
            [experiment, EXPERIMENTS[0]], [1.0, 1.0], tags=[text], page=b"-", changes={"name": text, "status": text},
        )  # fmt: skip
        summary = json.loads((path / "summary.json").read_text())
        for row in summary["levels"]:
            row |= {"verdict_reasons": text, "verdict": "degraded"}
        (path / "summary.json").write_text(json.dumps(summary | {"decision": {"text": text}}))
    (tmp_path / "results" / "<img src=x onerror=alert(1)>").mkdir()
    made = make_site(place_of_results(tmp_path / "results"), tmp_path / "site", HOSTILE["script"])
    assert (made.runs, made.pages) == (len(HOSTILE), len(HOSTILE))
    page = open_page(made.page)
    page.evaluate("RUNS.forEach((run) => PICKED.add(run.index)); state.verdict = 'all'; refresh()")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.title() != "taken"
    assert page.locator("img, iframe, [onerror]").count() == 0
    assert all(
        address.startswith("runs/")
        for address in page.evaluate("[...document.querySelectorAll('td a')].map((a) => a.getAttribute('href'))")
    )
    shown = page.evaluate("document.body.innerText")
    assert not re.search("[\x00-\x08\x1b\u200b\u2028\u202e\u2066]", shown)
    assert "<script>" in shown
    rows = page.evaluate("csvOf(runTable(), runTable().rows)").splitlines()[1:]
    assert not any(re.match(r"[\"]?[=+@]", cell) for row in rows for cell in row.split(","))


def test_runs_that_know_nothing_have_a_page(open_page: Pages, tmp_path: Path) -> None:
    made_run_folder(tmp_path / "results" / "x" / "1", BEGINNING, analysed=False)
    made = make_site(place_of_results(tmp_path / "results"), tmp_path / "site", "t")
    page = open_page(made.page)
    assert page.locator("#table-runs tbody tr").count() == 1
    assert page.locator("#board").count() == 0
