"""The pictures of an evaluation: their titles say what the tables say, and there is none without data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.quality_and_cost import trade_frame
from fmbench_lib.report import evaluation_files as files
from fmbench_lib.report.figures import draw, style
from fmbench_lib.report.figures.answer_accuracy import (
    accuracy_finding,
    draw_accuracy,
    draw_accuracy_by_length,
    length_finding,
)
from fmbench_lib.report.figures.judge_agreement import agreement_finding, draw_agreement
from fmbench_lib.report.figures.quality_trade import COST, LATENCY, draw_quality_trade, quality_trade, trade_finding
from fmbench_lib.report.figures.style import looks, save, styled

LOOK = looks(["a", "b <i>$x$</i>", "c"])


def accuracy(name: str, share: float, **more: Any) -> dict[str, Any]:
    ends = {"accuracy_low": max(share - 0.2, 0), "accuracy_high": min(share + 0.2, 1), "questions": 20}
    counts = {"correct": round(20 * share), "incorrect": 20 - round(20 * share), "ties": 0, "no_verdict": 0}
    return {
        "experiment_name": name,
        "payload_file": "payload_en_1-500.jsonl",
        "accuracy": share,
        **ends,
        **counts,
        **more,
    }


def pair(first: str, second: str, p: float) -> dict[str, Any]:
    return {"first": first, "second": second, "p_value_holm": p}


def test_the_title_says_who_answers_best_and_whether_that_may_be_chance() -> None:
    models = [accuracy("a", 0.5), accuracy("b", 0.9), accuracy("c", 0.8)]
    settled = [pair("a", "b", 0.001), pair("c", "b", 0.01), pair("a", "c", 0.9)]
    assert accuracy_finding(models, settled) == "b answers best: 90% correct, the next 80%"
    unsure = [pair("a", "b", 0.001), pair("b", "c", 0.2)]
    assert accuracy_finding(models, unsure) == "b has the highest accuracy, 90%, but another model may be as good"
    assert accuracy_finding(models, []) == "b has the highest accuracy, 90%, but 2 other models may be as good"
    alone = accuracy_finding([accuracy("a", 0.5)], [])
    assert alone == "a answers 50% of 20 questions correctly (95% CI 30% to 70%)"


def bins(name: str, p: float, z: float) -> list[dict[str, Any]]:
    low = {"prompt_tokens_low": 10, "prompt_tokens_mean": 20.0, "prompt_tokens_high": 30}
    high = {"prompt_tokens_low": 40, "prompt_tokens_mean": 50.0, "prompt_tokens_high": 60}
    return [accuracy(name, share, trend_p_holm=p, trend_z=z, **where) for share, where in ((0.8, low), (0.4, high))]


def test_the_title_says_whether_length_matters() -> None:
    assert length_finding(bins("a", 0.2, -1)) == "No trend of accuracy with the length of prompts is shown (p = 0.20)"
    falls = length_finding([*bins("a", 0.01, -3), *bins("b", 0.4, 1)])
    assert falls == "Accuracy falls with the length of prompts for 1 of 2 models: a, p = 0.010"
    assert length_finding(bins("a", 0.01, 3)).startswith("Accuracy rises")
    assert length_finding([row | {"trend_p_holm": None} for row in bins("a", 0.2, 1)]).startswith("No trend")


def agreement(first: str, second: str, share: float, kappa: float) -> dict[str, Any]:
    return {"first": first, "second": second, "agreement": share, "coefficient": "Cohen's kappa", "value": kappa}


AGREEMENT = [
    agreement("j1", "j2", 0.9, 0.7),
    agreement("j1", "j3", 0.6, 0.1),
    agreement("j2", "j3", 0.7, 0.3),
    {"first": "all judges", "second": "", "coefficient": "Fleiss' kappa", "value": 0.35},
    *(agreement(judge, "majority of the others", 0.8, 0.5) for judge in ("j1", "j2", "j3")),
]


def test_the_title_says_how_far_judges_agree() -> None:
    said = agreement_finding(AGREEMENT)
    assert said == "Two judges agree on 60% to 90% of answers, fairly beyond chance (kappa 0.35)"
    assert "no better than chance" in agreement_finding([agreement("j1", "j2", 0.5, -0.1)])
    assert agreement_finding([]) == "No two judges gave a verdict on the same answer"


def levels(half: float = 0.04) -> pd.DataFrame:
    """Two levels of three models, of accuracy 60, 70 and 80% with `half` to both sides; the better, the dearer."""
    made = []
    for number, name in enumerate(LOOK):
        share = 0.6 + 0.1 * number
        ends = {"accuracy_low": share - half, "accuracy_high": share + half, "accuracy_n": 30}
        named = {"experiment_name": name, "payload_file": "payload_en_1-500.jsonl"}
        for load in (1, 4):
            price, latency = 0.001 * (number + 1) / load, 1.0 + number + load / 4
            figures = {"price_per_txn": price, "latency_p95": latency}
            for end, factor in (("low", 0.95), ("high", 1.05)):
                figures |= {f"price_per_10k_txn_{end}": 10_000 * factor * price, f"latency_p95_{end}": factor * latency}
            known = {"load": f"concurrency-{load}", "concurrency": load, "accuracy": share}
            made.append({**named, **known, **figures, **ends})
    return trade_frame(pd.DataFrame(made))


def finding(frame: pd.DataFrame, side: Any = COST) -> str:
    trade = quality_trade(frame, side, "payload_en_1-500.jsonl", {"accuracy": 0.7})
    assert trade is not None
    assert trade.budget == 0.7
    return trade_finding(trade)


def test_the_title_says_what_more_quality_costs() -> None:
    cheapest = "a is cheapest (0.25 USD per 1,000) with accuracy 60%"
    assert finding(levels()) == f"{cheapest}; c reaches 80% for 0.75 USD per 1,000"
    assert finding(levels(), LATENCY).startswith("a is fastest (p95 1.25 s) with accuracy 60%; c reaches 80% for p95 3")
    assert quality_trade(levels(), COST, "another.jsonl", {}) is None
    assert quality_trade(levels().assign(price_per_1k_answers=np.nan), COST, "payload_en_1-500.jsonl", {}) is None


def test_the_title_claims_no_more_than_intervals_show() -> None:
    wide = finding(levels(half=0.15))
    told = "a is cheapest (0.25 USD per 1,000) with accuracy 60%; c had 80% for 0.75 USD per 1,000"
    assert wide == f"{told}, but is not shown to be better"
    assert finding(levels().assign(price_per_1k_answers_high=1.0)).startswith("a is cheapest as measured (0.25 USD")
    assert finding(levels().assign(price_per_1k_answers_high=np.nan)).startswith("a is cheapest as measured (0.25 USD")
    unknown = finding(levels().assign(quality_low=np.nan, quality_high=np.nan))
    assert unknown.endswith("but is not shown to be better")


def test_the_title_of_a_front_of_one() -> None:
    best = levels().assign(price_per_1k_answers=lambda frame: 1.0 - frame["quality"], on_cost_front=False)
    best.loc[best["experiment_name"] == "c", "on_cost_front"] = True
    best = best.assign(price_per_1k_answers_low=best["price_per_1k_answers"] - 0.01)
    best = best.assign(price_per_1k_answers_high=best["price_per_1k_answers"] + 0.01)
    assert finding(best) == "c is cheapest (0.20 USD per 1,000) with accuracy 80%, and every other is worse"
    near = best.assign(quality_low=best["quality"] - 0.2, quality_high=best["quality"] + 0.2)
    assert finding(near).endswith("and no other is shown to be better")
    alone = levels()[lambda frame: frame["experiment_name"] == "a"]
    assert finding(alone) == "a: 0.25 USD per 1,000 at best, with accuracy 60%"


def test_every_picture_shows_something_and_nothing_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr(style, "DPI", 60)
    rows = pd.DataFrame([accuracy(name, share) for name, share in zip(LOOK, (0.0, 0.55, 1.0), strict=True)])
    lengths = pd.DataFrame([row for name in LOOK for row in bins(name, 0.3, 1.0)])
    trades = [quality_trade(levels(), side, "payload_en_1-500.jsonl", {"accuracy": 0.7}) for side in (COST, LATENCY)]
    with styled():
        pictures = [
            draw_accuracy(rows, rows, pd.DataFrame(), LOOK, 0.5),
            draw_accuracy_by_length(lengths, LOOK),
            draw_agreement(pd.DataFrame(AGREEMENT)),
            *(draw_quality_trade(trade, LOOK) for trade in trades),
        ]
        for number, picture in enumerate(pictures):
            assert picture is not None
            with Image.open(save(picture, tmp_path / f"{number}.png")) as image:
                found = np.asarray(image.convert("L"))
            assert found.std() > 3
            assert all((edge == 255).all() for edge in (found[0], found[-1], found[:, 0], found[:, -1]))


def test_without_data_there_is_no_picture() -> None:
    assert draw_accuracy(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), LOOK, None) is None
    assert draw_accuracy_by_length(pd.DataFrame(), LOOK) is None
    assert draw_agreement(pd.DataFrame()) is None
    assert draw_agreement(pd.DataFrame(AGREEMENT[3:4])) is None
    assert draw_quality_trade(None, LOOK) is None


def test_the_run_draws_them_and_the_interactive_page_has_the_charts(
    build: Any, simulate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "DPI", 40)
    plain = build([simulate("a", n=20, concurrency=load) for load in (1, 4)])
    payload = plain.decision.payload_file
    rated = plain.summary.copy().assign(accuracy=0.8, accuracy_low=0.6, accuracy_high=0.9, accuracy_n=20)
    table = pd.DataFrame([accuracy("a", 0.8, payload_file=payload)])
    tables = {files.ACCURACY: table, files.PER_PAYLOAD: table, files.AGREEMENT: pd.DataFrame(AGREEMENT)}
    inputs = build(
        [simulate("a", n=20, concurrency=load) for load in (1, 4)], evaluation=tables, quality=trade_frame(rated)
    )
    drawn = {path.name for path in draw.draw_figures(inputs, tmp_path)}
    expected = {draw.ACCURACY_BY_MODEL, draw.AGREEMENT, "quality_vs_cost.png", "quality_vs_latency.png"}
    assert expected <= drawn
    assert draw.ACCURACY_BY_LENGTH not in drawn
    page = (tmp_path / draw.BUSINESS_PAGE).read_text("utf-8")
    assert all(f'id="{name}"' in page for name in ("business_summary", "quality_vs_cost", "quality_vs_latency"))
    assert "per 1,000 at best, with accuracy 80%" in page
