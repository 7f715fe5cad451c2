"""Dealing prompts: nothing is sent twice that may not be, and no two levels go through them in the same order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.deal import Deal, Wanted, prompts_needed
from fmbench_lib.load.levels.deal import deal as deal_levels

LEVELS = [Wanted("concurrency-1", 4, 20), Wanted("concurrency-2", 4, 20), Wanted("rate-1", 4, 20)]


def deal(payload_file: str, prompts: int, levels: Sequence[Wanted], reuse: str, seed: str) -> dict[str, Deal]:
    """The deals of the levels of one server by their loads."""
    dealt = deal_levels(payload_file, prompts, levels, reuse, seed)
    return {level.load: one for level, one in zip(levels, dealt, strict=True)}


def everything(deals: dict[str, Deal]) -> list[int]:
    return [number for one in deals.values() for number in sent(one)]


def sent(one: Deal) -> tuple[int, ...]:
    return (*one.warmup, *one.measured)


class TestNever:
    def test_no_prompt_is_sent_twice(self) -> None:
        assert sorted(everything(deal("p", 72, LEVELS, "never", "1"))) == list(range(72))

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
        numbers = everything(deals)
        assert len(numbers) == len(set(numbers))
        assert set(numbers) <= set(range(prompts))
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


class TestSeveralServers:
    """Experiments with servers of their own are compared on the same prompts in the same order."""

    @staticmethod
    def at(server: int, *loads: str, requests: int | None = 4) -> list[Wanted]:
        return [Wanted(load, 1, requests, server) for load in loads]

    @pytest.mark.parametrize("reuse", ["never", "across_levels", "allowed"])
    def test_they_get_the_same_prompts_at_the_same_load_whatever_others_they_have(self, reuse: str) -> None:
        levels = [*self.at(0, "c-1", "c-4", "c-4-repeat-2"), *self.at(1, "c-4", "c-8", "c-4-repeat-2")]
        dealt = deal_levels("p", 30, levels, reuse, "1")
        assert dealt[1] == dealt[3]
        assert dealt[2] == dealt[5]
        assert dealt[1].measured != dealt[2].measured

    def test_one_server_is_still_never_sent_a_prompt_twice(self) -> None:
        levels = [*self.at(0, "c-1", "c-4"), *self.at(1, "c-4", "c-8"), *self.at(0, "c-1", "c-4")]
        dealt = deal_levels("p", 20, levels, "never", "1")
        first = [number for index in (0, 1, 4, 5) for number in sent(dealt[index])]
        assert sorted(first) == list(range(20))
        assert len({*sent(dealt[2]), *sent(dealt[3])}) == 10

    def test_loads_of_their_own_cost_no_more_prompts_than_one_server_needs(self) -> None:
        levels = [*self.at(0, "c-1", "c-4"), *self.at(1, "c-4", "c-8"), *self.at(2, "c-16")]
        assert prompts_needed(levels, "never") == 10
        assert prompts_needed(levels, "across_levels") == 5
        assert prompts_needed(levels, "allowed") == 1

    def test_where_only_time_ends_them_they_share_the_rest_alike(self) -> None:
        levels = [*self.at(0, "c-1", "c-4", requests=None), *self.at(1, "c-4", requests=None)]
        dealt = deal_levels("p", 20, levels, "never", "1")
        assert [len(one.measured) for one in dealt] == [9, 9, 9]
        assert dealt[1] == dealt[2]

    def test_loads_that_only_some_have_may_need_more_than_any_one_server(self) -> None:
        pairs = [self.at(0, "a", "b"), self.at(1, "b", "c"), self.at(2, "a", "c")]
        levels = [level for pair in pairs for level in pair]
        with pytest.raises(InputError, match=r"needs 15 prompts \(for the same prompts .*: 1 are missing"):
            deal_levels("p", 14, levels, "never", "1")
        dealt = deal_levels("p", 15, levels, "never", "1")
        assert (dealt[0], dealt[1], dealt[3]) == (dealt[4], dealt[2], dealt[5])
        assert len(set(everything({"a": dealt[0], "b": dealt[1], "c": dealt[3]}))) == 15
        timed = [Wanted(level.load, 1, None, level.server) for level in levels]
        assert {len(one.measured) for one in deal_levels("p", 30, timed, "never", "1")} == {9}
