"""vLLM's OpenAI server, on GPUs and on a CPU."""

from __future__ import annotations

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import OPENAI
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.placement import Placement
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack

GPU_IMAGE = "vllm/vllm-openai:latest"
CPU_IMAGE = "public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:latest"
PORT = 8000
_PATHS = {OPENAI: "/v1/chat/completions"}
_TENSOR = ("--tensor-parallel-size", "-tp")
_OTHERS = (("--pipeline-parallel-size", "-pp"), ("--data-parallel-size", "-dp"))
"""Each multiplies the number of GPUs that a server needs."""
_THREADS = "VLLM_CPU_OMP_THREADS_BIND"
_CPU_SHARED_MEMORY = "4g"


def _tp_degree(experiment: Experiment) -> int | None:
    """The tensor parallelism set in the server's own options."""
    return base.whole_number(base.option_value(base.options_of(experiment), *_TENSOR), _TENSOR[0])


def _other_parallelism(experiment: Experiment) -> int:
    """The factor by which pipeline and data parallelism multiply the GPUs."""
    return base.parallelism(base.options_of(experiment), *_OTHERS)


def _on_gpus(experiment: Experiment, placement: Placement, site: Site) -> Container:
    image, notes = base.image_of(experiment, GPU_IMAGE)
    options = base.options_of(experiment)
    parallel = () if _tp_degree(experiment) is not None else (_TENSOR[0], str(placement.tp_degree))
    return _container(experiment, placement, site, image, notes, (*parallel, *options), {}, base.SHARED_MEMORY)


def _on_cpu(experiment: Experiment, placement: Placement, site: Site) -> Container:
    image, notes = base.image_of(experiment, CPU_IMAGE)
    defaults = {}
    if placement.cores is not None:
        first, end = placement.cores
        defaults[_THREADS] = f"{first}-{end - 1}"
        if _THREADS in experiment.env:
            notes += (f"env {_THREADS} is the same for all {placement.copies} copies: they run on the same cores",)
    options = base.options_of(experiment)
    return _container(experiment, placement, site, image, notes, options, defaults, _CPU_SHARED_MEMORY)


def _container(
    experiment: Experiment,
    placement: Placement,
    site: Site,
    image: str,
    notes: tuple[str, ...],
    options: tuple[str, ...],
    variables: dict[str, str],
    shared_memory: str,
) -> Container:
    model, mounts = base.hub_model(experiment, site, "--model")
    if model[1] != experiment.model_id:
        model += ("--served-model-name", base.model_of(experiment))
    spec = experiment.inference_spec
    return Container(
        name=site.name,
        image=image,
        host_port=placement.host_port,
        container_port=base.port_of(options, PORT, "--port"),
        path=base.request_path(experiment, _PATHS),
        health_path="/health",
        command=(
            *model,
            *base.defaults_for(options, ("--host", "0.0.0.0"), ("--port", PORT), ("--max-num-seqs", spec.batch_size)),
            *options,
        ),
        environment=base.environment_of(experiment, variables),
        secrets=base.secrets_of(experiment),
        mounts=mounts,
        devices=placement.devices,
        shm_size=spec.shm_size or shared_memory,
        notes=notes,
    )


GPU = Stack(_on_gpus, ("nvidia",), PORT, _tp_degree, other_parallelism=_other_parallelism)
CPU = Stack(_on_cpu, ("none",), PORT, base.no_tp_degree)
