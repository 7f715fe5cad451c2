"""The kernels of a run: whose interpreter they are of, that each is one of its own, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

import fmbench_lib
from fmbench_lib.pipeline.kernels import Kernels


@pytest.fixture(scope="module")
def kernels() -> Iterator[Kernels]:
    with Kernels() as made:
        yield made


def executed(kernels: Kernels, *cells: str) -> list[str]:
    """What each cell shows, in a notebook with a kernel of its own."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_manager_class=kernels.manager(), timeout=60).execute()
    return ["".join(output.get("text", "") for output in cell["outputs"]) for cell in notebook["cells"]]


def test_kernels_use_the_interpreter_that_runs_fmbench(
    tmp_path: Path, kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image may have registered another environment under the name `python3`, which the notebooks ask for."""
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(
        json.dumps({"argv": ["/elsewhere/python"], "display_name": "x", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert kernels.manager()(kernel_name="python3").kernel_spec.argv[0] == sys.executable


def test_each_notebook_has_its_own_process_and_namespace(kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMBENCH_ROLE_ARN", "only-now")
    look = "import os; print(os.getpid(), 'mine' in globals(), os.environ.get('FMBENCH_ROLE_ARN'), os.getsid(0))"
    first, _ = executed(kernels, look, "mine = 1")
    monkeypatch.delenv("FMBENCH_ROLE_ARN")
    (second,) = executed(kernels, look)
    (one, *said, session), (other, *then, _) = first.split(), second.split()
    assert said == ["False", "only-now"]
    assert then == ["False", "None"]
    assert one != other
    assert one == session
    assert not psutil.pid_exists(int(one))


def test_kernels_import_the_running_package(kernels: Kernels) -> None:
    (where,) = executed(kernels, "import fmbench_lib; print(fmbench_lib.__file__)")
    assert where.strip() == fmbench_lib.__file__


def test_an_interrupt_ends_a_cell_and_a_kill_the_notebook(kernels: Kernels) -> None:
    with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
        executed(kernels, "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(60)")
    with pytest.raises(DeadKernelError):
        executed(kernels, "os = __import__('os'); os.kill(os.getpid(), 9)")


def test_signals_reach_kernels_but_not_the_fork_server(kernels: Kernels) -> None:
    assert not kernels.signal(signal.SIGINT)
    kernel = kernels.fork(["-f", "/nowhere/to/connect.json"], {}, "/")
    assert kernel.poll() is None
    assert kernels.signal(signal.SIGKILL)
    assert kernel.wait(timeout=30) == -signal.SIGKILL
    assert not kernels.signal(signal.SIGKILL)


def test_no_kernel_outlives_the_fork_server() -> None:
    with Kernels() as own:
        kernel = own.fork(["-f", "/nowhere/to/connect.json"], {}, "/")
    psutil.wait_procs([psutil.Process(kernel.pid)] if psutil.pid_exists(kernel.pid) else [], timeout=30)
    assert not psutil.pid_exists(kernel.pid)
    assert kernel.poll() == -signal.SIGKILL


def test_a_fork_server_that_has_died_is_started_again() -> None:
    with Kernels() as own:
        first = own.fork(["-f", "/nowhere/to/connect.json"], {}, "/")
        server = psutil.Process(first.pid).parent()
        assert server is not None
        server.kill()
        assert first.wait(timeout=30) == -signal.SIGKILL
        assert own.lost
        second = own.fork(["-f", "/nowhere/to/connect.json"], {}, "/")
        assert not own.lost
        assert second.pid != first.pid
    assert second.wait(timeout=30) == -signal.SIGKILL


def test_why_a_fork_server_cannot_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scrapbook.py").write_text("raise ImportError('half an installation')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Kernels() as broken, pytest.raises(OSError, match="kernels has ended: ImportError: half an installation"):
        broken.fork([], {}, None)


def test_a_kernel_that_is_stopped_dies_with_its_fork_server() -> None:
    with Kernels() as own:
        kernel = psutil.Process(own.fork(["-f", "/nowhere/to/connect.json"], {}, "/").pid)
        kernel.suspend()
        own.kill()
        kernel.wait(timeout=30)
    assert not kernel.is_running()


def test_the_last_words_of_a_kernel_that_cannot_start_are_known(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    with Kernels() as own:
        assert own.fork(["-f", f"{gone}/connect.json"], {}, gone).wait(timeout=60) == 1
        assert gone in own.last_words()


PARENT = """
import os, signal
from fmbench_lib.pipeline.kernels import Kernels
with Kernels() as kernels:
    kernel = kernels.fork(["-f", "/nowhere/to/connect.json"], {}, "/").pid
    server = kernels._server.pid
    holder = os.fork()
    if holder == 0:
        signal.pause()
    os.kill(server, signal.SIGSTOP)
    print(server, kernel, holder, flush=True)
    signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks kernels")
def test_a_killed_parent_leaves_neither_fork_server_nor_kernel() -> None:
    """Even where the fork server is stopped, and another process holds its socket, so that it would never close."""
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server, kernel, holder = (psutil.Process(int(pid)) for pid in parent.stdout.readline().split())
        parent.kill()
        try:
            _, left = psutil.wait_procs([server, kernel], timeout=30)
        finally:
            holder.kill()
    assert not left


def test_a_fork_server_outlasts_the_thread_that_needed_it() -> None:
    """Where it is started again, that is by the thread of one notebook; the next one uses it too."""
    with Kernels() as own:
        own.kill()
        pids: list[int] = []
        thread = threading.Thread(target=lambda: pids.append(own.fork(["-f", "/nowhere.json"], {}, "/").pid))
        thread.start()
        thread.join()
        second = own.fork(["-f", "/nowhere.json"], {}, "/").pid
        assert psutil.Process(second).ppid() == psutil.Process(pids[0]).ppid() != os.getpid()
        assert not own.lost
