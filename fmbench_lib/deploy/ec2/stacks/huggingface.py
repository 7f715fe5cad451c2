"""Hugging Face's servers: TGI for text, TEI for embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import OPENAI, TGI
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.placement import Placement
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
from fmbench_lib.deploy.tgi_limits import tgi_limits
from fmbench_lib.errors import DeployError

TGI_IMAGES = {
    "nvidia": "ghcr.io/huggingface/text-generation-inference:3.3.5",
    "neuron": "ghcr.io/huggingface/text-generation-inference:latest-neuron",
    "none": "ghcr.io/huggingface/text-generation-inference:3.3.5-intel-cpu",
}
TEI_IMAGES = {
    "nvidia": "ghcr.io/huggingface/text-embeddings-inference:1.8",
    "none": "ghcr.io/huggingface/text-embeddings-inference:cpu-1.8",
}
PORT = 80
_SAGEMAKER_TGI = "huggingface-pytorch-tgi-inference"
_PORT_OPTIONS = ("--port", "-p")
_SAGEMAKER_PORT = 8080
_TGI_PATHS = {TGI: "/generate", OPENAI: "/v1/chat/completions"}
_TEI_PATHS = {OPENAI: "/v1/embeddings"}
_MODELS = "/data"
_LENGTHS = (("--max-input-tokens", "--max-input-length"), ("--max-total-tokens",))


def _tp_degree(experiment: Experiment) -> int | None:
    """The number of GPUs set in the server's own options or environment."""
    option = base.option_value(base.options_of(experiment), "--num-shard")
    variables = [name for name in ("NUM_SHARD", "SM_NUM_GPUS") if experiment.env.get(name) is not None]
    if option is None and variables:
        return base.whole_number(str(experiment.env[variables[0]]), f"env {variables[0]}")
    return base.whole_number(option, "--num-shard")


def _serve(experiment: Experiment, placement: Placement, site: Site) -> Container:
    if _makes_embeddings(experiment):
        return _embeddings(experiment, placement, site)
    image, notes = base.image_of(experiment, TGI_IMAGES[placement.devices.kind])
    if _SAGEMAKER_TGI in image:
        return _sagemaker_tgi(experiment, placement, site, image)
    options = base.options_of(experiment)
    degree = base.degree_of(experiment, placement, STACK)
    shards = None if _tp_degree(experiment) is not None else degree
    defaults = base.defaults_for(
        options,
        ("--num-shard", shards if placement.devices.kind == "nvidia" else None),
        ("--max-batch-size", experiment.inference_spec.batch_size),
        *_limits(experiment, options),
    )
    variables = {"HF_NUM_CORES": str(degree)} if placement.devices.kind == "neuron" else {}
    return _container(experiment, placement, site, image, notes, _TGI_PATHS, (*defaults, *options), variables)


def _limits(experiment: Experiment, options: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """The options for lengths that its prompts need; TGI itself measures how much a batch may hold."""
    limits = tgi_limits(experiment)
    if limits is None or any(base.option_value(options, *names) is not None for names in _LENGTHS):
        return ()
    return ("--max-input-tokens", limits.prompt), ("--max-total-tokens", limits.total)


def _embeddings(experiment: Experiment, placement: Placement, site: Site) -> Container:
    if placement.devices.kind not in TEI_IMAGES:
        raise DeployError("embeddings cannot be served on Neuron devices: write ec2.accelerators: none to use the CPU")
    if experiment.protocol not in _TEI_PATHS and "://" not in (experiment.ep_name or ""):
        raise DeployError(f"embeddings need protocol openai, not {experiment.protocol}")
    image, notes = base.image_of(experiment, TEI_IMAGES[placement.devices.kind])
    if placement.devices.kind == "nvidia" and base.configured_image(experiment) is None:
        notes += ("the image is built for one GPU architecture; other GPUs need another tag (86-1.8 on an A10G)",)
    options = base.options_of(experiment)
    batch = experiment.inference_spec.batch_size
    defaults = base.defaults_for(options, ("--max-batch-requests", batch))
    return _container(experiment, placement, site, image, notes, _TEI_PATHS, (*defaults, *options), {})


def _container(
    experiment: Experiment,
    placement: Placement,
    site: Site,
    image: str,
    notes: tuple[str, ...],
    paths: dict[str, str],
    options: tuple[str, ...],
    variables: dict[str, str],
) -> Container:
    model, mounts = base.hub_model(experiment, site, "--model-id", cache=_MODELS)
    # The image moves the hub's cache, whose layout is the usual one: this way the host's cached models are reused.
    cache = {"HF_HOME": _MODELS, "HUGGINGFACE_HUB_CACHE": f"{_MODELS}/hub"}
    return Container(
        name=site.name,
        image=image,
        host_port=placement.host_port,
        container_port=base.port_of(options, PORT, *_PORT_OPTIONS),
        path=base.request_path(experiment, paths),
        health_path="/health",
        command=(*model, *_listening(options), *options),
        environment=base.environment_of(experiment, {**cache, **variables}),
        secrets=base.secrets_of(experiment),
        mounts=mounts,
        devices=placement.devices,
        shm_size=experiment.inference_spec.shm_size or base.SHARED_MEMORY,
        notes=notes,
    )


def _listening(options: tuple[str, ...]) -> tuple[str, ...]:
    """The option for the server's default port, unless the port is set: the servers reject a repeated option."""
    return () if base.option_value(options, *_PORT_OPTIONS) is not None else ("--port", str(PORT))


def _sagemaker_tgi(experiment: Experiment, placement: Placement, site: Site, image: str) -> Container:
    """AWS's build of TGI is configured by environment variables, not by options."""
    options = base.cli_options(experiment)
    if options:
        raise DeployError(f"{image} takes no options ({options[0]}): set env (MAX_TOTAL_TOKENS, …)")
    settings = {key.upper(): base.setting_text(value) for key, value in base.settings_of(experiment).items()}
    (_, model), mounts = base.hub_model(experiment, site, "", cache=_MODELS)
    variables = {
        "HF_MODEL_ID": model,
        "SM_NUM_GPUS": str(base.degree_of(experiment, placement, STACK)),
        "HF_HOME": _MODELS,
        "HUGGINGFACE_HUB_CACHE": f"{_MODELS}/hub",
        **(limits.variables if (limits := tgi_limits(experiment)) else {}),
        **settings,
    }
    return Container(
        name=site.name,
        image=image,
        host_port=placement.host_port,
        container_port=_SAGEMAKER_PORT,
        path=base.request_path(experiment, _TGI_PATHS),
        health_path="/health",
        environment=base.environment_of(experiment, variables),
        secrets=base.secrets_of(experiment),
        mounts=mounts,
        devices=placement.devices,
        shm_size=experiment.inference_spec.shm_size or base.SHARED_MEMORY,
    )


def _makes_embeddings(experiment: Experiment) -> bool:
    path = (experiment.ep_name or "").rstrip("/")
    embedding_mode = experiment.inference_spec.parameters.get("mode") == "embedding"
    return (
        embedding_mode
        or path.endswith(("/embeddings", "/embed"))
        or "text-embeddings-inference" in (experiment.image_uri or "")
    )


STACK = Stack(_serve, ("nvidia", "neuron", "none"), 8080, _tp_degree, all_by_default=True)
