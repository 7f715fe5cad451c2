"""The page in a real browser: from disk, alone, in a sandbox, with mouse and keyboard, dark, narrow and printed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.report.html.page_content import LinkedFile, page_content
from fmbench_lib.report.html.page_shell import page_html
from fmbench_lib.report.report_data import EndpointMetrics, ReportInputs
from tests.report.html.made_run import made_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed")
playwright = pytest.importorskip("playwright.sync_api")

DRAW_ALL = "dispatchEvent(new Event('beforeprint'))"
"""What is out of sight is drawn once it comes near, or is printed."""
READY = "html[data-ready]"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c636060606000000005"
    "0001a5f645400000000049454e44ae426082"
)
FILES = [LinkedFile("notebooks/3_run%20inference.ipynb", "notebooks/3_run inference.ipynb", "as executed")]


@dataclass
class Opened:
    """A page in the browser, with what it said on the console and what it asked for."""

    page: Any
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def count(self, selector: str) -> int:
        number: int = self.page.locator(selector).count()
        return number


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    """Three experiments, two payload files, five loads."""
    return made_run()


@pytest.fixture(scope="module")
def written(inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of that run, alone in a folder."""
    path = tmp_path_factory.mktemp("alone") / "report.html"
    path.write_text(page_html(page_content(inputs, FILES), PIXEL), encoding="utf-8")
    return path


class Pages:
    """Opens pages, and holds what went wrong in them."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._contexts: list[Any] = []
        self._opened: list[Opened] = []

    def __call__(self, source: Path | str, ready: str = READY, width: int = 1280, **options: Any) -> Opened:
        """Open a file or a text as a page; `ready` is there once it can be used."""
        context = self._browser.new_context(viewport={"width": width, "height": 800}, **options)
        self._contexts.append(context)
        opened = Opened(context.new_page())
        self._opened.append(opened)
        opened.page.on("console", lambda message: opened.problems.append(f"{message.type}: {message.text}"))
        opened.page.on("pageerror", lambda error: opened.problems.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        if isinstance(source, Path):
            opened.page.goto(source.as_uri())
        else:
            opened.page.set_content(source)
        opened.page.wait_for_selector(ready, state="attached")
        return opened

    def close(self) -> None:
        """Close them all: nothing may have gone wrong, and nothing have been loaded but each page itself."""
        for context in self._contexts:
            context.close()
        for opened in self._opened:
            assert opened.problems == []
            assert [url for url in opened.requests if not url.startswith(("file:", "data:", "about:"))] == []
            assert sum(url.startswith("file:") for url in opened.requests) <= 1


@pytest.fixture
def open_page(browser: Any) -> Iterator[Pages]:
    """Opens pages of one test."""
    pages = Pages(browser)
    yield pages
    pages.close()


@pytest.fixture(scope="module")
def opened(browser: Any, written: Path) -> Iterator[Opened]:
    """The page, light and wide, for tests that leave it as it was but for sorting and open tables."""
    pages = Pages(browser)
    yield pages(written, permissions=["clipboard-read", "clipboard-write"])
    pages.close()


# -- what is there ---------------------------------------------------------------------------------------------------


def test_the_page_opens_from_disk_alone_in_a_folder(opened: Opened, written: Path) -> None:
    assert [path.name for path in written.parent.iterdir()] == ["report.html"]
    opened.page.evaluate(DRAW_ALL)
    ids = (
        "business_summary latency_vs_throughput tokens_per_user TTFT_by_load TPOT_by_load latency_by_load "
        "TTFT_by_length TPOT_by_length latency_by_length ecdf cost-1 cost-2 goodput-1 goodput-2 machine-1 timeline-1 "
        "timeline-2 quality_vs_cost quality_vs_latency"
    )
    for name in ids.split():
        assert opened.count(f"#{name}:not(.empty) svg path") > 0, name
    assert opened.count(".heat table") == 3
    assert opened.count("#errors tbody tr") == 6
    link = opened.page.locator("#provenance a")
    assert link.get_attribute("href") == "notebooks/3_run%20inference.ipynb"
    assert "beside this page" in opened.page.locator("#provenance").inner_text()


def test_fifty_levels_are_a_small_page(open_page: Pages, tmp_path: Path) -> None:
    many = made_run([f"experiment {number}" for number in range(5)])
    path = tmp_path / "report.html"
    path.write_text(page_html(page_content(many)), encoding="utf-8")
    assert path.stat().st_size < 6_000_000
    opened = open_page(path)
    assert opened.count("#table-levels tbody tr") == 50
    assert opened.count("#business_summary .mark") >= 25


def test_a_run_without_levels_has_a_page(open_page: Pages, inputs: ReportInputs, tmp_path: Path) -> None:
    none = inputs.summary.head(0)
    empty = replace(
        inputs, summary=none, requests=inputs.requests.head(0), decision=decide(none, inputs.decision.budgets),
        timelines=(), quality=none,
    )  # fmt: skip
    path = tmp_path / "report.html"
    path.write_text(page_html(page_content(empty)), encoding="utf-8")
    opened = open_page(path)
    assert "no level was measured" in opened.page.locator(".what").inner_text()
    assert opened.count(".plot svg *") == 0


# -- what a person does ----------------------------------------------------------------------------------------------


def column(opened: Opened, table: str, number: int) -> list[str]:
    cells: list[str] = opened.page.locator(f"#table-{table} tbody td:nth-child({number})").all_inner_texts()
    return cells


def test_tables_sort_by_value_and_say_so(opened: Opened) -> None:
    head = opened.page.locator("#table-levels th", has_text="latency p95")
    where = 1 + opened.page.locator("#table-levels th").all_inner_texts().index(head.inner_text())

    def milliseconds() -> list[float]:
        texts = column(opened, "levels", where)
        return [float(text.split()[0]) * (1 if text.endswith("ms") else 1000) for text in texts]

    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert milliseconds() == sorted(milliseconds())
    assert len(set(milliseconds())) > 10
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert milliseconds() == sorted(milliseconds(), reverse=True)
    load = opened.page.locator("#table-levels th", has_text="load").first
    load.locator("button").click()
    assert [text.split()[1] for text in column(opened, "levels", 3)] == ["1"] * 6 + ["2"] * 6 + ["4"] * 6 + [
        "8"
    ] * 6 + ["16"] * 6


def test_tables_filter_by_all_words_and_are_copied_as_they_are_shown(opened: Opened) -> None:
    opened.page.locator("#table-levels input").fill("SGLANG concurrency 16")
    assert column(opened, "levels", 1) == ["sglang", "sglang"]
    assert opened.page.locator("#table-levels .found").inner_text() == "2 of 30 rows"
    opened.page.locator("#table-levels button", has_text="Copy as CSV").click()
    opened.page.locator("#table-levels button", has_text="Copied").wait_for()
    lines = opened.page.evaluate("navigator.clipboard.readText()").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("experiment,dataset,load,instance,requests,error rate (share)")
    assert lines[1].startswith("sglang,en_1-300,concurrency 16,m7a.xlarge,30,0.1,")
    opened.page.locator("#table-levels input").fill("")


def test_what_is_selected_is_what_is_drawn(open_page: Pages, written: Path) -> None:
    opened = open_page(written)
    marks = "#latency_by_load .plot .mark"
    opened.page.evaluate(DRAW_ALL)
    assert opened.count(marks) == 15
    button = opened.page.locator(".experiments button", has_text="tgi")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert opened.count(marks) == 10
    assert "tgi" not in column(opened, "levels", 1)
    assert opened.count("#business_summary .plot .ring") == 1
    opened.page.locator("#filters select").select_option(label="en_300-1000")
    assert opened.count("#business_summary .plot .ring") == 0, "the decision is about the other dataset"
    assert "en_300-1000" in opened.page.locator("#business_summary").inner_text()
    percentile = opened.page.locator("#load select")
    percentile.select_option("p99")
    assert opened.page.locator("#throughput select").first.input_value() == "p99", "one choice in every place"
    assert "p99" in opened.page.locator("#latency_by_load h3").inner_text()


def test_pointing_shows_n_and_the_interval(opened: Opened) -> None:
    opened.page.locator("#business_summary .plot .mark").first.hover()
    said = opened.page.locator(".tooltip").inner_text()
    assert re.search(r"latency p95 [\d.]+ m?s \(95% CI [\d.]+ m?s to [\d.]+ m?s\), n = 30", said)
    assert said.startswith("vllm\n")
    opened.page.mouse.move(2, 2)
    assert opened.page.locator(".tooltip").is_hidden()


def test_the_keyboard_reaches_every_point_and_zooms(opened: Opened) -> None:
    plot = opened.page.locator("#latency_by_load .plot")
    plot.focus()
    spoken = opened.page.locator(".unseen[role=status]")
    seen = set()
    for _ in range(15):
        plot.press("ArrowRight")
        seen.add(spoken.inner_text())
    assert len(seen) == 15
    plot.press("Home")
    plot.press("ArrowDown")
    assert spoken.inner_text().startswith("sglang")
    reset = opened.page.locator("#latency_by_load .reset")
    plot.press("+")
    assert reset.is_visible()
    plot.press("0")
    assert reset.is_hidden()


def test_dragging_zooms(opened: Opened) -> None:
    opened.page.locator("#business_summary .plot").scroll_into_view_if_needed()
    box = opened.page.locator("#business_summary .plot").bounding_box()
    ticks = opened.page.locator("#business_summary .tick")
    before = ticks.all_text_contents()
    opened.page.mouse.move(box["x"] + 150, box["y"] + 100)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 300, box["y"] + 250, steps=3)
    opened.page.mouse.up()
    assert ticks.all_text_contents() != before
    opened.page.locator("#business_summary .reset").click()
    assert ticks.all_text_contents() == before


def test_the_figures_of_a_chart_are_a_table(opened: Opened) -> None:
    opened.page.locator("#latency_by_load summary").click()
    table = opened.page.locator("#latency_by_load .figures table")
    table.wait_for()
    assert table.locator("tbody tr").count() == 15
    assert table.locator("th").all_inner_texts()[-1] == "latency p95 (s) high"


def test_the_tail_of_a_distribution_can_be_opened(opened: Opened) -> None:
    opened.page.locator("#distribution select").nth(2).select_option("tail")
    assert "90%" in opened.page.locator("#ecdf .tick").all_text_contents()
    opened.page.locator("#distribution select").nth(1).select_option("experiment 1")
    assert opened.count("#ecdf .line") >= 5


# -- where it is shown -----------------------------------------------------------------------------------------------


def background(opened: Opened) -> str:
    colour: str = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def test_dark_narrow_and_print(open_page: Pages, written: Path) -> None:
    """One page, which follows the system, its button, its window and the printer."""
    opened = open_page(written, color_scheme="dark")
    dark, light = "rgb(20, 23, 28)", "rgb(255, 255, 255)"
    assert background(opened) == dark
    opened.page.emulate_media(color_scheme="light")
    assert background(opened) == light
    button = opened.page.locator("#theme")
    button.click()
    button.click()
    assert button.inner_text() == "Theme: dark"
    assert background(opened) == dark
    opened.page.set_viewport_size({"width": 400, "height": 800})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 400
    right = "[...document.querySelectorAll('figure, h2, p, select')].map(e => e.getBoundingClientRect().right)"
    assert max(opened.page.evaluate(right)) <= 400
    opened.page.emulate_media(media="print")
    assert background(opened) == light
    assert not opened.page.locator("#filters").is_visible()
    assert not opened.page.locator(".tools").first.is_visible()
    opened.page.emulate_media(media="screen")
    pdf = opened.page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 14
    assert opened.count("#machine .line") > 0, "what was out of sight is printed too"


def test_the_page_works_in_a_sandboxed_frame(open_page: Pages, written: Path) -> None:
    inner = escape(written.read_text(encoding="utf-8"))
    frame = f'<iframe sandbox="allow-scripts" srcdoc="{inner}" style="width:1000px;height:700px"></iframe>'
    opened = open_page(frame, ready="iframe")
    page = opened.page.frame_locator("iframe")
    page.locator(READY).wait_for(state="attached")
    page.locator("#theme").click()
    assert page.locator("#business_summary .mark").count() > 10
    page.locator("#table-levels button", has_text="Copy as CSV").click()
    done = page.locator("#table-levels button", has_text="Copied").or_(page.locator("#table-levels .by-hand"))
    done.first.wait_for()


def test_a_viewer_without_scripts_shows_decision_and_picture(open_page: Pages, written: Path) -> None:
    inner = escape(written.read_text(encoding="utf-8"))
    opened = open_page(f'<iframe sandbox="" srcdoc="{inner}"></iframe>', ready="iframe")
    page = opened.page.frame_locator("iframe")
    assert page.locator("noscript img").is_visible()
    assert "every budget" in page.locator(".what").inner_text()
    assert page.locator("noscript tbody tr").count() == 30
    opened.problems = [line for line in opened.problems if "Blocked script execution" not in line]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_assistive_technology_finds_nothing_serious(scheme: str, open_page: Pages, tmp_path: Path) -> None:
    """By axe-core, on a page with one of each kind of chart and table."""
    from axe_playwright_python.sync_playwright import Axe

    small = made_run(("vllm", "sglang"), ("payload_en_1-300.jsonl",), (2, 8))
    path = tmp_path / "report.html"
    path.write_text(page_html(page_content(small, FILES), PIXEL), encoding="utf-8")
    opened = open_page(path, color_scheme=scheme)
    opened.page.locator("#business_summary summary").click()
    rules = {} if scheme == "light" else {"runOnly": ["color-contrast"]}
    found = Axe().run(opened.page, options=rules).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:150] for node in one["nodes"]][:3]) for one in serious] == []


# -- what comes from others ------------------------------------------------------------------------------------------

HOSTILE = (
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">",
    "![picture](http://example.invalid/x.png) [link](javascript:alert(1)) <a href=javascript:alert(1)>x</a>",
    "=cmd|' /C calc'!A0",
    "a\x1b[31mred\x1b[0m \u202etxt.exe\u2066 \u200b\u2028 ``` | ` {{script}} ${1} \\u003c",
    "x" * 10_000 + "\nsecond line",
)
FORMULA = 2


@pytest.fixture(scope="module")
def hostile(browser: Any, inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The page of a run in which everything is called by, and servers say, one of these texts after the other."""
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    parts = [renamed(inputs, text) for text in HOSTILE]
    summary = pd.concat([part.summary for part in parts], ignore_index=True)
    whole = replace(
        parts[0],
        summary=summary,
        requests=pd.concat([part.requests for part in parts]),
        timelines=[one for part in parts for one in part.timelines],
        notices=list(HOSTILE),
        config_yaml="\n".join(HOSTILE),
        decision=decide(summary, inputs.decision.budgets),
        run=replace(
            inputs.run, model_name="\n".join(HOSTILE[:4]), name=HOSTILE[0], host={text: text for text in HOSTILE}
        ),
    )
    path.write_text(page_html(page_content(whole, FILES), PIXEL), encoding="utf-8")
    pages = Pages(browser)
    yield pages(path)
    pages.close()


def renamed(inputs: ReportInputs, text: str) -> ReportInputs:
    """A level of the run with the text as the name of everything, and as whatever a server may say."""
    levels = inputs.summary.iloc[[3]].assign(
        experiment_name=text, payload_file=text, instance_type=text, verdict_reasons=text, stop_reason=text,
        verdict="degraded", errors_by_class=json.dumps({"http_5xx": 3}), error_messages=json.dumps({"http_5xx": text}),
    )  # fmt: skip
    load = inputs.summary["load"].iloc[3]
    requests = inputs.requests.head(20).assign(experiment_name=text, payload_file=text, completion=text, load=load)
    said = {"finish_reason": text, "server_request_id": text, "request_id": text}
    level = {"experiment_name": text, "payload_file": text, "load": load}
    timelines = [replace(one, request={**one.request, **said, **level}) for one in inputs.timelines[:3]]
    none = {"endpoint": EndpointMetrics(), "quality": inputs.quality.head(0)}
    return replace(inputs, summary=levels, requests=requests, timelines=timelines, **none)


def test_nothing_of_others_is_markup(hostile: Opened) -> None:
    ours = "script#data, body > script:last-of-type, link[rel=icon], #contents a, #provenance a"
    assert hostile.count("script, img, a, iframe, link, form, object, style:not(head > style)") == hostile.count(ours)
    assert hostile.page.title().startswith("</script>")
    assert hostile.page.evaluate("document.documentElement.scrollWidth") <= 1280
    shown = hostile.page.evaluate("document.body.innerText")
    assert not re.search("[\x00-\x08\x1b\u200b\u2028\u202e\u2066]", shown)
    assert "xxxxx" * 30 in shown
    assert "x" * 700 not in shown


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_texts_of_others_are_texts(number: int, hostile: Opened) -> None:
    """Where each stands: experiment, dataset, instance, reason, message, what ended the level, ids, finish reason."""
    beginning = " ".join(re.split("[\x1b\u202e]", HOSTILE[number])[0].split())[:18]
    hostile.page.locator("#filters select").select_option(str(number))
    hostile.page.locator("#requests select").select_option(str(number))
    for place, least in {
        "#filters": 1, ".legend": 1, "#business_summary .about": 1, "#errors": 1, "#requests tbody": 9,
        "#table-levels": 3, "#table-quality": 3, "#table-failures": 2, "#provenance ul": 1, "#provenance dl": 2,
    }.items():  # fmt: skip
        found = " ".join(hostile.page.locator(place).all_inner_texts())
        assert found.count(beginning) >= least, place
    rows = hostile.page.evaluate("csvOf(DATA.tables[0], DATA.tables[0].rows)").splitlines()[1:]
    assert len(rows) == len(HOSTILE)
    assert rows[number].removeprefix('"').startswith("'=cmd") == (number == FORMULA)


def test_answers_are_not_on_the_page(inputs: ReportInputs) -> None:
    answered = replace(inputs, requests=inputs.requests.assign(completion="an answer of the model"))
    assert "an answer of the model" not in page_html(page_content(answered))
