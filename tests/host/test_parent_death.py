"""A process that ends with the one that started it."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

CHILD = "import os; from fmbench_lib.host.parent_death import end_with; end_with(os.getppid() + {more}); print('lives')"


@pytest.mark.parametrize(("more", "code", "printed"), [(0, 0, "lives\n"), (1, 1, "")])
def test_a_process_whose_parent_has_ended_by_then_ends_too(more: int, code: int, printed: str) -> None:
    """Another parent than the one that started it means that that one is gone."""
    child = [sys.executable, "-c", CHILD.format(more=more)]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, printed)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_a_process_that_is_stopped_dies_with_its_parent() -> None:
    child = (
        "import os, signal; from fmbench_lib.host.parent_death import end_with; end_with(os.getppid());"
        "print(os.getpid(), flush=True); signal.pause()"
    )
    parent = (
        f"import signal, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {child!r}]);signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        process = psutil.Process(int(started.stdout.readline()))
        process.suspend()
        started.kill()
        process.wait(timeout=30)
