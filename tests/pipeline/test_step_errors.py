"""Why a step stopped: never the bare name of an exception, and what to do where memory is short."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import yaml
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from fmbench_lib.pipeline.step_errors import Circumstances, lost_its_port, step_error
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run

LOAD = "3_run_inference"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run in a process that may have 950,000 KiB of memory."""
    none, most = resource.RLIM_INFINITY, 950_000 << 10
    monkeypatch.setattr(resource, "getrlimit", lambda which: (most if which == resource.RLIMIT_AS else none, none))
    config = {
        "general": {"name": "test"},
        "datasets": {"filters": [{"max_length_in_tokens": 500}]},
        "experiments": [{"platform": "endpoint", "ep_name": "http://127.0.0.1:9/v1", "concurrency_levels": [1]}],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(config))
    return create_run(path, results=tmp_path / "results")


def in_cell(name: str, value: str) -> PapermillExecutionError:
    return PapermillExecutionError(
        cell_index=3, exec_count=1, source="", ename=name, evalue=value, traceback=[]
    )  # fmt: skip


RAISE = "raise its limit (ulimit -v 950000)"


@pytest.mark.parametrize(
    ("error", "seen", "message"),
    [
        (
            in_cell("CellExecutionError", ""),
            Circumstances("MemoryError"),
            f"its kernel broke off and could not say why: MemoryError; it ran out of memory: {RAISE}",
        ),
        (
            in_cell("CellExecutionError", ""),
            Circumstances(),
            f"its kernel broke off and could not say why; perhaps it ran out of memory: {RAISE}",
        ),
        (in_cell("MemoryError", ""), Circumstances(), f"MemoryError; it ran out of memory: {RAISE}"),
        (
            in_cell("KeyError", "'x'"),
            Circumstances(memory_share=0.98),
            f"KeyError: 'x'; perhaps it ran out of memory, as it had taken 98% of what it may have: {RAISE}",
        ),
        (in_cell("KeyError", "'x'"), Circumstances("MemoryError", 0.4), "KeyError: 'x'"),
        (
            in_cell("DeployError", "a: CUDA out of memory"),
            Circumstances("", 0.98),
            "DeployError: a: CUDA out of memory",
        ),
        (DeadKernelError("died"), Circumstances(), f"its kernel was killed; perhaps it ran out of memory: {RAISE}"),
        (
            DeadKernelError("died"),
            Circumstances("terminate called after throwing an instance of 'std::bad_alloc'"),
            f"its kernel was killed; it ran out of memory: {RAISE}",
        ),
        (
            DeadKernelError("died"),
            Circumstances("std::bad_alloc", signal=6),
            f"its kernel was killed by SIGABRT; it ran out of memory: {RAISE}",
        ),
        (
            RuntimeError("Kernel died before replying to kernel_info"),
            Circumstances("ImportError: libblas.so: failed to map segment from shared object"),
            "its kernel could not start: ImportError: libblas.so: failed to map segment from shared object; "
            f"it ran out of memory: {RAISE}",
        ),
        (
            ValueError("Invalid message"),
            Circumstances(memory_share=0.9),
            "its kernel could not be followed (ValueError: Invalid message); "
            f"perhaps it ran out of memory, as it had taken 90% of what it may have: {RAISE}",
        ),
        (ConnectionError(), Circumstances(), "its kernel could not be followed (ConnectionError)"),
    ],
)
def test_what_happened_and_what_to_do(run: Run, error: BaseException, seen: Circumstances, message: str) -> None:
    assert step_error(run, LOAD, error, seen).message == message


def test_a_run_that_is_gone_says_that(run: Run) -> None:
    run.workspace.run_file.unlink()
    assert "is gone" in step_error(run, LOAD, in_cell("MemoryError", "")).message


def test_a_port_that_another_process_took_is_told_from_other_ends() -> None:
    died = RuntimeError("Kernel died before replying to kernel_info")
    assert lost_its_port(died, "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:5')")
    assert not lost_its_port(died, "ImportError: no module")
    assert not lost_its_port(DeadKernelError("died"), "Address already in use")


def test_the_signal_is_named_where_it_tells_something(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    said = [step_error(run, LOAD, DeadKernelError("died"), Circumstances(signal=n)).message for n in (9, 24, 11, 63)]
    assert said == [
        "its kernel was killed",
        "its kernel was killed by SIGXCPU (its CPU time is limited, ulimit -t)",
        "its kernel was killed by SIGSEGV",
        "its kernel was killed by signal 63",
    ]
