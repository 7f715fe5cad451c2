"""Steps without notebooks: whatever ends them, what was started is taken down, and the end is recorded."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fmbench_lib.errors import DiskFullError, InputError
from fmbench_lib.host.process_identity import this_process
from fmbench_lib.pipeline import plain_steps
from fmbench_lib.pipeline.conclusion import LastSteps, Outcome, Success
from fmbench_lib.pipeline.interrupts import Interrupts
from fmbench_lib.pipeline.plain_steps import run_plain_steps
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.runs.run_orders import current_order, give_order

SETUP, LOAD, CLEANUP = "0_setup", "3_run_inference", "5_cleanup"
Do = Callable[[Run], object]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = {
        "general": {"name": "test"},
        "datasets": {"filters": [{"max_length_in_tokens": 500}]},
        "experiments": [
            {
                "platform": "endpoint",
                "ep_name": "http://127.0.0.1:9/v1",
                "tokenizer": "words",
                "concurrency_levels": [1],
            }
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(config))
    return create_run(path, results=tmp_path / "results")


@pytest.fixture
def standing(run: Run) -> Run:
    """The run with something that it has deployed."""
    run.workspace.note(run.workspace.endpoints_file, {"m": {"owned": True, "deleted_at": None, "error": None}})
    return run


def nothing(run: Run) -> None:
    return


def stop(run: Run) -> None:
    give_order(run.workspace, "stop")


def interrupt(run: Run) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def drive(run: Run, **steps: Do) -> tuple[Outcome, list[str], list[Run]]:
    """How the run ends, which steps were begun, and what was taken down in the end."""
    begun: list[str] = []
    taken: list[Run] = []

    def take_down(run: Run) -> list[str]:
        taken.append(run)
        return []

    chosen = {SETUP: steps.get("setup", nothing), LOAD: steps.get("load", nothing), CLEANUP: nothing}
    outcome = run_plain_steps(run, lambda interrupts: chosen, begun.append, LastSteps(take_down), Success())
    return outcome, begun, taken


@pytest.mark.parametrize(("do", "why"), [(stop, "stopped by `fmbench stop`"), (interrupt, "interrupted")])
def test_a_run_that_is_stopped_does_no_further_step_but_the_cleanup(do: Do, why: str, standing: Run) -> None:
    outcome, begun, taken = drive(standing, setup=do)
    assert (outcome.exit_code, [str(error) for error in outcome.errors]) == (130, [f"{SETUP}: {why}"])
    assert (begun, taken) == ([SETUP, CLEANUP], [standing])
    assert current_order(standing.workspace) is None
    assert json.loads(standing.workspace.run_file.read_text())["status"] == "interrupted"


def test_an_order_that_was_given_before_the_first_step_counts(run: Run) -> None:
    stop(run)
    outcome, begun, _ = drive(run)
    assert (outcome.exit_code, begun) == (130, [])


def test_an_order_to_a_process_that_is_gone_does_not(run: Run) -> None:
    stop(run)
    run.workspace.update_run(process={**this_process(), "pid": 1, "started": 1.0})
    assert drive(run)[0].exit_code == 0


def test_steps_see_that_the_run_is_to_stop(run: Run) -> None:
    seen: list[int] = []

    def steps_for(interrupts: Interrupts) -> dict[str, Do]:
        def load(run: Run) -> None:
            seen.append(interrupts.look())
            give_order(run.workspace, "stop")
            seen.extend((interrupts.look(), interrupts.look()))

        return {LOAD: load}

    assert run_plain_steps(run, steps_for, lambda step: None, LastSteps(), Success()).exit_code == 130
    assert seen == [0, 1, 1]  # an order counts once: twice would mean that nothing is waited for


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (InputError("no such tokenizer"), "InputError: no such tokenizer", 2),
        (ValueError("an odd one"), "ValueError: an odd one (", 1),
        (OSError(28, "No space left on device"), "the disk of ", 1),
    ],
)
def test_a_step_that_fails_says_why_once(error: Exception, said: str, code: int, run: Run) -> None:
    def fail(run: Run) -> None:
        raise error

    outcome, begun, _ = drive(run, setup=fail)
    assert (outcome.exit_code, begun) == (code, [SETUP])
    (stopped,) = outcome.errors
    assert stopped.message.startswith(said)


def test_a_run_that_cannot_begin_deletes_what_an_earlier_process_left(
    standing: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(run: Run) -> None:
        raise DiskFullError("the disk is full")

    monkeypatch.setattr(plain_steps, "begin", full)
    outcome, begun, taken = drive(standing)
    assert (outcome.exit_code, begun, taken) == (1, [], [standing])


def test_a_directory_that_is_gone_is_said_in_words(run: Run) -> None:
    def remove(run: Run) -> None:
        shutil.rmtree(run.workspace.path)
        raise FileNotFoundError(run.workspace.run_file)

    outcome, _, taken = drive(run, load=remove)
    assert str(outcome.errors[0]).startswith(f"{LOAD}: the run's directory {run.workspace.path} is gone")
    assert (outcome.exit_code, taken) == (1, [run])
