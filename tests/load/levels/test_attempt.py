"""Which prompts another attempt at a level gets."""

from __future__ import annotations

from fmbench_lib.load.levels.attempt import deal_again
from fmbench_lib.load.levels.deal import Deal

DEALT = Deal(warmup=(0, 1), measured=(2, 3, 4, 5), asked=4)


def test_what_the_level_has_not_sent_comes_first_then_what_no_level_needs() -> None:
    deal, resent = deal_again(DEALT, 14, sent={0, 1, 2, 3}, reserved={6, 7, 8, 9}, seed="s")
    assert resent == 0
    assert deal.measured[:2] == (4, 5)
    assert {*deal.measured[2:], *deal.warmup} == {10, 11, 12, 13}
    assert (len(deal.measured), len(deal.warmup), deal.asked) == (4, 2, 4)


def test_the_warm_up_goes_without_new_prompts_first() -> None:
    deal, resent = deal_again(DEALT, 10, sent={0, 1, 2, 3, 4, 5}, reserved=set(), seed="s")
    assert (resent, set(deal.measured)) == (0, {6, 7, 8, 9})
    assert {*deal.warmup} <= {0, 1, 2, 3, 4, 5}
    assert len(deal.warmup) == 2


def test_what_is_sent_again_is_counted() -> None:
    deal, resent = deal_again(DEALT, 7, sent={0, 1, 2, 3, 4, 5}, reserved=set(), seed="s")
    assert resent == 3
    assert 6 in deal.measured
    assert len(set(deal.measured)) == 4
    assert not {*deal.warmup} & {*deal.measured}
    nothing, all_again = deal_again(DEALT, 6, sent=set(range(6)), reserved=set(), seed="s")
    assert (all_again, len(nothing.measured), len(nothing.warmup)) == (4, 4, 2)


def test_a_level_that_only_time_ends_gets_as_many_as_at_first() -> None:
    deal, resent = deal_again(Deal((), (2, 3, 4, 5), None), 20, sent={2, 3}, reserved=set(), seed="s")
    assert (len(deal.measured), resent, deal.asked) == (4, 0, None)
    assert deal == deal_again(Deal((), (2, 3, 4, 5), None), 20, sent={2, 3}, reserved=set(), seed="s")[0]
