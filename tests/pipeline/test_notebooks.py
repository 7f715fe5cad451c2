"""The notebooks of a run: their order, what stops it, the exit code, and what a failure leaves."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from fmbench_lib.config import STEPS
from fmbench_lib.errors import RunStateError
from fmbench_lib.pipeline import notebooks
from fmbench_lib.pipeline.kernels import Kernels
from fmbench_lib.pipeline.notebooks import LastSteps, notebook_source, run_pipeline, steps_named, succeeded
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.workspace import LevelKey

Source = Callable[..., None]
SETUP, LOAD, CLEANUP = "0_setup", "3_run_inference", "5_cleanup"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of three steps, given a secret."""
    config = {
        "general": {"name": "test"},
        "datasets": {"filters": [{"max_length_in_tokens": 500}]},
        "run_steps": {step: step in (SETUP, LOAD, CLEANUP) for step in STEPS},
        "experiments": [
            {
                "platform": "endpoint",
                "ep_name": "http://127.0.0.1:9/v1",
                "tokenizer": "words",
                "concurrency_levels": [1],
                "inference_spec": {"headers": {"x-key": "{api_key}"}},
            }
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(config))
    return create_run(path, results=tmp_path / "results", arguments={"api_key": "plumKestrelKey"})


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Replaces the notebook of a step by one with a cell that appends the step to `order.txt` and runs this code."""
    folder = tmp_path / "sources"
    folder.mkdir()
    monkeypatch.setattr(notebooks, "notebook_source", lambda step: folder / f"{step}.ipynb")

    def write(step: str, code: str = "") -> None:
        parameters = nbformat.v4.new_code_cell("run_dir = ''", metadata={"tags": ["parameters"]})
        first = f"open(run_dir + '/order.txt', 'a').write('{step} ')"
        cells = [parameters, nbformat.v4.new_code_cell(f"{first}\n{code}")]
        kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / f"{step}.ipynb")

    for step in (SETUP, LOAD, CLEANUP):
        write(step)
    return write


def order(run: Run) -> list[str]:
    return (run.workspace.path / "order.txt").read_text().split()


def test_notebooks_run_in_order_and_end_with_0(run: Run, cell: Source) -> None:
    polled: list[str] = []
    outcome = run_pipeline(run, polled.append)
    assert (outcome.exit_code, outcome.errors, outcome.interrupted) == (0, [], False)
    assert order(run) == [SETUP, LOAD, CLEANUP]
    assert list(dict.fromkeys(polled)) == [SETUP, LOAD, CLEANUP]
    assert run.workspace.read_run()["exit_code"] == 0
    executed = nbformat.read(run.workspace.notebook(LOAD), as_version=4)
    assert executed.metadata.papermill.parameters.run_dir == str(run.workspace.path)


def test_only_some_steps_can_be_run(run: Run, cell: Source) -> None:
    run_pipeline(run, only=[LOAD])
    assert order(run) == [LOAD]


def test_bad_input_before_the_deployment_ends_with_2_and_nothing_follows(run: Run, cell: Source) -> None:
    cell(SETUP, "from fmbench_lib.errors import DataError\nraise DataError('no rows')")
    outcome = run_pipeline(run)
    (error,) = outcome.errors
    assert (outcome.exit_code, error.step, error.cell, error.message) == (2, SETUP, 2, "DataError: no rows")
    assert order(run) == [SETUP]
    assert run.workspace.read_run()["status"] == "failed"


@pytest.mark.parametrize("deployed", [True, False])
def test_a_later_failure_ends_with_1_after_the_cleanup_of_what_was_deployed(
    run: Run, cell: Source, deployed: bool
) -> None:
    cell(LOAD, "raise ValueError('the key plumKestrelKey was refused')")
    if deployed:
        run.workspace.endpoints_file.write_text("{}")
    outcome = run_pipeline(run)
    assert outcome.exit_code == 1
    assert order(run) == ([SETUP, LOAD, CLEANUP] if deployed else [SETUP, LOAD])
    assert "plumKestrel" not in outcome.errors[0].message
    assert "plumKestrel" not in run.workspace.notebook(LOAD).read_text()
    assert "was refused" in run.workspace.notebook(LOAD).read_text()


def test_a_killed_kernel_is_a_failed_step(run: Run, cell: Source) -> None:
    cell(LOAD, "import os; os.kill(os.getpid(), 9)")
    run.begin_step(LOAD)
    outcome = run_pipeline(run, only=[LOAD])
    assert (outcome.exit_code, outcome.errors[0].message) == (1, "its kernel was killed")
    assert run.workspace.read_run()["steps"][LOAD]["status"] == "failed"


def test_a_signal_that_killed_a_kernel_is_named(run: Run, cell: Source) -> None:
    cell(LOAD, "import os; os.kill(os.getpid(), 24)")
    (error,) = run_pipeline(run, only=[LOAD]).errors
    assert error.message == "its kernel was killed by SIGXCPU (its CPU time is limited, ulimit -t)"


def test_an_interrupt_ends_with_130_and_does_not_reach_the_cleanup(run: Run, cell: Source) -> None:
    cell(LOAD, "import time\nopen(run_dir + '/begun', 'w')\ntime.sleep(60)")
    run.workspace.endpoints_file.write_text("{}")
    sent: list[str] = []

    def poll(step: str) -> None:
        if step == LOAD and not sent and (run.workspace.path / "begun").exists():
            sent.append(step)
            os.kill(os.getpid(), signal.SIGINT)

    outcome = run_pipeline(run, poll)
    assert (outcome.exit_code, outcome.interrupted) == (130, True)
    assert order(run) == [SETUP, LOAD, CLEANUP]
    assert run.workspace.read_run()["status"] == "interrupted"


@pytest.mark.parametrize("failed", ["endpoint", "level"])
def test_a_failed_experiment_or_level_ends_with_1(run: Run, cell: Source, failed: str) -> None:
    if failed == "endpoint":
        run.workspace.endpoints_file.write_text(json.dumps({"one": {"error": "no capacity"}}))
    else:
        path = run.workspace.failed_level(LevelKey("one", "p.jsonl", "concurrency-1"))
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    assert run_pipeline(run, only=[SETUP]).exit_code == 1


def test_a_run_that_is_being_executed_is_not_executed_twice(run: Run, cell: Source) -> None:
    with run.workspace.locked("pipeline"), pytest.raises(RunStateError, match="another process"):
        run_pipeline(run)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_a_notebook_that_ships(step: str) -> None:
    notebook = nbformat.read(notebook_source(step), as_version=4)
    assert len(notebook.cells) <= 12
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert all(len(source.splitlines()) <= 8 for source in code)
    assert not any(line.startswith(("def ", "class ")) for source in code for line in source.splitlines())


def test_steps_are_named_by_numbers_ranges_and_names() -> None:
    assert steps_named("4, 0-2") == [*STEPS[:3], STEPS[4]]
    assert steps_named("5_cleanup,0_setup.ipynb") == [SETUP, CLEANUP]
    for unknown in ("6", "2-1", "setup", "0-"):
        with pytest.raises(RunStateError, match=f"--steps {unknown}: no such step"):
            steps_named(unknown)


@pytest.mark.parametrize(
    ("winner", "fail_on_budget", "success"),
    [(None, False, True), (None, True, False), ({"concurrency": 1}, True, True)],
)
def test_no_level_within_the_budgets_fails_a_run_where_that_was_asked_for(
    run: Run, winner: object, fail_on_budget: bool, success: bool
) -> None:
    summary = {"decision": {"winner": winner}, "all_well": True, "all_measured": True}
    run.workspace.summary_file.write_text(json.dumps(summary))
    assert succeeded(run, allow_invalid=False, fail_on_budget=fail_on_budget) is success


@pytest.mark.parametrize("allow_invalid", [False, True])
def test_an_evaluation_that_broke_down_fails_a_run(run: Run, allow_invalid: bool) -> None:
    summary = {"decision": {"winner": None}, "all_well": True, "all_measured": True, "all_evaluated": False}
    run.workspace.summary_file.write_text(json.dumps(summary))
    assert not succeeded(run, allow_invalid)


@pytest.mark.thorough
def test_the_exit_code_of_a_run_without_a_level_within_its_budgets(run: Run, cell: Source) -> None:
    summary = {"decision": {"winner": None}, "all_well": True, "all_measured": True}
    run.config.run_steps[notebooks.ANALYSIS] = True
    cell(notebooks.ANALYSIS, f"open(run_dir + '/summary.json', 'w').write({json.dumps(json.dumps(summary))})")
    assert run_pipeline(run, only=[notebooks.ANALYSIS]).exit_code == 0
    assert run_pipeline(run, only=[notebooks.ANALYSIS], fail_on_budget=True).exit_code == 1


def standing(run: Run) -> LastSteps:
    """Callbacks for a run whose one server is standing until it is taken down; each time is noted in `taken`."""
    taken.clear()

    def take_down(of: Run) -> list[str]:
        taken.append(of.workspace.path)
        return []

    return LastSteps(take_down, lambda of: 0)


taken: list[Path] = []
SERVING = {"one": {"owned": True, "deleted_at": None, "error": None}}


@pytest.mark.thorough
def test_what_the_cleanup_leaves_is_taken_down_without_a_kernel(run: Run, cell: Source) -> None:
    run.workspace.endpoints_file.write_text(json.dumps(SERVING))
    cell(CLEANUP, "import os; os.kill(os.getpid(), 9)")
    outcome = run_pipeline(run, last=standing(run))
    assert (outcome.exit_code, taken) == (1, [run.workspace.path])
    assert order(run) == [SETUP, LOAD, *[CLEANUP] * 3]  # a cleanup whose kernel died is tried again


def test_what_cannot_be_taken_down_is_an_error(run: Run, cell: Source) -> None:
    run.workspace.endpoints_file.write_text(json.dumps(SERVING))

    def refused(_: Run) -> list[str]:
        raise MemoryError

    outcome = run_pipeline(run, last=LastSteps(lambda _: ["one: could not be deleted"], lambda _: 0))
    assert (outcome.exit_code, outcome.errors[0].message) == (1, "one: could not be deleted")
    outcome = run_pipeline(run, last=LastSteps(refused, lambda _: 0))
    assert (outcome.exit_code, "may still stand" in outcome.errors[0].message) == (1, True)


def test_what_the_cleanup_step_said_of_an_endpoint_is_not_said_again(run: Run, cell: Source) -> None:
    run.workspace.endpoints_file.write_text(json.dumps(SERVING))
    said = ["one: could not be deleted: no", "two: could not be deleted: no"]
    cell(CLEANUP, f"from fmbench_lib.errors import FmbenchError; raise FmbenchError({'; '.join(said)!r})")
    outcome = run_pipeline(run, last=LastSteps(lambda _: [*said, "three: could not be deleted: no"], lambda _: 0))
    assert [error.message.removeprefix("FmbenchError: ") for error in outcome.errors] == [
        "; ".join(said),
        "three: could not be deleted: no",
    ]


def test_a_run_that_keeps_its_endpoints_takes_nothing_down(run: Run, cell: Source) -> None:
    run.workspace.endpoints_file.write_text(json.dumps(SERVING))
    cell(LOAD, "raise ValueError")
    run_pipeline(run, only=[SETUP, LOAD], last=standing(run))
    assert taken == []


def test_a_directory_that_is_removed_ends_the_run_with_1_and_its_endpoints_are_taken_down(
    run: Run, cell: Source
) -> None:
    cell(LOAD, "import shutil; shutil.rmtree(run_dir)\nopen(run_dir + '/x', 'w')")
    outcome = run_pipeline(run, last=standing(run))
    assert (outcome.exit_code, taken) == (1, [run.workspace.path])
    assert (
        outcome.errors[0].message == f"the run's directory {run.workspace.path} is gone, and what was measured with it"
    )
    assert not run.workspace.run_file.exists()


@pytest.mark.parametrize("when", ["the first write", "a notebook"])
def test_a_full_disk_is_a_line_and_what_was_deployed_is_taken_down(
    run: Run, cell: Source, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if when == "the first write":
        monkeypatch.setattr(os, "posix_fallocate", raising(error))
    else:
        monkeypatch.setattr(notebooks, "_papermill", raising(error))
    outcome = run_pipeline(run, last=standing(run))
    assert (outcome.exit_code, taken) == (1, [run.workspace.path])
    assert "is full" in outcome.errors[0].message
    assert str(run.workspace.path) in outcome.errors[0].message
    assert run.workspace.read_run()["status"] == "failed"


def raising(error: BaseException) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> None:
        raise error

    return refuse


@pytest.mark.thorough
def test_a_fork_server_that_is_killed_costs_no_step(run: Run, cell: Source) -> None:
    """The kernel dies with it; the step goes on in another one with what is not done."""
    once = "path = run_dir + '/killed'\nimport os, time\nif not os.path.exists(path):\n    open(path, 'w')\n"
    cell(LOAD, f"{once}    os.kill(os.getppid(), 9)\n    time.sleep(60)")
    outcome = run_pipeline(run)
    assert (outcome.exit_code, outcome.errors) == (0, [])
    assert order(run) == [SETUP, LOAD, LOAD, CLEANUP]


@pytest.mark.thorough
def test_a_step_that_kills_every_fork_server_fails(run: Run, cell: Source) -> None:
    cell(LOAD, "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(60)")
    run.workspace.endpoints_file.write_text(json.dumps(SERVING))
    outcome = run_pipeline(run, last=standing(run))
    assert (outcome.exit_code, outcome.errors[0].message) == (1, "its kernel was killed")
    assert order(run) == [SETUP, LOAD, LOAD, LOAD, CLEANUP]
    assert taken == [run.workspace.path]


def test_interrupts_do_not_keep_the_cleanup_from_its_work(run: Run, cell: Source) -> None:
    run.workspace.endpoints_file.write_text(json.dumps(SERVING))
    cell(LOAD, "import time\nopen(run_dir + '/begun', 'w')\ntime.sleep(60)")
    cell(CLEANUP, "import time\nopen(run_dir + '/cleaning', 'w')\ntime.sleep(60)")
    sent: dict[str, int] = {}

    def poll(step: str) -> None:
        begun = run.workspace.path / {LOAD: "begun", CLEANUP: "cleaning"}.get(step, "none")
        if begun.exists() and sent.get(step, 0) < 2:
            sent[step] = sent.get(step, 0) + 1
            os.kill(os.getpid(), signal.SIGINT)

    outcome = run_pipeline(run, poll, last=standing(run))
    assert sent == {LOAD: 2, CLEANUP: 2}
    assert (outcome.exit_code, taken) == (130, [run.workspace.path])
    assert run.workspace.read_run()["status"] == "interrupted"


def test_an_interrupt_between_two_steps_ends_the_run_before_the_next(run: Run, cell: Source) -> None:
    def poll(step: str) -> None:
        if step == SETUP and (run.workspace.path / "order.txt").exists() and not sent:
            sent.append(step)
            os.kill(os.getpid(), signal.SIGTERM)

    sent: list[str] = []
    cell(SETUP, "import time\ntry:\n    time.sleep(30)\nexcept KeyboardInterrupt:\n    pass")
    outcome = run_pipeline(run, poll)
    assert (outcome.exit_code, order(run)) == (130, [SETUP])
    assert outcome.errors[0].step == LOAD


@pytest.mark.thorough
def test_levels_that_were_planned_and_not_measured_end_with_1(run: Run, cell: Source) -> None:
    assert run_pipeline(run, last=LastSteps(lambda _: [], lambda _: 15)).exit_code == 1
    assert run_pipeline(run, last=LastSteps(lambda _: [], lambda _: 0)).exit_code == 0


def test_the_room_that_was_set_aside_is_given_back(run: Run, cell: Source) -> None:
    cell(LOAD, "import os\nassert os.stat(run_dir + '/.reserve').st_size > 0")
    assert run_pipeline(run).exit_code == 0
    assert not run.workspace.reserve_file.exists()


def test_a_kernel_whose_port_another_process_took_is_started_again(
    run: Run, cell: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed = notebooks._papermill
    left = [RuntimeError("Kernel died before replying to kernel_info")]
    monkeypatch.setattr(notebooks, "_papermill", lambda *given: left.pop() if left else executed(*given))
    monkeypatch.setattr(Kernels, "last_words", lambda self: "zmq.error.ZMQError: Address already in use")
    outcome = run_pipeline(run)
    assert (outcome.exit_code, outcome.errors, left) == (0, [], [])
    assert order(run) == [SETUP, LOAD, CLEANUP]
