"""The table of serving stacks: which one serves an experiment's `container_type`."""

from __future__ import annotations

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.ec2.stacks import djl, huggingface, llama_cpp_server, ollama_server, sglang, triton_server, vllm
from fmbench_lib.deploy.ec2.stacks.base import Stack

DEFAULT = "djl"
"""The container type of configs that name none."""

# A new stack is a module with a `Stack`, and one row here.
STACKS: dict[str, Stack] = {
    "vllm": vllm.CPU,
    "vllm_gpu": vllm.GPU,
    "djl": djl.STACK,
    "huggingface": huggingface.STACK,
    "triton": triton_server.STACK,
    "sglang": sglang.STACK,
    "ollama": ollama_server.STACK,
    "llama_server": llama_cpp_server.STACK,
}


def container_type_of(experiment: Experiment) -> str:
    """The experiment's `container_type`, or the default one."""
    return experiment.inference_spec.container_type or DEFAULT


def stack_of(experiment: Experiment) -> Stack:
    """The stack that serves the experiment."""
    return STACKS[container_type_of(experiment)]
