"""Whether a process that was written down still runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fmbench_lib.host import process_identity
from fmbench_lib.host.process_identity import is_gone, this_process


def test_this_process_runs_and_one_that_was_killed_is_gone() -> None:
    assert not is_gone(this_process())
    script = (
        "import json; from fmbench_lib.host.process_identity import this_process; "
        "print(json.dumps(this_process()), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        other = json.loads(process.stdout.readline())
        assert other["pid"] == process.pid
        assert not is_gone(other)
        process.kill()
        process.wait()
        assert is_gone(other)


def test_an_id_that_was_given_again_is_another_process() -> None:
    assert is_gone({**this_process(), "started": 1.0})


def test_nothing_is_said_of_a_process_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_identity, "_machine", lambda: "here")
    mine = this_process()
    assert is_gone({**mine, "boot": "an earlier one"})
    assert not is_gone({**mine, "boot": "another", "machine": "there"})
    assert not is_gone({**mine, "space": "a container's", "started": 1.0})
    monkeypatch.setattr(process_identity, "_machine", lambda: "")
    assert not is_gone({**mine, "boot": "another", "machine": ""})
