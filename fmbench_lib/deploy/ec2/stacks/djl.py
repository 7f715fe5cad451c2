"""DJL Serving with LMI, AWS's container for large models: on GPUs, Neuron and a CPU."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import DJL, OPENAI
from fmbench_lib.deploy.ec2.container import Container, DeviceKind, Mount
from fmbench_lib.deploy.ec2.placement import Place
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
from fmbench_lib.errors import DeployError

IMAGES: Mapping[DeviceKind, str] = {
    "nvidia": "deepjavalibrary/djl-serving:0.33.0-lmi",
    "neuron": "deepjavalibrary/djl-serving:0.29.0-pytorch-inf2",
    "none": "deepjavalibrary/djl-serving:0.33.0-cpu-full",
}
PORT = 8080
_PATHS = {DJL: "/invocations", OPENAI: "/v1/chat/completions"}
_MODEL = "/opt/ml/model"
_CACHE = "/opt/models"
_MODEL_LINE = "option.model_id"
_MODEL_VARIABLE = "HF_MODEL_ID"
_TENSOR_LINE = "option.tensor_parallel_degree"
_BATCH_LINE = "option.max_rolling_batch_size"
_TIMEOUT_LINE = "option.model_loading_timeout"
"""In seconds; the server's own patience is half an hour, whatever ours is."""
_TENSOR_VARIABLES = ("TENSOR_PARALLEL_DEGREE", "OPTION_TENSOR_PARALLEL_DEGREE")
_ALL = "max"


def _tp_degree(experiment: Experiment) -> int | None:
    """What serving.properties, or a variable in its place, asks for."""
    for name, value in _asked(experiment):
        if value.strip() != _ALL:
            return base.whole_number(value, name)
    return None


def _asked(experiment: Experiment) -> list[tuple[str, str]]:
    found = base.properties(experiment.serving_properties or "").get(_TENSOR_LINE)
    asked = [(_TENSOR_LINE, found)] if found is not None else []
    return asked + [(name, str(experiment.env[name])) for name in _TENSOR_VARIABLES if name in experiment.env]


def _serve(experiment: Experiment, place: Place, site: Site) -> Container:
    if base.cli_options(experiment):
        raise DeployError("DJL Serving takes no options: write cli_params as lines of serving.properties")
    image, notes = base.image_of(experiment, IMAGES[place.devices.kind])
    _check_image(image, place.devices.kind)
    model, mounts = _model(experiment, site)
    text = _properties_text(experiment, place, model)
    usual = {"HF_HOME": _CACHE, **({} if text is not None else _variables(experiment, place, model))}
    return Container(
        name=site.name,
        image=image,
        host_port=place.host_port,
        container_port=PORT,
        path=base.request_path(experiment, _PATHS),
        health_path="/ping",
        environment=base.environment_of(experiment, usual),
        secrets=base.secrets_of(experiment),
        folder=site.folder if text is not None else None,
        files={} if text is None else {"model/serving.properties": text},
        mounts=mounts if text is None else (Mount(site.folder / "model", _MODEL), *mounts),
        devices=place.devices,
        shm_size=experiment.inference_spec.shm_size or base.SHARED_MEMORY,
        notes=notes,
    )


def _check_image(image: str, kind: DeviceKind) -> None:
    """An image for other accelerators than the host has would fail after its pull, in riddles."""
    name = image.rpartition("/")[2]
    made_for = "neuron" if "neuronx" in name or "inf2" in name else "nvidia" if "-cu1" in name else None
    if made_for is not None and made_for != kind:
        words = {"nvidia": "GPUs", "neuron": "Neuron devices", "none": "no accelerators"}
        raise DeployError(f"image {image} is made for {words[made_for]}; this host has {words[kind]}")


def _model(experiment: Experiment, site: Site) -> tuple[str | None, tuple[Mount, ...]]:
    """The model as the container is told of it, and what is mounted for it; None where the config's own settings
    name it, and no folder of this host."""
    cache = base.hub_cache(experiment, _CACHE)
    named = base.properties(experiment.serving_properties or "").get(_MODEL_LINE)
    if named is not None:
        folder = base.found_here(named, site)
        return (None, (cache,)) if folder is None else (base.seen(folder).target, (base.seen(folder), cache))
    if _MODEL_VARIABLE in experiment.env or (experiment.serving_properties and not experiment.model_id):
        return None, (cache,)
    (_, model), mounts = base.hub_model(experiment, site, "", cache=_CACHE)
    return model, mounts


def _properties_text(experiment: Experiment, place: Place, model: str | None) -> str | None:
    """The config's serving.properties, with the lines that it leaves out; None where the config has none."""
    text = (experiment.serving_properties or "").strip()
    if not text:
        return None
    lines = [_line(line.strip(), model) for line in text.splitlines() if line.strip()]
    there = base.properties(text)
    ours = {f"option.{key}": base.text_of(value) for key, value in base.settings_of(experiment).items()}
    if model is not None:
        ours[_MODEL_LINE] = model
    if not _asked(experiment):
        ours[_TENSOR_LINE] = str(place.tp_degree)
    if experiment.inference_spec.batch_size is not None:
        ours[_BATCH_LINE] = str(experiment.inference_spec.batch_size)
    if (patience := _patience(experiment)) is not None:
        ours[_TIMEOUT_LINE] = patience
    return "\n".join([*lines, *(f"{key}={value}" for key, value in ours.items() if key not in there)]) + "\n"


def _line(line: str, model: str | None) -> str:
    """A line of serving.properties as the container reads it, which sees a folder of this host elsewhere."""
    named = line.partition("=")[0].strip() == _MODEL_LINE
    return f"{_MODEL_LINE}={model}" if named and model is not None else line


def _variables(experiment: Experiment, place: Place, model: str | None) -> dict[str, str]:
    """The same as environment variables, where the config has no serving.properties."""
    variables = {"TENSOR_PARALLEL_DEGREE": str(place.tp_degree)}
    if model is not None:
        variables = {_MODEL_VARIABLE: model, **variables}
    if "OPTION_TENSOR_PARALLEL_DEGREE" in experiment.env:
        del variables["TENSOR_PARALLEL_DEGREE"]
    if experiment.inference_spec.batch_size is not None:
        variables["OPTION_MAX_ROLLING_BATCH_SIZE"] = str(experiment.inference_spec.batch_size)
    if (patience := _patience(experiment)) is not None:
        variables["OPTION_MODEL_LOADING_TIMEOUT"] = patience
    settings = base.settings_of(experiment)
    return {**variables, **{f"OPTION_{key.upper()}": base.text_of(value) for key, value in settings.items()}}


def _patience(experiment: Experiment) -> str | None:
    """How long the model may take to load, in whole seconds, where the config says it."""
    own = experiment.ec2.model_loading_timeout if experiment.ec2 is not None else None
    asked = own or experiment.inference_spec.model_loading_timeout
    return None if asked is None else str(round(asked))


STACK = Stack(_serve, ("nvidia", "neuron", "none"), PORT, _tp_degree, fills=True)
