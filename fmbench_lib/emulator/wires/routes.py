"""The protocols that can be emulated; an emulator speaks all of them, each at its own paths."""

from __future__ import annotations

from collections.abc import Callable

from fmbench_lib.emulator.behaviour import Behaviour
from fmbench_lib.emulator.wires.base import Wire
from fmbench_lib.emulator.wires.bedrock import Bedrock
from fmbench_lib.emulator.wires.embeddings import Embeddings
from fmbench_lib.emulator.wires.generate import Generate
from fmbench_lib.emulator.wires.llama_cpp import LlamaCpp
from fmbench_lib.emulator.wires.ollama import Ollama
from fmbench_lib.emulator.wires.openai import OpenAI
from fmbench_lib.emulator.wires.rest import CustomRest, RayServe
from fmbench_lib.emulator.wires.sagemaker import SageMaker
from fmbench_lib.emulator.wires.triton import Triton

WIRES: dict[str, Callable[[Behaviour], Wire]] = {
    "openai": OpenAI,
    "embeddings": Embeddings,
    "generate": Generate,
    "triton": Triton,
    "ollama": Ollama,
    "llama_cpp": LlamaCpp,
    "ray_serve": RayServe,
    "custom_rest": CustomRest,
    "sagemaker": SageMaker,
    "bedrock": Bedrock,
}


def make_wires(behaviour: Behaviour) -> list[Wire]:
    """One wire of each protocol."""
    return [make(behaviour) for make in WIRES.values()]
