"""Ollama, on GPUs and on a CPU. The model is pulled once the server runs."""

from __future__ import annotations

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import OLLAMA, OPENAI
from fmbench_lib.deploy.ec2.container import Container, StartRequest
from fmbench_lib.deploy.ec2.placement import Place
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
from fmbench_lib.errors import DeployError

IMAGE = "ollama/ollama:latest"
PORT = 11434
_PATHS = {OLLAMA: "/api/generate", OPENAI: "/v1/chat/completions"}
_MODELS = "/root/.ollama"


def _serve(experiment: Experiment, place: Place, site: Site) -> Container:
    image, notes = base.image_of(experiment, IMAGE)
    options = base.options_of(experiment)
    if options:
        raise DeployError(
            f"Ollama's server takes no options ({options[0]}); write env (OLLAMA_…), or the model's settings under "
            "`options` in inference_parameters"
        )
    batch = experiment.inference_spec.batch_size
    usual = {
        "OLLAMA_KEEP_ALIVE": "-1",  # else a model is unloaded after five minutes without a request
        **({} if batch is None else {"OLLAMA_NUM_PARALLEL": str(batch)}),
    }
    model = str(experiment.inference_spec.parameters.get("model") or base.model_of(experiment))
    own = experiment.ec2.model_cache if experiment.ec2 is not None else None
    return Container(
        name=site.name,
        image=image,
        host_port=place.host_port,
        container_port=PORT,
        path=base.request_path(experiment, _PATHS),
        health_path="/api/version",
        environment=base.environment_of(experiment, usual),
        secrets=base.secrets_of(experiment, hub=False),
        mounts=(base.folder_of(own, ".ollama", _MODELS),),
        devices=place.devices,
        shm_size=experiment.inference_spec.shm_size,
        after_start=(
            StartRequest("/api/pull", {"model": model, "stream": True}, f"pulls {model}"),
            StartRequest("/api/generate", {"model": model, "stream": False}, f"loads {model}"),
        ),
        notes=notes,
    )


STACK = Stack(_serve, ("nvidia", "none"), PORT, base.no_tp_degree, spreads=True)
