"""What is claimed of two levels, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fmbench_lib.errors import InputError
from fmbench_lib.metrics.comparison.claims import Claim, LevelComparison, RunComparison, compare_levels
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel, Figure
from fmbench_lib.metrics.comparison.conditions import conditions, not_judged
from fmbench_lib.metrics.comparison.matching import matched
from fmbench_lib.metrics.comparison.measures import CLAIMED, MEASURES
from fmbench_lib.metrics.statistics.correlated import State
from fmbench_lib.metrics.statistics.effects import Reading


def level(
    value: float = 1.0, /, *, repeats: int = 3, error: float = 0.01, enough: float = 3.0, **row: Any
) -> ComparedLevel:
    """A level all of whose figures are `value`, each repeat with this error."""
    facts = {
        "experiment_name": "one",
        "payload_file": "all.jsonl",
        "load": "concurrency-4",
        "instance_type": "m7a.xlarge",
        "verdict": "valid",
        "completion_token_count_mean": 100.0,
        "requests": 300,
        "errors": 0,
        **row,
    }
    figures = {name: Figure(value, (Reading(value, error),) * repeats, enough) for name in MEASURES}
    figures["error_rate"] = Figure(facts["errors"] / facts["requests"])
    setup = {"model": row.get("model", "a-model")}
    return ComparedLevel("run", facts, figures, repeats, setup)


def compared(base: ComparedLevel, new: ComparedLevel, *names: str) -> LevelComparison:
    (found,) = compare_levels([(base, new)], names or CLAIMED)
    return found


def claim(base: ComparedLevel, new: ComparedLevel, name: str) -> Claim:
    found = compared(base, new, name).claim(name)
    assert found is not None
    return found


def test_longer_times_are_worse_and_higher_rates_better() -> None:
    found = compared(level(1.0), level(1.2))
    outcomes = {one.measure.name: one.outcome for one in found.claims}
    assert outcomes["latency_p95"] == outcomes["TTFT_p50"] == outcomes["price_per_10k_txn"] == "worse"
    assert outcomes["transactions_per_minute"] == outcomes["completion_token_throughput"] == "better"
    assert outcomes["error_rate"] == "no difference"


def test_equal_levels_show_no_difference_and_say_what_they_could_have_shown() -> None:
    found = claim(level(1.0), level(1.0), "latency_p95")
    assert found.outcome == "no difference"
    assert found.effect is not None
    assert 0.01 < found.effect.visible < 0.05


def test_every_further_claim_makes_each_harder_to_make() -> None:
    one = claim(level(1.0), level(1.03), "latency_p95")
    (together,) = compare_levels([(level(1.0), level(1.03))], ["latency_p95", "TTFT_p95", "TPOT_p95", "ITL_p95"])
    assert [part.p for part in together.claims] == [pytest.approx(4 * (one.p or 0))] * 4


def test_unequal_work_blocks_figures_of_requests_and_offers_those_of_tokens() -> None:
    found = compared(level(1.0), level(1.2, completion_token_count_mean=94.9))
    blocked = {one.measure.name for one in found.claims if one.why_none.startswith("unequal work: 100 against 94.9")}
    assert blocked == {"latency_p50", "latency_p95", "transactions_per_minute", "price_per_10k_txn"}
    assert {one.outcome for one in found.claims if one.measure.name in ("TPOT_p50", "TTFT_p95")} == {"worse"}
    assert "unequal work: 100 against 94.9 output tokens a request; compare TPOT" in found.notes[0]
    assert not compared(level(1.0), level(1.2, completion_token_count_mean=95.1)).claim("latency_p95").why_none  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (level(1.2, verdict="invalid"), "the new level is invalid"),
        (level(1.2, enough=0.4), "too few independent requests: measure 2.5 times as long"),
        (level(1.2, sustainable="no"), "the queue of new grew, so its times only tell how long was measured"),
    ],
)
def test_nothing_is_claimed_of_what_is_not_known(new: ComparedLevel, why: str) -> None:
    found = claim(level(1.0), new, "latency_p95")
    assert (found.outcome, found.why_none, found.p) == ("no claim", why, None)


def test_errors_are_compared_as_shares() -> None:
    found = claim(level(errors=3), level(errors=30), "error_rate")
    # 33 of 600, 4.5 points apart: z = 0.09 / sqrt(0.055 · 0.945 · 2/300 · 600/599) = 4.83
    assert found.outcome == "worse"
    assert found.p == pytest.approx(1.37e-6, rel=0.02)
    assert claim(level(errors=3), level(errors=4), "error_rate").outcome == "no difference"


def test_what_differs_in_the_setup_is_said() -> None:
    found = compared(level(1.0), level(1.0, model="another", verdict="degraded", repeats=1))
    assert found.notes == (
        "model: a-model against another",
        "verdict: valid against degraded",
        "measured once, so this speaks of these runs only: set load.repeats to 3",
    )


class TestMatching:
    """Which levels belong together."""

    def test_the_same_name_file_and_load(self) -> None:
        base = [level(load="concurrency-1"), level(load="concurrency-4")]
        new = [level(load="concurrency-4-repeat-2"), level(load="concurrency-8")]
        found = matched(base, new)
        assert [(one.row["load"], other.row["load"]) for one, other in found.pairs] == [
            ("concurrency-4", "concurrency-4-repeat-2")
        ]
        assert (found.only_base, found.only_new) == (
            ("one · all.jsonl · concurrency-1",),
            ("one · all.jsonl · concurrency-8",),
        )

    def test_the_only_experiments_of_two_runs_whatever_their_names(self) -> None:
        assert len(matched([level()], [level(experiment_name="renamed")]).pairs) == 1

    def test_experiments_of_one_model_and_instance(self) -> None:
        base = [level(), level(experiment_name="b", model="b")]
        new = [level(experiment_name="c", model="b"), level(experiment_name="d", model="other")]
        found = matched(base, new)
        assert [(one.row["experiment_name"], other.row["experiment_name"]) for one, other in found.pairs] == [
            ("b", "c")
        ]

    def test_names_that_are_given(self) -> None:
        levels = [level(), level(experiment_name="two")]
        found = matched(levels, levels, [("one", "two")])
        assert [other.row["experiment_name"] for _, other in found.pairs] == ["two"]
        with pytest.raises(
            InputError, match="--match one=three: the new run has no experiment three, only one and two"
        ):
            matched(levels, levels, [("one", "three")])

    def test_an_experiment_has_one_partner(self) -> None:
        levels = [level(), level(experiment_name="two"), level(experiment_name="three")]
        with pytest.raises(InputError, match="--match: one is paired 2 times; compare its partners one by one"):
            matched(levels, levels, [("one", "two"), ("one", "three")])


class TestConditions:
    """What fails a build."""

    @pytest.mark.parametrize(
        ("text", "new", "broken"),
        [
            ("latency_p95>+5%", 1.2, True),
            ("latency_p95>+5%", 1.04, False),  # significant, but not as much
            ("latency_p95>+0%", 1.01, False),  # more, but not significantly
            ("latency_p95>1.1", 1.2, True),
            ("latency_p95 > 1.3", 1.2, False),
            ("transactions_per_minute<-5%", 0.8, True),
            ("transactions_per_minute<-5%", 1.2, False),
        ],
    )
    def test_a_change_must_be_significant_and_beyond_the_limit(self, text: str, new: float, broken: bool) -> None:
        (rule,) = conditions([text])
        comparison = compared(level(1.0), level(new), rule.name)
        assert (rule.broken_by(comparison) is not None) == broken

    def test_a_rise_from_no_errors_is_beyond_every_share(self) -> None:
        (rule,) = conditions(["error_rate>+50%"])
        assert rule.broken_by(compared(level(), level(errors=30), "error_rate")) is not None

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("latency_p96>+5%", "there is no measure latency_p96; did you mean latency_p95?"),
            ("latency_p95>+5", "a change is a share of the base's value: write %"),
            ("latency_p95=5", "not a condition; write latency_p95>"),
            ("latency_p95>five", "not a condition"),
        ],
    )
    def test_anything_else_is_one_line(self, text: str, said: str) -> None:
        with pytest.raises(InputError, match=said):
            conditions([text])


def with_requests(level: ComparedLevel, middle: float, seed: int) -> ComparedLevel:
    """The level with 300 independent requests in each repeat, about so many seconds long."""
    generator = np.random.default_rng(seed)
    series = tuple(middle * generator.lognormal(0, 0.3, 300) for _ in range(level.repeats))
    return replace(level, series={"latency": series}, states=(State.of(np.zeros(300)),) * level.repeats)


def test_the_whole_distribution_is_compared_where_its_percentiles_are() -> None:
    base, slower = with_requests(level(1.0), 1.0, 1), with_requests(level(1.2), 1.2, 2)
    (found,) = compare_levels([(base, slower)], ["latency_p50", "latency_p95"])
    (ranks,) = found.ranks
    assert ranks.outcome == "worse"
    assert ranks.effect is not None
    assert ranks.effect.longer > 0.6
    assert compare_levels([(base, slower)], ["latency_p95"])[0].ranks == ()
    alike = compare_levels([(base, with_requests(level(1.0), 1.0, 3))], ["latency_p50", "latency_p95"])[0]
    assert alike.ranks[0].outcome == "no difference"


def test_ranks_count_among_the_claims() -> None:
    base, slower = with_requests(level(1.0), 1.0, 1), with_requests(level(1.03), 1.0, 2)
    (found,) = compare_levels([(base, slower)], ["latency_p50", "latency_p95"])
    (alone,) = compare_levels([(base, slower)], ["latency_p50"])
    assert found.claims[0].p == pytest.approx(min(3 * (alone.claims[0].p or 0), 1))


def test_ranks_of_unequal_work_and_of_a_queue_that_grew_are_not_compared() -> None:
    names = ["latency_p50", "latency_p95"]
    base = with_requests(level(1.0), 1.0, 1)
    (unequal,) = compare_levels([(base, with_requests(level(1.0, completion_token_count_mean=50.0), 1, 2))], names)
    assert unequal.ranks[0].why_none.startswith("unequal work")
    growing = replace(with_requests(level(1.0), 1.0, 2), states=(None,) * 3)
    (grew,) = compare_levels([(base, growing)], names)
    assert "grew" in grew.ranks[0].why_none
    assert (grew.ranks[0].outcome, grew.ranks[0].p) == ("no claim", None)


def test_a_condition_is_not_met_by_a_level_that_cannot_be_judged() -> None:
    def said(base: ComparedLevel, new: ComparedLevel, *rules: str, unjudged: tuple[str, ...] = ()) -> list[str]:
        found = RunComparison("old", "fresh", (compared(base, new, "latency_p95", "TTFT_p95"),), unjudged=unjudged)
        return not_judged(found, conditions(rules))

    def without(name: str) -> ComparedLevel:
        known = level()
        return replace(known, figures={**known.figures, name: Figure(None)})

    invalid, rule = level(verdict="invalid"), "latency_p95>+5%"
    name = "one · all.jsonl · concurrency-4"
    assert said(level(), level(), rule) == []
    assert said(level(), invalid, rule) == [f"{name} is invalid in fresh"]
    assert said(level(), invalid) == []
    assert said(invalid, invalid, rule) == said(invalid, level(), rule) == []
    assert said(level(), without("latency_p95"), rule) == [
        "one · all.jsonl · concurrency-4 has no latency p95 in fresh"
    ]
    assert said(level(), without("TTFT_p95"), rule) == said(without("latency_p95"), level(), rule) == []
    assert said(level(), level(), rule, unjudged=("two failed",)) == ["two failed"]
    assert not_judged(RunComparison("old", "fresh", ()), conditions([rule])) == [
        "no level of these runs could be compared"
    ]
