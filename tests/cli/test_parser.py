"""The grammar of the command line: what words mean, and what is refused."""

from __future__ import annotations

import pytest

from fmbench_lib.cli.commands import COMMANDS
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
