"""The levels of a config, and how prompts are dealt to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.config import Config, load_config
from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.specs import (
    all_levels,
    deal_prompts,
    levels_of,
    needed_prompts,
    search_of,
    searched_level,
    searches_of,
)
from fmbench_lib.workspace import LevelKey

CONFIG = """
general: {name: test, model_name: m}
datasets:
  filters:
  - {language: en, min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: short.jsonl}
  - {language: en, min_length_in_tokens: 500, max_length_in_tokens: 900, payload_file: long.jsonl}
load: {requests: 10, warmup_requests: 2%s}
slo: {ttft: 0.5}
experiments:
"""
EXPERIMENT = """
- {name: %s, platform: endpoint, protocol: openai, ep_name: "%s", model_id: m, tokenizer: words,
   payload_files: [short.jsonl, long.jsonl], concurrency_levels: [1, 2], request_rates: [0.5, 2]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Config]:
    def make(*experiments: tuple[str, str], load: str = "") -> Config:
        text = CONFIG % load + "".join(EXPERIMENT % one for one in experiments)
        (tmp_path / "c.yml").write_text(text)
        return load_config(tmp_path / "c.yml").config

    return make


ONE = ("one", "http://a/v1/chat/completions")
OTHER = ("other", "http://b/v1/chat/completions")
SAME = ("same", "http://a/v1/chat/completions")


def test_every_payload_file_at_every_load(config: Callable[..., Config]) -> None:
    made = config(ONE)
    levels = levels_of(made, made.experiments[0])
    loads = ["concurrency-1", "concurrency-2", "rate-0.5", "rate-2"]
    assert [level.key for level in levels] == [
        ("one", file, load) for file in ("short.jsonl", "long.jsonl") for load in loads
    ]
    for level in levels:
        assert (level.concurrency is None) != (level.request_rate is None)
        assert (level.warmup, level.most_requests) == (2, 10)


class TestWarmUp:
    """Each slot's first request is one of the warm-up's: it has prompts enough, whatever the config says."""

    SLOTS = ", find: max_concurrency, subject_to: {TTFT_p95: 0.5}, find_levels: 2"

    def warmups(self, made: Config) -> list[int]:
        loads = made.experiments[0].model_copy(update={"concurrency_levels": [1, 16], "request_rates": [2]})
        levels = levels_of(made, loads, {"short.jsonl"})
        counts = {"short.jsonl": 1000}
        deals = deal_prompts(made.model_copy(update={"experiments": [loads]}), counts)
        assert [len(deals[level.key].warmup) for level in levels] == [level.warmup for level in levels]
        return [len(one.warmup) for one in deals.values()]

    def test_closed_loops_have_one_request_for_each_slot(self, config: Callable[..., Config]) -> None:
        assert self.warmups(config(ONE)) == [2, 16, 2]

    def test_a_ramp_sends_its_prompts_again(self, config: Callable[..., Config]) -> None:
        assert self.warmups(config(ONE, load=", ramp: 5")) == [2, 2, 2]

    def test_a_search_has_as_many_as_the_greatest_load_that_it_may_try(self, config: Callable[..., Config]) -> None:
        assert self.warmups(config(ONE, load=f"{self.SLOTS}, find_most: 64")) == [2, 16, 2, 64, 64]
        assert self.warmups(config(ONE, load=f"{self.SLOTS}, find_start: 4")) == [2, 16, 2, 4, 4]
        assert searched_level(config(ONE), config(ONE).experiments[0], "short.jsonl", 8, [4]).warmup == 2

    def test_too_few_prompts_for_it_are_an_error_with_the_number(self, config: Callable[..., Config]) -> None:
        made = config(ONE)
        loads = made.experiments[0].model_copy(update={"concurrency_levels": [30], "request_rates": []})
        made = made.model_copy(update={"experiments": [loads]})
        with pytest.raises(InputError, match=r"needs 40 prompts \(10 \+ 30 warm-up\) and there are 35: 5 are missing"):
            deal_prompts(made, {"short.jsonl": 35})


def test_a_payload_file_that_does_not_exist_has_no_levels(config: Callable[..., Config]) -> None:
    assert {level.payload_file for level in all_levels(config(ONE, OTHER), {"long.jsonl"})} == {"long.jsonl"}


def test_no_prompt_goes_twice_to_one_address(config: Callable[..., Config]) -> None:
    deals = deal_prompts(config(ONE, SAME), {"short.jsonl": 96, "long.jsonl": 200})
    sent = [number for key, one in deals.items() if key[1] == "short.jsonl" for number in (*one.warmup, *one.measured)]
    assert sorted(sent) == list(range(96))


def test_a_server_is_one_by_whatever_path_and_in_whatever_company(config: Callable[..., Config]) -> None:
    other_path = ("path", "http://a/v1/completions")
    several = ("several", "http://c/v1/completions, http://a/v1/completions")
    deals = deal_prompts(config(ONE, OTHER, other_path, several), {"short.jsonl": 4 * 12 * 3})
    sent = {
        name: [number for key, one in deals.items() if key[0] == name for number in (*one.warmup, *one.measured)]
        for name in ("one", "other", "path", "several")
    }
    assert sorted(sent["one"] + sent["path"] + sent["several"]) == list(range(4 * 12 * 3))
    assert len(set(sent["other"])) == 4 * 12


@pytest.mark.parametrize("reuse", ["never", "across_levels", "allowed"])
def test_experiments_with_addresses_of_their_own_are_compared_on_the_same_prompts_in_the_same_order(
    config: Callable[..., Config], reuse: str
) -> None:
    deals = deal_prompts(config(ONE, OTHER, load=f", prompt_reuse: {reuse}"), {"short.jsonl": 60})
    levels = [key for key in deals if key.experiment_name == "one"]
    assert len(levels) == 4
    for key in levels:
        assert deals[key] == deals[key._replace(experiment_name="other")]


@pytest.mark.parametrize("reuse", ["across_levels", "allowed"])
def test_experiments_at_one_address_too_where_prompts_may_be_sent_again(
    config: Callable[..., Config], reuse: str
) -> None:
    deals = deal_prompts(config(ONE, SAME, load=f", prompt_reuse: {reuse}"), {"short.jsonl": 60})
    for key in deals:
        assert deals[key] == deals[key._replace(experiment_name="same")]


class TestRepeats:
    def test_each_level_is_named_as_often_as_it_is_measured(self, config: Callable[..., Config]) -> None:
        made = config(ONE, load=", repeats: 2")
        levels = levels_of(made, made.experiments[0], {"short.jsonl"})
        assert [level.load for level in levels] == [
            *("concurrency-1", "concurrency-1-repeat-2", "concurrency-2", "concurrency-2-repeat-2"),
            *("rate-0.5", "rate-0.5-repeat-2", "rate-2", "rate-2-repeat-2"),
        ]
        assert {(level.warmup, level.most_requests) for level in levels} == {(2, 10)}

    @pytest.mark.parametrize("reuse", ["never", "across_levels", "allowed"])
    def test_repeats_send_other_prompts_and_experiments_the_same(
        self, config: Callable[..., Config], reuse: str
    ) -> None:
        deals = deal_prompts(config(ONE, OTHER, load=f", repeats: 2, prompt_reuse: {reuse}"), {"short.jsonl": 96})
        for load in ("concurrency-2", "rate-0.5"):
            first, again = (deals[LevelKey("one", "short.jsonl", name)] for name in (load, f"{load}-repeat-2"))
            assert first.measured != again.measured
            assert again == deals[LevelKey("other", "short.jsonl", f"{load}-repeat-2")]
            if reuse == "never":
                assert not {*first.warmup, *first.measured} & {*again.warmup, *again.measured}

    def test_they_need_prompts_of_their_own(self, config: Callable[..., Config]) -> None:
        made = config(ONE, load=", repeats: 3")
        assert needed_prompts(made, {"short.jsonl"}) == {"short.jsonl": 3 * 4 * 12}
        with pytest.raises(InputError, match=r"needs 144 prompts \(12 × \(10 \+ 2 warm-up\)\).*: 1 are missing"):
            deal_prompts(made, {"short.jsonl": 143})


def test_too_few_prompts_for_two_experiments_at_one_address(config: Callable[..., Config]) -> None:
    counts = {"short.jsonl": 90, "long.jsonl": 96}
    assert deal_prompts(config(ONE), counts)
    with pytest.raises(InputError, match=r"short.jsonl.*needs 96 prompts.*: 6 are missing"):
        deal_prompts(config(ONE, SAME), counts)


def test_the_order_follows_from_the_configs_seed(config: Callable[..., Config]) -> None:
    made = config(ONE)
    counts = {"short.jsonl": 60}
    other = made.model_copy(update={"general": made.general.model_copy(update={"seed": 2})})
    assert deal_prompts(made, counts) == deal_prompts(made, counts)
    assert deal_prompts(made, counts) != deal_prompts(other, counts)


class TestSearch:
    FIND = ", find: max_request_rate, subject_to: {TTFT_p95: 0.5, slo_attainment: 0.9}, find_levels: 5"

    def test_its_levels_are_not_among_those_that_the_config_names(self, config: Callable[..., Config]) -> None:
        assert all_levels(config(ONE, load=self.FIND)) == all_levels(config(ONE)) != []

    def test_what_is_looked_for(self, config: Callable[..., Config]) -> None:
        search = search_of(config(ONE, load=self.FIND))
        assert search is not None
        assert (search.kind, search.levels, search.start, search.most) == ("max_request_rate", 5, 1.0, None)
        assert [(one.name, one.limit, one.at_least) for one in search.objectives] == [
            ("TTFT_p95", 0.5, False),
            ("slo_attainment", 0.9, True),
            ("error_rate", 0.0, False),
        ]
        assert search_of(config(ONE)) is None

    def test_errors_are_limited_unless_said_otherwise(self, config: Callable[..., Config]) -> None:
        search = search_of(config(ONE, load=", find: max_request_rate, subject_to: {error_rate: 0.02, TTFT_p95: 1}"))
        assert search is not None
        assert [(one.name, one.limit) for one in search.objectives] == [("error_rate", 0.02), ("TTFT_p95", 1.0)]

    def test_each_experiment_and_payload_file_has_one(self, config: Callable[..., Config]) -> None:
        found = searches_of(config(ONE, OTHER, load=self.FIND), {"short.jsonl"})
        assert [(experiment.name, name) for experiment, name in found] == [
            ("one", "short.jsonl"),
            ("other", "short.jsonl"),
        ]

    def test_prompts_are_dealt_to_the_levels_number_whatever_its_load(self, config: Callable[..., Config]) -> None:
        made = config(ONE, load=self.FIND)
        levels = [searched_level(made, made.experiments[0], "short.jsonl", rate, [1, 4, 9]) for rate in (12.5, 61.2)]
        assert [level.key[2] for level in levels] == ["rate-12.5", "rate-61.2"]
        assert levels[0].deal_key == levels[1].deal_key == ("one", "short.jsonl", "search-3")
        deals = deal_prompts(made, {"short.jsonl": 9 * 12})
        assert len(deals) == 4 + 5
        sent = [number for one in deals.values() for number in (*one.warmup, *one.measured)]
        assert sorted(sent) == list(range(9 * 12))

    def test_a_load_that_is_measured_again_has_another_name(self, config: Callable[..., Config]) -> None:
        made = config(ONE, load=self.FIND)
        first, again, third = (
            searched_level(made, made.experiments[0], "short.jsonl", 12.5, earlier)
            for earlier in ([1.0], [1.0, 12.5, 20.0], [1.0, 12.5, 20.0, 12.5])
        )
        assert [level.load for level in (first, again, third)] == [
            "rate-12.5",
            "rate-12.5-repeat-2",
            "rate-12.5-repeat-3",
        ]
        assert {level.request_rate for level in (first, again, third)} == {12.5}
        assert len({level.deal_key for level in (first, again, third)}) == 3

    def test_prompts_for_all_levels_that_it_may_measure_must_be_there(self, config: Callable[..., Config]) -> None:
        with pytest.raises(InputError, match=r"needs 108 prompts \(9 × \(10 \+ 2 warm-up\)\).*: 8 are missing"):
            deal_prompts(config(ONE, load=self.FIND), {"short.jsonl": 100})
