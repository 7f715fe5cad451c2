"""What notebooks show: HTML in which all text is text, and the same as plain text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from fmbench_lib.views.frame_table import FrameTable
from fmbench_lib.views.notebook_html import decision_html, levels_html, live_html, live_text
from tests.cli.level_facts import figures, published

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)> \" onmouseover='x' ![a](http://b)"


class Elements(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


PAGES = {
    "levels": levels_html([figures(experiment_name=HOSTILE, verdict_reasons=HOSTILE)]),
    "live": live_html([{"figures": figures(experiment_name=HOSTILE)}], published(experiment_name=HOSTILE)),
    "failed": live_html([{"level": HOSTILE, "error": HOSTILE, "number": 1, "count": 2}], None),
    "decision": decision_html([HOSTILE, HOSTILE], HOSTILE, {"report": f'x"{HOSTILE}'}, tone="good"),
    "frame": FrameTable(pd.DataFrame({HOSTILE: [HOSTILE], "verdict": [HOSTILE]}))._repr_html_(),
}


@pytest.mark.parametrize("name", PAGES)
def test_text_of_any_origin_is_text(name: str) -> None:
    found = Elements(PAGES[name])
    assert found.tags <= {"style", "div", "table", "thead", "tbody", "tr", "th", "td", "p", "b", "a", "code"}
    assert found.attributes <= {"class", "style", "href", "target", "colspan"}
    assert any("<script>alert(1)</script>" in cell for cell in found.cells)


def test_a_verdict_is_a_word_with_a_colour() -> None:
    page = levels_html([figures(), figures(8, verdict="invalid", verdict_reasons="no request: look")])
    assert '<td class="good">valid</td>' in page
    assert '<td class="bad">invalid</td>' in page
    assert "no request: look" in page


def test_the_live_view_has_the_finished_levels_the_bar_and_the_figures() -> None:
    rows = [{"figures": figures()}]
    page = live_html(rows, published(done=10, elapsed=5.0, time_left=15.0))
    assert "width:25.0%" in page
    for text in ("118/≈204 ms", "level 1 of 3", "10/40 requests", "TTFT p50 ≈ 0.120 s", "run: about 1 min 15 s left"):
        assert text in page
    plain = live_text(rows, published(done=10))
    assert plain.splitlines()[0].startswith("level one · en_1-500 · concurrency 4: 200 requests")
    assert plain.splitlines()[1].startswith("level 1 of 3 · one · en_1-500 · concurrency 1 · 10/40 requests")
    assert live_text([], None, "preparing") == "preparing"
    assert "preparing" in live_html([], None, "preparing")


def test_a_frame_is_shown_with_units_and_few_digits() -> None:
    frame = pd.DataFrame(
        {
            "experiment_name": ["one", "two"],
            "latency_p50": [1.23456, None],
            "requests": [1200, 3],
            "measured": [True, False],
            "price_per_txn": [0.0000123456, 0.5],
        }
    )
    text = repr(FrameTable(frame))
    heading, first, second = text.splitlines()
    assert heading.split() == [
        "experiment",
        "name",
        "latency",
        "p50",
        "(s)",
        "requests",
        "measured",
        "price",
        "per",
        "txn",
        "(USD)",
    ]
    assert first.split() == ["one", "1.23", "1,200", "yes", "0.0000123"]
    assert second.split() == ["two", "–", "3", "no", "0.500"]
    assert '<td class="number">1.23</td>' in FrameTable(frame)._repr_html_()
    counts = pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "low": [None, float("nan")], "yes": [True, False]})
    assert re.findall(r'<th class="(.*?)">', FrameTable(counts)._repr_html_()) == ["number", "number", ""]
    rates = pd.DataFrame({"transactions_per_minute": [60.0], "request_rate": [1.0]})
    assert repr(FrameTable(rates)).split("\n")[0].strip() == "transactions per minute request rate (requests/s)"
    names = pd.DataFrame({"load": ["concurrency-16", "a load of several-words", "a-" * 30]})
    assert re.findall(r'<td class="(.*?)">', FrameTable(names)._repr_html_()) == ["word", "", ""], "broken at hyphens"
    assert repr(FrameTable(frame.head(0))) == "no rows"


def test_nothing_that_a_terminal_obeys_is_in_a_table() -> None:
    frame = pd.DataFrame({"completion": ["a\x1b[2Jb\nc\u202ed"]})
    assert repr(FrameTable(frame)).split() == ["completion", "ab", "cd"]


def test_a_long_text_is_cut_and_an_index_with_a_name_is_shown() -> None:
    frame = pd.DataFrame({"prompt": ["x" * 10_000]}, index=pd.Index(["a"], name="payload_file"))
    page = FrameTable(frame)._repr_html_()
    assert "payload file" in page
    assert len(page) < 5000


def test_a_time_of_day_is_shown_to_the_second() -> None:
    times = pd.to_datetime(["2026-11-30T14:49:38.395262+00:00", None], utc=True)
    shown = repr(FrameTable(pd.DataFrame({"created": times, "run": ["a", "b"]})))
    assert "2026-11-30 14:49:38 UTC" in shown
    assert "395262" not in shown
    assert "NaT" not in shown
