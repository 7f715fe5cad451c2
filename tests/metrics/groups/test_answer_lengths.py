"""How long answers were, how they ended, and what of the prompts was cached."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from fmbench_lib.metrics.level_row import level_row


def row_of(facts, rows):
    return level_row(pd.DataFrame(rows), facts(seconds=100))


def test_the_spread_of_output_tokens(request_row, facts):
    row = row_of(facts, [request_row(n, completion_tokens=float(n + 1)) for n in range(21)])
    assert row["completion_token_count_p5"] == pytest.approx(2.0)  # rank 0.05 * 20 = 1 of 1, 2, 3, …
    assert row["completion_token_count_p95"] == pytest.approx(20.0)
    assert row["completion_token_count_cv"] == pytest.approx(math.sqrt(21 * 22 / 12) / 11)
    one = row_of(facts, [request_row(0)])
    assert math.isnan(one["completion_token_count_cv"])
    unknown = row_of(facts, [request_row(n, completion_tokens=None) for n in range(3)])
    assert math.isnan(unknown["completion_token_count_p95"])


def test_the_share_that_a_limit_ended_is_of_those_that_say_how_they_ended(request_row, facts):
    ended = ["length", "MAX_TOKENS", "stop", "end_turn", None]
    rows = [request_row(n, finish_reason=reason) for n, reason in enumerate(ended)]
    rows.append(request_row(9, finish_reason="length", error="truncated"))  # a failure is none of them
    row = row_of(facts, rows)
    assert (row["length_share"], row["finish_reason_n"]) == (0.5, 4)
    silent = row_of(facts, [request_row(n, finish_reason=None) for n in range(3)])
    assert math.isnan(silent["length_share"])
    assert silent["finish_reason_n"] == 0


@pytest.mark.parametrize("reason", ["LENGTH", "FinishReason.MAX_TOKENS", "max_output_tokens", "max_new_tokens"])
def test_servers_name_the_limit_of_tokens_in_many_ways(request_row, facts, reason):
    rows = [request_row(n, finish_reason=reason) for n in range(2)]
    assert row_of(facts, [*rows, request_row(3, finish_reason="max.stop")])["length_share"] == pytest.approx(2 / 3)


def test_the_cached_share_of_the_prompts(request_row, facts):
    tokens = [(1000.0, 900.0), (500.0, None), (500.0, 100.0)]
    row = row_of(facts, [request_row(n, prompt_tokens=p, cached_tokens=c) for n, (p, c) in enumerate(tokens)])
    assert row["cached_token_share"] == pytest.approx(1000 / 2000)
    assert math.isnan(row_of(facts, [request_row(0)])["cached_token_share"])
    without = [request_row(0, cached_tokens=5.0), request_row(1, prompt_tokens=None, cached_tokens=5.0)]
    assert math.isnan(row_of(facts, without)["cached_token_share"])
