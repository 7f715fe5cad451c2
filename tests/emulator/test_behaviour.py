from __future__ import annotations

from typing import Any

import pytest

from fmbench_lib.emulator import Behaviour, Constant, Exponential, Fault, FaultRule, Normal
from fmbench_lib.emulator.behaviour import Plan, Planner, Task
from fmbench_lib.errors import InputError


def make_task(prompt: str = "a b c d", **changes: Any) -> Task:
    values: dict[str, Any] = {
        "prompt": prompt,
        "prompt_tokens": len(prompt.split()),
        "stream": True,
        "max_tokens": None,
        "model": "m",
        "include_usage": False,
    }
    return Task(**{**values, **changes})


def plan(behaviour: Behaviour, task: Task | None = None, request_id: str = "r", elapsed: float = 0.0) -> Plan:
    return Planner(behaviour).plan(task or make_task(), request_id, 1, elapsed)


def test_a_plan_depends_on_seed_and_id_alone() -> None:
    behaviour = Behaviour(ttft=Exponential(0.1), itl=Normal(0.01, 0.003), tokens=Normal(50, 20))
    planner = Planner(behaviour)

    def figures(created: Plan) -> tuple[int, int, list[int]]:
        return created.ttft_ns, created.tokens, [created.next_itl_ns() for _ in range(20)]

    first = figures(planner.plan(make_task(), "a", 1, 0.0))
    planner.plan(make_task(), "b", 2, 0.0)
    assert figures(planner.plan(make_task(), "a", 3, 0.0)) == first
    assert figures(plan(behaviour, request_id="b")) != first
    assert figures(plan(Behaviour(**{**_fields(behaviour), "seed": 2}), request_id="a")) != first


def _fields(behaviour: Behaviour) -> dict[str, Any]:
    return {name: getattr(behaviour, name) for name in behaviour.__dataclass_fields__}


@pytest.mark.parametrize(
    ("behaviour", "maximum", "tokens", "reason"),
    [
        (Behaviour(tokens=Constant(20)), None, 20, "stop"),
        (Behaviour(tokens=Constant(20)), 30, 20, "stop"),
        (Behaviour(tokens=Constant(20)), 7, 7, "length"),
        (Behaviour(tokens=Constant(20), tokens_from_request=True), 30, 30, "length"),
        (Behaviour(tokens=Constant(20), tokens_from_request=True), None, 20, "stop"),
    ],
)
def test_length_and_finish_reason(behaviour: Behaviour, maximum: int | None, tokens: int, reason: str) -> None:
    created = plan(behaviour, make_task(max_tokens=maximum))
    assert (created.tokens, created.finish_reason) == (tokens, reason)


def test_events_hold_several_tokens_and_reasoning_has_its_own() -> None:
    created = plan(Behaviour(tokens=Constant(10), reasoning_tokens=4, tokens_per_event=3))
    assert created.reasoning_events == 2  # 3 + 1
    assert created.events == 4  # and 3 + 3
    assert plan(Behaviour(tokens=Constant(3), reasoning_tokens=9)).reasoning_events == 3


def test_prefill_counts_the_tokens_that_are_not_cached() -> None:
    half = plan(Behaviour(ttft=Constant(0.1), prefill_per_token=0.01, cached_share=0.5))
    assert (half.ttft_ns, half.cached_tokens) == (120_000_000, 2)


def test_a_prompt_seen_before_is_cached() -> None:
    planner = Planner(Behaviour(ttft=Constant(0.1), prefill_per_token=0.01, prompt_cache=True))
    created = [planner.plan(make_task(prompt), str(n), n, 0.0) for n, prompt in enumerate(["a b", "a b", "c d"])]
    assert [item.cached_tokens for item in created] == [0, 2, 0]
    assert [item.ttft_ns for item in created] == [120_000_000, 100_000_000, 120_000_000]


def test_drift_makes_everything_slower_with_time() -> None:
    created = plan(Behaviour(ttft=Constant(0.1), itl=Constant(0.01), drift=0.5), elapsed=2.0)
    assert (created.ttft_ns, created.next_itl_ns()) == (200_000_000, 20_000_000)


@pytest.mark.parametrize(
    ("usage", "requested", "stream", "reported"),
    [
        ("asked", False, True, False),
        ("asked", True, True, True),
        ("asked", False, False, True),
        ("always", False, True, True),
        ("never", True, False, False),
    ],
)
def test_usage_follows_its_setting(usage: Any, requested: bool, stream: bool, reported: bool) -> None:
    assert plan(Behaviour(usage=usage), make_task(include_usage=requested, stream=stream)).usage is reported


def test_the_echo_is_the_marker_or_the_end_of_the_prompt() -> None:
    assert plan(Behaviour(echo=True), make_task("tell me [[echo:number 7]] now")).echo == "number 7"
    assert plan(Behaviour(echo=True), make_task("x" * 50 + "the end")).echo == "x" * 33 + "the end"
    assert plan(Behaviour(), make_task("[[echo:no]]")).echo is None


def test_a_requests_own_fault_takes_precedence_over_rules() -> None:
    planner = Planner(Behaviour(faults=(FaultRule(Fault("stall"), numbers=(2,)), FaultRule(Fault("empty"), every=2))))
    kinds = [planner.plan(make_task(), str(number), number, 0.0).fault for number in (1, 2, 4)]
    assert kinds == [None, Fault("stall"), Fault("empty")]
    assert planner.plan(make_task(), "x", 2, 0.0, Fault("redirect")).fault == Fault("redirect")


@pytest.mark.parametrize(
    "wrong", [{"slots": 0}, {"tokens_per_event": 0}, {"cached_share": 1.5}, {"drift": -1.0}, {"stall_for": -1.0}]
)
def test_invalid_behaviours_are_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must"):
        Behaviour(**wrong)
