"""What the page holds: whole tails, true gaps, missing figures as nothing, and a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.drawn_requests import TAIL, kept_ranks
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.html.machine_curves import MOST_SAMPLES, thinned
from fmbench_lib.report.html.page_content import page_content
from fmbench_lib.report.html.page_shell import page_html
from fmbench_lib.report.html.request_samples import MOST_EVENTS, thinned_events
from fmbench_lib.report.html.static_table import static_table
from tests.report.html.made_run import made_run

INPUTS = made_run(("vllm", "sglang"), ("payload_en_1-300.jsonl",), (0.5, 2, 8))


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """The content of a page of six levels."""
    return page_content(INPUTS)


def level(content: dict[str, Any], number: int) -> dict[str, Any]:
    return dict(zip(content["levels"]["columns"], content["levels"]["rows"][number], strict=True))


def test_a_thinned_distribution_keeps_its_least_value_and_its_whole_tail() -> None:
    ranks = kept_ranks(100_000)
    assert ranks[0] == 1
    assert ranks[-TAIL:] == list(range(100_000 - TAIL + 1, 100_001))
    assert len(ranks) < 200
    assert ranks == sorted(set(ranks))
    assert kept_ranks(50) == list(range(1, 51)), "few values are all there"
    assert kept_ranks(0) == []


def test_distributions_are_those_of_the_requests(content: dict[str, Any]) -> None:
    requests = INPUTS.requests
    own = requests[requests["experiment_name"].eq("vllm") & requests["load"].eq("concurrency-2")]
    counted = own[own["in_window"].astype(bool) & own["success"].astype(bool)]
    position = next(n for n, about in enumerate(content["levels"]["about"]) if (about["e"], about["at"]) == (0, 2))
    shown = content["distributions"][position]["latency"]
    assert shown["n"] == len(counted)
    assert shown["values"][-1] == pytest.approx(counted["latency"].max(), rel=1e-5)


def test_events_keep_their_true_gaps() -> None:
    times = np.arange(5000) / 100.0
    times[3000:] += 7.5
    offsets, gaps = thinned_events(times)
    assert len(offsets) == len(gaps) + 1 <= MOST_EVENTS
    assert max(gaps) == 751_000, "10 µs each"
    assert offsets[0] == 0
    assert offsets[-1] == round(times[-1] * 1e5)
    assert sorted(gaps)[-2] == 1000, "left-out events make no gap"
    assert thinned_events(np.empty(0)) == ([], [])


def test_a_thinned_curve_keeps_peaks_dips_and_breaks() -> None:
    values = np.ones(20_000)
    values[777], values[9_999], values[15_000] = 99.0, -5.0, np.nan
    kept = thinned(values)
    assert {0, 777, 9_999, 15_000, 19_999} <= set(kept)
    assert len(kept) <= MOST_SAMPLES + 3
    assert thinned(np.ones(10)) == list(range(10))


def test_levels_have_the_figures_of_the_summary(content: dict[str, Any]) -> None:
    rows = INPUTS.summary[INPUTS.summary["experiment_name"] == "vllm"].reset_index(drop=True)
    closed = level(content, 0)
    assert content["levels"]["about"][0]["load"] == "concurrency 2"
    for name in ("latency_p95", "latency_p95_low", "TTFT_p50", "transactions_per_minute", "price_per_10k_txn"):
        assert closed[name] == pytest.approx(rows[name].iloc[1], rel=1e-5), name
    assert content["levels"]["about"][2] == {
        **content["levels"]["about"][2], "load": "0.5 requests/s", "rate": True, "at": 0.5, "short": "0.5/s",
    }  # fmt: skip
    assert content["levels"]["marked"]["winner"] is not None


def test_the_first_screen_says_how_the_best_level_stands_to_each_budget(content: dict[str, Any]) -> None:
    assert content["head"]["budgets"][0] == ["budget", "best", "runner-up"]
    usual = decide(INPUTS.summary, Budgets(error_rate_budget=0.0))
    assert page_content(replace(INPUTS, decision=usual))["head"]["budgets"] == [], "nobody set a budget"
    budgets = Budgets(error_rate_budget=0.0, budgets={"TTFT_p50": 1000.0, "joules_per_txn": 5.0})
    decision = decide(INPUTS.summary, budgets)
    judged: dict[str, Any] = page_content(replace(INPUTS, decision=decision))  # type: ignore[assignment]
    heads, *rows = judged["head"]["budgets"]
    assert heads == ["budget", "nearest"]
    known = dict(rows)
    assert list(known) == ["TTFT p50 ≤ 1,000 s", "error rate ≤ 0%", "joules per txn ≤ 5 joules"]
    assert known["joules per txn ≤ 5 joules"] == "unknown"
    assert known["TTFT p50 ≤ 1,000 s"].endswith(", surely met")
    page = page_html(page_content(replace(INPUTS, decision=decision)))
    assert '<th scope="row">TTFT p50 ≤ 1,000 s</th>' in page


def test_levels_that_tie_with_the_winner_are_marked() -> None:
    tied = rows_of(INPUTS.summary)[4]
    shown = page_content(replace(INPUTS, decision=replace(INPUTS.decision, tied=(tied,))))
    assert [shown["levels"]["about"][position]["load"] for position in shown["tied"]] == ["concurrency 2"]
    assert shown["experiments"][shown["levels"]["about"][shown["tied"][0]]["e"]]["name"] == tied["experiment_name"]


def test_the_levels_can_be_read_without_scripts(content: dict[str, Any]) -> None:
    html = static_table({**content["tables"][0], "title": "<b>"})
    assert html.count("<tr>") == 7
    assert "<caption>&lt;b&gt;</caption>" in html
    assert "<td>concurrency 2</td>" in html
    assert re.search(r"<td>[\d.]+ ms</td>", html)


def test_what_is_missing_is_null(content: dict[str, Any]) -> None:
    unpriced = INPUTS.summary.assign(price_per_txn=None, price_per_10k_txn=None, TPOT_p50=float("nan"))
    shown = level(page_content(replace(INPUTS, summary=unpriced)), 0)
    names = ("price_per_10k_txn", "cost_per_hour", "tokens_per_usd_hour", "TPOT_p50", "tokens_per_user")
    assert {shown[name] for name in names} == {None}
    assert None not in {level(content, 0)[name] for name in names}


def test_the_first_screen_says_decision_cost_and_quality(content: dict[str, Any]) -> None:
    head = content["head"]
    assert "of the" in head["what"]
    assert head["quality"].startswith("6 levels (")
    tiles = {tile["name"]: tile for tile in head["tiles"]}
    assert tiles["10,000 requests"]["figure"].endswith(" USD")
    assert "per 1M tokens" in tiles["10,000 requests"]["below"]
    assert "a month, running all the time" in tiles["10,000 requests"]["below"]
    assert tiles["latency p95"]["below"].startswith("n = ")


def test_only_the_page_itself_may_run(content: dict[str, Any]) -> None:
    html = page_html(content)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    directives = dict(part.strip().split(" ", 1) for part in policy[1].replace("&#x27;", "'").split(";"))
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    for name, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert directives[name] == f"'sha256-{digest}'"
    assert directives["default-src"] == "'none'"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", html)


def test_data_cannot_leave_its_element(content: dict[str, Any]) -> None:
    hostile = {**content, "notices": ["</script><!-- \u2028 & <script>"]}
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page_html(hostile), re.DOTALL)
    assert not set("<>&\u2028") & set(data)
    assert json.loads(data)["notices"] == hostile["notices"]
