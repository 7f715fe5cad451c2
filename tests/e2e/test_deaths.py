"""Ways to die: whatever ends a run, the server that it started is gone, and its exit code says what is there.

`benchmarks/deaths.py` plays all of them; these are a sample.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import command, environment
from tests.e2e.running import Running, alive, levels, wait_until

STAND_IN = Path(__file__).parent / "stand_in"
NO_REPORT = {"4_model_metric_analysis": False}


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Servers are of the stand-in, and what stands is recorded in the test's folder."""
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def config(tmp_path: Path, write_config: Callable[..., Path]) -> Path:
    """A local server, a first level that is soon over and a second one that is not."""
    (tmp_path / "model.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(16))
    local = {"context_tokens": 512, "parallel": 4, "threads": 1}
    experiment = {"name": "local", "platform": "local", "model_id": "model.gguf", "local": local}
    load = {"requests": 25, "warmup_requests": 1, "timeout": 10, "prompt_reuse": "never"}
    return write_config([{**experiment, "concurrency_levels": [2, 1]}], load=load, run_steps=NO_REPORT)


@pytest.fixture
def measuring(config: Path, tmp_path: Path) -> Iterator[tuple[Running, int]]:
    """A run in its second level, and the process of its server."""
    running = Running(config, tmp_path / "results")
    wait_until(running.measuring)
    (pid,) = [resource["pid"] for resource in endpoint_of(running.run)["resources"]]
    yield running, pid
    if alive(pid):
        os.kill(pid, signal.SIGKILL)


def endpoint_of(run: Path) -> Any:
    return json.loads((run / "endpoints.json").read_text())["local"]


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([signal.SIGHUP], id="SIGHUP"),
        pytest.param([signal.SIGINT] * 4, id="four times Ctrl-C", marks=pytest.mark.thorough),
    ],
)
def test_a_signal_ends_the_run_and_its_server(numbers: list[signal.Signals], measuring: tuple[Running, int]) -> None:
    running, server = measuring
    for number in numbers:
        running.process.send_signal(number)
    code, out = running.end()
    assert (code, alive(server)) == (130, False)
    assert "Traceback" not in out
    assert "continue it with: fmbench --resume" in out
    assert endpoint_of(running.run)["status"] == "deleted"
    assert list(levels(running.run)) == ["concurrency-2"]


@pytest.mark.thorough
def test_a_run_being_measured_is_not_cleaned_up_and_one_whose_directory_is_removed_takes_its_server_down(
    measuring: tuple[Running, int], tmp_path: Path
) -> None:
    running, server = measuring
    run = running.run
    refused = subprocess.run(command("cleanup", run), capture_output=True, text=True, env=environment())
    assert (refused.returncode, "is being measured by another process" in refused.stderr) == (2, True)
    assert alive(server)
    shutil.rmtree(run, ignore_errors=True)
    code, out = running.end()
    assert (code, alive(server)) == (1, False)
    assert f"the run's directory {run} is gone" in out
    assert not list((tmp_path / "state" / "fmbench" / "deployed").glob("*.json"))


@pytest.mark.thorough
def test_the_server_of_a_killed_run_without_its_directory_is_found_and_deleted(
    measuring: tuple[Running, int], tmp_path: Path
) -> None:
    running, server = measuring
    run, kernel = running.run, running.kernel
    running.process.kill()
    running.end()
    assert kernel is not None
    wait_until(lambda: not kernel.is_running())
    shutil.rmtree(run)
    listed = subprocess.run(command("cleanup"), capture_output=True, text=True, env=environment())
    assert (listed.returncode, f"fmbench cleanup {run}" in listed.stdout) == (0, True)
    assert alive(server)
    deleted = subprocess.run(command("cleanup", run), capture_output=True, text=True, env=environment())
    assert (deleted.returncode, deleted.stdout.strip(), alive(server)) == (0, "local: deleted", False)
    again = subprocess.run(command("cleanup"), capture_output=True, text=True, env=environment())
    assert "no run of this machine has left anything standing" in again.stdout
    assert not run.exists()


@pytest.mark.thorough
def test_a_fork_server_that_is_killed_costs_no_level(measuring: tuple[Running, int]) -> None:
    running, server = measuring
    forks = running.child("pipeline.kernels")
    assert forks is not None
    forks.kill()
    code, out = running.end()
    assert (code, alive(server)) == (0, False), out
    assert set(levels(running.run)) == {"concurrency-2", "concurrency-1"}


@pytest.mark.thorough
def test_a_level_whose_server_is_killed_stays_invalid_until_the_command_that_is_named_measures_it_again(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    """What the killed server never came to is measured by `--resume`, whose exit code tells of the invalid level."""
    (tmp_path / "model.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(16))
    local = {"context_tokens": 512, "parallel": 4, "threads": 1}
    experiment = {"name": "local", "platform": "local", "model_id": "model.gguf", "local": local}
    load = {"requests": 15, "warmup_requests": 1, "timeout": 10, "prompt_reuse": "never"}
    config = write_config([{**experiment, "concurrency_levels": [2, 1, 3]}], load=load)
    running = Running(config, tmp_path / "results")
    wait_until(running.measuring)
    (resource,) = endpoint_of(running.run)["resources"]
    os.kill(resource["pid"], signal.SIGKILL)
    code, out = running.end()
    run = running.run
    assert (code, set(levels(run))) == (1, {"concurrency-2", "concurrency-1"}), out
    assert "concurrency-3 was not measured: the endpoint is gone: the server on port" in out
    assert f"measure what is missing with: fmbench --resume {run}" in out
    again = f"measure it again: fmbench --resume {run} --remeasure local/all/concurrency-1"
    assert again in out
    code, out = Running(config, tmp_path / "results", "--resume", str(run)).end()
    assert (code, again in out, "measure what is missing" in out) == (1, True, False), out
    done = levels(run)
    assert set(done) == {"concurrency-2", "concurrency-1", "concurrency-3"}
    arguments = ("--resume", str(run), "--remeasure", "local/all/concurrency-1")
    code, out = Running(config, tmp_path / "results", *arguments).end()
    assert (code, "measure it again" in out, "measure what is missing" in out) == (0, False, False), out
    assert levels(run)["concurrency-3"] == done["concurrency-3"]
    assert not alive(endpoint_of(run)["resources"][0]["pid"])


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.mark.thorough
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount a small disk")
def test_a_full_disk_is_one_line_and_leaves_no_server(config: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(results)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        running = Running(config, results)
        wait_until(running.measuring)
        (pid,) = [resource["pid"] for resource in endpoint_of(running.run)["resources"]]
        done = levels(running.run)
        fill(results / "filler")
        code, out = running.end()
        assert (code, alive(pid)) == (1, False), out
        assert "Traceback" not in out
        lines = [line for line in out.splitlines() if line.startswith(("fmbench: 3_run", "note: local"))]
        assert len(lines) == 1, out
        assert str(running.run) in lines[0]
        assert "more needed" in lines[0]
        (results / "filler").unlink()
        again = Running(config, results, "--resume", str(running.run))
        assert again.end()[0] == 0
        assert levels(running.run).items() >= done.items()
        assert len(levels(running.run)) == 2
    finally:
        subprocess.run(["umount", "-l", str(results)], check=True)
