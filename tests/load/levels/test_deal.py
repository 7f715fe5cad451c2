"""Dealing prompts: nothing is sent twice that may not be, and no two levels go through them in the same order."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.deal import Deal, Wanted, deal

LEVELS = [Wanted("concurrency-1", 4, 20), Wanted("concurrency-2", 4, 20), Wanted("rate-1", 4, 20)]


def everything(deals: dict[str, Deal]) -> list[int]:
    return [number for one in deals.values() for number in (*one.warmup, *one.measured)]


class TestNever:
    def test_no_prompt_is_sent_twice(self) -> None:
        sent = everything(deal("p", 72, LEVELS, "never", "1"))
        assert sorted(sent) == list(range(72))

    def test_each_level_has_what_it_asked_for(self) -> None:
        deals = deal("p", 100, LEVELS, "never", "1")
        assert [(len(one.warmup), len(one.measured), one.asked) for one in deals.values()] == [(4, 20, 20)] * 3

    @pytest.mark.parametrize("missing", [1, 7, 72])
    def test_too_few_prompts_are_an_error_with_the_number_that_is_missing(self, missing: int) -> None:
        with pytest.raises(InputError) as caught:
            deal("payload_en.jsonl", 72 - missing, LEVELS, "never", "1")
        assert f"{missing} are missing" in str(caught.value)
        assert str(caught.value).startswith("payload_en.jsonl: load.prompt_reuse `never` needs 72 prompts")
        assert "\n" not in str(caught.value)
        assert deal("payload_en.jsonl", 72, LEVELS, "never", "1")

    def test_levels_that_only_time_ends_share_the_rest(self) -> None:
        levels = [Wanted("a", 2, None), Wanted("b", 2, 10), Wanted("c", 2, None)]
        deals = deal("p", 56, levels, "never", "1")
        assert {name: len(one.measured) for name, one in deals.items()} == {"a": 20, "b": 10, "c": 20}
        assert len(set(everything(deals))) == len(everything(deals)) == 56
        assert deals["a"].asked is None

    @given(
        st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(1, 9)), min_size=1, max_size=5),
        st.integers(min_value=0, max_value=80),
        st.integers(),
    )
    def test_any_levels(self, wants: list[tuple[int, int | None]], prompts: int, seed: int) -> None:
        levels = [Wanted(f"level-{n}", warmup, requests) for n, (warmup, requests) in enumerate(wants)]
        try:
            deals = deal("p", prompts, levels, "never", str(seed))
        except InputError as error:
            missing = int(re.findall(r"(\d+) are missing", str(error))[0])
            assert missing > 0
            assert deal("p", prompts + missing, levels, "never", str(seed))
            with pytest.raises(InputError):
                deal("p", prompts + missing - 1, levels, "never", str(seed))
            return
        sent = everything(deals)
        assert len(sent) == len(set(sent))
        assert set(sent) <= set(range(prompts))
        for level in levels:
            assert len(deals[level.load].warmup) == level.warmup
            assert len(deals[level.load].measured) >= (level.requests or 1)


class TestAcrossLevels:
    def test_a_prompt_comes_once_in_a_level_and_again_in_the_next(self) -> None:
        deals = deal("p", 24, LEVELS, "across_levels", "1")
        for one in deals.values():
            assert sorted((*one.warmup, *one.measured)) == list(range(24))

    def test_no_two_levels_see_the_same_order(self) -> None:
        deals = deal("p", 24, LEVELS, "across_levels", "1")
        for one, other in combinations(deals.values(), 2):
            assert one.measured != other.measured

    @pytest.mark.parametrize("missing", [1, 5, 23])
    def test_the_number_missing_is_the_number_that_helps(self, missing: int) -> None:
        with pytest.raises(InputError, match=rf"needs 24 prompts for concurrency-1.*: {missing} are missing"):
            deal("p", 24 - missing, LEVELS[:1], "across_levels", "1")

    def test_where_time_decides_all_prompts_are_used_and_half_at_most_for_warmup(self) -> None:
        one = deal("p", 6, [Wanted("a", 8, None)], "across_levels", "1")["a"]
        assert (len(one.warmup), len(one.measured)) == (3, 3)


class TestAllowed:
    def test_warmup_still_spends_no_measured_prompt(self) -> None:
        one = deal("p", 10, [Wanted("a", 4, 500)], "allowed", "1")["a"]
        assert (len(one.warmup), len(one.measured), one.asked) == (4, 6, 500)
        assert not set(one.warmup) & set(one.measured)

    def test_a_single_prompt_is_measured_without_warmup(self) -> None:
        one = deal("p", 1, [Wanted("a", 8, 5)], "allowed", "1")["a"]
        assert (one.warmup, one.measured) == ((), (0,))


@pytest.mark.parametrize("reuse", ["never", "across_levels", "allowed"])
def test_the_seed_decides_the_order_and_nothing_else_does(reuse: str) -> None:
    assert deal("p", 72, LEVELS, reuse, "1") == deal("p", 72, LEVELS, reuse, "1")
    assert deal("p", 72, LEVELS, reuse, "1") != deal("p", 72, LEVELS, reuse, "2")


@pytest.mark.parametrize("reuse", ["never", "across_levels", "allowed"])
def test_the_order_is_not_the_files(reuse: str) -> None:
    for one in deal("p", 72, LEVELS, reuse, "1").values():
        assert list(one.measured) != sorted(one.measured)


def test_two_experiments_compared_get_the_same_prompts_in_orders_of_their_own() -> None:
    one = deal("p", 30, [Wanted("llama/p/concurrency-1", 4, 20)], "never", "1/p")
    other = deal("p", 30, [Wanted("qwen/p/concurrency-1", 4, 20)], "never", "1/p")
    assert set(everything(one)) == set(everything(other))
    assert everything(one) != everything(other)
