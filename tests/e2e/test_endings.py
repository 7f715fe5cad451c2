"""How runs end: with everything done, with a part that failed, interrupted, killed, or before they began."""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import psutil
import pytest
import yaml

from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.errors import EndpointError
from tests.e2e.conftest import Finished, command, environment

LOCAL = {"platform": "local", "model_id": "smollm2-135m-instruct"}
SLOW = Behaviour(ttft=Constant(0.2), itl=Constant(0.1))


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.005))) as running:
        yield running


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], seconds: float = 90.0) -> Any:
    """Wait for something another process does; fails the test when it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come in time")


def levels(run: Path) -> dict[str, float]:
    """The finished levels and when each was written."""
    return {path.stem: path.stat().st_mtime_ns for path in run.glob("requests/*/*/*.parquet")}


class Running:
    """A run in the background, and the processes that it is made of."""

    def __init__(self, config: Path, results: Path, *words: str) -> None:
        self.results = results
        where = [] if "--resume" in words else ["--config-file", config, "--results-dir", results]
        self.process = subprocess.Popen(
            command(*where, *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
            start_new_session=True,
        )

    @property
    def run(self) -> Path:
        (found,) = self.results.glob("*/*Z*")
        return found

    def child(self, word: str) -> psutil.Process | None:
        try:
            below = psutil.Process(self.process.pid).children(recursive=True)
            return next((one for one in below if any(word in part for part in one.cmdline())), None)
        except psutil.NoSuchProcess:
            return None

    def measuring(self, after_levels: int = 1) -> bool:
        """Whether so many levels are done and another one is under way."""
        return (
            bool(list(self.results.glob("*/*Z*")))
            and len(levels(self.run)) >= after_levels
            and any(self.run.glob("requests/*/*/*.part/*.spool"))
            and self.child("load.worker") is not None
        )

    def end(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=120)
        return self.process.returncode, out


# -- a part fails, the others are done ---------------------------------------------------------------------------------


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


def test_a_server_killed_in_the_middle_of_a_level_is_reported_with_its_errors(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    # The first level is whole; the second loses its server while requests are under way.
    with pytest.raises(EndpointError, match="ended by itself"), launch(SLOW) as emulator:  # noqa: PT012
        running = Running(write_config([{"name": "mortal", "ep_name": emulator.url}]), tmp_path / "results")
        wait_until(lambda: running.measuring(after_levels=1) and live_done(running.run) >= 3)
        emulator.process.kill()
        code, out = running.end()
    assert code == 1
    assert "invalid" in out
    summary = pd.read_csv(running.run / "metrics" / "all_metrics_summary.csv").set_index("concurrency")
    assert summary.loc[1, "errors"] == 0
    assert summary.loc[2, "errors"] > 0
    classes = json.loads(summary.loc[2, "errors_by_class"])
    assert set(classes) <= {"truncated", "connect"}
    assert sum(classes.values()) == summary.loc[2, "errors"]
    assert summary.loc[2, "verdict"] == "invalid"
    assert "connect" in (running.run / "report.md").read_text()


def live_done(run: Path) -> int:
    try:
        done: int = json.loads((run / "progress.json").read_text())["done"]
    except (OSError, ValueError):
        return 0
    return done


# -- killed and resumed ------------------------------------------------------------------------------------------------


EVERYONE = ("fmbench", "ipykernel", "load.worker")


def test_a_killed_run_is_resumed_without_measuring_a_level_twice(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    """Each process alone and all at once, each time in the middle of another level."""
    with launch(SLOW) as emulator:
        config = write_config([{"name": "steady", "ep_name": emulator.url, "concurrency_levels": [1, 2, 3, 4, 5]}])
        running = Running(config, tmp_path / "results")
        done: dict[str, float] = {}
        for killed in (["fmbench"], ["ipykernel"], EVERYONE):
            wait_until(functools.partial(running.measuring, after_levels=len(done) + 1))
            kill(running, killed)
            before, done = done, levels(running.run)
            assert done.items() > before.items()
            running = Running(config, tmp_path / "results", "--resume", str(running.run))
        wait_until(functools.partial(running.measuring, after_levels=len(done)))
        kill(running, ["load.worker"], wait=False)
        code, out = running.end()
        assert code == 1, out
        assert "killed by signal 9" in out
        before = levels(running.run)
        code, out = Running(config, tmp_path / "results", "--resume", str(running.run)).end()
    assert code == 0, out
    after = levels(running.run)
    assert after.items() > before.items() >= done.items()
    summary = pd.read_csv(running.run / "metrics" / "all_metrics_summary.csv")
    assert list(summary["concurrency"]) == [1, 2, 3, 4, 5]
    assert list(summary["successes"]) == [8] * 5


def kill(running: Running, names: Sequence[str], *, wait: bool = True) -> None:
    """Kill these processes of a run at once, and wait until the run is over."""
    found = [psutil.Process(running.process.pid) if name == "fmbench" else running.child(name) for name in names]
    everyone = [*found, running.child("ipykernel"), running.child("load.worker")]
    for process in found:
        assert process is not None
        process.kill()
    if wait:
        running.end()
        wait_until(lambda: not any(process.is_running() for process in everyone if process is not None))


def test_the_server_of_a_killed_run_does_not_stay(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    local = {"name": "local", **LOCAL, "local": {"context_tokens": 512, "parallel": 1}}
    config = write_config([local], load={"requests": 3, "warmup_requests": 1, "prompt_reuse": "never"})
    running = Running(config, tmp_path / "results")
    wait_until(lambda: running.measuring(after_levels=0))
    kernel = running.child("ipykernel")
    running.process.kill()
    running.end()
    assert kernel is not None
    wait_until(lambda: not kernel.is_running())
    (resource,) = json.loads((running.run / "endpoints.json").read_text())["local"]["resources"]
    assert psutil.pid_exists(resource["pid"])

    again = Running(config, tmp_path / "results", "--resume", str(running.run))
    code, out = again.end()
    assert code == 0, out
    endpoints = json.loads((running.run / "endpoints.json").read_text())
    assert endpoints["local"]["status"] == "deleted"
    pids = [resource["pid"], *(one["pid"] for one in endpoints["local"]["resources"])]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_ctrl_c_ends_a_run_in_order(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    with launch(SLOW) as emulator:
        config = write_config([{"name": "steady", "ep_name": emulator.url}])
        running = Running(config, tmp_path / "results")
        wait_until(lambda: running.measuring(after_levels=1))
        worker = running.child("load.worker")
        os.killpg(running.process.pid, signal.SIGINT)
        code, out = running.end()
    assert code == 130
    assert "Traceback" not in out
    assert "--resume" in out
    assert set(levels(running.run)) == {"concurrency-1"}
    assert worker is None or not worker.is_running()
    state = json.loads((running.run / "run.json").read_text())
    assert state["status"] == "interrupted"
    assert state["steps"]["5_cleanup"]["status"] == "done"


# -- bad input: one clear line and nothing started --------------------------------------------------------------------


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


# -- by hand --------------------------------------------------------------------------------------------------------


def test_run_all_in_each_notebook_makes_one_run(
    tmp_path: Path, write_config: Callable[..., Path], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Jupyter's Run All does, in the folder of the notebooks, with nothing given but the config."""
    config = write_config([{"name": "by-hand", "ep_name": emulator.url}])
    source = Path(__file__).parents[2] / "notebooks"
    names = sorted(path.stem for path in source.glob("*.ipynb"))
    for name in names:
        run_all(source / f"{name}.ipynb", config, tmp_path)
    (run,) = (tmp_path / "results" / "test").iterdir()
    state = json.loads((run / "run.json").read_text())
    assert {name: state["steps"][name]["status"] for name in names} == dict.fromkeys(names, "done")
    before, asked = levels(run), len(emulator.ledger())
    assert set(before) == {"concurrency-1", "concurrency-2"}
    shown = run_all(source / "3_run_inference.ipynb", config, tmp_path)
    assert levels(run) == before
    assert len(emulator.ledger()) == asked
    assert "concurrency-2" in json.dumps(shown)


def run_all(path: Path, config: Path, folder: Path) -> nbformat.NotebookNode:
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('"quickstart"', repr(str(config)))
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    done: nbformat.NotebookNode = client.execute()
    return done
