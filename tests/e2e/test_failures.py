"""Parts that fail while the others are done, and input that stops a run before it begins."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from fmbench_lib.cli.commands import main
from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.errors import EndpointError
from tests.e2e.conftest import Finished
from tests.e2e.running import LOCAL, SLOW, Running, free_port, live_done, wait_until


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.005))) as running:
        yield running


@pytest.mark.thorough
def test_experiments_that_cannot_be_deployed_fail_alone(
    fmbench: Callable[..., Finished], write_config: Callable[..., Path], emulator: Emulator
) -> None:
    nobody = free_port()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        taken = sock.getsockname()[1]
        config = write_config(
            [
                {"name": "refused", "ep_name": f"http://127.0.0.1:{nobody}/v1/chat/completions"},
                {"name": "taken", **LOCAL, "local": {"port": taken}},
                {"name": "there", "ep_name": emulator.url},
            ]
        )
        done = fmbench("--config-file", config)
    assert done.code == 1
    assert "Traceback" not in done.out + done.err
    summary = pd.read_csv(done.run / "metrics" / "all_metrics_summary.csv")
    assert list(summary["experiment_name"]) == ["there", "there"]
    assert (summary["errors"] == 0).all()
    attention = "\n".join(done.read("summary.json")["attention"])
    assert f"127.0.0.1:{nobody}" in attention
    assert f"port {taken}" in attention
    report = (done.run / "report.md").read_text()
    assert "refused" in report
    assert str(taken) in report


@pytest.mark.thorough
def test_a_server_killed_in_the_middle_of_a_level_is_reported_with_its_errors(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    # The first level is whole; the second loses its server while requests are under way.
    with pytest.raises(EndpointError, match="ended unexpectedly"), launch(SLOW) as emulator:  # noqa: PT012
        mortal = {"name": "mortal", "ep_name": emulator.url, "concurrency_levels": [2, 3]}
        running = Running(write_config([mortal]), tmp_path / "results")
        wait_until(lambda: running.measuring(after_levels=1) and live_done(running.run) >= 3)
        emulator.process.kill()
        code, out = running.end()
    assert code == 1
    assert "invalid" in out
    summary = pd.read_csv(running.run / "metrics" / "all_metrics_summary.csv").set_index("concurrency")
    assert summary.loc[2, "errors"] == 0
    assert summary.loc[3, "errors"] > 0
    classes = json.loads(summary.loc[3, "errors_by_class"])
    assert set(classes) <= {"truncated", "connect"}
    assert sum(classes.values()) == summary.loc[3, "errors"]
    assert summary.loc[3, "verdict"] == "invalid"
    assert "connect" in (running.run / "report.md").read_text()
    assert main(["report", str(running.run)]) == 1
    assert main(["report", str(running.run), "--allow-invalid"]) == 0


def break_key(config: dict[str, Any]) -> None:
    config["load"]["requets"] = 5


def break_payload_file(config: dict[str, Any]) -> None:
    config["experiments"][0]["payload_files"] = ["payload_en_9-99.jsonl"]


def break_budget(config: dict[str, Any]) -> None:
    config["report"]["latency_budget"] = "two seconds"


def break_column(config: dict[str, Any]) -> None:
    config["datasets"]["prompt_template_keys"] = ["input", "contxt"]


def break_tokenizer(config: dict[str, Any]) -> None:
    config["experiments"][0]["tokenizer"] = "./no-such-folder/at-all"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (break_key, ["load.requets", "did you mean requests?"]),
        (break_payload_file, ["payload_files[0]", "payload_en_9-99.jsonl"]),
        (break_budget, ["report.latency_budget", "two seconds"]),
        (break_column, ["contxt", "context"]),
        (break_tokenizer, ["no-such-folder", "words"]),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(
    break_it: Callable[[dict[str, Any]], None],
    said: list[str],
    fmbench: Callable[..., Finished],
    write_config: Callable[..., Path],
) -> None:
    path = write_config([{"name": "any", "ep_name": "http://127.0.0.1:9/v1/chat/completions"}])
    config = yaml.safe_load(path.read_text())
    break_it(config)
    path.write_text(yaml.safe_dump(config))
    done = fmbench("--config-file", path)
    assert done.code == 2, done.out + done.err
    assert "Traceback" not in done.out + done.err
    (line,) = [line for line in done.err.splitlines() if line.startswith("fmbench: ")]
    for part in said:
        assert part in line
    assert not list(done.results.glob("*/*/endpoints.json"))


def test_yaml_that_does_not_parse_is_one_line_with_its_place(fmbench: Callable[..., Finished], tmp_path: Path) -> None:
    path = tmp_path / "broken.yml"
    path.write_text("general:\n  name: [unclosed\n")
    done = fmbench("--config-file", path)
    assert done.code == 2
    assert done.err.startswith("fmbench: ")
    assert "line" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not done.results.exists()
