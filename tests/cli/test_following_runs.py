"""`fmbench status`, `pause` and `stop`: a run that another process executes, seen and reached by its directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.cli.following_runs import follow
from fmbench_lib.fleet.machine_task import FleetSettings, Machine
from fmbench_lib.host.process_identity import identity_of
from fmbench_lib.runs.fleet_record import write_fleet
from fmbench_lib.runs.run_orders import current_order, give_order
from fmbench_lib.runs.run_status import standing_of
from fmbench_lib.workspace import LevelKey, Workspace, create_workspace
from tests.cli.level_facts import KEY, figures, published

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for the one that executes the run."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def run(tmp_path: Path, other: subprocess.Popen[bytes]) -> Workspace:
    """A run of three levels that is being executed: the first is measured, the second has begun."""
    workspace = create_workspace(tmp_path / "results", "test")
    steps = {"3_run_inference": {"status": "running", "started": "2026-05-04T09:30:00+00:00"}}
    state = {
        "run_id": workspace.run_id,
        "name": "test",
        "status": "running",
        "steps": steps,
        "kept": {"where": "local"},
    }
    workspace.note(workspace.run_file, {**state, "process": identity_of(other.pid)})
    key = LevelKey(**KEY, load="concurrency-1")
    workspace.level(key).parent.mkdir(parents=True)
    workspace.level(key).write_bytes(b"")
    workspace.log_event("level started", number=1, count=3, level=" · ".join(key), **key._asdict())
    told = {"number": 1, "count": 3, "attempt": 1, "stop_reason": "requests", "figures": figures(1)}
    workspace.log_event("level measured", level=" · ".join(key), **key._asdict(), **told)
    publish(workspace, processes={"load worker 0": identity_of(os.getpid())})
    return workspace


@pytest.fixture
def say(run: Workspace, capsys: pytest.CaptureFixture[str]) -> Say:
    """A command about the run: its exit code, and all that it prints."""

    def command(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main([words[0], "latest", "--results-dir", str(run.path.parent.parent), *words[1:]])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return command


def publish(workspace: Workspace, **facts: Any) -> None:
    workspace.progress_file.write_text(json.dumps(published(number=2, in_flight=2, **facts)))


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_status_says_how_far_a_run_is(run: Workspace, other: subprocess.Popen[bytes], say: Say) -> None:
    code, out = say("status")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith(f"test/{run.run_id}: running, 3_run_inference for ")
    assert lines[1].startswith("level 1/3 one · en_1-500 · concurrency 1: 200 requests")
    assert lines[2].startswith("level 2 of 3: ")
    assert lines[2].endswith("20/40 requests (50%)")
    assert "4.00 req/s" in lines[3]
    assert "level: 5 s left" in lines[3]
    assert f"processes: fmbench {other.pid} alive, load worker 0 {os.getpid()} alive" in lines
    assert lines[-1].startswith("disk: the run takes ")
    assert " free on its disk" in lines[-1]


def test_status_is_a_document_for_programs(run: Workspace, say: Say) -> None:
    code, out = say("status", "--json")
    (document,) = map(json.loads, out.splitlines())
    assert code == 0
    assert (document["event"], document["run_status"], document["step"]) == ("status", "running", "3_run_inference")
    assert (document["levels"], document["failed"], document["order"]) == (3, 0, None)
    assert document["level"]["done"] == 20
    assert [event["figures"]["requests"] for event in document["measured"]] == [200]


def test_a_dead_run_is_not_shown_as_running(run: Workspace, other: subprocess.Popen[bytes], say: Say) -> None:
    kill(other)
    code, out = say("status")
    assert code == 0
    assert out.splitlines()[0] == f"test/{run.run_id}: interrupted"
    assert "level 2 of 3" not in out


def test_figures_that_nobody_renews_are_called_old(run: Workspace, say: Say) -> None:
    past = run.progress_file.stat().st_mtime - 95
    os.utime(run.progress_file, (past, past))
    assert "these figures are 1 min 35 s old" in say("status")[1]


def test_the_room_that_a_level_takes_is_said(run: Workspace, say: Say) -> None:
    publish(run, bytes_per_request=6200.0, bytes_needed=10**9, bytes_free=5 * 10**9)
    assert "  a request takes 6.2 kB on the disk, the rest of the level about 1.0 GB\n" in say("status")[1]
    publish(run, bytes_per_request=6200.0, bytes_needed=10**9, bytes_free=9 * 10**8)
    assert "and 900.0 MB are free: it will be stopped before the disk is full" in say("status")[1]


def test_a_stopped_process_is_called_stopped(run: Workspace, other: subprocess.Popen[bytes], say: Say) -> None:
    os.kill(other.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
    assert f"fmbench {other.pid} stopped" in say("status")[1]


def test_a_level_that_was_set_aside_does_not_count_as_measured(run: Workspace) -> None:
    run.level(LevelKey(**KEY, load="concurrency-1")).unlink()
    assert standing_of(run).measured == ()


@pytest.mark.parametrize(("words", "order"), [(["pause"], "pause"), (["pause", "--now"], "pause now")])
def test_a_run_is_asked_to_pause_and_goes_on_with_resume(
    words: list[str], order: str, run: Workspace, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = say(*words)
    assert (code, current_order(run)) == (0, order)
    assert f"fmbench --resume {run.path}" in out
    assert "it will pause" in say("status")[1]
    run.log_event("run paused")
    run.progress_file.unlink()
    assert say("status")[1].startswith(f"test/{run.run_id}: paused in 3_run_inference")
    assert main(["--resume", str(run.path)]) == 0
    assert "goes on in its own process" in capsys.readouterr().out
    assert current_order(run) is None


def test_a_run_is_asked_to_stop(run: Workspace, say: Say) -> None:
    code, out = say("stop")
    assert (code, current_order(run)) == (0, "stop")
    assert "--resume" in out
    assert "asked: it will stop at once" in say("status")[1]


@pytest.mark.parametrize("command", ["pause", "stop"])
def test_what_nobody_executes_cannot_be_paused_or_stopped(
    command: str, run: Workspace, other: subprocess.Popen[bytes], say: Say
) -> None:
    kill(other)
    code, out = say(command)
    assert code == 2
    assert f"is interrupted: no process executes it, so there is nothing to {command}" in out
    assert current_order(run) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"order": "dance"}', '{"order": ["stop"]}', "null"])
def test_a_damaged_order_asks_for_nothing(content: str, run: Workspace) -> None:
    run.orders_file.write_text(content)
    assert current_order(run) is None


@pytest.mark.parametrize("command", ["pause", "stop"])
def test_an_order_that_cannot_be_written_is_said_in_a_line(command: str, run: Workspace, say: Say) -> None:
    run.orders_file.mkdir()
    code, out = say(command)
    assert code == 2
    assert f"cannot write {run.orders_file}, by which the run is asked to {command}: Is a directory" in out
    assert len(out.splitlines()) == 1


def test_following_ends_with_the_run_and_its_exit_code(run: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    key = LevelKey(**KEY, load="concurrency-2")

    def wait(_seconds: float) -> None:
        """The second level ends at the first look, the run at the second."""
        if run.progress_file.exists():
            run.progress_file.unlink()
            run.level(key).write_bytes(b"")
            told = {"number": 2, "count": 3, "attempt": 1, "stop_reason": "requests", "figures": figures(2)}
            run.log_event("level measured", level=" · ".join(key), **key._asdict(), **told)
        else:
            run.update_run(status="interrupted", exit_code=130)

    assert follow(run, wait) == 130
    out = capsys.readouterr().out
    assert "level 2/3 one" in out
    assert f"test/{run.run_id}: interrupted, exit code 130" in out


@pytest.fixture
def fleet(run: Workspace) -> Workspace:
    """The same run as one of a fleet: a machine measures, one is being started, one is deleted."""
    names = {"machine-1": ("one", "two"), "machine-2": ("three",), "machine-3": ("four",), "machine-4": ("five",)}
    machines = [Machine(name, "g5.2xlarge", None, False, experiments) for name, experiments in names.items()]
    write_fleet(run, FleetSettings(), machines)
    times = ({"in_service_at": time.time() - 90}, {}, {"deleted_at": time.time()})
    recorded = {
        machine.label: {
            "experiment_name": machine.label,
            "platform": "skypilot",
            "owned": True,
            "created_at": 1.0,
            **known,
        }
        for machine, known in zip(machines, times, strict=False)
    }
    run.note(run.endpoints_file, recorded)
    run.machine("machine-1").last_line.parent.mkdir(parents=True)
    run.machine("machine-1").last_line.write_text("level 3/4 two · en_1-500 · concurrency 1: 80 requests\n")
    return run


def test_the_status_of_a_fleet_says_how_far_its_machines_are(
    fleet: Workspace, say: Say, other: subprocess.Popen[bytes]
) -> None:
    _, out = say("status")
    lines = [line for line in out.splitlines() if line.startswith("machine-")]
    assert lines[0].startswith("machine-1 (g5.2xlarge): measuring for 1 min 3")
    assert lines[0].endswith(" s, one, two; there: level 3/4 two · en_1-500 · concurrency 1: 80 requests")
    assert lines[1].startswith("machine-2 (g5.2xlarge): starting for ")
    assert lines[2] == "machine-3 (g5.2xlarge): deleted, had four; 0 of its levels brought back"
    assert lines[3] == "machine-4 (g5.2xlarge): not started, for five; 0 of its levels brought back"
    kill(other)
    _, out = say("status")
    assert "machine-1 (g5.2xlarge): not deleted, up for 1 min 3" in out
    assert "1 of its levels brought back" in out
    assert "machine-2 (g5.2xlarge): not deleted" in out
    for name in ("machine-1", "machine-2"):
        assert f"still running and costing money: {name} (g5.2xlarge) on skypilot" in out
    document = json.loads(say("status", "--json")[1])
    conditions = [machine["condition"] for machine in document["machines"]]
    assert conditions == ["left", "left", "deleted", "not started"]
    assert len(document["standing"]) == 2


@pytest.mark.parametrize("words", [["pause"], ["pause", "--now"]])
def test_a_fleet_cannot_be_paused(words: list[str], fleet: Workspace, say: Say) -> None:
    code, out = say(*words)
    assert (code, current_order(fleet)) == (2, None)
    assert "is a fleet's, whose machines measure by themselves and cannot be paused; `fmbench stop`" in out


def test_a_fleet_is_asked_to_stop(fleet: Workspace, say: Say) -> None:
    code, out = say("stop")
    assert (code, current_order(fleet)) == (0, "stop")
    assert "stops once what its machines have measured is here, and deletes them" in out


def test_the_machines_of_a_fleet_are_followed(fleet: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    def wait(_seconds: float) -> None:
        line = fleet.machine("machine-1").last_line
        if "level 4" not in line.read_text():
            line.write_text("level 4/4 two")
        else:
            fleet.update_run(status="finished", exit_code=0)

    assert follow(fleet, wait) == 0
    assert "one, two; there: level 4/4 two" in capsys.readouterr().out


def test_a_run_in_a_bucket_is_not_followed(run: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", f"s3://bucket/test/{run.run_id}", "--follow"]) == 2
    assert "follow the run on the machine that executes it" in capsys.readouterr().err


def test_an_order_is_known_to_this_machine_alone(run: Workspace) -> None:
    give_order(run, "pause")
    assert run.orders_file not in list(run.complete_files())
