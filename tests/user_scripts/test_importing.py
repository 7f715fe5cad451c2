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


def run_script(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Load a script of this text in a process of its own."""
    (folder / "mine.py").write_text(text)
    code = f"from fmbench_lib.user_scripts.importing import load_script\nload_script({str(folder / 'mine.py')!r})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_an_fmbench2_script_can_import_fmbench_and_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("VALUE = 7\n")
    done = run_script(tmp_path, OLDER)
    assert (done.stdout, done.stderr) == ("1.5 {'generated_text': 'hi'} None ec2 7\n", "")


IMPORTS = """
import fmbench
import fmbench.scripts.constants as again
from fmbench import defaults
from fmbench.scripts import constants
from fmbench.scripts.constants import IS_NEURON_INSTANCE, LISTEN_PORT
from fmbench.scripts.ec2_metrics import collect_ec2_metrics, stop_collect
from fmbench.scripts.inference_containers.utils import (
    FMBENCH_MODEL_CONTAINER_NAME, STOP_AND_RM_CONTAINER, get_accelerator_type)
from fmbench.scripts.sagemaker_metrics import get_endpoint_metrics
from fmbench.scripts.stream_responses import get_response_stream
from fmbench.utils import *
from fmbench.utils import count_tokens

print(fmbench.__version__ != "", again is constants, defaults.MAX_REQ_CNT, LISTEN_PORT)
print(IS_NEURON_INSTANCE("trn1.32xlarge"), IS_NEURON_INSTANCE("g5.xlarge"))
print(collect_ec2_metrics(), stop_collect(None), FMBENCH_MODEL_CONTAINER_NAME in STOP_AND_RM_CONTAINER)
print(constants.MODEL_COPIES.MAX == "max", get_accelerator_type() in list(constants.ACCELERATOR_TYPE))
print(count_tokens("one two three"), count_tokens(None), hasattr(constants, "__wrapped__"))
"""


def test_what_its_own_predictors_and_deployers_import_is_there(tmp_path: Path) -> None:
    done = run_script(tmp_path, IMPORTS)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "True True 105 8080",
        "True False",
        "None None True",
        "True True",
        "4 0 False",
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("from fmbench.utils import write_to_s3", "fmbench has no fmbench.utils.write_to_s3 for scripts"),
        ("from fmbench.scripts import constants\nconstants.FAST", "fmbench has no fmbench.scripts.constants.FAST"),
        ("import fmbench.globals", "fmbench has no module fmbench.globals for scripts, only fmbench, "),
        ("from fmbench.scripts.pricing import load", "fmbench has no module fmbench.scripts.pricing for scripts"),
        (
            "from fmbench.scripts.stream_responses import get_response_stream\nget_response_stream({})",
            "fmbench has no get_response_stream for scripts: measure its times in get_prediction",
        ),
    ],
)
def test_what_is_not_there_is_named(text: str, named: str, tmp_path: Path) -> None:
    done = run_script(tmp_path, text)
    assert done.returncode == 1
    assert named in done.stderr.splitlines()[-1]


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
