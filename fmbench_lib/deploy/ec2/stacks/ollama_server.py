"""Ollama, on GPUs and on a CPU. The model is pulled once the server is running."""

from __future__ import annotations

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import OLLAMA, OPENAI
from fmbench_lib.deploy.ec2.container import Container, StartRequest
from fmbench_lib.deploy.ec2.placement import Placement
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
from fmbench_lib.errors import DeployError

IMAGE = "ollama/ollama:latest"
PORT = 11434
_PATHS = {OLLAMA: "/api/generate", OPENAI: "/v1/chat/completions"}
_MODELS = "/root/.ollama"


def _serve(experiment: Experiment, placement: Placement, site: Site) -> Container:
    image, notes = base.image_of(experiment, IMAGE)
    options = base.options_of(experiment)
    if options:
        raise DeployError(
            f"Ollama's server takes no options ({options[0]}): set env (OLLAMA_…), or the model's settings under "
            "`options` in inference_parameters"
        )
    batch = experiment.inference_spec.batch_size
    defaults = {
        "OLLAMA_KEEP_ALIVE": "-1",  # otherwise a model is unloaded after five idle minutes
        **({} if batch is None else {"OLLAMA_NUM_PARALLEL": str(batch)}),
    }
    model = str(experiment.inference_spec.parameters.get("model") or base.model_of(experiment))
    cache = experiment.ec2.model_cache if experiment.ec2 is not None else None
    return Container(
        name=site.name,
        image=image,
        host_port=placement.host_port,
        container_port=PORT,
        path=base.request_path(experiment, _PATHS),
        health_path="/api/version",
        environment=base.environment_of(experiment, defaults),
        secrets=base.secrets_of(experiment, hub=False),
        mounts=(base.folder_of(cache, ".ollama", _MODELS),),
        devices=placement.devices,
        shm_size=experiment.inference_spec.shm_size,
        after_start=(
            StartRequest("/api/pull", {"model": model, "stream": True}, f"pulls {model}"),
            StartRequest("/api/generate", {"model": model, "stream": False}, f"loads {model}"),
        ),
        notes=notes,
    )


STACK = Stack(_serve, ("nvidia", "none"), PORT, base.no_tp_degree, uses_all_devices=True)
