"""What the predictors and deployment scripts of FMBench 2.x import from it, by module."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

CONTAINER_NAME = "fmbench_model_container"


class AcceleratorType(StrEnum):
    """`constants.ACCELERATOR_TYPE`."""

    NEURON = "neuron"
    NVIDIA = "nvidia"


class Backend(StrEnum):
    """`constants.BACKEND`: what runs a model in Triton."""

    VLLM_BACKEND = "vllm"
    DJL_BACKEND = "djl"
    TENSORRT_BACKEND = "tensorrt"


class ModelCopies(StrEnum):
    """`constants.MODEL_COPIES`."""

    AUTO = "auto"
    MAX = "max"


class FMBenchPredictor:
    """Base class of the predictors in such scripts. It requires no methods: those differed between versions."""


class FMBenchPredictionResponse(dict[str, Any]):
    """The type that `get_prediction` returns there: a dictionary whose keys are also attributes."""

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        self.__dict__ = self


class TokenEstimate(int):
    """A number of tokens that `count_tokens` has estimated from words.

    It is not what a server counted: where a script returns it, the experiment's own tokenizer counts instead.
    """

    def __add__(self, other: int) -> TokenEstimate:
        return TokenEstimate(int(self) + int(other))

    __radd__ = __add__


def count_tokens(text: str | None) -> TokenEstimate:
    """Tokens of a text, four for three words; 0 of none."""
    return TokenEstimate((len((text or "").split()) * 4 + 1) // 3)


def load_config(config_file: str | Path) -> Any:
    """The content of a YAML file of this machine; placeholders in it stay as they are."""
    import yaml

    return yaml.safe_load(Path(config_file).read_text(encoding="utf-8"))


def nt_to_posix(path: str) -> str:
    """A path with slashes for backslashes."""
    return path.replace("\\", "/")


def is_neuron_instance(instance_type: str) -> bool:
    """Whether an EC2 instance type has Inferentia 2 or Trainium devices."""
    return instance_type.startswith(("inf2", "trn1"))


def get_accelerator_type() -> AcceleratorType:
    """The accelerators of this machine: NVIDIA's where `nvidia-smi` is installed, Neuron otherwise."""
    return AcceleratorType.NVIDIA if shutil.which("nvidia-smi") else AcceleratorType.NEURON


def samples_nothing(*_: Any, **__: Any) -> None:
    """Stands for the collection of the machine's metrics, which fmbench does itself during each level."""


def absent(name: str, instead: str) -> Callable[..., NoReturn]:
    """A function that can be imported, and says what to write instead when it is called."""

    def called(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(f"fmbench has no {name} for scripts: {instead}")

    return called


_STREAM = "measure its times in get_prediction, or name a protocol that streams (docs/protocols.md)"
_METRICS = "fmbench reads the endpoint's CloudWatch metrics itself"
_CONVERSE = "name bedrock_predictor.py as inference_script, or call the Converse API with boto3"

MODULES: dict[str, dict[str, Any]] = {
    "fmbench": {},
    "fmbench.defaults": {
        "DEFAULT_BUCKET_WRITE": "sagemaker-fmbench-write",
        "DEFAULT_BUCKET_READ": "sagemaker-fmbench-read",
        "DEFAULT_LOCAL_WRITE": "fmbench-write",
        "DEFAULT_LOCAL_READ": "fmbench-read",
        "MAX_REQ_CNT": 105,
        "MIN_REQ_CNT": 5,
    },
    "fmbench.utils": {"count_tokens": count_tokens, "load_config": load_config, "nt_to_posix": nt_to_posix},
    "fmbench.scripts": {},
    "fmbench.scripts.fmbench_predictor": {
        "FMBenchPredictor": FMBenchPredictor,
        "FMBenchPredictionResponse": FMBenchPredictionResponse,
    },
    "fmbench.scripts.constants": {
        "PLATFORM_SAGEMAKER": "sagemaker",
        "PLATFORM_BEDROCK": "bedrock",
        "PLATFORM_EC2": "ec2",
        "PLATFORM_EKS": "eks",
        "PLATFORM_EXTERNAL": "external",
        "CONTAINER_TYPE_DJL": "djl",
        "CONTAINER_TYPE_VLLM": "vllm",
        "CONTAINER_TYPE_VLLM_GPU": "vllm_gpu",
        "CONTAINER_TYPE_TRITON": "triton",
        "CONTAINER_TYPE_OLLAMA": "ollama",
        "CONTAINER_TYPE_SGLANG": "sglang",
        "CONTAINER_TYPE_LLAMA_SERVER": "llama_server",
        "CONTAINER_TYPE_HUGGINGFACE": "huggingface",
        "AWS_CHIPS_PREFIX_LIST": ["inf2", "trn1"],
        "IS_NEURON_INSTANCE": is_neuron_instance,
        "ACCELERATOR_TYPE": AcceleratorType,
        "BACKEND": Backend,
        "MODEL_COPIES": ModelCopies,
        "BASE_PORT_FOR_CONTAINERS": 8000,
        "LISTEN_PORT": 8080,
        "EC2_SYSTEM_METRICS_FNAME": "EC2_system_metrics.csv",
        "EC2_UTILIZATION_METRICS_INTERVAL": 5,
    },
    "fmbench.scripts.ec2_metrics": {"collect_ec2_metrics": samples_nothing, "stop_collect": samples_nothing},
    "fmbench.scripts.sagemaker_metrics": {"get_endpoint_metrics": absent("get_endpoint_metrics", _METRICS)},
    "fmbench.scripts.stream_responses": {"get_response_stream": absent("get_response_stream", _STREAM)},
    "fmbench.scripts.bedrock_predictor_converseAPI": {
        "invoke_bedrock_converse": absent("invoke_bedrock_converse", _CONVERSE)
    },
    "fmbench.scripts.inference_containers": {},
    "fmbench.scripts.inference_containers.utils": {
        "FMBENCH_MODEL_CONTAINER_NAME": CONTAINER_NAME,
        "STOP_AND_RM_CONTAINER": f"docker ps -aq --filter name={CONTAINER_NAME} | xargs -r docker rm --force\n",
        "get_accelerator_type": get_accelerator_type,
    },
}
"""The modules, parents before children, with the names that each has."""
