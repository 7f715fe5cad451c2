"""The commands: which one words call, the exit code of each error, and what is printed where."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fmbench_lib import __version__, emulator
from fmbench_lib.cli import commands
from fmbench_lib.cli.commands import COMMANDS, main
from fmbench_lib.cli.exit_codes import BAD_INPUT, INTERRUPTED
from fmbench_lib.errors import DeployError, FmbenchError, RunStateError


def write(folder: Path, **sections: object) -> Path:
    config = {
        "general": {"name": "test"},
        "datasets": {"filters": [{"max_length_in_tokens": 500}]},
        "experiments": [
            {
                "platform": "endpoint",
                "ep_name": "http://127.0.0.1:9/v1",
                "tokenizer": "words",
                "concurrency_levels": [1],
            }
        ],
        **sections,
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def replaced(monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[[argparse.Namespace], int]) -> None:
    monkeypatch.setattr(commands, "COMMANDS", {**COMMANDS, name: function})


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == BAD_INPUT
    assert capsys.readouterr().out.startswith("usage: fmbench")


def test_the_module_is_the_command() -> None:
    words = [sys.executable, "-m", "fmbench_lib", "--version"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == f"fmbench {__version__}\n"


def test_options_alone_mean_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    def run(options: argparse.Namespace) -> int:
        given.append(options.config_file)
        return 7

    replaced(monkeypatch, "run", run)
    assert main(["--config-file", "my.yml"]) == main(["run", "--config-file", "my.yml"]) == 7
    assert given == ["my.yml", "my.yml"]


def test_the_words_behind_emulate_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "main", lambda words, say: len(words))
    assert main(["emulate", "--help", "--port", "1"]) == 3


def test_what_emulate_says_is_one_line_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "--host", "h\x1b[31m\nsk-0123456789abcdefghij"]) == BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the emulator cannot listen on h ")
    assert "\x1b" not in line
    assert "0123456789" not in line


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RunStateError("no such run"), BAD_INPUT, "fmbench: no such run\n"),
        (DeployError("no capacity"), 1, "fmbench: no capacity\n"),
        (FmbenchError("other"), 1, "fmbench: other\n"),
        (KeyboardInterrupt(), INTERRUPTED, "fmbench: interrupted\n"),
    ],
)
def test_errors_become_exit_codes_and_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    message: str,
) -> None:
    def fail(_options: argparse.Namespace) -> int:
        raise error

    replaced(monkeypatch, "configs", fail)
    assert main(["configs"]) == code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", message)


def test_a_reader_that_stops_reading_is_not_an_error() -> None:
    program = "import sys; from fmbench_lib.cli.commands import main; sys.exit(main(['configs', '--json']))"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")


def test_verbose_prints_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--verbose"]) == BAD_INPUT
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("fmbench: no config given: write `fmbench --config-file X`")


def test_validate_prints_a_line_for_each_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path)
    assert main(["validate", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: ok\n"
    bad = write(tmp_path, load={"duration": -1})
    assert main(["validate", str(bad)]) == BAD_INPUT
    assert capsys.readouterr().out.startswith(f"{bad}: load.duration: ")


def test_a_plan_prints_obstacles_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FMBENCH_RESULTS_DIR", str(tmp_path / "results"))
    assert main(["plan", str(write(tmp_path))]) == 0
    assert "kept in: its directory" in capsys.readouterr().out
    assert main(["plan", str(write(tmp_path, s3_read_data={"source_data_files": ["missing.jsonl"]}))]) == BAD_INPUT
    printed = capsys.readouterr()
    assert "kept in: its directory" in printed.out
    assert printed.err.startswith("fmbench: ")
    assert "missing.jsonl" in printed.err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("command", ["report", "cleanup", "sync"])
def test_a_folder_that_is_not_a_run_is_bad_input(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(tmp_path)]) == BAD_INPUT
    assert "is not a run directory: it has no run.json" in capsys.readouterr().err


def test_the_list_of_configs_is_json_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configs", "--json"]) == 0
    assert "quickstart" in {config["name"] for config in json.loads(capsys.readouterr().out)}


def test_fetch_without_a_name_lists_the_sets_and_a_misspelt_one_suggests_the_near_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["fetch"]) == 0
    assert "2wikimqa_e.jsonl" in capsys.readouterr().out
    assert main(["fetch", "longbnech"]) == BAD_INPUT
    assert "did you mean longbench?" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["my.yml", "missing.yaml", "quickstart", "bedrock/on_demand"])
def test_a_config_alone_means_a_run(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    def run(options: argparse.Namespace) -> int:
        given.append(options.config)
        return 7

    replaced(monkeypatch, "run", run)
    assert main([word]) == 7
    assert given == [word]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "quickstart", "--url", "http://127.0.0.1:9"], "--url stands for a config: leave one of the two out"),
        (["run", "--url", "http://127.0.0.1:9"], "http://127.0.0.1:9 does not answer: "),
        (["run", "--url", "h", "--api-key-env", "NO_SUCH_KEY"], "the environment has no such variable"),
    ],
)
def test_a_run_without_a_config_says_what_is_wrong(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*words, "--results-dir", str(tmp_path)]) == BAD_INPUT
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
