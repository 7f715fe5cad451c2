from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from fmbench_lib.emulator.behaviour import Behaviour
from fmbench_lib.emulator.distributions import Constant, Exponential, LogNormal, Normal
from fmbench_lib.emulator.faults import Fault, FaultRule
from fmbench_lib.emulator.options import behaviour_arguments, build_parser, main, parse_behaviour

EVERYTHING = Behaviour(
    ttft=LogNormal(0.2, 0.1),
    itl=Normal(0.02, 0.001),
    tokens=Exponential(40.0),
    tokens_from_request=True,
    tokens_per_event=4,
    reasoning_tokens=8,
    slots=16,
    prefill_per_token=0.0001,
    itl_per_sequence=0.0005,
    drift=0.01,
    stall_at=3.5,
    stall_for=2.0,
    usage="never",
    cached_share=0.25,
    prompt_cache=True,
    echo=True,
    head="first_token",
    tail_delay=0.001,
    framing="close",
    faults=(
        FaultRule(Fault("reset", bytes=300), rate=0.01, above=4),
        FaultRule(Fault("rate_limit", seconds=2.0), numbers=(3, 4)),
    ),
    seed=99,
    model="org/model",
)


@pytest.mark.parametrize("behaviour", [Behaviour(), EVERYTHING, Behaviour(ttft=Constant(0.0))])
def test_a_behaviour_survives_the_command_line_unchanged(behaviour: Behaviour) -> None:
    assert parse_behaviour(build_parser().parse_args(behaviour_arguments(behaviour))) == behaviour


def test_every_field_is_covered() -> None:
    default = Behaviour()
    assert all(getattr(EVERYTHING, item.name) != getattr(default, item.name) for item in fields(Behaviour))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ttft", "soon"], "constant:MEAN"),
        (["--fault", "explode"], "unknown kind"),
    ],
)
def test_an_invalid_option_is_a_usage_error(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--slots", "0"], "at least 1"),
        (["--certfile", "missing.pem"], "missing.pem"),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1:0"),
        (["--ledger", "no/such/folder/ledger.bin"], "no/such/folder/ledger.bin"),
    ],
)
def test_an_impossible_setup_is_a_one_line_error(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_an_invalid_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.pem"
    path.write_text("")
    assert main(["--certfile", str(path)]) == 2
    assert "empty.pem" in capsys.readouterr().err
