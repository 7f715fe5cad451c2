"""llama.cpp's own server, on GPUs and on a CPU."""

from __future__ import annotations

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import LLAMA_CPP, OPENAI
from fmbench_lib.deploy.ec2.container import Container, Mount
from fmbench_lib.deploy.ec2.placement import Placement
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
from fmbench_lib.errors import DeployError
from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.models.embedded import EMBEDDED_MODEL, model_file

CPU_IMAGE = "ghcr.io/ggml-org/llama.cpp:server"
GPU_IMAGE = "ghcr.io/ggml-org/llama.cpp:server-cuda"
PORT = 8080
_PATHS = {OPENAI: "/v1/chat/completions", LLAMA_CPP: "/completion"}
_CACHE = "/root/.cache/llama.cpp"
_ALL_LAYERS = 999


def _serve(experiment: Experiment, placement: Placement, site: Site) -> Container:
    on_gpus = placement.devices.kind == "nvidia"
    image, notes = base.image_of(experiment, GPU_IMAGE if on_gpus else CPU_IMAGE)
    model, mount = _model(experiment, site)
    options = base.options_of(experiment)
    defaults = base.defaults_for(
        options,
        ("--alias", base.model_of(experiment)),
        ("--host", "0.0.0.0"),
        ("--port", PORT),
        ("--parallel", experiment.inference_spec.batch_size),
        ("--threads", placement.threads),
        ("--n-gpu-layers", _ALL_LAYERS if on_gpus else None),
    )
    return Container(
        name=site.name,
        image=image,
        host_port=placement.host_port,
        container_port=base.port_of(options, PORT, "--port"),
        path=base.request_path(experiment, _PATHS),
        health_path="/health",
        command=(*model, *defaults, "--metrics", *options),
        environment=base.environment_of(experiment),
        secrets=base.secrets_of(experiment),
        mounts=(mount,),
        devices=placement.devices,
        shm_size=experiment.inference_spec.shm_size,
        notes=notes,
    )


def _model(experiment: Experiment, site: Site) -> tuple[tuple[str, ...], Mount]:
    """The options that name the model, and its mount: the model's file, or the cache that the server downloads to."""
    model = base.model_of(experiment)
    if model == EMBEDDED_MODEL or (base.local_model(experiment, site) is not None and model.endswith(".gguf")):
        try:
            file = model_file(model, site.model_folders)
        except ModelFileError as error:
            raise DeployError(str(error)) from error
        return ("--model", f"{base.MODELS}/{file.name}"), Mount(file, f"{base.MODELS}/{file.name}")
    configured_cache = experiment.ec2.model_cache if experiment.ec2 is not None else None
    cache = base.folder_of(configured_cache, ".cache/llama.cpp", _CACHE)
    organisation, _, rest = model.partition("/")
    repository, _, file_name = rest.partition("/")
    if not repository:
        raise DeployError(
            f"llama.cpp cannot load model_id {model}: write a path ending in .gguf, org/repo or org/repo/file.gguf"
        )
    options = ("--hf-repo", f"{organisation}/{repository}", *(("--hf-file", file_name) if file_name else ()))
    return options, cache


STACK = Stack(_serve, ("nvidia", "none"), PORT, base.no_tp_degree, uses_all_devices=True)
