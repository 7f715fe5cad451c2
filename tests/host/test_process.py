"""Processes that outlive their starter, and are told apart from strangers with the same id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fmbench_lib.host import process
from fmbench_lib.host.process import ProcessMark

# Says that it runs once it is released, then stays.
STAYS = (
    "import sys, time; sys.stdin.read(1) or sys.exit('not released'); print('released', flush=True); time.sleep(600)"
)
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + STAYS

Start = Callable[[str], ProcessMark]


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "process.log"


@pytest.fixture
def start(log_file: Path) -> Iterator[Start]:
    started: list[ProcessMark] = []

    def run(code: str) -> ProcessMark:
        started.append(process.start_held([sys.executable, "-c", code], log_file=log_file, env=os.environ))
        return started[-1]

    yield run
    for mark in started:
        process.stop(mark, grace=0)


def until_it_says(log_file: Path, word: str) -> None:
    while word not in log_file.read_text():
        os.sched_yield()


def test_it_is_held_until_released(start: Start, log_file: Path) -> None:
    mark = start(STAYS)
    assert process.running(mark)
    assert log_file.read_text() == ""
    process.release(mark)
    until_it_says(log_file, "released")


def test_it_lives_in_a_session_of_its_own(start: Start) -> None:
    mark = start(STAYS)
    assert os.getsid(mark.pid) == os.getpgid(mark.pid) == mark.pid != os.getsid(0)


def test_stopping_ends_it_and_may_be_repeated(start: Start, log_file: Path) -> None:
    mark = start(STAYS)
    process.release(mark)
    until_it_says(log_file, "released")
    process.stop(mark)
    assert not process.running(mark)
    assert not psutil.pid_exists(mark.pid)
    process.stop(mark)


def test_one_that_will_not_end_is_killed(start: Start, log_file: Path) -> None:
    mark = start(STUBBORN)
    process.release(mark)
    until_it_says(log_file, "released")
    process.stop(mark, grace=0.1)
    assert not process.running(mark)


def test_its_whole_group_is_ended(start: Start, log_file: Path) -> None:
    child = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, 'pid', flush=True); "
    mark = start(child + STAYS)
    until_it_says(log_file, "pid")
    grandchild = psutil.Process(int(log_file.read_text().split()[0]))
    process.stop(mark)
    psutil.wait_procs([grandchild], timeout=10)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("away", [-3600.0, 60.0])
def test_a_stranger_with_the_same_id_is_not_touched(start: Start, away: float) -> None:
    mark = start(STAYS)
    stranger = replace(mark, started=mark.started + away)
    assert not process.running(stranger)
    process.stop(stranger, grace=0)
    assert process.running(mark)


def test_a_step_of_the_clock_does_not_make_it_a_stranger(start: Start) -> None:
    mark = start(STAYS)
    assert process.running(replace(mark, started=mark.started + 7200, booted=mark.booted + 7200))


@pytest.mark.parametrize(
    ("code", "said"), [("import sys; sys.exit(3)", "exited with code 3"), (STAYS, "was ended by SIGKILL")]
)
def test_it_is_known_how_a_child_ended(start: Start, code: str, said: str) -> None:
    mark = start(code)
    if code == STAYS:
        os.kill(mark.pid, signal.SIGKILL)
    while process.running(mark):
        os.sched_yield()
    assert process.ending(mark) == said


def run_starter(code: str, log_file: Path, *, ends_by: str) -> ProcessMark:
    """The mark of a process that another Python process started before it ended."""
    script = f"""
        import json, os, signal, sys
        from dataclasses import asdict
        from pathlib import Path
        from fmbench_lib.host import process
        mark = process.start_held([sys.executable, "-c", {code!r}], log_file=Path({str(log_file)!r}), env=os.environ)
        print(json.dumps(asdict(mark)), flush=True)
        {ends_by}
    """
    root = str(Path(process.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": root},
    )
    return ProcessMark(**json.loads(done.stdout))


def test_it_outlives_a_killed_starter_and_is_ended_from_elsewhere(log_file: Path) -> None:
    mark = run_starter(STAYS, log_file, ends_by="process.release(mark); os.kill(os.getpid(), signal.SIGKILL)")
    assert process.running(mark)
    assert process.ending(mark) == "is gone"  # nobody here can know more of another's child
    process.stop(mark)
    assert not process.running(mark)


def test_one_whose_starter_dies_before_noting_it_down_goes_away(log_file: Path) -> None:
    mark = run_starter(STAYS, log_file, ends_by="os.kill(os.getpid(), signal.SIGKILL)")
    while process.running(mark):
        os.sched_yield()
    assert "not released" in log_file.read_text()


def test_the_tail_is_the_last_lines_that_say_something(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"one\ntwo\n\n  three  \n\xff" + b"x" * 500 + b"\n\n")
    assert process.tail(log, lines=2, longest=5) == "three | \ufffdxxxx"
    assert process.tail(tmp_path / "none.log") == f"no log at {tmp_path / 'none.log'}"
    log.write_text("\n")
    assert process.tail(log) == f"nothing in {log}"
