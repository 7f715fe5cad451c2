from __future__ import annotations

from typing import get_args

import pytest

from fmbench_lib.emulator.faults import (
    Fault,
    FaultKind,
    FaultRule,
    parse_fault,
    parse_fault_rule,
    requested_fault,
    share_of,
)
from fmbench_lib.errors import InputError


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_every_kind_with_its_defaults_round_trips(kind: str) -> None:
    fault = parse_fault(kind)
    assert fault.kind == kind
    assert parse_fault(str(fault)) == fault


def test_reset_is_by_bytes_or_by_events() -> None:
    assert parse_fault("reset:bytes=300") == Fault("reset", bytes=300)
    assert parse_fault("reset:events=3") == Fault("reset", events=3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("explode", "unknown kind"),
        ("reset:seconds=1", "it takes bytes, events"),
        ("stall:events=soon", "must be numbers"),
        ("reset:rate=2", "from 0 to 1"),
        ("reset:every=0", "at least 1"),
        ("reset:numbers=1;2", "numbers=N"),
    ],
)
def test_an_invalid_fault_is_an_error_with_a_hint(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_fault_rule(text)


@pytest.mark.parametrize(
    "rule",
    [
        FaultRule(Fault("rate_limit", seconds=2.0), rate=0.25),
        FaultRule(Fault("stall"), every=10),
        FaultRule(Fault("reset", bytes=10), numbers=(1, 5)),
        FaultRule(Fault("empty")),
        FaultRule(Fault("server_error", status=503), rate=0.4, above=4),
    ],
)
def test_a_rule_round_trips(rule: FaultRule) -> None:
    assert parse_fault_rule(str(rule)) == rule


def test_a_rate_selects_that_share_of_ids_deterministically() -> None:
    rule = parse_fault_rule("reset:rate=0.1")
    chosen = {number for number in range(5000) if rule.selects(1, f"request-{number}", 1)}
    assert len(chosen) == pytest.approx(500, rel=0.15)
    assert chosen == {number for number in range(5000) if rule.selects(1, f"request-{number}", 99)}
    assert chosen != {number for number in range(5000) if rule.selects(2, f"request-{number}", 1)}


def test_numbers_and_every() -> None:
    def chosen(text: str) -> list[int]:
        return [number for number in range(1, 11) if parse_fault_rule(text).selects(1, "x", number)]

    assert chosen("empty:numbers=2+7") == [2, 7]
    assert chosen("empty:every=4") == [4, 8]
    assert chosen("empty") == list(range(1, 11))


def test_a_fault_above_a_load_spares_what_comes_below_it() -> None:
    rule = parse_fault_rule("server_error:status=503,rate=0.4,above=4")
    chosen = [sum(rule.selects(1, f"request-{n}", n, under_way) for n in range(5000)) for under_way in (0, 3, 4, 50)]
    assert chosen[:2] == [0, 0]
    assert chosen[2] == chosen[3] == pytest.approx(2000, rel=0.1)


def test_shares_are_uniformly_distributed() -> None:
    shares = sorted(share_of(str(number)) for number in range(1000))
    assert max(abs(share - index / 1000) for index, share in enumerate(shares)) < 0.05


def test_a_request_asks_by_header_or_by_its_prompt() -> None:
    assert requested_fault({"x-emulate-fault": "stall:events=3"}, "[[fault:empty]]") == Fault("stall", events=3)
    assert requested_fault({}, "Say this. [[fault:reset:bytes=5]] Please.") == Fault("reset", bytes=5)
    assert requested_fault({}, "Nothing [[special]] here") is None
