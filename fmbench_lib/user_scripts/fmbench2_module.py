"""What scripts written for FMBench 2.x import: a package `fmbench` with the classes and names that they use.

It exists while such a script runs, and only where no package of that name is installed.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

from fmbench_lib import __version__

CONSTANTS = {
    "PLATFORM_SAGEMAKER": "sagemaker",
    "PLATFORM_BEDROCK": "bedrock",
    "PLATFORM_EC2": "ec2",
    "PLATFORM_EKS": "eks",
    "PLATFORM_EXTERNAL": "external",
    "CONTAINER_TYPE_DJL": "djl",
    "CONTAINER_TYPE_VLLM": "vllm",
    "CONTAINER_TYPE_TRITON": "triton",
    "CONTAINER_TYPE_OLLAMA": "ollama",
    "CONTAINER_TYPE_SGLANG": "sglang",
    "CONTAINER_TYPE_HUGGINGFACE": "huggingface",
}


class FMBenchPredictor:
    """Base class of the predictors in such scripts. It requires no methods: those differed between versions."""


class FMBenchPredictionResponse(dict[str, Any]):
    """The type that `get_prediction` returns there: a dictionary whose keys are also attributes."""

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        self.__dict__ = self


def offer_older_names() -> None:
    """Make `fmbench.scripts.fmbench_predictor` and `fmbench.scripts.constants` importable."""
    if "fmbench" in sys.modules or importlib.util.find_spec("fmbench") is not None:
        return
    package, scripts = ModuleType("fmbench"), ModuleType("fmbench.scripts")
    constants, base = ModuleType("fmbench.scripts.constants"), ModuleType("fmbench.scripts.fmbench_predictor")
    package.__path__ = scripts.__path__ = []
    vars(package).update(__version__=__version__, scripts=scripts)
    vars(scripts).update(constants=constants, fmbench_predictor=base)
    vars(constants).update(CONSTANTS)
    vars(base).update(FMBenchPredictor=FMBenchPredictor, FMBenchPredictionResponse=FMBenchPredictionResponse)
    for module in (package, scripts, constants, base):
        sys.modules[module.__name__] = module
