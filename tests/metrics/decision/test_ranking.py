"""Experiments beside each other: what is cheaper, what ties, what is not the same work, what cannot be sustained."""

from __future__ import annotations

import json

import pytest

from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.decision.recommend import recommendations

BUDGETS = Budgets(latency_budget=2.0)


def level(name, price, tokens=100.0, **more):
    return {"experiment_name": name, "price_per_txn": price / 1e4, "completion_token_count_mean": tokens, **more}


def test_one_cheaper_by_a_tenth_one_equal_one_saturated_one_truncating(summary_of):
    found = decide(
        summary_of(
            level("usual", 1.0),
            level("equal", 1.01),
            level("cheaper", 0.9),
            level("saturated", 0.5, concurrency=None, request_rate=40.0, sustainable="no", latency_p95=1.9),
            level("truncating", 0.45, tokens=20.0),
        ),
        BUDGETS,
    )
    assert found.winner["experiment_name"] == "cheaper"
    assert found.ranked_by == "price_per_output_token"
    assert found.runner_up["experiment_name"] == "usual"
    assert found.tied == ()
    assert found.text == (
        "Unequal work: cheaper answers with 100 output tokens on average, truncating with 20, so prices per output "
        "token are compared. cheaper on g5.xlarge at concurrency 1 is the cheapest per output token of 4 levels that "
        "meet every budget and keep up with their load (latency p95 ≤ 2 s) for payload_en_1-500.jsonl: latency p95 1 s "
        "(95% CI 0.9 to 1.1 s), 60 transactions/minute, 0.90 USD per 10,000 transactions, 0.90 USD per 1,000,000 "
        "output tokens; next comes usual on g5.xlarge at concurrency 1 with 1.00 USD per 1,000,000 output tokens "
        "(11% more); by transactions alone truncating on g5.xlarge at concurrency 1 would be the cheapest, with 0.45 "
        "USD per 10,000 transactions; saturated on g5.xlarge at 40 requests/s would have been the cheapest per output "
        "token, with 0.50 USD per 1,000,000 output tokens, but its queue grew: such a load cannot be sustained."
    )
    json.dumps(found.to_dict(), allow_nan=False)


def test_prices_within_5_percent_tie_and_both_are_named(summary_of):
    found = decide(summary_of(level("a", 1.04), level("b", 1.0), level("c", 1.06)), BUDGETS)
    assert found.winner["experiment_name"] == "b"
    assert [row["experiment_name"] for row in found.tied] == ["a"]
    assert found.text.startswith(
        "b on g5.xlarge at concurrency 1 and a on g5.xlarge at concurrency 1 tie as the cheapest of 3 levels that meet "
        "every budget (latency p95 ≤ 2 s) for payload_en_1-500.jsonl, as their prices are within 5% of each other: "
        "b: latency p95 1 s"
    )
    assert "; a: latency p95 1 s" in found.text


@pytest.mark.parametrize(
    ("ends", "tied"), [((0.95, 1.05, 1.04, 1.2), True), ((0.99, 1.01, 1.02, 1.04), False), ((0.5, 1.5, 1.2, 9.0), True)]
)
def test_intervals_decide_where_there_are_some(summary_of, ends, tied):
    names = ("price_per_10k_txn_low", "price_per_10k_txn_high")
    ours, theirs = dict(zip(names, ends[:2], strict=True)), dict(zip(names, ends[2:], strict=True))
    found = decide(summary_of(level("a", 1.0, **ours), level("b", 1.03, **theirs)), BUDGETS)
    assert bool(found.tied) is tied
    assert ("the 95% intervals of their prices overlap" in found.text) is tied
    assert (
        "next comes b on g5.xlarge at concurrency 1 with 1.03 USD per 10,000 transactions" in found.text
    ) is not tied
    assert f"1.00 USD per 10,000 transactions (95% CI {ends[0]:.2f} to {ends[1]:.2f} USD)" in found.text


def test_levels_of_one_experiment_neither_tie_nor_are_unequal(summary_of):
    found = decide(summary_of(level("a", 1.0), level("a", 1.01, tokens=50.0, concurrency=2)), BUDGETS)
    assert (found.tied, found.runner_up, found.ranked_by) == ((), None, "price")
    assert "Unequal" not in found.text


@pytest.mark.parametrize(
    ("tokens", "unequal"), [(95.0, False), (94.0, True), (106.0, True), (None, False), (0.0, False)]
)
def test_more_than_5_percent_in_output_tokens_is_unequal_work(summary_of, tokens, unequal):
    found = decide(summary_of(level("a", 1.0), level("b", 2.0, tokens=tokens)), BUDGETS)
    assert found.text.startswith("Unequal work: ") is unequal
    assert ("it is the cheapest too" in found.text) is unequal
    assert found.winner["experiment_name"] == "a"


def test_short_answers_are_not_the_cheapest(summary_of):
    found = decide(summary_of(level("long", 1.0, tokens=100.0), level("short", 0.5, tokens=20.0)), BUDGETS)
    assert found.winner["experiment_name"] == "long"
    assert found.text.startswith("Unequal work: long answers with 100 output tokens on average, short with 20")
    assert "short on g5.xlarge at concurrency 1 with 2.50 USD per 1,000,000 output tokens (150% more)" in found.text


def test_without_prices_throughput_ties_and_is_counted_in_tokens_too(summary_of):
    unpriced = {"price_per_txn": None, "price_note": "no price listed for x"}
    rows = [level("a", 0, transactions_per_minute=100.0), level("b", 0, transactions_per_minute=98.0)]
    found = decide(summary_of(*(row | unpriced for row in rows)), BUDGETS)
    assert "tie as the one with the most transactions per minute of 2 levels" in found.text
    rows = [level("a", 0, transactions_per_minute=100.0), level("b", 0, tokens=20.0, transactions_per_minute=300.0)]
    found = decide(summary_of(*(row | unpriced for row in rows)), BUDGETS)
    assert (found.winner["experiment_name"], found.ranked_by) == ("a", "output_token_throughput")
    assert "a on g5.xlarge at concurrency 1 completes the most output tokens per minute of 2 levels" in found.text
    assert "with 6,000 output tokens/minute (40% fewer)" in found.text
    assert "nothing can be said about cost (no price listed for x)" in found.text


def test_a_level_whose_queue_grew_never_wins(summary_of):
    found = decide(summary_of(level("a", 1.0, sustainable="no"), level("b", 9.0, sustainable="yes")), BUDGETS)
    assert found.winner["experiment_name"] == "b"
    assert "is the only one of 2 levels that meets every budget and keeps up with its load" in found.text
    assert "a on g5.xlarge at concurrency 1 would have been the cheapest, with 1.00 USD" in found.text
    dearer = decide(summary_of(level("a", 10.0, sustainable="no"), level("b", 9.0, sustainable="yes")), BUDGETS)
    assert "queue grew" not in dearer.text


def test_a_level_that_was_too_short_to_tell_never_wins(summary_of):
    short = level("a", 1.0, sustainable="unknown", sustainable_longer=3.21)
    found = decide(summary_of(short, level("b", 9.0, sustainable="yes")), BUDGETS)
    assert found.winner["experiment_name"] == "b"
    why = "window is too short to tell if its load can be sustained: measure 3.3 times as long"
    would = "a on g5.xlarge at concurrency 1 would have been the cheapest, with 1.00 USD per 10,000 transactions"
    assert f"{would}, but its {why}" in found.text
    alone = decide(summary_of(short), BUDGETS)
    assert alone.winner is None
    assert alone.text.endswith(f"nearest comes a on g5.xlarge at concurrency 1, whose {why}.")


def test_where_every_queue_grew_nothing_is_recommended(summary_of):
    summary = summary_of(level("a", 1.0, sustainable="no"), level("b", 2.0, sustainable="no", latency_p95=3.0))
    for budgets, limits in ((BUDGETS, "latency p95 ≤ 2 s"), (Budgets(), "no budget was set")):
        found = decide(summary, budgets)
        assert found.winner is None
        assert found.nearest["experiment_name"] == "a"
        assert f"meets every budget and keeps up with its load ({limits}; 2 judged): nearest comes a" in found.text
        assert found.text.endswith("whose queue grew: such a load cannot be sustained.")
    sustained = decide(summary_of(level("a", 1.0, sustainable="no"), level("b", 2.0, latency_p95=9.0)), BUDGETS)
    assert sustained.nearest["experiment_name"] == "b"


def prompts(name, price, count, tokens=100.0, **more):
    return level(name, price, tokens, prompt_token_count_mean=count, **more)


def test_short_prompts_are_not_the_cheapest_and_it_is_said_first(summary_of):
    found = decide(summary_of(prompts("long", 2.0, 1000.0), prompts("short", 0.5, 100.0)), BUDGETS)
    assert (found.winner["experiment_name"], found.ranked_by) == ("long", "price_per_token")
    assert found.text.startswith(
        "Unequal work: long gets prompts of 1,000 tokens on average, short of 100, so prices per token of prompt and "
        "output are compared. long on g5.xlarge at concurrency 1 is the cheapest per token of prompt and output of 2"
    )
    assert "2.00 USD per 10,000 transactions, 0.18 USD per 1,000,000 tokens; next comes short" in found.text
    assert "with 0.25 USD per 1,000,000 tokens (37% more)" in found.text  # 0.5/200 to 2/1,100
    assert "by transactions alone short on g5.xlarge at concurrency 1 would be the cheapest, with 0.50" in found.text


@pytest.mark.parametrize(
    ("ours", "theirs", "outputs", "unequal"),
    [
        (100.0, 200.0, 100.0, True),
        (100.0, 199.0, 100.0, False),  # one tokenizer may well make twice as many of a text as another
        (5.0, 50.0, 840.0, True),  # 45 of 890 tokens
        (5.0, 50.0, 900.0, False),  # most of the work is the answers
        (100.0, None, 100.0, False),
        (1000.0, 100.0, None, False),  # without outputs no price per token is known
    ],
)
def test_prompts_are_unequal_by_twofold_and_more_than_5_percent_of_all_tokens(
    summary_of, ours, theirs, outputs, unequal
):
    rows = prompts("a", 1.0, ours, tokens=outputs), prompts("b", 2.0, theirs, tokens=outputs)
    found = decide(summary_of(*rows), BUDGETS)
    assert found.winner["experiment_name"] == "a"
    assert found.text.startswith("Unequal work: ") is unequal
    assert (found.ranked_by == "price_per_token") is unequal


def test_where_outputs_differ_too_output_tokens_decide_and_both_are_said(summary_of):
    rows = prompts("a", 1.0, 1000.0, tokens=100.0), prompts("b", 0.5, 100.0, tokens=20.0)
    found = decide(summary_of(*rows), BUDGETS)
    assert (found.winner["experiment_name"], found.ranked_by) == ("a", "price_per_output_token")
    assert found.text.startswith(
        "Unequal work: a answers with 100 output tokens on average, b with 20; a gets prompts of 1,000 tokens on "
        "average, b of 100, so prices per output token are compared. "
    )


@pytest.mark.parametrize(("tokens", "said"), [(945.0, False), (944.0, True), (501.0, True), (500.0, False)])
def test_what_other_tokenizers_may_count_is_said_and_transactions_are_compared(summary_of, tokens, said):
    found = decide(summary_of(prompts("a", 1.0, 1000.0), prompts("b", 0.9, tokens)), BUDGETS)
    assert found.ranked_by == ("price" if tokens > 500 else "price_per_token")
    assert ("Perhaps" in found.text) is said
    counts = (
        f"Perhaps unequal work: b counts {tokens:.0f} tokens a prompt, a 1,000, which other tokenizers may explain;"
    )
    assert found.text.startswith(f"{counts} prices are compared. b on g5.xlarge at concurrency 1 is the") is said


def test_throughput_is_compared_by_all_tokens_where_prompts_differ(summary_of):
    unpriced = {"price_per_txn": None, "price_note": "no price listed for x"}
    rows = [
        prompts("a", 0, 1000.0, transactions_per_minute=50.0),
        prompts("b", 0, 100.0, transactions_per_minute=100.0),
    ]
    found = decide(summary_of(*(row | unpriced for row in rows)), BUDGETS)
    assert (found.winner["experiment_name"], found.ranked_by) == ("a", "token_throughput")
    assert "a on g5.xlarge at concurrency 1 completes the most tokens of prompt and output per minute" in found.text
    assert "55,000 tokens/minute; next comes b on g5.xlarge at concurrency 1 with 20,000 tokens/minute" in found.text


def test_the_interval_of_a_price_per_token_is_that_of_the_price(summary_of):
    ends = {"price_per_10k_txn_low": 1.8, "price_per_10k_txn_high": 2.2}
    wide = {"price_per_10k_txn_low": 0.3, "price_per_10k_txn_high": 0.7}
    found = decide(summary_of(prompts("a", 2.0, 1000.0, **ends), prompts("b", 0.5, 100.0, **wide)), BUDGETS)
    assert [row["experiment_name"] for row in found.tied] == ["b"]  # 0.16 to 0.20 and 0.15 to 0.35 per 1,000,000
    assert "the 95% intervals of their prices per token of prompt and output overlap" in found.text


def test_the_reason_for_comparing_tokens_is_said_of_those_that_differ(summary_of):
    """By output token `middle` is first, and less than 5% from either of the others, which are 6% apart."""
    rows = level("b", 0.95, tokens=94.0), level("middle", 0.96, tokens=97.0), level("a", 1.2, tokens=100.0)
    found = decide(summary_of(*rows), BUDGETS)
    assert (found.winner["experiment_name"], found.ranked_by) == ("middle", "price_per_output_token")
    assert found.text.startswith("Unequal work: b answers with 94 output tokens on average, a with 100, so prices")


def test_cold_beside_cached_is_said_first(summary_of):
    cold = level("cold", 3.19, cached_token_count_mean=0.0)
    cached = level("cached", 1.52, cached_token_count_mean=94.0)
    found = decide(summary_of(cold, cached), BUDGETS)
    words = "94% of its prompt tokens came from the server's cache, 0% of those of cold: they are not the same work"
    assert found.text.startswith(f"Unequal work: cached was warmer, as {words}. cached on g5.xlarge")
    for tokens in (80.0, None):
        warm = decide(summary_of(cached, level("warm", 2.0, cached_token_count_mean=tokens)), BUDGETS)
        assert "not the same work" not in warm.text


def test_what_is_doubtful_of_each_level_that_is_named(summary_of):
    rows = level("a", 1.0, verdict="degraded", price_verified=False), level("b", 1.01, price_verified=False)
    found = decide(summary_of(*rows), BUDGETS)
    assert found.text.endswith("; its measurement is degraded and the prices of a and b are unverified.")
    found = decide(summary_of(level("a", 1.0), level("b", 2.0, verdict="degraded")), BUDGETS)
    assert found.text.endswith("; the measurement of b is degraded.")


def test_recommendations_follow_the_same_rules(summary_of):
    def recommended(*rows):
        return recommendations(summary_of(*rows), BUDGETS)["recommendation"][0]

    fast, slow = {"transactions_per_minute": 90.0}, {"transactions_per_minute": 60.0}
    grew = recommended(level("a", 1.0, sustainable="no", **fast), level("b", 1.0, **slow))
    assert grew.startswith("Concurrency 1 of b gets the most done")
    short = recommended(level("a", 1.0, tokens=20.0, **fast), level("b", 1.0, **slow))
    assert short.startswith(
        "Unequal work: b answers with 100 output tokens on average, a with 20, so output tokens per"
    )
    assert "Concurrency 1 of b gets the most done" in short
    tie = recommended(level("a", 1.0, **fast), level("b", 1.0, transactions_per_minute=88.0))
    assert "; concurrency 1 of b gets as much done, within 5%" in tie
    doubtful = recommended(level("a", 1.0, verdict="degraded", price_verified=False))
    assert doubtful.endswith("; its measurement is degraded; its price is unverified.")


def test_every_level_that_was_far_warmer_is_said_not_the_next_alone(summary_of):
    near = level("next", 1.5, cached_token_count_mean=85.0)
    warm, cold = level("warm", 1.0, cached_token_count_mean=90.0), level("cold", 3.0, cached_token_count_mean=0.0)
    found = decide(summary_of(warm, near, cold), BUDGETS)
    assert found.unlike_cache["experiment_name"] == "cold"
    assert found.text.startswith(
        "Unequal work: warm was warmer, as 90% of its prompt tokens came from the server's cache"
    )
    failed = decide(summary_of(warm, near, cold | {"latency_p95": 9.0}), BUDGETS)
    assert (failed.unlike_cache, failed.text.startswith("warm on")) == (None, True)  # nobody compares it


def test_a_level_that_the_one_before_has_warmed_up_is_not_the_same_work(summary_of):
    first = level("a", 1.0, cached_token_count_mean=0.0)
    second = level("a", 0.4, concurrency=4, cached_token_count_mean=94.0)
    found = decide(summary_of(first, second), BUDGETS)
    assert found.winner["concurrency"] == 4
    assert found.text.startswith(
        "Unequal work: a was warmer, as 94% of its prompt tokens came from the server's cache, 0% at concurrency 1: "
        "they are not the same work. a on g5.xlarge at concurrency 4 is the cheapest"
    )


def test_a_percentile_that_has_a_budget_is_shown_with_what_is_known_of_it(summary_of):
    budgets = Budgets(budgets={"latency_p99": 2.0, "TTFT_p95": 0.5})
    rows = level("a", 1.0, latency_p99=1.9, TTFT_p95=0.4, TTFT_p95_low=0.3, TTFT_p95_high=0.45)
    found = decide(summary_of(rows), budgets)
    shown = (
        "latency p99 ≈ 1.9 s (n = 100, too few for a confidence interval), TTFT p95 0.4 s (95% CI 0.3 to 0.45 s), 60"
    )
    assert shown in found.text
    sure = brief_of(found.to_dict()).how_sure
    assert sure.startswith("Not sure: its latency p99 has no confidence interval; ")


def test_where_one_price_alone_has_an_interval_the_other_ties_inside_it(summary_of):
    ends = {"price_per_10k_txn_low": 0.9, "price_per_10k_txn_high": 1.1}
    for price, tied in ((1.09, True), (1.11, False)):
        found = decide(summary_of(level("a", 1.0, **ends), level("b", price)), BUDGETS)
        assert bool(found.tied) is tied
        assert ("their prices are within the 95% interval of one of them" in found.text) is tied


def test_rates_tie_by_their_intervals_too(summary_of):
    def rate(name, value, low, high):
        ends = {"transactions_per_minute_low": low, "transactions_per_minute_high": high}
        return level(name, 0, transactions_per_minute=value, price_note="none", **ends) | {"price_per_txn": None}

    apart = decide(summary_of(rate("a", 100.0, 99.0, 101.0), rate("b", 97.0, 96.0, 98.0)), BUDGETS)
    assert (apart.winner["experiment_name"], apart.tied) == ("a", ())
    rows = summary_of(rate("a", 100.0, 80.0, 120.0), rate("b", 85.0, 70.0, 100.0))
    found = decide(rows, BUDGETS)
    assert [row["experiment_name"] for row in found.tied] == ["b"]
    assert "the 95% intervals of their transactions per minute overlap" in found.text
    assert (
        "concurrency 1 of b gets as much done, by their 95% intervals"
        in (recommendations(rows, BUDGETS)["recommendation"][0])
    )


def test_a_recommendation_names_what_is_degraded_of_all_levels_that_tie(summary_of):
    rows = level("a", 1.0), level("b", 1.0, transactions_per_minute=59.0, verdict="degraded")
    text = recommendations(summary_of(*rows), BUDGETS)["recommendation"][0]
    assert text.endswith("; concurrency 1 of b gets as much done, within 5%; the measurement of b is degraded.")


def test_rates_are_those_of_an_instance(summary_of):
    """Two instances do more than one, and each of them less."""
    two = level("two", 1.0, transactions_per_minute=100.0, instance_count=2)
    one = level("one", 1.0, transactions_per_minute=92.0)
    text = recommendations(summary_of(two, one), BUDGETS)["recommendation"][0]
    assert text.startswith(
        "Concurrency 1 of one gets the most done per instance within the budgets (latency p95 ≤ 2 s)"
    )
    more = two | {"transactions_per_minute": 200.0}
    text = recommendations(summary_of(more, one), BUDGETS)["recommendation"][0]
    assert text.startswith("Concurrency 1 of two on 2 instances gets the most done per instance")
    unpriced = {"price_per_txn": None, "price_note": "no price listed for x"}
    found = decide(summary_of(two | unpriced, one | unpriced), BUDGETS)
    assert found.winner["experiment_name"] == "one"
    assert "one on g5.xlarge at concurrency 1 completes the most transactions per minute per instance" in found.text
    assert "with 50 transactions/minute per instance (46% fewer)" in found.text
