"""Runs that are killed or interrupted, and go on."""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fmbench_lib.emulator import launch
from fmbench_lib.workspace import Workspace
from tests.e2e.running import KERNEL, LOCAL, SLOW, Running, alive, kill, levels, wait_until

NO_REPORT = {"4_model_metric_analysis": False}
EVERYONE = ("fmbench", KERNEL, "sending.worker")


@pytest.mark.thorough
def test_a_killed_run_is_resumed_without_measuring_a_level_twice(
    tmp_path: Path, write_config: Callable[..., Path]
) -> None:
    """Each process alone and all at once, each time in the middle of another level."""
    with launch(SLOW) as emulator:
        steady = {"name": "steady", "ep_name": emulator.url, "concurrency_levels": [1, 2, 3, 4, 5]}
        config = write_config([steady], run_steps=NO_REPORT)
        running = Running(config, tmp_path / "results")
        done: dict[str, float] = {}
        for killed in (["fmbench"], [KERNEL], EVERYONE):
            wait_until(functools.partial(running.measuring, after_levels=len(done) + 1))
            kill(running, killed)
            if "fmbench" in killed:
                assert Workspace(running.run).read_run()["status"] == "interrupted"
            before, done = done, levels(running.run)
            assert done.items() > before.items()
            running = Running(config, tmp_path / "results", "--resume", str(running.run))
        wait_until(functools.partial(running.measuring, after_levels=len(done)))
        kill(running, ["sending.worker"], wait=False)
        code, out = running.end()
        assert code == 1, out
        (failure,) = running.run.glob("requests/*/*/*.failed.json")
        assert "killed by signal 9" in failure.read_text()
        before = levels(running.run)
        code, out = Running(config, tmp_path / "results", "--resume", str(running.run)).end()
    assert code == 0, out
    after = levels(running.run)
    assert after.items() > before.items() >= done.items()
    for path in running.run.glob("requests/*/*/*.parquet"):
        records = pq.read_table(path).to_pandas()
        assert list(records["error"].dropna()) == []
        assert (records["phase"] == "measured").sum() == 8


@pytest.mark.thorough
def test_the_server_of_a_killed_run_does_not_stay(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    server = {"context_tokens": 512, "parallel": 1, "threads": 1}
    local = {"name": "local", **LOCAL, "local": server, "concurrency_levels": [1]}
    load = {"requests": 3, "warmup_requests": 1, "prompt_reuse": "never"}
    config = write_config([local], load=load, run_steps=NO_REPORT)
    running = Running(config, tmp_path / "results")
    wait_until(lambda: running.measuring(after_levels=0))
    kernel = running.kernel
    running.process.kill()
    running.end()
    assert kernel is not None
    wait_until(lambda: not kernel.is_running())
    (resource,) = json.loads((running.run / "endpoints.json").read_text())["local"]["resources"]
    assert alive(resource["pid"])

    again = Running(config, tmp_path / "results", "--resume", str(running.run))
    code, out = again.end()
    assert code == 0, out
    endpoints = json.loads((running.run / "endpoints.json").read_text())
    assert endpoints["local"]["status"] == "deleted"
    pids = [resource["pid"], *(one["pid"] for one in endpoints["local"]["resources"])]
    assert not any(alive(pid) for pid in pids)


@pytest.mark.thorough
def test_ctrl_c_ends_a_run_in_order(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    with launch(SLOW) as emulator:
        config = write_config([{"name": "steady", "ep_name": emulator.url}])
        running = Running(config, tmp_path / "results")
        wait_until(lambda: running.measuring(after_levels=1))
        worker = running.child("sending.worker")
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
