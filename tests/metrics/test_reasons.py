"""Reasons of several levels, told once."""

from __future__ import annotations

import pytest

from fmbench_lib.metrics.reasons import reasons_of, told_once, without_numbers


@pytest.mark.parametrize(
    ("reasons", "once"),
    [
        (["the client read 7 ms late", "the client read 14 ms late"], "the client read 7 to 14 ms late"),
        (["up to 1.2 s (8.5%)", "up to 900 ms (12%)"], "up to 900 ms to 1.2 s (8.5 to 12%)"),
        (["measure 1.6 times as long", "measure 1,203 times as long"], "measure 1.6 to 1,203 times as long"),
        (["p95 of 3 s, 4 of 4 failed", "p95 of 3 s, 2 of 4 failed"], "p95 of 3 s, 2 to 4 of 4 failed"),
        (["only one: measure again", "only one: measure again"], "only one: measure again"),
        (["(p = 1e-05)", "(p = 0.002)"], "(p = 1e-05 to 0.002)"),
        (["requests, 30, of 5.", "requests, 20, of 5."], "requests, 20 to 30, of 5."),
        (["alone 5"], "alone 5"),
    ],
)
def test_the_range_of_each_number(reasons: list[str], once: str) -> None:
    assert len({without_numbers(reason) for reason in reasons}) == 1
    assert told_once(reasons) == once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TTFT p50 of 2 s", "TTFT p99 of 2 s"),
        ("5 http_429", "5 http_500"),
        ("http://127.0.0.1:8000 failed 3", "http://127.0.0.2:8000 failed 3"),
        ("http://h:8000/v1 failed 3", "http://h:8001/v1 failed 3"),
        ("sent 3 late", "read 3 late"),
    ],
)
def test_what_differs_in_more_than_numbers_is_another_reason(one: str, other: str) -> None:
    assert without_numbers(one) != without_numbers(other)


def test_the_reasons_of_a_cell() -> None:
    assert reasons_of("one: do this; two") == ["one: do this", "two"]
    assert reasons_of(None) == []
