"""Hugging Face's servers: TGI for text, TEI for embeddings."""

from __future__ import annotations

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import OPENAI, TGI
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.placement import Place
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
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
_ON_SAGEMAKER = "huggingface-pytorch-tgi-inference"
_PORT_OPTIONS = ("--port", "-p")
_SAGEMAKER_PORT = 8080
_TGI_PATHS = {TGI: "/generate", OPENAI: "/v1/chat/completions"}
_TEI_PATHS = {OPENAI: "/v1/embeddings"}
_MODELS = "/data"


def _tp_degree(experiment: Experiment) -> int | None:
    """The GPUs that the server's own settings ask for."""
    asked = base.option_value(base.options_of(experiment), "--num-shard")
    names = [name for name in ("NUM_SHARD", "SM_NUM_GPUS") if experiment.env.get(name) is not None]
    if asked is None and names:
        return base.whole_number(str(experiment.env[names[0]]), f"env {names[0]}")
    return base.whole_number(asked, "--num-shard")


def _serve(experiment: Experiment, place: Place, site: Site) -> Container:
    if _makes_embeddings(experiment):
        return _embeddings(experiment, place, site)
    image, notes = base.image_of(experiment, TGI_IMAGES[place.devices.kind])
    if _ON_SAGEMAKER in image:
        return _as_on_sagemaker(experiment, place, site, image)
    options = base.options_of(experiment)
    shards = None if _tp_degree(experiment) is not None else place.tp_degree
    usual = base.unless_given(
        options,
        ("--num-shard", shards if place.devices.kind == "nvidia" else None),
        ("--max-batch-size", experiment.inference_spec.batch_size),
    )
    cores = {"HF_NUM_CORES": str(place.tp_degree)} if place.devices.kind == "neuron" else {}
    return _container(experiment, place, site, image, notes, _TGI_PATHS, (*usual, *options), cores)


def _embeddings(experiment: Experiment, place: Place, site: Site) -> Container:
    if place.devices.kind not in TEI_IMAGES:
        raise DeployError("embeddings are not served on Neuron devices: write ec2.accelerators: none for the CPU")
    if experiment.protocol not in _TEI_PATHS and "://" not in (experiment.ep_name or ""):
        raise DeployError(f"embeddings are asked for by protocol openai, not {experiment.protocol}")
    image, notes = base.image_of(experiment, TEI_IMAGES[place.devices.kind])
    if place.devices.kind == "nvidia" and base.given(experiment.image_uri) is None:
        notes += ("the image is built for one architecture of GPUs: another is needed on others (86-1.8 on an A10G)",)
    options = base.options_of(experiment)
    batch = experiment.inference_spec.batch_size
    usual = base.unless_given(options, ("--max-batch-requests", batch))
    return _container(experiment, place, site, image, notes, _TEI_PATHS, (*usual, *options), {})


def _container(
    experiment: Experiment,
    place: Place,
    site: Site,
    image: str,
    notes: tuple[str, ...],
    paths: dict[str, str],
    options: tuple[str, ...],
    variables: dict[str, str],
) -> Container:
    model, mounts = base.hub_model(experiment, site, "--model-id", cache=_MODELS)
    # Its own cache is laid out as everybody's is, but at another place: so that what was fetched once is found again.
    cache = {"HF_HOME": _MODELS, "HUGGINGFACE_HUB_CACHE": f"{_MODELS}/hub"}
    return Container(
        name=site.name,
        image=image,
        host_port=place.host_port,
        container_port=base.port_of(options, PORT, *_PORT_OPTIONS),
        path=base.request_path(experiment, paths),
        health_path="/health",
        command=(*model, *_listening(options), *options),
        environment=base.environment_of(experiment, {**cache, **variables}),
        secrets=base.secrets_of(experiment),
        mounts=mounts,
        devices=place.devices,
        shm_size=experiment.inference_spec.shm_size or base.SHARED_MEMORY,
        notes=notes,
    )


def _listening(options: tuple[str, ...]) -> tuple[str, ...]:
    """The option that has a server listen on its usual port, where none says another: they take it once only."""
    return () if base.option_value(options, *_PORT_OPTIONS) is not None else ("--port", str(PORT))


def _as_on_sagemaker(experiment: Experiment, place: Place, site: Site, image: str) -> Container:
    """AWS's build of TGI takes environment variables in the place of options."""
    options = base.cli_options(experiment)
    if options:
        raise DeployError(f"{image} takes no options ({options[0]}); write env (MAX_TOTAL_TOKENS, …)")
    settings = {key.upper(): base.text_of(value) for key, value in base.settings_of(experiment).items()}
    (_, model), mounts = base.hub_model(experiment, site, "", cache=_MODELS)
    usual = {
        "HF_MODEL_ID": model,
        "SM_NUM_GPUS": str(place.tp_degree),
        "HF_HOME": _MODELS,
        "HUGGINGFACE_HUB_CACHE": f"{_MODELS}/hub",
        **settings,
    }
    return Container(
        name=site.name,
        image=image,
        host_port=place.host_port,
        container_port=_SAGEMAKER_PORT,
        path=base.request_path(experiment, _TGI_PATHS),
        health_path="/health",
        environment=base.environment_of(experiment, usual),
        secrets=base.secrets_of(experiment),
        mounts=mounts,
        devices=place.devices,
        shm_size=experiment.inference_spec.shm_size or base.SHARED_MEMORY,
    )


def _makes_embeddings(experiment: Experiment) -> bool:
    path = (experiment.ep_name or "").rstrip("/")
    asked = experiment.inference_spec.parameters.get("mode") == "embedding"
    return (
        asked or path.endswith(("/embeddings", "/embed")) or "text-embeddings-inference" in (experiment.image_uri or "")
    )


STACK = Stack(_serve, ("nvidia", "neuron", "none"), 8080, _tp_degree)
