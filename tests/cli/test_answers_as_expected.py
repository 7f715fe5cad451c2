"""The command line as people use it: misspelt words, the latest run, first configs, little output, JSON, completion."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.cli.parser import parser
from fmbench_lib.cli.reference import commands
from fmbench_lib.config import load_config
from fmbench_lib.runs.opening import create_run

CONFIG = """
general: {name: test}
data: {filters: [{max_length_in_tokens: 500}]}
experiments: [{platform: endpoint, ep_name: "http://127.0.0.1:9/v1", tokenizer: words, concurrency_levels: [1]}]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a config and a file of prompts, and a place for runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FMBENCH_RESULTS_DIR", str(tmp_path / "results"))
    (tmp_path / "my.yml").write_text(CONFIG)
    (tmp_path / "prompts.csv").write_text("question\nWho?\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("rport latest", "report"),
        ("quickstrat", "quickstart"),
        ("my.ymll", "my.yml"),
        ("plan my.ymll", "my.yml"),
        ("plan quickstrat", "quickstart"),
        ("run --concurency 1", "--concurrency"),
        ("plan my.yml --jsno", "--json"),
        ("run my.yml --local-mode yess", "yes"),
        ("completion bsh", "bash"),
        ("emulate --ttfft 2", "--ttft"),
        ("plan my.yml --set load.request=1", "load.requests"),
        ("run --url http://127.0.0.1:9 --data promts.csv", "prompts.csv"),
        ("plan my.yml --set data.sources=[promts.csv]", "prompts.csv"),
        ("plan my.yml --set data.sources=[prompts.csv] --set data.question_col_key=qestion", "question"),
        ("configs --copy quickstrat", "quickstart"),
        ("init --platform sagemker", "sagemaker"),
        ("report latst", "latest"),
    ],
)
def test_a_misspelt_word_is_a_line_that_says_what_was_meant(
    words: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(words.split())
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert re.search(rf"did you mean (\S*/)?{re.escape(meant)}\?$", capsys.readouterr().err, re.MULTILINE)


def test_every_command_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command, _ in commands(parser()):
        assert re.search(rf"^examples?:\n  .*fmbench ({name}|my.yml)", command.format_help(), re.MULTILINE), name
        assert f"  {name} " in parser().format_help()


def test_the_latest_run_is_the_one_that_began_last(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cleanup", "latest"]) == 2
    assert "there is no run in" in capsys.readouterr().err
    first, second = create_run("my.yml"), create_run("my.yml")
    for name in ("latest", second.workspace.run_id, f"test/{second.workspace.run_id}"):
        assert main(["sync", name]) == 2
        assert str(second.workspace.path) in capsys.readouterr().err.replace(name, str(second.workspace.path))
    assert main(["report", f"test/{first.workspace.run_id}x"]) == 2
    assert f"near are test/{first.workspace.run_id}" in capsys.readouterr().err


def test_init_writes_a_config_that_loads(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "init --url 127.0.0.1:9 --model org/small --data prompts.csv --concurrency 2,8 --budget 1.5 --into first.yml"
    )
    assert main(words.split()) == 0
    config = load_config("first.yml").config
    assert config.experiments[0].concurrency_levels == [2, 8]
    assert config.experiments[0].model_id == "org/small"
    assert config.s3_read_data.source_data_files == [str(here / "prompts.csv")]
    assert config.report.latency_budget == 1.5
    assert "# requests in flight" in (here / "first.yml").read_text()
    assert main(words.split()) == 2, "a file that is there is not overwritten"
    assert "exists already" in capsys.readouterr().err


def test_a_question_is_put_again_until_its_answer_can_be_used(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = "endpiont\n\nhttp:/127.0.0.1:9\n127.0.0.1:9\norg/small\npromts.csv\nprompts.csv\n1,x\n1,2\n3s\n2.5\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert main(["init", "--into", "first.yml"]) == 0
    out = capsys.readouterr().out
    for line in (
        "there is no platform endpiont; did you mean endpoint?",
        "did you mean http://127.0.0.1:9?",
        "no such file; did you mean prompts.csv?",
        "1,x: write whole numbers above 0",
        "3s: write a number of seconds above 0, such as 2.5",
    ):
        assert line in out
    (experiment,) = load_config("first.yml").config.experiments
    assert experiment.ep_name == "http://127.0.0.1:9/v1/chat/completions"
    assert experiment.model_id == "org/small"
    assert experiment.concurrency_levels == [1, 2]


@pytest.mark.parametrize(
    "words", ["--data prompts.csv", "--model x", "--requests 4", "--concurrency 1", "--rate 2", "--input-tokens 9"]
)
def test_what_goes_with_a_url_is_no_option_of_a_config(
    here: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    assert main(["run", "my.yml", *words.split()]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"fmbench: {words.split()[0]} goes with --url; for a config, write --set '")
    assert not (here / "results").exists()


def test_a_wrong_option_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "my.yml", "--data"])
    said = capsys.readouterr().err
    assert said == "fmbench run: error: argument --data: expected one argument; fmbench run --help lists the options\n"


def test_a_config_that_would_not_load_is_not_written(here: Path) -> None:
    assert main(["init", "--platform", "sagemaker", "--into", "first.yml"]) == 2
    assert not (here / "first.yml").exists()


def test_a_shipped_config_is_copied(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "--copy", "quickstart", "--into", "mine.yml"]) == 0
    assert capsys.readouterr().out.endswith("run it with: fmbench mine.yml\n")
    assert load_config("mine.yml").config.general.name == "quickstart"


def test_json_is_one_object_a_line_and_ends_with_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "my.yml", "--json", "--set", "load.requsts=1"]) == 2
    checked, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert (checked["event"], checked["valid"], checked["problems"][0]["key"]) == (
        "config",
        False,
        "--set load.requsts",
    )
    assert end == {"event": "end", "exit_code": 2}
    assert main(["plan", "missing.yml", "--json"]) == 2
    error, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert error["event"] == "error"
    assert end["exit_code"] == 2


def test_quiet_leaves_out_what_is_neither_result_nor_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "my.yml", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_set_up_that_fails_leaves_no_directory(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "my.yml", "--set", "data.sources=[absent.jsonl]"]) == 2
    assert "no run is left" in capsys.readouterr().err
    assert not list((here / "results").glob("*"))


def test_the_shell_is_told_configs_and_runs(here: Path) -> None:
    run = create_run("my.yml")
    for line, expected in (
        ("fmbench report l", "latest"),
        ("fmbench runs l", "latest"),
        ("fmbench plan quick", "quickstart"),
    ):
        told = here / "told"
        program = f"""
import os, sys
os.dup2(os.open({str(told)!r}, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 8)
from fmbench_lib.cli.commands import main
main([])
"""
        asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
        subprocess.run([sys.executable, "-c", program], env={**os.environ, **asked}, timeout=60, check=False)
        assert expected in told.read_text()
    assert run.workspace.path.exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "fmbench" in capsys.readouterr().out


def test_questions_that_are_cut_off_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-D at the first question."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert main(["init"]) == 2
    assert "the input ended before the last question: nothing is written" in capsys.readouterr().err
    assert not (tmp_path / "benchmark.yml").exists()
