"""Scripts as modules, in separate processes: what they can import, and how their functions are called."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.user_scripts.importing import ExperimentKeys, called, most_arguments

OLDER = """
import helper
from fmbench.scripts import constants
from fmbench.scripts.fmbench_predictor import FMBenchPredictionResponse, FMBenchPredictor

class Mine(FMBenchPredictor):
    pass

answer = FMBenchPredictionResponse(response_json={"generated_text": "hi"}, latency=1.5)
print(answer.latency, answer["response_json"], answer.get("prompt_tokens"), constants.PLATFORM_EC2, helper.VALUE)
"""


def test_an_fmbench2_script_can_import_fmbench_and_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OLDER)
    (tmp_path / "helper.py").write_text("VALUE = 7\n")
    code = f"from fmbench_lib.user_scripts.importing import load_script\nload_script({str(tmp_path / 'mine.py')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1.5 {'generated_text': 'hi'} None ec2 7\n", "")


@pytest.mark.parametrize(
    ("function", "takes", "returned"),
    [
        (lambda: (), 0, ()),
        (lambda a: (a,), 1, (1,)),
        (lambda a, b=5: (a, b), 2, (1, 2)),
        (lambda a, b, *, c=9: (a, b, c), 2, (1, 2, 9)),
        (lambda *all_of_them: all_of_them, None, (1, 2, 3)),
    ],
)
def test_a_function_gets_as_many_arguments_as_it_takes(
    function: Callable[..., Any], takes: int | None, returned: Any
) -> None:
    assert most_arguments(function) == takes
    assert called(function, 1, 2, 3) == returned


def test_an_empty_key_is_none_and_an_unknown_one_is_missing() -> None:
    keys = ExperimentKeys({"name": "x"}, ["name", "image_uri"])
    assert (keys["name"], keys["image_uri"], keys.get("image_uri", "other")) == ("x", None, "other")
    with pytest.raises(KeyError, match="imageuri"):
        keys["imageuri"]
