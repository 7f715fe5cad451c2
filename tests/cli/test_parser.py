"""The grammar of the command line: what words mean, and what is refused."""

from __future__ import annotations

import pytest

from fmbench_lib.cli.commands import COMMANDS, with_command
from fmbench_lib.cli.parser import parser
from fmbench_lib.cli.reference import commands


def test_every_command_of_the_parser_has_a_row_in_the_table() -> None:
    assert [name for name, _, _ in commands(parser())] == [*COMMANDS, "emulate"]


def test_a_run_has_a_config_by_position_or_by_option() -> None:
    assert parser().parse_args(["run", "my.yml"]).config == "my.yml"
    options = parser().parse_args(["run", "--config-file", "my.yml", "-A", "a=1", "-A", "b=2", "--tmp-dir", "/t"])
    assert (options.config, options.config_file) == (None, "my.yml")
    assert options.arguments == ["a=1", "b=2"]
    assert options.tmp_dir == "/t"


@pytest.mark.parametrize(
    ("words", "resume"), [([], None), (["--resume"], ""), (["--resume", "results/x"], "results/x")]
)
def test_resume_may_leave_out_the_directory(words: list[str], resume: str | None) -> None:
    assert parser().parse_args(["run", *words]).resume == resume


def test_loads_are_sorted_and_each_is_measured_once() -> None:
    assert parser().parse_args(["calibrate", "--streams", "64, 8,8"]).streams == [8, 64]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["calibrate", "--streams", "8,0"], "write whole numbers above 0"),
        (["calibrate", "--event-rates", "1.5"], "write whole numbers above 0"),
        (["run", "--local-mode", "maybe"], "invalid choice: 'maybe'"),
        (["validate"], "required: CONFIG"),
        (["cleanup"], "required: RUN_DIR"),
        (["fly"], "invalid choice: 'fly'"),
    ],
)
def test_other_words_exit_with_2_and_say_why(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args(words)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--verbose", "validate", "x.yml"], ["validate", "--verbose", "x.yml"]),
        (["--results-dir", "plan", "report", "latest"], ["report", "--results-dir", "plan", "latest"]),
        (["--results-dir=/r", "--verbose", "report", "latest"], ["report", "--results-dir=/r", "--verbose", "latest"]),
        (["--quiet", "x.yml"], ["run", "--quiet", "x.yml"]),
        (["--rate", "2", "quickstart"], ["run", "--rate", "2", "quickstart"]),
        (["--resume", "report"], ["run", "--resume", "report"]),
        (["--quiet", "validte", "x.yml"], ["validte", "--quiet", "x.yml"]),
        (["--url", "http://h"], ["run", "--url", "http://h"]),
        (["-h", "validate"], ["-h", "validate"]),
    ],
)
def test_options_may_stand_before_the_command(words: list[str], meant: list[str]) -> None:
    assert with_command(words) == meant


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_tracebacks_when_asked_to(command: str) -> None:
    chosen = next(action for action in parser()._actions if action.dest == "command")
    assert "--verbose" in chosen.choices[command].option_names()  # type: ignore[index]
