"""What options mean to the library."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path

import pytest

from fmbench_lib.cli.option_values import (
    arguments,
    config_arguments,
    existing_run,
    results_folder,
    standard_placeholders,
    storage_options,
)
from fmbench_lib.cli.parser import parser
from fmbench_lib.errors import InputError, RunStateError


def test_arguments_are_pairs_and_values_may_have_any_text() -> None:
    assert arguments(["a=1", "b=x=y z", "c="]) == {"a": "1", "b": "x=y z", "c": ""}


@pytest.mark.parametrize("pair", ["a", "=1", "a b=1", "{a}=1"])
def test_another_form_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match="write -A key=value"):
        arguments([pair])


def test_options_fill_only_the_placeholders_that_they_name() -> None:
    options = Namespace(role_arn=None, write_bucket="mine", tmp_dir="/t", local_mode=None)
    folders = {"read_tmpdir": "/t/fmbench-read", "write_tmpdir": "/t/fmbench-write"}
    assert standard_placeholders(options) == {"write_bucket": "mine", **folders}


def test_local_mode_reads_from_the_folder_of_temporary_files_unless_told_otherwise() -> None:
    options = Namespace(role_arn=None, write_bucket=None, tmp_dir=None, local_mode="yes")
    assert standard_placeholders(options)["read_tmpdir"] == str(Path(tempfile.gettempdir(), "fmbench-read"))
    options.local_mode = "no"
    assert standard_placeholders(options) == {}


@pytest.mark.parametrize(("mode", "local_only"), [("yes", True), ("no", False), (None, False)])
def test_local_mode_keeps_buckets_out(mode: str | None, local_only: bool) -> None:
    assert storage_options(Namespace(local_mode=mode, write_bucket=None)).local_only is local_only


def test_the_results_folder_is_the_option_else_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMBENCH_RESULTS_DIR", "/somewhere")
    assert results_folder(Namespace(results_dir="/t")) == Path("/t")
    assert results_folder(Namespace(results_dir=None)) == Path("/somewhere")


def test_a_run_must_exist(tmp_path: Path) -> None:
    with pytest.raises(RunStateError):
        existing_run(str(tmp_path))
    (tmp_path / "run.json").write_text("{}")
    assert existing_run(str(tmp_path)) == tmp_path.resolve()


def test_a_key_that_is_set_stands_under_its_path_and_the_last_value_wins() -> None:
    options = parser().parse_args(["plan", "x", "-A", "m=1", "--set", "a.b=1", "--set", "c=x=y", "--set", "a.b=2"])
    assert list(config_arguments(options).items()) == [("m", "1"), ("--set c", "x=y"), ("--set a.b", "2")]


@pytest.mark.parametrize("pair", ["a", "=1", " =1"])
def test_a_key_without_a_value_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match="write --set key=value"):
        config_arguments(parser().parse_args(["plan", "x", "--set", pair]))
