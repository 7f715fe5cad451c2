"""What the pipeline runs notebooks with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fmbench_lib.pipeline import _own_kernel


def test_kernels_are_of_the_interpreter_that_runs_fmbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image may have registered another environment under the name `python3`, which the notebooks ask for."""
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(
        json.dumps({"argv": ["/elsewhere/python"], "display_name": "x", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert _own_kernel()(kernel_name="python3").kernel_spec.argv[0] == sys.executable
