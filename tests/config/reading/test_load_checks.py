"""Keys of the `load` section that must fit together, and the objectives that others need."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]

OPEN = ("concurrency_levels: [1, 4]", "request_rates: [2]")


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ("{arrival: trace}", "load.trace", "write the file"),
        ("{trace: times.csv}", "load.trace", "write `arrival: trace`"),
        ("{burstiness: 2}", "load.burstiness", "write `arrival: gamma`"),
        ("{ramp: 5, warmup_requests: 0}", "load.ramp", "warmup_requests: 1 or more"),
        ("{max_concurrency: 8}", "load.max_concurrency", "give request_rates"),
        ("{stop_on_saturation: true}", "load.stop_on_saturation", "give request_rates"),
    ],
)
def test_a_closed_loop(mistakes: Mistakes, minimal: str, keys: str, key: str, words: str) -> None:
    found = mistakes(minimal + f"load: {keys}\n")
    assert list(found) == [key]
    assert words in found[key]


@pytest.mark.parametrize("key", ["think_time", "ramp"])
def test_an_open_loop_has_no_slots(mistakes: Mistakes, minimal: str, key: str) -> None:
    found = mistakes(minimal.replace(*OPEN) + f"load: {{{key}: 5}}\n")
    assert list(found) == [f"load.{key}"]
    assert "closed loop" in found[f"load.{key}"]


@pytest.mark.parametrize(
    "keys",
    [
        "{arrival: gamma, burstiness: 2}",
        "{max_concurrency: 8, stop_on_saturation: true}",
        "{stop_on_error_rate: 0.5, connect_timeout: 1, first_byte_timeout: 5, read_timeout: 2}",
        "{until: ci_p95 < 5%, balance: round_robin, keep_raw: true}",
    ],
)
def test_what_fits_an_open_loop(load: Load, minimal: str, keys: str) -> None:
    assert load(minimal.replace(*OPEN) + f"load: {keys}\n").notices == ()


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("report: {slo_attainment_budget: 0.9}\n", "report.slo_attainment_budget"),
        ("load: {find: max_request_rate, subject_to: {goodput: 5}}\n", "load.subject_to.goodput"),
        ("load: {find: max_concurrency, subject_to: {slo_attainment: 0.9}}\n", "load.subject_to.slo_attainment"),
    ],
)
def test_what_is_about_objectives_needs_some(load: Load, mistakes: Mistakes, minimal: str, more: str, key: str) -> None:
    assert "needs objectives" in mistakes(minimal + more)[key]
    assert load(minimal + more + "slo: {latency: 10}\n").notices == ()


def test_objectives_that_no_response_can_show_are_reported(load: Load, minimal: str) -> None:
    silent = minimal + "  inference_spec: {stream: false}\n"
    assert [one.key for one in load(silent + "slo: {tpot: 0.1}\n").notices] == ["experiments[0].inference_spec.stream"]
    assert load(silent + "slo: {latency: 10}\n").notices == ()


def test_objectives_are_seconds_above_0(mistakes: Mistakes, minimal: str) -> None:
    found = mistakes(minimal + "slo: {ttft: fast, latency: -1, tpott: 0.1}\n")
    assert set(found) == {"slo.ttft", "slo.latency", "slo.tpott"}
    assert "did you mean tpot?" in found["slo.tpott"]


def test_repeats_without_levels_to_repeat_are_reported(load: Load, minimal: str) -> None:
    search = minimal.replace(OPEN[0], "concurrency_levels: []")
    find = "find: max_concurrency, subject_to: {latency_p95: 1}"
    assert [one.key for one in load(search + f"load: {{repeats: 3, {find}}}\n").notices] == ["load.repeats"]
    assert load(search + f"load: {{{find}}}\n").notices == ()
    assert load(minimal + f"load: {{repeats: 3, {find}}}\n").notices == ()
