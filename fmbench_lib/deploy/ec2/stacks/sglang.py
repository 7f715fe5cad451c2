"""SGLang's server, on GPUs."""

from __future__ import annotations

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import OPENAI
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.placement import Placement
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack

IMAGE = "lmsysorg/sglang:latest"
PORT = 30000
_PATHS = {OPENAI: "/v1/chat/completions"}
_TENSOR = ("--tp", "--tp-size", "--tensor-parallel-size")
_PIPELINE = ("--pp", "--pp-size", "--pipeline-parallel-size")
_DATA = ("--dp", "--dp-size", "--data-parallel-size")
_TRUST = "--trust-remote-code"
"""FMBench 2.x always sent it; models such as DeepSeek's need it."""
_SHARED_MEMORY = "32g"
_WITHIN_TENSOR = "--enable-dp-attention"
"""Makes data parallelism divide the GPUs of the tensor parallelism instead of multiplying them."""


def _tp_degree(experiment: Experiment) -> int | None:
    """The tensor parallelism set in the server's own options."""
    return base.whole_number(base.option_value(base.options_of(experiment), *_TENSOR), _TENSOR[0])


def _other_parallelism(experiment: Experiment) -> int:
    """The factor by which pipeline and data parallelism multiply the GPUs."""
    options = base.options_of(experiment)
    within = base.option_value(options, _WITHIN_TENSOR) is not None
    return base.parallelism(options, _PIPELINE, *(() if within else (_DATA,)))


def _serve(experiment: Experiment, placement: Placement, site: Site) -> Container:
    image, notes = base.image_of(experiment, IMAGE)
    model, mounts = base.hub_model(experiment, site, "--model-path")
    if model[1] != experiment.model_id:
        model += ("--served-model-name", base.model_of(experiment))
    options = base.options_of(experiment)
    tensor = () if _tp_degree(experiment) is not None else ("--tp", str(base.degree_of(experiment, placement, STACK)))
    batch = experiment.inference_spec.batch_size
    trusted = () if base.option_value(options, _TRUST) is not None else (_TRUST,)
    flags = (*trusted, "--enable-metrics")
    defaults = base.defaults_for(options, ("--host", "0.0.0.0"), ("--port", PORT), ("--max-running-requests", batch))
    return Container(
        name=site.name,
        image=image,
        host_port=placement.host_port,
        container_port=base.port_of(options, PORT, "--port"),
        path=base.request_path(experiment, _PATHS),
        health_path="/health",
        command=("python3", "-m", "sglang.launch_server", *model, *defaults, *tensor, *flags, *options),
        environment=base.environment_of(experiment),
        secrets=base.secrets_of(experiment),
        mounts=mounts,
        devices=placement.devices,
        shm_size=experiment.inference_spec.shm_size or _SHARED_MEMORY,
        notes=notes,
    )


STACK = Stack(_serve, ("nvidia",), PORT, _tp_degree, other_parallelism=_other_parallelism, all_by_default=True)
