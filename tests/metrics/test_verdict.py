"""What makes a level degraded or invalid, and what does not."""

from __future__ import annotations

import json

import pytest

from fmbench_lib.metrics.finding import Remedy, as_long, factor_in, remedy_in, remedy_of
from fmbench_lib.metrics.reasons import REASON_SEPARATOR
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.metrics.verdict import verdict, verdict_columns

GOOD = {
    "requests": 400,
    "successes": 400,
    "error_rate": 0.0,
    "window_s": 60.0,
    "latency_p50": 1.0,
    "TTFT_p50": 0.2,
    "ITL_p50": 0.01,
    "ITL_p95": 0.02,
    "TTFT_p95": 0.4,
    "TTFT_p99": 0.5,
    "latency_p95": 1.5,
    "latency_p99": 2.0,
    "client_lag_p99": 0.001,
    "schedule_lag_p99": 0.001,
    "client_cpu_max": 0.3,
    "concurrency": 8,
    "mean_in_flight": 7.95,
    "stamp_source": "kernel",
    "clock_step_s": 0.0001,
    "negative_times": 0,
    "latency_drift": 0.02,
    "latency_drift_p": 0.5,
    "stop_reason": "requests",
    "requested": 400,
    "requests_outside_window": 0,
    "token_source": "server",
    "prompt_token_n": 400,
    "completion_token_n": 400,
}


def remarked(**counts: int) -> dict[str, str]:
    return {"remarks": json.dumps(counts)}


CAPPED = {"concurrency": None, "scheduled_rate": 10.0, "max_concurrency": 64, "requests": 400}
THINKING = {"think_time": 1.0, "busy_s_mean": 1.0}
HERE = {"host_machine": "endpoint", "host_cores": 2, "host_cores_busy": 1.95, "host_cpu_waiting": 0.6}
CROWDED = HERE | {"host_cores_others": 1.2, "host_cores_others_p95": 1.4}
CACHED = {"prompt_reuse": "never", "prompt_token_count_mean": 400.0}


def test_a_good_level_is_valid_and_needs_no_reason():
    found = verdict(GOOD)
    assert (found.verdict, found.reasons, found.client_limited) == ("valid", (), False)


def test_few_buffered_responses_are_no_wonder():
    assert verdict(GOOD | remarked(buffered=8) | {"buffered_share": 0.02}).reasons == ()


@pytest.mark.parametrize(
    ("change", "expected", "client", "words"),
    [
        ({"requests": 0, "successes": 0}, "invalid", False, "nothing was measured"),
        ({"successes": 0, "error_rate": 1.0}, "invalid", False, "none of 400 requests succeeded"),
        ({"successes": 71, "prompt_token_n": 71, "completion_token_n": 71}, "degraded", False, "measure at least 72"),
        ({"window_s": None}, "degraded", False, "no length"),
        ({"window_s": 9.9}, "degraded", False, "at least 10 s"),
        ({"latency_p50": 20.0, "TTFT_p50": 0.2}, "degraded", False, "at least 100 s"),
        ({"error_rate": 0.02}, "degraded", False, "2.0% of the requests failed"),
        ({"error_rate": 0.5}, "invalid", False, "50.0% of the requests failed"),
        # 11 ms of 200 are 5.5%, 24 of 400 are 6%: the worse of both is named
        (
            {"TTFT_p50_client_error": 0.011, "TTFT_p95_client_error": 0.024},
            "degraded",
            True,
            "may make TTFT p95 of 400 ms up to 24 ms (6.0%) too long (at p99 it sent 1 ms late and read 1 ms late)",
        ),
        ({"TTFT_p50_client_error": 0.051}, "invalid", True, "TTFT p50 of 200 ms up to 51 ms (25.5%) too long"),
        ({"latency_p99_client_error": 0.12}, "degraded", True, "latency p99 of 2 s up to 120 ms (6.0%) too long"),
        ({"TTFT_p50": None, "latency_p50_client_error": 0.3}, "invalid", True, "latency p50 of 1 s up to 300 ms"),
        ({"ITL_p95_client_error": 0.006}, "degraded", True, "may put ITL p95 of 20 ms off by up to 6 ms (30.0%)"),
        ({"ITL_p95_client_error": 0.019}, "degraded", True, "up to 19 ms (95.0%)"),  # TTFT may still be right
        ({"TTFT_p50_client_error": 0.02}, "degraded", True, "its busiest worker used 30% of a core, so more of them"),
        ({"TTFT_p50_client_error": 0.02, "client_cpu_max": 0.97}, "degraded", True, "too long (at p99 it sent 1 ms"),
        (
            {"retried": 6, "resend_wait_max": 0.035},
            "degraded",
            False,
            "6 of 400 requests were sent again, as the endpoint had closed their idle connection, which added up to 35",
        ),
        ({"client_cpu_max": 0.95}, "degraded", True, "95% of its core"),
        ({"mean_in_flight": 7.5}, "degraded", True, "7.5 requests were in flight of 8 asked"),
        ({"mean_in_flight": 6.0}, "invalid", True, "6 requests were in flight of 8 asked"),
        ({"mean_in_flight": 4.0, "error_rate": 0.005}, "degraded", False, "failing requests leave gaps"),
        ({"concurrency": None, "scheduled_rate": 8.0, "requests": 400}, "degraded", True, "of 8 scheduled"),
        (
            {"requested": 5, "requests": 5, "mean_in_flight": 4.0},
            "degraded",
            False,
            "5 requests cannot keep 8 in flight",
        ),
        (
            CAPPED | {"cap_wait_mean": 2.5},
            "degraded",
            False,
            "the cap of 64 in flight was reached and the others waited 2.5 s",
        ),
        (CAPPED | {"cap_wait_mean": 0.0}, "degraded", True, "its busiest worker used 30% of a core"),
        (CAPPED | {"cap_wait_mean": 0.0, "client_cpu_max": None}, "degraded", True, "use a less busy client"),
        (CROWDED, "degraded", False, "something else used 1.2 of 2 cores during the level, and processes waited"),
        (
            CROWDED | {"host_cores_others": 0.1},
            "degraded",
            False,
            "used 0.1 of 2 cores during the level (1.4 at",
        ),
        (CROWDED | {"host_cpu_waiting": None}, "degraded", False, "of 2 cores during the level, so its times"),
        (HERE | {"host_cpu_stolen": 0.08}, "degraded", False, "the hypervisor gave 8.0% of the machine's CPU time"),
        (HERE | {"host_cpu_throttled": 0.3}, "degraded", False, "(cgroup) kept processes from running 30.0% of"),
        (
            {"long_requests": 1, "long_requests_share": 0.43, "latency_max": 30.0},
            "degraded",
            False,
            "1 of 400 requests took more than 5 times the p95 of all (latency: up to 30 s) and 43% of all time in",
        ),
        (
            {"window_s": 45.0, "silence_max": 8.0, "silence_plausible": 0.3},
            "degraded",
            False,
            "sent nothing for 8 s while requests were in flight, 18% of the window, where the others make 300",
        ),
        # a slot that thinks 1 s after each answer of 1 s is in flight half of the time
        (THINKING | {"mean_in_flight": 7.95}, "invalid", True, "7.95 requests were in flight of 4 asked"),
        (THINKING | {"mean_in_flight": 3.7}, "degraded", True, "3.7 requests were in flight of 4 asked"),
        ({"stop_reason": "error_rate", "stop_note": "9 of 9 failed"}, "degraded", False, "early, as 9 of 9 failed"),
        ({"stop_reason": "saturation", "stop_note": "a queue grew"}, "degraded", False, "did not keep up"),
        (
            {"stop_reason": "duration", "until": "ci_p95 within 5%"},
            "degraded",
            False,
            "before ci_p95 within 5% was known",
        ),
        (CACHED | {"cached_token_count_mean": 204.0}, "degraded", False, "took 51% of their tokens from its cache"),
        ({"stamp_source": "user"}, "degraded", False, "not from the kernel"),
        ({"stamp_source": "kernel+user"}, "degraded", False, "not from the kernel alone"),
        ({"clock_step_s": 0.005}, "degraded", False, "the clock was set by 5 ms"),
        ({"clock_step_s": -0.05}, "invalid", False, "the clock was set by 50 ms"),
        ({"clock_step_s": 3600.0}, "invalid", False, "the clock was set by 3,600 s"),
        ({"client_suspended_s": 2100.0}, "invalid", True, "machine was suspended for 2,100 s during the level"),
        ({"client_stopped_s": 20.0}, "invalid", True, "a load worker did not run for 20 s, 33% of the window"),
        ({"client_stopped_s": 2.4}, "degraded", True, "did not run for 2.4 s, 4% of the window"),
        ({"client_stopped_s": 2.7, "window_s": None}, "invalid", True, "did not run for 2.7 s, as it was stopped"),
        ({"parts": 2, "parts_gap_s": 2100.0}, "valid", False, "measured in 2 parts with 2,100 s between them"),
        ({"negative_times": 2}, "invalid", False, "2 times are negative"),
        ({"latency_drift": 0.3, "latency_drift_p": 0.001}, "degraded", False, "latency rose by 30%"),
        ({"throughput_drift": -0.4, "throughput_drift_p": 0.002}, "degraded", False, "throughput fell by 40%"),
        (
            {"concurrency": None, "sustainable": "no", "in_flight_start": 18, "in_flight_end": 26},
            "degraded",
            False,
            "requests in flight grew from 18 to 26",
        ),
        ({"littles_law": 0.2}, "degraded", False, "7.95 requests in flight are 20.0% more than their rate"),
        ({"littles_law": -0.04}, "degraded", False, "4.0% fewer"),
        ({"concurrency": None, "steady": False}, "degraded", False, "never became steady"),
        ({"latency_longer": 12.5, "latency_effective_n": 19.2}, "valid", False, "tell as much as 19 independent ones"),
        ({"latency_longer": 3.0, "latency_effective_n": 861.0}, "valid", False, "too few independent states"),
        ({"latency_longer": 1.52, "latency_effective_n": 158.0}, "valid", False, "measure 1.6 times as long"),
        ({"stop_reason": "prompts", "requested": 500}, "degraded", False, "ran out after 400 requests of 500 asked"),
        ({"stop_reason": "interrupted"}, "degraded", False, "interrupted"),
        ({"requests_outside_window": 3}, "degraded", False, "outside the window"),
        ({"token_source": "server+tokenizer"}, "degraded", False, "several ways (server+tokenizer)"),
        ({"completion_token_source": "server+words"}, "degraded", False, "several ways (server+words)"),
        ({**remarked(buffered=200), "buffered_share": 0.5}, "degraded", False, "buffers the stream: in 200 of 400"),
        (remarked(not_streamed=400), "degraded", False, "streaming was asked for and ignored by the server"),
        (remarked(no_answer=40), "degraded", False, "no answer in 40 of 400 responses (10%): cut in the reasoning"),
        (remarked(count_implausible=4), "degraded", False, "usage is far from the text that came in 4 of 400"),
        (remarked(hidden_reasoning=400), "valid", False, "(hidden reasoning)"),
        (
            {**remarked(count_missing=4), "prompt_token_source": "words", "completion_token_source": "server"},
            "valid",
            False,
            "prompt tokens by words, completion tokens by server",
        ),
        (remarked(several_choices=4), "valid", False, "several choices came interleaved in 4 of 400"),
        (remarked(cumulative=4), "valid", False, "each message repeated the text before it in 4 of 400"),
        (remarked(echo=4), "valid", False, "4 of 400 responses (1%) began with the prompt (echo)"),
        ({"completion_token_n": 399}, "degraded", False, "known for 399 of 400"),
    ],
)
def test_each_reason(change, expected, client, words):
    found = verdict(GOOD | change)
    assert found.verdict == expected
    assert found.client_limited is client
    assert any(words in reason for reason in found.reasons), found.reasons
    for reason in found.reasons:
        assert REASON_SEPARATOR not in reason
        assert ": " in reason or ", " in reason  # what it is, and what to do


@pytest.mark.parametrize(
    "change",
    [
        {"TTFT_p50": 0.001, "TTFT_p50_client_error": 0.0019},  # under the floor, whatever it is set against
        {"client_lag_p99": 0.005, "schedule_lag_p99": 0.005},  # late, but not in any figure
        {"TTFT_p50_client_error": 0.0099, "latency_p95_client_error": 0.07, "ITL_p95_client_error": 0.0049},
        {"TTFT_p50_client_error": None, "latency_p50_client_error": float("nan")},
        {"retried": 4, "resend_wait_max": 0.035},  # one in a hundred
        {"retried": 40, "resend_wait_max": 0.0099},  # many, and each cost 5% of a TTFT
        CROWDED | {"host_cpu_waiting": 0.05},  # busy neighbours, and nothing had to wait for them
        CROWDED | {"host_cpu_waiting": None, "host_cores_busy": 1.5},
        CROWDED | {"host_cores_others": 0.15, "host_cores_others_p95": 0.45},
        CROWDED | {"host_cores_others": None, "host_cores_others_p95": None},
        CROWDED | {"host_machine": "client"},  # the endpoint is elsewhere, and the client was not late
        HERE | {"host_cpu_stolen": 0.04, "host_cpu_throttled": 0.04},
        HERE | {"host_machine": "client", "host_cpu_stolen": 0.5, "host_cpu_throttled": 0.5},
        {"long_requests": 1, "long_requests_share": 0.049},
        {"long_requests": 0, "long_requests_share": 0.0},
        {"silence_max": 1.1, "silence_plausible": 0.3},  # under 2% of 60 s
        {"silence_max": 8.0, "silence_plausible": 9.0},  # it always works like that
        {"silence_max": 8.0, "silence_plausible": None},
        {"littles_law": 0.029},
        {"littles_law": 0.04, "requests": 200},  # 16 requests at the edges of 200: chance, up to 2.5 · 4 / 200 = 5%
        {"error_rate": 0.01},
        {"latency_drift": 0.5, "latency_drift_p": 0.05},  # large, but chance
        {"latency_drift": 0.1, "latency_drift_p": 0.0001},  # sure, but small
        {"concurrency": None, "scheduled_rate": 6.5, "requests": 400},
        {"clock_step_s": 0.0009, "TTFT_p50": 0.001},
        {"TTFT_p50": None, "ITL_p50": None},  # nothing streams: latency is the scale
        CAPPED | {"requests": 600, "cap_wait_mean": 0.5},  # waited, but the rate was held
        THINKING | {"mean_in_flight": 3.95},
        THINKING | {"busy_s_mean": None},
        {"stop_reason": "precision", "until": "ci_p95 within 5%"},
        CACHED | {"cached_token_count_mean": 196.0},  # prompts may begin alike
        CACHED | {"cached_token_count_mean": 390.0, "prompt_reuse": "allowed"},
    ],
)
def test_what_is_no_reason(change):
    assert verdict(GOOD | change).verdict == "valid"


def test_little_data_never_makes_a_level_invalid():
    few = GOOD | {"requests": 1, "successes": 1, "prompt_token_n": 1, "completion_token_n": 1, "window_s": 0.1}
    assert verdict(few).verdict == "degraded"


def test_the_worst_reason_decides_and_comes_first():
    found = verdict(GOOD | {"window_s": 5.0, "TTFT_p50_client_error": 0.1, "stop_reason": "interrupted"})
    assert found.verdict == "invalid"
    assert found.reasons[0].startswith("the client's own delays may make TTFT p50")
    assert len(found.reasons) == 3


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"successes": 30, "prompt_token_n": 30, "completion_token_n": 30}, "load.requests: 72"),
        (
            {"successes": 30, "prompt_token_n": 30, "completion_token_n": 30, "latency_longer": 3.0},
            "load.requests: 90",
        ),
        ({"window_s": 9.9}, "load.duration: 10"),
        ({"window_s": 9.9, "error_rate": 0.5}, None),  # the failures are the first reason
        ({"error_rate": 0.02}, None),
        ({}, None),
    ],
)
def test_the_remedy_of_the_first_reason_is_a_setting(change: dict[str, object], setting: str | None) -> None:
    cells = verdict_columns(GOOD | change, Thresholds())
    assert cells["verdict_remedy"] == setting
    if setting is not None:
        remedy = remedy_of(setting)
        assert remedy is not None
        assert remedy.setting == setting
        assert str(cells["verdict_reasons"]).split("; ")[0].endswith(f": {remedy.advice}")


def test_more_workers_are_advised_only_where_those_there_are_busy():
    late = GOOD | {"TTFT_p50_client_error": 0.02}
    (idle,) = verdict(late).reasons
    assert "use more workers" not in idle
    assert "measure from a less busy or faster machine" in idle
    busy = verdict(late | {"client_cpu_max": 0.97}).reasons
    assert all(reason.endswith(": use more workers") for reason in busy)
    assert len(busy) == 2
    beside_others = verdict(late | CROWDED | {"host_machine": "client"}).reasons
    assert "stop what else runs there" in beside_others[0]


def test_the_error_of_several_percentiles_is_said_once():
    errors = {f"{name}_client_error": 0.1 for name in ("TTFT_p50", "TTFT_p95", "latency_p50", "ITL_p95")}
    (reason,) = verdict(GOOD | errors).reasons
    assert "TTFT p50 of 200 ms up to 100 ms (50.0%) too long" in reason


def test_thresholds_can_be_set():
    assert verdict(GOOD | {"window_s": 9.0}, Thresholds(window_least=5.0)).verdict == "valid"


def test_one_success_is_told_in_the_singular_and_asks_for_no_more_than_independent_ones():
    found = verdict(GOOD | {"successes": 1, "latency_longer": 240.0})
    reason = "1 success is too few for a confidence interval of p95: measure at least 240"
    assert reason in found.reasons


@pytest.mark.parametrize("remedy", [Remedy("load.requests", 1022), Remedy("load.duration", 12)])
def test_a_remedy_is_found_again_in_its_advice(remedy: Remedy) -> None:
    assert remedy_in(remedy.advice) == remedy
    assert remedy_in(f"{remedy.advice} or so") is None
    assert factor_in(remedy.advice) is None


def test_how_many_times_as_long_is_found_again_in_its_advice() -> None:
    assert as_long(1.55) == "measure 1.6 times as long"
    assert factor_in(as_long(1.55)) == 1.6
    assert factor_in(as_long(1234)) == 1234
    assert remedy_in(as_long(2)) is None
    assert factor_in("measure longer") is None
